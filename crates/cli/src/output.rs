use std::io::{self, Write as _};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

/// The option of commands that print facts.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArguments {
    /// Print one JSON document; docs/json-output.md explains its fields
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints a document to stdout.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    Ok(writeln!(out)?)
}
