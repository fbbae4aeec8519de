//! `padan-scale` fills registries and stores with many generated people and measures the cost of look-ups.
//!
//! `fill` creates the databases of one size. `measure` compares several sizes alternately within one run, through the
//! crates that the service uses. `scripts/scale.sh` runs both on a private PostgreSQL.

mod arguments;
mod enrolment_walk;
mod fill;
mod lookups;
mod niks;
mod people;
mod provinces;
mod report;
mod server;
mod site;

use std::fs;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use padan_domain::ModelContractId;

use crate::{
    arguments::{Arguments, Task},
    lookups::Lookups,
    report::{Report, SiteReport},
    server::Server,
    site::Site,
};

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.task {
        // Several threads, since two databases are filled at the same time.
        Task::Fill { sizes, contract } => {
            let contract = contract.clone().unwrap_or_else(site::contract);
            tokio::runtime::Runtime::new()?.block_on(fill(&arguments, sizes, &contract))
        }
        // One thread, so that its processor time is that of the look-ups.
        Task::Measure { file, sites } => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(measure(&arguments, file, sites)),
    }
}

#[expect(clippy::print_stdout, reason = "the figures")]
async fn fill(arguments: &Arguments, sizes: &[usize], contract: &ModelContractId) -> Result<()> {
    let server = Server::new(&arguments.server);
    let mut filled = Vec::new();
    for size in sizes {
        let figures = fill::fill(&server, *size, contract).await?;
        println!("{}", figures.line());
        filled.push(figures);
    }
    write(arguments, "scale-filling.json", &filled)
}

#[expect(clippy::print_stdout, reason = "the figures")]
async fn measure(arguments: &Arguments, file: &str, names: &[String]) -> Result<()> {
    let server = Server::new(&arguments.server);
    server.prepare().await?;
    let mut sites = Vec::new();
    for name in names {
        sites.push(Site::open(&server, name).await?);
    }
    let mut lookups = Lookups::new(&server, &sites).await?;
    lookups.measure(&sites).await?;
    let mut reports = Vec::new();
    for (site, lookups) in sites.iter().zip(lookups.figures(&server, &sites).await?) {
        let sizes = server.sizes(&site.name).await?;
        let enrolment_walk = enrolment_walk::measure(site).await?;
        reports.push(SiteReport {
            name: site.name.clone(),
            people: site.niks.len(),
            sizes,
            lookups,
            enrolment_walk,
        });
    }
    let report = Report { postgres: server.version().await?, sites: reports };
    print!("{}", report.table());
    write(arguments, file, &report)
}

fn write(arguments: &Arguments, file: &str, figures: &impl serde::Serialize) -> Result<()> {
    let folder = &arguments.out;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(file);
    let text = serde_json::to_string_pretty(figures).context("the figures cannot be written as JSON")?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
