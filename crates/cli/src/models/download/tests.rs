use std::{
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::*;

/// What the server does with one request.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// The whole file.
    Whole,
    /// Declares the whole file and hangs up after so many bytes.
    Cut(usize),
    /// Whole, or from the place asked for if the tag fits.
    Ranged,
    /// This status and nothing else.
    Status(&'static str),
}

/// An HTTP server on this machine that answers one connection after another as it was told.
pub(crate) struct Server {
    pub(crate) url: String,
    /// The head of each request.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(content: &[u8], tag: &'static str, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/model.onnx", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (content, log) = (content.to_vec(), Arc::clone(&requests));
        thread::spawn(move || {
            for answer in answers {
                let (connection, _) = listener.accept().unwrap();
                log.lock().unwrap().push(reply(connection, &content, tag, answer));
            }
        });
        Self { url, requests }
    }

    fn request(&self, index: usize) -> String {
        self.requests.lock().unwrap()[index].clone()
    }
}

fn reply(mut connection: TcpStream, content: &[u8], tag: &str, answer: Answer) -> String {
    let mut request = String::new();
    let mut lines = BufReader::new(connection.try_clone().unwrap());
    while !request.ends_with("\r\n\r\n") {
        lines.read_line(&mut request).unwrap();
    }
    let header = |name: &str| {
        request.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
    };
    let from = header("range").and_then(|range| range[6..].trim_end_matches('-').parse().ok());
    let fits = header("if-range").is_none_or(|wanted| wanted == tag);
    let length = content.len();
    let (status, range, body) = match (answer, from) {
        (Answer::Status(status), _) => (status, String::new(), &[][..]),
        (Answer::Ranged, Some(from)) if fits && from < length => (
            "206 Partial Content",
            format!("Content-Range: bytes {from}-{}/{length}\r\n", length - 1),
            &content[from..],
        ),
        (Answer::Ranged, Some(_)) if fits => ("416 Range Not Satisfiable", String::new(), &content[..0]),
        (Answer::Cut(end), _) => ("200 OK", String::new(), &content[..end]),
        _ => ("200 OK", String::new(), content),
    };
    let declared = if matches!(answer, Answer::Cut(_)) { length } else { body.len() };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {declared}\r\nETag: {tag}\r\n{range}Connection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(body).unwrap();
    request
}

fn content() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn fetch(server: &Server, part: &Path, wanted: &[u8]) -> Result<Vec<u8>> {
    let network = Network::with_pause(Duration::from_millis(1)).unwrap();
    network.fetch(&Download { url: &server.url, sha256: FileDigest::of(wanted), part, title: "model.onnx" })
}

fn part() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join(".model.part");
    (folder, part)
}

fn is_empty(folder: &tempfile::TempDir) -> bool {
    fs::read_dir(folder.path()).unwrap().next().is_none()
}

#[test]
fn a_file_is_downloaded_and_nothing_is_left_beside_it() {
    let (folder, part) = part();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
    assert!(is_empty(&folder));
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let (folder, part) = part();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Cut(300_000), Answer::Ranged]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
    let second = server.request(1).to_lowercase();
    assert!(second.contains("range: bytes="), "{second}");
    assert!(!second.contains("range: bytes=0-"), "{second}");
    assert!(second.contains("if-range: \"a\""), "{second}");
    assert!(is_empty(&folder));
}

#[test]
fn what_has_arrived_is_kept_for_the_next_run() {
    let (_folder, part) = part();
    let server =
        Server::start(&content(), "\"a\"", vec![Answer::Cut(300_000), Answer::Status("404 Not Found")]);
    let error = fetch(&server, &part, &content()).unwrap_err();
    assert!(error.to_string().contains("bytes are kept; the next attempt goes on from there"), "{error}");
    assert!(fs::metadata(&part).unwrap().len() > 0);

    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
    assert!(server.request(0).to_lowercase().contains("range: bytes="));
}

#[test]
fn a_file_changed_in_between_is_downloaded_from_the_start() {
    let (_folder, part) = part();
    fs::write(&part, b"the beginning of an older file").unwrap();
    fs::write(part.with_file_name(".model.part.etag"), "\"old\"").unwrap();
    let server = Server::start(&content(), "\"new\"", vec![Answer::Ranged]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn pieces_that_do_not_fit_are_thrown_away_and_the_file_is_fetched_whole() {
    let (_folder, part) = part();
    // Without a tag only the digest can tell.
    fs::write(&part, b"the beginning of an older file").unwrap();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged, Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn a_part_longer_than_the_file_is_thrown_away() {
    let (_folder, part) = part();
    fs::write(&part, [content(), vec![0]].concat()).unwrap();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged, Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn a_part_that_is_whole_already_is_fetched_again_rather_than_trusted() {
    let (_folder, part) = part();
    fs::write(&part, content()).unwrap();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged, Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn another_file_than_wanted_is_refused_and_not_kept() {
    let (folder, part) = part();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Whole]);
    let error = fetch(&server, &part, b"wanted").unwrap_err().to_string();
    assert!(error.ends_with("it was not used"), "{error}");
    assert!(is_empty(&folder));
}

#[test]
fn a_server_in_trouble_is_asked_again_and_one_that_refuses_is_not() {
    let (_folder, part) = part();
    let server =
        Server::start(&content(), "\"a\"", vec![Answer::Status("503 Service Unavailable"), Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());

    let server = Server::start(&content(), "\"a\"", vec![Answer::Status("403 Forbidden")]);
    let error = fetch(&server, &part, &content()).unwrap_err();
    assert!(format!("{error:#}").contains("the server answered 403 Forbidden"));
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[test]
fn no_server_at_all_is_told_at_once() {
    let (_folder, part) = part();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { url: format!("http://{gone}/"), requests: Arc::default() };
    fetch(&server, &part, &content()).unwrap_err();
}
