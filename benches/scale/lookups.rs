//! Measures look-ups by NIK at several sites alternately.

use std::{fs, process::Command, time::Instant};

use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;

use crate::{
    server::{Server, StatementCounters, processor_time},
    site::{SEED, Site, contract},
};

/// A kind of look-up: for a random person of the site, or for a NIK that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LookupKind {
    Citizen,
    AbsentCitizen,
    Template,
    AbsentTemplate,
}

/// The cost of one kind of look-up at one site.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) kind: LookupKind,
    /// Microseconds of the whole look-up.
    pub(crate) median: f64,
    pub(crate) p99: f64,
    /// Microseconds of processor time in this process, including decryption: the median of all rounds.
    pub(crate) client: f64,
    /// Microseconds of processor time in the server's process: the median of all rounds.
    pub(crate) server: f64,
    /// The sum of both, by round. Other load on the machine affects all sites of a round alike.
    pub(crate) rounds: Vec<f64>,
    pub(crate) counters: StatementCounters,
}

/// Measurements of all kinds at all sites.
pub(crate) struct Lookups {
    /// By site and kind.
    samples: Vec<[Samples; 4]>,
    /// The server's processes for registry and store, by site.
    processes: Vec<[i32; 2]>,
    random: StdRng,
}

#[derive(Default)]
struct Samples {
    nanoseconds: Vec<u64>,
    /// By round.
    client: Vec<u64>,
    server: Vec<u64>,
}

const ALL: [LookupKind; 4] =
    [LookupKind::Citizen, LookupKind::AbsentCitizen, LookupKind::Template, LookupKind::AbsentTemplate];
const ROUNDS: usize = 40;
/// The number of look-ups of each kind at each site in one round.
const BATCH: usize = 500;
/// The number of look-ups before the measurement.
const WARM_UP: usize = 3000;
/// The number of look-ups for which the server counts pages.
const COUNTED: usize = 2000;

impl LookupKind {
    fn is_in_registry(self) -> bool {
        matches!(self, Self::Citizen | Self::AbsentCitizen)
    }

    fn is_absent(self) -> bool {
        matches!(self, Self::AbsentCitizen | Self::AbsentTemplate)
    }
}

impl Lookups {
    /// Warms up, and puts all processes on one core.
    pub(crate) async fn new(server: &Server, sites: &[Site]) -> Result<Self> {
        let samples = sites.iter().map(|_| <[Samples; 4]>::default()).collect();
        let mut lookups = Self { samples, processes: Vec::new(), random: StdRng::seed_from_u64(SEED) };
        for site in sites {
            touch_all_pages(site).await?;
            for kind in ALL {
                lookups.run(site, kind, WARM_UP).await?;
            }
            let mut processes = [0; 2];
            for (process, database) in processes.iter_mut().zip(["registry", "store"]) {
                *process = server.process(&format!("{database}_{}", site.name)).await?;
            }
            lookups.processes.push(processes);
        }
        let own = i32::try_from(std::process::id())?;
        pin_to_one_core(lookups.processes.iter().flatten().copied().chain([own]))?;
        Ok(lookups)
    }

    /// Measures all rounds. Every second round has the reverse order of sites.
    pub(crate) async fn measure(&mut self, sites: &[Site]) -> Result<()> {
        for round in 0..ROUNDS {
            for turn in 0..sites.len() {
                let number = if round % 2 == 0 { turn } else { sites.len() - 1 - turn };
                for (index, kind) in ALL.into_iter().enumerate() {
                    let process = self.processes[number][usize::from(!kind.is_in_registry())];
                    let own = i32::try_from(std::process::id())?;
                    let before = (processor_time(own)?, processor_time(process)?);
                    let nanoseconds = self.run(&sites[number], kind, BATCH).await?;
                    let samples = &mut self.samples[number][index];
                    samples.client.push(processor_time(own)? - before.0);
                    samples.server.push(processor_time(process)? - before.1);
                    samples.nanoseconds.extend(nanoseconds);
                }
            }
        }
        Ok(())
    }

    /// The costs by site. The server's counters come from further look-ups.
    pub(crate) async fn figures(mut self, server: &Server, sites: &[Site]) -> Result<Vec<Vec<Cost>>> {
        let mut figures = Vec::new();
        for (number, site) in sites.iter().enumerate() {
            let mut costs = Vec::new();
            for (index, kind) in ALL.into_iter().enumerate() {
                let (database, relation) = if kind.is_in_registry() {
                    ("registry", "padan.citizen")
                } else {
                    ("store", "store.face_template")
                };
                server.count_statements(true).await?;
                self.run(site, kind, COUNTED).await?;
                let counters = server.counters(&format!("{database}_{}", site.name), relation).await?;
                costs.push(self.samples[number][index].cost(kind, counters));
            }
            figures.push(costs);
        }
        server.count_statements(false).await?;
        Ok(figures)
    }

    /// Runs look-ups, and returns the nanoseconds of each.
    async fn run(&mut self, site: &Site, kind: LookupKind, count: usize) -> Result<Vec<u64>> {
        let contract = contract();
        let mut nanoseconds = Vec::with_capacity(count);
        let mut niks = Vec::with_capacity(count);
        for _ in 0..count {
            let nik = site.niks[self.random.random_range(0..site.niks.len())];
            niks.push(if kind.is_absent() { nik.absent().parse()? } else { nik.parse()? });
        }
        for nik in niks {
            let began = Instant::now();
            let found = if kind.is_in_registry() {
                site.registry.citizen(&nik).await?.is_some()
            } else {
                site.store.templates().get(&nik, &contract).await?.is_some()
            };
            nanoseconds.push(u64::try_from(began.elapsed().as_nanos())?);
            ensure!(found != kind.is_absent(), "{kind:?} gives a wrong answer at {}", site.name);
        }
        Ok(nanoseconds)
    }
}

/// Makes the server's processes access every page once, as in long-lived connections: the first access of a process to
/// a page costs a page fault.
async fn touch_all_pages(site: &Site) -> Result<()> {
    // Rows are stored in the order of their creation, and a page has more rows than a step skips.
    let mut one_a_page = Vec::new();
    for nik in site.niks.iter().step_by(11) {
        one_a_page.push(nik.parse()?);
    }
    for page in one_a_page.chunks(128) {
        site.store.templates().summaries(page, &contract()).await?;
    }
    for nik in site.niks.iter().step_by(28) {
        site.registry.citizen(&nik.parse()?).await?;
    }
    Ok(())
}

impl Samples {
    fn cost(&mut self, kind: LookupKind, counters: StatementCounters) -> Cost {
        self.nanoseconds.sort_unstable();
        let count = self.nanoseconds.len();
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        let a_lookup = |nanoseconds: &u64| microseconds(*nanoseconds) / BATCH as f64;
        let client: Vec<_> = self.client.iter().map(a_lookup).collect();
        let server: Vec<_> = self.server.iter().map(a_lookup).collect();
        let rounds = client.iter().zip(&server).map(|(client, server)| client + server).collect();
        Cost {
            kind,
            median: microseconds(self.nanoseconds[count / 2]),
            p99: microseconds(self.nanoseconds[count * 99 / 100]),
            client: quantile(client, 0.5),
            server: quantile(server, 0.5),
            rounds,
            counters,
        }
    }
}

/// Runs client and server processes on one core. Otherwise their placement causes most of the differences.
fn pin_to_one_core(processes: impl Iterator<Item = i32>) -> Result<()> {
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

/// The value that this share of all values does not exceed.
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
