//! Every kind of invalid input in the contract, sent to the running service.

use chrono::{Days, TimeDelta, Utc};
use padan_domain::Clock;
use padan_test_service::{
    Answer, BUDI, CREDENTIALS, Claim, DISABLED, ELSEWHERE, Photos, TestService, UNKNOWN, file, text_fields,
};
use reqwest::blocking::multipart::{Form, Part};

const FACE: &str = "/identity/v1/face-verification";

#[test]
fn missing_and_malformed_fields_are_refused() {
    let service = TestService::start();
    let missing = |form: Form, field: &str| {
        service.send(form).assert_refused(400, "MISSING_FIELD", &format!("{field} is required"));
    };
    let selfie = Photos::read("101_s1.jpg");
    missing(Form::new().text("x", "1"), "nik");
    missing(text_fields(&[("name", "x"), ("date_of_birth", "x")]), "nik");
    missing(text_fields(&[("nik", BUDI), ("date_of_birth", "x")]).part("face_image", file(b"x")), "name");
    missing(text_fields(&[("nik", BUDI), ("name", "Budi")]).part("face_image", file(b"x")), "date_of_birth");
    missing(text_fields(&[("nik", BUDI), ("name", "Budi"), ("date_of_birth", "14-03-1987")]), "face_image");
    missing(Claim::matching().photo(b"".as_slice()).form(), "face_image");

    for nik in [
        "",
        "317401140387000",
        "31740114038700000",
        "317401140387000x",
        " 3174011403870000",
        "3174011403870000 ",
        "３１７４０１１４０３８７００００",
        "3174-0114-0387-00",
        &"3".repeat(5000),
    ] {
        service.verify(&Claim::matching().nik(nik)).assert_refused(
            400,
            "INVALID_NIK",
            "Invalid NIK number format",
        );
    }
    let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::hours(31)).format("%d-%m-%Y").to_string();
    for date in
        ["", "14/03/1987", "1987-03-14", "14-3-1987", "31-02-1990", "29-02-1900", "00-00-0000", &tomorrow]
    {
        service.verify(&Claim::matching().date_of_birth(date)).assert_refused(
            400,
            "INVALID_DOB",
            "Invalid date_of_birth format",
        );
    }
    for name in ["", " . ", "--", &"x".repeat(257)] {
        service.verify(&Claim::matching().name(name)).assert_refused(
            400,
            "INVALID_NAME",
            "Invalid name format",
        );
    }
    let basic = |field: &str| {
        service.send_to("/identity/v1/verification", text_fields(&[("nik", BUDI), (field, "")])).body_reason()
    };
    assert_eq!(basic("date_of_birth"), "Invalid date_of_birth format");
    assert_eq!(basic("city"), "Invalid city format");

    // The order: nik, name, date of birth, photo.
    let all_wrong = Claim::matching().nik("x").name("").date_of_birth("x").photo(b"x".as_slice());
    assert_eq!(service.verify(&all_wrong).reason_code, "INVALID_NIK");
    assert_eq!(service.verify(&all_wrong.clone().nik(BUDI)).body_reason(), "Invalid name format");
    assert_eq!(service.verify(&all_wrong.clone().nik(BUDI).name("B")).reason_code, "INVALID_DOB");
    let only_photo = all_wrong.nik(BUDI).name("B").date_of_birth("14-03-1987");
    assert_eq!(service.verify(&only_photo).reason_code, "UNSUPPORTED_IMAGE");

    let twice = Claim::matching().form().text("nik", BUDI);
    service.send(twice).assert_refused(400, "MALFORMED_FORM", "Malformed multipart form");
    let unknown_twice = Claim::matching().form().text("x", "1").text("x", "2");
    assert_eq!(service.send(unknown_twice).reason_code, "VERIFIED");
    let file_first = Form::new()
        .part("face_image", file(&selfie))
        .part("date_of_birth", file(b"14-03-1987"))
        .text("name", "Budi Santoso")
        .text("nik", BUDI);
    assert_eq!(
        service.send(file_first).reason_code,
        "VERIFIED",
        "parts may have any order, and text may be sent as a file"
    );
}

#[test]
fn a_date_of_birth_lies_in_the_future_until_its_day_begins_in_jakarta() {
    let day = Utc::now().date_naive();
    // Jakarta is seven hours ahead of UTC.
    let begins = (day - Days::new(1)).and_hms_opt(17, 0, 0).unwrap().and_utc();
    for (now, status, code) in
        [(begins - TimeDelta::seconds(1), 400, "INVALID_DOB"), (begins, 200, "DOB_MISMATCH")]
    {
        let service = TestService::prepare("").clock(Clock::Fixed(now)).start();
        let born = day.format("%d-%m-%Y").to_string();
        let fields = text_fields(&[("nik", BUDI), ("date_of_birth", &born)]);
        let answer = service.send_to("/identity/v1/verification", fields);
        assert_eq!((answer.status, &*answer.reason_code), (status, code), "{now}");
    }
}

#[test]
fn text_is_read_in_the_charset_of_its_part() {
    let service = TestService::start();
    let name = |part: Part| {
        text_fields(&[("nik", BUDI), ("date_of_birth", "14-03-1987")])
            .part("name", part)
            .part("face_image", file(&Photos::read("101_s1.jpg")))
    };
    let with_charset = |bytes: &[u8], charset: &str| {
        name(Part::bytes(bytes.to_vec()).mime_str(&format!("text/plain; charset={charset}")).unwrap())
    };
    // Accents are ignored in names, in every charset.
    for form in [
        name(Part::bytes("Bùdi Santoso".as_bytes().to_vec())),
        name(Part::bytes(b"B\xf9di Santoso".to_vec())),
        with_charset(b"B\xf9di Santoso", "ISO-8859-1"),
        with_charset("Bùdi Santoso".as_bytes(), "UTF-8"),
        with_charset(b"\xff\xfeB\0\xf9\0d\0i\0 \0S\0a\0n\0t\0o\0s\0o\0", "UTF-16"),
    ] {
        assert_eq!(service.send(form).reason_code, "VERIFIED");
    }
}

#[test]
fn unusable_photos_are_refused() {
    let service = TestService::with("[inference.limits]\nmax_megapixels = 0.5\n");
    let verify_photo = |photo: bytes::Bytes| service.verify(&Claim::matching().photo(photo));
    for other in [&b"GIF89a......"[..], b"%PDF-1.7", b"RIFF....WEBPVP8 ", b"\x89PN", b"x"] {
        verify_photo(other.into()).assert_refused(415, "UNSUPPORTED_IMAGE", "face_image must be PNG or JPEG");
    }
    let selfie = Photos::read("101_s1.jpg");
    let unreadable = |photo: bytes::Bytes| {
        verify_photo(photo).assert_refused(400, "IMAGE_UNREADABLE", "face_image cannot be decoded");
    };
    unreadable(selfie.slice(..selfie.len() / 2));
    unreadable(selfie.slice(..selfie.len() - 100));
    // Cut off, but with the end marker of a complete file.
    unreadable([&selfie[..selfie.len() / 2], b"\xff\xd9"].concat().into());
    unreadable(b"\xff\xd8\xff\xe0 no photo".as_slice().into());
    let png = Photos::png(&Photos::selfie());
    unreadable(png.slice(..png.len() - 400));
    unreadable(b"\x89PNG\r\n\x1a\n".as_slice().into());

    let large = image::imageops::resize(&Photos::selfie(), 864, 1080, image::imageops::FilterType::Nearest);
    verify_photo(Photos::png(&large)).assert_refused(400, "IMAGE_TOO_LARGE", "face_image is too large");
    verify_photo(Photos::without_face()).assert_refused(400, "NO_FACE", "No face detected in face_image");
    verify_photo(Photos::cut_off()).assert_refused(
        400,
        "FACE_COVERED",
        "Face in face_image is covered or cut off",
    );
    verify_photo(Photos::two_faces()).assert_refused(
        400,
        "SEVERAL_FACES",
        "More than one face detected in face_image",
    );
    verify_photo(Photos::small_face()).assert_refused(
        400,
        "FACE_TOO_SMALL",
        "Face in face_image is too small",
    );
    verify_photo(Photos::blurred()).assert_refused(400, "FACE_BLURRED", "Face in face_image is too blurred");
    verify_photo(Photos::exposed(0.08, 0.0)).assert_refused(
        400,
        "FACE_TOO_DARK",
        "Face in face_image is too dark",
    );
    verify_photo(Photos::exposed(2.0, 120.0)).assert_refused(
        400,
        "FACE_TOO_BRIGHT",
        "Face in face_image is too bright",
    );

    // An unusable photo takes precedence over a different name, and an unknown NIK over an unusable photo.
    let bad = Claim::matching().name("Agus").photo(Photos::without_face());
    assert_eq!(service.verify(&bad).reason_code, "NO_FACE");
    assert_eq!(service.verify(&bad.nik(UNKNOWN)).reason_code, "NIK_NOT_FOUND");
    // A PNG is recognised whatever its file name and content type are.
    assert_eq!(verify_photo(png).reason_code, "VERIFIED");
}

#[test]
fn a_face_turned_too_far_is_refused() {
    let service = TestService::with("[inference.quality]\nmax_yaw = 0.0001\n");
    service.verify(&Claim::matching().photo(Photos::read("101_s2.jpg"))).assert_refused(
        400,
        "FACE_TURNED",
        "Face in face_image is turned too far",
    );
}

#[test]
fn missing_wrong_and_forbidden_credentials_are_refused() {
    let service = TestService::start();
    let [user, password, key] = CREDENTIALS;
    let form = || Claim::matching().form();
    let bare = || service.client.post(format!("http://{}{FACE}", service.address)).multipart(form());
    let unauthorized = |answer: Answer| {
        answer.assert_refused(401, "UNAUTHORIZED", "Missing or wrong credentials");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
    };
    unauthorized(bare().send().unwrap().into());
    unauthorized(bare().basic_auth(user, Some(password)).send().unwrap().into());
    unauthorized(bare().header("x-api-key", key).send().unwrap().into());
    unauthorized(bare().bearer_auth("token").header("x-api-key", key).send().unwrap().into());
    for wrong in [
        [user, password, "other"],
        [user, "other", key],
        ["other", password, key],
        ["default-username", "default-password", "default-api-key"],
        ["demo", "demo", "demo"],
        [DISABLED[0], "other", DISABLED[2]],
    ] {
        unauthorized(service.request("POST", FACE, wrong).multipart(form()).send().unwrap().into());
    }
    for not_allowed in [DISABLED, ELSEWHERE] {
        let answer = service.request("POST", FACE, not_allowed).multipart(form()).send().unwrap();
        Answer::from(answer).assert_refused(403, "FORBIDDEN", "Client is not allowed");
    }
    let basic = service.request("POST", "/identity/v1/verification", [user, password, "other"]);
    unauthorized(basic.multipart(text_fields(&[("nik", BUDI)])).send().unwrap().into());
    // Credentials are checked before everything else.
    let nothing_right = service.client.post(format!("http://{}{FACE}", service.address)).body("{}");
    unauthorized(nothing_right.send().unwrap().into());
}

#[test]
fn unknown_paths_methods_and_content_types_are_refused() {
    let service = TestService::start();
    for path in ["/", "/identity/v1", "/identity/v1/face-verification/x", "/metrics", "/readyz"] {
        let answer = service.request("POST", path, CREDENTIALS).body("{}").send().unwrap();
        Answer::from(answer).assert_refused(404, "NOT_FOUND", "Not found");
    }
    for (method, path, allow) in [
        ("GET", FACE, "POST"),
        ("PUT", FACE, "POST"),
        ("OPTIONS", "/identity/v1/verification", "POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("DELETE", "/docs", "GET, HEAD"),
    ] {
        let answer = Answer::from(service.request(method, path, CREDENTIALS).send().unwrap());
        answer.assert_refused(405, "METHOD_NOT_ALLOWED", "Method not allowed");
        assert_eq!(answer.headers["allow"], allow);
    }
    for content_type in ["text/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=b"] {
        let request = service.request("POST", FACE, CREDENTIALS).header("content-type", content_type);
        Answer::from(request.body("{}").send().unwrap()).assert_refused(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            "Content-Type must be multipart/form-data or application/json",
        );
    }
    let document = service.client.get(format!("http://{}/openapi.json", service.address)).send().unwrap();
    let answer = Answer::from(document);
    assert_eq!((answer.status, &*answer.reason_code), (200, "OK"));
    assert!(answer.json()["paths"][FACE]["post"].is_object());
    let page = service.client.get(format!("http://{}/docs", service.address)).send().unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
}
