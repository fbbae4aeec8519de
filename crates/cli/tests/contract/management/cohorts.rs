//! A cohort from the search of `padan calibrate` to the decision, activated by the command and through the interface.

use std::fs;

use padan_domain::Embedding;
use padan_inference::{CalibrationFile, CalibrationTransformation, Catalogue};
use padan_store::TemplateContent;
use padan_test_service::{Answer, Claim, add};
use serde_json::json;

use super::Managed;
use crate::{
    people::store,
    tinted_people::{self, PEOPLE, SET},
};

/// People who are not among the labelled ones: somebody, and another one of the same part of the population.
const SOMEBODY: u32 = PEOPLE;
const ANOTHER: u32 = PEOPLE + 4;
const NIK: &str = "3174011403870001";

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

fn cosine(a: &Embedding, b: &Embedding) -> f64 {
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The score of two faces by the numbers of the file and the cohort, in double precision.
fn score(file: &CalibrationFile, [a, b]: [&Embedding; 2], cohort: &[Embedding]) -> f64 {
    let (table, is_symmetric) = match file.transformation.as_ref().unwrap() {
        CalibrationTransformation::TopMean(table) => (table, false),
        CalibrationTransformation::Symmetric(table) => (table, true),
        CalibrationTransformation::Centre(_) => panic!("a centre was taken"),
    };
    let top = |face: &Embedding| {
        let mut with: Vec<_> = cohort.iter().map(|other| cosine(face, other)).collect();
        with.retain(|cosine| *cosine < table.same_person);
        with.sort_by(|a, b| b.total_cmp(a));
        with.truncate(table.top);
        let mean = with.iter().sum::<f64>() / with.len() as f64;
        let variance =
            with.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / with.len() as f64;
        (mean, variance.sqrt())
    };
    let (cosine, (mean_a, deviation_a), (mean_b, deviation_b)) = (cosine(a, b), top(a), top(b));
    if is_symmetric {
        let standard = f64::midpoint((cosine - mean_a) / deviation_a, (cosine - mean_b) / deviation_b);
        return table.level + table.spread * standard;
    }
    cosine - f64::midpoint(mean_a, mean_b) + table.level
}

/// The percentage of a score by linear interpolation between the points of the file.
fn interpolated(file: &CalibrationFile, score: f64) -> f64 {
    let (first, last) = (&file.points[0], file.points.last().unwrap());
    if score >= last.cosine || score <= first.cosine {
        return if score >= last.cosine { last.percentage } else { 1.0 };
    }
    let pair = file.points.windows(2).find(|pair| pair[0].cosine <= score && score < pair[1].cosine);
    let [low, high] = pair.unwrap() else { panic!("two points") };
    low.percentage + (score - low.cosine) / (high.cosine - low.cosine) * (high.percentage - low.percentage)
}

impl Managed {
    /// An answer to the selfie of one of the people, who claims to be somebody.
    fn claimed(&self, person: u32) -> Answer {
        let photo = tinted_people::photo(person, 1);
        self.service.verify(&Claim { photo, ..Claim::matching().nik(NIK).name("Orang Contoh") })
    }
}

#[test]
fn a_cohort_that_pays_is_taken_sealed_and_decides_after_both_ways_of_activation() {
    let models = tempfile::tempdir().unwrap();
    tinted_people::install(models.path());
    let folder = models.path().display();
    let managed =
        Managed::with(&format!("[inference]\nmodel_folder = \"{folder}\"\nmodel_set = \"{SET}\"\n"));
    let (service, run) = (&managed.service, &managed.service.runtime);
    run.block_on(add(&service.registry, NIK, tinted_people::photo(SOMEBODY, 0)));
    let before = managed.claimed(SOMEBODY);
    assert_eq!(before.status, 200, "{}", before.body);

    // Labelled photos choose a score with a cohort, which is sealed in the store.
    let photos = service.folder().join("photos");
    fs::create_dir(&photos).unwrap();
    tinted_people::write_photos(&photos);
    let own = service.folder().join("own.toml");
    let [photos, own] = [&photos, &own].map(|path| path.to_str().unwrap());
    let made = service.command(&["calibrate", "--identities", photos, "--cohort", "photos", "--write", own]);
    let printed = text(&made.stderr);
    assert!(made.status.success(), "{printed}");
    assert!(printed.contains("Faces are compared beside a cohort."), "{printed}");
    assert!(printed.contains(" people was sealed in the store as "), "{printed}");
    let file = tinted_people::parsed(models.path(), &fs::read_to_string(own).unwrap());
    let table = file.transformation.as_ref().unwrap().cohort().unwrap();
    let check = &table.check;
    assert_eq!(file.version, 4);
    assert!((1000..=1020).contains(&table.persons), "{} {printed}", table.persons);
    assert!(check.fnmr.after.high < check.fnmr.before.low, "far fewer are missed: {check:?}");
    let contract = Catalogue::load(&[models.path().to_owned()]).unwrap().set(SET).unwrap().contract();
    let store = run.block_on(async { store(service) });
    let cohort = run.block_on(store.templates().cohort(&table.cohort, &contract)).unwrap().unwrap();
    assert_eq!((cohort.embeddings.len() as u64, cohort.state.forgotten), (table.persons, 0));
    assert_eq!(
        managed.claimed(SOMEBODY).body,
        before.body,
        "a calibration that is not active changes nothing"
    );

    // The command activates it.
    managed.run(&["calibration", "activate", own]);
    managed.wait_for_calibration(&file.id());
    let stored = run.block_on(store.templates().get(&NIK.parse().unwrap(), &contract)).unwrap().unwrap();
    let TemplateContent::Usable { embedding: portrait, .. } = stored.content else { panic!("no template") };
    let expected = |person: u32| {
        let probe = tinted_people::embedded(models.path(), &tinted_people::photo(person, 1));
        interpolated(&file, score(&file, [&portrait, &probe], &cohort.embeddings))
    };
    let (genuine, impostor) = (managed.claimed(SOMEBODY), managed.claimed(ANOTHER));
    assert_eq!((&*genuine.reason_code, &*impostor.reason_code), ("VERIFIED", "FACE_MISMATCH"));
    for (answer, expected) in [(&genuine, expected(SOMEBODY)), (&impostor, expected(ANOTHER))] {
        assert!((answer.percentage() - expected).abs() < 0.3, "{} {expected}", answer.body);
    }
    let change = (impostor.percentage() - before.percentage()).abs();
    assert!(change > 1.0, "{} {}", impostor.body, before.body);

    // The interface returns to the installed one, and activates it again.
    let installed = json!({ "installed": SET });
    let returned = managed.post("operator", "/calibration/activation", &installed);
    assert_eq!(returned["before"]["calibration"], file.id());
    let without = returned["after"]["calibration"].as_str().unwrap().to_owned();
    managed.wait_for_calibration(&without);
    assert_eq!(managed.claimed(SOMEBODY).body, before.body);
    let sent = json!({ "file": fs::read_to_string(own).unwrap() });
    let activated = managed.post("operator", "/calibration/activation", &sent);
    assert_eq!(activated["after"]["calibration"], file.id());
    assert_ne!(activated["after"]["score"], activated["before"]["score"]);
    managed.wait_for_calibration(&file.id());
    assert_eq!(managed.claimed(SOMEBODY).body, genuine.body);
    assert_eq!(managed.claimed(ANOTHER).body, impostor.body);

    // Each row has the calibration that decided.
    let (id, without) = (&file.id(), &without);
    let decided = [without, without, id, id, without, id, id];
    assert_eq!(managed.recorded_calibrations().iter().collect::<Vec<_>>(), decided);
    managed.run(&["audit", "verify"]);
}
