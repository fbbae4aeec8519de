//! Each kind of wrong input of the contract, sent to the running service.

use reqwest::blocking::multipart::{Form, Part};

use crate::{
    photos::Photos,
    served::{Answer, Claim, Served, file, text_fields},
    site::{BUDI, CREDENTIALS, DISABLED, ELSEWHERE, UNKNOWN},
};

const FACE: &str = "/identity/v1/face-verification";

#[test]
fn fields_that_are_missing_or_malformed() {
    let served = Served::start();
    let missing = |form: Form, field: &str| {
        served.send(form).assert_refused(400, "MISSING_FIELD", &format!("{field} is required"));
    };
    let selfie = Photos::read("101_s1.jpg");
    missing(Form::new().text("x", "1"), "nik");
    missing(text_fields(&[("name", "x"), ("date_of_birth", "x")]), "nik");
    missing(text_fields(&[("nik", BUDI), ("date_of_birth", "x")]).part("face_image", file(b"x")), "name");
    missing(text_fields(&[("nik", BUDI), ("name", "Budi")]).part("face_image", file(b"x")), "date_of_birth");
    missing(text_fields(&[("nik", BUDI), ("name", "Budi"), ("date_of_birth", "14-03-1987")]), "face_image");
    missing(Claim::true_one().photo(b"".as_slice()).form(), "face_image");

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
        served.verify(&Claim::true_one().nik(nik)).assert_refused(
            400,
            "INVALID_NIK",
            "Invalid NIK number format",
        );
    }
    let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::hours(31)).format("%d-%m-%Y").to_string();
    for date in
        ["", "14/03/1987", "1987-03-14", "14-3-1987", "31-02-1990", "29-02-1900", "00-00-0000", &tomorrow]
    {
        served.verify(&Claim::true_one().date_of_birth(date)).assert_refused(
            400,
            "INVALID_DOB",
            "Invalid date_of_birth format",
        );
    }
    for name in ["", " . ", "--", &"x".repeat(257)] {
        served.verify(&Claim::true_one().name(name)).assert_refused(
            400,
            "INVALID_NAME",
            "Invalid name format",
        );
    }
    let basic = |field: &str| {
        served.send_to("/identity/v1/verification", text_fields(&[("nik", BUDI), (field, "")])).body_reason()
    };
    assert_eq!(basic("date_of_birth"), "Invalid date_of_birth format");
    assert_eq!(basic("city"), "city is required");

    // The order: nik, name, date of birth, photo.
    let all_wrong = Claim::true_one().nik("x").name("").date_of_birth("x").photo(b"x".as_slice());
    assert_eq!(served.verify(&all_wrong).reason_code, "INVALID_NIK");
    assert_eq!(served.verify(&all_wrong.clone().nik(BUDI)).body_reason(), "Invalid name format");
    assert_eq!(served.verify(&all_wrong.clone().nik(BUDI).name("B")).reason_code, "INVALID_DOB");
    let only_photo = all_wrong.nik(BUDI).name("B").date_of_birth("14-03-1987");
    assert_eq!(served.verify(&only_photo).reason_code, "UNSUPPORTED_IMAGE");

    let twice = Claim::true_one().form().text("nik", BUDI);
    served.send(twice).assert_refused(400, "MALFORMED_FORM", "Malformed multipart form");
    let unknown_twice = Claim::true_one().form().text("x", "1").text("x", "2");
    assert_eq!(served.send(unknown_twice).reason_code, "VERIFIED");
    let file_first = Form::new()
        .part("face_image", file(&selfie))
        .part("date_of_birth", file(b"14-03-1987"))
        .text("name", "Budi Santoso")
        .text("nik", BUDI);
    assert_eq!(served.send(file_first).reason_code, "VERIFIED", "parts in any order, text as a file as well");
}

#[test]
fn text_is_read_in_the_charset_of_its_part() {
    let served = Served::start();
    let name = |part: Part| {
        text_fields(&[("nik", BUDI), ("date_of_birth", "14-03-1987")])
            .part("name", part)
            .part("face_image", file(&Photos::read("101_s1.jpg")))
    };
    let with_charset = |bytes: &[u8], charset: &str| {
        name(Part::bytes(bytes.to_vec()).mime_str(&format!("text/plain; charset={charset}")).unwrap())
    };
    // An accent does not count in a name, whichever bytes it is written in.
    for form in [
        name(Part::bytes("Bùdi Santoso".as_bytes().to_vec())),
        name(Part::bytes(b"B\xf9di Santoso".to_vec())),
        with_charset(b"B\xf9di Santoso", "ISO-8859-1"),
        with_charset("Bùdi Santoso".as_bytes(), "UTF-8"),
        with_charset(b"\xff\xfeB\0\xf9\0d\0i\0 \0S\0a\0n\0t\0o\0s\0o\0", "UTF-16"),
    ] {
        assert_eq!(served.send(form).reason_code, "VERIFIED");
    }
}

#[test]
fn photos_that_cannot_be_judged() {
    let served = Served::with("[inference.limits]\nmax_megapixels = 0.5\n");
    let ask = |photo: bytes::Bytes| served.verify(&Claim::true_one().photo(photo));
    for other in [&b"GIF89a......"[..], b"%PDF-1.7", b"RIFF....WEBPVP8 ", b"\x89PN", b"x"] {
        ask(other.into()).assert_refused(415, "UNSUPPORTED_IMAGE", "face_image must be PNG or JPEG");
    }
    let selfie = Photos::read("101_s1.jpg");
    let unreadable = |photo: bytes::Bytes| {
        ask(photo).assert_refused(400, "IMAGE_UNREADABLE", "face_image cannot be decoded");
    };
    unreadable(selfie.slice(..selfie.len() / 2));
    unreadable(selfie.slice(..selfie.len() - 100));
    // Cut off, and given the end marker of a whole file.
    unreadable([&selfie[..selfie.len() / 2], b"\xff\xd9"].concat().into());
    unreadable(b"\xff\xd8\xff\xe0 no photo".as_slice().into());
    let png = Photos::png(&Photos::selfie());
    unreadable(png.slice(..png.len() - 400));
    unreadable(b"\x89PNG\r\n\x1a\n".as_slice().into());

    let large = image::imageops::resize(&Photos::selfie(), 864, 1080, image::imageops::FilterType::Nearest);
    ask(Photos::png(&large)).assert_refused(400, "IMAGE_TOO_LARGE", "face_image is too large");
    ask(Photos::without_face()).assert_refused(400, "NO_FACE", "No face detected in face_image");
    ask(Photos::two_faces()).assert_refused(
        400,
        "SEVERAL_FACES",
        "More than one face detected in face_image",
    );
    ask(Photos::small_face()).assert_refused(400, "FACE_TOO_SMALL", "Face in face_image is too small");
    ask(Photos::blurred()).assert_refused(400, "FACE_BLURRED", "Face in face_image is too blurred");
    ask(Photos::exposed(0.08, 0.0)).assert_refused(400, "FACE_TOO_DARK", "Face in face_image is too dark");
    ask(Photos::exposed(2.0, 120.0)).assert_refused(
        400,
        "FACE_TOO_BRIGHT",
        "Face in face_image is too bright",
    );

    // A bad photo wins over a name that differs; an unknown NIK wins over a bad photo.
    let bad = Claim::true_one().name("Agus").photo(Photos::without_face());
    assert_eq!(served.verify(&bad).reason_code, "NO_FACE");
    assert_eq!(served.verify(&bad.nik(UNKNOWN)).reason_code, "NIK_NOT_FOUND");
    // A PNG under the name and type of something else is a PNG.
    assert_eq!(ask(png).reason_code, "VERIFIED");
}

#[test]
fn a_face_turned_further_than_allowed() {
    let served = Served::with("[inference.quality]\nmax_yaw = 0.0001\n");
    served.verify(&Claim::true_one().photo(Photos::read("101_s2.jpg"))).assert_refused(
        400,
        "FACE_TURNED",
        "Face in face_image is turned too far",
    );
}

#[test]
fn credentials_that_are_missing_wrong_or_not_allowed() {
    let served = Served::start();
    let [user, password, key] = CREDENTIALS;
    let form = || Claim::true_one().form();
    let bare = || served.client.post(format!("http://{}{FACE}", served.address)).multipart(form());
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
        unauthorized(served.request("POST", FACE, wrong).multipart(form()).send().unwrap().into());
    }
    for not_allowed in [DISABLED, ELSEWHERE] {
        let answer = served.request("POST", FACE, not_allowed).multipart(form()).send().unwrap();
        Answer::from(answer).assert_refused(403, "FORBIDDEN", "Client is not allowed");
    }
    let basic = served.request("POST", "/identity/v1/verification", [user, password, "other"]);
    unauthorized(basic.multipart(text_fields(&[("nik", BUDI)])).send().unwrap().into());
    // Credentials come before everything else.
    let nothing_right = served.client.post(format!("http://{}{FACE}", served.address)).body("{}");
    unauthorized(nothing_right.send().unwrap().into());
}

#[test]
fn paths_methods_and_types_that_are_none() {
    let served = Served::start();
    for path in ["/", "/identity/v1", "/identity/v1/face-verification/x", "/metrics", "/readyz"] {
        let answer = served.request("POST", path, CREDENTIALS).body("{}").send().unwrap();
        Answer::from(answer).assert_refused(404, "NOT_FOUND", "Not found");
    }
    for (method, path, allow) in [
        ("GET", FACE, "POST"),
        ("PUT", FACE, "POST"),
        ("OPTIONS", "/identity/v1/verification", "POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("DELETE", "/docs", "GET, HEAD"),
    ] {
        let answer = Answer::from(served.request(method, path, CREDENTIALS).send().unwrap());
        answer.assert_refused(405, "METHOD_NOT_ALLOWED", "Method not allowed");
        assert_eq!(answer.headers["allow"], allow);
    }
    for content_type in
        ["application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=b"]
    {
        let request = served.request("POST", FACE, CREDENTIALS).header("content-type", content_type);
        Answer::from(request.body("{}").send().unwrap()).assert_refused(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            "Content-Type must be multipart/form-data",
        );
    }
    let document = served.client.get(format!("http://{}/openapi.json", served.address)).send().unwrap();
    let answer = Answer::from(document);
    assert_eq!((answer.status, &*answer.reason_code), (200, "OK"));
    assert!(answer.json()["paths"][FACE]["post"].is_object());
    let page = served.client.get(format!("http://{}/docs", served.address)).send().unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
}

impl Answer {
    fn body_reason(&self) -> String {
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}
