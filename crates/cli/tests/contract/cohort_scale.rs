//! A decision under a scale that compares both faces with a cohort, which is sealed in the store.

use std::{fs, thread, time::Duration};

use padan_domain::Embedding;
use padan_evaluation::{LabelledPhoto, Outcome, measure};
use padan_inference::{
    BeforeAndAfter, CalibrationCohort, CalibrationFile, CalibrationTransformation, Catalogue, Config,
    DeviceChoice, Rate, TransformationCheck, load_uncalibrated,
};
use padan_store::{CohortMember, TemplateContent};
use padan_test_service::{BUDI, Claim, project};

use crate::{people::store, service::TestProgram};

pub(crate) const PEOPLE: usize = 1000;
pub(crate) const TOP: usize = 50;
pub(crate) const SAME_PERSON: f64 = 0.6;
pub(crate) const LEVEL: f64 = 0.2;
pub(crate) const SPREAD: f64 = 0.02;

fn built_in() -> CalibrationFile {
    let catalogue = Catalogue::load(&[]).unwrap();
    catalogue.calibration(&catalogue.set("sface").unwrap()).unwrap()
}

/// Made-up people who resemble a face more or less, by a linear congruential generator.
fn cohort(near: &Embedding) -> Vec<Embedding> {
    let mut state = 3_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let one = |_| {
        let share = 0.6 * random();
        let values: Vec<_> = (near.as_slice().iter())
            .map(|value| (f64::from(*value) * share + 0.3 * (random() + random() + random())) as f32)
            .collect();
        Embedding::from_output(&values).unwrap()
    };
    (0..PEOPLE).map(one).collect()
}

/// A scale by symmetric normalisation with a cohort in the store.
pub(crate) fn scale(id: &str) -> CalibrationFile {
    let rate = Rate { value: 0.01, low: 0.0, high: 0.02 };
    let fnmr = BeforeAndAfter { change: [-0.02, 0.01], before: rate, after: rate };
    let mut file = built_in();
    file.transformation = Some(CalibrationTransformation::Symmetric(CalibrationCohort {
        cohort: id.to_owned(),
        persons: PEOPLE as u64,
        top: TOP,
        same_person: SAME_PERSON,
        level: LEVEL,
        spread: SPREAD,
        check: TransformationCheck { persons: 1000, fnmr, groups: Vec::new() },
    }));
    file.version = CalibrationFile::version_of(file.transformation.as_ref());
    file
}

/// A scale of the same score with another id.
fn stricter(scale: &CalibrationFile) -> CalibrationFile {
    let mut file = scale.clone();
    for point in &mut file.points {
        if point.percentage > 0.0 && point.percentage < 75.0 {
            point.cosine += 0.000_1;
        }
    }
    file
}

/// The embedding of a photo of the test people, by the pipeline alone.
fn embedded(name: &str) -> Embedding {
    #[derive(serde::Deserialize)]
    struct Shipped {
        inference: Config,
    }
    let shipped = fs::read_to_string(project().join("config/default.toml")).unwrap();
    let mut config = toml::from_str::<Shipped>(&shipped).unwrap().inference;
    // As the service: its settings are in service.rs.
    config.device = DeviceChoice::Cpu;
    config.model_folder = Some(project().join(".deps/models"));
    config.runtime_library = Some(project().join(".deps/onnxruntime/libonnxruntime.so"));
    let file = project().join("people/images").join(name);
    let photo = LabelledPhoto { file, name: name.into(), source: 0, identity: 0, group: None };
    let pipelines = load_uncalibrated(&config).unwrap().pipelines;
    match measure(&[photo], pipelines, &|_| ()).unwrap().outcomes.remove(0) {
        Outcome::Face(face) => face.embedding,
        Outcome::Failed { reason } => panic!("{name}: {reason}"),
    }
}

fn cosine(a: &Embedding, b: &Embedding) -> f64 {
    a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// Symmetric normalisation as the literature defines it, in double precision: the mean of both standard scores, which level
/// and spread bring back near the cosine.
fn normalised(a: &Embedding, b: &Embedding, cohort: &[Embedding]) -> f64 {
    let standard = |face: &Embedding| {
        let mut with: Vec<_> = cohort.iter().map(|other| cosine(face, other)).collect();
        with.retain(|cosine| *cosine < SAME_PERSON);
        with.sort_by(|a, b| b.total_cmp(a));
        let mean = with[..TOP].iter().sum::<f64>() / TOP as f64;
        let variance =
            with[..TOP].iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / TOP as f64;
        (cosine(a, b) - mean) / variance.sqrt()
    };
    LEVEL + SPREAD * f64::midpoint(standard(a), standard(b))
}

/// The percentage of a cosine by linear interpolation between the points of the file.
fn interpolated(file: &CalibrationFile, cosine: f64) -> f64 {
    let pair = file.points.windows(2).find(|pair| pair[0].cosine <= cosine && cosine < pair[1].cosine);
    let pair = pair.unwrap_or_else(|| panic!("{cosine} is not on the scale"));
    let share = (cosine - pair[0].cosine) / (pair[1].cosine - pair[0].cosine);
    pair[0].percentage + share * (pair[1].percentage - pair[0].percentage)
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

pub(crate) fn activate(service: &TestProgram, file: &CalibrationFile) -> std::process::Output {
    let path = service.folder().join("cohort.calibration.toml");
    fs::write(&path, file.to_toml().unwrap()).unwrap();
    service.command(&["calibration", "activate", path.to_str().unwrap()])
}

/// The calibration that the service has.
fn wait_for_calibration(service: &TestProgram, id: &str) {
    for _ in 0..60 {
        if service.get_from_operators("/metrics").1.contains(id) {
            return;
        }
        thread::sleep(Duration::from_millis(500));
    }
    panic!("calibration {id} does not serve:\n{}", service.logged());
}

#[test]
fn a_decision_follows_the_cohort_and_no_scale_is_used_without_it() {
    let mut service = TestProgram::start();
    let plain = service.verify(&Claim::matching());
    assert_eq!(plain.reason_code, "VERIFIED", "{}", plain.body);
    let store = service.runtime.block_on(async { store(&service) });
    let contract = Catalogue::load(&[]).unwrap().set("sface").unwrap().contract();
    let template = async { store.templates().get(&BUDI.parse().unwrap(), &contract).await };
    let stored = service.runtime.block_on(template).unwrap().unwrap();
    let TemplateContent::Usable { embedding: portrait, .. } = stored.content else { panic!("no template") };
    let people = cohort(&portrait);

    let missing = scale(&"ab".repeat(16));
    let refused = activate(&service, &missing);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("the store has no cohort abababab"), "{refused:?}");

    let person = |at: usize| {
        (at < 150)
            .then(|| store.templates().person_hash(&format!("31740114038{at:05}").parse().unwrap()).unwrap())
    };
    let members: Vec<_> = (people.iter().enumerate())
        .map(|(at, embedding)| CohortMember { person: person(at), embedding: embedding.clone() })
        .collect();
    let id = service.runtime.block_on(store.templates().save_cohort(&contract, &members)).unwrap();
    let scale = scale(&id);
    let activated = activate(&service, &scale);
    assert!(activated.status.success(), "{activated:?}");
    // A cosine is nothing on the scale of another score.
    let told = text(&activated.stderr);
    assert!(
        told.contains("Faces are compared by another score now") && !told.contains("What was 75 %"),
        "{told}"
    );
    let again = activate(&service, &stricter(&scale));
    assert!(text(&again.stderr).contains("The pass mark moves from cosine"), "{again:?}");
    assert!(activate(&service, &scale).status.success());
    wait_for_calibration(&service, &scale.id());
    let expected = interpolated(&scale, normalised(&portrait, &embedded("101_s1.jpg"), &people));
    let answer = service.verify(&Claim::matching());
    assert!((answer.percentage() - expected).abs() < 0.3, "{} {expected}", answer.body);
    assert!((answer.percentage() - plain.percentage()).abs() > 1.0, "the cohort changes the percentage");
    let shown = text(&service.command(&["calibration", "show"]).stdout);
    assert!(shown.contains(&format!("50 highest with 1000 people (cohort {id})")), "{shown}");
    assert!(shown.contains("Cohort: 0 of its 1000 people were forgotten since."), "{shown}");
    let doctor = text(&service.command(&["doctor"]).stdout);
    assert!(
        doctor.contains("is active with a cohort") || doctor.contains("with a cohort of 1000 people"),
        "{doctor}"
    );

    // The service has it from the first request on after a start, and not when the cohort is another one.
    service.kill();
    service.restart();
    wait_for_calibration(&service, &scale.id());
    let after = service.verify(&Claim::matching());
    assert!((after.percentage() - answer.percentage()).abs() < 1e-6, "{}", after.body);
    let execute = |statement: &str| service.runtime.block_on(service.store.execute(statement));
    execute("CREATE TABLE public.kept AS SELECT * FROM store.cohort_member");
    execute("DELETE FROM store.cohort_member WHERE position = 999");
    service.kill();
    service.restart();
    service.wait_for_log("starting with the installed calibration, not the active one");
    let installed = service.verify(&Claim::matching());
    assert!((installed.percentage() - plain.percentage()).abs() < 1e-6, "{}", installed.body);
    let doctor = service.command(&["doctor"]);
    assert!(!doctor.status.success());
    assert!(text(&doctor.stdout).contains(&format!("the cohort {id} of calibration")), "{doctor:?}");
    assert!(!activate(&service, &scale).status.success(), "the cohort is not whole");
    let execute = |statement: &str| service.runtime.block_on(service.store.execute(statement));
    execute("DELETE FROM store.cohort_member; INSERT INTO store.cohort_member SELECT * FROM public.kept");
    wait_for_calibration(&service, &scale.id());

    // More than a tenth was forgotten.
    execute(
        "UPDATE store.cohort_member SET person_key = NULL, key_id = NULL, sealed = NULL WHERE position < 101",
    );
    let doctor = text(&service.command(&["doctor"]).stdout);
    assert!(doctor.contains("101 of the 1000 people of cohort"), "{doctor}");
}

#[test]
fn a_scale_with_a_cohort_cannot_be_installed_beside_the_program() {
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().display();
    let service = TestProgram::with(&format!("[inference]\nmodel_folder = \"{folder}\"\n"));
    let file = scale(&"ab".repeat(16));
    fs::write(models.path().join("sface.calibration.toml"), file.to_toml().unwrap()).unwrap();
    let output = service.command(&["serve"]);
    assert!(!output.status.success());
    let printed = text(&output.stderr);
    assert!(printed.contains("this scale needs the cohort abababab"), "{printed}");
    assert!(printed.contains("padan calibration activate"), "{printed}");
}
