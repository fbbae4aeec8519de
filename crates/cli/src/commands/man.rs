use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Args, Command};
use clap_mangen::Man;

use crate::exit_status::ExitStatus;

/// Write the manual pages of all commands into a folder (for packages)
///
/// One page for each command, such as padan-audit-verify.1, and padan.1 for the program.
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The folder, which is created if it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the pages of the program's command line.
pub(crate) fn run(arguments: &ManArguments, program: Command) -> Result<ExitStatus> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut program = program.disable_help_subcommand(true);
    program.build();
    write_pages(&program, folder)?;
    Ok(ExitStatus::Success)
}

/// Writes the page of a command and those of its commands.
fn write_pages(command: &Command, folder: &Path) -> Result<()> {
    let page = Man::new(command.clone());
    let file = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    // The only text behind the options is that of the exit codes.
    let text =
        String::from_utf8(text)?.replace(".SH EXTRA\n", ".SH \"EXIT STATUS\"\n").replace("Exit codes:\n", "");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        write_pages(subcommand, folder)?;
    }
    Ok(())
}
