use prometheus::{Encoder as _, TextEncoder};

use super::*;

#[test]
fn an_answer_is_counted_in_every_metric_that_it_concerns() {
    let metrics = Metrics::new().unwrap();
    let client = KnownClient { name: "bank".parse().unwrap(), is_sandbox: false };
    metrics.answered(&Answered {
        endpoint: "face-verification",
        status: 429,
        reason: ReasonCode::Overloaded,
        took: Duration::from_millis(40),
        steps: &[("embed", Duration::from_millis(12))],
        similarity: Some(Percentage::new(74.996)),
        spoof: Some(0.5),
        client: Some(&client),
        is_miss: true,
        is_repeated_face: false,
        own_load: Some(OwnLoad::Share),
    });
    let mut text = Vec::new();
    TextEncoder::new().encode(&metrics.registry.gather(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        "# HELP padan_http_requests_total Answers by endpoint, HTTP status and reason code.",
        "padan_http_requests_total{endpoint=\"face-verification\",reason=\"OVERLOADED\",status=\"429\"} 1",
        "padan_verification_step_duration_seconds_count{step=\"embed\"} 1",
        "padan_similarity_percentage_bucket{endpoint=\"face-verification\",outcome=\"no_match\",le=\"70\"} 0",
        "padan_similarity_percentage_bucket{endpoint=\"face-verification\",outcome=\"no_match\",le=\"75\"} 1",
        "padan_spoof_score_bucket{le=\"0.4\"} 0",
        "padan_spoof_score_bucket{le=\"0.5\"} 1",
        "padan_client_requests_total{client=\"bank\"} 1",
        "padan_client_misses_total{client=\"bank\"} 1",
        "padan_client_repeated_faces_total{client=\"bank\"} 0",
        "padan_client_refusals_total{client=\"bank\",reason=\"share\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}
