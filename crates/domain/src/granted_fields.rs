use crate::basic_field::{BasicField, UnknownField};

/// The fields of basic verification that a client may have compared.
///
/// The default is every field that needs no grant, those of later versions included.
///
/// ```
/// use padan_domain::{BasicField, GrantedFields};
/// let default = GrantedFields::default();
/// assert!(default.contain(BasicField::City) && !default.contain(BasicField::MotherMaidenName));
/// let more = GrantedFields::parse(["default", "mother_maiden_name"])?;
/// assert!(more.contain(BasicField::City) && more.contain(BasicField::MotherMaidenName));
/// # Ok::<(), padan_domain::UnknownField>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantedFields(Option<Vec<BasicField>>);

impl GrantedFields {
    /// The word for the default fields in a list.
    pub const DEFAULT: &str = "default";

    /// Every field.
    pub fn all() -> Self {
        Self(Some(BasicField::ALL.to_vec()))
    }

    /// Parses a list of names of fields. The word `default` stands for the fields that need no grant.
    ///
    /// # Errors
    ///
    /// [`UnknownField`] when a word is neither.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownField> {
        let (mut has_default, mut named) = (false, Vec::new());
        for word in words {
            if word == Self::DEFAULT {
                has_default = true;
            } else {
                named.push(word.parse::<BasicField>()?);
            }
        }
        Ok(match (has_default, named.iter().any(|field| field.needs_grant())) {
            (true, false) => Self::default(),
            (true, true) => Self::of(|field| !field.needs_grant() || named.contains(&field)),
            (false, _) => Self::of(|field| named.contains(&field)),
        })
    }

    /// The fields of a list that was stored; `None` is the default. Names that only a newer program knows are ignored.
    pub fn from_stored(names: Option<&[String]>) -> Self {
        Self(names.map(|names| names.iter().filter_map(|name| name.parse().ok()).collect()))
    }

    /// The list to be stored; `None` is the default.
    pub fn to_stored(&self) -> Option<Vec<String>> {
        self.0.as_ref().map(|fields| fields.iter().map(ToString::to_string).collect())
    }

    /// The shortest list of words that [`parse`](Self::parse) reads as these fields.
    pub fn words(&self) -> Vec<&'static str> {
        let has_default = BasicField::ALL.iter().all(|field| field.needs_grant() || self.contain(*field));
        let named = BasicField::ALL.iter().filter(|field| self.contain(**field));
        let named = named.filter(|field| !has_default || field.needs_grant()).map(|field| field.as_str());
        has_default.then_some(Self::DEFAULT).into_iter().chain(named).collect()
    }

    /// Whether the client may have a field compared.
    pub fn contain(&self, field: BasicField) -> bool {
        self.0.as_ref().map_or(!field.needs_grant(), |fields| fields.contains(&field))
    }

    fn of(is_granted: impl Fn(BasicField) -> bool) -> Self {
        Self(Some(BasicField::ALL.iter().copied().filter(|field| is_granted(*field)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(granted: &GrantedFields) -> Vec<&'static str> {
        let all = BasicField::ALL.iter();
        all.filter(|field| !granted.contain(**field)).map(|field| field.as_str()).collect()
    }

    fn parse(list: &str) -> Result<GrantedFields, UnknownField> {
        GrantedFields::parse(list.split(','))
    }

    #[test]
    fn only_two_fields_need_a_grant() {
        assert_eq!(refused(&GrantedFields::default()), ["no_kk", "mother_maiden_name"]);
        assert_eq!(refused(&GrantedFields::all()), Vec::<&str>::new());
    }

    #[test]
    fn a_list_replaces_the_default_fields_unless_it_names_them() {
        assert_eq!(parse("default"), Ok(GrantedFields::default()));
        assert_eq!(parse("city,default"), Ok(GrantedFields::default()));
        assert_eq!(refused(&parse("default,no_kk").unwrap()), ["mother_maiden_name"]);
        assert_eq!(parse("default,no_kk,mother_maiden_name"), Ok(GrantedFields::all()));
        let two = parse("name,mother_maiden_name").unwrap();
        assert_eq!(refused(&two).len(), BasicField::ALL.len() - 2);
        assert!(two.contain(BasicField::Name) && two.contain(BasicField::MotherMaidenName));
        for wrong in ["", "nik", "Name", "name,,city"] {
            assert_eq!(parse(wrong), Err(UnknownField), "{wrong}");
        }
    }

    #[test]
    fn fields_are_shown_as_they_can_be_given() {
        assert_eq!(GrantedFields::default().words(), ["default"]);
        assert_eq!(GrantedFields::all().words(), ["default", "no_kk", "mother_maiden_name"]);
        assert_eq!(parse("rw,no_kk,name").unwrap().words(), ["name", "no_kk", "rw"]);
    }

    #[test]
    fn a_stored_list_is_read_as_it_was_and_unknown_names_grant_nothing() {
        for granted in [GrantedFields::default(), GrantedFields::all(), parse("rt,rw").unwrap()] {
            assert_eq!(GrantedFields::from_stored(granted.to_stored().as_deref()), granted);
        }
        let newer = ["rt".to_owned(), "field_of_a_newer_program".to_owned()];
        assert_eq!(GrantedFields::from_stored(Some(&newer)), parse("rt").unwrap());
        assert_eq!(refused(&GrantedFields::from_stored(Some(&[]))).len(), BasicField::ALL.len());
    }
}
