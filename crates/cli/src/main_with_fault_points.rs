//! The program `padan` with places at which `make faults` lets tasks panic. It is never installed.

mod active_model;
mod arguments;
mod commands;
mod demo;
mod memory_protection;
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
