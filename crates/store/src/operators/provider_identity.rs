use padan_domain::OperatorRole;
use serde::Serialize;

/// What a provider said about an operator who signed in through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProviderIdentity {
    /// The provider.
    pub issuer: String,
    /// What it calls the operator, for ever.
    pub subject: String,
    /// What it says the operator is called.
    pub claimed_name: String,
    /// The role at the sign-in.
    #[serde(skip)]
    pub role: OperatorRole,
}
