use std::{
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::*;

/// How the server answers a request.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// The whole file.
    Whole,
    /// Declares the whole file and closes the connection after this number of bytes.
    Cut(usize),
    /// The requested range if the tag matches, else the whole file.
    Ranged,
    /// This status and no body.
    Status(&'static str),
}

/// An HTTP server on this machine that gives the prepared answers, one per connection.
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
    let downloader = Downloader::with_pause(Duration::from_millis(1)).unwrap();
    downloader.fetch(&Download {
        url: &server.url,
        sha256: FileDigest::of(wanted),
        part,
        title: "model.onnx",
    })
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
fn a_download_resumes_where_the_connection_broke() {
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
fn an_incomplete_download_is_kept_for_the_next_run() {
    let (_folder, part) = part();
    let server =
        Server::start(&content(), "\"a\"", vec![Answer::Cut(300_000), Answer::Status("404 Not Found")]);
    let error = fetch(&server, &part, &content()).unwrap_err();
    assert!(error.to_string().contains("bytes are kept; the next download resumes there"), "{error}");
    assert!(fs::metadata(&part).unwrap().len() > 0);

    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
    assert!(server.request(0).to_lowercase().contains("range: bytes="));
}

#[test]
fn a_file_that_changed_on_the_server_is_downloaded_from_the_start() {
    let (_folder, part) = part();
    fs::write(&part, b"the beginning of an older file").unwrap();
    fs::write(part.with_file_name(".model.part.etag"), "\"old\"").unwrap();
    let server = Server::start(&content(), "\"new\"", vec![Answer::Ranged]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn a_part_of_another_file_is_removed_and_the_file_is_downloaded_again() {
    let (_folder, part) = part();
    // Without a tag, only the digest shows it.
    fs::write(&part, b"the beginning of an older file").unwrap();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged, Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn a_part_longer_than_the_file_is_removed() {
    let (_folder, part) = part();
    fs::write(&part, [content(), vec![0]].concat()).unwrap();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged, Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn a_part_as_long_as_the_file_is_downloaded_again() {
    let (_folder, part) = part();
    fs::write(&part, content()).unwrap();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Ranged, Answer::Whole]);
    assert_eq!(fetch(&server, &part, &content()).unwrap(), content());
}

#[test]
fn a_file_of_another_digest_is_refused_and_removed() {
    let (folder, part) = part();
    let server = Server::start(&content(), "\"a\"", vec![Answer::Whole]);
    let error = fetch(&server, &part, b"wanted").unwrap_err().to_string();
    assert!(error.ends_with("the file was not used"), "{error}");
    assert!(is_empty(&folder));
}

#[test]
fn a_server_error_is_retried_and_a_refusal_is_not() {
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
fn a_refused_connection_is_not_retried() {
    let (_folder, part) = part();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { url: format!("http://{gone}/"), requests: Arc::default() };
    fetch(&server, &part, &content()).unwrap_err();
}
