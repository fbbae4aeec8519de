//! Clients, their limits and their secrets.

use std::{num::NonZeroU32, time::Duration};

use actix_web::{HttpResponse, http::StatusCode};
use padan_domain::{ClientRules, GrantedFields, QuotaPeriod, RequestRate, parse_network};
use padan_verification::{ClientName, ClientProfile, ClientSecret, NewClient, Rotation};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    call::{Call, moment, parsed_moment},
    fault::Fault,
};

/// All clients in the store.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientList {
    clients: Vec<ClientEntry>,
    /// Those of them that services refuse, because others than Padan wrote their rows.
    refused: Vec<Refused>,
}

/// A client or an operator whose row others than Padan wrote.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refused {
    name: String,
    /// What is wrong with its row.
    fault: String,
}

/// A client.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientEntry {
    name: String,
    /// The user name of its credentials.
    username: String,
    /// Whether all its requests are refused.
    disabled: bool,
    /// Whether it is answered from the table of test people.
    sandbox: bool,
    rules: Rules,
    /// Until when the former password is valid.
    old_password_until: Option<String>,
    /// Until when the former key is valid.
    old_api_key_until: Option<String>,
    created_at: String,
    /// When it was last changed. A change of its rules names this moment.
    changed_at: String,
}

/// A client and the use of its quotas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientDetails {
    client: ClientEntry,
    /// Requests of this day in Jakarta that were counted or are held by processes.
    used_today: u64,
    /// The same of this month.
    used_this_month: u64,
}

/// The limits of a client.
#[derive(Debug, Serialize, ToSchema)]
struct Rules {
    /// Networks from which it may call; empty for any.
    networks: Vec<String>,
    /// Certificates of which it must present one; empty for none.
    certificates: Vec<String>,
    /// Endpoints that it may call; null for all.
    endpoints: Option<Vec<String>>,
    /// Fields of basic verification that it may have compared.
    fields: Vec<String>,
    /// Requests per second, for each process; null for no limit.
    rate: Option<Rate>,
    /// Requests per day in Jakarta; null for no limit.
    #[schema(value_type = Option<u32>)]
    daily_quota: Option<NonZeroU32>,
    /// Requests per month in Jakarta; null for no limit.
    #[schema(value_type = Option<u32>)]
    monthly_quota: Option<NonZeroU32>,
}

/// A rate of requests.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rate {
    per_second: f64,
    /// Requests that may come at once.
    burst: Option<u32>,
}

/// The limits that change; those that are not named stay.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::option_option, reason = "a limit stays, is lifted by null, or is replaced")]
pub(crate) struct RulesChange {
    /// An empty list lifts the limit.
    networks: Option<Vec<String>>,
    /// An empty list lifts the limit.
    certificates: Option<Vec<String>>,
    /// Null lifts the limit.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    endpoints: Option<Option<Vec<String>>>,
    /// Names of fields; `default` stands for those that need no grant.
    fields: Option<Vec<String>>,
    /// Null lifts the limit.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Rate>)]
    rate: Option<Option<Rate>>,
    /// Null lifts the limit.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    daily_quota: Option<Option<NonZeroU32>>,
    /// Null lifts the limit.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    monthly_quota: Option<Option<NonZeroU32>>,
}

/// A client to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientAddition {
    name: String,
    /// The user name of its credentials; the name by default.
    username: Option<String>,
    /// Whether it is answered from the table of test people, and never from the registry. This cannot be changed.
    #[serde(default)]
    sandbox: bool,
    /// Its limits. By default it may send 20 requests a second, and 40 at once.
    #[serde(default)]
    rules: RulesChange,
}

/// A change of a client's limits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientRulesChange {
    /// `changed_at` of the client as it was read. If somebody else changed it since, the answer is 409.
    changed_at: String,
    rules: RulesChange,
}

/// The state of a client.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientState {
    /// Whether all its requests are refused.
    disabled: bool,
}

/// New secrets for a client.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientRotation {
    #[serde(default = "yes")]
    password: bool,
    #[serde(default = "yes")]
    api_key: bool,
    /// How long the replaced secrets stay valid, up to 366 days. By default they are revoked at once.
    #[serde(default)]
    keep_old_seconds: u32,
}

/// The secrets of a client, which are shown only this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClientSecrets {
    name: String,
    username: Option<String>,
    password: Option<String>,
    api_key: Option<String>,
}

const LONGEST_KEPT: u32 = 366 * 86_400;
/// More of each would make a row of the trail too long to have its state.
const MAX_LIST: usize = 100;

pub(super) async fn list(call: Call) -> Result<HttpResponse, Fault> {
    let clients = call.mandate.list_clients().await?;
    let refused = call.mandate.refused_clients().await?;
    let refused = refused.into_iter().map(|client| Refused::of(client.name, client.signature.to_string()));
    Ok(HttpResponse::Ok().json(ClientList {
        clients: clients.iter().map(ClientEntry::of).collect(),
        refused: refused.collect(),
    }))
}

pub(super) async fn show(call: Call) -> Result<HttpResponse, Fault> {
    let details = details(&call, &call.name()?).await?;
    Ok(HttpResponse::Ok().json(details))
}

pub(super) async fn add(call: Call) -> Result<HttpResponse, Fault> {
    let addition: ClientAddition = call.json()?;
    let name: ClientName = addition.name.parse().map_err(|error| Fault::of_input(&error))?;
    let username = addition.username.as_deref().unwrap_or(&addition.name);
    let of_new = ClientRules { rate: Some(RequestRate::of_new_clients()), ..ClientRules::default() };
    let client = NewClient {
        username: username.parse().map_err(|error| Fault::of_input(&error))?,
        name: name.clone(),
        password: ClientSecret::generate()?,
        api_key: ClientSecret::generate()?,
        is_sandbox: addition.sandbox,
        rules: addition.rules.apply_to(&of_new)?,
    };
    refuse_quota_of_sandbox(client.is_sandbox, &client.rules)?;
    if !call.mandate.add_client(&client).await? {
        return Err(Fault::Conflict("another client already has this name or user name".to_owned()));
    }
    Ok(HttpResponse::Created().json(ClientSecrets {
        name: name.to_string(),
        username: Some(client.username.as_str().to_owned()),
        password: Some(client.password.reveal().to_owned()),
        api_key: Some(client.api_key.reveal().to_owned()),
    }))
}

pub(super) async fn change_rules(call: Call) -> Result<HttpResponse, Fault> {
    let name = call.name()?;
    let change: ClientRulesChange = call.json()?;
    let last_changed_at = parsed_moment(&change.changed_at)?;
    let present = call.mandate.client(&name).await?.ok_or(Fault::NotFound)?.client;
    let rules = change.rules.apply_to(&present.rules)?;
    refuse_quota_of_sandbox(present.is_sandbox, &rules)?;
    if !call.mandate.replace_client_rules(&name, &rules, last_changed_at).await? {
        return Err(Fault::NotFound);
    }
    Ok(HttpResponse::Ok().json(details(&call, &name).await?))
}

pub(super) async fn set_state(call: Call) -> Result<HttpResponse, Fault> {
    let name = call.name()?;
    let state: ClientState = call.json()?;
    if !call.mandate.set_client_disabled(&name, state.disabled).await? {
        return Err(Fault::NotFound);
    }
    Ok(HttpResponse::Ok().json(details(&call, &name).await?))
}

pub(super) async fn rotate(call: Call) -> Result<HttpResponse, Fault> {
    let name = call.name()?;
    let wanted: ClientRotation = call.json()?;
    if !wanted.password && !wanted.api_key {
        return Err(Fault::invalid("password and api_key are both false: nothing would be replaced"));
    }
    if wanted.keep_old_seconds > LONGEST_KEPT {
        return Err(Fault::Invalid(format!("keep_old_seconds must be at most {LONGEST_KEPT}")));
    }
    let generate_if = |wanted: bool| wanted.then(ClientSecret::generate).transpose();
    let rotation = Rotation {
        name: name.clone(),
        password: generate_if(wanted.password)?,
        api_key: generate_if(wanted.api_key)?,
        keep_old: Duration::from_secs(wanted.keep_old_seconds.into()),
    };
    if !call.mandate.rotate_client(&rotation).await? {
        return Err(Fault::NotFound);
    }
    let shown = |secret: Option<&ClientSecret>| secret.map(|secret| secret.reveal().to_owned());
    Ok(HttpResponse::Ok().json(ClientSecrets {
        name: name.to_string(),
        username: None,
        password: shown(rotation.password.as_ref()),
        api_key: shown(rotation.api_key.as_ref()),
    }))
}

pub(super) async fn remove(call: Call) -> Result<HttpResponse, Fault> {
    let was_found = call.mandate.remove_client(&call.name()?).await?;
    if was_found { Ok(HttpResponse::new(StatusCode::NO_CONTENT)) } else { Err(Fault::NotFound) }
}

/// Requests of a sandbox client are not counted, since nobody pays for them.
fn refuse_quota_of_sandbox(is_sandbox: bool, rules: &ClientRules) -> Result<(), Fault> {
    if is_sandbox && (rules.daily_quota.is_some() || rules.monthly_quota.is_some()) {
        return Err(Fault::invalid("a sandbox client has no quota, because its requests are not counted"));
    }
    Ok(())
}

async fn details(call: &Call, name: &ClientName) -> Result<ClientDetails, Fault> {
    let found = call.mandate.client(name).await?.ok_or(Fault::NotFound)?;
    let used = |wanted| found.used.iter().find(|(period, _)| *period == wanted).map_or(0, |(_, used)| *used);
    Ok(ClientDetails {
        client: ClientEntry::of(&found.client),
        used_today: used(QuotaPeriod::Day),
        used_this_month: used(QuotaPeriod::Month),
    })
}

impl ClientEntry {
    fn of(client: &ClientProfile) -> Self {
        Self {
            name: client.name.to_string(),
            username: client.username.as_str().to_owned(),
            disabled: client.disabled,
            sandbox: client.is_sandbox,
            rules: Rules::of(&client.rules),
            old_password_until: client.old_password_until.map(moment),
            old_api_key_until: client.old_api_key_until.map(moment),
            created_at: moment(client.created_at),
            changed_at: moment(client.changed_at),
        }
    }
}

impl Refused {
    pub(super) fn of(name: String, fault: String) -> Self {
        Self { name, fault }
    }
}

impl Rules {
    fn of(rules: &ClientRules) -> Self {
        let rate =
            rules.rate.map(|rate| Rate { per_second: rate.per_second(), burst: Some(rate.burst().get()) });
        Self {
            networks: rules.networks.iter().map(ToString::to_string).collect(),
            certificates: rules.certificates.iter().map(ToString::to_string).collect(),
            endpoints: rules.endpoints.as_ref().map(|names| names.iter().map(ToString::to_string).collect()),
            fields: rules.fields.words().into_iter().map(str::to_owned).collect(),
            rate,
            daily_quota: rules.daily_quota,
            monthly_quota: rules.monthly_quota,
        }
    }
}

impl RulesChange {
    /// The present rules with the limits that change.
    fn apply_to(&self, present: &ClientRules) -> Result<ClientRules, Fault> {
        let mut rules = present.clone();
        if let Some(networks) = &self.networks {
            rules.networks = parse_list(networks, "networks", parse_network)?;
        }
        if let Some(certificates) = &self.certificates {
            rules.certificates = parse_list(certificates, "certificates", str::parse)?;
        }
        if let Some(endpoints) = &self.endpoints {
            let parse = |names: &Vec<String>| parse_list(names, "endpoints", str::parse);
            rules.endpoints = endpoints.as_ref().map(parse).transpose()?;
        }
        if let Some(fields) = &self.fields {
            let words = fields.iter().map(String::as_str);
            rules.fields =
                GrantedFields::parse(words).map_err(|error| Fault::Invalid(format!("fields: {error}")))?;
        }
        if let Some(rate) = self.rate {
            let parse = |rate: Rate| RequestRate::new(rate.per_second, rate.burst);
            rules.rate =
                rate.map(parse).transpose().map_err(|error| Fault::Invalid(format!("rate: {error}")))?;
        }
        rules.daily_quota = self.daily_quota.unwrap_or(rules.daily_quota);
        rules.monthly_quota = self.monthly_quota.unwrap_or(rules.monthly_quota);
        Ok(rules)
    }
}

fn parse_list<T, E: std::fmt::Display>(
    texts: &[String],
    key: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, Fault> {
    if texts.len() > MAX_LIST {
        return Err(Fault::Invalid(format!("{key}: at most {MAX_LIST} are taken")));
    }
    let parsed: Result<_, _> = texts.iter().map(|text| parse(text)).collect();
    parsed.map_err(|error| Fault::Invalid(format!("{key}: {error}")))
}

/// Distinguishes a null, which lifts a limit, from a field that is not there.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn yes() -> bool {
    true
}
