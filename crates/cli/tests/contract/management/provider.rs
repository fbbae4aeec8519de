//! Sign-in through a provider, and what an attacker gets from it.

use std::{collections::HashMap, thread, time::Duration};

use padan_testing::OpenIdProvider;
use reqwest::blocking::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::Managed;

const ADDRESS: &str = "203.0.113.5";

/// A service whose operators sign in through a provider.
fn start(settings: &str) -> (Managed, OpenIdProvider) {
    let provider = OpenIdProvider::start();
    provider.state().claims = json!({ "groups": ["audit"], "preferred_username": "operator-1" });
    let mut managed = Managed::with(&format!(
        "trusted_proxies = [\"127.0.0.1\"]\nconsole = {{ enabled = false }}\n\n[openid_connect]\nenabled = false\n\
         issuer = \"{}\"\nclient_id = \"padan\"\npublic_address = \"http://127.0.0.1:9090\"\n\
         roles = [\"auditor:audit\", \"operator:ops\"]\nlabel = \"Bank\"\ntimeout_ms = 700\n{settings}\n",
        provider.issuer()
    ));
    managed.service.change_settings("console = { enabled = false }", "console = { enabled = true }");
    managed.service.change_settings("[openid_connect]\nenabled = false", "[openid_connect]\nenabled = true");
    managed.service.kill();
    managed.service.restart();
    (managed, provider)
}

fn post(managed: &Managed, path: &str, address: &str, cookies: &str) -> RequestBuilder {
    let url = format!("http://{}/admin/v1{path}", managed.service.admin);
    let request = managed.service.client.post(url).header("content-type", "application/json");
    request.header("x-forwarded-for", address).header("cookie", cookies)
}

fn cookies_of(answer: &Response) -> HashMap<String, String> {
    let lines = answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let pairs = lines.map(|line| {
        assert!(line.ends_with("; Secure; HttpOnly; SameSite=Strict") && line.contains("; Path=/"), "{line}");
        let (name, rest) = line.split_once('=').unwrap();
        (name.to_owned(), rest.split(';').next().unwrap().to_owned())
    });
    pairs.collect()
}

/// A browser that left for the provider: its cookie, and what it brings back.
fn depart(managed: &Managed, provider: &OpenIdProvider) -> (String, HashMap<String, String>) {
    let answer = post(managed, "/sign-in/provider", ADDRESS, "").send().unwrap();
    assert_eq!(answer.status(), 200);
    let flow = format!("__Host-padan-sign-in={}", cookies_of(&answer)["__Host-padan-sign-in"]);
    let body: Value = answer.json().unwrap();
    let address = body["address"].as_str().unwrap();
    assert!(address.starts_with(&format!("{}/authorize?", provider.issuer())), "{address}");
    (flow, provider.visit(address))
}

fn arrive(managed: &Managed, cookies: &str, brought: &HashMap<String, String>, address: &str) -> Response {
    post(managed, "/session/provider", address, cookies).body(json!(brought).to_string()).send().unwrap()
}

/// The status and the code of a sign-in that is refused.
fn refusal(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert!(!cookies_of(&answer).contains_key("__Host-padan-session"));
    let body: Value = answer.json().unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// The cookie of a session that begins, and what the service says of it.
fn signed_in(managed: &Managed, provider: &OpenIdProvider) -> (String, Value) {
    let (flow, brought) = depart(managed, provider);
    let answer = arrive(managed, &flow, &brought, ADDRESS);
    assert_eq!(answer.status(), 200);
    let cookies = cookies_of(&answer);
    assert_eq!(cookies["__Host-padan-sign-in"], "", "it is removed");
    (format!("__Host-padan-session={}", cookies["__Host-padan-session"]), answer.json().unwrap())
}

fn status_of(managed: &Managed, session: &str) -> u16 {
    let url = format!("http://{}/admin/v1/session", managed.service.admin);
    managed.service.client.get(url).header("cookie", session).send().unwrap().status().as_u16()
}

fn rows(managed: &Managed, reason: &str) -> Vec<Value> {
    let query =
        format!("SELECT fields FROM store.audit_event WHERE reason = '{reason}' ORDER BY at, sequence");
    let texts = managed.service.runtime.block_on(managed.service.store.texts(&query));
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn somebody_with_a_group_gets_its_role_under_a_name_of_no_other_operator() {
    let (managed, provider) = start("");
    assert_eq!(managed.get("support", "/sign-in"), json!({ "provider": "Bank" }));
    let (session, shown) = signed_in(&managed, &provider);
    // The provider calls the person as an operator of the store, which changes nothing.
    assert_eq!(
        (&shown["name"], &shown["claimed_name"], &shown["role"], &shown["kind"]),
        (&json!("oidc:248289761001"), &json!("operator-1"), &json!("auditor"), &json!("session"))
    );
    assert_eq!(status_of(&managed, &session), 200);
    let ask = |method: &str, path: &str| {
        let url = format!("http://{}/admin/v1{path}", managed.service.admin);
        let request = managed.service.client.request(method.parse().unwrap(), url).header("cookie", &session);
        request
            .header("x-csrf-token", shown["csrf_token"].as_str().unwrap())
            .body("{}")
            .send()
            .unwrap()
            .status()
    };
    assert_eq!(
        (ask("POST", "/audit/search"), ask("POST", "/clients")),
        (200.try_into().unwrap(), 403.try_into().unwrap())
    );
    let row = &rows(&managed, "AUDIT_SEARCHED")[0];
    let who = json!({ "issuer": provider.issuer(), "subject": "248289761001", "claimed_name": "operator-1" });
    assert_eq!(
        (&row["request"]["account"], &row["request"]["provider"]),
        (&json!("oidc:248289761001"), &who)
    );
    assert_eq!(rows(&managed, "OPERATOR_SIGNED_IN")[0]["after"]["role"], "auditor");
    assert_eq!(ask("DELETE", "/session"), 200);
    assert_eq!(status_of(&managed, &session), 401);
    assert_eq!(rows(&managed, "OPERATOR_SIGNED_OUT").len(), 1);

    for name in ["oidc:248289761001", "OIDC:x", "oidc:"] {
        let added = managed.service.command(&["operator", "add", name, "--role", "operator"]);
        assert!(!added.status.success(), "{name}");
    }
    let (session, _) = signed_in(&managed, &provider);
    for change in [
        "role = 'operator'",
        "subject = 'x'",
        "issuer = NULL, subject = NULL, claimed_name = NULL, role = NULL",
    ] {
        managed.execute(&format!("UPDATE store.operator_session SET {change}"));
        assert_eq!(status_of(&managed, &session), 401, "{change}");
    }
    managed.run(&["audit", "verify"]);
    let logged = managed.service.logged();
    let token = session.split_once('=').unwrap().1;
    assert!(!logged.contains(token) && !logged.contains("code-0"));
}

#[test]
fn the_sign_out_says_where_the_provider_signs_out_and_works_without_it() {
    let (managed, provider) = start("");
    let endpoint = format!("{}/end", provider.issuer());
    provider.state().document = json!({ "end_session_endpoint": endpoint });
    let sign_out = || {
        let (session, shown) = signed_in(&managed, &provider);
        let url = format!("http://{}/admin/v1/session", managed.service.admin);
        let request = managed.service.client.delete(url).header("cookie", &session);
        let answer = request.header("x-csrf-token", shown["csrf_token"].as_str().unwrap()).send().unwrap();
        assert_eq!((answer.status().as_u16(), status_of(&managed, &session)), (200, 401));
        answer.json::<Value>().unwrap()["provider_address"].clone()
    };
    let back = "client_id=padan&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A9090%2Fconsole%2F";
    assert_eq!(sign_out(), json!(format!("{endpoint}?{back}")));

    // Somebody of the provider is signed out by the command.
    let (session, _) = signed_in(&managed, &provider);
    managed.run(&["operator", "end-sessions", "oidc:248289761001", "--yes"]);
    assert_eq!(status_of(&managed, &session), 401);
    let (session, _) = signed_in(&managed, &provider);
    let list = managed.get("operator", "/operators");
    let person =
        list["operators"].as_array().unwrap().iter().find(|one| one["origin"] == "provider").unwrap();
    assert_eq!(
        (&person["name"], &person["claimed_name"], &person["role"], &person["sessions"]),
        (&json!("oidc:248289761001"), &json!("operator-1"), &json!("auditor"), &json!(1))
    );
    let path = "/operators/oidc:248289761001/sessions";
    assert_eq!(managed.ask("operator", "DELETE", path, &Value::Null).0, 204);
    assert_eq!(status_of(&managed, &session), 401);
}

#[test]
fn somebody_without_a_group_is_refused_with_a_row() {
    let (managed, provider) = start("");
    provider.state().claims = json!({ "groups": ["staff"], "preferred_username": "budi" });
    let (flow, brought) = depart(&managed, &provider);
    assert_eq!(refusal(arrive(&managed, &flow, &brought, ADDRESS)), (403, "NO_ROLE".to_owned()));
    let row = &rows(&managed, "OPERATOR_SIGN_IN_FAILED")[0]["after"];
    assert_eq!(
        (&row["account"], &row["provider"]["claimed_name"], &row["cause"]),
        (&json!("oidc:248289761001"), &json!("budi"), &json!("no group of the person has a role"))
    );
}

#[test]
fn only_the_browser_that_left_comes_back_and_only_once() {
    let (managed, provider) = start("");
    let (flow, brought) = depart(&managed, &provider);
    let (other_flow, others) = depart(&managed, &provider);
    let not_begun = (401, "SIGN_IN_NOT_BEGUN".to_owned());
    let wrong = (401, "PROVIDER_REFUSED".to_owned());
    // An attacker's own answer in the browser of somebody else, and the other way round.
    assert_eq!(refusal(arrive(&managed, "", &brought, ADDRESS)), not_begun);
    assert_eq!(refusal(arrive(&managed, &flow, &others, ADDRESS)), wrong);
    assert_eq!(refusal(arrive(&managed, &other_flow, &brought, ADDRESS)), wrong);
    assert_eq!(refusal(arrive(&managed, &format!("{flow}; {other_flow}"), &brought, ADDRESS)), not_begun);
    assert_eq!(refusal(arrive(&managed, &flow.replace("in=", "in=0"), &brought, ADDRESS)), not_begun);
    assert_eq!(arrive(&managed, &flow, &brought, ADDRESS).status(), 200);
    assert_eq!(refusal(arrive(&managed, &flow, &brought, ADDRESS)), wrong, "it was used");
    let another = provider.visit(&format!("{}/authorize?state={}", provider.issuer(), brought["state"]));
    assert_eq!(refusal(arrive(&managed, &flow, &another, ADDRESS)), wrong, "with another code as well");
    // The person does not sign in at the provider.
    let (flow, mut brought) = depart(&managed, &provider);
    brought.remove("code");
    brought.insert("error".to_owned(), "access_denied".to_owned());
    assert_eq!(refusal(arrive(&managed, &flow, &brought, ADDRESS)), wrong);
    // A form of another site begins nothing.
    for (kind, origin) in [("text/plain", ""), ("application/json", "https://evil.example")] {
        let url = format!("http://{}/admin/v1/sign-in/provider", managed.service.admin);
        let request = managed.service.client.post(url).header("content-type", kind).header("origin", origin);
        let answer = request.send().unwrap();
        assert!([400, 403].contains(&answer.status().as_u16()), "{kind} {origin}");
        assert!(answer.headers().get("set-cookie").is_none());
    }
    let causes: Vec<_> =
        rows(&managed, "OPERATOR_SIGN_IN_FAILED").iter().map(|row| row["after"]["cause"].clone()).collect();
    assert_eq!(causes.len(), 5, "{causes:?}");
}

#[test]
fn failures_are_limited_by_address_and_keep_no_known_browser_out() {
    let (managed, provider) = start("");
    let (flow, brought) = depart(&managed, &provider);
    let answer = arrive(&managed, &flow, &brought, ADDRESS);
    let device = &cookies_of(&answer)["__Host-padan-provider-device"];
    let statuses: Vec<_> = (0..23).map(|_| refusal(arrive(&managed, "", &brought, ADDRESS)).0).collect();
    assert_eq!((statuses[0], statuses[20], statuses[22]), (401, 401, 429), "{statuses:?}");
    let (flow, brought) = depart(&managed, &provider);
    assert_eq!(arrive(&managed, &flow, &brought, ADDRESS).status(), 429);
    let known = format!("{flow}; __Host-padan-provider-device={device}");
    assert_eq!(arrive(&managed, &known, &brought, ADDRESS).status(), 200);
}

#[test]
fn a_provider_that_is_down_stops_nothing_else() {
    let (mut managed, provider) = start("");
    let (session, _) = signed_in(&managed, &provider);
    provider.state().answers.insert("/token".to_owned(), (500, String::new(), Vec::new()));
    let (flow, brought) = depart(&managed, &provider);
    assert_eq!(refusal(arrive(&managed, &flow, &brought, ADDRESS)), (503, "PROVIDER_UNAVAILABLE".to_owned()));
    managed.service.wait_for_log("token endpoint answers 500");
    assert_eq!(status_of(&managed, &session), 200);
    // A service starts without its provider, and keeps the sessions.
    managed.service.kill();
    provider.state().delay = Duration::from_secs(5);
    managed.service.restart();
    assert_eq!(status_of(&managed, &session), 200);
    let answer = post(&managed, "/sign-in/provider", ADDRESS, "").send().unwrap();
    assert_eq!(refusal(answer), (503, "PROVIDER_UNAVAILABLE".to_owned()));
    let doctor = managed.service.command(&["doctor"]);
    let report = String::from_utf8(doctor.stdout).unwrap();
    assert!(report.lines().any(|line| line.contains("provider") && line.contains("in time")), "{report}");
    provider.state().delay = Duration::ZERO;
    provider.state().document = json!({ "issuer": "https://other.example" });
    let report = String::from_utf8(managed.service.command(&["doctor"]).stdout).unwrap();
    assert!(report.contains("another issuer than openid_connect.issuer: https://other.example"), "{report}");
}

#[test]
fn a_session_ends_in_time_and_with_the_settings_that_gave_it() {
    let (mut managed, provider) = start("session_seconds = 2");
    let (session, _) = signed_in(&managed, &provider);
    assert_eq!(status_of(&managed, &session), 200);
    thread::sleep(Duration::from_millis(2200));
    assert_eq!(status_of(&managed, &session), 401);

    managed.service.change_settings("session_seconds = 2", "session_seconds = 600");
    managed.service.kill();
    managed.service.restart();
    let (session, _) = signed_in(&managed, &provider);
    managed.service.change_settings("\"auditor:audit\", ", "");
    managed.service.kill();
    managed.service.restart();
    assert_eq!(status_of(&managed, &session), 401, "no group has the role any more");
    let settings = managed.service.settings();
    for (wrong, words) in [
        (
            settings.replace("issuer = \"http://127", "issuer = \"http://id.bank.example"),
            "openid_connect.issuer",
        ),
        (settings.replace("console = { enabled = true }", ""), "http.console.enabled"),
        (settings.replace("[\"operator:ops\"]", "[\"boss:ops\"]"), "boss"),
    ] {
        let checked = managed.service.command_with_settings(&["config", "check"], &wrong);
        let text = String::from_utf8(checked.stderr).unwrap();
        assert!(!checked.status.success() && text.contains(words), "{text}");
    }
}
