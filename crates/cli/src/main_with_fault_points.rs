//! The program `padan` with places at which `make faults` lets tasks panic. It is never installed.

use std::process::ExitCode;

fn main() -> ExitCode {
    padan::run()
}
