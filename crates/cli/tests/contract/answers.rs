//! What the running service answers to forms that are in order.

use padan_domain::CitizenStatus;
use padan_registry::SampleRegistry;

use crate::{
    photos::Photos,
    served::{Claim, Served, text_fields},
    site::{BROKEN_PORTRAIT, BUDI, DECEASED, DUPLICATE, INACTIVE, UNKNOWN, WITHOUT_PORTRAIT, person},
};

/// Many faces for one person at the same time, which the limit of failed faces would let wait for each other.
const ALL_AT_ONCE: &str = "[verification]\nfailed_faces = { most = 0, window_seconds = 900 }\n";

#[test]
fn the_documented_answers_byte_for_byte() {
    let served = Served::start();
    let verified = served.verify(&Claim::true_one());
    assert_eq!((verified.status, &*verified.reason_code), (200, "VERIFIED"));
    assert!(verified.percentage() >= 75.0);
    assert_eq!(
        verified.without_percentage(),
        r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":P}}"#
    );

    served.verify(&Claim::true_one().nik(UNKNOWN)).assert(
        200,
        "NIK_NOT_FOUND",
        r#"{"verification_status":false,"reason":"NIK not found on Dukcapil database","result":{"nik":false,"name":null,"date_of_birth":null,"face_image_percentage":0}}"#,
    );

    let name = served.verify(&Claim::true_one().name("Budi Santosa"));
    assert_eq!((name.status, &*name.reason_code), (200, "NAME_MISMATCH"));
    assert_eq!(
        name.without_percentage(),
        r#"{"verification_status":false,"reason":"Name does not match","result":{"nik":true,"name":false,"date_of_birth":true,"face_image_percentage":P}}"#
    );
    assert_eq!(
        name.percentage().to_bits(),
        verified.percentage().to_bits(),
        "each field is judged by itself"
    );

    let born = served.verify(&Claim::true_one().date_of_birth("15-03-1987"));
    assert_eq!((born.status, &*born.reason_code), (200, "DOB_MISMATCH"));
    assert_eq!(
        born.without_percentage(),
        r#"{"verification_status":false,"reason":"Date of birth does not match","result":{"nik":true,"name":true,"date_of_birth":false,"face_image_percentage":P}}"#
    );

    let stranger = served.verify(&Claim::true_one().photo(Photos::read("118_s1.jpg")));
    assert_eq!((stranger.status, &*stranger.reason_code), (200, "FACE_MISMATCH"));
    assert!(stranger.percentage() < 75.0);
    assert_eq!(
        stranger.without_percentage(),
        r#"{"verification_status":false,"reason":"Selfie image does not pass the threshold","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":P}}"#
    );

    let all = Claim::true_one().name("Agus").date_of_birth("01-01-1990").photo(Photos::read("118_s1.jpg"));
    let all = served.verify(&all);
    assert_eq!(all.reason_code, "NAME_MISMATCH", "the first in the order");
    assert_eq!(all.json()["result"]["date_of_birth"], false);

    served.verify(&Claim::true_one().nik("317401140387000")).assert(
        400,
        "INVALID_NIK",
        r#"{"verification_status":false,"reason":"Invalid NIK number format"}"#,
    );
    served.verify(&Claim::true_one().date_of_birth("1987-03-14")).assert(
        400,
        "INVALID_DOB",
        r#"{"verification_status":false,"reason":"Invalid date_of_birth format"}"#,
    );
}

#[test]
fn records_and_portraits_that_cannot_be_compared() {
    let served = Served::start();
    for (nik, code, word) in [
        (DECEASED, "NIK_DECEASED", "deceased"),
        (DUPLICATE, "NIK_DUPLICATE", "duplicate"),
        (INACTIVE, "NIK_INACTIVE", "inactive"),
    ] {
        // Neither the name, which is another's, nor the photo, which is none, is looked at.
        let claim = Claim::true_one().nik(nik).photo(b"\xff\xd8\xff no photo".as_slice());
        served.verify(&claim).assert(
            200,
            code,
            &format!(
                r#"{{"verification_status":false,"reason":"NIK is registered as {word}","result":{{"nik":true,"name":null,"date_of_birth":null,"face_image_percentage":null}}}}"#
            ),
        );
    }
    // Asked twice: the second time the store knows that the portrait is of no use.
    for nik in [WITHOUT_PORTRAIT, BROKEN_PORTRAIT, BROKEN_PORTRAIT] {
        served.verify(&Claim::true_one().nik(nik)).assert(
            200,
            "NO_REFERENCE_PHOTO",
            r#"{"verification_status":false,"reason":"No reference photo for this NIK","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":null}}"#,
        );
        let named = served.verify(&Claim::true_one().nik(nik).name("Agus"));
        assert_eq!(named.reason_code, "NAME_MISMATCH", "a name that differs comes first");
    }
}

#[test]
fn a_portrait_that_changes_is_embedded_anew() {
    let served = Served::start();
    let claim = Claim::true_one();
    let first = served.verify(&claim).percentage();
    assert_eq!(served.verify(&claim).percentage().to_bits(), first.to_bits(), "kept and read again");
    served.runtime.block_on(async {
        let mut changed = person(BUDI, "Budi Santoso", CitizenStatus::Active, Some("118_id.jpg"));
        changed.portrait.as_mut().unwrap().1 += chrono::TimeDelta::seconds(1);
        let mut registry = SampleRegistry::connect(&served.registry.url().into()).await.unwrap();
        registry.put(&changed).await.unwrap();
    });
    assert_eq!(served.verify(&claim).reason_code, "FACE_MISMATCH");
}

#[test]
fn the_same_selfie_gives_the_same_percentage_on_every_connection() {
    let served = Served::start();
    let claim = Claim::true_one();
    let alone = served.verify(&claim).percentage();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| (0..13).map(|_| served.verify(&claim).percentage()).collect::<Vec<_>>()))
            .collect();
        for caller in callers {
            for percentage in caller.join().unwrap() {
                assert_eq!(percentage.to_bits(), alone.to_bits());
            }
        }
    });
}

#[test]
fn basic_verification_tells_of_what_was_sent() {
    let served = Served::start();
    let ask = |fields: &[(&str, &str)]| served.send_to("/identity/v1/verification", text_fields(fields));
    ask(&[("nik", BUDI)]).assert(
        200,
        "VERIFIED",
        r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true}}"#,
    );
    ask(&[
        ("rt", "3"),
        ("gender", "Laki-laki"),
        ("province", "DKI Jakarta"),
        ("mother_maiden_name", "SITI MARUFAH"),
        ("date_of_birth", "14-03-1987"),
        ("name", "budi santoso"),
        ("nik", BUDI),
        ("shoe_size", "42"),
    ])
    .assert(
        200,
        "VERIFIED",
        r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true,"name":true,"date_of_birth":true,"mother_maiden_name":true,"gender":true,"province":null,"rt":true}}"#,
    );
    ask(&[("nik", BUDI), ("rt", "4"), ("city", "Bandung")]).assert(
        200,
        "FIELD_MISMATCH",
        r#"{"verification_status":false,"reason":"city does not match","result":{"nik":true,"city":false,"rt":false}}"#,
    );
    ask(&[("nik", BUDI), ("city", "Bandung"), ("name", "Agus")]).assert(
        200,
        "NAME_MISMATCH",
        r#"{"verification_status":false,"reason":"Name does not match","result":{"nik":true,"name":false,"city":false}}"#,
    );
    ask(&[("nik", BUDI), ("date_of_birth", "15-03-1987")]).assert(
        200,
        "DOB_MISMATCH",
        r#"{"verification_status":false,"reason":"Date of birth does not match","result":{"nik":true,"date_of_birth":false}}"#,
    );
    ask(&[("nik", UNKNOWN), ("name", "Budi Santoso")]).assert(
        200,
        "NIK_NOT_FOUND",
        r#"{"verification_status":false,"reason":"NIK not found on Dukcapil database","result":{"nik":false,"name":null}}"#,
    );
    ask(&[("nik", DECEASED), ("name", "Agus")]).assert(
        200,
        "NIK_DECEASED",
        r#"{"verification_status":false,"reason":"NIK is registered as deceased","result":{"nik":true,"name":null}}"#,
    );
    ask(&[("name", "Budi Santoso")]).assert_refused(400, "MISSING_FIELD", "nik is required");
    ask(&[("nik", BUDI), ("city", "")]).assert_refused(400, "MISSING_FIELD", "city is required");
    ask(&[("nik", "3174")]).assert_refused(400, "INVALID_NIK", "Invalid NIK number format");
    ask(&[("nik", BUDI), ("date_of_birth", "1987")]).assert_refused(
        400,
        "INVALID_DOB",
        "Invalid date_of_birth format",
    );
    ask(&[("nik", BUDI), ("name", &"x".repeat(300))]).assert_refused(
        400,
        "INVALID_NAME",
        "Invalid name format",
    );
    ask(&[("nik", BUDI), ("no_kk", "3174")]).assert_refused(400, "INVALID_FIELD", "Invalid no_kk format");
}

#[test]
fn the_rules_of_a_site_are_followed() {
    let names = "names = { jaro_winkler = { at_least = 0.95 } }";
    let served = Served::with(&format!("[verification]\ncheck_nik_structure = true\n{names}\n"));
    let claim = || Claim::true_one().photo(Photos::read("101_s1.jpg"));
    assert_eq!(
        served.verify(&claim().name("Budi Santosa")).reason_code,
        "VERIFIED",
        "one letter is forgiven"
    );
    assert_eq!(served.verify(&claim().name("Agus Wijaya")).reason_code, "NAME_MISMATCH");
    let no_month = claim().nik("3174011413870000");
    served.verify(&no_month).assert(
        400,
        "INVALID_NIK",
        r#"{"verification_status":false,"reason":"Invalid NIK number format"}"#,
    );
}

#[test]
fn more_photos_than_may_wait_are_refused_and_the_rest_answered() {
    // The first request has two photos embedded, and both must find a place.
    let served = Served::with(&format!("{ALL_AT_ONCE}[inference]\nworkers = 1\nqueue_length = 2\n"));
    assert_eq!(served.verify(&Claim::true_one()).status, 200, "from here on nobody is enrolled");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..24).map(|_| scope.spawn(|| served.verify(&Claim::true_one()))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let refused = answers.iter().filter(|answer| answer.status == 429).collect::<Vec<_>>();
    assert!(!refused.is_empty() && answers.iter().any(|answer| answer.status == 200));
    assert_eq!(answers.iter().filter(|answer| answer.status != 200).count(), refused.len());
    for answer in refused {
        assert_eq!(answer.reason_code, "OVERLOADED");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(served.verify(&Claim::true_one()).status, 200, "it serves again afterwards");
}
