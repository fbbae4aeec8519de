use askama::Template;

use super::{ErrorRate, KindFigures, LivenessEvaluation};
use crate::report::ReportError;

#[derive(Template)]
#[template(path = "liveness.html")]
struct Page<'a> {
    evaluation: &'a LivenessEvaluation,
    attacks: Vec<Row<'a>>,
    bona_fide: Option<Row<'a>>,
    worst: Option<(&'a str, String)>,
    acer: Option<String>,
    thresholds: Vec<[String; 3]>,
    wrong: Vec<(&'a str, &'a str, String)>,
    more_wrong: usize,
}

/// The figures of one kind, as text.
struct Row<'a> {
    name: &'a str,
    presentations: usize,
    non_responses: usize,
    non_response_rate: String,
    errors: usize,
    error_rate: String,
}

/// Limit for the listed photos that were classified wrongly.
const MAX_LISTED: usize = 200;

/// Makes the HTML page: one file that needs no network.
///
/// # Errors
///
/// [`ReportError`] when the page cannot be made.
pub fn liveness_report(evaluation: &LivenessEvaluation) -> Result<String, ReportError> {
    let figures = &evaluation.figures;
    let wrong: Vec<_> = evaluation
        .scores
        .iter()
        .filter_map(|score| {
            let spoof = score.spoof?;
            let is_wrong = (spoof >= figures.at) != score.attack.is_some();
            let kind = score.attack.as_deref().unwrap_or("bona fide");
            is_wrong.then(|| (score.path.as_str(), kind, format!("{spoof:.4}")))
        })
        .collect();
    let more_wrong = wrong.len().saturating_sub(MAX_LISTED);
    let page = Page {
        evaluation,
        attacks: figures.attacks.iter().map(|(kind, figures)| Row::of(kind, figures)).collect(),
        bona_fide: figures.bona_fide.as_ref().map(|figures| Row::of("bona fide", figures)),
        worst: figures.worst_kind.as_deref().and_then(|kind| {
            let rate = figures.attacks.get(kind)?.error_rate?;
            Some((kind, rate.to_string()))
        }),
        acer: figures.acer.map(|acer| acer.to_string()),
        thresholds: evaluation
            .by_threshold
            .iter()
            .map(|row| [format!("{:.1}", row.at), percent(row.worst_apcer), percent(row.bpcer)])
            .collect(),
        wrong: wrong.into_iter().take(MAX_LISTED).collect(),
        more_wrong,
    };
    page.render().map_err(|error| ReportError::of(error.to_string()))
}

impl<'a> Row<'a> {
    fn of(name: &'a str, figures: &KindFigures) -> Self {
        Self {
            name,
            presentations: figures.presentations,
            non_responses: figures.non_responses,
            non_response_rate: figures.non_response_rate.to_string(),
            errors: figures.errors,
            error_rate: figures
                .error_rate
                .map_or_else(|| "none was classified".to_owned(), |rate| rate.to_string()),
        }
    }
}

/// The share and its bounds in per cent.
impl std::fmt::Display for ErrorRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [value, low, high] = [self.value, self.low, self.high].map(|share| share * 100.0);
        write!(f, "{value:.2} % ({low:.2} to {high:.2})")
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.2}", share * 100.0))
}
