//! Groups of people by their NIKs and by lists.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use chrono::{Datelike as _, NaiveDate};
use clap::ValueEnum;
use padan_domain::NationalId;
use padan_evaluation::{CsvList, CsvRow};

/// What a NIK says about a person. It stays the same when a birth date or a sex is corrected, and nothing in it is
/// checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupBy {
    /// The day of birth plus 40 for women.
    Sex,
    /// The decade of birth.
    Decade,
    /// The province in which the NIK was issued.
    Province,
    /// The part of the country in which the NIK was issued, by the first digit.
    Island,
}

/// Groups by NIK.
pub(crate) struct Grouping {
    by: Vec<GroupBy>,
    /// The group of a province; `None` when each province is a group.
    provinces: Option<HashMap<String, String>>,
    today: NaiveDate,
}

/// The youngest age at which a person has a portrait: cards are issued from 17 on, and earlier to the married.
const YOUNGEST: i32 = 16;
/// A column with more values is no grouping.
const MAX_VALUES: usize = 200;

impl GroupBy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sex => "sex",
            Self::Decade => "decade",
            Self::Province => "province",
            Self::Island => "island",
        }
    }
}

impl Grouping {
    pub(crate) fn new(by: Vec<GroupBy>, provinces: Option<&Path>, today: NaiveDate) -> Result<Self> {
        if provinces.is_some() && !by.contains(&GroupBy::Province) {
            bail!("--provinces needs --group-by province");
        }
        Ok(Self { by, provinces: provinces.map(read_provinces).transpose()?, today })
    }

    /// The groups of a person; none for a NIK without the structure of issued ones.
    pub(crate) fn groups_of(&self, nik: &NationalId) -> Vec<String> {
        if !nik.is_well_structured() {
            return Vec::new();
        }
        self.by.iter().filter_map(|by| self.group(*by, nik.as_str())).collect()
    }

    fn group(&self, by: GroupBy, nik: &str) -> Option<String> {
        match by {
            GroupBy::Sex => Some(if nik[6..8].parse::<u8>().ok()? > 40 { "women" } else { "men" }.to_owned()),
            GroupBy::Decade => {
                let decade = birth_year(nik[10..12].parse().ok()?, self.today.year()) / 10 * 10;
                Some(format!("born {decade} to {}", decade + 9))
            }
            GroupBy::Province => match &self.provinces {
                Some(groups) => groups.get(&nik[..2]).cloned(),
                None => Some(format!("province {}", &nik[..2])),
            },
            GroupBy::Island => island(&nik[..1]).map(str::to_owned),
        }
    }
}

/// The latest year with these two digits in which a person who has a portrait may have been born.
fn birth_year(two_digits: i32, this_year: i32) -> i32 {
    let latest = this_year - YOUNGEST;
    latest - (latest - two_digits).rem_euclid(100)
}

/// The part of the country by the first digit of a province. Lists of provinces disagree on the second one.
fn island(first_digit: &str) -> Option<&'static str> {
    match first_digit {
        "1" | "2" => Some("Sumatra"),
        "3" => Some("Java"),
        "5" => Some("Bali and Nusa Tenggara"),
        "6" => Some("Kalimantan"),
        "7" => Some("Sulawesi"),
        "8" => Some("Maluku"),
        "9" => Some("Papua"),
        _ => None,
    }
}

fn read_provinces(file: &Path) -> Result<HashMap<String, String>> {
    let list = CsvList::read(file)?;
    let (province, group) = (list.column("province", file)?, list.column("group", file)?);
    let mut groups = HashMap::new();
    for CsvRow { line, record } in &list.rows {
        let code = record.get(province).unwrap_or_default();
        let name = record.get(group).unwrap_or_default();
        if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_digit()) || name.is_empty() {
            bail!("{}: line {line}: expected a province of two digits and a group", file.display());
        }
        if groups.insert(code.to_owned(), name.to_owned()).is_some() {
            bail!("{}: line {line}: province {code} is listed twice", file.display());
        }
    }
    Ok(groups)
}

/// A list of people with their groups.
pub(crate) struct PeopleList {
    people: HashMap<NationalId, Vec<String>>,
}

impl PeopleList {
    /// Reads a list with the column nik. Each other column is a grouping. An error names a line, and no NIK.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let list = CsvList::read(file)?;
        let nik = list.column("nik", file)?;
        let columns: Vec<_> =
            list.header.iter().enumerate().filter(|(at, name)| *at != nik && !name.is_empty()).collect();
        for (at, name) in &columns {
            let values: BTreeSet<_> = list.rows.iter().filter_map(|row| row.record.get(*at)).collect();
            if values.len() > MAX_VALUES {
                bail!(
                    "{}: the column {name} has {} different values, and is no grouping: remove it (at most {MAX_VALUES})",
                    file.display(),
                    values.len()
                );
            }
        }
        let mut people = HashMap::new();
        for CsvRow { line, record } in &list.rows {
            let person: NationalId = record
                .get(nik)
                .unwrap_or_default()
                .parse()
                .with_context(|| format!("{}: line {line}", file.display()))?;
            let groups = columns.iter().filter_map(|(at, name)| {
                let value = record.get(*at).filter(|value| !value.is_empty())?;
                Some(format!("{name}: {value}"))
            });
            if people.insert(person, groups.collect()).is_some() {
                bail!("{}: line {line}: a NIK that is listed before", file.display());
            }
        }
        Ok(Self { people })
    }

    /// The people.
    pub(crate) fn people(&self) -> impl Iterator<Item = &NationalId> {
        self.people.keys()
    }

    /// The groups of a person.
    pub(crate) fn groups_of(&self, nik: &NationalId) -> Vec<String> {
        self.people.get(nik).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouping(provinces: Option<&str>) -> (tempfile::TempDir, Result<Grouping>) {
        let folder = tempfile::tempdir().unwrap();
        let file = provinces.map(|text| {
            let file = folder.path().join("provinces.csv");
            std::fs::write(&file, text).unwrap();
            file
        });
        let by = vec![GroupBy::Sex, GroupBy::Decade, GroupBy::Province, GroupBy::Island];
        let today = NaiveDate::from_ymd_opt(2026, 11, 29).unwrap();
        let grouping = Grouping::new(by, file.as_deref(), today);
        (folder, grouping)
    }

    #[test]
    fn a_nik_tells_sex_decade_province_and_island() {
        let (_folder, grouping) = grouping(None);
        let groups = |nik: &str| grouping.as_ref().unwrap().groups_of(&nik.parse().unwrap());
        assert_eq!(groups("3174011403870000"), ["men", "born 1980 to 1989", "province 31", "Java"]);
        assert_eq!(groups("9271025404100001"), ["women", "born 2010 to 2019", "province 92", "Papua"]);
        assert_eq!(groups("1271025404110001")[1], "born 1910 to 1919", "nobody below 16 has a portrait");
        assert_eq!(groups("0174011403870000"), Vec::<String>::new(), "no structure");
    }

    #[test]
    fn a_table_groups_provinces_and_others_belong_to_none() {
        let (_folder, grouping) = grouping(Some("province,group\n31,Greater Jakarta\n36,Greater Jakarta\n"));
        let groups = |nik: &str| grouping.as_ref().unwrap().groups_of(&nik.parse().unwrap());
        assert_eq!(groups("3674011403870000")[2], "Greater Jakarta");
        assert_eq!(groups("3274011403870000"), ["men", "born 1980 to 1989", "Java"]);
    }

    #[test]
    fn a_malformed_table_is_refused() {
        for (text, error) in [
            ("province,group\n3,Java\n", "line 2: expected a province of two digits and a group"),
            ("province,group\n31,\n", "line 2: expected a province of two digits and a group"),
            ("province,group\n31,A\n31,B\n", "line 3: province 31 is listed twice"),
            ("code,group\n31,A\n", "there is no column `province`"),
        ] {
            let found = grouping(Some(text)).1.err().unwrap();
            assert!(format!("{found:#}").contains(error), "{found:#}");
        }
    }

    fn list(text: &str) -> Result<PeopleList> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, text).unwrap();
        PeopleList::read(&file)
    }

    #[test]
    fn each_column_of_a_list_is_a_grouping() {
        let list = list("nik;Branch;channel\n3174011403870000;Medan;app\n3174011403870001;;web\n").unwrap();
        let groups = |nik: &str| list.groups_of(&nik.parse().unwrap());
        assert_eq!(groups("3174011403870000"), ["branch: Medan", "channel: app"]);
        assert_eq!(groups("3174011403870001"), ["channel: web"]);
        assert_eq!(list.people().count(), 2);
    }

    #[test]
    fn errors_of_a_list_name_a_line_and_no_nik() {
        let names: Vec<_> = (0..201).map(|at| format!("31740114{at:08},{at}")).collect();
        let names = names.join("\n");
        for (text, error) in [
            ("nik,a\n3174011403870000,x\n3,174E+15\n", "line 3"),
            ("nik,a\n3174011403870000,x\n3174011403870000,y\n", "line 3: a NIK that is listed before"),
            (&format!("nik,name\n{names}"), "the column name has 201 different values"),
            ("person,a\n3174011403870000,x\n", "there is no column `nik`"),
        ] {
            let found = format!("{:#}", list(text).err().unwrap());
            assert!(found.contains(error) && !found.contains("3174011403870000"), "{found}");
        }
    }
}
