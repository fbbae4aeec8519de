use std::io::{self, Write as _};

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit_status::ExitStatus;

/// Print a script with which a shell completes commands and options
///
/// Bash: `padan completions bash > /etc/bash_completion.d/padan`. Zsh: write it to a file `_padan` in a folder of
/// `$fpath`. Fish: `padan completions fish > ~/.config/fish/completions/padan.fish`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for the program's command line.
pub(crate) fn run(arguments: &CompletionsArguments, mut program: Command) -> Result<ExitStatus> {
    // The generator panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "padan", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitStatus::Success)
}
