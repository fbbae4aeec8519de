use padan_domain::{
    BasicField, BirthDate, CitizenStatus, ClientName, FieldText, NameMatch, NameRules, NationalId,
    PersonName, ReasonCode,
};
use padan_registry::{CivilRecord, FurtherFields};

use crate::{nik_plausibility, timing::StepTimings, trials::Trial};

/// A client's claims about a person, without a face.
#[derive(Debug, Clone)]
pub struct BasicRequest {
    /// The client that sent the request.
    pub client: ClientName,
    /// The identity number.
    pub nik: NationalId,
    /// The claims, each field at most once, in the order of [`BasicField::ALL`].
    pub claims: Vec<FieldValue>,
}

/// A claim about one field.
#[derive(Debug, Clone)]
pub enum FieldValue {
    /// The name.
    Name(PersonName),
    /// The date of birth.
    DateOfBirth(BirthDate),
    /// The mother's maiden name, compared as names are.
    MotherMaidenName(PersonName),
    /// Any other field.
    Text(BasicField, FieldText),
    /// A field that was not granted to the client. It is not compared.
    NotGranted(BasicField),
}

/// The outcome of a basic verification.
#[derive(Debug)]
pub struct BasicOutcome {
    /// The reason. If several fields fail, it is that of the first in [`BasicField::ALL`].
    pub reason: ReasonCode,
    /// The field of [`ReasonCode::FieldMismatch`].
    pub differs: Option<BasicField>,
    /// Whether the NIK is in the registry; `None` when the registry did not answer.
    pub nik: Option<bool>,
    /// For each field that was sent, whether it matches; `None` when the registry has no such field for the
    /// person, it was not granted to the client, or it was not judged.
    pub fields: Vec<(BasicField, Option<bool>)>,
    /// For each name that matched, the rules that this needed.
    pub name_rules: Vec<(BasicField, NameMatch)>,
    /// How long each step took.
    pub timings: StepTimings,
    /// Keep it until the outcome is durable in the audit trail.
    pub trial: Option<Trial>,
}

impl BasicRequest {
    /// Whether the digits of the NIK have the structure of issued numbers and agree with the date of birth. `None` when
    /// no date was sent. It does not affect the outcome.
    pub fn nik_is_plausible(&self) -> Option<bool> {
        self.claims.iter().find_map(|claim| match claim {
            FieldValue::DateOfBirth(date) => Some(nik_plausibility::is_plausible(&self.nik, *date)),
            _ => None,
        })
    }
}

impl FieldValue {
    /// The field that the claim is about.
    pub fn field(&self) -> BasicField {
        match self {
            Self::Name(_) => BasicField::Name,
            Self::DateOfBirth(_) => BasicField::DateOfBirth,
            Self::MotherMaidenName(_) => BasicField::MotherMaidenName,
            Self::Text(field, _) | Self::NotGranted(field) => *field,
        }
    }
}

impl BasicOutcome {
    /// The outcome when a database did not answer: every result is empty.
    pub fn unavailable(reason: ReasonCode, sent: &[BasicField]) -> Self {
        Self {
            reason,
            differs: None,
            nik: None,
            fields: sent.iter().map(|field| (*field, None)).collect(),
            name_rules: Vec::new(),
            timings: StepTimings::default(),
            trial: None,
        }
    }

    /// Whether each sent field matches, apart from those that the registry does not have.
    pub fn is_verified(&self) -> bool {
        self.reason == ReasonCode::Verified
    }
}

/// Judges the claims against the record; the first failure in the order NIK, status, fields is the reason.
pub(crate) fn judge_fields(
    record: Option<&CivilRecord>,
    request: &BasicRequest,
    rules: &NameRules,
) -> BasicOutcome {
    let unjudged = |reason, nik| BasicOutcome {
        nik: Some(nik),
        ..BasicOutcome::unavailable(reason, &request.claims.iter().map(FieldValue::field).collect::<Vec<_>>())
    };
    let Some(record) = record else {
        return unjudged(ReasonCode::NikNotFound, false);
    };
    match record.status {
        CitizenStatus::Active => {}
        CitizenStatus::Deceased => return unjudged(ReasonCode::NikDeceased, true),
        CitizenStatus::Duplicate => return unjudged(ReasonCode::NikDuplicate, true),
        CitizenStatus::Inactive => return unjudged(ReasonCode::NikInactive, true),
    }
    let judged: Vec<_> =
        request.claims.iter().map(|claim| (claim.field(), judge_claim(record, claim, rules))).collect();
    let fields: Vec<_> = judged.iter().map(|(field, judged)| (*field, judged.map(Judged::matches))).collect();
    let differs = fields.iter().filter(|(_, matches)| *matches == Some(false)).map(|(field, _)| *field).min();
    let reason = match differs {
        None => ReasonCode::Verified,
        Some(BasicField::Name) => ReasonCode::NameMismatch,
        Some(BasicField::DateOfBirth) => ReasonCode::DobMismatch,
        Some(_) => ReasonCode::FieldMismatch,
    };
    BasicOutcome {
        reason,
        differs: differs.filter(|_| reason == ReasonCode::FieldMismatch),
        nik: Some(true),
        fields,
        name_rules: judged
            .iter()
            .filter_map(|(field, judged)| Some((*field, (*judged)?.name_match()?)))
            .collect(),
        timings: StepTimings::default(),
        trial: None,
    }
}

/// The result for one field.
#[derive(Debug, Clone, Copy)]
enum Judged {
    /// A name: the rules by which it matches, or `None` if it differs.
    Name(Option<NameMatch>),
    /// Any other field.
    Other(bool),
}

impl Judged {
    fn matches(self) -> bool {
        match self {
            Self::Name(matched) => matched.is_some(),
            Self::Other(matches) => matches,
        }
    }

    fn name_match(self) -> Option<NameMatch> {
        match self {
            Self::Name(matched) => matched,
            Self::Other(_) => None,
        }
    }
}

fn judge_claim(record: &CivilRecord, claim: &FieldValue, rules: &NameRules) -> Option<Judged> {
    match claim {
        FieldValue::Name(name) => Some(Judged::Name(name.compare(&record.name, rules))),
        FieldValue::DateOfBirth(date) => Some(Judged::Other(*date == record.date_of_birth)),
        FieldValue::MotherMaidenName(name) => recorded(&record.further, BasicField::MotherMaidenName)
            .and_then(|recorded| PersonName::parse(recorded).ok())
            .map(|recorded| Judged::Name(name.compare(&recorded, rules))),
        FieldValue::Text(field, text) => {
            recorded(&record.further, *field).map(|value| Judged::Other(text.matches(*field, value)))
        }
        FieldValue::NotGranted(_) => None,
    }
}

/// The registry's text of a field; `None` when the view does not have it, or only a placeholder such as `-`.
fn recorded(fields: &FurtherFields, field: BasicField) -> Option<&str> {
    fields.get(field).filter(|text| text.chars().any(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use padan_domain::Clock;

    use super::*;

    fn record() -> CivilRecord {
        CivilRecord {
            name: PersonName::parse("Budi Santoso").unwrap(),
            date_of_birth: BirthDate::parse("14-03-1987", &Clock::System).unwrap(),
            status: CitizenStatus::Active,
            further: further(),
        }
    }

    fn further() -> FurtherFields {
        [
            (BasicField::FamilyCard, "3174012002050001"),
            (BasicField::MotherMaidenName, "Siti Ma'ruf"),
            (BasicField::Address, "Jl. Kebon Jeruk No. 7"),
            (BasicField::Gender, "LAKI-LAKI"),
            (BasicField::MaritalStatus, "KAWIN"),
            (BasicField::JobType, "Karyawan Swasta"),
            (BasicField::Province, "DKI Jakarta"),
            (BasicField::City, "Jakarta Selatan"),
            (BasicField::District, "Tebet"),
            (BasicField::Subdistrict, "Tebet Timur"),
            (BasicField::Rt, "003"),
            (BasicField::Rw, "12"),
        ]
        .map(|(field, text)| (field, text.to_owned()))
        .into_iter()
        .collect()
    }

    fn judged(record: Option<&CivilRecord>, claims: Vec<FieldValue>) -> BasicOutcome {
        let nik = "3174011403870000".parse().unwrap();
        let client = "bank".parse().unwrap();
        judge_fields(record, &BasicRequest { client, nik, claims }, &NameRules::DEFAULT)
    }

    fn text(field: BasicField, text: &str) -> FieldValue {
        FieldValue::Text(field, FieldText::parse(field, text).unwrap())
    }

    #[test]
    fn different_spellings_of_a_value_match() {
        for (field, sent) in [
            (BasicField::Address, "jl kebon jeruk no 7"),
            (BasicField::Gender, "Laki-laki"),
            (BasicField::Gender, "male"),
            (BasicField::MaritalStatus, " Kawin "),
            (BasicField::Rt, "3"),
            (BasicField::Rw, "012"),
            (BasicField::FamilyCard, "3174012002050001"),
        ] {
            let outcome = judged(Some(&record()), vec![text(field, sent)]);
            assert_eq!(outcome.fields, [(field, Some(true))], "{sent}");
            assert!(outcome.is_verified());
        }
    }

    #[test]
    fn the_first_difference_in_the_documented_order_is_the_reason() {
        let claims = vec![text(BasicField::Rw, "9"), text(BasicField::City, "Bandung")];
        let outcome = judged(Some(&record()), claims);
        assert_eq!((outcome.reason, outcome.differs), (ReasonCode::FieldMismatch, Some(BasicField::City)));
        let mut claims = vec![text(BasicField::City, "Bandung")];
        claims.push(FieldValue::Name(PersonName::parse("Budi Santosa").unwrap()));
        let outcome = judged(Some(&record()), claims);
        assert_eq!((outcome.reason, outcome.differs), (ReasonCode::NameMismatch, None));
    }

    #[test]
    fn the_rules_by_which_names_match_are_reported() {
        let name = |text: &str| PersonName::parse(text).unwrap();
        let outcome = judged(
            Some(&record()),
            vec![
                FieldValue::Name(name("Budi Santoso, S.Kom.")),
                FieldValue::MotherMaidenName(name("Siti Ma ruf")),
                text(BasicField::City, "Jakarta Selatan"),
            ],
        );
        let rules: Vec<_> =
            outcome.name_rules.iter().map(|(field, matched)| (field.as_str(), matched.to_string())).collect();
        assert_eq!(rules, [("name", "titles".into()), ("mother_maiden_name", "apostrophes".to_owned())]);
        let outcome = judged(Some(&record()), vec![FieldValue::Name(name("Budi Santosa"))]);
        assert!(outcome.name_rules.is_empty());
    }

    #[test]
    fn a_field_that_the_registry_does_not_have_is_null_and_does_not_fail() {
        let outcome = judged(Some(&record()), vec![text(BasicField::PlaceOfBirth, "Jakarta")]);
        assert_eq!(outcome.fields, [(BasicField::PlaceOfBirth, None)]);
        assert!(outcome.is_verified());
    }

    #[test]
    fn a_field_that_was_not_granted_is_null_and_does_not_fail() {
        let claims = vec![FieldValue::NotGranted(BasicField::MotherMaidenName), text(BasicField::Rt, "3")];
        let outcome = judged(Some(&record()), claims);
        assert_eq!(outcome.fields, [(BasicField::MotherMaidenName, None), (BasicField::Rt, Some(true))]);
        assert!(outcome.is_verified());
    }

    #[test]
    fn the_fields_of_an_unknown_person_and_of_an_inactive_record_are_not_judged() {
        let claims = || vec![text(BasicField::City, "Bandung")];
        let unknown = judged(None, claims());
        assert_eq!((unknown.reason, unknown.nik), (ReasonCode::NikNotFound, Some(false)));
        let mut inactive = record();
        inactive.status = CitizenStatus::Deceased;
        let deceased = judged(Some(&inactive), claims());
        assert_eq!((deceased.reason, deceased.nik), (ReasonCode::NikDeceased, Some(true)));
        assert_eq!(deceased.fields, [(BasicField::City, None)]);
    }
}
