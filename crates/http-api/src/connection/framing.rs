/// Follows the requests on a connection, as far as to know whether the bytes of a head have begun to arrive.
///
/// Only deadlines depend on it. What is a request, and where it ends, is decided by the HTTP server. Where both disagree
/// (the server refuses such a request and closes the connection), a deadline is that of another state.
#[derive(Default)]
pub(crate) struct Framing {
    state: State,
    /// The current line without its end, as far as it matters.
    line: Vec<u8>,
    head: Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// In a head, or before one.
    #[default]
    Head,
    /// In a body of which this many bytes are missing.
    Body(u64),
    /// In the line before a chunk.
    ChunkSize,
    /// In a chunk of which this many bytes are missing, with its line end.
    Chunk(u64),
    /// In the lines after the last chunk.
    Trailers,
    /// What follows cannot be told: another protocol, or a malformed body.
    Unknown,
}

/// What is known of the head that arrives.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    has_begun: bool,
    is_chunked: bool,
    is_unknown: bool,
    length: u64,
}

/// Longer than each line whose content matters.
const LINE_BYTES: usize = 64;

impl Framing {
    /// Takes the next bytes of the client.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.state {
                State::Unknown => return,
                State::Body(missing) => {
                    let (rest, missing) = skip(bytes, missing);
                    (bytes, self.state) = (rest, body(missing));
                }
                State::Chunk(missing) => {
                    let (rest, missing) = skip(bytes, missing);
                    bytes = rest;
                    self.state = if missing == 0 { State::ChunkSize } else { State::Chunk(missing) };
                }
                State::Head | State::ChunkSize | State::Trailers => {
                    let end = memchr::memchr(b'\n', bytes);
                    self.extend_line(&bytes[..end.unwrap_or(bytes.len())]);
                    bytes = end.map_or(&[], |end| &bytes[end + 1..]);
                    if end.is_some() {
                        self.end_line();
                    }
                }
            }
        }
    }

    /// Whether a head has begun to arrive and is not complete. Empty lines before a head do not begin it: some clients
    /// send one after a body.
    pub(crate) fn is_in_head(&self) -> bool {
        self.state == State::Head && (self.head.has_begun || self.line.iter().any(|byte| *byte != b'\r'))
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        match self.state {
            State::Head if text.is_empty() && self.head.has_begun => {
                self.state = std::mem::take(&mut self.head).followed_by();
            }
            State::Head if text.is_empty() => {}
            State::Head => self.head.take_line(text),
            State::ChunkSize => self.state = chunk(text),
            State::Trailers if text.is_empty() => self.state = State::Head,
            _ => {}
        }
        // Keeps the allocation.
        self.line = line;
        self.line.clear();
    }
}

impl Head {
    fn take_line(&mut self, line: &[u8]) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.is_unknown = line.starts_with(b"CONNECT ");
            return;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return };
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        match name.as_slice() {
            b"content-length" => match number(value, 10) {
                Some(length) => self.length = length,
                None => self.is_unknown = true,
            },
            b"transfer-encoding" => self.is_chunked = true,
            b"upgrade" => self.is_unknown = true,
            _ => {}
        }
    }

    /// What follows after the head.
    fn followed_by(self) -> State {
        match self {
            Self { is_unknown: true, .. } => State::Unknown,
            Self { is_chunked: true, .. } => State::ChunkSize,
            Self { length, .. } => body(length),
        }
    }
}

fn body(missing: u64) -> State {
    if missing == 0 { State::Head } else { State::Body(missing) }
}

/// What follows after the line before a chunk, which has its size and possibly extensions.
fn chunk(line: &[u8]) -> State {
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
    match number(size.trim_ascii(), 16) {
        Some(0) => State::Trailers,
        Some(size) => State::Chunk(size.saturating_add(2)),
        None => State::Unknown,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()
}

/// Skips up to `missing` bytes. Returns the rest, and how many are still missing.
fn skip(bytes: &[u8], missing: u64) -> (&[u8], u64) {
    let skipped = usize::try_from(missing).unwrap_or(usize::MAX).min(bytes.len());
    (&bytes[skipped..], missing - skipped as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_in_head_after(bytes: &str) -> bool {
        let mut framing = Framing::default();
        framing.read(bytes.as_bytes());
        framing.is_in_head()
    }

    #[test]
    fn a_head_begins_with_its_first_byte_and_ends_with_an_empty_line() {
        for (bytes, is_in_head) in [
            ("", false),
            ("\r\n\n\r\n", false),
            ("G", true),
            ("\r\nG", true),
            ("GET / HTTP/1.1\r\n", true),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r", true),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            ("GET / HTTP/1.1\nHost: a\n\n", false),
            ("GET / HTTP/1.1\r\n\r\nG", true),
            ("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", false),
        ] {
            assert_eq!(is_in_head_after(bytes), is_in_head, "{bytes:?}");
        }
    }

    #[test]
    fn bodies_belong_to_no_head() {
        let long = "x".repeat(1000);
        for (bytes, is_in_head) in [
            ("POST / HTTP/1.1\r\ncontent-Length:  5 \r\n\r\nPOS\n\n".to_owned(), false),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345".to_owned(), false),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345P".to_owned(), true),
            (format!("POST /{long} HTTP/1.1\r\nX: {long}\r\nContent-Length: 1\r\n\r\n1P"), true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), false),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na;x=y\r\n0\r\n\r\n45678\r\nF"
                    .to_owned(),
                false,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nP\r\n0\r\nX: y\r\n".to_owned(),
                false,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nP\r\n0\r\nX: y\r\n\r\nP"
                    .to_owned(),
                true,
            ),
        ] {
            assert_eq!(is_in_head_after(&bytes), is_in_head, "{bytes:?}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_no_head() {
        for bytes in [
            "CONNECT a:1 HTTP/1.1\r\n\r\nG",
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nG",
            "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\nG",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\nG",
            "POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nG",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nG",
        ] {
            assert!(!is_in_head_after(bytes), "{bytes:?}");
        }
    }

    #[derive(Debug, Clone)]
    enum Sent {
        Nothing,
        Length(usize),
        Chunks(Vec<usize>),
    }

    fn request(sent: &Sent) -> String {
        match sent {
            Sent::Nothing => "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Sent::Length(length) => {
                format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{}", "\n".repeat(*length))
            }
            Sent::Chunks(lengths) => {
                let chunks =
                    lengths.iter().map(|length| format!("{length:x}\r\n{}\r\n", "\n".repeat(*length)));
                let chunks = chunks.collect::<String>();
                format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
            }
        }
    }

    fn any_request() -> impl Strategy<Value = Sent> {
        prop_oneof![
            Just(Sent::Nothing),
            (0..300_usize).prop_map(Sent::Length),
            prop::collection::vec(1..200_usize, 0..4).prop_map(Sent::Chunks),
        ]
    }

    proptest! {
        #[test]
        fn requests_in_a_row_are_followed_in_pieces_of_any_length(
            requests in prop::collection::vec(any_request(), 1..6),
            piece in 1..400_usize,
        ) {
            let bytes = requests.iter().map(request).collect::<String>();
            let mut framing = Framing::default();
            for piece in bytes.as_bytes().chunks(piece) {
                framing.read(piece);
            }
            prop_assert!(!framing.is_in_head());
            framing.read(b"P");
            prop_assert!(framing.is_in_head());
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..99), 0..9)) {
            let mut framing = Framing::default();
            for piece in &pieces {
                framing.read(piece);
            }
        }
    }
}
