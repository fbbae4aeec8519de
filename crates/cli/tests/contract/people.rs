//! `padan calibrate --from-store`: the scale of the people in the store.

use std::{collections::BTreeSet, fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, process::Output};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use padan_domain::{CitizenStatus, Embedding, NationalId};
use padan_inference::{CalibrationFile, Catalogue};
use padan_registry::{SamplePerson, SampleRegistry};
use padan_store::{CohortMember, Store, StoredTemplate, TemplateContent};
use padan_test_service::{PORTRAIT_CHANGED, person, project};

use crate::{
    cohort_scale::{LEVEL, PEOPLE as COHORT_PEOPLE, SAME_PERSON, SPREAD, TOP, activate, scale},
    service::TestProgram,
};

const PEOPLE: usize = 620;
/// The last people have another photo of the first ones.
const COPIES: usize = 8;
const COMPONENTS: usize = 48;

/// Men of Java and women of Sumatra, alternately.
fn nik(number: usize) -> NationalId {
    let start = if number.is_multiple_of(2) { "3174011403" } else { "1271025403" };
    format!("{start}87{number:04}").parse().unwrap()
}

/// A linear congruential generator of numbers from -0.5 to 0.5.
fn numbers() -> impl FnMut() -> f32 {
    let mut state = 11_u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    }
}

fn embeddings() -> Vec<Embedding> {
    let mut random = numbers();
    let mut vector = || (0..COMPONENTS).map(|_| random() + random() + random()).collect::<Vec<f32>>();
    let mut vectors: Vec<_> = (0..PEOPLE - COPIES).map(|_| vector()).collect();
    for at in 0..COPIES {
        let noise = vector();
        vectors.push(vectors[at].iter().zip(noise).map(|(value, noise)| value + 0.3 * noise).collect());
    }
    vectors.iter().map(|vector| Embedding::from_output(vector).unwrap()).collect()
}

/// The service's store, opened by the test with the same keys.
pub(crate) fn store(service: &TestProgram) -> Store {
    let default: toml::Table =
        fs::read_to_string(project().join("config/default.toml")).unwrap().parse().unwrap();
    let own: toml::Table = service.settings().parse().unwrap();
    let mut settings = default["store"].as_table().unwrap().clone();
    settings.extend(own["store"].as_table().unwrap().clone());
    Store::new(&settings.try_into().unwrap()).unwrap()
}

/// A service with many people, in the registry and with templates of the active model.
fn service_with_people() -> TestProgram {
    let service = TestProgram::start();
    let contract = Catalogue::load(&[]).unwrap().set("sface").unwrap().contract();
    let template = |embedding: Embedding| StoredTemplate {
        portrait_updated_at: PORTRAIT_CHANGED.parse().unwrap(),
        content: TemplateContent::Usable { embedding, covered: Some(false) },
        decoder_version: 1,
    };
    let templates: Vec<_> =
        embeddings().into_iter().enumerate().map(|(at, embedding)| (nik(at), template(embedding))).collect();
    service.runtime.block_on(async {
        store(&service).templates().save_all(&templates, &contract).await.unwrap();
        let mut registry = SampleRegistry::connect(&service.registry.url().into()).await.unwrap();
        for number in 0..PEOPLE {
            let portrait = Some((Bytes::from_static(b"portrait"), PORTRAIT_CHANGED.parse().unwrap()));
            let person = person(nik(number).as_str(), "Orang Contoh", CitizenStatus::Active, None);
            registry.put(&SamplePerson { portrait, ..person }).await.unwrap();
        }
    });
    service
}

fn calibrate(service: &TestProgram, arguments: &[&str]) -> Output {
    let file = service.folder().join("own.toml");
    service.command(&[&["calibrate", "--from-store", "--write", file.to_str().unwrap()], arguments].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The calibration that was written.
fn written(service: &TestProgram) -> (CalibrationFile, String) {
    let text = fs::read_to_string(service.folder().join("own.toml")).unwrap();
    let set = Catalogue::load(&[]).unwrap().set("sface").unwrap();
    (CalibrationFile::parse("own.toml", &text, &set).unwrap(), text)
}

/// Everything that looks like a NIK.
fn digits_of_niks(text: &str) -> Vec<&str> {
    text.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| digits.len() == 16).collect()
}

#[test]
fn people_are_compared_and_those_with_the_same_face_are_listed_for_the_operator_alone() {
    let service = service_with_people();
    let list = service.folder().join("same.csv");
    fs::write(&list, "an older list").unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o644)).unwrap();
    let out = service.folder().join("report");
    let output = calibrate(
        &service,
        &[
            "--group-by",
            "sex,island",
            "--duplicates",
            list.to_str().unwrap(),
            "--seed",
            "3",
            "--out",
            out.to_str().unwrap(),
        ],
    );
    assert!(output.status.success(), "{}", stderr(&output));

    let (file, text) = written(&service);
    let pairs = (PEOPLE - COPIES) * (PEOPLE - COPIES - 1) / 2;
    assert_eq!(file.impostor_pairs, pairs as u64, "each pair of two different people once");
    let groups: Vec<_> = file.groups.iter().map(|group| (group.name.as_str(), group.persons)).collect();
    assert_eq!(groups, [("Java", 306), ("Sumatra", 306), ("men", 306), ("women", 306)]);
    let file_id = file.id();
    let people = file.people.unwrap();
    assert_eq!(
        (people.drawn, people.left_out, people.pairs_told_apart, people.seed),
        (PEOPLE, COPIES, COPIES, 3)
    );

    let listed = fs::read_to_string(&list).unwrap();
    assert_eq!(fs::metadata(&list).unwrap().permissions().mode() & 0o777, 0o600);
    let mut lines = listed.lines();
    assert_eq!(lines.next(), Some("nik_a,nik_b,cosine,percentage"));
    let found: BTreeSet<BTreeSet<_>> =
        lines.map(|line| line.split(',').take(2).map(str::to_owned).collect()).collect();
    let planted =
        (0..COPIES).map(|at| [at, PEOPLE - COPIES + at].map(|at| nik(at).as_str().to_owned()).into());
    assert_eq!(found, planted.collect());

    let page = fs::read_to_string(out.join("report.html")).unwrap();
    let scale = fs::read_to_string(out.join("false-matches.svg")).unwrap();
    for shown in
        ["At 75 % of the scale in use", "8 pairs have the same face", "Sumatra", "calibration", "padan 0."]
    {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(page.contains(&file_id), "the new calibration is named");
    let printed = String::from_utf8(output.stdout.clone()).unwrap() + &stderr(&output) + &text + &scale;
    // The plot is embedded in base64, and is checked as a file.
    let printed = printed + &page.replace(&STANDARD.encode(&scale), "");
    assert_eq!(digits_of_niks(&printed), Vec::<&str>::new());
    let row = "SELECT fields::text FROM store.audit_event WHERE reason = 'PEOPLE_COMPARED'";
    let rows = service.runtime.block_on(service.store.texts(row));
    assert!(rows.len() == 1 && rows[0].contains("\"duplicates_listed\":true"), "{rows:?}");
    assert_eq!(digits_of_niks(&rows[0]), Vec::<&str>::new());
    assert!(service.command(&["audit", "verify"]).status.success());
}

#[test]
fn people_of_a_list_are_drawn_with_its_groups_and_without_the_registry() {
    let service = service_with_people();
    let mut list = "nik,branch\n".to_owned();
    for number in 0..500 {
        writeln!(list, "{},{}", nik(number).as_str(), if number < 250 { "Medan" } else { "" }).unwrap();
    }
    list.push_str("3174011403879999,Medan\n");
    let people = service.folder().join("people.csv");
    fs::write(&people, list).unwrap();
    service.change_settings(&service.registry.url(), "postgres://nobody@127.0.0.1:1/nowhere");
    let output = calibrate(&service, &["--groups", people.to_str().unwrap(), "--people", "480"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (file, _) = written(&service);
    assert_eq!(file.people.unwrap().drawn, 480);
    assert_eq!(file.impostor_pairs, 480 * 479 / 2);
    let [medan] = &file.groups[..] else { panic!("{:?}", file.groups) };
    assert!(medan.name == "branch: Medan" && (225..=255).contains(&medan.persons), "{medan:?}");
}

#[test]
fn nothing_is_drawn_for_too_few_people_without_the_row_or_with_photos() {
    let service = service_with_people();
    let output = calibrate(&service, &["--people", "400"]);
    assert!(stderr(&output).contains("requires 100000 pairs of two persons, found 7"), "{}", stderr(&output));
    let output = calibrate(&service, &["--model", "mobilefacenet"]);
    assert!(
        stderr(&output).contains("the store has no template of model set mobilefacenet"),
        "{}",
        stderr(&output)
    );
    let output = calibrate(&service, &["--identities", "people"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = service.command(&["calibrate"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    service.runtime.block_on(service.store.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no row can be written'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON store.audit_event FOR EACH ROW EXECUTE FUNCTION refuse()",
    ));
    let output = calibrate(&service, &[]);
    assert!(stderr(&output).contains("nothing was done"), "{}", stderr(&output));
    assert!(!service.folder().join("own.toml").exists());
}

/// Made-up people of a cohort, none of whom is in the store.
fn cohort() -> Vec<Embedding> {
    let mut random = numbers();
    let mut vector = || (0..COMPONENTS).map(|_| random() - random() + random()).collect::<Vec<f32>>();
    (0..COHORT_PEOPLE).map(|_| Embedding::from_output(&vector()).unwrap()).collect()
}

/// The score that 1 in 100 pairs of strangers reach by symmetric normalisation, in double precision. Copies are left out, as
/// the program leaves one of each two people with the same face out.
fn score_of_one_in_a_hundred(cohort: &[Embedding]) -> f64 {
    let cosine = |a: &Embedding, b: &Embedding| -> f64 {
        a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let people = embeddings();
    let people = &people[..PEOPLE - COPIES];
    let sides: Vec<_> = (people.iter())
        .map(|face| {
            let mut with: Vec<_> = cohort.iter().map(|other| cosine(face, other)).collect();
            with.retain(|cosine| *cosine < SAME_PERSON);
            with.sort_by(|a, b| b.total_cmp(a));
            let top = &with[..TOP];
            let mean = top.iter().sum::<f64>() / TOP as f64;
            let variance = top.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / TOP as f64;
            (mean, variance.sqrt())
        })
        .collect();
    let mut scores = Vec::new();
    for (at, (mean, deviation)) in sides.iter().enumerate() {
        for (other, (other_mean, other_deviation)) in sides.iter().enumerate().take(at) {
            let cosine = cosine(&people[at], &people[other]);
            let standard =
                f64::midpoint((cosine - mean) / deviation, (cosine - other_mean) / other_deviation);
            scores.push(LEVEL + SPREAD * standard);
        }
    }
    scores.sort_by(|a, b| b.total_cmp(a));
    scores[scores.len() / 100]
}

#[test]
fn people_are_compared_beside_the_cohort_of_the_scale_in_use() {
    let service = service_with_people();
    let contract = Catalogue::load(&[]).unwrap().set("sface").unwrap().contract();
    let cohort = cohort();
    let members: Vec<_> = (cohort.iter())
        .map(|embedding| CohortMember { person: None, embedding: embedding.clone() })
        .collect();
    let save = async { store(&service).templates().save_cohort(&contract, &members).await.unwrap() };
    let id = service.runtime.block_on(save);
    let in_use = scale(&id);
    let activated = activate(&service, &in_use);
    assert!(activated.status.success(), "{activated:?}");
    let report = service.folder().join("report");
    let output = calibrate(&service, &["--out", report.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(report.join("report.html")).unwrap();
    assert!(page.contains("compared with a cohort of 1000 people as well"), "{page}");
    let (file, _) = written(&service);
    assert_eq!(file.transformation, in_use.transformation);
    assert_eq!(file.version, in_use.version);
    let half = file.points.iter().find(|point| point.percentage == 50.0).unwrap();
    let expected = score_of_one_in_a_hundred(&cohort);
    assert!((half.cosine - expected).abs() < 0.001, "{} {expected}", half.cosine);
    // It can be activated in turn, as it names the same cohort.
    let activated = activate(&service, &file);
    assert!(activated.status.success(), "{activated:?}");
    // Without its cohort nothing is computed.
    service.runtime.block_on(service.store.execute("DELETE FROM store.cohort_member WHERE position = 999"));
    let output = calibrate(&service, &[]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains(&format!("the cohort {id}")), "{}", stderr(&output));
}
