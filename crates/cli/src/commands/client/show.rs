use std::io::Write as _;

use anyhow::Result;
use padan_domain::{ClientName, ClientRules, Clock, GrantedFields, QuotaPeriod, Username};
use padan_store::{ClientProfile, ClientSecret, Overview};
use serde_json::{Map, Value, json};

use crate::output::{print_json, stdout};

/// The secrets that a client has just been given.
pub(super) struct NewSecrets<'a> {
    pub(super) name: &'a ClientName,
    pub(super) username: Option<&'a Username>,
    pub(super) password: Option<&'a ClientSecret>,
    pub(super) api_key: Option<&'a ClientSecret>,
}

impl NewSecrets<'_> {
    /// Prints the secrets to stdout, from where they can be piped into a secret store.
    pub(super) fn print(&self, as_json: bool) -> Result<()> {
        let lines: Vec<(&str, &str)> = [
            Some(("name", self.name.as_str())),
            self.username.map(|username| ("username", username.as_str())),
            self.password.map(|password| ("password", password.reveal())),
            self.api_key.map(|api_key| ("api_key", api_key.reveal())),
        ]
        .into_iter()
        .flatten()
        .collect();
        if as_json {
            print_json(&self.json())?;
        } else {
            let mut out = stdout();
            for (key, value) in lines {
                writeln!(out, "{key:<9} {value}")?;
            }
        }
        eprintln!("The secrets are shown only this once; the store keeps only their hashes.");
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name.as_str(),
            "username": self.username.map(Username::as_str),
            "password": self.password.map(ClientSecret::reveal),
            "api_key": self.api_key.map(ClientSecret::reveal),
        })
    }
}

/// Prints one line per client, or one document.
pub(super) fn print_list(clients: &[ClientProfile], as_json: bool) -> Result<()> {
    if as_json {
        return print_json(&json!({ "clients": clients.iter().map(properties).collect::<Vec<_>>() }));
    }
    let mut out = stdout();
    for client in clients {
        writeln!(out, "{:<24} {:<9} {}", client.name.as_str(), state(client), summary(client))?;
    }
    if clients.is_empty() {
        eprintln!("The store has no client: `padan client add NAME` adds one.");
    }
    Ok(())
}

/// A client's state and limits.
pub(super) fn in_one_line(client: &ClientProfile) -> String {
    let limits = summary(client);
    [state(client), &limits].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(", ")
}

fn state(client: &ClientProfile) -> &'static str {
    if client.disabled { "disabled" } else { "enabled" }
}

/// What kind of client it is, and its limits.
fn summary(client: &ClientProfile) -> String {
    let kind = client.is_sandbox.then(|| "sandbox".to_owned());
    kind.into_iter().chain(limit_words(&client.rules)).collect::<Vec<_>>().join(", ")
}

/// Prints a client and how much of its quotas it has used.
pub(super) async fn print_client(
    store: &Overview,
    client: &ClientProfile,
    clock: &Clock,
    as_json: bool,
) -> Result<()> {
    let mut object = properties(client);
    for period in QuotaPeriod::ALL {
        let used = store.quota_used(&client.name, period.current(clock)).await?;
        object.insert(format!("used_this_{}", period.as_str()), used.into());
    }
    if as_json {
        return print_json(&object);
    }
    let mut out = stdout();
    for (key, value) in object {
        writeln!(out, "{key:<20} {}", text_of(&value))?;
    }
    Ok(())
}

/// Prints the limits of a client before and after a change, one per line. A limit that stays is printed once.
pub(super) fn print_change(
    name: &ClientName,
    before: &ClientRules,
    after: &ClientRules,
    as_json: bool,
) -> Result<()> {
    let (before, after) = (limits_of(before), limits_of(after));
    if as_json {
        return print_json(&json!({ "name": name.as_str(), "before": before, "after": after }));
    }
    let mut out = stdout();
    for (key, value) in &after {
        match before.get(key) {
            Some(old) if old != value => writeln!(out, "{key:<20} {} -> {}", text_of(old), text_of(value))?,
            _ => writeln!(out, "{key:<20} {}", text_of(value))?,
        }
    }
    Ok(())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn properties(client: &ClientProfile) -> Map<String, Value> {
    let mut properties = object(json!({
        "name": client.name.as_str(),
        "username": client.username.as_str(),
        "disabled": client.disabled,
        "sandbox": client.is_sandbox,
    }));
    properties.extend(limits_of(&client.rules));
    properties.extend(object(json!({
        "old_password_until": client.old_password_until.map(|until| until.to_rfc3339()),
        "old_api_key_until": client.old_api_key_until.map(|until| until.to_rfc3339()),
        "created_at": client.created_at.to_rfc3339(),
        "changed_at": client.changed_at.to_rfc3339(),
    })));
    properties
}

fn limits_of(rules: &ClientRules) -> Map<String, Value> {
    let endpoints =
        rules.endpoints.as_ref().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
    object(json!({
        "networks": rules.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "certificates": rules.certificates.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "endpoints": endpoints,
        "fields": rules.fields.words(),
        "requests_per_second": rules.rate.map(|rate| rate.per_second()),
        "burst": rules.rate.map(|rate| rate.burst()),
        "daily_quota": rules.daily_quota,
        "monthly_quota": rules.monthly_quota,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The limits that are set, in words.
fn limit_words(rules: &ClientRules) -> Vec<String> {
    let list = |words: Vec<String>| words.join(",");
    let networks = list(rules.networks.iter().map(ToString::to_string).collect());
    let certificates = list(rules.certificates.iter().map(ToString::to_string).collect());
    let endpoints = rules.endpoints.as_ref();
    let parts = [
        (!networks.is_empty()).then(|| format!("from {networks}")),
        (!certificates.is_empty()).then(|| format!("with certificate {certificates}")),
        endpoints.map(|names| format!("to {}", list(names.iter().map(ToString::to_string).collect()))),
        (rules.fields != GrantedFields::default())
            .then(|| format!("fields {}", rules.fields.words().join(","))),
        rules.rate.map(|rate| format!("{}/s burst {}", rate.per_second(), rate.burst())),
        rules.daily_quota.map(|quota| format!("{quota} per day")),
        rules.monthly_quota.map(|quota| format!("{quota} per month")),
    ];
    parts.into_iter().flatten().collect()
}
