use proptest::prelude::*;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use super::*;

fn reduced(text: &str) -> String {
    PersonName::parse(text).unwrap().reduced(&NameRules::DEFAULT).text()
}

/// The rules by which two names match with the default rules; empty if they differ.
fn rules_of(one: &str, other: &str) -> String {
    compared(one, other, &NameRules::DEFAULT)
}

fn compared(one: &str, other: &str, rules: &NameRules) -> String {
    let (one, other) = (PersonName::parse(one).unwrap(), PersonName::parse(other).unwrap());
    let compared = one.compare(&other, rules);
    assert_eq!(compared, other.compare(&one, rules), "the comparison is symmetric");
    compared.map_or_else(String::new, |matched| matched.to_string())
}

#[test]
fn names_are_normalised() {
    for (text, expected) in [
        // The sample people, in several spellings.
        ("Budi Santoso", "BUDI SANTOSO"),
        ("  budi\t santoso ", "BUDI SANTOSO"),
        ("BUDI SANTOSO, SE", "BUDI SANTOSO"),
        ("Maria Goretti Wulandari", "MARIA GORETTI WULANDARI"),
        ("Dr. Ni Putu Ayu Lestari", "NI PUTU AYU LESTARI"),
        ("Dewi Kartika Sari, S.Pd.", "DEWI KARTIKA SARI"),
        ("DEWI KARTIKA SARI S PD", "DEWI KARTIKA SARI"),
        ("Dewi Kartika Sari SPd", "DEWI KARTIKA SARI"),
        ("Dewi Kartika Sari, S.Pd.I., M.Pd", "DEWI KARTIKA SARI"),
        ("Yohanes Kristianto Nugroho, S.Kom., M.M.", "YOHANES KRISTIANTO NUGROHO"),
        ("Cut Meutia", "CUT MEUTIA"),
        ("Hj. Nurhaliza Rahmawati", "NURHALIZA RAHMAWATI"),
        ("Hj Nurhaliza Rahmawati", "NURHALIZA RAHMAWATI"),
        ("Ir. I Gusti Ngurah Wirawan", "I GUSTI NGURAH WIRAWAN"),
        ("Ma'ruf Hidayat", "MARUF HIDAYAT"),
        ("Ma\u{2019}ruf Hidayat", "MARUF HIDAYAT"),
        ("Ma\u{2018}ruf Hidayat", "MARUF HIDAYAT"),
        ("Ma\u{2bc}ruf Hidayat", "MARUF HIDAYAT"),
        ("Ma`ruf Hidayat", "MARUF HIDAYAT"),
        ("Ma\u{b4}ruf Hidayat", "MARUF HIDAYAT"),
        ("MARUF HIDAYAT", "MARUF HIDAYAT"),
        ("Moh. Rizal Pratama", "MUHAMMAD RIZAL PRATAMA"),
        ("Siti Aminah", "SITI AMINAH"),
        ("Suparman", "SUPARMAN"),
        ("Suparman, S.H.", "SUPARMAN"),
        // Accents, scripts, and invisible characters of copied text.
        ("André Müller", "ANDRE MULLER"),
        ("ANDRE\u{301} MU\u{308}LLER", "ANDRE MULLER"),
        ("Ｂｕｄｉ　Ｓａｎｔｏｓｏ", "BUDI SANTOSO"),
        ("Bu\u{ad}di\u{200b} San\u{feff}toso", "BUDI SANTOSO"),
        ("Straße", "STRASSE"),
        ("李小龙", "李小龙"),
        ("محمد", "محمد"),
        ("Анна", "АННА"),
        ("\u{fe70}", "\u{fe70}"),
        // Punctuation.
        ("Abdul-Rahman", "ABDUL RAHMAN"),
        ("Anak.Agung/Gde", "ANAK AGUNG GDE"),
        ("O'Brien & Co", "OBRIEN CO"),
        // Abbreviations anywhere.
        ("Moch. Muh Mhd Mohamad Mochamad Mohammad", &["MUHAMMAD"; 6].join(" ")),
        ("Budi Moh.", "BUDI MUHAMMAD"),
        ("Abd. Rahman", "ABDUL RAHMAN"),
        ("Abdi Rahman", "ABDI RAHMAN"),
        ("Mohan", "MOHAN"),
        // Titles before a name, also several of them, in every spelling.
        ("H. Abd. Rahman", "ABDUL RAHMAN"),
        ("K.H. Hasyim", "HASYIM"),
        ("KH Hasyim", "HASYIM"),
        ("Dr. (H.C.) Budi Santoso", "BUDI SANTOSO"),
        ("Dr. H.C. Budi Santoso", "BUDI SANTOSO"),
        ("Dr. (HC) Budi Santoso", "BUDI SANTOSO"),
        ("Dr. H. Cahyono", "CAHYONO"),
        ("Budi Santoso, M.Eng.Sc.", "BUDI SANTOSO"),
        ("dr. Budi Santoso, Sp.PD-KGEH", "BUDI SANTOSO"),
        ("Ahmad bin Abdullah", "AHMAD BIN ABDULLAH"),
        ("Prof. Dr. H. Ahmad", "AHMAD"),
        ("PROF.DR.IR.HJ.SITI AMINAH", "SITI AMINAH"),
        ("Drs Suparman", "SUPARMAN"),
        ("Dra. Siti Aminah", "SITI AMINAH"),
        ("Haji Umar", "UMAR"),
        // Titles after a name.
        ("Suparman, H.", "SUPARMAN"),
        ("Siti Aminah, Dra. Hj.", "SITI AMINAH"),
        ("Siti Aminah, A.Md.Keb.", "SITI AMINAH"),
        ("Siti Aminah AMD", "SITI AMINAH"),
        ("Siti Aminah, Ph.D.", "SITI AMINAH"),
        ("Siti Aminah PHD", "SITI AMINAH"),
        ("Siti Aminah S.E., M.Si., Ak.", "SITI AMINAH"),
        ("Siti Aminah ST MT", "SITI AMINAH"),
        ("Siti Aminah S KOM", "SITI AMINAH"),
        ("Siti Aminah S.HI", "SITI AMINAH"),
        ("Siti Aminah, S.H.I.", "SITI AMINAH"),
        ("Siti Aminah, B.Eng", "SITI AMINAH"),
    ] {
        assert_eq!(reduced(text), expected, "{text}");
    }
}

#[test]
fn words_that_only_look_like_titles_are_kept() {
    for (text, expected) in [
        // In a position where titles do not occur.
        ("Ahmad H Nasution", "AHMAD H NASUTION"),
        ("Budi S E Santoso", "BUDI S E SANTOSO"),
        ("S. H. Mintardja", "S H MINTARDJA"),
        ("St. Aminah", "ST AMINAH"),
        ("I R Wirawan", "I R WIRAWAN"),
        ("Umar Haji", "UMAR HAJI"),
        ("Drajat Hartono", "DRAJAT HARTONO"),
        ("Irwan", "IRWAN"),
        ("Lie Shi", "LIE SHI"),
        ("Tan Beng", "TAN BENG"),
        ("Oei Mei", "OEI MEI"),
        ("Aung San", "AUNG SAN"),
        // A name that consists of titles only.
        ("H.", "H"),
        ("Dr.", "DR"),
        ("S.H.", "S H"),
        ("S.Pd.I", "S PD I"),
        ("Se", "SE"),
        ("Prof. Dr.", "DR"),
        ("Dr. S.H.", "S H"),
        // Titles of nobility belong to the name.
        ("Raden Ajeng Kartini", "RADEN AJENG KARTINI"),
        ("Andi Mappanyukki", "ANDI MAPPANYUKKI"),
        ("Teuku Umar", "TEUKU UMAR"),
        ("Teuku", "TEUKU"),
        ("Dr. Cut Nyak Dhien, S.Sos", "CUT NYAK DHIEN"),
        ("I Gusti", "I GUSTI"),
        ("Ni Putu", "NI PUTU"),
        // Names that are taken for titles by their spelling, as documented.
        ("Suparman S.H.", "SUPARMAN"),
        ("H Nasution", "NASUTION"),
        ("Budi S H", "BUDI"),
    ] {
        assert_eq!(reduced(text), expected, "{text:?}");
    }
}

#[test]
fn a_text_without_letters_is_empty() {
    for text in ["", " ", "\t\n", "...", "'", "\u{2bc}\u{2019}", "- , .", "\u{301}", "\u{200b}", "\u{1f600}"]
    {
        assert_eq!(PersonName::parse(text).unwrap_err(), InvalidPersonName::Empty, "{text:?}");
    }
}

#[test]
fn the_limit_counts_characters() {
    assert!(PersonName::parse(&"é".repeat(256)).is_ok());
    assert_eq!(PersonName::parse(&"e".repeat(257)).unwrap_err(), InvalidPersonName::TooLong);
    assert_eq!(PersonName::parse(&" ".repeat(257)).unwrap_err(), InvalidPersonName::TooLong);
}

#[test]
fn every_row_of_the_field_matches_by_the_expected_rules() {
    for (claimed, registered, rules) in [
        ("Budi Santoso", "BUDI SANTOSO", "exact"),
        ("André Müller", "ANDRE MULLER", "exact"),
        ("Maruf Hidayat", "Ma'ruf Hidayat", "exact"),
        ("dr. Ni Putu Ayu Lestari, Sp.A(K)", "Ni Putu Ayu Lestari", "titles"),
        ("Ar. Nurhaliza Rahmawati", "Nurhaliza Rahmawati", "titles"),
        ("Bdn. Nurhaliza Rahmawati", "Nurhaliza Rahmawati", "titles"),
        ("Ftr. Nurhaliza Rahmawati", "Nurhaliza Rahmawati", "titles"),
        ("Ust. Budi Santoso", "Budi Santoso", "titles"),
        ("drg. Budi Santoso", "Budi Santoso", "titles"),
        ("Tn. Budi Santoso", "Budi Santoso", "titles"),
        ("NY. SITI AMINAH", "Siti Aminah", "titles"),
        ("Sdr. Budi Santoso", "Budi Santoso", "titles"),
        ("Bpk. H. Budi Santoso", "Budi Santoso", "titles"),
        ("Ma ruf Hidayat", "Ma'ruf Hidayat", "apostrophes"),
        ("Ma ruf Hidayat", "MA\u{2019}RUF HIDAYAT", "apostrophes"),
        ("Ma-ruf Hidayat", "Ma'ruf Hidayat", "apostrophes"),
        ("Ma?ruf Hidayat", "Ma'ruf Hidayat", "apostrophes"),
        ("Ma\u{fffd}ruf Hidayat", "Maruf Hidayat", "apostrophes"),
        ("Ma''ruf Hidayat", "Ma'ruf Hidayat", "exact"),
        ("Ma\\'ruf Hidayat", "Ma'ruf Hidayat", "escapes"),
        ("Ma&#39;ruf Hidayat", "Ma'ruf Hidayat", "escapes"),
        ("Ma%27ruf Hidayat", "Ma'ruf Hidayat", "escapes"),
        ("Maâ€™ruf Hidayat", "Ma'ruf Hidayat", "escapes"),
        ("Ma&#39;ruf Hidayat", "Ma ruf Hidayat", "escapes, apostrophes"),
        ("M. Rizal Pratama", "Muhammad Rizal Pratama", "spelling"),
        ("Md. Rizal Pratama", "Muhammad Rizal Pratama", "spelling"),
        ("Mohammed Rizal Pratama", "Muhammad Rizal Pratama", "spelling"),
        ("H. Moh. Rizal Pratama, S.Kom.", "MUHAMAD RIZAL PRATAMA", "titles, spelling"),
        ("Abd. Rahman", "Abdul Rahman", "spelling"),
        ("Suparman Suparman", "Suparman", "single_names"),
        ("Suparman LNU", "Suparman", "single_names"),
        ("FNU Suparman, S.H.", "Suparman", "titles, single_names"),
        // Titles on both sides, in one with a comma and in the other without.
        ("Budi Santoso, S.E.", "BUDI SANTOSO SE", "titles"),
        ("Budi Santoso, S.Kom., M.M.", "DRS BUDI SANTOSO M M", "titles"),
        ("Budi Santoso, S.T., M.T., IPM., ASEAN Eng.", "Budi Santoso", "titles"),
        ("Budi Santoso, S. Sosio., M. Xenol, MPRA, IMIM", "Budi Santoso", "titles"),
        ("Budi Santoso, Bachelor of Arts (Hons)", "Budi Santoso", "titles"),
        ("Budi Santoso, S.E., CFP", "Budi Santoso", "titles"),
        ("dr. Budi Santoso, Sp.OG(K)", "Budi Santoso", "titles"),
        ("dr. Budi Santoso, Sp.OG, Subsp. F.E.R.", "Budi Santoso", "titles"),
        ("dr. Budi Santoso, Sp. OG (K), Subsp.F.E.R", "Budi Santoso", "titles"),
        ("Prof., Dr., Budi Santoso", "Budi Santoso", "titles"),
        ("(Alm) Suparman", "Suparman", "titles"),
    ] {
        assert_eq!(rules_of(claimed, registered), rules, "{claimed} / {registered}");
        let rules_off = compared(claimed, registered, &NameRules::NONE);
        assert_eq!(rules_off, if rules == "exact" { "exact" } else { "" }, "{claimed} / {registered}");
    }
}

#[test]
fn another_name_does_not_match() {
    for (one, other) in [
        ("Budi Santoso", "Budi Santosa"),
        ("Budi Santoso", "Santoso Budi"),
        ("Budi Santoso", "Budi"),
        ("Siti Aminah", "Siti Rahmah"),
        ("Siti Aminah, Sari", "Siti Aminah"),
        ("SITI AMINAH, SARI", "SITI AMINAH"),
        ("siti aminah, sari", "siti aminah"),
        ("Siti Aminah, Sari.", "Siti Aminah"),
        ("Siti Aminah, SARI", "Siti Aminah"),
        ("Siti Aminah, S.Pd., Sari", "Siti Aminah"),
        ("Aminah, M. Sari", "Aminah"),
        ("Aminah, Moh.Rizal", "Aminah"),
        ("Aminah, Rizal.Pratama", "Aminah"),
        ("Pratama, M. Rizal", "Pratama"),
        ("Pratama, Dr.Rizal", "Pratama"),
        ("Pratama, H.Rizal", "Pratama"),
        ("Pat, O'Brien", "Pat"),
        ("Ni Putu, NurHaliza", "Ni Putu"),
        ("Muhammad Haji Lulung", "Muhammad Lulung"),
        ("Muhammad Lulung", "Lulung"),
        ("Ma ruf Hidayat", "Maruf Hidayat"),
        ("Budi Budi Santoso", "Budi Santoso"),
        ("Budi M. Santoso", "Budi Muhammad Santoso"),
        ("Budi M.", "Budi Muhammad"),
        ("Suparman H.", "Suparman"),
        ("I Gusti Ngurah Wirawan", "Ngurah Wirawan"),
        ("Cut Meutia", "Meutia"),
        ("AR Fachruddin", "Fachruddin"),
        ("Jack Ma", "Jack"),
        ("Tan Se", "Tan"),
        ("TAN SE", "TAN"),
    ] {
        assert_eq!(rules_of(one, other), "", "{one} / {other}");
    }
}

#[test]
fn each_rule_can_be_switched_off_by_itself() {
    for (rule, one, other) in [
        (NameRule::Escapes, "Ma&#39;ruf", "Ma'ruf"),
        (NameRule::Titles, "Budi, S.Kom.", "Budi"),
        (NameRule::Spelling, "Moh. Rizal", "Muhammad Rizal"),
        (NameRule::Apostrophes, "Ma ruf", "Ma'ruf"),
        (NameRule::SingleNames, "Suparman LNU", "Suparman"),
        (NameRule::JaroWinkler, "Nurhaliza Rahmawati", "Nurhalisa Rahmawati"),
    ] {
        let every = NameRules { jaro_winkler: Some(0.95), ..NameRules::DEFAULT };
        let mut without = every;
        match rule {
            NameRule::Escapes => without.escapes = false,
            NameRule::Titles => without.titles = false,
            NameRule::Spelling => without.spelling = false,
            NameRule::Apostrophes => without.apostrophes = false,
            NameRule::SingleNames => without.single_names = false,
            NameRule::JaroWinkler => without.jaro_winkler = None,
        }
        // Similar enough names would hide that a rule is off.
        let without =
            if rule == NameRule::JaroWinkler { without } else { NameRules { jaro_winkler: None, ..without } };
        assert_eq!(compared(one, other, &every), rule.as_str());
        assert_eq!(compared(one, other, &without), "", "{one} / {other}");
    }
}

#[test]
fn a_threshold_tolerates_a_typing_error_and_no_more() {
    let rules = NameRules { jaro_winkler: Some(0.95), ..NameRules::DEFAULT };
    assert_eq!(compared("Nurhaliza Rahmawati", "Nurhalisa Rahmawati", &rules), "jaro_winkler");
    assert_eq!(compared("Hj. Nurhaliza Rahmawati", "Nurhalisa Rahmawati", &rules), "titles, jaro_winkler");
    assert_eq!(compared("Nurhaliza Rahmawati", "Siti Rahmawati", &rules), "");
}

#[test]
fn the_settings_are_a_table_and_the_former_form_is_explained() {
    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        names: NameRules,
    }
    let every = "escapes = true, titles = true, spelling = true, apostrophes = true, single_names = true";
    let parse =
        |value: &str| toml::from_str::<Settings>(&format!("names = {value}")).map(|settings| settings.names);
    assert_eq!(parse(&format!("{{ {every} }}")).unwrap(), NameRules::DEFAULT);
    let similar = parse(&format!("{{ {every}, jaro_winkler = {{ at_least = 0.95 }} }}")).unwrap();
    assert_eq!(similar.jaro_winkler, Some(0.95));
    let without_titles =
        parse(&format!("{{ {} }}", every.replace("titles = true", "titles = false"))).unwrap();
    assert_eq!(without_titles, NameRules { titles: false, ..NameRules::DEFAULT });
    for (wrong, explained) in [
        (
            "'exact'",
            "\"exact\" is the former form of this setting: it is now a table with a key for each rule",
        ),
        ("'fuzzy'", "this setting is a table with a key for each rule"),
        ("true", "expected a table with a key for each rule"),
        ("{ titles = 1 }", "expected a boolean"),
        ("{ titels = true }", "unknown field `titels`"),
        (
            &format!("{{ {every}, jaro_winkler = {{ at_least = 95.0 }} }}"),
            "expected a number in 0 to 1, found 95",
        ),
        (
            &format!("{{ {every}, jaro_winkler = {{ at_least = nan }} }}"),
            "expected a number in 0 to 1, found NaN",
        ),
        (&format!("{{ {every}, jaro_winkler = {{}} }}"), "missing field `at_least`"),
        (
            &format!("{{ {every}, jaro_winkler = {{ at_least = 0.9, at_most = 1.0 }} }}"),
            "unknown field `at_most`",
        ),
    ] {
        let error = parse(wrong).unwrap_err().to_string();
        assert!(error.contains(explained), "{wrong}: {error}");
    }
}
#[test]
fn debug_shows_no_letter() {
    assert_eq!(format!("{:?}", PersonName::parse("Budi Santoso").unwrap()), "PersonName");
}

/// Names made of words from the rules, so that several rules apply to one name.
fn titled_name() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("H"),
        Just("Hj."),
        Just("K"),
        Just("Dr"),
        Just("Drs."),
        Just("Prof."),
        Just("Ir"),
        Just("S"),
        Just("Pd"),
        Just("I"),
        Just("E"),
        Just("M"),
        Just("Kom"),
        Just("SPd"),
        Just("SE"),
        Just("ST"),
        Just("PhD"),
        Just("A"),
        Just("Md"),
        Just("Moh."),
        Just("Abd"),
        Just("Budi"),
        Just("Ma'ruf"),
        Just("T"),
        Just("G"),
        Just("Raden"),
        Just("Haji"),
        Just("Sp"),
        Just("Ph"),
        Just("D"),
        Just("C"),
        Just("HI"),
    ];
    prop::collection::vec(word, 1..9).prop_map(|words| words.join(" "))
}

/// Degrees as they stand behind a name with a comma.
const DEGREES: &[&str] = &[
    "S.Pd.",
    "S. Kom.",
    "SE",
    "M.M.",
    "MMRS",
    "Ph.D",
    "Sp.OG(K)",
    "A.Md.Keb",
    "MEngSc",
    "B.Sc. (Hons)",
    "Ak",
    "CFP",
    "LL.M",
    "M.I.Kom",
    "S.Tr.T",
    "Dipl. Ing.",
    "ASEAN Eng.",
    "Subsp. F.E.R.",
];

/// Short forms before a name.
const HONORIFICS: &[&str] =
    &["H.", "Hj.", "dr.", "drg.", "Ir.", "Prof. Dr.", "Tn.", "Ny.", "Ar.", "Bdn.", "Ftr.", "Ust."];

/// The words of common names.
fn common_words() -> Vec<&'static str> {
    super::common_names::words().collect()
}

/// Names whose kinds facts.md describes: single words, apostrophes, initials, abbreviations, nobility.
const NAMES: &[&str] = &[
    "Budi Santoso",
    "Maria Goretti Wulandari",
    "Ni Putu Ayu Lestari",
    "Dewi Kartika Sari",
    "Yohanes Kristianto Nugroho",
    "Cut Meutia",
    "Nurhaliza Rahmawati",
    "I Gusti Ngurah Wirawan",
    "Ma'ruf Hidayat",
    "Siti Aminah",
    "Suparman",
    "Raden Ajeng Kartini",
    "Raden Mas Said",
    "Andi Mappanyukki",
    "Teuku Umar",
    "Cut Nyak Dhien",
    "Ni Luh Sari",
    "Anak Agung Gde",
    "Ide Anak Agung",
    "Tengku Amir Hamzah",
    "Daeng Baso",
    "Tan Beng",
    "Lie Shi",
    "Oei Mei",
    "Nur'ain",
    "Syafi'i",
    "Jum'at",
    "S. H. Mintardja",
    "W. S. Rendra",
    "A. R. Fachruddin",
    "Ahmad bin Abdullah",
    "St. Aminah",
    "Umar Haji",
];

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_owned() + &rest.to_lowercase()
}

fn common_name() -> impl Strategy<Value = String> {
    let word = prop::sample::select(common_words());
    (prop::collection::vec(word, 1..4), any::<bool>()).prop_map(|(words, in_capitals)| {
        let words: Vec<_> = words
            .iter()
            .map(|word| if in_capitals { (*word).to_owned() } else { capitalised(word) })
            .collect();
        words.join(" ")
    })
}

/// Words that no rule but the one for single names may change.
fn words_without_rules(name: &str) -> Vec<String> {
    words_of(name)
}

#[test]
fn no_word_of_a_common_name_is_lost() {
    let words = common_words();
    assert!(words.len() > 1400, "{}", words.len());
    let mut lost = Vec::new();
    for word in &words {
        for other in ["BUDI", "SITI", "LIE"] {
            for name in [
                format!("{word} {other}"),
                format!("{other} {word}"),
                format!("{other}, {word}"),
                format!("{other} {other}, {word} {other}"),
                format!("{other} {word} {other}"),
            ] {
                let mixed = name.split(' ').map(capitalised).collect::<Vec<_>>().join(" ");
                for name in [name.to_lowercase(), name, mixed] {
                    let rules = NameRules { single_names: false, spelling: false, ..NameRules::DEFAULT };
                    let left = PersonName::parse(&name).unwrap().reduced(&rules).text();
                    if left != words_without_rules(&name).join(" ") {
                        lost.push(format!("{name} -> {left}"));
                    }
                }
            }
        }
    }
    assert_eq!(lost, Vec::<String>::new());
    for name in NAMES {
        assert_eq!(reduced(name), words_without_rules(name).join(" "), "{name}");
        let capitals = name.to_uppercase();
        assert_eq!(reduced(&capitals), words_without_rules(name).join(" "), "{name}");
    }
}

/// Also in capitals behind a name that is not, and behind an initial, where degrees are.
#[test]
fn no_common_name_behind_a_comma_is_a_degree() {
    let rules = NameRules { single_names: false, spelling: false, ..NameRules::DEFAULT };
    let mut lost = Vec::new();
    for word in common_words() {
        // Also parts of degrees: `S.Han.`, `S.Kim.`, `M.Eng.`
        if ["ENG", "HAN", "ING", "KIM", "LIN"].contains(&word) {
            continue;
        }
        for name in [
            format!("Budi Santoso, {word}"),
            format!("Budi Santoso, M. {}", capitalised(word)),
            format!("Budi Santoso, S.{}", capitalised(word)),
        ] {
            let left = PersonName::parse(&name).unwrap().reduced(&rules).text();
            if left != words_without_rules(&name).join(" ") {
                lost.push(format!("{name} -> {left}"));
            }
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn titles_before_a_name_are_removed_with_what_continues_them() {
    for title in [
        "Dr. rer. nat.",
        "Dr. Eng.",
        "Dr.-Ing.",
        "Dr. Phil.",
        "Dr (Cand.)",
        "Cand. Dr.",
        "Prof. (Ris.)",
        "Brigjen TNI",
        "Brigjen TNI (Purn)",
        "Letkol Inf",
        "Ms.",
        "Bd.",
        "Adv.",
        "Kol.",
        "Kapten",
        "Pastor",
    ] {
        assert_eq!(reduced(&format!("{title} Budi Santoso")), "BUDI SANTOSO", "{title}");
    }
    assert_eq!(reduced("Budi Santoso (Alm)"), "BUDI SANTOSO");
    assert_eq!(reduced("Suparman (Alm.)"), "SUPARMAN");
    for name in ["Dr. Ing Tjia", "Ing Tjia", "Nat Budi", "Mar Budi", "Alm Budi Nat"] {
        assert!(reduced(name).contains(name.rsplit(' ').next().unwrap().to_uppercase().as_str()), "{name}");
    }
    assert_eq!(reduced("Dr. Ing Tjia"), "ING TJIA");
}

/// How often the default rules take different names for one. docs/operations.md states the numbers.
#[test]
fn names_that_differ_rarely_collide() {
    let mut words = common_words();
    words.sort_unstable();
    words.dedup();
    let words: Vec<_> = words.into_iter().step_by(5).collect();
    let two_words =
        words.iter().flat_map(|first| words.iter().map(move |second| format!("{first} {second}")));
    let names: Vec<_> = two_words.chain(words.iter().map(|word| (*word).to_owned())).collect();
    let mut reduced: Vec<_> = names.iter().map(|name| reduced(name)).collect();
    reduced.sort_unstable();
    let same = reduced.chunk_by(|one, other| one == other).map(|same| same.len() * (same.len() - 1) / 2);
    let colliding: usize = same.sum();
    let pairs = names.len() * (names.len() - 1) / 2;
    println!("{} names of one or two common words: {colliding} of {pairs} pairs collide", names.len());
    assert_eq!(colliding, words.len(), "only a doubled name is taken for another, the single name");

    let letters = || 'A'..='Z';
    let initials: Vec<_> =
        letters().flat_map(|one| letters().map(move |other| format!("{one}.{other}."))).collect();
    let read_as_degrees = initials.iter().filter(|initials| reduced_behind(initials, " ") == "BUDI").count();
    let behind_comma = initials.iter().filter(|initials| reduced_behind(initials, ", ") == "BUDI").count();
    println!("{read_as_degrees} of {} pairs of last initials are read as a degree", initials.len());
    assert!(read_as_degrees < 20, "{read_as_degrees}");
    assert_eq!(behind_comma, initials.len(), "behind a comma all of them are");
}

fn reduced_behind(end: &str, separator: &str) -> String {
    reduced(&format!("Budi{separator}{end}"))
}

#[test]
fn a_name_that_is_only_an_escape_is_kept() {
    let name = |text| PersonName::parse(text).unwrap();
    assert_eq!(name("\\x27").reduced(&NameRules::DEFAULT).text(), "X27");
    assert!(name("\\x27").compare(&name("&#39;"), &NameRules::DEFAULT).is_none());
}

proptest! {
    #[test]
    fn a_name_with_titles_is_the_name(
        name in common_name(),
        before in prop::collection::vec(prop::sample::select(HONORIFICS), 0..3),
        behind in prop::collection::vec(prop::sample::select(DEGREES), 0..4),
    ) {
        let before: Vec<_> = before.into_iter().chain([&*name]).collect();
        let titled = [&[&*before.join(" ")], &behind[..]].concat().join(", ");
        let matched = rules_of(&titled, &name);
        let expected: &[&str] = if titled == name { &["exact"] } else { &["titles"] };
        prop_assert!(expected.contains(&&*matched), "{titled}: {matched}");
    }

    #[test]
    fn a_text_with_a_letter_is_accepted_and_reduced_to_something(
        before in "\\PC{0,8}",
        letter in "[\\p{Lu}\\p{Ll}\\p{Lt}\\p{Lo}\\p{Nd}]",
        after in "\\PC{0,8}",
    ) {
        let text = [before, letter, after].concat();
        let reduced = reduced(&text);
        prop_assert!(!reduced.is_empty());
        prop_assert!(reduced.split(' ').all(|word| !word.is_empty() && word.chars().all(char::is_alphanumeric)));
    }

    #[test]
    fn a_name_of_titles_is_reduced_to_something(text in titled_name()) {
        prop_assert!(!reduced(&text).is_empty());
    }

    #[test]
    fn any_text_is_a_name_or_refused(text in any::<String>()) {
        if let Ok(name) = PersonName::parse(&text) {
            prop_assert!(!name.reduced(&NameRules::DEFAULT).text().is_empty());
            prop_assert_eq!(rules_of(&text, &text), "exact");
        }
    }

    #[test]
    fn matching_is_reflexive_and_symmetric(
        one in prop_oneof![titled_name(), "[a-d' .,&#39;]{0,8}x"],
        other in prop_oneof![titled_name(), "[a-d' .,&#39;]{0,8}x"],
        at_least in 0.0_f64..=1.0,
    ) {
        for jaro_winkler in [None, Some(at_least)] {
            let rules = NameRules { jaro_winkler, ..NameRules::DEFAULT };
            prop_assert_eq!(compared(&one, &one, &rules), "exact");
            // `compared` asserts that it is symmetric.
            compared(&one, &other, &rules);
        }
    }

    #[test]
    fn fewer_rules_never_match_more(one in titled_name(), other in titled_name(), off in 0..5_usize) {
        let mut fewer = NameRules::DEFAULT;
        *[
            &mut fewer.escapes,
            &mut fewer.titles,
            &mut fewer.spelling,
            &mut fewer.apostrophes,
            &mut fewer.single_names,
        ][off] = false;
        if !compared(&one, &other, &fewer).is_empty() {
            prop_assert!(!rules_of(&one, &other).is_empty());
        }
    }

    #[test]
    fn case_marks_and_spacing_do_not_matter(text in "[A-Za-zéüñ' ]{0,20}x") {
        let without_marks: String = text.nfd().filter(|c| !is_combining_mark(*c)).collect();
        for variant in [
            text.to_uppercase(),
            text.to_lowercase(),
            without_marks,
            text.nfd().collect(),
            text.replace(' ', "  "),
            text.replace('\'', "\u{2019}"),
        ] {
            prop_assert_eq!(rules_of(&text, &variant), "exact");
        }
        for titled in [format!("Dr. {text}"), format!("{text}, S.Pd.")] {
            prop_assert_eq!(rules_of(&text, &titled), "titles");
        }
    }
}
