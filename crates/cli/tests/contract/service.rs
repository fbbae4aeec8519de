//! The service as an operator starts it: the program with its own settings, databases and people.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use padan_testing::TestDatabase;
use reqwest::blocking::{Client, ClientBuilder, multipart};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    photos::Photos,
    site::{BUDI, CREDENTIALS, clients, fill},
};

/// A running service with its databases. Both end when the value is dropped.
pub(crate) struct TestService {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) registry: TestDatabase,
    pub(crate) store: TestDatabase,
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    pub(crate) log: PathBuf,
    file: PathBuf,
    folder: TempDir,
    home: PathBuf,
}

/// A second process of a [`TestService`]. It ends when the value is dropped.
pub(crate) struct SecondProcess {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for SecondProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sets the flag that stops a load when it is dropped, also when the test fails.
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// An answer of the service.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason_code: String,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

/// The four fields of a face verification. Methods change single fields.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) nik: String,
    pub(crate) name: String,
    pub(crate) date_of_birth: String,
    pub(crate) photo: Bytes,
}

impl TestService {
    /// Starts the service with the default settings.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// Starts the service with these settings, in TOML.
    pub(crate) fn with(settings: &str) -> Self {
        Self::in_home(project(), settings)
    }

    /// Starts the service with these settings, and files beside them.
    pub(crate) fn with_files(settings: &str, files: &[(&str, &str)]) -> Self {
        Self::start_as(project(), settings, files, true, |_, _| {})
    }

    /// Starts the service as [`with_files`](Self::with_files), but does not wait until it is ready.
    pub(crate) fn with_files_without_waiting(settings: &str, files: &[(&str, &str)]) -> Self {
        Self::start_as(project(), settings, files, false, |_, _| {})
    }

    /// Starts the service in a folder where it looks for models and runtime.
    pub(crate) fn in_home(home: PathBuf, settings: &str) -> Self {
        Self::start_as(home, settings, &[], true, |_, _| {})
    }

    /// Starts the service with a registry that cannot be reached.
    pub(crate) fn without_registry() -> Self {
        Self::start_as(project(), "", &[], false, |text, registry| {
            *text = text.replace(registry, "postgres://nobody@127.0.0.1:1/nowhere");
        })
    }

    /// Starts the service with a store that cannot be reached.
    pub(crate) fn without_store() -> Self {
        Self::start_as(project(), "", &[], false, |text, _| {
            let store = text.split("[store]\nurl = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            *text = text.replace(&store, "postgres://nobody@127.0.0.1:1/nowhere");
        })
    }

    fn start_as(
        home: PathBuf,
        settings: &str,
        files: &[(&str, &str)],
        until_ready: bool,
        change_text: impl FnOnce(&mut String, &str),
    ) -> Self {
        let project = project();
        assert!(
            project.join(".deps/onnxruntime").is_dir() && project.join(".deps/models").is_dir(),
            "ONNX Runtime and the models are missing: run `make deps`"
        );
        let runtime = Runtime::new().unwrap();
        let (registry, store) = runtime.block_on(async {
            let registry = TestDatabase::create().await;
            fill(&registry).await;
            (registry, TestDatabase::create().await)
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("padan.toml");
        let (registry_url, store_url) = (registry.url(), store.url());
        let clients_section =
            if settings.contains("[clients]") { "" } else { "[clients]\nfile = \"clients.toml\"\n\n" };
        let log_section = if settings.contains("[log]") { "" } else { "[log]\nformat = \"json\"\n\n" };
        let unlimited = unlimited_trials(settings);
        let mut text = format!(
            "{settings}\n{unlimited}{log_section}{clients_section}\
             [registry]\nurls = [\"{registry_url}\"]\n\n\
             [store]\nurl = \"{store_url}\"\nperson_key = \"{}\"\ntemplate_keys = \"{}\"\n\
             audit_keys = \"{}\"\n",
            "0123456789abcdef".repeat(4),
            "89abcdef01234567".repeat(4),
            "456789abcdef0123".repeat(4)
        );
        fs::write(folder.path().join("clients.toml"), clients()).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::write(&file, &text).unwrap();
        let migrated = padan(&project, &file, "migrate").output().unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        change_text(&mut text, &registry_url);
        fs::write(&file, &text).unwrap();

        let log = folder.path().join("log");
        let (process, [address, admin]) = launch(&home, &file, &log);
        let service = Self {
            process,
            address,
            admin,
            registry,
            store,
            runtime,
            client: http_client().no_proxy().timeout(Duration::from_mins(1)).build().unwrap(),
            log,
            file,
            folder,
            home,
        };
        if until_ready {
            service.wait_until_ready();
        }
        service
    }

    fn wait_until_ready(&self) {
        self.wait_until_ready_at(self.admin);
    }

    fn wait_until_ready_at(&self, admin: SocketAddr) {
        let began = Instant::now();
        loop {
            let answer = self.client.get(format!("http://{admin}/readyz")).send().unwrap();
            if answer.status() == 200 {
                return;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "{}", answer.text().unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a claim with valid credentials.
    pub(crate) fn verify(&self, claim: &Claim) -> Answer {
        self.send(claim.form())
    }

    /// Sends a form to the face verification.
    pub(crate) fn send(&self, form: multipart::Form) -> Answer {
        self.send_to("/identity/v1/face-verification", form)
    }

    /// Sends a form to a path.
    pub(crate) fn send_to(&self, path: &str, form: multipart::Form) -> Answer {
        self.request("POST", path, CREDENTIALS).multipart(form).send().unwrap().into()
    }

    /// A request with credentials.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        credentials: [&str; 3],
    ) -> reqwest::blocking::RequestBuilder {
        self.request_at(self.address, method, path, credentials)
    }

    /// A request with credentials to another process.
    pub(crate) fn request_at(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        credentials: [&str; 3],
    ) -> reqwest::blocking::RequestBuilder {
        let [user, password, key] = credentials;
        self.client
            .request(method.parse().unwrap(), format!("http://{address}{path}"))
            .basic_auth(user, Some(password))
            .header("x-api-key", key)
    }

    /// The status and the body of a GET on the operators' listener.
    pub(crate) fn get_from_operators(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("http://{}{path}", self.admin)).send().unwrap();
        (response.status().as_u16(), response.text().unwrap())
    }

    /// The address of the operators' listener.
    pub(crate) fn operators_address(&self) -> SocketAddr {
        self.admin
    }

    /// A connection to the public listener.
    pub(crate) fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        connection
    }

    /// The process of the service.
    pub(crate) fn process(&mut self) -> &mut Child {
        &mut self.process
    }

    /// The number of the process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the service again with the same settings and databases, after its process has ended.
    pub(crate) fn restart(&mut self) {
        (self.process, [self.address, self.admin]) = launch(&self.home, &self.file, &self.log);
        self.wait_until_ready();
    }

    /// Changes the settings file, for the next start or reload.
    pub(crate) fn change_settings(&self, from: &str, to: &str) {
        let text = fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&self.file, text.replace(from, to)).unwrap();
    }

    /// Changes the file of clients and reloads it.
    pub(crate) fn change_clients(&self, from: &str, to: &str) {
        let file = self.folder.path().join("clients.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&file, text.replace(from, to)).unwrap();
        self.reload();
    }

    /// Makes the service reload its settings, and waits until it has loaded or refused them.
    pub(crate) fn reload(&self) {
        let reloads = |log: &str| {
            log.matches("settings reloaded").count() + log.matches("settings not reloaded").count()
        };
        let before = reloads(&self.logged());
        self.signal(Signal::HUP);
        let began = Instant::now();
        while reloads(&self.logged()) == before {
            assert!(began.elapsed() < Duration::from_secs(30), "nothing was reloaded:\n{}", self.logged());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the log contains these words.
    pub(crate) fn wait_for_log(&self, words: &str) {
        let began = Instant::now();
        while !self.logged().contains(words) {
            assert!(began.elapsed() < Duration::from_secs(30), "{words} is not in:\n{}", self.logged());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts a second process with the same settings and databases.
    pub(crate) fn start_second_process(&self) -> SecondProcess {
        let log = self.folder.path().join("second-log");
        let (process, [address, admin]) = launch(&self.home, &self.file, &log);
        let second = SecondProcess { process, address };
        self.wait_until_ready_at(admin);
        second
    }

    /// Runs a command of the program with the same settings.
    pub(crate) fn command(&self, words: &[&str]) -> Output {
        self.start_command(words).wait_with_output().unwrap()
    }

    /// Runs a command of the program with the same settings, and this text as its standard input.
    pub(crate) fn command_with_input(&self, words: &[&str], input: &str) -> Output {
        let mut process = self.prepared_command(words).stdin(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        process.wait_with_output().unwrap()
    }

    /// Starts a command of the program with the same settings in the background.
    pub(crate) fn start_command(&self, words: &[&str]) -> Child {
        self.prepared_command(words).spawn().unwrap()
    }

    /// Runs a command of the program with other settings.
    pub(crate) fn command_with_settings(&self, words: &[&str], settings: &str) -> Output {
        let file = self.folder.path().join("other.toml");
        fs::write(&file, settings).unwrap();
        prepared(words, &file).output().unwrap()
    }

    /// The settings of the service.
    pub(crate) fn settings(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn prepared_command(&self, words: &[&str]) -> Command {
        prepared(words, &self.file)
    }

    /// The folder with the service's settings and files. It is removed with the value.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the service has logged so far.
    pub(crate) fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

/// A command of the program with these settings, without the settings of this machine.
fn prepared(words: &[&str], settings: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_padan"));
    command
        .args(words)
        .arg("--config")
        .arg(settings)
        .env("PADAN__INFERENCE__DEVICE", "cpu")
        .env("ORT_DYLIB_PATH", project().join(".deps/onnxruntime/libonnxruntime.so"))
        .env("PADAN_MODELS", project().join(".deps/models"))
        .current_dir(project())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Drop for TestService {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the service logged:\n{}", self.logged());
        }
    }
}

impl Claim {
    /// Budi's data and a selfie of his, which match the registry.
    pub(crate) fn matching() -> Self {
        Self {
            nik: BUDI.to_owned(),
            name: "Budi Santoso".to_owned(),
            date_of_birth: "14-03-1987".to_owned(),
            photo: Photos::read("101_s1.jpg"),
        }
    }

    pub(crate) fn nik(mut self, nik: &str) -> Self {
        nik.clone_into(&mut self.nik);
        self
    }

    pub(crate) fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub(crate) fn date_of_birth(mut self, date: &str) -> Self {
        date.clone_into(&mut self.date_of_birth);
        self
    }

    pub(crate) fn photo(mut self, photo: impl Into<Bytes>) -> Self {
        self.photo = photo.into();
        self
    }

    pub(crate) fn form(&self) -> multipart::Form {
        text_fields(&[("nik", &self.nik), ("name", &self.name), ("date_of_birth", &self.date_of_birth)])
            .part("face_image", file(&self.photo))
    }
}

/// A form of text fields.
pub(crate) fn text_fields(fields: &[(&str, &str)]) -> multipart::Form {
    fields.iter().fold(multipart::Form::new(), |form, (name, value)| {
        form.text((*name).to_owned(), (*value).to_owned())
    })
}

/// A file as the Node SDK sends it.
pub(crate) fn file(bytes: &[u8]) -> multipart::Part {
    multipart::Part::bytes(bytes.to_vec()).file_name("blob").mime_str("application/octet-stream").unwrap()
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert(&self, status: u16, reason_code: &str, body: &str) {
        assert_eq!((self.status, &*self.reason_code, &*self.body), (status, reason_code, body));
    }

    /// Asserts an answer that has only a status and a reason.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, reason_code: &str, reason: &str) {
        self.assert(
            status,
            reason_code,
            &format!("{{\"verification_status\":false,\"reason\":\"{reason}\"}}"),
        );
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn percentage(&self) -> f64 {
        self.json()["result"]["face_image_percentage"].as_f64().unwrap()
    }

    /// The body with the percentage written as `P`.
    pub(crate) fn without_percentage(&self) -> String {
        let (head, tail) = self.body.split_once("face_image_percentage\":").unwrap();
        let number = tail.trim_end_matches('}');
        let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert!(decimals <= 2 && (1.0..=100.0).contains(&number.parse::<f64>().unwrap()), "{number}");
        format!("{head}face_image_percentage\":P}}}}")
    }
}

/// The limits of trials that the settings do not mention, turned off: tests ask about few persons, and often.
fn unlimited_trials(settings: &str) -> String {
    let off = "most = 0, window_seconds = 86400";
    let fields =
        ["person", "person_long", "client", "client_long"].map(|key| format!("{key} = {{ {off} }}\n"));
    let of_person = off.replace(", ", "\n");
    [
        ("failed_fields", fields.concat()),
        ("failed_faces_of_person", format!("{of_person}\n")),
        ("compared_faces_of_person", format!("{of_person}\n")),
    ]
    .into_iter()
    .filter(|(key, _)| !settings.contains(key))
    .map(|(key, text)| format!("[verification.{key}]\n{text}\n"))
    .collect::<Vec<_>>()
    .concat()
}

/// A client needs a cryptography provider even where a test uses plain HTTP.
fn http_client() -> ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
}

impl From<reqwest::blocking::Response> for Answer {
    fn from(response: reqwest::blocking::Response) -> Self {
        let headers = response.headers().clone();
        let text = |name: &str| headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap();
        assert!(!text("request-id").is_empty());
        assert_eq!(text("content-type"), "application/json");
        Self {
            status: response.status().as_u16(),
            reason_code: text("reason-code").to_owned(),
            headers: headers.clone(),
            body: response.text().unwrap(),
        }
    }
}

fn padan(project: &Path, settings: &Path, command: &str) -> Command {
    let mut padan = Command::new(env!("CARGO_BIN_EXE_padan"));
    padan
        .args([command, "--config"])
        .arg(settings)
        .env("PADAN_MODELS", project.join(".deps/models"))
        .env("ORT_DYLIB_PATH", project.join(".deps/onnxruntime/libonnxruntime.so"))
        .current_dir(project)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    padan
}

fn launch(project: &Path, settings: &Path, log: &Path) -> (Child, [SocketAddr; 2]) {
    let mut serve = padan(project, settings, "serve");
    if !fs::read_to_string(settings).unwrap().contains("shutdown_delay_seconds") {
        // No load balancer needs time to notice the shutdown.
        serve.env("PADAN__HTTP__SHUTDOWN_DELAY_SECONDS", "0");
    }
    let mut process = serve
        // The same device on every machine, so that expected metrics do not depend on the processor.
        .env("PADAN__INFERENCE__DEVICE", "cpu")
        .env("PADAN__HTTP__PORT", "0")
        .env("PADAN__HTTP__ADMIN_PORT", "0")
        .stderr(Stdio::from(fs::File::create(log).unwrap()))
        .spawn()
        .unwrap();
    let addresses = listening(log, &mut process);
    (process, addresses)
}

/// Reads the two addresses from the log.
fn listening(log: &Path, process: &mut Child) -> [SocketAddr; 2] {
    let began = Instant::now();
    loop {
        let lines = BufReader::new(fs::File::open(log).unwrap()).lines().map_while(Result::ok);
        for line in lines {
            if let (Some(port), Some(admin)) = (port_in(&line, "port"), port_in(&line, "admin_port")) {
                return [port, admin].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
            }
        }
        assert!(
            process.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(90),
            "the service does not start:\n{}",
            fs::read_to_string(log).unwrap()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The port in a field of a log line, in either format.
fn port_in(line: &str, field: &str) -> Option<u16> {
    let (_, number) =
        line.split_once(&format!("\"{field}\":")).or_else(|| line.split_once(&format!(" {field}=")))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
