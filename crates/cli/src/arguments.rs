use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    commands::{cluster, compare, config_check, doctor, keys_rotate, migrate, serve},
    demo, models,
};

/// Verifies that a person is who a civil registry says: name, date of birth and face for one NIK.
#[derive(Debug, Parser)]
#[command(name = "padan", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArguments),
    Migrate(migrate::MigrateArguments),
    Demo(demo::DemoArguments),
    Compare(compare::CompareArguments),
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    Doctor(doctor::DoctorArguments),
    /// Look after the keys of the store
    #[command(subcommand)]
    Keys(KeysCommand),
    Models(models::ModelsArguments),
    Cluster(cluster::ClusterArguments),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Check(config_check::ConfigCheckArguments),
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    Rotate(keys_rotate::KeysRotateArguments),
}

impl Arguments {
    /// Runs the command. What went wrong is told on stderr.
    pub(crate) fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Migrate(arguments) => migrate::run(&arguments),
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Compare(arguments) => Ok(compare::run(&arguments)),
            Command::Config(ConfigCommand::Check(arguments)) => config_check::run(&arguments),
            Command::Doctor(arguments) => doctor::run(&arguments),
            Command::Keys(KeysCommand::Rotate(arguments)) => keys_rotate::run(&arguments),
            Command::Models(arguments) => models::run(&arguments),
            Command::Cluster(arguments) => cluster::run(&arguments),
        };
        outcome.unwrap_or_else(|error| {
            eprintln!("padan: {error:#}");
            ExitCode::FAILURE
        })
    }
}
