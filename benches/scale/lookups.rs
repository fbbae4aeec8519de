//! Look-ups by NIK, sites in turn.

use std::time::Instant;

use anyhow::{Result, ensure};
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
    /// Microseconds of processor time in this process, decryption included.
    pub(crate) client: f64,
    /// Microseconds of processor time in the server's process.
    pub(crate) server: f64,
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
    client: u64,
    server: u64,
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
            for asked in ALL {
                lookups.ask(site, asked, WARM_UP).await?;
            }
            let mut processes = [0; 2];
            for (process, kind) in processes.iter_mut().zip(["registry", "store"]) {
                *process = server.process(&format!("{kind}_{}", site.name)).await?;
            }
            lookups.processes.push(processes);
        }
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
                    taken.client += processor_time(own)? - before.0;
                    taken.server += processor_time(process)? - before.1;
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

impl Taken {
    fn cost(&mut self, asked: Asked, counted: Counted) -> Cost {
        self.nanoseconds.sort_unstable();
        let count = self.nanoseconds.len();
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        Cost {
            asked,
            median: microseconds(self.nanoseconds[count / 2]),
            p99: microseconds(self.nanoseconds[count * 99 / 100]),
            client: microseconds(self.client) / count as f64,
            server: microseconds(self.server) / count as f64,
            counted,
        }
    }
}
