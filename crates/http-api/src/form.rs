use actix_web::{
    HttpRequest,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE},
    web::Bytes,
};
use padan_domain::{InvalidBirthDate, InvalidNationalId, InvalidPersonName, Photo, ReasonCode};
use padan_verification::InvalidFieldText;

use crate::{
    body::{Body, reserve},
    body_memory::HeldMemory,
    charset::{self, CharsetFault},
    field::{Field, FieldNames},
    inflate::inflate,
    json_form,
    multipart::{self, MalformedMultipart, NoBoundary, Part, shown_encoding},
    refusal::Refusal,
};

/// A form in multipart or JSON, read whole. Fields may come in any order; those of unknown names are ignored.
pub struct Form(Vec<Field>);

/// How a body is divided into fields.
enum BodyFormat {
    Multipart { boundary: String },
    Json,
}

impl Form {
    /// Reads the form from the body of a request.
    pub(crate) async fn read(
        body: &Body,
        request: &HttpRequest,
        names: FieldNames<'_>,
    ) -> Result<Self, Refusal> {
        let mut bytes = body.read(request).await?;
        let format = body_format(request)?;
        if content_encoding(request)? == ContentEncoding::Gzip {
            bytes = inflate(body, bytes).await?;
        }
        if bytes.is_empty() {
            return Err(MalformedMultipart::NoBody.into());
        }
        match format {
            BodyFormat::Multipart { boundary } => {
                Self::of(multipart::parts(&bytes, &boundary)?, names.all, || body.reservation())
            }
            BodyFormat::Json => json_form::fields(&bytes, names, &|| body.reservation()).map(Self),
        }
    }

    /// Divides a multipart body that was read by somebody else.
    pub(crate) fn of_multipart(bytes: &Bytes, content_type: &str, known: &[&str]) -> Result<Self, Refusal> {
        let boundary = multipart::boundary(content_type).map_err(|fault| match fault {
            NoBoundary::AnotherType => Refusal::new(ReasonCode::UnsupportedMediaType),
            NoBoundary::Malformed(fault) => fault.into(),
        })?;
        Self::of(multipart::parts(bytes, &boundary)?, known, HeldMemory::uncounted)
    }

    #[cfg(test)]
    pub(crate) fn of_fields(fields: Vec<Field>) -> Self {
        Self(fields)
    }

    /// `reservation` gives the memory for a decoded part.
    fn of(
        mut parts: Vec<Part>,
        known: &[&str],
        reservation: impl Fn() -> HeldMemory,
    ) -> Result<Self, Refusal> {
        parts.retain(|part| known.contains(&part.name.as_str()));
        let times = |field: &str| parts.iter().filter(|part| part.name == field).count();
        if known.iter().any(|field| times(field) > 1) {
            return Err(MalformedMultipart::Form.into());
        }
        let fields = parts.into_iter().map(|part| {
            let mut memory = reservation();
            reserve(&mut memory, part.decoding_bytes())?;
            let data = part.decoded(memory)?;
            let charset = part.text_charset();
            Ok(Field { name: part.name, charset, data: Some(data) })
        });
        fields.collect::<Result<_, _>>().map(Self)
    }

    /// Parses a required text field.
    pub(crate) fn required<T>(
        &self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, FieldFault>,
    ) -> Result<T, Refusal> {
        let parsed = self.parsed(field, parse)?.unwrap_or(Err(FieldFault::Missing));
        parsed.map_err(|fault| fault.of(field))
    }

    /// Parses an optional text field. One that was sent empty is malformed, and null is refused: a claim that cannot be
    /// compared must not pass as a claim that was not made.
    pub(crate) fn optional<T>(
        &self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, FieldFault>,
    ) -> Result<Option<T>, Refusal> {
        let parsed = self.parsed(field, parse)?;
        parsed.transpose().map_err(|_| FieldFault::Malformed.of(field))
    }

    /// The parsed text of a field; `None` when it was not sent.
    fn parsed<T>(
        &self,
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, FieldFault>,
    ) -> Result<Option<Result<T, FieldFault>>, Refusal> {
        let Some(sent) = self.field(field) else {
            return Ok(None);
        };
        let data = sent.data.as_ref().ok_or_else(|| FieldFault::Missing.of(field))?;
        let parsed = match data.len() {
            0..=Field::MAX_TEXT_BYTES => match charset::decode(data, sent.charset.as_deref()) {
                Ok(text) => parse(&text),
                Err(CharsetFault::Invalid) => Err(FieldFault::Malformed),
                Err(CharsetFault::Unknown) => {
                    let charset = shown_encoding(sent.charset.as_deref().unwrap_or_default());
                    return Err(MalformedMultipart::UnsupportedCharset(charset).into());
                }
            },
            _ => Err(FieldFault::Malformed),
        };
        Ok(Some(parsed))
    }

    /// The bytes of a required file.
    pub(crate) fn required_file(&self, field: &str) -> Result<Bytes, Refusal> {
        self.field(field)
            .and_then(|field| field.data.clone())
            .filter(|data| !data.is_empty())
            .ok_or_else(|| Refusal::missing(field))
    }

    /// A required photo.
    pub(crate) fn required_photo(&self, field: &str) -> Result<Photo, Refusal> {
        Photo::try_from(self.required_file(field)?)
            .map_err(|_| Refusal::of_photo(ReasonCode::UnsupportedImage, field))
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|field| field.name == name)
    }
}

/// Why a field is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldFault {
    /// The field was not sent, or contains nothing to compare.
    Missing,
    /// The field does not have its documented form.
    Malformed,
}

impl FieldFault {
    /// The refusal that names the field.
    fn of(self, field: &str) -> Refusal {
        match (self, field) {
            (Self::Missing, field) => Refusal::missing(field),
            (Self::Malformed, "nik") => Refusal::new(ReasonCode::InvalidNik),
            (Self::Malformed, "name") => Refusal::new(ReasonCode::InvalidName),
            (Self::Malformed, "date_of_birth") => Refusal::new(ReasonCode::InvalidDob),
            (Self::Malformed, other) => Refusal::invalid(other),
        }
    }
}

impl From<InvalidNationalId> for FieldFault {
    fn from(InvalidNationalId: InvalidNationalId) -> Self {
        Self::Malformed
    }
}

impl From<InvalidBirthDate> for FieldFault {
    fn from(InvalidBirthDate: InvalidBirthDate) -> Self {
        Self::Malformed
    }
}

impl From<InvalidPersonName> for FieldFault {
    fn from(error: InvalidPersonName) -> Self {
        match error {
            InvalidPersonName::Empty | InvalidPersonName::TooLong => Self::Malformed,
        }
    }
}

impl From<InvalidFieldText> for FieldFault {
    fn from(error: InvalidFieldText) -> Self {
        match error {
            InvalidFieldText::Empty => Self::Missing,
            InvalidFieldText::Malformed => Self::Malformed,
        }
    }
}

/// The format that the Content-Type names. Every format but multipart and JSON is refused.
fn body_format(request: &HttpRequest) -> Result<BodyFormat, Refusal> {
    let unsupported = || Refusal::new(ReasonCode::UnsupportedMediaType);
    let mut sent = request.headers().get_all(CONTENT_TYPE);
    let content_type = sent.next().ok_or_else(unsupported)?;
    // Another reader could take the other one.
    if sent.any(|other| other != content_type) {
        return Err(unsupported());
    }
    let content_type = String::from_utf8_lossy(content_type.as_bytes());
    let (kind, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    if kind.trim().eq_ignore_ascii_case("application/json") {
        return json_charset(parameters).map(|()| BodyFormat::Json);
    }
    let boundary = multipart::boundary(&content_type).map_err(|fault| match fault {
        NoBoundary::AnotherType => unsupported(),
        NoBoundary::Malformed(fault) => fault.into(),
    })?;
    Ok(BodyFormat::Multipart { boundary })
}

/// Checks that JSON is in UTF-8, the only charset that it has. Other parameters are ignored.
fn json_charset(parameters: &str) -> Result<(), Refusal> {
    match multipart::parameter(parameters, "charset")
        .map(|charset| charset.trim().to_ascii_lowercase())
        .as_deref()
    {
        None | Some("" | "utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => Err(Refusal::unsupported_json_charset(&shown_encoding(other))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentEncoding {
    Identity,
    Gzip,
}

/// How the body is compressed. Every encoding but gzip is refused by its name, and so are several in a row.
fn content_encoding(request: &HttpRequest) -> Result<ContentEncoding, Refusal> {
    let values = request.headers().get_all(CONTENT_ENCODING);
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let named = values.join(",").to_ascii_lowercase();
    let encodings = named.split(',').map(str::trim).filter(|encoding| !matches!(*encoding, "" | "identity"));
    match encodings.collect::<Vec<_>>().as_slice() {
        [] => Ok(ContentEncoding::Identity),
        ["gzip" | "x-gzip"] => Ok(ContentEncoding::Gzip),
        others => Err(Refusal::unsupported_encoding(&shown_encoding(&others.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Result<Form, Refusal> {
        let part = |(name, value): &(&str, &str)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = fields.iter().map(part).collect::<Vec<_>>().concat() + "--b--";
        let parts = multipart::parts(&Bytes::from(body), "b")?;
        Form::of(parts, &["nik", "name", "date_of_birth", "city"], HeldMemory::uncounted)
    }

    fn reason<T>(result: Result<T, Refusal>) -> String {
        result.err().unwrap().to_string()
    }

    #[test]
    fn a_known_field_occurs_once_and_unknown_ones_any_number_of_times() {
        assert!(form(&[("nik", "1"), ("x", "1"), ("x", "2")]).is_ok());
        assert!(form(&[("nik", "1"), ("nik", "1")]).is_err());
    }

    fn any(text: &str) -> Result<String, FieldFault> {
        if text.is_empty() { Err(FieldFault::Missing) } else { Ok(text.to_owned()) }
    }

    #[test]
    fn an_absent_field_is_missing_and_an_empty_one_is_parsed() {
        let form = form(&[("nik", ""), ("city", "")]).unwrap();
        let nik = |text: &str| Ok(text.parse::<padan_domain::NationalId>()?);
        assert_eq!(reason(form.required("nik", nik)), "Invalid NIK number format");
        assert_eq!(reason(form.optional("nik", nik)), "Invalid NIK number format");
        assert_eq!(reason(form.required("city", any)), "city is required");
        assert_eq!(reason(form.required("name", any)), "name is required");
        assert_eq!(reason(form.optional("city", any)), "Invalid city format", "it need not be sent");
        assert_eq!(reason(form.required_file("face_image")), "face_image is required");
        assert_eq!(form.optional("name", any).unwrap(), None);
    }

    #[test]
    fn text_that_cannot_be_decoded_is_no_other_text() {
        let part = |headers: &str, text: &[u8]| {
            let head = format!("--b\r\nContent-Disposition: form-data; name=\"name\"\r\n{headers}\r\n\r\n");
            let body = [head.as_bytes(), text, b"\r\n--b--"].concat();
            let parts = multipart::parts(&Bytes::from(body), "b").unwrap();
            Form::of(parts, &["name"], HeldMemory::uncounted).and_then(|form| form.required("name", any))
        };
        let code_page = part("Content-Type: text/plain; charset=cp850", b"Nurh\xa0liza");
        assert_eq!(reason(code_page), "charset cp850 of a part is not supported");
        // Four letters that happen to be base64, and a real name in it.
        let never_encoded = part("Content-Transfer-Encoding: base64", b"Budi");
        assert_eq!(reason(never_encoded), "Invalid name format");
        assert_eq!(part("Content-Transfer-Encoding: base64", b"UmVuw6k=").unwrap(), "René");
        let latin = part(
            "Content-Type: text/plain; charset=latin1\r\nContent-Transfer-Encoding: base64",
            b"UmVu6Q==",
        );
        assert_eq!(latin.unwrap(), "René");
    }

    #[test]
    fn each_field_has_its_own_refusal() {
        let too_long = "1".repeat(4097);
        let fields = ["nik", "name", "date_of_birth", "city"];
        let form = form(&fields.map(|field| (field, too_long.as_str()))).unwrap();
        for (field, words) in [
            ("nik", "Invalid NIK number format"),
            ("name", "Invalid name format"),
            ("date_of_birth", "Invalid date_of_birth format"),
            ("city", "Invalid city format"),
        ] {
            assert_eq!(reason(form.required(field, any)), words);
        }
    }
}
