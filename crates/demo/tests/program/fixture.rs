use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Output},
    time::{Duration, Instant},
};

use padan_testing::Checkout;
use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_padan-demo");
/// The guaranteed limit for the shutdown of the demo.
pub(crate) const TIME_TO_END: Duration = Duration::from_secs(20);
/// The guaranteed limit for the start of the demo.
pub(crate) const TIME_TO_START: Duration = Duration::from_mins(2);

/// A checkout in which the demo is started.
pub(crate) fn checkout() -> Checkout {
    Checkout::for_program(PROGRAM)
}

/// The program `padan`, which lies beside the demo's.
pub(crate) fn padan() -> PathBuf {
    let program = Path::new(PROGRAM).with_file_name("padan");
    assert!(program.is_file(), "the program is missing: run `cargo build --release --package padan`");
    program
}

/// Runs a demo on free ports to its end.
pub(crate) fn demo_once(checkout: &Checkout, further: &[&str]) -> Output {
    let mut arguments = vec!["run", "--once", "--port", "0", "--admin-port", "0"];
    arguments.extend(further);
    checkout.run(&arguments)
}

/// Starts a demo that keeps running, and waits until it prints its addresses.
pub(crate) fn start_demo(checkout: &Checkout, further: &[&str]) -> Demo {
    let mut arguments = vec!["run", "--port", "0", "--admin-port", "0"];
    arguments.extend(further);
    let began = Instant::now();
    let mut process = checkout.command(&arguments).spawn().unwrap();
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
