//! Names with the degrees of `../shared/cases/titles.txt`, which is not part of the project. `make test-shared` runs it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed, and the place says why")]

use std::{fs, path::Path};

use padan_domain::{NameRules, PersonName};

/// The grammar was written with the first half of the list in view. The second half was only counted, and this test does
/// not print it.
#[test]
fn degrees_of_universities_are_recognised_behind_a_name() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases/titles.txt");
    let text = fs::read_to_string(file).unwrap();
    let titles: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(titles.len(), 660);
    let (seen, held_back) = titles.split_at(titles.len() / 2);
    for (names, seen_share, held_back_share) in [
        (&["Budi Santoso", "Ni Putu Ayu Lestari"][..], 0.99, 0.93),
        (&["Suparman"], 0.99, 0.88),
        (&["BUDI SANTOSO"], 0.94, 0.86),
    ] {
        for (form, write) in FORMS {
            for (half, titles, least) in
                [("seen", seen, seen_share), ("held back", held_back, held_back_share)]
            {
                let missed: Vec<_> =
                    titles.iter().filter(|title| !is_recognised(names, &write(title))).collect();
                let recognised = titles.len() - missed.len();
                let share = recognised as f64 / titles.len() as f64;
                println!(
                    "{names:?}, {half}, {form}: {recognised} of {} ({:.1} %)",
                    titles.len(),
                    share * 100.0
                );
                if half == "seen" {
                    println!("    not recognised: {missed:?}");
                }
                assert!(share >= least, "{names:?}, {half}, {form}: {share}");
            }
        }
    }
}

/// What is written behind the name, for a degree.
const FORMS: [(&str, fn(&str) -> String); 5] = [
    ("as listed", |title| title.to_owned()),
    ("without blanks after full stops", |title| title.replace(". ", ".")),
    ("with blanks after full stops", |title| title.replace('.', ". ")),
    ("behind another degree", |title| format!("S.Kom., {title}")),
    ("before another degree", |title| format!("{title}, M.M.")),
];

fn is_recognised(names: &[&str], behind: &str) -> bool {
    names.iter().all(|name| {
        let claimed = PersonName::parse(&format!("{name}, {behind}")).unwrap();
        claimed.compare(&PersonName::parse(&name.to_uppercase()).unwrap(), &NameRules::DEFAULT).is_some()
    })
}
