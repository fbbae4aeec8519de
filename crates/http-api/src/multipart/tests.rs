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
        assert_eq!(parse(&whole[..length]), Err(MalformedMultipart), "{:?}", &whole[..length]);
    }
    assert!(parse("--xYz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xYz--").is_err());
    assert!(parse("--xYz\r\n\r\n1\r\n--xYz--").is_err());
    assert!(parse("--xYz\r\nno header\r\n\r\n1\r\n--xYz--").is_err());
    assert!(parse(&format!("{}--xYz--", format!("{HEAD}1\r\n").repeat(65))).is_err());
}

#[test]
fn boundaries_are_read_as_clients_write_them() {
    let boundary = |text| super::boundary(text).unwrap();
    assert_eq!(boundary("multipart/form-data; boundary=abc"), "abc");
    assert_eq!(boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b;c\""), "a b;c");
    assert_eq!(boundary("multipart/form-data; boundary=----=_Part_1_2.3"), "----=_Part_1_2.3");
    assert_eq!(super::boundary("multipart/form-data"), Err(NoBoundary::Missing));
    assert_eq!(super::boundary("multipart/form-data; boundary="), Err(NoBoundary::Missing));
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
