//! Titles of the kinds that regulations, professions and foreign universities give, behind names and no part of them.
//! `titles.txt` has them, by the kind of their source.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed, and the place says why")]

use padan_domain::{NameRules, PersonName};

/// How a title is written behind a name.
type Form = (&'static str, fn(&str) -> String);

const FORMS: [Form; 5] = [
    ("as listed", |title| title.to_owned()),
    ("without blanks after full stops", |title| title.replace(". ", ".")),
    ("with blanks after full stops", |title| title.replace('.', ". ")),
    ("behind another degree", |title| format!("S.Kom., {title}")),
    ("before another degree", |title| format!("{title}, M.M.")),
];

#[test]
fn titles_of_all_kinds_are_recognised_behind_a_name() {
    let mut source = "";
    let mut titles = Vec::new();
    for line in include_str!("titles.txt").lines() {
        match line.strip_prefix("# ") {
            Some(heading) => source = heading,
            None => titles.push((source, line)),
        }
    }
    assert!(titles.len() >= 600, "{}", titles.len());
    for (names, least) in [
        (&["Budi Santoso", "Ni Putu Ayu Lestari"][..], 0.99),
        (&["Suparman"], 0.985),
        (&["BUDI SANTOSO", "NI PUTU AYU LESTARI"], 0.98),
    ] {
        for (form, write) in FORMS {
            let missed: Vec<_> =
                titles.iter().filter(|(_, title)| !is_recognised(names, &write(title))).collect();
            let share = 1.0 - missed.len() as f64 / titles.len() as f64;
            println!("{names:?}, {form}: {:.1} % of {}", share * 100.0, titles.len());
            println!("    not recognised: {:?}", missed.iter().map(|(_, title)| title).collect::<Vec<_>>());
            assert!(share >= least, "{names:?}, {form}: {share}");
        }
    }
}

fn is_recognised(names: &[&str], behind: &str) -> bool {
    names.iter().all(|name| {
        let claimed = PersonName::parse(&format!("{name}, {behind}")).unwrap();
        claimed.compare(&PersonName::parse(&name.to_uppercase()).unwrap(), &NameRules::DEFAULT).is_some()
    })
}

/// Names with words that are spelt like parts of titles. Without a comma nothing of them is removed.
#[test]
fn names_that_look_like_titles_are_kept() {
    let rules = NameRules { spelling: false, single_names: false, ..NameRules::DEFAULT };
    for name in [
        "Ade Irawan",
        "Eka Putri",
        "M. Ali",
        "Ba Sri Wahyuni",
        "St. Nurbaya",
        "Mas Agus Setiawan",
        "Agus Mas",
        "R. A. Kartini",
        "R.Ay. Lasminingrat",
        "Rr. Sekar Ayu",
        "Gusti Kanjeng Ratu Hemas",
        "I Md. Sudana",
        "I Gst. Ngurah Rai",
        "A. A. Gde Agung",
        "Ida Bagus Oka",
        "Tan Meng",
        "Lie Shan",
        "Ho Me",
        "Kho Ping Hoo",
        "Oei Ek Tjhong",
        "Abu Bakar Ba'asyir",
        "Al Amin",
        "As'ad Umar",
        "Aa Gymnastiar",
        "Sri",
        "Ba",
        "Mas",
        "Uun",
        "O. K. Saidin",
        "T. Umar",
        "Tb. Hasanuddin",
        "La Ode Ida",
        "Wa Ode Siti",
        "Si Singamangaraja",
        "Sang Nyoman Sedana",
        "Diploma Ginting",
        "Master Silalahi",
        "S. Soebardi",
        "D. N. Aidit",
        "K'tut Tantri",
        "Magister Harahap",
        "Sarjana Tarigan",
    ] {
        for written in [name.to_owned(), name.to_uppercase(), name.to_lowercase()] {
            let parsed = PersonName::parse(&written).unwrap();
            let letters = |text: &str| text.to_uppercase().replace('\'', "").replace('.', " ");
            let expected = letters(name).split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(parsed.reduced(&rules).text(), expected, "{written}");
        }
    }
}

/// A surname, a comma and given names are a name of several words, also where these look like parts of titles.
#[test]
fn given_names_behind_a_comma_are_kept() {
    let rules = NameRules { spelling: false, single_names: false, ..NameRules::DEFAULT };
    for (name, expected) in [
        ("Tanuwijaya, Chloe", "TANUWIJAYA CHLOE"),
        ("TANUWIJAYA, CHLOE", "TANUWIJAYA CHLOE"),
        ("Pangaribuan, S. Rizal", "PANGARIBUAN S RIZAL"),
        ("Siregar, M. Ali", "SIREGAR M ALI"),
        ("Siregar, Ade Irma", "SIREGAR ADE IRMA"),
        ("Hutagalung, Valentijn", "HUTAGALUNG VALENTIJN"),
        ("Mohede, Sven", "MOHEDE SVEN"),
        ("Lie, Meng", "LIE MENG"),
        ("Siti Aminah, S.Pd., Sari", "SITI AMINAH SARI"),
        ("Siti Aminah, Perangin Angin", "SITI AMINAH PERANGIN ANGIN"),
        ("Budi S, ST", "BUDI S"),
        ("Budi M, SE", "BUDI M"),
        ("Budi Santoso S,Kom", "BUDI SANTOSO"),
        ("Budi Santoso, S,Kom", "BUDI SANTOSO"),
    ] {
        assert_eq!(PersonName::parse(name).unwrap().reduced(&rules).text(), expected, "{name}");
    }
}
