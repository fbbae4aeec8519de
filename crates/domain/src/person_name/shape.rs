//! Whether a word could be a word of a name by its letters, or only an abbreviation.

/// Pairs of consonants with which names begin, besides those that [`is_beginning`] derives.
const BEGINNINGS: &[&str] = &[
    "HW", "JH", "JW", "LH", "MB", "ND", "NG", "NJ", "NY", "RH", "WH", "WR", "DJ", "SJ", "TJ", "TS", "DZ",
    "GD", "GN", "KN", "QU", "SC", "SK", "SM", "SN", "SP", "ST", "BJ", "LL", "NH", "NR", "SV",
];

/// Three or four consonants with which names begin.
const LONG_BEGINNINGS: &[&str] =
    &["CHH", "CHL", "CHR", "DHR", "SCH", "SCHL", "SCHM", "SCHN", "SCHR", "SCHW", "SHR", "THR"];

/// Three or four consonants with which names end.
const LONG_ENDINGS: &[&str] = &["CKS", "NDTS", "RNST", "RSCH", "TSCH", "SCH"];

/// Pairs of consonants with which names end, besides those that [`is_ending`] derives.
const ENDINGS: &[&str] = &[
    "BS", "CH", "CK", "CT", "DH", "DS", "DT", "DZ", "FT", "GH", "GS", "GT", "KH", "KS", "KT", "PH", "PS",
    "QH", "SH", "SZ", "TH", "TS", "TZ", "ZH",
];

/// Whether an upper-case word has the form of a name's word: vowels, with consonants that are spoken together between
/// them. Words of other scripts have it. `KGEH` and `MTCSOL` do not.
pub(super) fn is_speakable(word: &str) -> bool {
    if !word.chars().all(|c| c.is_ascii_alphanumeric()) || word == "NG" {
        return true;
    }
    // `McDonald`, and the Dutch vowel of `Valentijn`.
    let rest_of_mc = word.strip_prefix("MC").filter(|rest| rest.len() > 3);
    let word = rest_of_mc.filter(|rest| !rest.starts_with("OM")).unwrap_or(word);
    let word = &*word.replace("IJ", "Y");
    let is_vowel = |c: char| "AEIOUY".contains(c);
    let has_triple = word.as_bytes().windows(3).any(|three| three[0] == three[1] && three[1] == three[2]);
    if has_triple || !word.contains(is_vowel) || word.contains(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let begin = word.split(is_vowel).next().unwrap_or_default();
    let end = word.rsplit(is_vowel).next().unwrap_or_default();
    (LONG_BEGINNINGS.contains(&begin) || are_spoken(begin, is_beginning))
        && (LONG_ENDINGS.contains(&end) || are_spoken(end, is_ending))
        && word.split(is_vowel).all(|consonants| consonants.len() < 6)
}

/// Whether at most three consonants are spoken together, by their pairs.
fn are_spoken(consonants: &str, is_pair: fn(&str) -> bool) -> bool {
    consonants.len() < 4 && (2..=consonants.len()).all(|end| is_pair(&consonants[end - 2..end]))
}

/// `KR`, `SY`, `TW`; `GR`, but not `MR`.
fn is_beginning(pair: &str) -> bool {
    let glides = pair.starts_with(|c: char| "BCDFGKPSTVZ".contains(c))
        && pair.ends_with(|c: char| "HLRWY".contains(c));
    glides || BEGINNINGS.contains(&pair)
}

/// `RT`, `LM`, `NG`; `MP`, but not `MD`.
fn is_ending(pair: &str) -> bool {
    let mut letters = pair.chars();
    let (Some(first), Some(second)) = (letters.next(), letters.next()) else { return false };
    let closes = match first {
        'L' => !"RJWX".contains(second),
        'N' => !"LRMWP".contains(second),
        'R' => !"JWX".contains(second),
        'M' => "BNPS".contains(second),
        'S' => "KMPT".contains(second),
        'H' => "DLMNRSTW".contains(second),
        'W' => "DLNST".contains(second),
        _ => false,
    };
    closes || first == second || ENDINGS.contains(&pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_speakable_and_abbreviations_are_not() {
        for name in [
            "BUDI",
            "SRI",
            "NG",
            "NGURAH",
            "GDE",
            "WAYAN",
            "ANGGRAENI",
            "DWI",
            "TJOKRO",
            "SCHUMANN",
            "LIM",
            "ONG",
            "KWEE",
            "NYOMAN",
            "BAMBANG",
            "EKO",
            "SARI",
            "SU",
            "HWIE",
            "HAFIDZ",
            "CHRISTIAN",
            "CHLOE",
            "NRIMA",
            "SVEN",
            "BJORN",
            "ERNST",
            "BENEDIKT",
            "VALENTIJN",
            "ARMSTRONG",
            "EDWARDS",
            "SCHMIDT",
            "MCDONALD",
            "LLOYD",
            "BOSCH",
            "李小龙",
            "АННА",
        ] {
            assert!(is_speakable(name), "{name}");
        }
        for abbreviation in [
            "PD", "KGEH", "MTCSOL", "AMD", "BSC", "SPD", "SST", "MAADM", "MPRA", "S1", "AGR", "DIPL", "AAAIK",
        ] {
            assert!(!is_speakable(abbreviation), "{abbreviation}");
        }
    }
}
