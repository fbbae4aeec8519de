use std::time::Duration;

use chrono::Utc;
use padan_openid_connect::Fault;
use padan_testing::OpenIdProvider;
use serde_json::{Value, json};

use crate::fixture::{refused, sign_in, start};

#[tokio::test]
async fn a_token_with_a_wrong_claim_signs_nobody_in() {
    let (other, provider) = start();
    let now = Utc::now().timestamp();
    for (claim, value, cause) in [
        ("iss", json!("https://evil.example"), "another issuer"),
        ("iss", json!(format!("{}/", other.issuer())), "another issuer"),
        ("iss", Value::Null, "another issuer"),
        ("aud", json!("other"), "another client"),
        ("aud", json!(["padan", "other"]), "another client"),
        ("aud", json!([]), "another client"),
        ("aud", Value::Null, "another client"),
        ("azp", json!("other"), "another client"),
        ("nonce", json!("b".repeat(63)), "nonce"),
        ("nonce", json!(""), "nonce"),
        ("nonce", Value::Null, "nonce"),
        ("exp", json!(now - 61), "expired"),
        ("exp", json!("never"), "when it expires"),
        ("exp", json!(1e300), "when it expires"),
        ("exp", Value::Null, "when it expires"),
        ("iat", json!(now - 3600), "not issued now"),
        ("iat", json!(now + 120), "not issued now"),
        ("iat", Value::Null, "when it was issued"),
        ("nbf", json!(now + 120), "does not count yet"),
        ("nbf", json!("x"), "does not count yet"),
        ("sub", Value::Null, "subject"),
        ("sub", json!(""), "subject"),
        ("sub", json!(7), "subject"),
        ("sub", json!("x".repeat(256)), "subject"),
    ] {
        other.state().claims = json!({ "groups": ["ops"], claim: value });
        let found = refused(sign_in(&other, &provider).await);
        assert!(found.contains(cause), "{claim} {value}: {found}");
    }
    for (claim, value) in [
        ("exp", json!(now - 30)),
        ("iat", json!(now + 30)),
        ("nbf", json!(now)),
        ("aud", json!(["padan"])),
        ("azp", json!("padan")),
        ("exp", json!(now as f64 + 100.5)),
    ] {
        other.state().claims = json!({ "groups": ["ops"], claim: value });
        assert!(sign_in(&other, &provider).await.is_ok(), "{claim} {value}: within the difference of clocks");
    }
}

#[tokio::test]
async fn a_token_without_the_providers_signature_signs_nobody_in() {
    let (other, provider) = start();
    for (header, cause) in [
        (json!({ "alg": "none" }), "asymmetric"),
        (json!({ "alg": "None" }), "asymmetric"),
        (json!({ "alg": "HS256" }), "asymmetric"),
        (json!({ "alg": "ES512" }), "asymmetric"),
        (json!({ "alg": "RS256" }), "key that the provider does not have"),
        (json!({ "alg": "EdDSA" }), "key that the provider does not have"),
        (json!({ "kid": "other" }), "key that the provider does not have"),
        (json!({ "crit": ["exp"] }), "kind"),
        (json!({ "typ": "at+jwt" }), "kind"),
        (json!({ "alg": null }), "not a signed"),
        (json!({ "alg": 7 }), "not a signed"),
    ] {
        other.state().header = header.clone();
        let found = refused(sign_in(&other, &provider).await);
        assert!(found.contains(cause), "{header}: {found}");
    }
    other.state().header =
        json!({ "jwk": { "kty": "oct", "k": "AAAA" }, "jku": "https://evil.example/keys" });
    assert!(sign_in(&other, &provider).await.is_ok(), "what the token says of keys is not read");
    other.state().header = json!({ "kid": null });
    assert!(sign_in(&other, &provider).await.is_ok(), "the only key that fits");
    for signature in [vec![], vec![0; 64], vec![1; 64], vec![0; 63], vec![7; 5000]] {
        other.state().signature = Some(signature);
        assert!(refused(sign_in(&other, &provider).await).contains("signature"));
    }
    other.state().signature = None;
    for token in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "e30.e30.",
        "e30.e30.AA",
        "..",
        "a.b.c.d",
        "eyJhbGciOiJFUzI1NiJ9.e30.e30.AA",
    ] {
        let body = json!({ "id_token": token, "token_type": "Bearer" }).to_string().into_bytes();
        other.state().answers.insert("/token".to_owned(), (200, String::new(), body));
        assert!(matches!(sign_in(&other, &provider).await, Err(Fault::Refused(_))), "{token}");
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_is_read_again() {
    let (other, provider) = start();
    assert!(sign_in(&other, &provider).await.is_ok());
    other.rotate_key("second");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(sign_in(&other, &provider).await.is_ok());
    // Tokens that name unknown keys do not make the service ask all the time.
    other.state().header = json!({ "kid": "unknown" });
    let asked = |other: &OpenIdProvider| {
        other.state().requests.iter().filter(|request| request.starts_with("GET /keys ")).count()
    };
    let before = asked(&other);
    for _ in 0..5 {
        assert!(sign_in(&other, &provider).await.is_err());
    }
    assert!(asked(&other) <= before + 2, "{} {before}", asked(&other));
}
