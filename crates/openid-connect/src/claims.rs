//! The claims that say in which groups somebody is, and how somebody is called.

use serde_json::{Map, Value};

use crate::config::{Config, RoleOfGroup};

pub(crate) type Claims = Map<String, Value>;

/// The value of a claim: of that name, or where a JSON pointer leads.
fn claim<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut steps = name.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(&step))
}

/// Whether the claims say anything about groups.
pub(crate) fn has_groups(claims: &Claims, config: &Config) -> bool {
    claim(claims, &config.groups_claim).is_some()
}

/// The first of the settings' roles whose group somebody has. Groups are compared as a whole.
pub(crate) fn role_of<'a>(claims: &Claims, config: &'a Config) -> Option<&'a RoleOfGroup> {
    let groups: Vec<&str> = match claim(claims, &config.groups_claim)? {
        Value::String(group) => vec![group],
        Value::Array(groups) => groups.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    config.roles.iter().find(|of| groups.contains(&of.group.as_str()))
}

/// What somebody is called.
pub(crate) fn name_of<'a>(claims: &'a Claims, config: &Config) -> Option<&'a str> {
    claim(claims, &config.name_claim).and_then(Value::as_str)
}
