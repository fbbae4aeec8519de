//! Sign-in with a password, and what an attacker gets from sessions.

use std::{
    io::Write as _,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::Response;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::{Managed, add};

pub(super) const PASSWORD: &str = "correct horse battery";

/// A browser of an operator.
#[derive(Clone)]
struct Browser {
    /// The cookie of its session.
    session: String,
    /// The cookie by which it is recognised.
    device: String,
    csrf: String,
}

/// What a sign-in sends beside the name.
struct Attempt<'a> {
    password: &'a str,
    code: Option<&'a str>,
    address: &'a str,
    device: &'a str,
}

const ATTEMPT: Attempt<'_> = Attempt { password: PASSWORD, code: None, address: "203.0.113.5", device: "" };

pub(super) fn set_password(managed: &Managed, name: &str, password: &str) {
    let done = managed.service.command_with_input(&["operator", "password", name], &format!("{password}\n"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn try_sign_in(managed: &Managed, name: &str, attempt: &Attempt<'_>) -> Response {
    let mut body = json!({ "name": name, "password": attempt.password });
    if let Some(code) = attempt.code {
        body["code"] = code.into();
    }
    let url = format!("http://{}/admin/v1/session", managed.service.admin);
    let request = managed.service.client.post(url).header("content-type", "application/json");
    let request = request.header("x-forwarded-for", attempt.address).header("cookie", attempt.device);
    request.body(body.to_string()).send().unwrap()
}

/// The status and the code of a sign-in that is refused.
fn refusal(managed: &Managed, name: &str, attempt: &Attempt<'_>) -> (u16, String) {
    let answer = try_sign_in(managed, name, attempt);
    let status = answer.status().as_u16();
    assert!(answer.headers().get("set-cookie").is_none(), "{status}");
    let body: Value = answer.json().unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

fn signed_in(managed: &Managed, name: &str, attempt: &Attempt<'_>) -> Browser {
    let answer = try_sign_in(managed, name, attempt);
    assert_eq!(answer.status(), 200, "{:?}", answer.text());
    let set: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    let [session, device] = [0, 1].map(|index| set[index].to_str().unwrap().to_owned());
    for cookie in [&session, &device] {
        assert!(cookie.starts_with("__Host-padan-") && cookie.contains("; Path=/"), "{cookie}");
        assert!(
            cookie.ends_with("; Secure; HttpOnly; SameSite=Strict") && !cookie.contains("Domain"),
            "{cookie}"
        );
    }
    let pair = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
    let body: Value = answer.json().unwrap();
    assert_eq!(body["kind"], "session");
    assert!(!body.to_string().contains(pair(&session).split_once('=').unwrap().1), "{body}");
    let csrf = body["csrf_token"].as_str().unwrap().to_owned();
    Browser { session: pair(&session), device: pair(&device), csrf }
}

/// The status and the body of an answer to a browser, which sends further headers.
fn ask(managed: &Managed, browser: &Browser, line: (&str, &str), headers: &[(&str, &str)]) -> (u16, Value) {
    let (method, path) = line;
    let url = format!("http://{}/admin/v1{path}", managed.service.admin);
    let mut request = managed.service.client.request(method.parse().unwrap(), url);
    request = request.header("cookie", &browser.session);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(if method == "GET" { "" } else { "{}" }).send().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().unwrap()).unwrap_or_default())
}

fn status_of(managed: &Managed, browser: &Browser) -> u16 {
    ask(managed, browser, ("GET", "/session"), &[]).0
}

/// The cookie of a session that begins.
pub(super) fn session_of(managed: &Managed, name: &str, password: &str, code: Option<&str>) -> String {
    signed_in(managed, name, &Attempt { password, code, ..ATTEMPT }).session
}

/// The one-time code of now.
pub(super) fn code_of(secret: &str) -> String {
    let codes = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    codes.generate(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).to_string()
}

/// The status of an answer to the cookie of a session.
pub(super) fn session_status(managed: &Managed, session: &str) -> u16 {
    let url = format!("http://{}/admin/v1/session", managed.service.admin);
    managed.service.client.get(url).header("cookie", session).send().unwrap().status().as_u16()
}

fn start(settings: &str) -> Managed {
    let managed = Managed::with(&format!("trusted_proxies = [\"127.0.0.1\"]\n{settings}"));
    set_password(&managed, "operator-1", PASSWORD);
    managed
}

#[test]
fn a_session_is_begun_shown_and_ended() {
    let managed = start("");
    let browser = signed_in(&managed, "operator-1", &ATTEMPT);
    let (status, shown) = ask(&managed, &browser, ("GET", "/session"), &[]);
    assert_eq!((status, &shown["name"], &shown["role"]), (200, &json!("operator-1"), &json!("operator")));
    assert_eq!((&shown["csrf_token"], &shown["idle_seconds"]), (&json!(browser.csrf), &json!(1800)));
    assert_eq!(ask(&managed, &browser, ("GET", "/clients"), &[]).0, 200);
    assert_eq!(ask(&managed, &browser, ("POST", "/audit/search"), &[("x-csrf-token", &browser.csrf)]).0, 403);
    let (status, _) = ask(&managed, &browser, ("DELETE", "/session"), &[("x-csrf-token", &browser.csrf)]);
    assert_eq!(status, 200);
    assert_eq!(status_of(&managed, &browser), 401);
    assert_eq!(managed.acts(), ["OPERATOR_SIGNED_IN operator-1", "OPERATOR_SIGNED_OUT operator-1"]);
    // Neither password nor tokens are stored or logged.
    let stored = managed.service.runtime.block_on(managed.service.store.texts(
        "SELECT operator::text FROM store.operator UNION ALL SELECT operator_session::text FROM store.operator_session
          UNION ALL SELECT fields FROM store.audit_event",
    ));
    let token = browser.session.split_once('=').unwrap().1;
    for text in [stored.concat(), managed.service.logged()] {
        assert!(!text.contains(PASSWORD) && !text.contains(token) && !text.contains(&browser.csrf));
    }
    managed.run(&["audit", "verify"]);
}

#[test]
fn a_request_that_another_site_made_is_refused() {
    let managed = start("");
    let browser = signed_in(&managed, "operator-1", &ATTEMPT);
    let other = signed_in(&managed, "operator-1", &ATTEMPT);
    let host = managed.service.admin.to_string();
    let own = format!("http://{host}");
    let token = browser.session.split_once('=').unwrap().1.to_owned();
    let post = |headers: &[(&str, &str)]| ask(&managed, &browser, ("POST", "/requests/search"), headers);
    let right = ("x-csrf-token", browser.csrf.as_str());
    for refused in [
        &[][..],
        &[("x-csrf-token", "")],
        &[("x-csrf-token", other.csrf.as_str())],
        &[("x-csrf-token", token.as_str())],
        &[right, right],
        &[right, ("origin", "https://evil.example")],
        &[right, ("origin", "null")],
        &[right, ("sec-fetch-site", "cross-site")],
        &[right, ("sec-fetch-site", "same-site"), ("origin", &own)],
    ] {
        let (status, body) = post(refused);
        assert_eq!((status, &body["code"]), (403, &json!("CSRF")), "{refused:?}");
    }
    for accepted in [&[right][..], &[right, ("origin", &own)], &[right, ("sec-fetch-site", "same-origin")]] {
        assert_eq!(post(accepted).0, 400, "{accepted:?}: the empty search itself is refused");
    }
    let cross = [("sec-fetch-site", "cross-site")];
    assert_eq!(ask(&managed, &browser, ("GET", "/clients"), &cross).0, 403);

    // A form of another site signs nobody in.
    let url = format!("{own}/admin/v1/session");
    let body = json!({ "name": "operator-1", "password": PASSWORD }).to_string();
    for (kind, origin) in [("text/plain", own.as_str()), ("application/json", "https://evil.example")] {
        let request = managed.service.client.post(&url).header("content-type", kind).header("origin", origin);
        let answer = request.body(body.clone()).send().unwrap();
        assert!([400, 403].contains(&answer.status().as_u16()), "{kind} {origin}");
        assert!(answer.headers().get("set-cookie").is_none());
    }
}

#[test]
fn a_session_counts_only_while_its_account_does() {
    let managed = start("");
    let sign_in = || signed_in(&managed, "operator-1", &ATTEMPT);
    // A session that an attacker made the browser have before is not the one that begins.
    let before = "__Host-padan-session=0123456789abcdef";
    let browser = signed_in(&managed, "operator-1", &Attempt { device: before, ..ATTEMPT });
    assert_ne!(browser.session, before);
    assert_eq!(status_of(&managed, &Browser { session: before.to_owned(), ..browser.clone() }), 401);
    let both = format!("{before}; {}", browser.session);
    assert_eq!(status_of(&managed, &Browser { session: both, ..browser.clone() }), 401);

    managed.run(&["operator", "set", "operator-1", "--role", "auditor"]);
    let search = ("POST", "/audit/search");
    let csrf = [("x-csrf-token", browser.csrf.as_str())];
    assert_eq!(ask(&managed, &browser, search, &csrf).0, 200, "the role is that of now");
    assert_eq!(ask(&managed, &browser, ("POST", "/clients"), &csrf).0, 403);
    managed.run(&["operator", "set", "operator-1", "--disable"]);
    assert_eq!(status_of(&managed, &browser), 401);
    assert_eq!(refusal(&managed, "operator-1", &ATTEMPT).1, "WRONG_CREDENTIALS");
    managed.run(&["operator", "set", "operator-1", "--enable"]);

    let browser = sign_in();
    set_password(&managed, "operator-1", "another long password");
    assert_eq!(status_of(&managed, &browser), 401, "a new password ends the sessions");
    assert_eq!(refusal(&managed, "operator-1", &ATTEMPT).0, 401);
    set_password(&managed, "operator-1", PASSWORD);
    let browser = sign_in();
    managed.run(&["operator", "remove", "operator-1", "--yes"]);
    assert_eq!(status_of(&managed, &browser), 401);
    add(&managed.service, "operator-1", "operator");
    assert_eq!(status_of(&managed, &browser), 401, "another account of the same name");
    set_password(&managed, "operator-1", PASSWORD);

    // Whoever can write to the database has no session, and gives one to nobody.
    let support = sign_in();
    managed.execute("UPDATE store.operator_session SET expires_at = expires_at + interval '1 day'");
    assert_eq!(status_of(&managed, &support), 401);
    managed.service.wait_for_log("was written by others than Padan");
    let browser = sign_in();
    managed.execute(
        "UPDATE store.operator SET credentials_changed_at = credentials_changed_at - interval '1 day'",
    );
    assert_eq!(status_of(&managed, &browser), 401);
    managed.execute(
        "INSERT INTO store.operator_session
         SELECT sha256('known'), operator, began_at, expires_at, last_used_at, key_id, mac FROM store.operator_session LIMIT 1",
    );
    let forged = Browser { session: "__Host-padan-session=known".to_owned(), ..browser };
    assert_eq!(status_of(&managed, &forged), 401);
}

#[test]
fn cookies_that_somebody_made_up_delay_nobody() {
    let managed = start("");
    let browser = signed_in(&managed, "operator-1", &ATTEMPT);
    let right = browser.session.split_once('=').unwrap().1;
    let [secret, key, mac] = right.split('.').collect::<Vec<_>>()[..] else { panic!("{right}") };
    let wrong = [
        "0".repeat(64),
        secret.to_owned(),
        format!("{}.{key}.{mac}", "0".repeat(64)),
        format!("{secret}.{key}.{}", "0".repeat(64)),
        format!("{secret}.00000000.{mac}"),
        format!("{right}.{mac}"),
        format!("{right}0"),
        "..".to_owned(),
    ];
    // While the table of sessions is locked, a look-up would wait.
    thread::scope(|scope| {
        let lock =
            "BEGIN; LOCK TABLE store.operator_session IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT";
        let locked = scope.spawn(|| managed.execute(lock));
        thread::sleep(Duration::from_secs(1));
        for token in &wrong {
            let session = format!("__Host-padan-session={token}");
            assert_eq!(status_of(&managed, &Browser { session, ..browser.clone() }), 401, "{token}");
        }
        assert!(!locked.is_finished(), "the made-up cookies were looked up");
    });
    assert_eq!(status_of(&managed, &browser), 200);
}

#[test]
fn a_session_ends_without_use_and_after_its_time() {
    let managed = start("session_idle_seconds = 2\n");
    let browser = signed_in(&managed, "operator-1", &ATTEMPT);
    assert_eq!(status_of(&managed, &browser), 200);
    thread::sleep(Duration::from_millis(2200));
    assert_eq!(status_of(&managed, &browser), 401);
    assert_eq!(status_of(&managed, &browser), 401);

    let managed = start("session_seconds = 2\n");
    let browser = signed_in(&managed, "operator-1", &ATTEMPT);
    for _ in 0..2 {
        assert_eq!(status_of(&managed, &browser), 200);
        thread::sleep(Duration::from_millis(1100));
    }
    assert_eq!(status_of(&managed, &browser), 401);
}

#[test]
fn a_refused_sign_in_tells_nothing_and_leaves_a_row() {
    let managed = start("");
    add(&managed.service, "no-password", "support");
    let wrong = (401, "WRONG_CREDENTIALS".to_owned());
    let guess = Attempt { password: "a wrong password", ..ATTEMPT };
    for name in ["operator-1", "no-password", "nobody", "two words", ""] {
        assert_eq!(refusal(&managed, name, &guess), wrong, "{name}");
    }
    for password in ["", "correct horse batterY", &"x".repeat(50_000)] {
        assert_eq!(refusal(&managed, "operator-1", &Attempt { password, ..ATTEMPT }), wrong);
    }
    let causes = managed.service.runtime.block_on(managed.service.store.texts(
        "SELECT concat(fields::json -> 'after' ->> 'account', ': ', fields::json -> 'after' ->> 'cause')
           FROM store.audit_event WHERE reason = 'OPERATOR_SIGN_IN_FAILED' ORDER BY at, sequence",
    ));
    assert_eq!(
        causes[..5],
        [
            "operator-1: the password is wrong",
            "no-password: the account has no password",
            ": there is no such account",
            ": there is no such account",
            ": there is no such account",
        ]
    );
    let recorded = managed
        .service
        .runtime
        .block_on(managed.service.store.texts("SELECT fields FROM store.audit_event WHERE kind = 'admin'"));
    assert!(!recorded.concat().contains("nobody"), "what was typed may be a password");
    for short in ["short", "", "with a\tcontrol character"] {
        let done = managed.service.command_with_input(&["operator", "password", "operator-1"], short);
        assert!(!done.status.success(), "{short}");
    }
}

#[test]
fn guesses_are_limited_and_lock_nobody_out() {
    let managed = start("");
    let at_work = signed_in(&managed, "operator-1", &ATTEMPT);
    let guess = |number: u32| {
        let address = format!("198.51.100.{number}");
        refusal(
            &managed,
            "operator-1",
            &Attempt { password: "a wrong password", address: &address, ..ATTEMPT },
        )
        .0
    };
    let guesses: Vec<_> = (1..=25).map(guess).collect();
    assert_eq!(guesses[..21], [401; 21]);
    assert_eq!(guesses[21..], [429; 4], "all unknown places together are limited");
    // Texts that cannot be names are no way around the limit, since each failure leaves a row.
    let no_name = Attempt { address: "192.0.2.77", ..ATTEMPT };
    let statuses: Vec<_> = (0..23).map(|_| refusal(&managed, "two words", &no_name).0).collect();
    assert_eq!((statuses[20], statuses[22]), (401, 429), "{statuses:?}");
    // The right password is no exception there, so that guessing on gives nothing.
    let elsewhere = Attempt { address: "198.51.100.99", ..ATTEMPT };
    let answer = try_sign_in(&managed, "operator-1", &elsewhere);
    assert_eq!(answer.status(), 429);
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    // Its operator is admitted at the known address, and elsewhere in the known browser; so are other accounts.
    signed_in(&managed, "operator-1", &ATTEMPT);
    signed_in(&managed, "operator-1", &Attempt { device: &at_work.device, ..elsewhere });
    assert_eq!(status_of(&managed, &at_work), 200);
    set_password(&managed, "support-1", PASSWORD);
    signed_in(&managed, "support-1", &Attempt { address: "198.51.100.1", ..ATTEMPT });
    // A browser is known for its own account alone, and its guesses are limited as well.
    let stolen = Attempt { device: &at_work.device, address: "192.0.2.1", ..ATTEMPT };
    let guess = Attempt { password: "a wrong password", ..stolen };
    let guesses: Vec<_> = (0..13).map(|_| refusal(&managed, "operator-1", &guess).0).collect();
    assert_eq!((guesses[10], guesses[12]), (401, 429), "{guesses:?}");
    signed_in(&managed, "operator-1", &ATTEMPT);
}

#[test]
fn guesses_that_arrive_together_are_limited_too() {
    let managed = start("");
    let began = Instant::now();
    let guess = |number: u32| {
        let address = format!("198.51.100.{number}");
        let guess = Attempt { password: "a wrong password", address: &address, ..ATTEMPT };
        refusal(&managed, "operator-1", &guess).0
    };
    let volley = |first: u32| {
        thread::scope(|scope| {
            let sent: Vec<_> = (first..first + 12).map(|number| scope.spawn(move || guess(number))).collect();
            let statuses: Vec<_> = sent.into_iter().map(|status| status.join().unwrap()).collect();
            assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
            statuses.iter().filter(|status| **status == 401).count()
        })
    };
    let judged: Vec<_> = (0..20).map(|at| volley(at * 12)).take_while(|judged| *judged > 0).collect();
    // 20, one that finds out that they are used up, and one for each minute.
    let most = 22 + usize::try_from(began.elapsed().as_secs() / 60).unwrap();
    assert!(judged.len() < 20 && judged.iter().sum::<usize>() <= most, "{judged:?}");
}

#[test]
fn slow_bodies_keep_nobody_from_signing_in() {
    let managed = start("");
    let head = "POST /admin/v1/session HTTP/1.1\r\nHost: padan\r\nContent-Type: application/json\r\n\
                Content-Length: 60000\r\n\r\n{";
    let held: Vec<_> = (0..100)
        .map(|_| {
            let mut connection = TcpStream::connect(managed.service.admin).unwrap();
            connection.write_all(head.as_bytes()).unwrap();
            connection
        })
        .collect();
    signed_in(&managed, "operator-1", &ATTEMPT);
    drop(held);
}

#[test]
fn a_one_time_code_is_needed_and_counts_once() {
    let managed = start("");
    let before = signed_in(&managed, "operator-1", &ATTEMPT);
    let shown = managed.service.command(&["operator", "code", "operator-1", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(status_of(&managed, &before), 401, "a new secret ends the sessions");
    let secret = shown["secret"].as_str().unwrap();
    assert!(shown["address"].as_str().unwrap().starts_with("otpauth://totp/Padan:operator-1?secret="));
    let codes = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();

    assert_eq!(refusal(&managed, "operator-1", &ATTEMPT), (401, "CODE_REQUIRED".to_owned()));
    let causes = managed.service.runtime.block_on(managed.service.store.texts(
        "SELECT concat(fields::json -> 'after' ->> 'account', ': ', fields::json -> 'after' ->> 'cause')
           FROM store.audit_event WHERE reason = 'OPERATOR_SIGN_IN_FAILED'",
    ));
    assert_eq!(causes, ["operator-1: the password is right, and no one-time code was sent"]);
    let guess = Attempt { password: "a wrong password", ..ATTEMPT };
    assert_eq!(refusal(&managed, "operator-1", &guess).1, "WRONG_CREDENTIALS", "the password comes first");
    let code = codes.generate(now()).to_string();
    let with = |code| Attempt { code: Some(code), ..ATTEMPT };
    for wrong in ["", "12345", "abcdef", "1234567"] {
        assert_eq!(refusal(&managed, "operator-1", &with(wrong)).1, "WRONG_CREDENTIALS");
    }
    signed_in(&managed, "operator-1", &with(&code));
    assert_eq!(refusal(&managed, "operator-1", &with(&code)).1, "WRONG_CREDENTIALS", "it was used");
    let set_back = managed.service.store.execute("UPDATE store.operator SET code_step = 0");
    managed.service.runtime.block_on(set_back);
    assert_eq!(
        refusal(&managed, "operator-1", &with(&code)).1,
        "WRONG_CREDENTIALS",
        "whatever the store says"
    );
    let earlier = codes.generate(now() - 30).to_string();
    assert_eq!(refusal(&managed, "operator-1", &with(&earlier)).1, "WRONG_CREDENTIALS");
    signed_in(&managed, "operator-1", &with(&codes.generate(now() + 30).to_string()));
    managed.run(&["operator", "code", "operator-1", "--remove"]);
    signed_in(&managed, "operator-1", &ATTEMPT);
    let stored =
        managed.service.runtime.block_on(managed.service.store.texts(
            "SELECT operator::text FROM store.operator UNION ALL SELECT fields FROM store.audit_event",
        ));
    assert!(!stored.concat().contains(secret));
}
