//! The answers of the running service to valid forms.

use padan_domain::CitizenStatus;
use padan_registry::SampleRegistry;
use padan_test_service::{
    BROKEN_PORTRAIT, BUDI, Claim, DECEASED, DUPLICATE, INACTIVE, Photos, TestService, UNKNOWN,
    WITHOUT_PORTRAIT, person, text_fields,
};

/// Turns off the limit of failed faces, under which simultaneous requests about one person wait for each other.
const WITHOUT_FACE_LIMIT: &str = "[verification]\nfailed_faces = { most = 0, window_seconds = 900 }\n";

#[test]
fn answers_are_the_documented_ones_byte_for_byte() {
    let service = TestService::start();
    let verified = service.verify(&Claim::matching());
    assert_eq!((verified.status, &*verified.reason_code), (200, "VERIFIED"));
    assert!(verified.percentage() >= 75.0);
    assert_eq!(
        verified.without_percentage(),
        r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":P}}"#
    );

    service.verify(&Claim::matching().nik(UNKNOWN)).assert(
        200,
        "NIK_NOT_FOUND",
        r#"{"verification_status":false,"reason":"NIK not found on Dukcapil database","result":{"nik":false,"name":null,"date_of_birth":null,"face_image_percentage":0}}"#,
    );

    let name = service.verify(&Claim::matching().name("Budi Santosa"));
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

    let born = service.verify(&Claim::matching().date_of_birth("15-03-1987"));
    assert_eq!((born.status, &*born.reason_code), (200, "DOB_MISMATCH"));
    assert_eq!(
        born.without_percentage(),
        r#"{"verification_status":false,"reason":"Date of birth does not match","result":{"nik":true,"name":true,"date_of_birth":false,"face_image_percentage":P}}"#
    );

    let stranger = service.verify(&Claim::matching().photo(Photos::read("118_s1.jpg")));
    assert_eq!((stranger.status, &*stranger.reason_code), (200, "FACE_MISMATCH"));
    assert!(stranger.percentage() < 75.0);
    assert_eq!(
        stranger.without_percentage(),
        r#"{"verification_status":false,"reason":"Selfie image does not pass the threshold","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":P}}"#
    );

    let all = Claim::matching().name("Agus").date_of_birth("01-01-1990").photo(Photos::read("118_s1.jpg"));
    let all = service.verify(&all);
    assert_eq!(all.reason_code, "NAME_MISMATCH", "the first mismatch gives the reason");
    assert_eq!(all.json()["result"]["date_of_birth"], false);

    service.verify(&Claim::matching().nik("317401140387000")).assert(
        400,
        "INVALID_NIK",
        r#"{"verification_status":false,"reason":"Invalid NIK number format"}"#,
    );
    service.verify(&Claim::matching().date_of_birth("1987-03-14")).assert(
        400,
        "INVALID_DOB",
        r#"{"verification_status":false,"reason":"Invalid date_of_birth format"}"#,
    );
}

#[test]
fn records_without_a_comparison_have_their_own_answers() {
    let service = TestService::start();
    for (nik, code, word) in [
        (DECEASED, "NIK_DECEASED", "deceased"),
        (DUPLICATE, "NIK_DUPLICATE", "duplicate"),
        (INACTIVE, "NIK_INACTIVE", "inactive"),
    ] {
        // Neither the name, which does not match, nor the photo, which is invalid, is examined.
        let claim = Claim::matching().nik(nik).photo(b"\xff\xd8\xff no photo".as_slice());
        service.verify(&claim).assert(
            200,
            code,
            &format!(
                r#"{{"verification_status":false,"reason":"NIK is registered as {word}","result":{{"nik":true,"name":null,"date_of_birth":null,"face_image_percentage":null}}}}"#
            ),
        );
    }
    // The broken portrait is requested twice: the second time the store knows that it is unusable.
    for nik in [WITHOUT_PORTRAIT, BROKEN_PORTRAIT, BROKEN_PORTRAIT] {
        service.verify(&Claim::matching().nik(nik)).assert(
            200,
            "NO_REFERENCE_PHOTO",
            r#"{"verification_status":false,"reason":"No reference photo for this NIK","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":null}}"#,
        );
        let named = service.verify(&Claim::matching().nik(nik).name("Agus"));
        assert_eq!(named.reason_code, "NAME_MISMATCH", "a name that differs takes precedence");
    }
}

#[test]
fn a_changed_portrait_is_embedded_again() {
    let service = TestService::prepare("").own_registry().start();
    let claim = Claim::matching();
    let first = service.verify(&claim).percentage();
    assert_eq!(
        service.verify(&claim).percentage().to_bits(),
        first.to_bits(),
        "the template is stored and reused"
    );
    service.runtime.block_on(async {
        let mut changed = person(BUDI, "Budi Santoso", CitizenStatus::Active, Some("118_id.jpg"));
        changed.portrait.as_mut().unwrap().1 += chrono::TimeDelta::seconds(1);
        let mut registry = SampleRegistry::connect(&service.registry.url().into()).await.unwrap();
        registry.put(&changed).await.unwrap();
    });
    assert_eq!(service.verify(&claim).reason_code, "FACE_MISMATCH");
}

#[test]
fn the_same_selfie_gives_the_same_percentage_on_every_connection() {
    let service = TestService::start();
    let claim = Claim::matching();
    let alone = service.verify(&claim).percentage();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| (0..13).map(|_| service.verify(&claim).percentage()).collect::<Vec<_>>()))
            .collect();
        for caller in callers {
            for percentage in caller.join().unwrap() {
                assert_eq!(percentage.to_bits(), alone.to_bits());
            }
        }
    });
}

#[test]
fn basic_verification_answers_for_the_fields_that_were_sent() {
    let service = TestService::start();
    let verify_fields =
        |fields: &[(&str, &str)]| service.send_to("/identity/v1/verification", text_fields(fields));
    verify_fields(&[("nik", BUDI)]).assert(
        200,
        "VERIFIED",
        r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true}}"#,
    );
    verify_fields(&[
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
    verify_fields(&[("nik", BUDI), ("rt", "4"), ("city", "Bandung")]).assert(
        200,
        "FIELD_MISMATCH",
        r#"{"verification_status":false,"reason":"city does not match","result":{"nik":true,"city":false,"rt":false}}"#,
    );
    verify_fields(&[("nik", BUDI), ("city", "Bandung"), ("name", "Agus")]).assert(
        200,
        "NAME_MISMATCH",
        r#"{"verification_status":false,"reason":"Name does not match","result":{"nik":true,"name":false,"city":false}}"#,
    );
    verify_fields(&[("nik", BUDI), ("date_of_birth", "15-03-1987")]).assert(
        200,
        "DOB_MISMATCH",
        r#"{"verification_status":false,"reason":"Date of birth does not match","result":{"nik":true,"date_of_birth":false}}"#,
    );
    verify_fields(&[("nik", UNKNOWN), ("name", "Budi Santoso")]).assert(
        200,
        "NIK_NOT_FOUND",
        r#"{"verification_status":false,"reason":"NIK not found on Dukcapil database","result":{"nik":false,"name":null}}"#,
    );
    verify_fields(&[("nik", DECEASED), ("name", "Agus")]).assert(
        200,
        "NIK_DECEASED",
        r#"{"verification_status":false,"reason":"NIK is registered as deceased","result":{"nik":true,"name":null}}"#,
    );
    verify_fields(&[("name", "Budi Santoso")]).assert_refused(400, "MISSING_FIELD", "nik is required");
    verify_fields(&[("nik", BUDI), ("city", "")]).assert_refused(400, "INVALID_FIELD", "Invalid city format");
    verify_fields(&[("nik", "3174")]).assert_refused(400, "INVALID_NIK", "Invalid NIK number format");
    verify_fields(&[("nik", BUDI), ("date_of_birth", "1987")]).assert_refused(
        400,
        "INVALID_DOB",
        "Invalid date_of_birth format",
    );
    verify_fields(&[("nik", BUDI), ("name", &"x".repeat(300))]).assert_refused(
        400,
        "INVALID_NAME",
        "Invalid name format",
    );
    verify_fields(&[("nik", BUDI), ("no_kk", "3174")]).assert_refused(
        400,
        "INVALID_FIELD",
        "Invalid no_kk format",
    );
}

#[test]
fn name_and_nik_rules_can_be_configured() {
    let names = "names = { jaro_winkler = { at_least = 0.95 } }";
    let service = TestService::with(&format!("[verification]\ncheck_nik_structure = true\n{names}\n"));
    let claim = || Claim::matching().photo(Photos::read("101_s1.jpg"));
    assert_eq!(
        service.verify(&claim().name("Budi Santosa")).reason_code,
        "VERIFIED",
        "one different letter is tolerated"
    );
    assert_eq!(service.verify(&claim().name("Agus Wijaya")).reason_code, "NAME_MISMATCH");
    let no_month = claim().nik("3174011413870000");
    service.verify(&no_month).assert(
        400,
        "INVALID_NIK",
        r#"{"verification_status":false,"reason":"Invalid NIK number format"}"#,
    );
}

#[test]
fn photos_beyond_the_queue_are_refused_and_the_others_answered() {
    // The first request embeds two photos, and the queue must have room for both.
    let service =
        TestService::with(&format!("{WITHOUT_FACE_LIMIT}[inference]\nworkers = 1\nqueue_length = 2\n"));
    assert_eq!(service.verify(&Claim::matching()).status, 200, "creates the template");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let requests: Vec<_> = (0..24).map(|_| scope.spawn(|| service.verify(&Claim::matching()))).collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    let refused = answers.iter().filter(|answer| answer.status == 429).collect::<Vec<_>>();
    let rows = service.recorded_requests();
    assert!(!refused.is_empty() && answers.iter().any(|answer| answer.status == 200));
    assert_eq!(answers.iter().filter(|answer| answer.status != 200).count(), refused.len());
    for answer in refused {
        assert_eq!(answer.reason_code, "OVERLOADED");
        assert!(answer.headers.contains_key("retry-after"));
        // It tells that the registry has the person, so it is recorded.
        let row = rows.iter().find(|row| row["request_id"] == answer.headers["request-id"].to_str().unwrap());
        let row = row.expect("a row");
        assert_eq!((&row["reason"], &row["client"]), (&"OVERLOADED".into(), &"bank".into()));
        assert_eq!(row["person_key"].as_str().unwrap().len(), 64);
    }
    assert_eq!(service.verify(&Claim::matching()).status, 200, "the service recovers");
}
