use std::{env, process::Command, thread};

/// Set in a process that runs one test.
const ONE_TEST: &str = "PADAN_TEST_RUNS_ALONE";

/// Runs the calling test in a process of its own and returns true, or returns false if it is in one. Its first line is
/// `if ran_in_own_process() { return; }` if it reads the log or the memory of its process, since `cargo test` runs the tests
/// of a binary in one process.
#[must_use]
pub fn ran_in_own_process() -> bool {
    let of_nextest = env::var("NEXTEST_EXECUTION_MODE").is_ok_and(|mode| mode == "process-per-test");
    let test = thread::current().name().unwrap_or_default().to_owned();
    // With `--test-threads 1` tests run in the main thread, one after the other.
    if of_nextest || test == "main" || env::var_os(ONE_TEST).is_some() {
        return false;
    }
    let mut alone = Command::new(env::current_exe().unwrap());
    let ended = alone.args(["--exact", &test, "--nocapture"]).env(ONE_TEST, "1").output().unwrap();
    let printed = [ended.stdout, ended.stderr].concat();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&printed));
    true
}
