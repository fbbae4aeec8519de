/// How alike a known name must be to be what was meant: `prot` is 0.92 like `port`.
const NEAR_ENOUGH: f64 = 0.85;

/// Names the nearest known name in a deserializer's message about an unknown one.
///
/// `` unknown field `prot`, expected one of `address`, `port` `` becomes
/// `` unknown field `prot`, did you mean `port`? ``. A message about anything else, or without a near name, stays.
pub fn suggest_known_name(message: &str) -> String {
    let suggestion = || {
        let (what, known) = message.split_once(", expected ")?;
        let unknown = what.strip_prefix("unknown ")?.split('`').nth(1)?;
        let nearest = known
            .split('`')
            .skip(1)
            .step_by(2)
            .map(|name| (strsim::jaro_winkler(name, unknown), name))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let (_, name) = nearest.filter(|(alike, _)| *alike >= NEAR_ENOUGH)?;
        Some(format!("{what}, did you mean `{name}`?"))
    };
    suggestion().unwrap_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::suggest_known_name;

    #[test]
    fn the_nearest_known_name_is_named() {
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
    fn a_message_without_a_near_name_stays() {
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
