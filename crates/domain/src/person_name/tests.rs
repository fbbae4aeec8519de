use proptest::prelude::*;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use super::*;

fn normalised(text: &str) -> String {
    PersonName::parse(text).unwrap().0.into()
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
        assert_eq!(normalised(text), expected, "{text}");
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
        ("Tan Se", "TAN"),
        ("H Nasution", "NASUTION"),
        ("Budi S H", "BUDI"),
    ] {
        assert_eq!(normalised(text), expected, "{text:?}");
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
fn another_name_does_not_match() {
    for (one, other) in [
        ("Budi Santoso", "Budi Santosa"),
        ("Budi Santoso", "Santoso Budi"),
        ("Budi Santoso", "Budi"),
        ("Siti Aminah", "Siti Rahmah"),
        ("I Gusti Ngurah Wirawan", "Ngurah Wirawan"),
        ("Cut Meutia", "Meutia"),
    ] {
        let (one, other) = (PersonName::parse(one).unwrap(), PersonName::parse(other).unwrap());
        assert!(!one.matches(&other, NameRule::Exact));
    }
}

#[test]
fn a_threshold_tolerates_a_typing_error_and_no_more() {
    let rule = NameRule::JaroWinkler { at_least: 0.95 };
    let matches = |one: &str, other: &str| {
        PersonName::parse(one).unwrap().matches(&PersonName::parse(other).unwrap(), rule)
    };
    assert!(matches("Nurhaliza Rahmawati", "Nurhalisa Rahmawati"));
    assert!(!matches("Nurhaliza Rahmawati", "Siti Rahmawati"));
}

#[test]
fn a_rule_is_a_word_or_a_table_with_a_threshold_in_range() {
    #[derive(Deserialize)]
    struct Settings {
        rule: NameRule,
    }
    let rule =
        |value: &str| toml::from_str::<Settings>(&format!("rule = {value}")).map(|settings| settings.rule);
    assert_eq!(rule("'exact'").unwrap(), NameRule::Exact);
    let jaro_winkler = NameRule::JaroWinkler { at_least: 0.95 };
    assert_eq!(rule("{ jaro_winkler = { at_least = 0.95 } }").unwrap(), jaro_winkler);
    for wrong in [
        "'fuzzy'",
        "{ jaro_winkler = { at_least = 95.0 } }",
        "{ jaro_winkler = { at_least = nan } }",
        "{ jaro_winkler = {} }",
        "{ jaro_winkler = { at_least = 0.95, at_most = 1.0 } }",
    ] {
        assert!(rule(wrong).is_err(), "{wrong}");
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

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(text in prop_oneof![titled_name(), "\\PC{0,40}", any::<String>()]) {
        let once = normalise(&text);
        prop_assert_eq!(normalise(&once), once);
    }

    #[test]
    fn a_text_with_a_letter_is_accepted(
        before in "\\PC{0,8}",
        letter in "[\\p{Lu}\\p{Ll}\\p{Lt}\\p{Lo}\\p{Nd}]",
        after in "\\PC{0,8}",
    ) {
        let text = [before, letter, after].concat();
        prop_assert!(PersonName::parse(&text).is_ok());
    }

    #[test]
    fn a_name_of_titles_is_accepted(text in titled_name()) {
        prop_assert!(PersonName::parse(&text).is_ok());
    }

    #[test]
    fn an_accepted_name_has_a_letter_or_digit(text in "\\PC{0,40}") {
        prop_assert_eq!(PersonName::parse(&text).is_ok(), !normalise(&text).is_empty());
        let normal = normalise(&text);
        prop_assert!(normal.split(' ').all(|word| word.chars().all(char::is_alphanumeric)));
        prop_assert!(!normal.starts_with(' ') && !normal.ends_with(' ') && !normal.contains("  "));
    }

    #[test]
    fn matching_is_reflexive_and_symmetric(
        one in prop_oneof![titled_name(), "[a-d' .]{0,8}x"],
        other in prop_oneof![titled_name(), "[a-d' .]{0,8}x"],
        at_least in 0.0_f64..=1.0,
    ) {
        let (one, other) = (PersonName::parse(&one).unwrap(), PersonName::parse(&other).unwrap());
        for rule in [NameRule::Exact, NameRule::JaroWinkler { at_least }] {
            prop_assert!(one.matches(&one, rule));
            prop_assert_eq!(one.matches(&other, rule), other.matches(&one, rule));
        }
    }

    #[test]
    fn case_marks_and_spacing_do_not_matter(text in "[A-Za-zéüñ' ]{0,20}x") {
        let name = PersonName::parse(&text).unwrap();
        let without_marks: String = text.nfd().filter(|c| !is_combining_mark(*c)).collect();
        for variant in [
            text.to_uppercase(),
            text.to_lowercase(),
            without_marks,
            text.nfd().collect(),
            text.replace(' ', "  "),
            text.replace('\'', "\u{2019}"),
            format!("Dr. {text}"),
            format!("{text}, S.Pd."),
        ] {
            prop_assert!(name.matches(&PersonName::parse(&variant).unwrap(), NameRule::Exact), "{variant:?}");
        }
    }
}
