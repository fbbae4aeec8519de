//! Abbreviations and variants of names, and fillers of forms that want two names.

/// What forms that want two names are filled up with: "last name unknown", "first name unknown" and the like.
const FILLERS: &[&str] = &["LNU", "FNU", "NLN", "NFN", "NMN", "XX", "XXX"];

/// Replaces abbreviations and variants of Muhammad and Abdul by one spelling.
///
/// `M` and `MD` count as Muhammad only before another name: elsewhere they are an initial or another word.
pub(super) fn unified(words: &[String]) -> Vec<String> {
    let unify = |(position, word): (usize, &String)| match &**word {
        "M" | "MD" if position == 0 && words.len() > 1 => "MUHAMMAD".to_owned(),
        word if is_muhammad(word) => "MUHAMMAD".to_owned(),
        "ABD" => "ABDUL".to_owned(),
        other => other.to_owned(),
    };
    words.iter().enumerate().map(unify).collect()
}

/// Whether a word is an abbreviation of a name, so that it can stand before another name anywhere.
pub(super) fn is_abbreviated_name(word: &str) -> bool {
    word == "ABD" || (is_muhammad(word) && word.len() < 6)
}

/// `MUHAMMAD` in every spelling: `MOHAMED`, `MOCHAMAD`, `MUKHAMMAD`, `MOEHAMMAD`, and shortened `MOH`, `MUHD`, `MHD`.
fn is_muhammad(word: &str) -> bool {
    if ["MHD", "MHMD", "MMD"].contains(&word) {
        return true;
    }
    let Some(rest) = ["MOE", "MU", "MO"].iter().find_map(|begin| word.strip_prefix(begin)) else {
        return false;
    };
    let Some(rest) = ["KH", "CH", "H"].iter().find_map(|middle| rest.strip_prefix(middle)) else {
        return false;
    };
    matches!(rest, "" | "D" | "MD" | "AMAD" | "AMMAD" | "AMED" | "AMMED" | "AMMADD" | "AMAT" | "AMMAT")
}

/// The name of a person with one name, which was doubled or filled up; `None` for every other name.
pub(super) fn single_name(words: &[String]) -> Option<Vec<String>> {
    let mut names: Vec<_> = words.iter().filter(|word| !FILLERS.contains(&&***word)).collect();
    names.dedup();
    match names[..] {
        [name] if words.len() == 2 && name.chars().count() > 1 => Some(vec![name.clone()]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn variants_of_muhammad_and_abdul_have_one_spelling() {
        for word in [
            "MOH",
            "MOCH",
            "MUH",
            "MUCH",
            "MHD",
            "MOHD",
            "MUHD",
            "MHMD",
            "MOHAMAD",
            "MOCHAMAD",
            "MUHAMAD",
            "MUCHAMAD",
            "MOHAMMAD",
            "MOCHAMMAD",
            "MUCHAMMAD",
            "MOHAMMED",
            "MOHAMED",
            "MUHAMMED",
            "MUKHAMMAD",
            "MOEHAMMAD",
            "M",
            "MD",
        ] {
            assert_eq!(unified(&words(&format!("{word} RIZAL"))), ["MUHAMMAD", "RIZAL"], "{word}");
        }
        assert_eq!(unified(&words("ABD RAHMAN")), ["ABDUL", "RAHMAN"]);
        for name in [
            "MOHAN",
            "MUHTAR",
            "MUHAJIR",
            "MOCHTAR",
            "M",
            "MD",
            "BUDI M",
            "I MD SUDANA",
            "MUHAMMADIYAH",
            "ABDI",
        ] {
            assert_eq!(unified(&words(name)), words(name));
        }
    }

    #[test]
    fn only_a_single_name_is_freed_of_what_a_form_added() {
        for (filled, name) in [
            ("SUPARMAN SUPARMAN", Some("SUPARMAN")),
            ("SUPARMAN LNU", Some("SUPARMAN")),
            ("FNU SUPARMAN", Some("SUPARMAN")),
            ("SUPARMAN", None),
            ("BUDI SANTOSO", None),
            ("BUDI BUDI SANTOSO", None),
            ("BUDI SANTOSO LNU", None),
            ("LNU LNU", None),
            ("LNU", None),
            ("M M", None),
        ] {
            assert_eq!(single_name(&words(filled)), name.map(|name| vec![name.to_owned()]), "{filled}");
        }
    }
}
