use bytes::Bytes;
use reqwest::blocking::multipart;

use crate::{photos::Photos, site::BUDI};

/// The four fields of a face verification. Methods change single fields.
#[derive(Clone)]
pub struct Claim {
    /// The NIK.
    pub nik: String,
    /// The name.
    pub name: String,
    /// The date of birth.
    pub date_of_birth: String,
    /// The selfie.
    pub photo: Bytes,
}

impl Claim {
    /// Budi's data and a selfie of his, which match the registry.
    pub fn matching() -> Self {
        Self {
            nik: BUDI.to_owned(),
            name: "Budi Santoso".to_owned(),
            date_of_birth: "14-03-1987".to_owned(),
            photo: Photos::read("101_s1.jpg"),
        }
    }

    /// The claim with another NIK.
    #[must_use]
    pub fn nik(mut self, nik: &str) -> Self {
        nik.clone_into(&mut self.nik);
        self
    }

    /// The claim with another name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The claim with another date of birth.
    #[must_use]
    pub fn date_of_birth(mut self, date: &str) -> Self {
        date.clone_into(&mut self.date_of_birth);
        self
    }

    /// The claim with another selfie.
    #[must_use]
    pub fn photo(mut self, photo: impl Into<Bytes>) -> Self {
        self.photo = photo.into();
        self
    }

    /// The form that a client sends.
    pub fn form(&self) -> multipart::Form {
        text_fields(&[("nik", &self.nik), ("name", &self.name), ("date_of_birth", &self.date_of_birth)])
            .part("face_image", file(&self.photo))
    }
}

/// A form of text fields.
pub fn text_fields(fields: &[(&str, &str)]) -> multipart::Form {
    fields.iter().fold(multipart::Form::new(), |form, (name, value)| {
        form.text((*name).to_owned(), (*value).to_owned())
    })
}

/// A file as the Node SDK sends it.
pub fn file(bytes: &[u8]) -> multipart::Part {
    multipart::Part::bytes(bytes.to_vec()).file_name("blob").mime_str("application/octet-stream").unwrap()
}

/// The form of a comparison of two photos.
pub fn pair(captured: &Bytes, stored: &Bytes) -> multipart::Form {
    multipart::Form::new().part("captured_image", file(captured)).part("stored_image", file(stored))
}
