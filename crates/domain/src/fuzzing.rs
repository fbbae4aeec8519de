//! The fuzz target of this crate: texts that clients, files and the registry contain. Only in tests and in `make fuzz`.

use std::fmt::Display;

use crate::{
    basic_field::BasicField,
    birth_date::BirthDate,
    client_certificate::CertificateName,
    client_name::{ClientName, Username},
    client_rules::{Endpoint, parse_network},
    clock::Clock,
    field_text::FieldText,
    folding::fold,
    granted_fields::GrantedFields,
    model_contract::ModelContractId,
    national_id::NationalId,
    nik_prefix::NikPrefix,
    person_name::{NameRules, PersonName},
    photo::Photo,
    text_encoding::decode_text,
};

/// Parses a text as each type of this crate, and two names of its lines as names to compare.
///
/// # Panics
///
/// When a property does not hold.
pub fn text(data: &[u8]) {
    file(data);
    let _ = Photo::try_from(bytes::Bytes::copy_from_slice(data));
    let text = String::from_utf8_lossy(data);
    values(&text);
    fields(&text);
    let (one, another) = text.split_once('\n').unwrap_or((&text, &text));
    names(one, another);
}

/// The text of a file has line feeds and no NUL, and is not longer than UTF-8 of the same characters can be.
fn file(data: &[u8]) {
    if let Ok(text) = decode_text(data) {
        assert!(!text.contains(['\0', '\r']), "a decoded text has a NUL or a carriage return");
        assert!(text.len() <= 3 * data.len(), "a decoded text is longer than its file allows");
    }
}

/// What is accepted is written as it was read.
fn values(text: &str) {
    if let Ok(nik) = text.parse::<NationalId>() {
        assert_eq!(nik.as_str(), text);
        assert!(NikPrefix::of(&nik).highest_nik().parse::<NationalId>().is_ok());
    }
    if let Ok(born) = BirthDate::parse(text, &Clock::System) {
        assert_eq!(born.as_date().format("%d-%m-%Y").to_string(), text);
    }
    if let Ok(name) = text.parse::<ClientName>() {
        assert_eq!(name.as_str(), text);
    }
    if text.parse::<Username>().is_ok() {
        assert!(!text.contains(':') && text.is_ascii());
    }
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.as_str(), text);
    }
    if let Ok(contract) = text.parse::<ModelContractId>() {
        assert_eq!(contract.as_str(), text);
    }
    if let Ok(granted) = GrantedFields::parse(text.split(' ')) {
        let again = GrantedFields::parse(granted.words());
        let is_same = |again: GrantedFields| {
            BasicField::ALL.iter().all(|field| again.contain(*field) == granted.contain(*field))
        };
        assert!(again.is_ok_and(is_same), "granted fields do not read themselves");
    }
    if let Ok(certificate) = text.parse::<CertificateName>() {
        reads_itself(&certificate, &certificate.to_string().parse());
    }
    if let Ok(network) = parse_network(text) {
        reads_itself(&network, &parse_network(&network.to_string()));
    }
}

fn reads_itself<T: PartialEq + Display, E: PartialEq>(value: &T, again: &Result<T, E>) {
    assert!(again.as_ref().is_ok_and(|again| again == value), "{value} does not read itself");
}

/// A field matches itself, and the form in which it is compared.
fn fields(text: &str) {
    for field in BasicField::ALL {
        if let Ok(value) = FieldText::parse(*field, text) {
            assert!(value.matches(*field, text), "{} does not match itself", field.as_str());
        }
    }
    let folded = fold(text);
    assert_eq!(fold(&folded), folded, "folding twice differs from folding once");
}

/// A name matches itself without a rule. Whether two names match does not depend on their order, and fewer rules match
/// no more names.
fn names(one: &str, another: &str) {
    let (Ok(one), Ok(another)) = (PersonName::parse(one), PersonName::parse(another)) else { return };
    let similar = NameRules { jaro_winkler: Some(0.9), ..NameRules::DEFAULT };
    let mut fewer_rules_match = false;
    for rules in [NameRules::NONE, NameRules::DEFAULT, similar] {
        let matched = one.compare(&one, &rules).map(|matched| matched.rules().count());
        assert_eq!(matched, Some(0), "a name does not match itself");
        assert!(
            one.reduced(&rules).text().chars().any(char::is_alphanumeric),
            "a name is reduced to nothing"
        );
        let matched = one.compare(&another, &rules);
        assert_eq!(matched, another.compare(&one, &rules), "the order matters");
        assert!(matched.is_some() || !fewer_rules_match, "a rule prevents a match");
        fewer_rules_match = matched.is_some();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn short_round_of_text() {
        padan_fuzz_round::short_round("text", super::text);
    }
}
