use clap::{Args, Subcommand};
use padan_domain::{OperatorName, OperatorRole};

use crate::{
    commands::time_span::TimeSpan, confirmation::ConfirmationArguments, output::OutputArguments,
    settings::SettingsArguments,
};

/// Manage the operators who may call the management interface
///
/// Each operator has a role and a token of 256 random bits, which is shown once; only its hash is stored. A change takes
/// effect with the next request, and leaves a row in the audit trail. Changes need a database user with the role
/// `padan_operator`, and `store.audit_keys`; for list the role `padan_auditor` and no key are enough.
#[derive(Debug, Args)]
pub(crate) struct OperatorArguments {
    #[command(subcommand)]
    pub(super) command: OperatorCommand,
    #[command(flatten)]
    pub(super) settings: SettingsArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Add an operator and print its token, which is shown only this once
    Add(AddArguments),
    /// List the operators
    List(OutputArguments),
    /// Change the role, the expiry or the state of an operator; what is not given stays
    ///
    /// The row is signed under the first of `store.audit_keys`, also when nothing else changes.
    Set(SetArguments),
    /// Give an operator a new token and print it; the old one is refused at once
    Rotate(RotateArguments),
    /// Set the password with which an operator signs in to the console
    ///
    /// Asks for it on a terminal; otherwise the first line of standard input is the password. It has 12 to 128 characters,
    /// and only its Argon2id hash is stored. The sessions of the operator end.
    Password {
        /// Name of the operator
        name: OperatorName,
    },
    /// Require a one-time code of an operator who signs in, and print the secret for the app that shows the codes
    ///
    /// Replaces a former secret. The sessions of the operator end.
    Code(CodeArguments),
    /// End all sessions of an account in browsers, at once
    ///
    /// Also those of somebody who signed in through the provider: `oidc:SUBJECT`, as the audit trail and the console name the
    /// account. A token stays valid, and a new sign-in is possible: disable the operator, or take away the group at the
    /// provider, to prevent it.
    EndSessions {
        /// Name of the account
        name: OperatorName,
        #[command(flatten)]
        confirmation: ConfirmationArguments,
    },
    /// Remove an operator; the rows of what it did stay
    Remove {
        /// Name of the operator
        name: OperatorName,
        #[command(flatten)]
        confirmation: ConfirmationArguments,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// Name of the operator in the audit trail
    pub(super) name: OperatorName,
    /// What the operator may do: support, operator or auditor
    #[arg(long)]
    pub(super) role: OperatorRole,
    /// How long the token is valid, such as 24h or 90d [default: until it is replaced]
    #[arg(long, value_name = "TIME")]
    pub(super) valid_for: Option<TimeSpan>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// Name of the operator
    pub(super) name: OperatorName,
    /// What the operator may do: support, operator or auditor
    #[arg(long)]
    pub(super) role: Option<OperatorRole>,
    /// How long the token is valid from now on, such as 24h or 90d
    #[arg(long, value_name = "TIME")]
    pub(super) valid_for: Option<TimeSpan>,
    /// Let the token be valid until it is replaced
    #[arg(long, conflicts_with = "valid_for")]
    pub(super) no_expiry: bool,
    /// Refuse the token until the operator is enabled again, and end the sessions
    #[arg(long)]
    pub(super) disable: bool,
    /// Enable a disabled operator
    #[arg(long, conflicts_with = "disable")]
    pub(super) enable: bool,
}

#[derive(Debug, Args)]
pub(super) struct CodeArguments {
    /// Name of the operator
    pub(super) name: OperatorName,
    /// Require no code any more
    #[arg(long, conflicts_with = "json")]
    pub(super) remove: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct RotateArguments {
    /// Name of the operator
    pub(super) name: OperatorName,
    #[command(flatten)]
    pub(super) confirmation: ConfirmationArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}
