use proptest::prelude::*;

use super::*;

fn parse(body: &str) -> Result<Vec<(String, String)>, MalformedMultipart> {
    let parts = parts(&Bytes::copy_from_slice(body.as_bytes()), "xYz")?;
    Ok(parts.into_iter().map(|part| (part.name, String::from_utf8(part.data.to_vec()).unwrap())).collect())
}

fn pair(name: &str, data: &str) -> (String, String) {
    (name.to_owned(), data.to_owned())
}

const HEAD: &str = "--xYz\r\nContent-Disposition: form-data; name=\"nik\"\r\n\r\n";

#[test]
fn a_form_is_taken_apart() {
    let body = format!(
        "{HEAD}3174\r\n--xYz\r\ncontent-disposition:form-data;filename=\"a;b=\\\"c\\\".jpg\"; name=name\r\n\
         Content-Type: text/plain\r\n\r\nBudi\r\n\r\n--xYzz\r\n--xYz--\r\nepilogue"
    );
    assert_eq!(parse(&body).unwrap(), [pair("nik", "3174"), pair("name", "Budi\r\n\r\n--xYzz")]);
}

#[test]
fn empty_parts_and_preambles_are_taken() {
    assert_eq!(parse(&format!("{HEAD}\r\n--xYz--")).unwrap(), [pair("nik", "")]);
    assert_eq!(
        parse(&format!("preamble\r\n{HEAD}1\r\n--xYz  \r\n{}2\r\n--xYz--", &HEAD[7..])).unwrap().len(),
        2
    );
    assert_eq!(parse("--xYz--").unwrap(), []);
    let no_blank_line_of_its_own = "--xYz\r\nContent-Disposition: form-data; name=\"nik\"\r\n\r\n--xYz--";
    assert_eq!(parse(no_blank_line_of_its_own).unwrap(), [pair("nik", "")]);
}

#[test]
fn what_is_cut_off_or_nameless_is_refused() {
    let whole = format!("{HEAD}3174\r\n--xYz--");
    for length in 0..whole.len() {
        let begins = length >= "--xYz".len();
        let expected =
            if begins { MalformedMultipart::CutOff } else { MalformedMultipart::BoundaryNotInBody };
        assert_eq!(parse(&whole[..length]), Err(expected), "{:?}", &whole[..length]);
    }
    assert!(parse("--xYz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xYz--").is_err());
    assert!(parse("--xYz\r\n\r\n1\r\n--xYz--").is_err());
    assert!(parse("--xYz\r\nno header\r\n\r\n1\r\n--xYz--").is_err());
    assert!(parse(&format!("{}--xYz--", format!("{HEAD}1\r\n").repeat(65))).is_err());
}

#[test]
fn a_boundary_that_does_not_occur_is_named_as_the_fault() {
    for body in
        ["", "--xY\r\n", "--other\r\nContent-Disposition: form-data; name=\"nik\"\r\n\r\n1\r\n--other--"]
    {
        assert_eq!(parse(body), Err(MalformedMultipart::BoundaryNotInBody), "{body}");
    }
}

#[test]
fn headers_may_be_folded_over_lines() {
    for head in [
        "Content-Disposition: form-data;\r\n name=\"nik\"",
        "Content-Disposition:\r\n\tform-data;\r\n\tfilename=\"a.jpg\";\r\n name=\"nik\"",
        "Content-Disposition: form-data;\n name=\"nik\";\r\n \r\n filename=\"a\"\r\nContent-Type:\r\n text/plain",
        "X: 1\r\n 2\r\nContent-Disposition: form-data; name\r\n =\"nik\"",
    ] {
        assert_eq!(
            parse(&format!("--xYz\r\n{head}\r\n\r\n3174\r\n--xYz--")).unwrap(),
            [pair("nik", "3174")],
            "{head}"
        );
    }
    let first = "--xYz\r\n Content-Disposition: form-data; name=\"nik\"\r\n\r\n1\r\n--xYz--";
    assert_eq!(parse(first), Err(MalformedMultipart::Form), "there is no header to continue");
}

#[test]
fn lines_may_end_in_lf_alone() {
    let whole = format!(
        "preamble\r\n{HEAD}3174\r\n--xYz\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name=name\r\n\r\n\
         Budi\r\n\r\n--xYz\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xYz--\r\n"
    );
    let fields = [pair("nik", "3174"), pair("name", "Budi\r\n"), pair("empty", "")];
    assert_eq!(parse(&whole).unwrap(), fields);
    let lf = whole.replace("\r\n", "\n");
    assert_eq!(parse(&lf).unwrap(), [pair("nik", "3174"), pair("name", "Budi\n"), pair("empty", "")]);
    // Some clients end only some of the lines so.
    let ends: Vec<_> = whole.match_indices("\r\n").map(|(at, _)| at).collect();
    for (number, at) in ends.into_iter().enumerate() {
        let mixed = format!("{}{}", &whole[..at], &whole[at + 1..]);
        let parsed = parse(&mixed).unwrap();
        assert_eq!(parsed.len(), 3, "line {number}");
        assert_eq!((&parsed[0], &parsed[2]), (&fields[0], &fields[2]), "line {number}");
    }
}

#[test]
fn the_transfer_encoding_of_a_part_is_decoded_or_refused() {
    let part = |headers: &str, data: &str| {
        let body =
            format!("--b\r\n{headers}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{data}\r\n--b--");
        let part = parts(&body.into(), "b")?.remove(0);
        assert!([0, data.len(), 2 * data.len()].contains(&part.decoding_bytes()));
        part.decoded(HeldMemory::uncounted())
    };
    assert_eq!(part("Content-Transfer-Encoding: base64", "Qn\r\nVkaQ==").unwrap(), "Budi");
    assert_eq!(part("content-transfer-encoding:\r\n quoted-printable", "B=75di").unwrap(), "Budi");
    assert_eq!(part("Content-Transfer-Encoding: binary", "B=75di").unwrap(), "B=75di");
    for (header, text) in [
        ("Content-Transfer-Encoding: x-uue", "Content-Transfer-Encoding x-uue of a part is not supported"),
        ("Content-Encoding: gzip", "Content-Encoding gzip of a part is not supported"),
        (
            "Content-Transfer-Encoding: <\"\u{e9}",
            "Content-Transfer-Encoding without a name of a part is not supported",
        ),
    ] {
        assert_eq!(part(header, "x").unwrap_err().to_string(), text);
    }
}

#[test]
fn boundaries_are_read_as_clients_write_them() {
    let boundary = |text| super::boundary(text).unwrap();
    assert_eq!(boundary("multipart/form-data; boundary=abc"), "abc");
    assert_eq!(boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b;c\""), "a b;c");
    assert_eq!(boundary("multipart/form-data; boundary=----=_Part_1_2.3"), "----=_Part_1_2.3");
    let refused = |text| match super::boundary(text).unwrap_err() {
        NoBoundary::AnotherType => panic!("{text} is a form"),
        NoBoundary::Malformed(fault) => fault,
    };
    for missing in
        ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=boundary"]
    {
        assert_eq!(refused(missing), MalformedMultipart::NoBoundary, "{missing}");
    }
    let comma = refused("multipart/form-data, boundary=abc");
    assert_eq!(comma.to_string(), "Content-Type has a comma before boundary, where a semicolon must be");
    assert_eq!(refused("multipart/form-data,a; boundary=abc"), comma);
    let blank = refused("multipart/form-data boundary=abc");
    assert_eq!(blank.to_string(), "Content-Type has a blank before boundary, where a semicolon must be");
    assert_eq!(boundary("multipart/form-data ; boundary=abc"), "abc");
    let long = format!("multipart/form-data; boundary={}", "x".repeat(201));
    assert_eq!(refused(&long), MalformedMultipart::LongBoundary);
    assert_eq!(super::boundary("multipart/mixed; boundary=a"), Err(NoBoundary::AnotherType));
    assert_eq!(super::boundary("application/json"), Err(NoBoundary::AnotherType));
}

#[test]
fn the_charset_of_a_part_is_kept() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\nContent-Type: text/plain; \
                charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nRen\u{e9}\r\n--b--";
    let parts = parts(&Bytes::copy_from_slice(body.as_bytes()), "b").unwrap();
    assert_eq!(parts[0].charset.as_deref(), Some("ISO-8859-1"));
}

proptest! {
    #[test]
    fn any_bytes_come_back_as_they_were(
        data in proptest::collection::vec(
            prop_oneof![any::<u8>().prop_map(|byte| vec![byte]), Just(b"\r\n--bound".to_vec()), Just(b"\r\n".to_vec())],
            0..40,
        ),
    ) {
        let data = data.concat();
        let mut body = b"--boundary\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n".to_vec();
        body.extend_from_slice(&data);
        body.extend_from_slice(b"\r\n--boundary\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n\r\n--boundary--\r\n");
        let parts = parts(&body.into(), "boundary").unwrap();
        prop_assert_eq!(parts.len(), 2);
        prop_assert_eq!(&parts[0].data[..], &data[..]);
        prop_assert!(parts[1].data.is_empty());
    }

    #[test]
    fn no_body_panics(body in proptest::collection::vec(
        prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            Just(b"\r\n".to_vec()),
            Just(b"--b".to_vec()),
            Just(b"Content-Disposition: form-data; name=\"".to_vec()),
        ],
        0..60,
    )) {
        let _ = parts(&body.concat().into(), "b");
    }

    #[test]
    fn no_content_type_panics(text in "\\PC{0,60}") {
        let _ = super::boundary(&text);
        let _ = super::boundary(&format!("multipart/form-data; {text}"));
    }
}

#[test]
fn a_header_that_two_readers_may_read_differently_is_refused() {
    let refused = |headers: &str| {
        let body = format!("--xYz\r\n{headers}\r\n\r\n1\r\n--xYz--");
        parse(&body).err().map(|fault| fault.to_string())
    };
    let disposition = |name: &str| format!("Content-Disposition: form-data; name=\"{name}\"");
    let twice = |one: &str, other: &str| format!("{one}\r\n{other}");
    assert_eq!(
        refused(&twice(&disposition("x"), &disposition("nik"))).unwrap(),
        "A part has content-disposition twice"
    );
    let types =
        twice("Content-Type: text/plain; charset=utf-8", "content-type: text/plain; charset=utf-16le");
    assert_eq!(refused(&twice(&disposition("nik"), &types)).unwrap(), "A part has content-type twice");
    // Nobody reads these differently.
    assert_eq!(refused(&twice(&disposition("nik"), &disposition("nik"))), None);
    assert_eq!(refused(&twice(&disposition("nik"), "X-A: 1\r\nX-A: 2")), None);
}
