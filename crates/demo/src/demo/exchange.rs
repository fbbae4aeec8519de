use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use reqwest::{
    Client,
    multipart::{Form, Part},
};

use super::request_data::RequestData;

/// User name, password and API key of the demo's client.
pub(super) const CREDENTIAL: &str = "demo";
/// The placeholder for the percentage in an expected body.
const PERCENTAGE: &str = "{percentage}";
/// A first request embeds two photos, on a machine that may be busy.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// One of the eight documented requests and the answer that it must get.
pub(super) struct Exchange {
    pub(super) title: &'static str,
    pub(super) request: Request,
    /// True if the request goes to the instance that cannot reach its registry.
    pub(super) without_registry: bool,
    status: u16,
    body: &'static str,
    percentage: PercentageRule,
}

/// The four form fields.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) nik: String,
    pub(super) name: String,
    pub(super) date_of_birth: String,
    pub(super) photo: Bytes,
}

/// The rule for the percentage, the one value that depends on photos and models.
#[derive(Clone, Copy, PartialEq)]
enum PercentageRule {
    Passing,
    Failing,
    /// The expected body contains the value, or none.
    Fixed,
}

/// The answer of the service.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) time: Duration,
    /// How the answer differs from the documentation.
    pub(super) deviation: Option<String>,
}

impl Exchange {
    /// The eight requests, in the order of the documentation.
    pub(super) fn documented(data: &RequestData<'_>, selfie: Bytes) -> Vec<Self> {
        let person = data.person;
        let matching = Request {
            nik: person.nik.as_str().to_owned(),
            name: person.name.clone(),
            date_of_birth: person.date_of_birth.format("%d-%m-%Y").to_string(),
            photo: selfie,
        };
        let day_before = person.date_of_birth.pred_opt().unwrap_or(person.date_of_birth);
        let exchange = |title, request, status, body, percentage| Self {
            title,
            request,
            without_registry: false,
            status,
            body,
            percentage,
        };
        let mut all = vec![
            exchange("everything matches", matching.clone(), 200, VERIFIED, PercentageRule::Passing),
            exchange(
                "NIK not in the registry",
                Request { nik: data.unknown_nik.as_str().to_owned(), ..matching.clone() },
                200,
                NIK_NOT_FOUND,
                PercentageRule::Fixed,
            ),
            exchange(
                "name differs",
                Request { name: data.other_name.to_owned(), ..matching.clone() },
                200,
                NAME_DIFFERS,
                PercentageRule::Passing,
            ),
            exchange(
                "date of birth differs",
                Request { date_of_birth: day_before.format("%d-%m-%Y").to_string(), ..matching.clone() },
                200,
                DATE_DIFFERS,
                PercentageRule::Passing,
            ),
            exchange(
                "selfie of another person",
                Request { photo: data.stranger.clone(), ..matching.clone() },
                200,
                FACE_DIFFERS,
                PercentageRule::Failing,
            ),
            exchange(
                "malformed NIK",
                Request { nik: matching.nik[..15].to_owned(), ..matching.clone() },
                400,
                MALFORMED_NIK,
                PercentageRule::Fixed,
            ),
            exchange(
                "malformed date of birth",
                Request { date_of_birth: person.date_of_birth.to_string(), ..matching.clone() },
                400,
                MALFORMED_DATE,
                PercentageRule::Fixed,
            ),
        ];
        all.push(Self {
            without_registry: true,
            ..exchange("registry cannot answer", matching, 503, NO_REGISTRY, PercentageRule::Fixed)
        });
        all
    }

    /// Sends the request as a client would and compares the answer with the documentation.
    pub(super) async fn send(&self, client: &Client, base: &str) -> Result<Answer> {
        let Request { nik, name, date_of_birth, photo } = self.request.clone();
        let file = Part::stream(photo).file_name("selfie.jpg").mime_str("image/jpeg")?;
        let form = Form::new()
            .text("nik", nik)
            .text("name", name)
            .text("date_of_birth", date_of_birth)
            .part("face_image", file);
        let began = Instant::now();
        let response = client
            .post(format!("{base}/identity/v1/face-verification"))
            .basic_auth(CREDENTIAL, Some(CREDENTIAL))
            .header("x-api-key", CREDENTIAL)
            .multipart(form)
            .timeout(REQUEST_TIMEOUT)
            .send()
            .await
            .with_context(|| format!("no answer to the request `{}`", self.title))?;
        let status = response.status().as_u16();
        let body = response.text().await?;
        let time = began.elapsed();
        let deviation = self.deviation_of(status, &body);
        Ok(Answer { status, body, time, deviation })
    }

    /// How an answer differs from the documentation: in the status, in a byte of the body, or in the percentage.
    fn deviation_of(&self, status: u16, body: &str) -> Option<String> {
        if status != self.status {
            return Some(format!("expected the status {}", self.status));
        }
        let number = percentage_in(body).unwrap_or_default();
        let expected = self.body.replace(PERCENTAGE, number);
        if body != expected {
            return Some(format!("expected the body {}", self.body));
        }
        let value: Option<f64> = has_two_decimals_at_most(number).then(|| number.parse().ok()).flatten();
        let in_range = match (self.percentage, value) {
            (PercentageRule::Fixed, _) => true,
            (PercentageRule::Passing, Some(value)) => (75.0..=100.0).contains(&value),
            (PercentageRule::Failing, Some(value)) => (1.0..75.0).contains(&value),
            (_, None) => false,
        };
        let rule = match self.percentage {
            PercentageRule::Passing => "75 to 100",
            PercentageRule::Failing | PercentageRule::Fixed => "at least 1 and below 75",
        };
        (!in_range).then(|| format!("expected a percentage of {rule}, with at most two decimals"))
    }
}

/// The text of the percentage in a body.
fn percentage_in(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("\"face_image_percentage\":")?;
    rest.split(['}', ',']).next()
}

fn has_two_decimals_at_most(number: &str) -> bool {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(decimals) && decimals.len() <= 2
}

const VERIFIED: &str = r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":{percentage}}}"#;
const NIK_NOT_FOUND: &str = r#"{"verification_status":false,"reason":"NIK not found on Dukcapil database","result":{"nik":false,"name":null,"date_of_birth":null,"face_image_percentage":0}}"#;
const NAME_DIFFERS: &str = r#"{"verification_status":false,"reason":"Name does not match","result":{"nik":true,"name":false,"date_of_birth":true,"face_image_percentage":{percentage}}}"#;
const DATE_DIFFERS: &str = r#"{"verification_status":false,"reason":"Date of birth does not match","result":{"nik":true,"name":true,"date_of_birth":false,"face_image_percentage":{percentage}}}"#;
const FACE_DIFFERS: &str = r#"{"verification_status":false,"reason":"Selfie image does not pass the threshold","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":{percentage}}}"#;
const MALFORMED_NIK: &str = r#"{"verification_status":false,"reason":"Invalid NIK number format"}"#;
const MALFORMED_DATE: &str = r#"{"verification_status":false,"reason":"Invalid date_of_birth format"}"#;
const NO_REGISTRY: &str = r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null,"date_of_birth":null,"face_image_percentage":null}}"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(body: &'static str, percentage: PercentageRule) -> Exchange {
        let request = Request {
            nik: String::new(),
            name: String::new(),
            date_of_birth: String::new(),
            photo: Bytes::new(),
        };
        Exchange { title: "", request, without_registry: false, status: 200, body, percentage }
    }

    #[test]
    fn the_percentage_has_to_follow_its_rule() {
        let verified = exchange(VERIFIED, PercentageRule::Passing);
        for (number, is_valid) in [
            ("75", true),
            ("82.04", true),
            ("100", true),
            ("74.99", false),
            ("100.5", false),
            ("82.041", false),
            ("82.", false),
            ("8e1", false),
            ("\"82\"", false),
            ("null", false),
        ] {
            let body = VERIFIED.replace(PERCENTAGE, number);
            assert_eq!(verified.deviation_of(200, &body).is_none(), is_valid, "{number}");
        }
        let body = FACE_DIFFERS.replace(PERCENTAGE, "0.5");
        assert!(exchange(FACE_DIFFERS, PercentageRule::Failing).deviation_of(200, &body).is_some());
    }

    #[test]
    fn a_different_byte_or_order_of_keys_is_a_deviation() {
        let not_found = exchange(NIK_NOT_FOUND, PercentageRule::Fixed);
        assert!(not_found.deviation_of(200, NIK_NOT_FOUND).is_none());
        assert!(not_found.deviation_of(200, &NIK_NOT_FOUND.replace(":0}", ":0.0}")).is_some());
        assert!(not_found.deviation_of(200, &NIK_NOT_FOUND.replace("\"name\":null,", "")).is_some());
        assert!(not_found.deviation_of(404, NIK_NOT_FOUND).is_some());
    }
}
