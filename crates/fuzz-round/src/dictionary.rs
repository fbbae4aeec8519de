use std::{fs, path::Path};

/// The tokens of a dictionary in the format of libFuzzer: a text in quotation marks on each line, in which `\xAB`, `\\`
/// and `\"` are escapes. No tokens when there is no such file.
pub(crate) fn read(file: &Path) -> Vec<Vec<u8>> {
    fs::read_to_string(file).unwrap_or_default().lines().filter_map(token).collect()
}

fn token(line: &str) -> Option<Vec<u8>> {
    let quoted = line.trim();
    if quoted.starts_with('#') {
        return None;
    }
    let text = quoted.split_once('"')?.1.strip_suffix('"')?;
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (bytes, rest) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?;
                (with(bytes, byte), after)
            }
            (b'\\', [escaped, after @ ..]) => (with(bytes, *escaped), after),
            (plain, after) => (with(bytes, *plain), after),
        };
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn with(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_with_their_escapes() {
        assert_eq!(token(r#""a\"b\\""#).unwrap(), b"a\"b\\");
        assert_eq!(token(r#"name="\xFF\xd8x""#).unwrap(), b"\xff\xd8x");
        for line in ["", "# \"comment\"", "\"\"", "\"\\xzz\"", "plain"] {
            assert_eq!(token(line), None, "{line}");
        }
    }
}
