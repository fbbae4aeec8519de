//! The fields of generated people, derived from the NIK.

use std::fmt::Write as _;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{niks::Nik, provinces::PROVINCES};

const GIVEN: [&[&str]; 2] = [
    &[
        "BUDI", "AGUS", "AHMAD", "EKO", "HENDRA", "IRFAN", "MUHAMMAD", "RIZKY", "SLAMET", "WAHYU", "YUSUF",
        "DEDI",
    ],
    &["SITI", "DEWI", "NUR", "SRI", "RINA", "FITRI", "MARIA", "AYU", "ENDANG", "YULIANA", "RATNA", "LESTARI"],
];
const FAMILY: &[&str] = &[
    "SANTOSO",
    "WIBOWO",
    "HIDAYAT",
    "SARI",
    "WULANDARI",
    "NUGROHO",
    "SIREGAR",
    "SETIAWAN",
    "RAHAYU",
    "KURNIAWAN",
    "PUTRA",
    "HANDAYANI",
    "SIMANJUNTAK",
    "MAHARANI",
    "PRATAMA",
    "UTAMI",
    "SAPUTRA",
    "ANGGRAINI",
    "GUNAWAN",
];
const STREETS: &[&str] =
    &["JL. MERDEKA", "JL. SUDIRMAN", "JL. AHMAD YANI", "JL. DIPONEGORO", "DUSUN KRAJAN", "KP. BARU"];
const JOBS: &[&str] =
    &["KARYAWAN SWASTA", "PELAJAR/MAHASISWA", "PETANI/PEKEBUN", "MENGURUS RUMAH TANGGA", "WIRASWASTA"];
const MARITAL: &[&str] = &["KAWIN", "BELUM KAWIN", "CERAI MATI", "CERAI HIDUP"];

/// A random generator with the NIK as its seed: `SplitMix64`.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }
}

/// When the person's portrait changed, in whole seconds.
pub(crate) fn portrait_updated_at(nik: Nik) -> DateTime<Utc> {
    // Within ten years from 2015.
    let second = Draw(nik.number() ^ 1).below(10 * 365 * 86_400);
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_420_070_400 + second.cast_signed())
}

/// Adds the person's line of `civil_registry.person` in PostgreSQL's text format.
pub(crate) fn write_row(nik: Nik, portraits: u64, text: &mut String) -> Result<()> {
    let mut draw = Draw(nik.number());
    let woman = usize::from(nik.is_of_woman());
    let province = PROVINCES.iter().find(|province| u64::from(province.code) == nik.province());
    let province = province.map_or("", |province| province.name);
    let unit = if nik.regency() > 70 { "KOTA" } else { "KABUPATEN" };
    write!(
        text,
        "{:016}\t{} {}\t{}\tactive\t{:06}{:010}\t{} {}\t{province} {:02}\t{} NO. {}\t{}\t{}\t{}\t{province}\t",
        nik.number(),
        draw.of(GIVEN[woman]),
        draw.of(FAMILY),
        nik.date_of_birth()?,
        nik.number() / 10_000_000_000,
        draw.below(10_000_000_000),
        draw.of(GIVEN[1]),
        draw.of(FAMILY),
        nik.regency(),
        draw.of(STREETS),
        1 + draw.below(250),
        ["LAKI-LAKI", "PEREMPUAN"][woman],
        draw.of(MARITAL),
        draw.of(JOBS),
    )?;
    writeln!(
        text,
        "{unit} {province} {:02}\tKECAMATAN {:02}\tKELURAHAN {:02}\t{:03}\t{:03}\t{}\t{}",
        nik.regency(),
        nik.district(),
        1 + draw.below(12),
        1 + draw.below(20),
        1 + draw.below(15),
        1 + draw.below(portraits),
        portrait_updated_at(nik).format("%Y-%m-%d %H:%M:%S+00"),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_all_columns_and_depends_on_the_nik_only() {
        let niks = Nik::generate(1000, 1);
        for nik in niks {
            let (mut row, mut again) = (String::new(), String::new());
            write_row(nik, 12, &mut row).unwrap();
            write_row(nik, 12, &mut again).unwrap();
            assert_eq!(row, again);
            let columns: Vec<_> = row.trim_end().split('\t').collect();
            assert_eq!(columns.len(), 19, "{row}");
            assert_eq!(columns[0], nik.parse().unwrap().as_str());
            assert!((1..=12).contains(&columns[17].parse::<u64>().unwrap()));
        }
    }
}
