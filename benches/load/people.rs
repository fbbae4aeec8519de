use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use chrono::NaiveDate;
use rayon::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};

use crate::size::Size;

/// A line of `people.csv`: a person in the registry.
#[derive(Debug, Clone, Deserialize)]
pub struct Person {
    /// The identity number, 16 digits.
    pub nik: String,
    /// The name in the registry.
    pub name: String,
    /// The date of birth in the registry.
    pub date_of_birth: NaiveDate,
    status: String,
}

/// A photo of a person, as a client sends it.
#[derive(Debug, Clone)]
pub struct Selfie {
    /// The person in the photo.
    pub person: Person,
    /// The encoded image.
    pub photo: Bytes,
}

/// A line of `selfies.csv`.
#[derive(Debug, Deserialize)]
struct Line {
    nik: String,
    file: String,
}

impl Person {
    /// A person with an active record.
    pub fn new(nik: &str, name: &str, date_of_birth: NaiveDate) -> Self {
        Self { nik: nik.to_owned(), name: name.to_owned(), date_of_birth, status: "active".to_owned() }
    }
}

/// Reads the people with an active record from a folder's `people.csv`.
///
/// # Errors
/// When the file cannot be read.
pub fn read_people(folder: &Path) -> Result<Vec<Person>> {
    let mut people: Vec<Person> = read_list(&folder.join("people.csv"))?;
    people.retain(|person| person.status == "active");
    Ok(people)
}

/// Reads the photos of these people from a folder's `selfies.csv`, each enlarged to every size. Without sizes they are
/// returned as they are.
///
/// # Errors
/// When a file cannot be read or a photo cannot be decoded.
pub fn read_selfies(folder: &Path, people: &[Person], sizes: &[Size]) -> Result<Vec<Selfie>> {
    let lines: Vec<Line> = read_list(&folder.join("selfies.csv"))?;
    let mut wanted = Vec::new();
    for Line { nik, file } in lines {
        if let Some(person) = people.iter().find(|person| person.nik == nik) {
            let file = folder.join(file);
            let photo = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            wanted.push((person, Bytes::from(photo)));
        }
    }
    if sizes.is_empty() {
        return Ok(wanted
            .into_iter()
            .map(|(person, photo)| Selfie { person: person.clone(), photo })
            .collect());
    }
    // In parallel, because it takes seconds for photos of 12 megapixels.
    let each = wanted.par_iter().flat_map_iter(|photo| sizes.iter().map(move |size| (photo, size)));
    let enlarged = each.map(|((person, photo), size)| {
        let photo = size.enlarge(photo).context("cannot enlarge a selfie")?;
        Ok(Selfie { person: (*person).clone(), photo })
    });
    enlarged.collect()
}

fn read_list<T: DeserializeOwned>(file: &Path) -> Result<Vec<T>> {
    let read = || csv::Reader::from_path(file)?.into_deserialize().collect::<Result<_, _>>();
    read().with_context(|| format!("cannot read {}", file.display()))
}
