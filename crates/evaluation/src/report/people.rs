//! The HTML report on the scale of a site's own people.

use askama::Template;
use padan_domain::Percentage;
use padan_inference::{CalibrationFile, CalibrationPeople, CalibrationPoint, Rate};

use super::{Plot, Report, ReportError, embedded, filters, plots, score::describe_score_of_file};
use crate::{
    calibrate_live::LiveSurvey,
    calibrate_people::{MeasuredPoint, PeopleSurvey},
    evaluation::Made,
    scale::POOLED_FMR,
    verdict::people_verdict,
};

/// What a report on a site's people is about.
#[derive(Debug)]
pub struct PeopleScales<'a> {
    /// The scale that was made from them.
    pub new: &'a CalibrationFile,
    /// The scale in use.
    pub in_use: &'a CalibrationFile,
    /// The id of the model contract.
    pub contract: &'a str,
    /// The precision in the settings.
    pub precision: &'a str,
}

#[derive(Template)]
#[template(path = "people.html")]
struct Page<'a> {
    verdict: String,
    /// How faces are compared, where it is not by the cosine alone.
    score: String,
    made: &'a Made,
    new: &'a CalibrationFile,
    in_use: &'a CalibrationFile,
    people: &'a CalibrationPeople,
    contract: &'a str,
    precision: &'a str,
    without_template: usize,
    compared: usize,
    rows: Vec<Row>,
    curve: String,
}

/// A percentage of the scale in use, with what it says and what was measured.
struct Row {
    percentage: f64,
    cosine_in_use: f64,
    stated: f64,
    measured: Rate,
    cosine_in_new: f64,
}

/// The percentages of the table.
const PERCENTAGES: [f64; 4] = [50.0, 60.0, 75.0, 90.0];
/// The distance between points of the measured curve.
const CURVE_STEP: f64 = 0.01;

/// Makes the page: the false match rate among the people against what the scale in use says.
///
/// # Errors
///
/// [`ReportError`] when a scale is invalid, the new one was not made from people, or the page cannot be made.
pub fn people_report(
    survey: &PeopleSurvey,
    scales: &PeopleScales<'_>,
    made: &Made,
) -> Result<Report, ReportError> {
    let PeopleScales { new, in_use, contract, precision } = *scales;
    let people = new.people.as_ref().ok_or_else(|| {
        ReportError::of("the calibration was not made from the people of a site".to_owned())
    })?;
    let failed = |error: &dyn std::fmt::Display| ReportError::of(error.to_string());
    let used = in_use.map().map_err(|error| failed(&error))?;
    let made_scale = new.map().map_err(|error| failed(&error))?;
    let marks = PERCENTAGES.map(|percentage| used.cosine(Percentage::new(percentage)));
    let (at_marks, curve) = survey.curve(&marks, CURVE_STEP);
    let rows: Vec<_> = (PERCENTAGES.iter().zip(at_marks))
        .map(|(percentage, MeasuredPoint { cosine, fmr })| Row {
            percentage: *percentage,
            cosine_in_use: cosine,
            stated: stated_rate(&in_use.points, cosine),
            measured: fmr,
            cosine_in_new: made_scale.cosine(Percentage::new(*percentage)),
        })
        .collect();
    let pass_mark = rows.iter().find(|row| Percentage::new(row.percentage) == Percentage::PASS_MARK);
    let verdict = pass_mark.map_or_else(String::new, |row| {
        people_verdict(row.measured, row.stated, new.impostor_pairs, [row.cosine_in_use, row.cosine_in_new])
    });
    let stated: Vec<_> = in_use.points.iter().map(|point| (point.cosine, point.fmr)).collect();
    let plot = plots::people(&curve, &stated, used.pass_cosine(), Some(made_scale.pass_cosine()))
        .map_err(|error| failed(&error))?;
    let source = new.sources.first();
    let page = Page {
        verdict,
        score: describe_score_of_file(in_use.transformation.as_ref()),
        made,
        new,
        in_use,
        people,
        contract,
        precision,
        without_template: source.map_or(0, |source| source.failures_to_acquire),
        compared: source.map_or(0, |source| source.persons),
        rows,
        curve: embedded("image/svg+xml", plot.svg.as_bytes()),
    };
    let html = page.render().map_err(|error| failed(&error))?;
    Ok(Report { html, plots: vec![plot] })
}

/// Makes the plot of what was counted while serving: the false match rate of selfies with templates of other people against
/// what the scale in use says.
///
/// # Errors
///
/// [`ReportError`] when the scale is invalid, or the plot cannot be made.
pub fn live_plot(survey: &LiveSurvey, in_use: &CalibrationFile) -> Result<Plot, ReportError> {
    let failed = |error: &dyn std::fmt::Display| ReportError::of(error.to_string());
    let used = in_use.map().map_err(|error| failed(&error))?;
    let stated: Vec<_> = in_use.points.iter().map(|point| (point.cosine, point.fmr)).collect();
    let new_pass_mark = survey.impostors.cosine_at(POOLED_FMR);
    plots::people(&survey.curve(CURVE_STEP), &stated, used.pass_cosine(), new_pass_mark)
        .map_err(|error| failed(&error))
}

/// The false match rate that a scale states for a cosine: between its points linear in the logarithm.
fn stated_rate(points: &[CalibrationPoint], cosine: f64) -> f64 {
    let above = points.partition_point(|point| point.cosine <= cosine);
    match (above.checked_sub(1).and_then(|below| points.get(below)), points.get(above)) {
        (Some(below), Some(above)) => {
            let share = (cosine - below.cosine) / (above.cosine - below.cosine);
            let [low, high] = [below.fmr, above.fmr].map(|rate| rate.max(f64::MIN_POSITIVE).log10());
            10_f64.powf(low + share * (high - low))
        }
        (Some(only), None) | (None, Some(only)) => only.fmr,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_rate_is_linear_in_its_logarithm() {
        let point = |cosine, fmr| CalibrationPoint {
            percentage: 0.0,
            cosine,
            fmr,
            fmr_interval: None,
            fnmr: None,
            extrapolated: false,
            anchor: None,
        };
        let points = [point(0.2, 1e-1), point(0.4, 1e-3)];
        for (cosine, rate) in [(0.1, 1e-1), (0.2, 1e-1), (0.3, 1e-2), (0.35, 10_f64.powf(-2.5)), (0.9, 1e-3)]
        {
            let found = stated_rate(&points, cosine);
            assert!((found / rate - 1.0).abs() < 1e-9, "{cosine}: {found}");
        }
    }
}
