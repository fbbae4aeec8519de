//! The program `padan`: the service, its demo and the operator's tools.
//!
//! Enter through [`main`]: it parses the arguments and calls the `run` function of the command's module in
//! [`commands`]. [`settings`] composes the configuration of all crates.
//!
//! **Architecture Invariant:** this is the composition root. The crates are put together only here, and only here is
//! `anyhow` used; all decisions are made in the crates below.
//!
//! **Architecture Invariant:** data goes to stdout, everything else to stderr, and an error says what to do next.

mod active_model;
mod arguments;
mod commands;
mod demo;
mod models;
mod private_cluster;
mod reload;
mod service;
mod settings;
mod shutdown;
mod telemetry;
mod tls;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    arguments::Arguments::parse().run()
}
