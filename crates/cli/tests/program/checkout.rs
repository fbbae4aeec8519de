//! A folder that looks like a checkout after `make deps`, with the program started in it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The promised time for an end.
pub(crate) const TIME_TO_END: Duration = Duration::from_secs(20);
/// The promised time for a start.
pub(crate) const TIME_TO_START: Duration = Duration::from_mins(2);

pub(crate) struct Checkout {
    root: PathBuf,
    _above: TempDir,
}

impl Checkout {
    /// One that every user of the machine can reach.
    pub(crate) fn new() -> Self {
        Self::with_mode("checkout", 0o755)
    }

    /// One below a folder that only the running user can enter.
    pub(crate) fn in_private_folder() -> Self {
        Self::with_mode("checkout", 0o700)
    }

    pub(crate) fn with_mode(name: &str, mode: u32) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let installed = project.join(".deps");
        assert!(
            installed.join("onnxruntime").is_dir() && installed.join("models").is_dir(),
            "ONNX Runtime and the models are missing: run `make deps`"
        );
        let above = tempfile::Builder::new().permissions(fs::Permissions::from_mode(mode)).tempdir().unwrap();
        let root = above.path().join(name);
        fs::create_dir_all(root.join(".deps")).unwrap();
        for part in [".deps/onnxruntime", ".deps/models", "people"] {
            symlink(project.join(part), root.join(part)).unwrap();
        }
        Self { root, _above: above }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_padan"));
        command
            .args(arguments)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a demo on free ports to its end.
    pub(crate) fn demo_once(&self, further: &[&str]) -> Output {
        let mut arguments = vec!["demo", "--once", "--port", "0", "--admin-port", "0"];
        arguments.extend(further);
        self.run(&arguments)
    }

    /// Starts a demo that stays, and waits until it says where it serves.
    pub(crate) fn demo(&self, further: &[&str]) -> Demo {
        let mut arguments = vec!["demo", "--port", "0", "--admin-port", "0"];
        arguments.extend(further);
        let began = Instant::now();
        let mut process = self.command(&arguments).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("Padan serves at"));
        let Some(line) = line else {
            let mut said = String::new();
            process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("the demo did not come up: {said}");
        };
        assert!(began.elapsed() < TIME_TO_START);
        let ports: Vec<u16> = line
            .split("127.0.0.1:")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
            .collect();
        // The rest is read along, so that the demo never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Demo { process, port: ports[0], admin_port: ports[1] }
    }
}

pub(crate) struct Demo {
    pub(crate) process: Child,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
}

impl Demo {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for the end and returns the exit code, `None` after a signal.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < TIME_TO_END, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The status and body of a GET on the operators' port.
    pub(crate) fn ask_operators(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.admin_port);
        // Plain HTTP is all that is spoken; a client is not made without cryptography all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        let response = client.get(url).send().unwrap();
        (response.status().as_u16(), response.text().unwrap())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether the primary of a cluster runs.
pub(crate) fn server_runs_in(cluster: &Path) -> bool {
    server_runs_on(&cluster.join("data"))
}

/// Whether a PostgreSQL runs on a data folder.
pub(crate) fn server_runs_on(data: &Path) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else {
        return false;
    };
    let pid = text.lines().next().unwrap_or_default();
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| !arguments.is_empty())
}

/// Where the cluster of a claimed folder is, by its note.
pub(crate) fn noted(note: &Path) -> PathBuf {
    fs::read_to_string(note).unwrap().trim_end().into()
}
