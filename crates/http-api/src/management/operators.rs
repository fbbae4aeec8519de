//! Operators' accounts: who may call the management interface, and what operators change about others.

use actix_web::{HttpResponse, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{OperatorName, OperatorRole};
use padan_verification::{
    CodeSecret, ListedAccount, NewSecrets, OperatorAddition, OperatorSettings, ShownSecrets,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    call::{Call, moment, parsed_moment},
    clients::{Refused, given},
    fault::Fault,
};

/// The operators of the store, and those who are signed in through the provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Operators {
    operators: Vec<OperatorEntry>,
    /// Operators that are refused, because others than Padan wrote their rows.
    refused: Vec<Refused>,
}

/// An operator.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own in the answer")]
pub(crate) struct OperatorEntry {
    name: String,
    /// `store`, or `provider` for somebody who signed in through the provider and has no account in the store.
    origin: &'static str,
    /// What the provider says the operator is called.
    claimed_name: Option<String>,
    /// `support`, `operator` or `auditor`. Through the provider: that of the last sign-in.
    role: &'static str,
    /// Whether all requests are refused.
    disabled: bool,
    /// From when on they are refused.
    expires_at: Option<String>,
    /// Whether the operator can sign in with a password.
    has_password: bool,
    /// Whether a sign-in with a password needs a one-time code.
    has_code: bool,
    /// When the account was added; null through the provider.
    created_at: Option<String>,
    /// When the token was last used, to the minute.
    last_used_at: Option<String>,
    /// When the operator last signed in, where that is known.
    last_signed_in_at: Option<String>,
    /// Sessions that have not ended.
    sessions: usize,
    /// Whether it is the operator who asks, who cannot change the own account.
    own: bool,
}

/// An operator to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorAdditionForm {
    name: String,
    /// `support`, `operator` or `auditor`.
    role: String,
    /// How long the account is valid, up to 3,660 days; for ever by default.
    valid_for_seconds: Option<u32>,
    /// Whether it gets a password, with which it can sign in to the console.
    #[serde(default)]
    password: bool,
    /// Whether each sign-in needs a one-time code. It needs a password.
    #[serde(default)]
    code: bool,
}

/// What changes about an operator; what is not named stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::option_option, reason = "an expiry stays, is lifted by null, or is replaced")]
pub(crate) struct OperatorChange {
    /// `support`, `operator` or `auditor`.
    role: Option<String>,
    /// From when on the account is refused; null for never.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
}

/// The state of an operator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorState {
    /// Whether all its requests are refused. Its sessions end.
    disabled: bool,
}

/// New secrets of an operator. The old ones are refused at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorRotation {
    #[serde(default)]
    token: bool,
    /// Its sessions end.
    #[serde(default)]
    password: bool,
    /// The secret of one-time codes. Its sessions end.
    #[serde(default)]
    code: bool,
}

/// The secrets of an operator, which are shown only this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperatorSecrets {
    name: String,
    token: Option<String>,
    password: Option<String>,
    /// The secret of the one-time codes in base32, for the app that shows them.
    code_secret: Option<String>,
    /// The same as an address that apps read.
    code_address: Option<String>,
}

const LONGEST_VALID: u32 = 3660 * 86_400;

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let list = call.mandate.list_operators().await?;
    let own = &call.mandate.account().name;
    let refused =
        list.refused.into_iter().map(|operator| Refused::of(operator.name, operator.fault.to_string()));
    Ok(HttpResponse::Ok().json(Operators {
        operators: list.accounts.iter().map(|listed| OperatorEntry::of(listed, own)).collect(),
        refused: refused.collect(),
    }))
}

pub(super) async fn add(call: Call) -> Result<HttpResponse, Fault> {
    let form: OperatorAdditionForm = call.json()?;
    call.require_managing_operators()?;
    if form.code && !form.password {
        return Err(Fault::invalid("a one-time code is asked for beside a password: password is false"));
    }
    let addition = OperatorAddition {
        name: form.name.parse().map_err(|error| Fault::of_input(&error))?,
        role: role(&form.role)?,
        expires_at: form.valid_for_seconds.map(|seconds| expiry(&call, seconds)).transpose()?,
        sign_in: NewSecrets { token: true, password: form.password, code: form.code },
    };
    let secrets = call.mandate.add_operator(&addition).await?;
    Ok(HttpResponse::Created().json(OperatorSecrets::of(&addition.name, &secrets)))
}

pub(super) async fn change(call: Call) -> Result<HttpResponse, Fault> {
    let name = call.operator_name()?;
    let change: OperatorChange = call.json()?;
    call.require_managing_operators()?;
    if change.role.is_none() && change.expires_at.is_none() {
        return Err(Fault::invalid("neither role nor expires_at is named: nothing would change"));
    }
    let expires_at = change.expires_at.map(|at| at.as_deref().map(parsed_moment).transpose());
    let settings = OperatorSettings {
        role: change.role.as_deref().map(role).transpose()?,
        expires_at: expires_at.transpose()?,
        disabled: None,
    };
    call.mandate.set_operator(&name, &settings).await?;
    shown(&call, &name).await
}

/// Disabling takes something away, so it is permitted whatever the setting: a stolen account has to be stopped at once.
pub(super) async fn set_state(call: Call) -> Result<HttpResponse, Fault> {
    let name = call.operator_name()?;
    let OperatorState { disabled } = call.json()?;
    if !disabled {
        call.require_managing_operators()?;
    }
    let settings = OperatorSettings { disabled: Some(disabled), ..OperatorSettings::default() };
    call.mandate.set_operator(&name, &settings).await?;
    shown(&call, &name).await
}

pub(super) async fn rotate(call: Call) -> Result<HttpResponse, Fault> {
    let name = call.operator_name()?;
    let OperatorRotation { token, password, code } = call.json()?;
    call.require_managing_operators()?;
    if !(token || password || code) {
        return Err(Fault::invalid("token, password and code are all false: nothing would be replaced"));
    }
    let wanted = NewSecrets { token, password, code };
    let secrets = call.mandate.renew_operator_secrets(&name, wanted).await?;
    Ok(HttpResponse::Ok().json(OperatorSecrets::of(&name, &secrets)))
}

pub(super) async fn end_sessions(call: Call) -> Result<HttpResponse, Fault> {
    let has_ended = call.mandate.end_sessions(&call.operator_name()?).await?;
    if has_ended { Ok(HttpResponse::new(StatusCode::NO_CONTENT)) } else { Err(Fault::NotFound) }
}

impl Call {
    /// The operator's name in the path.
    fn operator_name(&self) -> Result<OperatorName, Fault> {
        self.parameter.as_deref().and_then(|name| name.parse().ok()).ok_or(Fault::NotFound)
    }

    /// Refuses what gives somebody rights, unless the settings permit it here.
    fn require_managing_operators(&self) -> Result<(), Fault> {
        if self.may_manage_operators { Ok(()) } else { Err(Fault::OperatorsByCommand) }
    }
}

async fn shown(call: &Call, name: &OperatorName) -> Result<HttpResponse, Fault> {
    let list = call.mandate.list_operators().await?;
    let listed = list.accounts.iter().find(|listed| listed.account.name == *name).ok_or(Fault::NotFound)?;
    Ok(HttpResponse::Ok().json(OperatorEntry::of(listed, &call.mandate.account().name)))
}

fn role(text: &str) -> Result<OperatorRole, Fault> {
    text.parse().map_err(|error| Fault::of_input(&error))
}

fn expiry(call: &Call, seconds: u32) -> Result<DateTime<Utc>, Fault> {
    if !(1..=LONGEST_VALID).contains(&seconds) {
        return Err(Fault::Invalid(format!("valid_for_seconds must be 1 to {LONGEST_VALID}")));
    }
    Ok(call.mandate.now() + TimeDelta::seconds(seconds.into()))
}

impl OperatorEntry {
    fn of(ListedAccount { account, sessions }: &ListedAccount, own: &OperatorName) -> Self {
        let provider = account.provider.as_ref();
        Self {
            name: account.name.to_string(),
            origin: if provider.is_some() { "provider" } else { "store" },
            claimed_name: provider.map(|provider| provider.claimed_name.clone()),
            role: account.role.as_str(),
            disabled: account.disabled,
            expires_at: account.expires_at.map(moment),
            has_password: account.has_password,
            has_code: account.has_code,
            created_at: provider.is_none().then(|| moment(account.created_at)),
            last_used_at: account.last_used_at.map(moment),
            last_signed_in_at: account.last_signed_in_at.map(moment),
            sessions: *sessions,
            own: account.name == *own,
        }
    }
}

impl OperatorSecrets {
    fn of(name: &OperatorName, secrets: &ShownSecrets) -> Self {
        Self {
            name: name.to_string(),
            token: secrets.token.as_ref().map(|token| token.reveal().to_owned()),
            password: secrets.password.as_ref().map(|password| password.reveal().to_owned()),
            code_secret: secrets.code.as_ref().map(CodeSecret::reveal),
            code_address: secrets.code.as_ref().map(|code| code.address(name)),
        }
    }
}
