//! Splits a form into its parts.
//!
//! This is not left to a library: the parts share the buffer of the body, whose memory stays counted until the last of them
//! is dropped, and the contract's clients send forms that a strict parser refuses, such as lines that end in LF alone.

mod fault;
mod transfer;

use std::collections::HashMap;

use actix_web::web::Bytes;
use memchr::memmem;

use self::transfer::TransferEncoding;
pub(crate) use self::{
    fault::{MalformedMultipart, shown_encoding},
    transfer::{base64_decoding_bytes, decode_base64},
};
use crate::body_memory::HeldMemory;

/// One part of a form. Its data shares the buffer of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The field's name.
    pub(crate) name: String,
    /// The charset of its Content-Type.
    pub(crate) charset: Option<String>,
    /// The content, as it was sent.
    pub(crate) data: Bytes,
    encoding: TransferEncoding,
}

/// More parts than any form here has. The limit bounds the work that a hostile body can cause.
const MAX_PARTS: usize = 64;
const MAX_HEADER_BYTES: usize = 8 * 1024;
const MAX_BOUNDARY_BYTES: usize = 200;

/// Why a Content-Type gives no boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoBoundary {
    /// It is not `multipart/form-data`.
    AnotherType,
    /// It is, but its boundary is missing or malformed.
    Malformed(MalformedMultipart),
}

/// The boundary of a Content-Type that is `multipart/form-data`.
///
/// A strict parser of media types is not used: clients send boundaries with characters that ought to be quoted.
pub(crate) fn boundary(content_type: &str) -> Result<String, NoBoundary> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let (kind, after_comma) = kind.split_once(',').map_or((kind, None), |(kind, rest)| (kind, Some(rest)));
    let (kind, after_blank) = kind.trim().split_once([' ', '\t']).unwrap_or((kind.trim(), ""));
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return Err(NoBoundary::AnotherType);
    }
    if !after_blank.trim().is_empty() {
        return Err(NoBoundary::Malformed(MalformedMultipart::BlankForSemicolon));
    }
    if after_comma.is_some() {
        return Err(NoBoundary::Malformed(MalformedMultipart::CommaForSemicolon));
    }
    match parameter(parameters, "boundary").unwrap_or_default() {
        boundary if boundary.is_empty() => Err(NoBoundary::Malformed(MalformedMultipart::NoBoundary)),
        boundary if boundary.len() > MAX_BOUNDARY_BYTES => {
            Err(NoBoundary::Malformed(MalformedMultipart::LongBoundary))
        }
        boundary => Ok(boundary),
    }
}

/// Splits a whole body into its parts, without copying their data. Bytes before the first boundary and after the last
/// one are ignored. A body without its closing boundary was cut off and is refused.
///
/// A line ends in CRLF, or in LF alone as simple clients write it.
pub(crate) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, MalformedMultipart> {
    let delimiter = [b"\n--", boundary.as_bytes()].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut parts = Vec::new();
    let mut at = first_boundary(body, &finder).ok_or(MalformedMultipart::BoundaryNotInBody)?;
    loop {
        match after_boundary(&body[at..]) {
            AfterBoundary::End => return Ok(parts),
            AfterBoundary::Part(skip) => at += skip,
            AfterBoundary::Neither => return Err(MalformedMultipart::CutOff),
        }
        if parts.len() == MAX_PARTS {
            return Err(MalformedMultipart::Form);
        }
        let (headers, data_at) = headers(body, at)?;
        // The line end that ends the headers may also be the one that begins the boundary.
        let line_end = next_boundary(body, data_at - 1, &finder).ok_or(MalformedMultipart::CutOff)?;
        let end = line_end - usize::from(body[..line_end].ends_with(b"\r"));
        // An empty part: the line end of the boundary also ends the headers.
        let data = body.slice(data_at.min(end)..end);
        let name = headers.name.ok_or(MalformedMultipart::Form)?;
        parts.push(Part { name, charset: headers.charset, data, encoding: headers.encoding });
        at = line_end + delimiter.len();
    }
}

impl Part {
    /// The content, decoded. `memory` was reserved for it.
    pub(crate) fn decoded(&self, memory: HeldMemory) -> Result<Bytes, MalformedMultipart> {
        self.encoding.decode(&self.data, memory)
    }

    /// The charset of its text. Base64 without a charset is in UTF-8: text that only claims to be base64 would otherwise
    /// be compared as whatever it decodes to.
    pub(crate) fn text_charset(&self) -> Option<String> {
        let is_base64 = self.encoding == TransferEncoding::Base64;
        self.charset.clone().or_else(|| is_base64.then(|| "utf-8".to_owned()))
    }

    /// The most bytes of memory that [`decoded`](Self::decoded) needs beside the body.
    pub(crate) fn decoding_bytes(&self) -> usize {
        self.encoding.decoding_bytes(self.data.len())
    }
}

#[derive(Default)]
struct PartHeaders {
    name: Option<String>,
    charset: Option<String>,
    encoding: TransferEncoding,
    /// The headers that are read, by their names in lower case.
    read: HashMap<String, String>,
}

enum AfterBoundary {
    End,
    Part(usize),
    Neither,
}

/// What follows a boundary. `--` ends the form; a line end, possibly after blanks, begins a part. Otherwise the bytes
/// only look like a boundary.
fn after_boundary(rest: &[u8]) -> AfterBoundary {
    if rest.starts_with(b"--") {
        return AfterBoundary::End;
    }
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match &rest[blanks..] {
        [b'\n', ..] => AfterBoundary::Part(blanks + 1),
        [b'\r', b'\n', ..] => AfterBoundary::Part(blanks + 2),
        _ => AfterBoundary::Neither,
    }
}

/// The position after the first boundary, which must be at the start of the body or of a line.
fn first_boundary(body: &[u8], finder: &memmem::Finder<'_>) -> Option<usize> {
    let dashes_and_boundary = &finder.needle()[1..];
    if body.starts_with(dashes_and_boundary) {
        return Some(dashes_and_boundary.len());
    }
    Some(next_boundary(body, 0, finder)? + finder.needle().len())
}

/// The position of the LF before the next boundary.
fn next_boundary(body: &[u8], from: usize, finder: &memmem::Finder<'_>) -> Option<usize> {
    finder
        .find_iter(&body[from..])
        .map(|found| from + found)
        .find(|end| !matches!(after_boundary(&body[end + finder.needle().len()..]), AfterBoundary::Neither))
}

/// The headers of the part at `at`, and the position of its data.
fn headers(body: &[u8], at: usize) -> Result<(PartHeaders, usize), MalformedMultipart> {
    let mut headers = PartHeaders::default();
    // The header whose further lines may follow.
    let mut open: Option<String> = None;
    let mut line_at = at;
    loop {
        let length = memchr::memchr(b'\n', &body[line_at..]).ok_or(MalformedMultipart::CutOff)?;
        if line_at + length - at > MAX_HEADER_BYTES {
            return Err(MalformedMultipart::Form);
        }
        let line = &body[line_at..line_at + length];
        line_at += length + 1;
        // A file name may be in any charset. It is not used.
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        if line.starts_with([' ', '\t']) {
            // A header that is folded over lines.
            let header = open.as_mut().ok_or(MalformedMultipart::Form)?;
            header.push(' ');
            header.push_str(line.trim());
            continue;
        }
        if let Some(header) = open.replace(line.into_owned()) {
            headers.add(&header)?;
        }
        if open.as_deref() == Some("") {
            return Ok((headers, line_at));
        }
    }
}

impl PartHeaders {
    /// Adds a header in one line.
    fn add(&mut self, header: &str) -> Result<(), MalformedMultipart> {
        let (name, value) = header.split_once(':').ok_or(MalformedMultipart::Form)?;
        let (_, parameters) = value.split_once(';').unwrap_or((value, ""));
        let name = name.trim().to_ascii_lowercase();
        // Other readers could take another one of two that differ.
        let is_read = matches!(&*name, "content-disposition" | "content-type" | "content-transfer-encoding");
        if is_read
            && self
                .read
                .insert(name.clone(), value.trim().to_owned())
                .is_some_and(|former| former != value.trim())
        {
            return Err(MalformedMultipart::RepeatedHeader(name));
        }
        match name.as_str() {
            "content-disposition" => self.name = parameter(parameters, "name"),
            "content-type" => self.charset = parameter(parameters, "charset"),
            "content-transfer-encoding" => self.encoding = TransferEncoding::named(value)?,
            "content-encoding" => transfer::refuse_content_encoding(value)?,
            _ => {}
        }
        Ok(())
    }
}

/// The value of a parameter in `a=b; c="d"`. Names are case-insensitive; a quoted value may contain any character.
pub(crate) fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let end_of_name = rest.find(['=', ';'])?;
        let (name, after) = rest.split_at(end_of_name);
        let Some(after) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let (value, after) = if let Some(quoted) = after.trim_start().strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// The text up to the closing quote, and the rest. A backslash escapes a quote or a backslash. Before other characters
/// it is taken literally, as in the file paths that old browsers send.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests;
