//! A decision under a scale whose cosines are those without the centre of a population.

use std::fs;

use padan_inference::{
    BeforeAndAfter, CalibrationCentre, CalibrationFile, CalibrationTransformation, Catalogue, Rate,
    TransformationCheck,
};
use padan_store::TemplateContent;
use padan_test_service::{BUDI, Claim, project};
use serde_json::Value;

use crate::{people::store, service::TestProgram};

/// The share of the portrait's embedding that is the centre.
const SHARE: f64 = 0.3;

fn built_in() -> CalibrationFile {
    let catalogue = Catalogue::load(&[]).unwrap();
    catalogue.calibration(&catalogue.set("sface").unwrap()).unwrap()
}

/// The built-in scale with this centre.
fn centred(components: Vec<f64>) -> CalibrationFile {
    let mut file = built_in();
    let rate = Rate { value: 0.01, low: 0.0, high: 0.02 };
    let fnmr = BeforeAndAfter { change: [-0.02, 0.01], before: rate, after: rate };
    let check = TransformationCheck { persons: 1000, fnmr, groups: Vec::new() };
    let centre = CalibrationCentre { persons: 1000, components, check };
    file.transformation = Some(CalibrationTransformation::Centre(centre));
    file.version = CalibrationFile::version_of(file.transformation.as_ref());
    file
}

/// The percentage of a cosine by linear interpolation between the points of the file.
fn interpolated(file: &CalibrationFile, cosine: f64) -> f64 {
    let pair =
        file.points.windows(2).find(|pair| pair[0].cosine <= cosine && cosine < pair[1].cosine).unwrap();
    let share = (cosine - pair[0].cosine) / (pair[1].cosine - pair[0].cosine);
    pair[0].percentage + share * (pair[1].percentage - pair[0].percentage)
}

/// The last request's row of the audit trail.
fn last_row(service: &TestProgram) -> Value {
    let exported = service.command(&["audit", "export", "--format", "jsonl", "--kind", "request"]);
    let text = String::from_utf8(exported.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// The cosine that `padan compare` prints for Budi's portrait and selfie.
fn compared_by_program(service: &TestProgram) -> f64 {
    let path = |name: &str| project().join("people/images").join(name).display().to_string();
    let output = service.command(&["compare", "--json", &path("101_id.jpg"), &path("101_s1.jpg")]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["similarity"].as_f64().unwrap()
}

#[test]
fn a_decision_follows_the_centre_of_the_scale_and_templates_stay_valid() {
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().display();
    let mut service = TestProgram::with(&format!("[inference]\nmodel_folder = \"{folder}\"\n"));
    let claim = Claim::matching();
    let plain = service.verify(&claim);
    assert_eq!(plain.reason_code, "VERIFIED", "{}", plain.body);
    let plain_cosine = compared_by_program(&service);
    assert!((plain.percentage() - interpolated(&built_in(), plain_cosine)).abs() < 0.02);
    assert_eq!(last_row(&service)["calibration_id"], built_in().id());

    let contract = Catalogue::load(&[]).unwrap().set("sface").unwrap().contract();
    let template = async { store(&service).templates().get(&BUDI.parse().unwrap(), &contract).await };
    let stored = service.runtime.block_on(template).unwrap().unwrap();
    let TemplateContent::Usable { embedding, .. } = stored.content else { panic!("Budi has a template") };
    let templates = "SELECT encode(sha256(t::text::bytea), 'hex') FROM store.face_template t ORDER BY 1";
    let before = service.runtime.block_on(service.store.texts(templates));
    let scale = centred(embedding.as_slice().iter().map(|value| f64::from(*value) * SHARE).collect());
    fs::write(models.path().join("sface.calibration.toml"), scale.to_toml().unwrap()).unwrap();
    service.restart();

    // With the centre t r, the cosine of r - t r and p - t r follows from that of r and p alone.
    let expected = (plain_cosine - SHARE) / (1.0 - 2.0 * SHARE * plain_cosine + SHARE * SHARE).sqrt();
    assert!((compared_by_program(&service) - expected).abs() < 1e-4);
    let answer = service.verify(&claim);
    let percentage = interpolated(&scale, expected);
    assert!((answer.percentage() - percentage).abs() < 0.05, "{} {percentage}", answer.body);
    assert!(answer.percentage() < plain.percentage() - 1.0, "the centre changes the percentage");
    let row = last_row(&service);
    assert_eq!(row["calibration_id"], scale.id());
    assert_ne!(scale.id(), built_in().id());
    assert_eq!(row["reason"], if percentage >= 75.0 { "VERIFIED" } else { "FACE_MISMATCH" });
    assert_eq!(
        service.runtime.block_on(service.store.texts(templates)),
        before,
        "no template was made again"
    );
    assert!(service.get_from_operators("/metrics").1.contains(&scale.id()));
    let shown = service.command(&["calibration", "show"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("Cosines are those without the centre of 1000 persons."), "{shown}");
}

#[test]
fn a_service_does_not_start_with_an_invalid_centre() {
    let models = tempfile::tempdir().unwrap();
    let folder = models.path().display();
    let service = TestProgram::with(&format!("[inference]\nmodel_folder = \"{folder}\"\n"));
    let write = |file: &CalibrationFile| {
        fs::write(models.path().join("sface.calibration.toml"), file.to_toml().unwrap()).unwrap();
        let output = service.command(&["serve"]);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(write(&centred(vec![0.02; 127])).contains("the centre has 127 components"));
    assert!(write(&centred(vec![0.2; 128])).contains("the length of the centre's vector is"));
    let mut few = centred(vec![0.02; 128]);
    if let Some(CalibrationTransformation::Centre(centre)) = &mut few.transformation {
        centre.persons = 30;
    }
    assert!(write(&few).contains("the centre is the mean of 30 persons"));
}
