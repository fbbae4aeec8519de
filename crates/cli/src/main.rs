//! The program `padan`.

use std::process::ExitCode;

fn main() -> ExitCode {
    padan::run()
}
