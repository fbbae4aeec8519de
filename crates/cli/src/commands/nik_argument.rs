use std::io::{self, BufRead, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result, bail};
use padan_domain::NationalId;

/// The value of `--nik` that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The NIK that the value of `--nik` gives: itself, or `-` for a line of standard input.
///
/// Every user of the machine sees the arguments of all processes, and shells keep them. Nobody else sees standard input.
/// The value is parsed here, because clap's error would print the number.
pub(super) fn read_nik(value: &str) -> Result<NationalId> {
    if value == STANDARD_INPUT {
        if io::stdin().is_terminal() {
            write!(io::stderr().lock(), "NIK: ").context("cannot write to stderr")?;
        }
        return read_line(io::stdin().lock());
    }
    let Ok(nik) = value.parse() else { bail!("--nik: expected 16 digits, or - for standard input") };
    eprintln!(
        "Every user of this machine can see the arguments of commands, and shells keep them: use `--nik -` and write \
         the NIK to standard input."
    );
    Ok(nik)
}

fn read_line(mut input: impl BufRead) -> Result<NationalId> {
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read standard input")?;
    let Ok(nik) = line.trim().parse() else {
        bail!("--nik -: expected a line of 16 digits on standard input")
    };
    Ok(nik)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_standard_input_is_the_nik() {
        for input in
            ["3174011403870000", "3174011403870000\n", " 3174011403870000\r\n4", "3174011403870000\nx"]
        {
            assert_eq!(read_line(input.as_bytes()).unwrap().as_str(), "3174011403870000", "{input:?}");
        }
    }

    #[test]
    fn an_error_does_not_print_what_was_given() {
        for wrong in ["", "\n3174011403870000", "317401140387000x", "31740114038700001"] {
            let error = format!("{:?}", read_line(wrong.as_bytes()).unwrap_err());
            assert!(!error.contains("3174"), "{error}");
        }
        let error = format!("{:?}", read_nik("31740114038700001").unwrap_err());
        assert!(!error.contains("3174"), "{error}");
    }
}
