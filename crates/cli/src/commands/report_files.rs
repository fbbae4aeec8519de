//! What the reports of `padan evaluate` and `padan calibrate` have in common.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use padan_domain::Clock;
use padan_evaluation::{Made, Report};
use serde::Serialize;

/// Today, and this program.
pub(crate) fn made_now() -> Made {
    Made { on: Clock::System.today_in_jakarta(), by: concat!("padan ", env!("CARGO_PKG_VERSION")).to_owned() }
}

/// Writes the figures of an evaluation to a file as JSON.
pub(crate) fn write_json(file: &Path, evaluation: &impl Serialize) -> Result<()> {
    let write = || {
        let mut out = io::BufWriter::new(fs::File::create(file)?);
        serde_json::to_writer_pretty(&mut out, evaluation)?;
        out.flush()
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// Writes a report's page and its pictures into a folder, which is created.
pub(crate) fn write_pages(folder: &Path, report: &Report) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    for plot in &report.plots {
        write(&format!("{}.svg", plot.name), &plot.svg)?;
    }
    write("report.html", &report.html)?;
    eprintln!("The report was written to {}.", folder.join("report.html").display());
    Ok(())
}
