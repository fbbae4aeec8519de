use padan_domain::{CohortScoreKind, ScoreTransformation};
use padan_inference::CalibrationTransformation;

/// Says on the page how faces are compared, where it is not by the cosine alone; otherwise empty.
pub(super) fn describe_score(transformation: &ScoreTransformation) -> String {
    match transformation {
        ScoreTransformation::None => String::new(),
        ScoreTransformation::Centre(_) => without_centre(None),
        ScoreTransformation::Cohort(score) => {
            beside_cohort(score.kind(), score.numbers().top, score.cohort().people() as u64)
        }
    }
}

/// The same of a calibration file.
pub(super) fn describe_score_of_file(transformation: Option<&CalibrationTransformation>) -> String {
    match transformation {
        None => String::new(),
        Some(CalibrationTransformation::Centre(centre)) => without_centre(Some(centre.persons)),
        Some(CalibrationTransformation::TopMean(cohort)) => {
            beside_cohort(CohortScoreKind::TopMean, cohort.top, cohort.persons)
        }
        Some(CalibrationTransformation::Symmetric(cohort)) => {
            beside_cohort(CohortScoreKind::Symmetric, cohort.top, cohort.persons)
        }
    }
}

fn without_centre(persons: Option<u64>) -> String {
    let of = persons.map_or_else(|| "a population".to_owned(), |persons| format!("{persons} persons"));
    format!("The cosines on this page are those of faces without the centre of {of}.")
}

fn beside_cohort(kind: CohortScoreKind, top: usize, people: u64) -> String {
    let how = match kind {
        CohortScoreKind::TopMean => {
            "the mean of the highest ones is taken from the cosine, half for each face"
        }
        CohortScoreKind::Symmetric => {
            "the cosine is counted in deviations from their mean, and averaged over both faces"
        }
    };
    format!(
        "The cosines on this page are scores: both faces are compared with a cohort of {people} people as well, and by the \
         {top} highest cosines with them {how}."
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use padan_domain::{Centre, Cohort, CohortScore, Embedding};

    use super::*;

    fn cohort() -> Arc<Cohort> {
        let one = |at: u16| Embedding::from_output(&[f32::from(at), 1.0, f32::from(at % 7)]).unwrap();
        Arc::new(Cohort::new(&(0..1000).map(one).collect::<Vec<_>>()).unwrap())
    }

    #[test]
    fn the_page_says_how_faces_are_compared() {
        let with_cohort = |kind, top| {
            describe_score(&ScoreTransformation::Cohort(CohortScore::fitted(cohort(), kind, top, 0.9)))
        };
        assert_eq!(describe_score(&ScoreTransformation::None), "");
        assert_eq!(describe_score_of_file(None), "");
        let centre = Centre::new(vec![0.1, 0.2, 0.0]).unwrap();
        let centred = describe_score(&ScoreTransformation::Centre(centre));
        assert!(centred.contains("without the centre of a population"), "{centred}");
        let top_mean = with_cohort(CohortScoreKind::TopMean, 50);
        assert!(
            top_mean.contains("cohort of 1000 people") && top_mean.contains("the 50 highest"),
            "{top_mean}"
        );
        let symmetric = with_cohort(CohortScoreKind::Symmetric, 100);
        assert!(symmetric.contains("the 100 highest") && symmetric.contains("in deviations"), "{symmetric}");
    }
}
