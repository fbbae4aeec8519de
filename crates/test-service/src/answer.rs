use serde_json::Value;

/// An answer of the service.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `reason-code`.
    pub reason_code: String,
    /// All headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Asserts status, reason code and body.
    #[track_caller]
    pub fn assert(&self, status: u16, reason_code: &str, body: &str) {
        assert_eq!((self.status, &*self.reason_code, &*self.body), (status, reason_code, body));
    }

    /// Asserts an answer that has only a status and a reason.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, reason_code: &str, reason: &str) {
        self.assert(
            status,
            reason_code,
            &format!("{{\"verification_status\":false,\"reason\":\"{reason}\"}}"),
        );
    }

    /// Asserts the result of a comparison.
    #[track_caller]
    pub fn assert_compared(&self, percentage: &str, words: &str, code: &str) {
        self.assert(
            200,
            code,
            &format!(
                r#"{{"status":"success","result":{{"match_percentage":{percentage},"match_status":"{words}","match_status_code":"{code}"}}}}"#
            ),
        );
    }

    /// The number in a header.
    pub fn number_in(&self, header: &str) -> u64 {
        self.headers.get(header).unwrap_or_else(|| panic!("no {header}")).to_str().unwrap().parse().unwrap()
    }

    /// The body, parsed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The reason in the body.
    pub fn body_reason(&self) -> String {
        self.json()["reason"].as_str().unwrap().to_owned()
    }

    /// The percentage in the body.
    pub fn percentage(&self) -> f64 {
        self.json()["result"]["face_image_percentage"].as_f64().unwrap()
    }

    /// The body with the percentage written as `P`.
    pub fn without_percentage(&self) -> String {
        let (head, tail) = self.body.split_once("face_image_percentage\":").unwrap();
        let number = tail.trim_end_matches('}');
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert!(decimals <= 2 && (1.0..=100.0).contains(&number.parse::<f64>().unwrap()), "{number}");
        format!("{head}face_image_percentage\":P}}}}")
    }
}

impl From<reqwest::blocking::Response> for Answer {
    fn from(response: reqwest::blocking::Response) -> Self {
        let headers = response.headers().clone();
        let text = |name: &str| headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap();
        assert!(!text("request-id").is_empty());
        assert_eq!(text("content-type"), "application/json");
        Self {
            status: response.status().as_u16(),
            reason_code: text("reason-code").to_owned(),
            headers: headers.clone(),
            body: response.text().unwrap(),
        }
    }
}
