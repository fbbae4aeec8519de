/// Titles before a name, which registers also put after it with a comma. Each is divided into parts: two parts are
/// written together, or with a space or a dot between them.
const HONORIFICS: &[&str] = &[
    "H", "HJ", "HJH", "K H", "T G H", "PDT", "PROF", "DR", "DR H C", "DRS", "DRA", "DRG", "DRH", "IR", "NS",
    "APT",
];

/// Words that are titles before a name only. After a name they are part of it.
const WORDS_BEFORE: &[&str] = &[
    "HAJI", "HAJJAH", "KIAI", "KYAI", "USTAD", "USTADZ", "USTADZAH", "USTAZ", "PROFESOR", "DOKTER",
    "INSINYUR",
];

/// Degrees, which follow a name. A part with a hyphen must begin a new word, because written together the degree would
/// be a name: `S.H.I.` and `S HI` are a degree, `Shi` is not.
const DEGREES: &[&str] = &[
    // Diplomas.
    "A -MA",
    "A -MA PD",
    "A MD",
    "A MD AK",
    "A MD FARM",
    "A MD GZ",
    "A MD KEB",
    "A MD KEP",
    "A MD KES",
    "A MD KOM",
    "A MD T",
    "A MK",
    "S S T",
    "S S T P",
    "S TR",
    "S TR AK",
    "S TR GZ",
    "S TR KEB",
    "S TR KEP",
    "S TR KES",
    "S TR KOM",
    "S TR PEL",
    "S TR T",
    // Bachelors.
    "B -A",
    "B BA",
    "B -ENG",
    "B SC",
    "S -A B",
    "S -A N",
    "S -A P",
    "S AG",
    "S -AK",
    "S AKT",
    "S ARS",
    "S DS",
    "S E",
    "S E AK",
    "S -E I",
    "S E SY",
    "S FARM",
    "S FIL",
    "S GZ",
    "S H",
    "S -H I",
    "S HUM",
    "S HUT",
    "S I KOM",
    "S I P",
    "S I PUST",
    "S K G",
    "S K H",
    "S K M",
    "S KED",
    "S KEL",
    "S KEP",
    "S KES",
    "S KEB",
    "S KOM",
    "S KOM I",
    "S M",
    "S MAT",
    "S -OR",
    "S P",
    "S PAR",
    "S PD",
    "S PD AUD",
    "S PD GR",
    "S PD H",
    "S PD I",
    "S PD K",
    "S PD SD",
    "S PI",
    "S PSI",
    "S PT",
    "S S",
    "S S I",
    "S SI",
    "S SN",
    "S SOS",
    "S SOS I",
    "S STAT",
    "S SY",
    "S T",
    "S T P",
    "S TH",
    "S TH I",
    "S TI",
    "S TP",
    "S -UD",
    // Masters.
    "LL M",
    "M A",
    "M -A B",
    "M -A P",
    "M AG",
    "M -AK",
    "M ARS",
    "M B A",
    "M BIOMED",
    "M CS",
    "M DS",
    "M E",
    "M -E I",
    "M E SY",
    "M ENG",
    "M ENG SC",
    "M EPID",
    "M FARM",
    "M GZ",
    "M H",
    "M -H I",
    "M HUM",
    "M HUT",
    "M I KOM",
    "M I P",
    "M K M",
    "M KEB",
    "M KED",
    "M KEP",
    "M KES",
    "M KN",
    "M KOM",
    "M M",
    "M MAR",
    "M MT",
    "M -OR",
    "M P",
    "M P A",
    "M P H",
    "M PAR",
    "M PD",
    "M PD I",
    "M PD K",
    "M PI",
    "M PSI",
    "M PT",
    "M S",
    "M S I",
    "M SC",
    "M SI",
    "M SN",
    "M SOS",
    "M STAT",
    "M T",
    "M TH",
    "M TI",
    "M TR",
    "M -UD",
    "MAGR",
    // Doctorates, specialists and professions.
    "PH D",
    "D -ENG",
    "SP A",
    "SP AN",
    "SP B",
    "SP JP",
    "SP KJ",
    "SP KK",
    "SP M",
    "SP N",
    "SP OG",
    "SP P",
    "SP PD",
    "SP PD KAI",
    "SP PD KEMD",
    "SP PD KGEH",
    "SP PD KGER",
    "SP PD KGH",
    "SP PD KHOM",
    "SP PD KKV",
    "SP PD KP",
    "SP PD KPTI",
    "SP PD KR",
    "SP PK",
    "SP RAD",
    "SP S",
    "SP THT",
    "SP U",
    "AK",
    "C -A",
    "C P A",
    "GR",
    "NERS",
    "PSIKOLOG",
];

/// The words between the titles at both ends. At least one word is always left.
pub(super) fn without_titles<'w>(mut words: &'w [&'w str]) -> &'w [&'w str] {
    loop {
        let before = longest([HONORIFICS, WORDS_BEFORE], |title| {
            words_of_title(words.iter().copied(), title.split(' '), |token, part| token.strip_prefix(part))
        });
        if before > 0 && before < words.len() {
            words = &words[before..];
            continue;
        }
        let after = longest([HONORIFICS, DEGREES], |title| {
            let (words, parts) = (words.iter().rev().copied(), title.rsplit(' '));
            words_of_title(words, parts, |token, part| match part.strip_prefix('-') {
                None => token.strip_suffix(part),
                Some(part) => (token == part).then_some(""),
            })
        });
        if after > 0 && after < words.len() {
            words = &words[..words.len() - after];
            continue;
        }
        return words;
    }
}

fn longest(tables: [&[&'static str]; 2], words_of: impl Fn(&'static str) -> Option<usize>) -> usize {
    let titles = tables.into_iter().flatten().copied();
    titles.filter_map(words_of).max().unwrap_or(0)
}

/// The number of words that a title has, if both iterators begin with it. A word may contain several parts of the title
/// (`SPD I`), but a part never extends over two words: `I R` is not `IR`.
fn words_of_title<'w>(
    mut words: impl Iterator<Item = &'w str>,
    parts: impl Iterator<Item = &'static str>,
    strip: impl Fn(&'w str, &'static str) -> Option<&'w str>,
) -> Option<usize> {
    let mut taken = 0;
    let mut rest = "";
    for part in parts {
        if rest.is_empty() {
            rest = words.next()?;
            taken += 1;
        }
        rest = strip(rest, part)?;
    }
    rest.is_empty().then_some(taken)
}
