use actix_web::web::Bytes;
use memchr::memmem;

/// One part of a form. Its data shares the buffer of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The field's name.
    pub(crate) name: String,
    /// The charset of its Content-Type.
    pub(crate) charset: Option<String>,
    /// The content, as it was sent.
    pub(crate) data: Bytes,
}

/// The body is not a complete multipart form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedMultipart;

/// More parts than any form here has. The limit bounds the work that a hostile body can cause.
const MAX_PARTS: usize = 64;
const MAX_HEADER_BYTES: usize = 8 * 1024;
const LINE_END: &[u8] = b"\r\n";

/// Why a Content-Type gives no boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoBoundary {
    /// It is not `multipart/form-data`.
    AnotherType,
    /// It is, but has no boundary.
    Missing,
}

/// The boundary of a Content-Type that is `multipart/form-data`.
///
/// A strict parser of media types is not used: clients send boundaries with characters that ought to be quoted.
pub(crate) fn boundary(content_type: &str) -> Result<String, NoBoundary> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(NoBoundary::AnotherType);
    }
    parameter(parameters, "boundary")
        .filter(|boundary| (1..=200).contains(&boundary.len()))
        .ok_or(NoBoundary::Missing)
}

/// Splits a whole body into its parts, without copying their data. Bytes before the first boundary and after the last
/// one are ignored. A body without its closing boundary was cut off and is refused.
pub(crate) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, MalformedMultipart> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let finder = memmem::Finder::new(&delimiter);
    let mut parts = Vec::new();
    let mut at = first_boundary(body, &finder)?;
    loop {
        match after_boundary(&body[at..]) {
            AfterBoundary::End => return Ok(parts),
            AfterBoundary::Part(skip) => at += skip,
            AfterBoundary::Neither => return Err(MalformedMultipart),
        }
        if parts.len() == MAX_PARTS {
            return Err(MalformedMultipart);
        }
        let (headers, data_at) = headers(body, at)?;
        let end = next_boundary(body, data_at, &finder)?;
        // An empty part: the line end of the boundary also ends the headers.
        let data = body.slice(data_at.min(end)..end);
        parts.push(Part { name: headers.name.ok_or(MalformedMultipart)?, charset: headers.charset, data });
        at = end + delimiter.len();
    }
}

#[derive(Default)]
struct PartHeaders {
    name: Option<String>,
    charset: Option<String>,
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
    if rest[blanks..].starts_with(LINE_END) {
        AfterBoundary::Part(blanks + LINE_END.len())
    } else {
        AfterBoundary::Neither
    }
}

/// The position after the first boundary, which must be at the start of the body or of a line.
fn first_boundary(body: &[u8], finder: &memmem::Finder<'_>) -> Result<usize, MalformedMultipart> {
    let dashes_and_boundary = &finder.needle()[LINE_END.len()..];
    if body.starts_with(dashes_and_boundary) {
        return Ok(dashes_and_boundary.len());
    }
    let end = next_boundary(body, 0, finder)?;
    Ok(end + finder.needle().len())
}

/// The end of the data before the next boundary.
fn next_boundary(body: &[u8], from: usize, finder: &memmem::Finder<'_>) -> Result<usize, MalformedMultipart> {
    // The line end that ends the headers may also be the one that begins the boundary.
    let from = from.saturating_sub(LINE_END.len());
    finder
        .find_iter(&body[from..])
        .map(|found| from + found)
        .find(|end| !matches!(after_boundary(&body[end + finder.needle().len()..]), AfterBoundary::Neither))
        .ok_or(MalformedMultipart)
}

/// The headers of the part at `at`, and the position of its data.
fn headers(body: &[u8], at: usize) -> Result<(PartHeaders, usize), MalformedMultipart> {
    let mut headers = PartHeaders::default();
    let mut line_at = at;
    loop {
        let length = memmem::find(&body[line_at..], LINE_END).ok_or(MalformedMultipart)?;
        if line_at + length - at > MAX_HEADER_BYTES {
            return Err(MalformedMultipart);
        }
        let line = &body[line_at..line_at + length];
        line_at += length + LINE_END.len();
        if line.is_empty() {
            return Ok((headers, line_at));
        }
        // A file name may be in any charset. It is not used.
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').ok_or(MalformedMultipart)?;
        let (_, parameters) = value.split_once(';').unwrap_or((value, ""));
        if name.trim().eq_ignore_ascii_case("content-disposition") {
            headers.name = parameter(parameters, "name");
        } else if name.trim().eq_ignore_ascii_case("content-type") {
            headers.charset = parameter(parameters, "charset");
        }
    }
}

/// The value of a parameter in `a=b; c="d"`. Names are case-insensitive; a quoted value may contain any character.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
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
