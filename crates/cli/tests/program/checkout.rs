//! A folder like a checkout after `make deps`, in which the program is started.

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

/// The guaranteed limit for the shutdown of the demo.
pub(crate) const TIME_TO_END: Duration = Duration::from_secs(20);
/// The guaranteed limit for the start of the demo.
pub(crate) const TIME_TO_START: Duration = Duration::from_mins(2);

pub(crate) struct Checkout {
    root: PathBuf,
    _above: TempDir,
}

impl Checkout {
    /// A checkout that every user of the machine can access.
    pub(crate) fn new() -> Self {
        Self::with_mode("checkout", 0o755)
    }

    /// A checkout in a folder that only the current user can enter.
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
        symlink(project.join("Cargo.toml"), root.join("Cargo.toml")).unwrap();
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
            // Only the checkout's own files are to be found.
            .env_remove("PADAN_MODELS")
            .env_remove("ORT_DYLIB_PATH")
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

    /// Starts a demo that keeps running, and waits until it prints its addresses.
    pub(crate) fn demo(&self, further: &[&str]) -> Demo {
        let mut arguments = vec!["demo", "--port", "0", "--admin-port", "0"];
        arguments.extend(further);
        let began = Instant::now();
        let mut process = self.command(&arguments).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("Padan serves at"));
        let Some(line) = line else {
            let mut stderr = String::new();
            process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
            panic!("the demo did not start: {stderr}");
        };
        assert!(began.elapsed() < TIME_TO_START);
        let ports: Vec<u16> = line
            .split("127.0.0.1:")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
            .collect();
        // The rest of the output is read, so that the demo is never blocked by a full pipe.
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
    pub(crate) fn get_from_operators(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.admin_port);
        // A client needs a cryptography provider even for plain HTTP.
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

/// Returns whether the primary of a cluster runs.
pub(crate) fn server_runs_in(cluster: &Path) -> bool {
    server_runs_on(&cluster.join("data"))
}

/// Returns whether a PostgreSQL runs on a data folder.
pub(crate) fn server_runs_on(data: &Path) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else {
        return false;
    };
    let pid = text.lines().next().unwrap_or_default();
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| !arguments.is_empty())
}

/// The folder of a cluster, as its location file names it.
pub(crate) fn read_location(location_file: &Path) -> PathBuf {
    fs::read_to_string(location_file).unwrap().trim_end().into()
}
