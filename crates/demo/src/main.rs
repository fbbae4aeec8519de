//! The program `padan-demo`: the service with sample people, and private PostgreSQL servers for tests. It is not installed
//! at a site.
//!
//! Start at [`demo::run`] and [`cluster::run`], one for each command.

mod cluster;
mod demo;
mod log;
mod private_cluster;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Show Padan with sample people, and run commands with a private PostgreSQL (for developers)
#[derive(Debug, Parser)]
#[command(name = "padan-demo", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: DemoCommand,
}

#[derive(Debug, Subcommand)]
enum DemoCommand {
    Run(demo::DemoArguments),
    Cluster(cluster::ClusterArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        DemoCommand::Run(arguments) => demo::run(&arguments),
        DemoCommand::Cluster(arguments) => cluster::run(&arguments),
    };
    padan_inference::end_inference();
    outcome.unwrap_or_else(|error| {
        eprintln!("padan-demo: {error:#}");
        ExitCode::FAILURE
    })
}
