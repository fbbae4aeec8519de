//! Look-ups by NIK, sites in turn.

use std::{fs, process::Command, time::Instant};

use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;

use crate::{
    server::{Counted, Server, processor_time},
    site::{SEED, Site, contract},
};

/// What is asked, of somebody drawn from all people or of nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asked {
    Citizen,
    AbsentCitizen,
    Template,
    AbsentTemplate,
}

/// What a kind of look-up costs at a site.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) asked: Asked,
    /// Microseconds from question to answer.
    pub(crate) median: f64,
    pub(crate) p99: f64,
    /// Microseconds of processor time in this process, decryption included: the median of all rounds.
    pub(crate) client: f64,
    /// Microseconds of processor time in the server's process, likewise.
    pub(crate) server: f64,
    /// Both together, round by round: what other work does to one site in a round, it does to all.
    pub(crate) rounds: Vec<f64>,
    pub(crate) counted: Counted,
}

/// Look-ups of all kinds at all sites.
pub(crate) struct Lookups {
    /// By site and kind.
    taken: Vec<[Taken; 4]>,
    /// By site: the server's processes for registry and store.
    processes: Vec<[i32; 2]>,
    random: StdRng,
}

#[derive(Default)]
struct Taken {
    nanoseconds: Vec<u64>,
    /// By round.
    client: Vec<u64>,
    server: Vec<u64>,
}

const ALL: [Asked; 4] = [Asked::Citizen, Asked::AbsentCitizen, Asked::Template, Asked::AbsentTemplate];
/// Turns, in which each site is asked so many times.
const ROUNDS: usize = 40;
const BATCH: usize = 500;
/// Look-ups that are not counted.
const WARM_UP: usize = 3000;
/// Look-ups whose pages are counted.
const COUNTED: usize = 2000;

impl Asked {
    fn is_of_registry(self) -> bool {
        matches!(self, Self::Citizen | Self::AbsentCitizen)
    }

    fn is_of_nobody(self) -> bool {
        matches!(self, Self::AbsentCitizen | Self::AbsentTemplate)
    }
}

impl Lookups {
    /// Warms up.
    pub(crate) async fn new(server: &Server, sites: &[Site]) -> Result<Self> {
        let taken = sites.iter().map(|_| <[Taken; 4]>::default()).collect();
        let mut lookups = Self { taken, processes: Vec::new(), random: StdRng::seed_from_u64(SEED) };
        for site in sites {
            touch(site).await?;
            for asked in ALL {
                lookups.ask(site, asked, WARM_UP).await?;
            }
            let mut processes = [0; 2];
            for (process, kind) in processes.iter_mut().zip(["registry", "store"]) {
                *process = server.process(&format!("{kind}_{}", site.name)).await?;
            }
            lookups.processes.push(processes);
        }
        let own = i32::try_from(std::process::id())?;
        put_on_one_core(lookups.processes.iter().flatten().copied().chain([own]))?;
        Ok(lookups)
    }

    /// Asks each site for each kind, in turns.
    pub(crate) async fn measure(&mut self, sites: &[Site]) -> Result<()> {
        for round in 0..ROUNDS {
            for turn in 0..sites.len() {
                let number = if round % 2 == 0 { turn } else { sites.len() - 1 - turn };
                for (kind, asked) in ALL.into_iter().enumerate() {
                    let process = self.processes[number][usize::from(!asked.is_of_registry())];
                    let own = i32::try_from(std::process::id())?;
                    let before = (processor_time(own)?, processor_time(process)?);
                    let nanoseconds = self.ask(&sites[number], asked, BATCH).await?;
                    let taken = &mut self.taken[number][kind];
                    taken.client.push(processor_time(own)? - before.0);
                    taken.server.push(processor_time(process)? - before.1);
                    taken.nanoseconds.extend(nanoseconds);
                }
            }
        }
        Ok(())
    }

    /// What was measured, by site, with what the server counts for some look-ups more.
    pub(crate) async fn figures(mut self, server: &Server, sites: &[Site]) -> Result<Vec<Vec<Cost>>> {
        let mut figures = Vec::new();
        for (number, site) in sites.iter().enumerate() {
            let mut costs = Vec::new();
            for (kind, asked) in ALL.into_iter().enumerate() {
                let (database, relation) = if asked.is_of_registry() {
                    ("registry", "padan.citizen")
                } else {
                    ("store", "store.face_template")
                };
                server.count_statements(true).await?;
                self.ask(site, asked, COUNTED).await?;
                let counted = server.counted(&format!("{database}_{}", site.name), relation).await?;
                costs.push(self.taken[number][kind].cost(asked, counted));
            }
            figures.push(costs);
        }
        server.count_statements(false).await?;
        Ok(figures)
    }

    /// Asks so many times; gives how long each took.
    async fn ask(&mut self, site: &Site, asked: Asked, times: usize) -> Result<Vec<u64>> {
        let contract = contract();
        let mut nanoseconds = Vec::with_capacity(times);
        let mut niks = Vec::with_capacity(times);
        for _ in 0..times {
            let nik = site.niks[self.random.random_range(0..site.niks.len())];
            niks.push(if asked.is_of_nobody() { nik.of_nobody().parse()? } else { nik.parse()? });
        }
        for nik in niks {
            let began = Instant::now();
            let found = if asked.is_of_registry() {
                site.registry.citizen(&nik).await?.is_some()
            } else {
                site.store.template(&nik, &contract).await?.is_some()
            };
            nanoseconds.push(u64::try_from(began.elapsed().as_nanos())?);
            ensure!(found != asked.is_of_nobody(), "{asked:?} is answered wrongly at {}", site.name);
        }
        Ok(nanoseconds)
    }
}

/// Has the server's processes look at every page once, as those of connections that have served for long have: the first
/// time, each page costs a process a fault.
async fn touch(site: &Site) -> Result<()> {
    // Rows lie in the order in which they were made, and a page has a few more than are passed over here.
    let mut one_a_page = Vec::new();
    for nik in site.niks.iter().step_by(11) {
        one_a_page.push(nik.parse()?);
    }
    for page in one_a_page.chunks(128) {
        site.store.kept_templates(page, &contract()).await?;
    }
    for nik in site.niks.iter().step_by(28) {
        site.registry.citizen(&nik.parse()?).await?;
    }
    Ok(())
}

impl Taken {
    fn cost(&mut self, asked: Asked, counted: Counted) -> Cost {
        self.nanoseconds.sort_unstable();
        let count = self.nanoseconds.len();
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        let a_lookup = |nanoseconds: &u64| microseconds(*nanoseconds) / BATCH as f64;
        let client: Vec<_> = self.client.iter().map(a_lookup).collect();
        let server: Vec<_> = self.server.iter().map(a_lookup).collect();
        let rounds = client.iter().zip(&server).map(|(client, server)| client + server).collect();
        Cost {
            asked,
            median: microseconds(self.nanoseconds[count / 2]),
            p99: microseconds(self.nanoseconds[count * 99 / 100]),
            client: quantile(client, 0.5),
            server: quantile(server, 0.5),
            rounds,
            counted,
        }
    }
}

/// Where two processes that talk with each other happen to run would otherwise be the larger part of the differences.
fn put_on_one_core(processes: impl Iterator<Item = i32>) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let core = allowed.and_then(|list| list.trim().split([',', '-']).next()).unwrap_or("0");
    for process in processes {
        let process = process.to_string();
        let done = Command::new("taskset").args(["--cpu-list", "--pid", core, &process]).output();
        let done = done.context("cannot run taskset, from Debian's package util-linux")?;
        ensure!(done.status.success(), "taskset: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

/// The value that a share of all do not exceed.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * share) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        assert_eq!([0.25, 0.5, 0.75].map(|share| quantile(vec![4.0, 1.0, 3.0, 2.0], share)), [2.0, 3.0, 4.0]);
    }
}
