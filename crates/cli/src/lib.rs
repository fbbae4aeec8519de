//! The program `padan`: the service, its demo and the operator's tools.
//!
//! Start at [`run`], which `main.rs` calls: it parses the arguments and calls the `run` function of the command's module in
//! [`commands`]. [`settings`] composes the configuration of all crates.
//!
//! **Architecture Invariant:** this is the composition root. Only this crate combines the others, and only this crate
//! uses `anyhow`. All decisions about requests are made in the other crates.
//!
//! **Architecture Invariant:** data goes to stdout, everything else to stderr, and an error says what to do next.

mod active_calibration;
mod active_model;
mod arguments;
mod cohorts;
mod commands;
mod confirmation;
mod demo;
mod ending;
mod exit_status;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod live_rates;
mod memory_protection;
mod models;
mod operator;
mod output;
mod password_input;
mod priority;
mod private_cluster;
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
    arguments::run()
}
