use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{
    commands::{
        audit_export, audit_heads, audit_prune, audit_verify, calibrate, calibration_activate,
        calibration_live, calibration_show, client, compare, completions, config_check, config_show, doctor,
        enroll, evaluate, keys_rotate, man, migrate, name, operator, person_find, person_forget, serve,
        status, templates_prune, usage,
    },
    ending::exit_code,
    exit_status::{self, ExitStatus},
    models,
};

/// Verify a person's name, date of birth and face against a civil registry, by national ID number (NIK)
#[derive(Debug, Parser)]
#[command(name = "padan", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    Serve(serve::ServeArguments),
    Migrate(migrate::MigrateArguments),
    Compare(compare::CompareArguments),
    Name(name::NameArguments),
    /// Check and print the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    Doctor(doctor::DoctorArguments),
    Status(status::StatusArguments),
    Client(client::ClientArguments),
    Operator(operator::OperatorArguments),
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
    /// Find or erase the stored data about a person
    #[command(subcommand)]
    Person(PersonCommand),
    Models(models::ModelsArguments),
    Evaluate(evaluate::EvaluateArguments),
    Calibrate(calibrate::CalibrateArguments),
    /// Show or change how similarity is converted to percentages
    #[command(subcommand)]
    Calibration(CalibrationCommand),
    Completions(completions::CompletionsArguments),
    #[command(hide = true)]
    Man(man::ManArguments),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Check(config_check::ConfigCheckArguments),
    Show(config_show::ConfigShowArguments),
}

#[derive(Debug, Subcommand)]
enum CalibrationCommand {
    Show(calibration_show::CalibrationShowArguments),
    Activate(calibration_activate::CalibrationActivateArguments),
    Live(calibration_live::CalibrationLiveArguments),
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
    Find(person_find::PersonFindArguments),
    Forget(person_forget::PersonForgetArguments),
}

/// Reads the arguments, runs the command, and prints its error, if any, to stderr.
pub(crate) fn run() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        // Help is not an error.
        Err(error) => {
            let status = if error.use_stderr() { ExitStatus::WrongUsage } else { ExitStatus::Success };
            return if error.print().is_ok() { status } else { ExitStatus::BrokenPipe }.into();
        }
    };
    let as_json = asks_for_json(&matches);
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    exit_code(arguments.run(), as_json)
}

/// The definition of the command line. The help of each command ends with its exit codes.
fn command() -> Command {
    with_exit_codes(Arguments::command(), "")
}

fn with_exit_codes(command: Command, words: &str) -> Command {
    if !command.has_subcommands() {
        return command.after_long_help(exit_status::help_of(words));
    }
    command.mut_subcommands(|subcommand| {
        let words = format!("{words} {}", subcommand.get_name());
        with_exit_codes(subcommand, words.trim_start())
    })
}

/// Whether the option `--json` was given, with which errors are printed as JSON as well.
fn asks_for_json(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some((_, matches)) => asks_for_json(matches),
        None => matches.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or_default(),
    }
}

impl Arguments {
    fn run(self) -> Result<ExitStatus> {
        match self.command {
            ProgramCommand::Serve(arguments) => serve::run(&arguments),
            ProgramCommand::Migrate(arguments) => migrate::run(&arguments),
            ProgramCommand::Compare(arguments) => compare::run(&arguments),
            ProgramCommand::Name(arguments) => name::run(&arguments),
            ProgramCommand::Config(ConfigCommand::Check(arguments)) => config_check::run(&arguments),
            ProgramCommand::Config(ConfigCommand::Show(arguments)) => config_show::run(&arguments),
            ProgramCommand::Doctor(arguments) => doctor::run(&arguments),
            ProgramCommand::Keys(KeysCommand::Rotate(arguments)) => keys_rotate::run(&arguments),
            ProgramCommand::Status(arguments) => status::run(&arguments),
            ProgramCommand::Client(arguments) => client::run(&arguments),
            ProgramCommand::Operator(arguments) => operator::run(&arguments),
            ProgramCommand::Enroll(arguments) => enroll::run(&arguments),
            ProgramCommand::Templates(TemplatesCommand::Prune(arguments)) => templates_prune::run(&arguments),
            ProgramCommand::Audit(AuditCommand::Export(arguments)) => audit_export::run(&arguments),
            ProgramCommand::Audit(AuditCommand::Verify(arguments)) => audit_verify::run(&arguments),
            ProgramCommand::Audit(AuditCommand::Heads(arguments)) => audit_heads::run(&arguments),
            ProgramCommand::Audit(AuditCommand::Prune(arguments)) => audit_prune::run(&arguments),
            ProgramCommand::Usage(arguments) => usage::run(&arguments),
            ProgramCommand::Person(PersonCommand::Find(arguments)) => person_find::run(&arguments),
            ProgramCommand::Person(PersonCommand::Forget(arguments)) => person_forget::run(&arguments),
            ProgramCommand::Models(arguments) => models::run(&arguments),
            ProgramCommand::Evaluate(arguments) => evaluate::run(&arguments),
            ProgramCommand::Calibrate(arguments) => calibrate::run(&arguments),
            ProgramCommand::Calibration(CalibrationCommand::Show(arguments)) => {
                calibration_show::run(&arguments)
            }
            ProgramCommand::Calibration(CalibrationCommand::Activate(arguments)) => {
                calibration_activate::run(&arguments)
            }
            ProgramCommand::Calibration(CalibrationCommand::Live(arguments)) => {
                calibration_live::run(&arguments)
            }
            ProgramCommand::Completions(arguments) => completions::run(&arguments, command()),
            ProgramCommand::Man(arguments) => man::run(&arguments, command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::Arg;

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
        // The last two are needed unless another argument is given.
        let is_needed = |argument: &&Arg| {
            argument.is_required_set()
                || argument.get_long() == Some("identities")
                || (argument.is_positional() && argument.get_id() == "calibration")
        };
        let needed = command.get_arguments().filter(is_needed);
        needed
            .flat_map(|argument| {
                let value = match argument.get_id().as_str() {
                    "from" | "to" | "before" => "2026-01-02",
                    "older_than" => "24months",
                    "nik" => "3174011403870000",
                    "role" => "operator",
                    _ => "one",
                };
                argument.get_long().map(|name| format!("--{name}")).into_iter().chain([value.to_owned()])
            })
            .collect()
    }

    #[test]
    fn every_command_with_settings_takes_an_override_of_one_setting() {
        let mut program = super::command();
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
                super::command().try_get_matches_from(&line).map_err(|error| error.to_string()).unwrap();
            while let Some((_, below)) = matches.remove_subcommand() {
                matches = below;
            }
            let overrides: Vec<_> = matches.get_raw("set").unwrap().collect();
            assert_eq!(overrides, ["http.port=1"], "{words:?}");
        }
        assert!(with_settings > 20, "{with_settings}");
    }
}
