use padan_domain::OperatorRole;
use padan_openid_connect::{Config, Provider};
use serde_json::{Value, json};

use crate::fixture::{config, flow, refused, sign_in, start};

#[tokio::test]
async fn a_group_gives_its_role_and_the_subject_the_account() {
    let (other, provider) = start();
    let address = provider.authorization(&flow()).await.unwrap();
    for part in [
        "/authorize?response_type=code&client_id=padan&",
        "redirect_uri=http%3A%2F%2F127.0.0.1%3A9090%2Fconsole%2F",
        "scope=openid+profile+groups",
        "code_challenge_method=S256",
    ] {
        assert!(address.contains(part), "{address}");
    }
    assert!(!address.contains(&flow().verifier), "only its digest leaves the service");
    other.state().claims["preferred_username"] = json!("rina\r\n");
    let identity = sign_in(&other, &provider).await.unwrap();
    assert_eq!(
        (identity.account.as_str(), identity.role),
        ("oidc:248289761001", Some(OperatorRole::Operator))
    );
    assert_eq!((identity.claimed_name.as_str(), identity.subject.as_str()), ("rina", "248289761001"));
    // Whatever somebody is called, the account is that of the subject.
    for name in [json!("oidc:root"), json!("operator-1"), json!(["a"]), json!(""), json!("<b>")] {
        other.state().claims["preferred_username"] = name;
        assert_eq!(sign_in(&other, &provider).await.unwrap().account.as_str(), "oidc:248289761001");
    }
}

#[tokio::test]
async fn the_sign_out_leads_to_the_provider_only_where_that_is_offered() {
    let (other, provider) = start();
    assert_eq!(provider.sign_out().await.unwrap(), None, "the document has no such address");
    let back = "client_id=padan&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A9090%2Fconsole%2F";
    let sign_out = async |endpoint: Value, config: &Config| {
        other.state().document = json!({ "end_session_endpoint": endpoint });
        let provider = Provider::new(config).unwrap();
        assert!(provider.authorization(&flow()).await.is_ok(), "people still sign in");
        provider.sign_out().await.unwrap()
    };
    let right = config(other.issuer());
    let endpoint = format!("{}/end", other.issuer());
    assert_eq!(sign_out(json!(endpoint), &right).await, Some(format!("{endpoint}?{back}")));
    let with_query = sign_out(json!(format!("{endpoint}?realm=a")), &right).await;
    assert_eq!(with_query, Some(format!("{endpoint}?realm=a&{back}")));
    for wrong in [
        json!("http://id.bank.example/end"),
        json!("/end"),
        json!("javascript:alert(1)"),
        json!(7),
        Value::Null,
    ] {
        assert_eq!(sign_out(wrong.clone(), &right).await, None, "{wrong}");
    }
    let local = Config { sign_out_at_provider: false, ..config(other.issuer()) };
    assert_eq!(sign_out(json!(endpoint), &local).await, None);
}

#[tokio::test]
async fn the_first_role_of_the_settings_counts_and_groups_are_compared_as_a_whole() {
    let (other, provider) = start();
    for (groups, role) in [
        (json!(["ops", "audit"]), Some(OperatorRole::Auditor)),
        (json!("ops"), Some(OperatorRole::Operator)),
        (json!(["OPS", " ops", "ops ", "ops,audit", "/ops"]), None),
        (json!([]), None),
        (json!({ "ops": true }), None),
        (json!([["ops"], { "ops": 1 }, 7]), None),
        (Value::Null, None),
    ] {
        other.state().claims = json!({ "groups": groups });
        other.state().user_information = json!({ "sub": "248289761001" });
        assert_eq!(sign_in(&other, &provider).await.unwrap().role, role, "{groups}");
    }
    let nested = Config { groups_claim: "/realm_access/roles".to_owned(), ..config(other.issuer()) };
    other.state().claims = json!({ "realm_access": { "roles": ["ops"] } });
    let provider = Provider::new(&nested).unwrap();
    assert_eq!(sign_in(&other, &provider).await.unwrap().role, Some(OperatorRole::Operator));
}

#[tokio::test]
async fn groups_are_read_from_the_user_information_of_the_same_person_alone() {
    let (other, provider) = start();
    other.state().claims = json!({});
    other.state().user_information = json!({ "sub": "248289761001", "groups": ["ops"], "iss": "other" });
    assert_eq!(sign_in(&other, &provider).await.unwrap().role, Some(OperatorRole::Operator));
    other.state().user_information = json!({ "sub": "somebody else", "groups": ["ops"] });
    assert!(refused(sign_in(&other, &provider).await).contains("another person"));
    other.state().user_information = json!({ "groups": ["ops"] });
    assert!(refused(sign_in(&other, &provider).await).contains("another person"));
    other.state().user_information = json!({ "sub": "248289761001", "groups": ["ops"] });
    other.state().claims = json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" });
    assert!(refused(sign_in(&other, &provider).await).contains("access token"));
    // Computed with `printf access | openssl dgst -sha256 -binary | head -c 16 | basenc --base64url`.
    other.state().claims = json!({ "at_hash": "oFYf1knNtrqnhAVfBRuteQ" });
    assert!(sign_in(&other, &provider).await.is_ok());
}
