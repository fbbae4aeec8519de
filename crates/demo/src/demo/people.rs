use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, NaiveDate, Utc};
use padan_domain::{CitizenStatus, NationalId, PersonName};
use padan_evaluation::{CsvList, CsvRow};

/// How many invalid lines an error lists; the rest are only counted.
const MAX_FAULTS_SHOWN: usize = 20;

/// A folder with `people.csv`, the portraits that it names, and optionally selfies and photos of strangers.
pub(super) struct People {
    pub(super) folder: PathBuf,
    /// All people, in the order of the file.
    pub(super) all: Vec<Person>,
    /// The first selfie of each person in `selfies.csv`; `None` without that file.
    pub(super) selfies: Option<HashMap<NationalId, PathBuf>>,
    /// For each person in `strangers.csv` a photo of another person; `None` without that file.
    pub(super) strangers: Option<HashMap<NationalId, PathBuf>>,
}

/// One line of `people.csv`.
pub(super) struct Person {
    pub(super) nik: NationalId,
    pub(super) name: String,
    pub(super) date_of_birth: NaiveDate,
    pub(super) status: CitizenStatus,
    /// Relative to the folder.
    pub(super) portrait: Option<PathBuf>,
}

impl People {
    /// Reads the lists and checks that the files exist; photos are read later.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        if !folder.join("people.csv").is_file() {
            bail!(
                "{} does not exist: start in the project's folder, or name a folder of people with --people",
                folder.join("people.csv").display()
            );
        }
        let mut lines = HashMap::new();
        let all = read_list(
            folder,
            "people.csv",
            &["nik", "name", "date_of_birth", "status", "portrait"],
            |row| {
                let person = Person::parse(folder, row)?;
                match lines.insert(person.nik.clone(), row.row.line) {
                    None => Ok(person),
                    Some(earlier) => bail!("line {earlier} has the same NIK"),
                }
            },
        )?;
        let photos = |name: &str| -> Result<Option<HashMap<NationalId, PathBuf>>> {
            if !folder.join(name).is_file() {
                return Ok(None);
            }
            let rows = read_list(folder, name, &["nik", "file"], |row| {
                let nik = nik(row.column(0))?;
                if !lines.contains_key(&nik) {
                    bail!("people.csv does not have its NIK");
                }
                Ok((nik, photo_path(folder, row.column(1))?))
            })?;
            // Reversed, so that the first of several photos of a person is kept.
            Ok(Some(rows.into_iter().rev().collect()))
        };
        let (selfies, strangers) = (photos("selfies.csv")?, photos("strangers.csv")?);
        Ok(Self { folder: folder.to_owned(), all, selfies, strangers })
    }
}

impl Person {
    fn parse(folder: &Path, row: &Row<'_>) -> Result<Self> {
        let [nik_text, name, date, status, portrait] = [0, 1, 2, 3, 4].map(|index| row.column(index));
        PersonName::parse(name).context("name")?;
        Ok(Self {
            nik: nik(nik_text)?,
            name: name.to_owned(),
            date_of_birth: NaiveDate::parse_from_str(date, "%Y-%m-%d")
                .ok()
                .filter(|parsed| parsed.to_string() == date)
                .context("date_of_birth: expected a day as yyyy-mm-dd")?,
            status: status.parse().context("status")?,
            portrait: match portrait {
                "" => None,
                path => Some(photo_path(folder, path)?),
            },
        })
    }

    /// The portrait's path and the time of its last change.
    pub(super) fn portrait_in(&self, folder: &Path) -> Result<Option<(PathBuf, DateTime<Utc>)>> {
        let Some(portrait) = &self.portrait else {
            return Ok(None);
        };
        let path = folder.join(portrait);
        let changed = fs::metadata(&path)
            .and_then(|file| file.modified())
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some((path, changed.into())))
    }
}

/// A line of a list, its columns in the requested order.
struct Row<'a> {
    row: &'a CsvRow,
    columns: &'a [usize],
}

impl Row<'_> {
    fn column(&self, index: usize) -> &str {
        self.columns.get(index).and_then(|column| self.row.record.get(*column)).unwrap_or_default()
    }
}

/// Reads a list with a header line. The error names the invalid lines; none is skipped.
fn read_list<T>(
    folder: &Path,
    name: &str,
    columns: &[&str],
    mut parse: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let path = folder.join(name);
    let list = CsvList::read(&path)?;
    let columns: Vec<_> =
        columns.iter().map(|wanted| list.column(wanted, &path)).collect::<Result<_, _>>()?;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for row in &list.rows {
        let (found, expected) = (row.record.len(), list.header.len());
        let parsed = if found == expected {
            parse(&Row { row, columns: &columns })
        } else {
            Err(anyhow::anyhow!("{found} fields, but the header has {expected}"))
        };
        match parsed {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(format!("line {}: {fault:#}", row.line)),
        }
    }
    if !faults.is_empty() {
        let count = faults.len();
        let more = count.saturating_sub(MAX_FAULTS_SHOWN);
        faults.truncate(MAX_FAULTS_SHOWN);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        bail!("{} has {count} invalid lines:\n  {}{more}", path.display(), faults.join("\n  "));
    }
    Ok(rows)
}

fn nik(text: &str) -> Result<NationalId> {
    text.parse().context("nik")
}

/// Parses a path to an existing file below the folder.
fn photo_path(folder: &Path, text: &str) -> Result<PathBuf> {
    let path = PathBuf::from(text);
    if text.is_empty()
        || !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        bail!("`{text}` is not a path below the folder");
    }
    if !folder.join(&path).is_file() {
        bail!("the file `{text}` does not exist");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "nik,name,date_of_birth,status,portrait\n";

    fn read(people: impl AsRef<[u8]>) -> Result<People, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("people.csv"), people).unwrap();
        fs::write(folder.path().join("a.jpg"), "").unwrap();
        People::read(folder.path()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_sample_people_are_valid() {
        let people = People::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../people")).unwrap();
        assert_eq!(people.all.len(), 12);
        assert_eq!(people.selfies.unwrap().len(), 12);
        assert_eq!(people.strangers.unwrap().len(), 12);
    }

    #[test]
    fn an_error_names_each_invalid_line() {
        for (line, fault) in [
            ("123,Budi,1987-03-14,active,a.jpg", "nik"),
            ("3174011403870000,,1987-03-14,active,a.jpg", "name"),
            ("3174011403870000,Budi,14-03-1987,active,a.jpg", "date_of_birth"),
            ("3174011403870000,Budi,1987-3-14,active,a.jpg", "date_of_birth"),
            ("3174011403870000,Budi,1987-02-30,active,a.jpg", "date_of_birth"),
            ("3174011403870000,Budi,1987-03-14,alive,a.jpg", "status"),
            ("3174011403870000,Budi,1987-03-14,active,b.jpg", "does not exist"),
            ("3174011403870000,Budi,1987-03-14,active,../a.jpg", "not a path below the folder"),
            ("3174011403870000,Budi,1987-03-14,active,/etc/passwd", "not a path below the folder"),
            ("3273064211940000,Budi,1987-03-14,active,a.jpg", "line 2 has the same NIK"),
            ("3174011403870000,Budi,1987-03-14", "fields"),
        ] {
            let text = format!("{HEADER}3273064211940000,Ani,1994-11-02,active,\n{line}\n");
            let error = read(&text).map(drop).unwrap_err();
            assert!(error.contains(fault) && error.contains("line"), "{line}: {error}");
            assert!(error.contains('3'), "{error}");
        }
    }

    #[test]
    fn a_list_that_excel_saved_as_unicode_text_is_read() {
        let text =
            format!("\u{feff}{HEADER}3174011403870000,Budi,1987-03-14,active,a.jpg\n").replace(',', "\t");
        let utf16: Vec<u8> = text.replace('\n', "\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(utf16).unwrap().all[0].name, "Budi");
    }

    #[test]
    fn a_byte_order_mark_and_further_columns_are_ignored() {
        let people = read(
            "\u{feff}status,nik,hobby,name,portrait,date_of_birth\r\nactive,3174011403870000,chess,Budi,a.jpg,1987-03-14\r\n",
        )
        .unwrap();
        assert_eq!(people.all[0].name, "Budi");
        assert!(people.selfies.is_none() && people.strangers.is_none());
    }

    #[test]
    fn an_error_names_a_missing_column() {
        let error = read("nik,name\n").map(drop).unwrap_err();
        assert!(error.contains("there is no column `date_of_birth`; the columns are: nik, name"), "{error}");
    }
}
