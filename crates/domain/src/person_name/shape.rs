//! Whether a word could be a word of a name by its letters, or only an abbreviation.

/// Pairs of consonants with which names begin, besides those that [`is_beginning`] derives.
const BEGINNINGS: &[&str] = &[
    "HW", "JH", "JW", "LH", "MB", "ND", "NG", "NJ", "NY", "RH", "WH", "WR", "DJ", "SJ", "TJ", "TS", "DZ",
    "GD", "GN", "KN", "QU", "SC", "SK", "SM", "SN", "SP", "ST",
];

/// Pairs of consonants with which names end, besides those that [`is_ending`] derives.
const ENDINGS: &[&str] = &[
    "CH", "CK", "CT", "DH", "DT", "DZ", "FT", "GH", "KH", "KS", "PH", "PS", "QH", "SH", "TH", "TS", "TZ",
    "ZH",
];

/// Whether an upper-case word has the form of a name's word: vowels, with consonants that are spoken together between
/// them. Words of other scripts have it. `KGEH` and `MTCSOL` do not.
pub(super) fn is_speakable(word: &str) -> bool {
    if !word.chars().all(|c| c.is_ascii_alphanumeric()) || word == "NG" {
        return true;
    }
    let is_vowel = |c: char| "AEIOUY".contains(c);
    if !word.contains(is_vowel) || word.contains(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let begin = word.split(is_vowel).next().unwrap_or_default();
    let end = word.rsplit(is_vowel).next().unwrap_or_default();
    let begins = ["CHR", "SCH"].contains(&begin) || are_spoken(begin, is_beginning);
    begins && are_spoken(end, is_ending) && word.split(is_vowel).all(|consonants| consonants.len() < 5)
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
            "李小龙",
            "АННА",
        ] {
            assert!(is_speakable(name), "{name}");
        }
        for abbreviation in
            ["PD", "KGEH", "MTCSOL", "AMD", "BSC", "SPD", "SST", "MAADM", "MPRA", "S1", "AGR", "DIPL"]
        {
            assert!(!is_speakable(abbreviation), "{abbreviation}");
        }
    }
}
