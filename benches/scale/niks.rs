//! Generated NIKs, with the distribution of the population over regions, dates of birth and sexes.

use anyhow::{Context as _, Result};
use chrono::{Datelike as _, NaiveDate};
use padan_domain::NationalId;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::provinces::{DISTRICTS, POPULATION, PROVINCES};

/// The 16 digits of a NIK as a number, which takes a fifth of the memory of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nik(u64);

/// A generation of the census.
struct Generation {
    /// The first year of birth.
    from: i32,
    /// The last year of birth.
    until: i32,
    /// The share of the population in hundredths of a per cent.
    share: u32,
}

/// Badan Pusat Statistik, Hasil Sensus Penduduk 2020 (21 January 2021): composition by generation. The first year of
/// the oldest generation and the last year of the youngest are not in the census.
const GENERATIONS: [Generation; 6] = [
    Generation { from: 1926, until: 1945, share: 187 },
    Generation { from: 1946, until: 1964, share: 1156 },
    Generation { from: 1965, until: 1980, share: 2188 },
    Generation { from: 1981, until: 1996, share: 2587 },
    Generation { from: 1997, until: 2012, share: 2794 },
    Generation { from: 2013, until: 2020, share: 1088 },
];

/// Women among 10,000 people, from the same census.
const WOMEN: u32 = 4942;

/// Generated NIKs have lower serials than this one.
const ABSENT_SERIALS: u64 = 9000;

impl Nik {
    /// Generates `count` different NIKs in random order. The same seed gives the same NIKs.
    ///
    /// The people of a province are distributed equally over its regencies and cities, those of a regency over its
    /// districts, and those of a generation over its days.
    pub(crate) fn generate(count: usize, seed: u64) -> Vec<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        // Everything but the serial, which distinguishes NIKs that are otherwise equal.
        let mut niks: Vec<u64> = (0..count).map(|_| random_prefix(&mut random) * 10_000).collect();
        niks.sort_unstable();
        for at in 0..niks.len() {
            let same = at > 0 && niks[at - 1] / 10_000 == niks[at] / 10_000;
            niks[at] = if same { niks[at - 1] + 1 } else { niks[at] + 1 };
        }
        // The rows of a real registry are not in the order of the NIKs.
        niks.shuffle(&mut random);
        niks.into_iter().map(Self).collect()
    }

    /// A NIK that was not generated and differs from this one in the serial only.
    pub(crate) fn absent(self) -> Self {
        Self(self.0 / 10_000 * 10_000 + ABSENT_SERIALS + self.0 % 1000)
    }

    /// The NIK in the type of the crates.
    pub(crate) fn parse(self) -> Result<NationalId> {
        let digits = format!("{:016}", self.0);
        digits.parse().context("a generated NIK is invalid")
    }

    /// The digits as a number, from which all fields of a generated person are derived.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The first two digits.
    pub(crate) fn province(self) -> u64 {
        self.0 / 100_000_000_000_000
    }

    /// The third and fourth digit.
    pub(crate) fn regency(self) -> u64 {
        self.0 / 1_000_000_000_000 % 100
    }

    /// The fifth and sixth digit.
    pub(crate) fn district(self) -> u64 {
        self.0 / 10_000_000_000 % 100
    }

    /// Returns whether the day is above 40, which marks a woman.
    pub(crate) fn is_of_woman(self) -> bool {
        self.0 / 100_000_000 % 100 > 40
    }

    /// The date of birth in the digits. Generated people are born from 1926 to 2020.
    pub(crate) fn date_of_birth(self) -> Result<NaiveDate> {
        let two_digits = |above: u64| (self.0 / above % 100) as u32;
        let year = two_digits(10_000).cast_signed();
        let year = if year > 20 { 1900 + year } else { 2000 + year };
        let date = NaiveDate::from_ymd_opt(year, two_digits(1_000_000), two_digits(100_000_000) % 40);
        date.context("a generated date of birth is invalid")
    }
}

/// The first twelve digits of a random person's NIK: region, day, month and year.
fn random_prefix(random: &mut StdRng) -> u64 {
    let mut place = random.random_range(0..POPULATION);
    let province = PROVINCES.iter().find(|province| {
        let found = place < province.people;
        place = place.saturating_sub(if found { 0 } else { province.people });
        found
    });
    let province = province.unwrap_or(&PROVINCES[0]);
    let unit = random.random_range(1..=province.regencies + province.cities);
    let regency = if unit <= province.regencies { unit } else { 70 + unit - province.regencies };
    let district = random.random_range(1..=DISTRICTS);
    let region = (u64::from(province.code) * 100 + u64::from(regency)) * 100 + u64::from(district);

    let mut share = random.random_range(0..10_000);
    let generation = GENERATIONS.iter().find(|generation| {
        let found = share < generation.share;
        share = share.saturating_sub(if found { 0 } else { generation.share });
        found
    });
    let generation = generation.unwrap_or(&GENERATIONS[0]);
    let year = random.random_range(generation.from..=generation.until);
    let days = if year % 4 == 0 { 366 } else { 365 };
    let born = NaiveDate::from_yo_opt(year, random.random_range(1..=days)).unwrap_or_default();
    let woman = random.random_range(0..10_000) < WOMEN;
    let day = born.day() + if woman { 40 } else { 0 };
    ((region * 100 + u64::from(day)) * 100 + u64::from(born.month())) * 100 + (year % 100) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const COUNT: usize = 200_000;

    /// Returns whether the number found is within five standard deviations of the share.
    fn is_near(found: usize, share: f64) -> bool {
        let (count, expected) = (COUNT as f64, COUNT as f64 * share);
        (found as f64 - expected).abs() < 5.0 * (count * share * (1.0 - share)).sqrt()
    }

    #[test]
    fn generated_niks_are_well_structured_and_different() {
        let niks = Nik::generate(COUNT, 1);
        assert_eq!(niks, Nik::generate(COUNT, 1));
        assert_ne!(niks, Nik::generate(COUNT, 2));
        assert_eq!(niks.iter().map(|nik| nik.0).collect::<HashSet<_>>().len(), COUNT);
        assert!(!niks.is_sorted());
        for nik in &niks {
            let parsed = nik.parse().unwrap();
            assert!(parsed.is_well_structured(), "{}", parsed.as_str());
            let born = nik.date_of_birth().unwrap();
            let day = born.day() + if nik.is_of_woman() { 40 } else { 0 };
            let expected = format!("{day:02}{}", born.format("%m%y"));
            assert_eq!(parsed.as_str()[6..12], expected);
        }
        let present: HashSet<_> = niks.iter().map(|nik| nik.0).collect();
        assert!(niks.iter().all(|nik| !present.contains(&nik.absent().0) && nik.absent().parse().is_ok()));
    }

    #[test]
    fn generated_niks_have_the_distribution_of_the_census() {
        let niks = Nik::generate(COUNT, 1);
        for province in &PROVINCES {
            let found = niks.iter().filter(|nik| nik.province() == u64::from(province.code));
            let share = f64::from(province.people) / f64::from(POPULATION);
            assert!(is_near(found.count(), share), "{}", province.name);
        }
        for Generation { from, until, share } in GENERATIONS {
            let born = |nik: &&Nik| (from..=until).contains(&nik.date_of_birth().unwrap().year());
            let found = niks.iter().filter(born).count();
            assert!(is_near(found, f64::from(share) / 10_000.0), "{from} to {until}: {found}");
        }
        assert_eq!(GENERATIONS.iter().map(|generation| generation.share).sum::<u32>(), 10_000);
        let women = niks.iter().filter(|nik| nik.is_of_woman()).count();
        assert!(is_near(women, f64::from(WOMEN) / 10_000.0), "{women}");
        let jakarta: HashSet<_> = niks
            .iter()
            .filter(|nik| nik.province() == 31)
            .map(|nik| (nik.regency(), nik.district()))
            .collect();
        assert_eq!(jakarta.len(), 6 * usize::from(DISTRICTS));
        let regencies: HashSet<_> = jakarta.iter().map(|(regency, _)| *regency).collect();
        assert_eq!(regencies, HashSet::from([1, 71, 72, 73, 74, 75]));
    }
}
