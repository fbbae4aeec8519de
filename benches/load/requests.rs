use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use padan_load::{Person, Selfie, read_people, read_selfies};

use crate::arguments::{Arguments, RequestKind};

/// The boundary between the parts of a form, which does not occur in a photo.
const BOUNDARY: &str = "padan-load-7f3e1c9a5b2d4860";

/// The requests that are sent in turn, repeatedly.
#[derive(Debug)]
pub(crate) struct Requests {
    host: String,
    authorization: String,
    api_key: String,
    forms: Vec<Form>,
}

/// The path and the body of a request.
#[derive(Debug, Clone, PartialEq)]
struct Form {
    path: &'static str,
    body: Bytes,
}

impl Requests {
    /// Reads the people, and the selfies if faces are verified.
    pub(crate) fn read(arguments: &Arguments) -> Result<Self> {
        let folder = &arguments.people;
        let people = read_people(folder)?;
        let mut faces = Vec::new();
        if arguments.ask != RequestKind::Fields {
            let selfies = if arguments.photos.is_empty() {
                read_selfies(folder, &people, &arguments.sizes)?
            } else {
                for_each_person(&people, &read_photos(&arguments.photos)?)
            };
            faces.extend(selfies.iter().map(|Selfie { person, photo }| face_form(person, photo)));
        }
        let fields = people.iter().map(fields_form).collect();
        let forms = match arguments.ask {
            RequestKind::Faces => faces,
            RequestKind::Fields => fields,
            RequestKind::Both => in_turn(&faces, &fields),
        };
        ensure!(!forms.is_empty(), "{} has no person with an active record and a selfie", folder.display());
        let Arguments { url, user, password, api_key, .. } = arguments;
        Ok(Self {
            host: url.clone(),
            authorization: format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            api_key: api_key.clone(),
            forms,
        })
    }

    /// The request with this number; after the last form, the first one is used again.
    pub(crate) fn request(&self, number: u64) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let Form { path, body } = &self.forms[(number % self.forms.len() as u64) as usize];
        Request::post(*path)
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, &self.authorization)
            .header("x-api-key", &self.api_key)
            .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(Full::new(body.clone()))
    }
}

fn read_photos(files: &[PathBuf]) -> Result<Vec<Bytes>> {
    let read = |file: &PathBuf| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    files.iter().map(|file| Ok(read(file)?.into())).collect()
}

/// Each photo for each person; the photo changes from one to the next.
fn for_each_person(people: &[Person], photos: &[Bytes]) -> Vec<Selfie> {
    let with = |person: &Person| {
        let person = person.clone();
        photos.iter().map(move |photo| Selfie { person: person.clone(), photo: photo.clone() })
    };
    people.iter().flat_map(with).collect()
}

/// Faces and fields in turn, until all of both have been used.
fn in_turn<T: Clone>(faces: &[T], fields: &[T]) -> Vec<T> {
    let count = faces.len().max(fields.len());
    let pairs = faces.iter().cycle().zip(fields.iter().cycle()).take(count);
    pairs.flat_map(|(face, fields)| [face.clone(), fields.clone()]).collect()
}

fn face_form(person: &Person, photo: &[u8]) -> Form {
    let mut body = text_parts(person);
    body.extend_from_slice(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"face_image\"; filename=\"selfie\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(photo);
    body.extend_from_slice(b"\r\n");
    Form { path: "/identity/v1/face-verification", body: closed(body) }
}

fn fields_form(person: &Person) -> Form {
    Form { path: "/identity/v1/verification", body: closed(text_parts(person)) }
}

fn text_parts(person: &Person) -> Vec<u8> {
    let date = person.date_of_birth.format("%d-%m-%Y").to_string();
    [("nik", &person.nik), ("name", &person.name), ("date_of_birth", &date)]
        .map(|(name, value)| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .concat()
        .into_bytes()
}

fn closed(mut body: Vec<u8>) -> Bytes {
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body.into()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn both_kinds_alternate_until_all_were_used() {
        assert_eq!(in_turn(&[1, 2, 3], &[10]), [1, 10, 2, 10, 3, 10]);
        assert_eq!(in_turn(&[1], &[]), Vec::<i32>::new());
    }

    #[test]
    fn each_photo_is_sent_for_each_person() {
        let born = NaiveDate::from_ymd_opt(1987, 3, 14).unwrap_or_default();
        let people = ["1", "2"].map(|nik| Person::new(nik, "Budi Santoso", born));
        let photos = ["a", "b"].map(Bytes::from);
        let selfies = for_each_person(&people, &photos);
        let sent: Vec<_> = selfies.iter().map(|selfie| (&selfie.person.nik[..], &selfie.photo[..])).collect();
        assert_eq!(sent, [("1", &b"a"[..]), ("1", b"b"), ("2", b"a"), ("2", b"b")]);
    }

    #[test]
    fn a_form_has_its_parts_and_its_end() {
        let born = NaiveDate::from_ymd_opt(1987, 3, 14).unwrap_or_default();
        let person = Person::new("3174011403870000", "Budi Santoso", born);
        let form = face_form(&person, b"\xff\xd8");
        let body = String::from_utf8_lossy(&form.body);
        assert!(body.contains("name=\"date_of_birth\"\r\n\r\n14-03-1987\r\n"), "{body}");
        assert!(form.body.windows(4).any(|bytes| bytes == b"\xff\xd8\r\n"), "{body}");
        assert!(body.ends_with(&format!("\r\n--{BOUNDARY}--\r\n")), "{body}");
        assert!(!String::from_utf8_lossy(&fields_form(&person).body).contains("face_image"));
    }
}
