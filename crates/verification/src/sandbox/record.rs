use padan_domain::{BasicField, BirthDate, CitizenStatus, Clock, PersonName, ReasonCode};
use padan_registry::CivilRecord;

use super::test_case::{self, TestCase};

/// The other fields of all test people.
const FURTHER: [(BasicField, &str); 13] = [
    (BasicField::FamilyCard, "0000000000000000"),
    (BasicField::MotherMaidenName, "Ibu Contoh"),
    (BasicField::PlaceOfBirth, "JAKARTA"),
    (BasicField::Address, "JALAN CONTOH 1"),
    (BasicField::Gender, "PEREMPUAN"),
    (BasicField::MaritalStatus, "BELUM KAWIN"),
    (BasicField::JobType, "KARYAWAN SWASTA"),
    (BasicField::Province, "DKI JAKARTA"),
    (BasicField::City, "JAKARTA SELATAN"),
    (BasicField::District, "TEBET"),
    (BasicField::Subdistrict, "MANGGARAI"),
    (BasicField::Rt, "001"),
    (BasicField::Rw, "002"),
];

/// The record of a test person; `None` for one whom the registry is to be said not to have.
pub(super) fn of(case: &TestCase, clock: &Clock) -> Option<CivilRecord> {
    let status = match case.reason {
        ReasonCode::NikNotFound => return None,
        ReasonCode::NikDeceased => CitizenStatus::Deceased,
        ReasonCode::NikDuplicate => CitizenStatus::Duplicate,
        ReasonCode::NikInactive => CitizenStatus::Inactive,
        _ if test_case::is_person(case) => CitizenStatus::Active,
        _ => return None,
    };
    let (name, date_of_birth) = match case.reason {
        ReasonCode::NameMismatch => ("Nama Lain", TestCase::DATE_OF_BIRTH),
        ReasonCode::DobMismatch => (TestCase::NAME, "01-01-1970"),
        _ => (TestCase::NAME, TestCase::DATE_OF_BIRTH),
    };
    let further = FURTHER.map(|(field, text)| {
        let differs = case.reason == ReasonCode::FieldMismatch && field == BasicField::PlaceOfBirth;
        (field, if differs { "BANDUNG" } else { text }.to_owned())
    });
    Some(CivilRecord {
        name: PersonName::parse(name).ok()?,
        date_of_birth: BirthDate::parse(date_of_birth, clock).ok()?,
        status,
        further: further.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::test_case::TEST_CASES;

    #[test]
    fn every_test_person_but_the_unknown_one_has_a_record() {
        for case in TEST_CASES.iter().filter(|case| test_case::is_person(case)) {
            let has_record = of(case, &Clock::System).is_some();
            assert_eq!(has_record, case.reason != ReasonCode::NikNotFound, "{case:?}");
        }
    }
}
