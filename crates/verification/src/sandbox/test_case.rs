use padan_domain::{Endpoint, NationalId, ReasonCode};

/// A line of the table of the sandbox: a number, the answer for which it stands, and where.
///
/// Endpoints with a NIK are answered by the NIK that has this number, others by a photo of the size that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestCase {
    /// The number, 1 to 99.
    pub number: u8,
    /// The answer for which it stands.
    pub reason: ReasonCode,
    /// The endpoints that give this answer.
    pub endpoints: &'static [Endpoint],
}

/// The digits of a test person's NIK before the number. No NIK begins like this: numbers of provinces begin with 1 to 9,
/// and a birth date has neither a day 00 nor a month 00.
const NIK_PREFIX: &str = "00000000000000";

/// The width of a test photo in pixels. Its height is the number and [`PHOTO_HEIGHT`].
const PHOTO_WIDTH: u32 = 64;
const PHOTO_HEIGHT: u32 = 100;

const FACE: &[Endpoint] = &[Endpoint::FaceVerification];
const FIELDS: &[Endpoint] = &[Endpoint::Verification];
const PERSON: &[Endpoint] = &[Endpoint::FaceVerification, Endpoint::Verification];
const FACES: &[Endpoint] = &[Endpoint::FaceVerification, Endpoint::FaceMatch];
const MATCH: &[Endpoint] = &[Endpoint::FaceMatch];
const LIVENESS: &[Endpoint] = &[Endpoint::PassiveLiveness];
const PHOTO: &[Endpoint] = &[Endpoint::FaceVerification, Endpoint::FaceMatch, Endpoint::PassiveLiveness];
const ALL: &[Endpoint] = &Endpoint::ALL;

/// The whole table.
pub const TEST_CASES: &[TestCase] = &[
    case(1, ReasonCode::Verified, PERSON),
    case(2, ReasonCode::NameMismatch, PERSON),
    case(3, ReasonCode::DobMismatch, PERSON),
    case(4, ReasonCode::FieldMismatch, FIELDS),
    case(5, ReasonCode::NoReferencePhoto, FACE),
    case(6, ReasonCode::FaceMismatch, FACE),
    case(7, ReasonCode::NikNotFound, PERSON),
    case(8, ReasonCode::NikDeceased, PERSON),
    case(9, ReasonCode::NikDuplicate, PERSON),
    case(10, ReasonCode::NikInactive, PERSON),
    case(21, ReasonCode::NoFace, FACE),
    case(22, ReasonCode::SeveralFaces, FACE),
    case(23, ReasonCode::FaceCovered, FACES),
    case(24, ReasonCode::FaceTooSmall, FACES),
    case(25, ReasonCode::FaceBlurred, FACES),
    case(26, ReasonCode::FaceTooDark, FACES),
    case(27, ReasonCode::FaceTooBright, FACES),
    case(28, ReasonCode::FaceTurned, FACES),
    case(29, ReasonCode::ImageUnreadable, PHOTO),
    case(30, ReasonCode::ImageTooLarge, PHOTO),
    case(31, ReasonCode::SpoofSuspected, FACE),
    case(41, ReasonCode::FacesMatch, MATCH),
    case(42, ReasonCode::FacesDiffer, MATCH),
    case(43, ReasonCode::NoFaceCaptured, MATCH),
    case(44, ReasonCode::NoFaceStored, MATCH),
    case(45, ReasonCode::ManyFacesCaptured, MATCH),
    case(46, ReasonCode::ManyFacesStored, MATCH),
    case(51, ReasonCode::SpoofLow, LIVENESS),
    case(52, ReasonCode::SpoofModerate, LIVENESS),
    case(53, ReasonCode::SpoofHigh, LIVENESS),
    case(54, ReasonCode::NoFaceToJudge, LIVENESS),
    case(55, ReasonCode::TooManyFacesToJudge, LIVENESS),
    case(71, ReasonCode::TooManyFailedFaces, FACE),
    case(72, ReasonCode::TooManyFailedFields, PERSON),
    case(73, ReasonCode::RateLimited, ALL),
    case(74, ReasonCode::QuotaExceeded, ALL),
    case(75, ReasonCode::Overloaded, ALL),
    case(81, ReasonCode::RegistryUnavailable, PERSON),
    case(82, ReasonCode::StoreUnavailable, ALL),
    case(83, ReasonCode::Internal, ALL),
];

const fn case(number: u8, reason: ReasonCode, endpoints: &'static [Endpoint]) -> TestCase {
    TestCase { number, reason, endpoints }
}

impl TestCase {
    /// The name that a form for a test person has.
    pub const NAME: &str = "Siti Contoh";
    /// The date of birth that a form for a test person has.
    pub const DATE_OF_BIRTH: &str = "17-08-1990";

    /// The NIK of the test person; `None` when no endpoint with a NIK gives the answer.
    pub fn nik(&self) -> Option<String> {
        is_person(self).then(|| format!("{NIK_PREFIX}{:02}", self.number))
    }

    /// Width and height of the test photo, in pixels; `None` when no endpoint without a NIK gives the answer.
    pub fn photo(&self) -> Option<(u32, u32)> {
        is_photo(self).then(|| (PHOTO_WIDTH, PHOTO_HEIGHT + u32::from(self.number)))
    }

    /// The test person of a NIK.
    pub(super) fn of_nik(nik: &NationalId) -> Option<&'static Self> {
        let number: u8 = nik.as_str().strip_prefix(NIK_PREFIX)?.parse().ok()?;
        TEST_CASES.iter().find(|case| case.number == number && is_person(case))
    }

    /// Whether a NIK is that of a test person.
    pub(crate) fn is_test_person(nik: &NationalId) -> bool {
        Self::of_nik(nik).is_some()
    }

    /// What a line of the table stands for at an endpoint; `None` for what the endpoint never answers.
    pub(super) fn reason_for(case: Option<&Self>, endpoint: Endpoint) -> Option<ReasonCode> {
        case.filter(|case| case.endpoints.contains(&endpoint)).map(|case| case.reason)
    }

    /// The line of the table for which a photo of this size stands.
    pub(super) fn of_photo(size: (u32, u32)) -> Option<&'static Self> {
        TEST_CASES.iter().find(|case| case.photo() == Some(size))
    }
}

/// Whether a NIK stands for the answer.
pub(super) fn is_person(case: &TestCase) -> bool {
    PERSON.iter().any(|endpoint| case.endpoints.contains(endpoint))
}

/// Whether a photo stands for the answer.
fn is_photo(case: &TestCase) -> bool {
    [Endpoint::FaceMatch, Endpoint::PassiveLiveness].iter().any(|endpoint| case.endpoints.contains(endpoint))
}

/// Whether a reason is about the service, a limit or a database, and not about the request.
pub(super) fn is_of_service(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::TooManyFailedFaces
            | ReasonCode::TooManyFailedFields
            | ReasonCode::RateLimited
            | ReasonCode::QuotaExceeded
            | ReasonCode::Overloaded
            | ReasonCode::RegistryUnavailable
            | ReasonCode::StoreUnavailable
            | ReasonCode::Internal
    )
}

/// Whether a photo is refused for this reason.
pub(super) fn is_of_photo(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::NoFace
            | ReasonCode::SeveralFaces
            | ReasonCode::FaceCovered
            | ReasonCode::FaceTooSmall
            | ReasonCode::FaceBlurred
            | ReasonCode::FaceTooDark
            | ReasonCode::FaceTooBright
            | ReasonCode::FaceTurned
            | ReasonCode::ImageUnreadable
            | ReasonCode::ImageTooLarge
            | ReasonCode::SpoofSuspected
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_number_and_each_reason_occurs_once() {
        let numbers: HashSet<_> = TEST_CASES.iter().map(|case| case.number).collect();
        let reasons: HashSet<_> = TEST_CASES.iter().map(|case| case.reason).collect();
        assert_eq!((numbers.len(), reasons.len()), (TEST_CASES.len(), TEST_CASES.len()));
    }

    #[test]
    fn no_nik_of_a_test_person_has_the_structure_of_an_issued_one() {
        for case in TEST_CASES {
            let Some(nik) = case.nik() else { continue };
            let nik: NationalId = nik.parse().unwrap();
            assert_eq!(TestCase::of_nik(&nik), Some(case));
            assert!(!nik.is_well_structured());
            // Province, day and month: each of them alone rules it out.
            let digits = nik.as_str();
            assert_eq!([&digits[..2], &digits[6..8], &digits[8..10]], ["00"; 3]);
        }
        let others = ["0000000000000000", "0000000000000041", "0000000000000099", "3174011403870001"];
        assert!(others.iter().all(|nik| TestCase::of_nik(&nik.parse().unwrap()).is_none()));
    }
}
