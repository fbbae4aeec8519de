//! Degrees in words: what opens them, and the forms of the names of fields of study.

use super::word::{Case, Word};

/// Words that open a degree in words, which extends to the next comma: `Bachelor of Aviation`, `Sarjana Pertambangan`,
/// `Licence en Droit`. None is used before a name. `Belum ada` is what forms have for no degree.
const OPENINGS: &[&str] = &[
    "AHLI",
    "ASSOCIATE",
    "BACCALAUREATE",
    "BACCALAUREUS",
    "BACHELOR",
    "BACHELORS",
    "BELUM",
    "CANDIDATE",
    "CERTIFICATE",
    "CERTIFIED",
    "CHARTERED",
    "DIPLOM",
    "DIPLOMA",
    "DIPLOME",
    "DOCTORAAL",
    "DOCTORAT",
    "DOCTORATE",
    "FELLOW",
    "GRADUATE",
    "KANDIDAT",
    "KOSONG",
    "LAUREA",
    "LICENCE",
    "LICENCIADO",
    "LICENCIATURA",
    "LICENTIATE",
    "LIZENTIAT",
    "MAGISTER",
    "MAITRISE",
    "MASTER",
    "MASTERE",
    "MASTERS",
    "NIHIL",
    "PEKERJA",
    "POSTGRADUATE",
    "PROFESI",
    "SARJANA",
    "SPECIALIST",
    "SPESIALIS",
    "STAATSEXAMEN",
    "STRATA",
    "SUBSPESIALIS",
    "TANPA",
    "TIDAK",
    "UNDERGRADUATE",
];

/// Degrees that are also titles before a name. They open one in words only before a preposition or a field.
const OPENINGS_OR_TITLES: &[&str] =
    &["AKUNTAN", "DOCTEUR", "DOCTOR", "DOKTER", "DOKTOR", "ENGINEER", "INGENIEUR", "INSINYUR"];

/// Prepositions between a degree and its field: `M.Sc. in Biotechnology`.
const PREPOSITIONS: &[&str] = &["BIDANG", "DALAM", "DER", "EN", "FUER", "FUR", "ILMU", "IN", "OF"];

/// The ends of the names of fields of study and of those who practise them. No name of a person is known to have one.
const ENDINGS: &[&str] = &[
    // English.
    "ACOLOGY",
    "AUTICS",
    "BIOTICS",
    "CULTURE",
    "ECTURE",
    "EERING",
    "EMATICS",
    "ETICS",
    "GRAPHY",
    "GRAPHIC",
    "ISTICS",
    "EMISTRY",
    "LATION",
    "LECTICS",
    "LOGICAL",
    "LOGIST",
    "LOGY",
    "MATION",
    "METRICS",
    "METRY",
    "MICS",
    "NATION",
    "NOMICS",
    "NOMY",
    "NTISTRY",
    "OBICS",
    "OGICS",
    "OLITICS",
    "ONICS",
    "OPATHY",
    "OPEDICS",
    "OSOPHY",
    "PHYSICS",
    "RATION",
    "SATION",
    "THERAPY",
    "TICULTURE",
    "TRICS",
    "TROLOGY",
    "UCATION",
    "VATION",
    "XATION",
    "ZATION",
    // Indonesian.
    "FARMASI",
    "FORMASI",
    "GRAFER",
    "GRAFI",
    "IKASI",
    "INOMI",
    "ISASI",
    "ISTIK",
    "ISTRASI",
    "KONOMI",
    "LOGI",
    "LOGIS",
    "NALISTIK",
    "NTANSI",
    "OKULER",
    "OLOG",
    "FORMATIKA",
    "TEMATIKA",
    "ONOMI",
    "OMETRI",
    "OMETRIS",
    "TRONIKA",
    "TERAPI",
    "TERAPIS",
    "TISIPASI",
];

/// Whether the words until the next comma are a degree in words, or a level such as `D-III Kebidanan`.
pub(super) fn opens_degree(words: &[Word]) -> bool {
    let [first, others @ ..] = words else { return false };
    let text = &*first.text;
    let is_with_field = || others.first().is_some_and(|next| is_preposition(next) || is_field(&next.text));
    OPENINGS.contains(&text)
        || is_level(first, others.first())
        || (OPENINGS_OR_TITLES.contains(&text) && is_with_field())
}

/// Whether a word behind a degree leads to its field.
pub(super) fn is_preposition(word: &Word) -> bool {
    PREPOSITIONS.contains(&&*word.text)
}

/// Whether a word has the form of the name of a field of study: `GERONTOLOGY`, `HYDROGRAPHY`, `PERHOTELAN`.
pub(super) fn is_field(text: &str) -> bool {
    let ends = |ending: &&str| text.ends_with(*ending) && text.len() > ending.len();
    ENDINGS.iter().any(ends) || is_derived_noun(text)
}

/// Indonesian nouns such as `KEBIDANAN`, `PERTAMBANGAN` and `PENERBANGAN`.
fn is_derived_noun(text: &str) -> bool {
    let is_derived = (text.starts_with("KE") || text.starts_with("PE")) && text.ends_with("AN");
    is_derived && text.len() > 8 && !text.ends_with("EAN")
}

/// `S1`, `D3`, `DIII`, `D-III`: levels, which lists have in the place of a degree.
fn is_level(first: &Word, next: Option<&Word>) -> bool {
    const ROMAN: [&str; 3] = ["II", "III", "IV"];
    let is_number =
        |text: &str| matches!(text, "1" | "2" | "3" | "4") || (first.text == "D" && ROMAN.contains(&text));
    match &*first.text {
        "D" | "S" => next.is_some_and(|next| is_number(&next.text)),
        "DII" | "DIII" => true,
        "DIV" => first.case == Case::Upper,
        text => text.strip_prefix(['D', 'S']).is_some_and(|number| matches!(number, "1" | "2" | "3" | "4")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_study_are_told_from_names_by_their_form() {
        for field in [
            "GERONTOLOGY",
            "HYDROGRAPHY",
            "AGRICULTURE",
            "PEDIATRICS",
            "MATHEMATICS",
            "TAXATION",
            "EDUCATION",
            "CHEMISTRY",
            "METEOROLOGI",
            "FISIOTERAPI",
            "ADMINISTRASI",
            "KEBIDANAN",
            "PERTAMBANGAN",
            "PENERBANGAN",
            "FISIOTERAPIS",
        ] {
            assert!(is_field(field), "{field}");
        }
        for name in [
            "GINTING",
            "SEMBIRING",
            "KARTIKA",
            "MONIKA",
            "NANIK",
            "SOFI",
            "DEMETRI",
            "KEMBAREN",
            "PERMANA",
            "PERANGINANGIN",
            "PANGARIBUAN",
            "FLORENCE",
            "CLEMENT",
            "LOGI",
            "NANCY",
            "KELVIAN",
            "PETITJEAN",
            "MISTRY",
            "VERONIKA",
        ] {
            assert!(!is_field(name), "{name}");
        }
    }
}
