use serde::{Deserialize, Deserializer};

/// Reads a list of texts of the settings: a list, or one text separated by commas, such as an environment variable. Empty
/// texts are left out.
///
/// # Errors
///
/// When the value is neither a text nor a list of texts.
pub fn deserialize_text_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(texts) => texts,
        OneOrMany::One(text) => text.split(',').map(|text| text.trim().to_owned()).collect(),
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Section {
        #[serde(deserialize_with = "deserialize_text_list")]
        list: Vec<String>,
    }

    #[test]
    fn a_list_may_be_one_text() {
        let read = |text: &str| toml::from_str::<Section>(text).map(|section| section.list);
        for text in [r#"list = ["a", "b c"]"#, r#"list = "a, b c""#, r#"list = ",a,,b c ,""#] {
            assert_eq!(read(text).unwrap(), ["a", "b c"], "{text}");
        }
        assert_eq!(read(r#"list = """#).unwrap(), Vec::<String>::new());
        assert!(read("list = 1").is_err());
    }
}
