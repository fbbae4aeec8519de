//! How long a token counts, and what wrong ones cost.

use std::{thread, time::Duration};

use padan_test_service::ROLES;
use serde_json::Value;

use super::{Managed, add};

/// The columns of an operator that the database does not compute.
const WRITTEN: &str =
    "name, role, token_sha256, expires_at, disabled, created_at, changed_at, key_id, mac, last_used_at,
     last_signed_in_at, password_hash, code_secret, code_key_id, credentials_changed_at, code_step";

#[test]
fn a_token_counts_only_while_its_account_does() {
    let managed = Managed::start();
    let token = add(&managed.service, "rina", "auditor");
    assert_eq!(managed.status_of(&token), 200);
    managed.run(&["operator", "set", "rina", "--disable"]);
    assert_eq!(managed.status_of(&token), 401);
    managed.run(&["operator", "set", "rina", "--enable", "--role", "support"]);
    let answer = managed.send(&token, "GET", "/clients", &Value::Null);
    assert_eq!(answer.status(), 403, "the role is that of now");
    managed.run(&["operator", "set", "rina", "--valid-for", "2s"]);
    assert_eq!(managed.status_of(&token), 200);
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(managed.status_of(&token), 401);
    managed.run(&["operator", "set", "rina", "--no-expiry"]);
    assert_eq!(managed.status_of(&token), 200);
    managed.run(&["operator", "rotate", "rina", "--yes"]);
    assert_eq!(managed.status_of(&token), 401);

    // Whoever can write to the database gives nobody a role, and revives nobody.
    let support = managed.tokens["support"].clone();
    managed.execute(&format!("CREATE TABLE public.kept AS SELECT {WRITTEN} FROM store.operator"));
    managed.execute("UPDATE store.operator SET role = 'operator' WHERE name = 'support-1'");
    assert_eq!(managed.status_of(&support), 401);
    managed.service.wait_for_log("operator support-1 in store.operator was changed by others than Padan");
    let restore = &format!(
        "DELETE FROM store.operator; INSERT INTO store.operator ({WRITTEN}) SELECT * FROM public.kept"
    );
    managed.execute(restore);
    assert_eq!(managed.status_of(&support), 200);
    managed.run(&["operator", "set", "support-1", "--valid-for", "1d"]);
    assert_eq!(managed.status_of(&support), 200);
    managed.execute(restore);
    assert_eq!(managed.status_of(&support), 401);
    managed.service.wait_for_log("an older row of operator support-1 was restored");
    managed.execute(
        "INSERT INTO store.operator (name, role, token_sha256) VALUES ('x', 'operator', sha256('known'))",
    );
    assert_eq!(managed.status_of("known"), 401);
    managed.run(&["operator", "remove", "operator-1", "--yes"]);
    assert_eq!(managed.status_of(&managed.tokens["operator"]), 401);
}

#[test]
fn wrong_tokens_are_limited_and_lock_nobody_out() {
    let clients = "[clients]\nfailed_credentials = { burst = 3, seconds_apart = 60 }\n";
    let managed = Managed::with(clients);
    let statuses: Vec<_> = (0..6).map(|number| managed.status_of(&format!("wrong-{number}"))).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    let refused = managed.send("wrong", "GET", "/session", &Value::Null);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    // From the same address, tokens that this process has not seen before are admitted.
    for role in ROLES {
        assert_eq!(managed.status_of(&managed.tokens[role]), 200, "{role}");
    }
    assert_eq!(managed.status_of("wrong"), 429);
}
