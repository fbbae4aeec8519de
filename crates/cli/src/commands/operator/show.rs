use std::io::Write as _;

use anyhow::Result;
use padan_domain::OperatorName;
use padan_store::{ClientSecret, OperatorAccount};
use serde_json::{Value, json};

use crate::output::{print_json, stdout};

/// Prints the token to stdout, from where it can be piped into a secret store.
pub(super) fn print_token(name: &OperatorName, token: &ClientSecret, as_json: bool) -> Result<()> {
    if as_json {
        print_json(&json!({ "name": name.as_str(), "token": token.reveal() }))?;
    } else {
        writeln!(stdout(), "name  {name}\ntoken {}", token.reveal())?;
    }
    eprintln!("The token is shown only this once; the store keeps only its hash.");
    Ok(())
}

/// Prints the secret of one-time codes to stdout, and its address for apps.
pub(super) fn print_code_secret(
    name: &OperatorName,
    secret: &str,
    address: &str,
    as_json: bool,
) -> Result<()> {
    if as_json {
        print_json(&json!({ "name": name.as_str(), "secret": secret, "address": address }))?;
    } else {
        writeln!(stdout(), "name    {name}\nsecret  {secret}\naddress {address}")?;
    }
    eprintln!(
        "The secret is shown only this once. {name} signs in with a code from now on; its sessions have ended."
    );
    Ok(())
}

/// Prints one line per operator, or one JSON document.
pub(super) fn print_list(operators: &[OperatorAccount], as_json: bool) -> Result<()> {
    if as_json {
        let operators: Vec<_> = operators.iter().map(properties).collect();
        return print_json(&json!({ "operators": operators }));
    }
    let mut out = stdout();
    for operator in operators {
        writeln!(out, "{:<24} {}", operator.name.as_str(), in_one_line(operator))?;
    }
    if operators.is_empty() {
        eprintln!("The store has no operator: `padan operator add NAME --role ROLE` adds one.");
    }
    Ok(())
}

/// The role, the state, the expiry and the last use of an operator.
pub(super) fn in_one_line(operator: &OperatorAccount) -> String {
    let OperatorAccount { role, disabled, expires_at, last_used_at, .. } = operator;
    let state = if *disabled { "disabled" } else { "enabled" };
    let expiry = expires_at.map_or("no expiry".to_owned(), |at| format!("until {}", at.to_rfc3339()));
    let last_use =
        last_used_at.map_or("never used".to_owned(), |at| format!("last used {}", at.to_rfc3339()));
    let last_sign_in = operator
        .last_signed_in_at
        .map_or(String::new(), |at| format!(", last signed in {}", at.to_rfc3339()));
    let sign_in = match (operator.has_password, operator.has_code) {
        (true, true) => "signs in with password and code",
        (true, false) => "signs in with a password",
        (false, _) => "token only",
    };
    format!("{}, {state}, {expiry}, {sign_in}, {last_use}{last_sign_in}", role.as_str())
}

fn properties(operator: &OperatorAccount) -> Value {
    json!({
        "name": operator.name.as_str(),
        "role": operator.role.as_str(),
        "disabled": operator.disabled,
        "has_password": operator.has_password,
        "has_code": operator.has_code,
        "expires_at": operator.expires_at.map(|at| at.to_rfc3339()),
        "created_at": operator.created_at.to_rfc3339(),
        "changed_at": operator.changed_at.to_rfc3339(),
        "last_used_at": operator.last_used_at.map(|at| at.to_rfc3339()),
        "last_signed_in_at": operator.last_signed_in_at.map(|at| at.to_rfc3339()),
    })
}
