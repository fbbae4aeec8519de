/// What an operator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminAct {
    /// `padan client add`.
    ClientAdded,
    /// `padan client set`.
    ClientChanged,
    /// `padan client disable`.
    ClientDisabled,
    /// `padan client enable`.
    ClientEnabled,
    /// `padan client rotate`.
    ClientRotated,
    /// `padan client remove`.
    ClientRemoved,
    /// `padan client sign`, and `padan migrate` for the clients of an older release.
    ClientSigned,
    /// `padan operator add`.
    OperatorAdded,
    /// `padan operator set`.
    OperatorChanged,
    /// `padan operator rotate`.
    OperatorRotated,
    /// `padan operator remove`.
    OperatorRemoved,
    /// `padan operator password`.
    OperatorPasswordSet,
    /// `padan operator code`.
    OperatorCodeSet,
    /// `padan operator code --remove`.
    OperatorCodeRemoved,
    /// A sign-in with a right password.
    OperatorSignedIn,
    /// A sign-in that was refused.
    OperatorSignInFailed,
    /// The end of a session by its operator.
    OperatorSignedOut,
    /// `padan operator end-sessions`.
    OperatorSessionsEnded,
    /// `padan models activate`.
    ModelActivated,
    /// `padan models shadow SET`.
    ShadowModelSet,
    /// `padan models shadow --off`.
    ShadowModelEnded,
    /// `padan calibration activate`.
    CalibrationActivated,
    /// `padan enroll`, or the start of an enrolment in the management interface.
    EnrolmentStarted,
    /// A pause of an enrolment.
    EnrolmentPaused,
    /// The end of a pause of an enrolment, or another try after it failed.
    EnrolmentContinued,
    /// The end of an enrolment before it was complete.
    EnrolmentStopped,
    /// `padan templates prune`.
    TemplatesPruned,
    /// `padan keys rotate`.
    KeysRotated,
    /// `padan audit export`.
    AuditExported,
    /// A download of the file of an export.
    AuditExportDownloaded,
    /// The removal of the file of an export, or the end of one that runs.
    AuditExportRemoved,
    /// `padan audit prune`.
    AuditPruned,
    /// `padan person find`, and `padan person forget --dry-run`.
    PersonLookedUp,
    /// `padan person forget`.
    PersonForgotten,
    /// `padan calibrate --from-store` and `padan calibrate --cohort`.
    PeopleCompared,
    /// `padan migrate`.
    StoreMigrated,
    /// A search for the rows of one request.
    RequestSearched,
    /// A search of the audit trail.
    AuditSearched,
    /// A look at what is stored about a person.
    PersonSearched,
    /// A verification of the audit trail that the management interface runs.
    AuditVerified,
    /// A verification or a comparison by hand.
    VerifiedByHand,
    /// A look at the aligned crops of the two faces of a verification or a comparison by hand.
    FacesShown,
}

impl AdminAct {
    /// The text of the column `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientAdded => "CLIENT_ADDED",
            Self::ClientChanged => "CLIENT_CHANGED",
            Self::ClientDisabled => "CLIENT_DISABLED",
            Self::ClientEnabled => "CLIENT_ENABLED",
            Self::ClientRotated => "CLIENT_ROTATED",
            Self::ClientRemoved => "CLIENT_REMOVED",
            Self::ClientSigned => "CLIENT_SIGNED",
            Self::OperatorAdded => "OPERATOR_ADDED",
            Self::OperatorChanged => "OPERATOR_CHANGED",
            Self::OperatorRotated => "OPERATOR_ROTATED",
            Self::OperatorRemoved => "OPERATOR_REMOVED",
            Self::OperatorPasswordSet => "OPERATOR_PASSWORD_SET",
            Self::OperatorCodeSet => "OPERATOR_CODE_SET",
            Self::OperatorCodeRemoved => "OPERATOR_CODE_REMOVED",
            Self::OperatorSignedIn => "OPERATOR_SIGNED_IN",
            Self::OperatorSignInFailed => "OPERATOR_SIGN_IN_FAILED",
            Self::OperatorSignedOut => "OPERATOR_SIGNED_OUT",
            Self::OperatorSessionsEnded => "OPERATOR_SESSIONS_ENDED",
            Self::ModelActivated => "MODEL_ACTIVATED",
            Self::ShadowModelSet => "SHADOW_MODEL_SET",
            Self::ShadowModelEnded => "SHADOW_MODEL_ENDED",
            Self::CalibrationActivated => "CALIBRATION_ACTIVATED",
            Self::EnrolmentStarted => "ENROLMENT_STARTED",
            Self::EnrolmentPaused => "ENROLMENT_PAUSED",
            Self::EnrolmentContinued => "ENROLMENT_CONTINUED",
            Self::EnrolmentStopped => "ENROLMENT_STOPPED",
            Self::TemplatesPruned => "TEMPLATES_PRUNED",
            Self::KeysRotated => "KEYS_ROTATED",
            Self::AuditExported => "AUDIT_EXPORTED",
            Self::AuditExportDownloaded => "AUDIT_EXPORT_DOWNLOADED",
            Self::AuditExportRemoved => "AUDIT_EXPORT_REMOVED",
            Self::AuditPruned => "AUDIT_PRUNED",
            Self::PersonLookedUp => "PERSON_LOOKED_UP",
            Self::PersonForgotten => "PERSON_FORGOTTEN",
            Self::PeopleCompared => "PEOPLE_COMPARED",
            Self::StoreMigrated => "STORE_MIGRATED",
            Self::RequestSearched => "REQUEST_SEARCHED",
            Self::AuditSearched => "AUDIT_SEARCHED",
            Self::PersonSearched => "PERSON_SEARCHED",
            Self::AuditVerified => "AUDIT_VERIFIED",
            Self::VerifiedByHand => "VERIFIED_BY_HAND",
            Self::FacesShown => "FACES_SHOWN",
        }
    }

    /// The command, or the act of the management interface, as its row names it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::ClientAdded => "client add",
            Self::ClientChanged => "client set",
            Self::ClientDisabled => "client disable",
            Self::ClientEnabled => "client enable",
            Self::ClientRotated => "client rotate",
            Self::ClientRemoved => "client remove",
            Self::ClientSigned => "client sign",
            Self::OperatorAdded => "operator add",
            Self::OperatorChanged => "operator set",
            Self::OperatorRotated => "operator rotate",
            Self::OperatorRemoved => "operator remove",
            Self::OperatorPasswordSet => "operator password",
            Self::OperatorCodeSet => "operator code",
            Self::OperatorCodeRemoved => "operator code --remove",
            Self::OperatorSignedIn => "session begin",
            Self::OperatorSignInFailed => "session refuse",
            Self::OperatorSignedOut => "session end",
            Self::OperatorSessionsEnded => "operator end-sessions",
            Self::ModelActivated => "models activate",
            Self::ShadowModelSet => "models shadow",
            Self::ShadowModelEnded => "models shadow --off",
            Self::CalibrationActivated => "calibration activate",
            Self::EnrolmentStarted => "enroll",
            Self::EnrolmentPaused => "enrolment pause",
            Self::EnrolmentContinued => "enrolment continue",
            Self::EnrolmentStopped => "enrolment stop",
            Self::TemplatesPruned => "templates prune",
            Self::KeysRotated => "keys rotate",
            Self::AuditExported => "audit export",
            Self::AuditExportDownloaded => "export download",
            Self::AuditExportRemoved => "export remove",
            Self::AuditPruned => "audit prune",
            Self::PersonLookedUp => "person find",
            Self::PersonForgotten => "person forget",
            Self::PeopleCompared => "calibrate",
            Self::StoreMigrated => "migrate",
            Self::RequestSearched => "requests search",
            Self::AuditSearched => "audit search",
            Self::PersonSearched => "people search",
            Self::AuditVerified => "audit verify",
            Self::VerifiedByHand => "verify by hand",
            Self::FacesShown => "faces show",
        }
    }
}
