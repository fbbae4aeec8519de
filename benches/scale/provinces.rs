//! The population of the provinces at the census of 2020.

/// A province at the time of the census.
#[derive(Debug)]
pub(crate) struct Province {
    /// The first two digits of a NIK. In Papua this code of the civil registry differs from the statistics office's.
    pub(crate) code: u8,
    pub(crate) name: &'static str,
    /// The number of kabupaten, whose codes begin with 01.
    pub(crate) regencies: u8,
    /// The number of kota, whose codes begin with 71.
    pub(crate) cities: u8,
    /// The population in September 2020.
    pub(crate) people: u32,
}

/// The whole population at the census.
pub(crate) const POPULATION: u32 = 270_203_917;

/// The number of kecamatan in each regency or city. This gives 7,196 in all; the census has 7,230.
pub(crate) const DISTRICTS: u8 = 14;

const fn province(code: u8, name: &'static str, regencies: u8, cities: u8, people: u32) -> Province {
    Province { code, name, regencies, cities, people }
}

/// Badan Pusat Statistik, Hasil Sensus Penduduk 2020 (21 January 2021): population by province. Regencies and cities as
/// of the same year.
pub(crate) const PROVINCES: [Province; 34] = [
    province(11, "ACEH", 18, 5, 5_274_871),
    province(12, "SUMATERA UTARA", 25, 8, 14_799_361),
    province(13, "SUMATERA BARAT", 12, 7, 5_534_472),
    province(14, "RIAU", 10, 2, 6_394_087),
    province(15, "JAMBI", 9, 2, 3_548_228),
    province(16, "SUMATERA SELATAN", 13, 4, 8_467_432),
    province(17, "BENGKULU", 9, 1, 2_010_670),
    province(18, "LAMPUNG", 13, 2, 9_007_848),
    province(19, "KEPULAUAN BANGKA BELITUNG", 6, 1, 1_455_678),
    province(21, "KEPULAUAN RIAU", 5, 2, 2_064_564),
    province(31, "DKI JAKARTA", 1, 5, 10_562_088),
    province(32, "JAWA BARAT", 18, 9, 48_274_162),
    province(33, "JAWA TENGAH", 29, 6, 36_516_035),
    province(34, "DAERAH ISTIMEWA YOGYAKARTA", 4, 1, 3_668_719),
    province(35, "JAWA TIMUR", 29, 9, 40_665_696),
    province(36, "BANTEN", 4, 4, 11_904_562),
    province(51, "BALI", 8, 1, 4_317_404),
    province(52, "NUSA TENGGARA BARAT", 8, 2, 5_320_092),
    province(53, "NUSA TENGGARA TIMUR", 21, 1, 5_325_566),
    province(61, "KALIMANTAN BARAT", 12, 2, 5_414_390),
    province(62, "KALIMANTAN TENGAH", 13, 1, 2_669_969),
    province(63, "KALIMANTAN SELATAN", 11, 2, 4_073_584),
    province(64, "KALIMANTAN TIMUR", 7, 3, 3_766_039),
    province(65, "KALIMANTAN UTARA", 4, 1, 701_814),
    province(71, "SULAWESI UTARA", 11, 4, 2_621_923),
    province(72, "SULAWESI TENGAH", 12, 1, 2_985_734),
    province(73, "SULAWESI SELATAN", 21, 3, 9_073_509),
    province(74, "SULAWESI TENGGARA", 15, 2, 2_624_875),
    province(75, "GORONTALO", 5, 1, 1_171_681),
    province(76, "SULAWESI BARAT", 6, 0, 1_419_229),
    province(81, "MALUKU", 9, 2, 1_848_923),
    province(82, "MALUKU UTARA", 8, 2, 1_282_937),
    province(91, "PAPUA", 28, 1, 4_303_707),
    province(92, "PAPUA BARAT", 12, 1, 1_134_068),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provinces_add_up_to_the_population() {
        assert_eq!(PROVINCES.iter().map(|province| province.people).sum::<u32>(), POPULATION);
        let units =
            |of: fn(&Province) -> u8| PROVINCES.iter().map(|province| u32::from(of(province))).sum::<u32>();
        assert_eq!((units(|province| province.regencies), units(|province| province.cities)), (416, 98));
    }
}
