use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        audit_export, audit_heads, audit_prune, audit_verify, calibrate, calibration_show, client, cluster,
        compare, config_check, config_show, doctor, enroll, evaluate, keys_rotate, migrate, name,
        person_forget, serve, templates_prune, usage,
    },
    demo,
    ending::exit_code,
    models,
};

/// Verify a person's name, date of birth and face against a civil registry, by national ID number (NIK)
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
    Name(name::NameArguments),
    /// Check and print the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    Doctor(doctor::DoctorArguments),
    Client(client::ClientArguments),
    Enroll(enroll::EnrollArguments),
    /// Delete face templates of models that are no longer used
    #[command(subcommand)]
    Templates(TemplatesCommand),
    /// Replace the keys that encrypt face templates
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Export, verify and prune the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    Usage(usage::UsageArguments),
    /// Erase the stored data about a person
    #[command(subcommand)]
    Person(PersonCommand),
    Models(models::ModelsArguments),
    Evaluate(evaluate::EvaluateArguments),
    Calibrate(calibrate::CalibrateArguments),
    /// Show how similarity is converted to percentages
    #[command(subcommand)]
    Calibration(CalibrationCommand),
    Cluster(cluster::ClusterArguments),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Check(config_check::ConfigCheckArguments),
    Show(config_show::ConfigShowArguments),
}

#[derive(Debug, Subcommand)]
enum CalibrationCommand {
    Show(calibration_show::CalibrationShowArguments),
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    Rotate(keys_rotate::KeysRotateArguments),
}

#[derive(Debug, Subcommand)]
enum TemplatesCommand {
    Prune(templates_prune::TemplatesPruneArguments),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Export(audit_export::AuditExportArguments),
    Verify(audit_verify::AuditVerifyArguments),
    Heads(audit_heads::AuditHeadsArguments),
    Prune(audit_prune::AuditPruneArguments),
}

#[derive(Debug, Subcommand)]
enum PersonCommand {
    Forget(person_forget::PersonForgetArguments),
}

impl Arguments {
    /// Runs the command and prints its error, if any, to stderr.
    pub(crate) fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Migrate(arguments) => migrate::run(&arguments),
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Compare(arguments) => Ok(compare::run(&arguments)),
            Command::Name(arguments) => name::run(&arguments),
            Command::Config(ConfigCommand::Check(arguments)) => config_check::run(&arguments),
            Command::Config(ConfigCommand::Show(arguments)) => config_show::run(&arguments),
            Command::Doctor(arguments) => doctor::run(&arguments),
            Command::Keys(KeysCommand::Rotate(arguments)) => keys_rotate::run(&arguments),
            Command::Client(arguments) => client::run(&arguments),
            Command::Enroll(arguments) => enroll::run(&arguments),
            Command::Templates(TemplatesCommand::Prune(arguments)) => templates_prune::run(&arguments),
            Command::Audit(AuditCommand::Export(arguments)) => audit_export::run(&arguments),
            Command::Audit(AuditCommand::Verify(arguments)) => audit_verify::run(&arguments),
            Command::Audit(AuditCommand::Heads(arguments)) => audit_heads::run(&arguments),
            Command::Audit(AuditCommand::Prune(arguments)) => audit_prune::run(&arguments),
            Command::Usage(arguments) => usage::run(&arguments),
            Command::Person(PersonCommand::Forget(arguments)) => person_forget::run(&arguments),
            Command::Models(arguments) => models::run(&arguments),
            Command::Evaluate(arguments) => evaluate::run(&arguments),
            Command::Calibrate(arguments) => calibrate::run(&arguments),
            Command::Calibration(CalibrationCommand::Show(arguments)) => calibration_show::run(&arguments),
            Command::Cluster(arguments) => cluster::run(&arguments),
        };
        exit_code(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::{Arg, Command, CommandFactory as _};

    use super::*;

    /// Every command without commands of its own, with the words that name it.
    fn leaves(command: &Command, words: &[String]) -> Vec<(Vec<String>, Command)> {
        if !command.has_subcommands() {
            return vec![(words.to_vec(), command.clone())];
        }
        let subcommands = command.get_subcommands().filter(|sub| sub.get_name() != "help");
        subcommands.flat_map(|sub| leaves(sub, &[words, &[sub.get_name().to_owned()]].concat())).collect()
    }

    /// The arguments that a command needs, in the order of its help.
    fn needed(command: &Command) -> Vec<String> {
        let is_needed =
            |argument: &&Arg| argument.is_required_set() || argument.get_long() == Some("identities");
        let needed = command.get_arguments().filter(is_needed);
        needed
            .flat_map(|argument| {
                let value = match argument.get_id().as_str() {
                    "from" | "to" | "before" => "2026-01-02",
                    "older_than" => "24months",
                    "nik" => "3174011403870000",
                    _ => "one",
                };
                argument.get_long().map(|name| format!("--{name}")).into_iter().chain([value.to_owned()])
            })
            .collect()
    }

    #[test]
    fn every_command_with_settings_takes_an_override_of_one_setting() {
        let mut program = Arguments::command();
        program.build();
        let mut with_settings = 0;
        for (words, command) in leaves(&program, &["padan".to_owned()]) {
            let ids: Vec<_> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{words:?} {ids:?}");
            if !command.get_arguments().any(|argument| argument.get_long() == Some("set")) {
                continue;
            }
            with_settings += 1;
            let line =
                [&words[..], &needed(&command), &["--set".to_owned(), "http.port=1".to_owned()]].concat();
            let mut matches =
                Arguments::command().try_get_matches_from(&line).map_err(|error| error.to_string()).unwrap();
            while let Some((_, below)) = matches.remove_subcommand() {
                matches = below;
            }
            let overrides: Vec<_> = matches.get_raw("set").unwrap().collect();
            assert_eq!(overrides, ["http.port=1"], "{words:?}");
        }
        assert!(with_settings > 20, "{with_settings}");
    }
}
