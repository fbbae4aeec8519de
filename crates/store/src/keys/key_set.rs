/// The keys with which a command opens the store: those that it needs and no others, so that a site can give its keys to
/// different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySet {
    /// All keys, for the service and for enrolment.
    All,
    /// The audit keys, to record acts of operators and to read and sign clients.
    Audit,
    /// The audit keys, and the person keys to find rows about a person.
    AuditAndPerson,
    /// The audit keys, and the template keys to encrypt templates again.
    AuditAndTemplates,
}

impl KeySet {
    pub(crate) fn has_person_keys(self) -> bool {
        matches!(self, Self::All | Self::AuditAndPerson)
    }

    pub(crate) fn has_template_keys(self) -> bool {
        matches!(self, Self::All | Self::AuditAndTemplates)
    }
}
