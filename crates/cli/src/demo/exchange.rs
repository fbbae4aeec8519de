use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use reqwest::{
    Client,
    multipart::{Form, Part},
};

use super::cast::Cast;

/// User name, password and key of the demo's client.
pub(super) const CREDENTIAL: &str = "demo";
/// Where the documented percentage of a sample stands in a template.
const PERCENTAGE: &str = "{percentage}";
/// A first request embeds two photos, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// One of the eight documented requests and what it must be answered with.
pub(super) struct Exchange {
    pub(super) title: &'static str,
    pub(super) request: Request,
    /// To the instance whose registry cannot be reached.
    pub(super) to_cut_off: bool,
    status: u16,
    body: &'static str,
    percentage: Expected,
}

/// The four fields.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) nik: String,
    pub(super) name: String,
    pub(super) date_of_birth: String,
    pub(super) photo: Bytes,
}

/// The rule for the one value that depends on photos and models.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Passing,
    Failing,
    Fixed,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) time: Duration,
    /// What differs from the documents.
    pub(super) flaw: Option<String>,
}

impl Exchange {
    /// The eight, in the order of the documents.
    pub(super) fn documented(cast: &Cast<'_>, selfie: Bytes) -> Vec<Self> {
        let person = cast.person;
        let right = Request {
            nik: person.nik.as_str().to_owned(),
            name: person.name.clone(),
            date_of_birth: person.date_of_birth.format("%d-%m-%Y").to_string(),
            photo: selfie,
        };
        let day_before = person.date_of_birth.pred_opt().unwrap_or(person.date_of_birth);
        let exchange = |title, request, status, body, percentage| Self {
            title,
            request,
            to_cut_off: false,
            status,
            body,
            percentage,
        };
        let mut all = vec![
            exchange("everything matches", right.clone(), 200, VERIFIED, Expected::Passing),
            exchange(
                "NIK not in the registry",
                Request { nik: cast.unknown_nik.as_str().to_owned(), ..right.clone() },
                200,
                NIK_NOT_FOUND,
                Expected::Fixed,
            ),
            exchange(
                "name differs",
                Request { name: cast.other_name.to_owned(), ..right.clone() },
                200,
                NAME_DIFFERS,
                Expected::Passing,
            ),
            exchange(
                "date of birth differs",
                Request { date_of_birth: day_before.format("%d-%m-%Y").to_string(), ..right.clone() },
                200,
                DATE_DIFFERS,
                Expected::Passing,
            ),
            exchange(
                "selfie of somebody else",
                Request { photo: cast.stranger.clone(), ..right.clone() },
                200,
                FACE_DIFFERS,
                Expected::Failing,
            ),
            exchange(
                "malformed NIK",
                Request { nik: right.nik[..15].to_owned(), ..right.clone() },
                400,
                MALFORMED_NIK,
                Expected::Fixed,
            ),
            exchange(
                "malformed date of birth",
                Request { date_of_birth: person.date_of_birth.to_string(), ..right.clone() },
                400,
                MALFORMED_DATE,
                Expected::Fixed,
            ),
        ];
        all.push(Self {
            to_cut_off: true,
            ..exchange("registry cannot answer", right, 503, NO_REGISTRY, Expected::Fixed)
        });
        all
    }

    /// Sends the request as a client would and compares the answer with the documents.
    pub(super) async fn carry_out(&self, client: &Client, base: &str) -> Result<Answer> {
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
            .timeout(PATIENCE)
            .send()
            .await
            .with_context(|| format!("the request `{}` got no answer", self.title))?;
        let status = response.status().as_u16();
        let body = response.text().await?;
        let time = began.elapsed();
        let flaw = self.flaw_of(status, &body);
        Ok(Answer { status, body, time, flaw })
    }

    /// What differs from the documents: the status, a byte of the body, or the rule for the percentage.
    fn flaw_of(&self, status: u16, body: &str) -> Option<String> {
        if status != self.status {
            return Some(format!("the status is to be {}", self.status));
        }
        let number = percentage_in(body).unwrap_or_default();
        let expected = self.body.replace(PERCENTAGE, number);
        if body != expected {
            return Some(format!("the body is to be {}", self.body));
        }
        let value: Option<f64> = has_two_decimals_at_most(number).then(|| number.parse().ok()).flatten();
        let in_range = match (self.percentage, value) {
            (Expected::Fixed, _) => true,
            (Expected::Passing, Some(value)) => (75.0..=100.0).contains(&value),
            (Expected::Failing, Some(value)) => (1.0..75.0).contains(&value),
            (_, None) => false,
        };
        let rule = match self.percentage {
            Expected::Passing => "75 to 100",
            Expected::Failing | Expected::Fixed => "1 to below 75",
        };
        (!in_range).then(|| format!("the percentage is to lie in {rule}, with at most two decimals"))
    }
}

/// The text of the percentage, as it stands in the body.
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

    fn exchange(body: &'static str, percentage: Expected) -> Exchange {
        let request = Request {
            nik: String::new(),
            name: String::new(),
            date_of_birth: String::new(),
            photo: Bytes::new(),
        };
        Exchange { title: "", request, to_cut_off: false, status: 200, body, percentage }
    }

    #[test]
    fn the_percentage_is_held_to_its_rule() {
        let verified = exchange(VERIFIED, Expected::Passing);
        for (number, is_right) in [
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
            assert_eq!(verified.flaw_of(200, &body).is_none(), is_right, "{number}");
        }
        let body = FACE_DIFFERS.replace(PERCENTAGE, "0.5");
        assert!(exchange(FACE_DIFFERS, Expected::Failing).flaw_of(200, &body).is_some());
    }

    #[test]
    fn another_byte_or_another_order_of_keys_is_a_flaw() {
        let not_found = exchange(NIK_NOT_FOUND, Expected::Fixed);
        assert!(not_found.flaw_of(200, NIK_NOT_FOUND).is_none());
        assert!(not_found.flaw_of(200, &NIK_NOT_FOUND.replace(":0}", ":0.0}")).is_some());
        assert!(not_found.flaw_of(200, &NIK_NOT_FOUND.replace("\"name\":null,", "")).is_some());
        assert!(not_found.flaw_of(404, NIK_NOT_FOUND).is_some());
    }
}
