//! The service as an operator starts it: the program with its own settings, databases and people. What tests ask of it
//! is [`RunningService`].

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use padan_test_service::{RunningService, clients, project, sections_of_databases, unlimited_trials};
use padan_testing::TestDatabase;
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The program as it serves, with its databases. Both end when the value is dropped.
pub(crate) struct TestProgram {
    process: Child,
    running: RunningService,
    pub(crate) log: PathBuf,
    file: PathBuf,
    folder: TempDir,
    home: PathBuf,
}

/// A second process of a [`TestProgram`]. It ends when the value is dropped.
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

impl TestProgram {
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
            (RunningService::own_registry().await, TestDatabase::filled("store", migrate).await)
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("padan.toml");
        let (registry_url, store_url) = (registry.url(), store.url());
        let clients_section =
            if settings.contains("[clients]") { "" } else { "[clients]\nfile = \"clients.toml\"\n\n" };
        let log_section = if settings.contains("[log]") { "" } else { "[log]\nformat = \"json\"\n\n" };
        let unlimited = unlimited_trials(settings);
        let databases = sections_of_databases(&registry_url, &store_url);
        let mut text = format!("{settings}\n{unlimited}{log_section}{clients_section}{databases}");
        fs::write(folder.path().join("clients.toml"), clients()).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        change_text(&mut text, &registry_url);
        fs::write(&file, &text).unwrap();

        let log = folder.path().join("log");
        let mut running = RunningService::not_listening(registry, store, runtime);
        let process;
        (process, [running.address, running.admin]) = launch(&home, &file, &log);
        let service = Self { process, running, log, file, folder, home };
        if until_ready {
            service.wait_until_ready();
        }
        service
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
        (self.process, [self.running.address, self.running.admin]) =
            launch(&self.home, &self.file, &self.log);
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

impl Drop for TestProgram {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the service logged:\n{}", self.logged());
        }
    }
}

impl Deref for TestProgram {
    type Target = RunningService;

    fn deref(&self) -> &RunningService {
        &self.running
    }
}

/// Brings the store to this release by the program, as an operator does.
async fn migrate(database: &TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("padan.toml");
    fs::write(&file, sections_of_databases("postgres://nobody@127.0.0.1:1/nowhere", &database.url()))
        .unwrap();
    let migrated = padan(&project(), &file, "migrate").stderr(Stdio::piped()).output().unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
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
