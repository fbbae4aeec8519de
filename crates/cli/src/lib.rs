//! The program `padan`: the service and the operator's tools.
//!
//! Start at [`run`], which `main.rs` calls: it parses the arguments and calls the `run` function of the command's module in
//! [`commands`]. [`settings`] composes the configuration of all crates.
//!
//! **Architecture Invariant:** this is the composition root. Only this crate combines the others; `padan-demo` does it
//! through [`in_process`]. Only these two use `anyhow`. All decisions about requests are made in the other crates.
//!
//! **Architecture Invariant:** data goes to stdout, everything else to stderr, and an error says what to do next.

mod active_calibration;
mod active_model;
mod arguments;
mod commands;
mod confirmation;
mod ending;
mod engine;
mod exit_status;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod in_process;
mod live_rates;
mod memory_protection;
mod models;
mod operator;
mod output;
mod password_input;
mod priority;
mod reload;
mod service;
mod settings;
mod shadow_model;
mod shutdown;
mod telemetry;
mod tls;

use std::process::ExitCode;

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    ending::end_quietly_without_reader();
    let code = arguments::run();
    // Workers, and a start that was interrupted, may still be within ONNX Runtime.
    padan_inference::end_inference();
    code
}
