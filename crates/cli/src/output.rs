use std::io::{self, IsTerminal as _, StderrLock, StdoutLock, Write};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

/// The option of commands that print facts.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArguments {
    /// Print one JSON document; docs/json-output.md explains its fields
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints a document to stdout.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, document)?;
    Ok(writeln!(out)?)
}

/// Standard output for text and JSON.
pub(crate) fn stdout() -> Printable<StdoutLock<'static>> {
    Printable { inner: io::stdout().lock(), incomplete: Vec::new() }
}

/// Standard error for text.
pub(crate) fn stderr() -> Printable<StderrLock<'static>> {
    Printable { inner: io::stderr().lock(), incomplete: Vec::new() }
}

/// Standard output for other formats: only what a terminal would show is made printable.
pub(crate) fn stdout_for_data() -> Box<dyn Write> {
    if io::stdout().is_terminal() { Box::new(stdout()) } else { Box::new(io::stdout()) }
}

/// The text with the characters that [`Printable`] escapes.
pub(crate) fn printable(text: &str) -> String {
    let mut out = Printable { inner: Vec::new(), incomplete: Vec::new() };
    // Writing to memory does not fail.
    let _ = out.write_all(text.as_bytes());
    String::from_utf8_lossy(&out.inner).into_owned()
}

/// Writes text of which some may come from a database that others can write to. Characters that could steer a terminal, or
/// make it show the text in another order, are written as in JSON: `\u001b`. Lines and tabs stay.
pub(crate) struct Printable<W> {
    inner: W,
    /// The beginning of a character whose other bytes were not written yet.
    incomplete: Vec<u8>,
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = [std::mem::take(&mut self.incomplete).as_slice(), bytes].concat();
        let mut chunks = text.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.write_text(chunk.valid())?;
            if chunks.peek().is_none() && is_incomplete(chunk.invalid()) {
                self.incomplete = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                write!(self.inner, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Printable<W> {
    fn write_text(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(steers) {
            self.inner.write_all(&rest.as_bytes()[..at])?;
            let mut characters = rest[at..].chars();
            let steering = characters.next().map_or(0, u32::from);
            write!(self.inner, "\\u{steering:04x}")?;
            rest = characters.as_str();
        }
        self.inner.write_all(rest.as_bytes())
    }
}

/// Whether a terminal does something other than to show the character where it stands.
fn steers(character: char) -> bool {
    let is_control = character.is_control() && !matches!(character, '\n' | '\t');
    is_control
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether bytes that are no text can become a character by the bytes that follow.
fn is_incomplete(invalid: &[u8]) -> bool {
    std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_steer_a_terminal_are_escaped() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{9b}K\r\u{7f}\u{7}\0"),
            r"a\u001b[2Jb\u009bK\u000d\u007f\u0007\u0000"
        );
        assert_eq!(printable("\u{202e}fdp\u{2069}\u{200f}\u{61c}"), r"\u202efdp\u2069\u200f\u061c");
        let text = "Ma'ruf\tÉlan 你好 🙂\nnext";
        assert_eq!(printable(text), text);
    }

    #[test]
    fn json_keeps_its_values() {
        let document = serde_json::json!({ "client": "a\u{9b}\u{202e}\u{1b}b" });
        let shown = printable(&document.to_string());
        assert_eq!(shown, r#"{"client":"a\u009b\u202e\u001bb"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), document);
    }

    #[test]
    fn a_character_may_come_in_two_writes_and_bytes_that_are_none_are_replaced() {
        let mut out = Printable { inner: Vec::new(), incomplete: Vec::new() };
        for bytes in [&b"x\xe4\xbd"[..], b"\xa0\xc2", b"\x9by", b"\xff\xe4z"] {
            out.write_all(bytes).unwrap();
        }
        assert_eq!(String::from_utf8(out.inner).unwrap(), "x你\\u009by\u{fffd}\u{fffd}z");
    }
}
