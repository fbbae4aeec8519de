/// The minimum Jaro-Winkler similarity of a suggestion: `prot` and `port` have 0.92.
const MIN_SIMILARITY: f64 = 0.85;

/// Replaces the list of known names in a deserializer's message about an unknown name by the most similar one.
///
/// `` unknown field `prot`, expected one of `address`, `port` `` becomes
/// `` unknown field `prot`, did you mean `port`? ``. Any other message, and one without a similar name, is returned
/// unchanged.
pub fn suggest_known_name(message: &str) -> String {
    let suggestion = || {
        let (problem, known) = message.split_once(", expected ")?;
        let unknown = problem.strip_prefix("unknown ")?.split('`').nth(1)?;
        let nearest = known
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|name| (strsim::jaro_winkler(name, unknown), name))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let (_, name) = nearest.filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)?;
        Some(format!("{problem}, did you mean `{name}`?"))
    };
    suggestion().unwrap_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::suggest_known_name;

    #[test]
    fn the_most_similar_known_name_is_suggested() {
        for (message, expected) in [
            (
                "unknown field `prot`, expected one of `address`, `port`",
                "unknown field `prot`, did you mean `port`?",
            ),
            (
                "unknown variant `jsn`, expected `text` or `json`",
                "unknown variant `jsn`, did you mean `json`?",
            ),
            (
                "unknown field `password`, expected `password_sha256`",
                "unknown field `password`, did you mean `password_sha256`?",
            ),
        ] {
            assert_eq!(suggest_known_name(message), expected);
        }
    }

    #[test]
    fn a_message_without_a_similar_name_is_unchanged() {
        for message in [
            "unknown field `shoe_size`, expected one of `address`, `port`",
            "unknown field `x`, there are no fields",
            "invalid type: string \"`prot`\", expected `port`",
            "missing field `port`",
        ] {
            assert_eq!(suggest_known_name(message), message);
        }
    }
}
