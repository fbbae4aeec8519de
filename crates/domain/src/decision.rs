use crate::{citizen::CitizenStatus, percentage::Percentage, reason_code::ReasonCode};

/// The results of all checks of a request, from which the decision is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judgement {
    /// The registry has no such NIK.
    UnknownNik,
    /// The registry has the person. The other results count only for an active record.
    Known {
        /// The record's status.
        status: CitizenStatus,
        /// Whether the name matches.
        name: bool,
        /// Whether the date of birth matches.
        date_of_birth: bool,
        /// How the faces compare.
        face: FaceJudgement,
    },
}

/// How the selfie compares with the registry's photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaceJudgement {
    /// The registry has no photo, or none with a usable face. None is sought for a record that is not active.
    NoReference,
    /// The faces were compared.
    Compared(Percentage),
}

/// The outcome of a face verification.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The reason: the first failure in the order NIK, status, name, date of birth, reference, face.
    pub reason: ReasonCode,
    /// The result of each field.
    pub results: FieldResults,
}

/// The result of each field in a response; `None` for a field that was not judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldResults {
    /// Whether the NIK is in the registry.
    pub nik: Option<bool>,
    /// Whether the name matches.
    pub name: Option<bool>,
    /// Whether the date of birth matches.
    pub date_of_birth: Option<bool>,
    /// The similarity as the response shows it, 1 to 100; 0 for an unknown NIK.
    pub face_image_percentage: Option<f64>,
}

impl Decision {
    /// Whether the person is verified.
    pub fn is_verified(&self) -> bool {
        self.reason == ReasonCode::Verified
    }

    /// The outcome when a database did not answer: every result is empty.
    pub fn unavailable(reason: ReasonCode) -> Self {
        let results =
            FieldResults { nik: None, name: None, date_of_birth: None, face_image_percentage: None };
        Self { reason, results }
    }
}

/// Makes the decision. Its reason is the first failure in the order NIK, status, name, date of birth, reference photo,
/// face.
///
/// ```
/// use padan_domain::*;
/// let decision = judge(Judgement::Known {
///     status: CitizenStatus::Active,
///     name: false,
///     date_of_birth: true,
///     face: FaceJudgement::Compared(Percentage::new(82.04)),
/// });
/// assert_eq!(decision.reason, ReasonCode::NameMismatch);
/// assert_eq!(decision.results.face_image_percentage, Some(82.04));
/// ```
pub fn judge(judgement: Judgement) -> Decision {
    let Judgement::Known { status, name, date_of_birth, face } = judgement else {
        let results = FieldResults {
            nik: Some(false),
            name: None,
            date_of_birth: None,
            face_image_percentage: Some(0.0),
        };
        return Decision { reason: ReasonCode::NikNotFound, results };
    };
    let refusal = match status {
        CitizenStatus::Active => None,
        CitizenStatus::Deceased => Some(ReasonCode::NikDeceased),
        CitizenStatus::Duplicate => Some(ReasonCode::NikDuplicate),
        CitizenStatus::Inactive => Some(ReasonCode::NikInactive),
    };
    if let Some(reason) = refusal {
        let results =
            FieldResults { nik: Some(true), name: None, date_of_birth: None, face_image_percentage: None };
        return Decision { reason, results };
    }
    let reason = match (name, date_of_birth, face) {
        (false, _, _) => ReasonCode::NameMismatch,
        (true, false, _) => ReasonCode::DobMismatch,
        (true, true, FaceJudgement::NoReference) => ReasonCode::NoReferencePhoto,
        (true, true, FaceJudgement::Compared(percentage)) if !percentage.passes() => ReasonCode::FaceMismatch,
        (true, true, FaceJudgement::Compared(_)) => ReasonCode::Verified,
    };
    let face_image_percentage = match face {
        FaceJudgement::NoReference => None,
        FaceJudgement::Compared(percentage) => Some(percentage.shown()),
    };
    let results = FieldResults {
        nik: Some(true),
        name: Some(name),
        date_of_birth: Some(date_of_birth),
        face_image_percentage,
    };
    Decision { reason, results }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: bool, date_of_birth: bool, face: FaceJudgement) -> Decision {
        judge(Judgement::Known { status: CitizenStatus::Active, name, date_of_birth, face })
    }

    #[test]
    fn the_first_failure_in_the_documented_order_is_the_reason() {
        let pass = FaceJudgement::Compared(Percentage::new(82.04));
        let fail = FaceJudgement::Compared(Percentage::new(42.04));
        for (name, date_of_birth, face, reason) in [
            (true, true, pass, ReasonCode::Verified),
            (true, true, fail, ReasonCode::FaceMismatch),
            (true, true, FaceJudgement::NoReference, ReasonCode::NoReferencePhoto),
            (true, false, FaceJudgement::NoReference, ReasonCode::DobMismatch),
            (true, false, fail, ReasonCode::DobMismatch),
            (false, false, fail, ReasonCode::NameMismatch),
            (false, true, FaceJudgement::NoReference, ReasonCode::NameMismatch),
        ] {
            let decision = known(name, date_of_birth, face);
            assert_eq!(decision.reason, reason);
            assert_eq!(decision.is_verified(), reason == ReasonCode::Verified);
            assert_eq!(decision.results.name, Some(name));
            assert_eq!(decision.results.date_of_birth, Some(date_of_birth));
        }
    }

    #[test]
    fn the_fields_of_an_inactive_record_are_not_judged() {
        for (status, reason) in [
            (CitizenStatus::Deceased, ReasonCode::NikDeceased),
            (CitizenStatus::Duplicate, ReasonCode::NikDuplicate),
            (CitizenStatus::Inactive, ReasonCode::NikInactive),
        ] {
            let face = FaceJudgement::NoReference;
            let decision = judge(Judgement::Known { status, name: true, date_of_birth: true, face });
            assert_eq!(decision.reason, reason);
            let results = FieldResults {
                nik: Some(true),
                name: None,
                date_of_birth: None,
                face_image_percentage: None,
            };
            assert_eq!(decision.results, results);
        }
    }

    #[test]
    fn only_an_unknown_nik_shows_zero() {
        assert_eq!(judge(Judgement::UnknownNik).results.face_image_percentage, Some(0.0));
        let least = known(true, true, FaceJudgement::Compared(Percentage::new(0.0)));
        assert_eq!(least.results.face_image_percentage, Some(1.0));
    }
}
