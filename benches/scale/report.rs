//! The figures as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    lookups::{Asked, Cost},
    server::{Sizes, TableSize},
    streaming::Streaming,
};

/// People whom the whole country's registry would have.
const COUNTRY: f64 = 280e6;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) postgres: String,
    pub(crate) sites: Vec<SiteReport>,
}

/// What was measured at a site.
#[derive(Debug, Serialize)]
pub(crate) struct SiteReport {
    pub(crate) name: String,
    pub(crate) people: usize,
    pub(crate) sizes: Sizes,
    pub(crate) lookups: Vec<Cost>,
    pub(crate) streaming: Streaming,
}

impl Report {
    /// Markdown, with ratios to the first site.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.postgres);
        self.write(&mut text).map_or_else(|_| String::new(), |()| text)
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Some(first) = self.sites.first() else { return Ok(()) };
        writeln!(
            text,
            "| site | look-up | median µs | p99 µs | CPU µs client | CPU µs server | pages hit | read | plans |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
        for site in &self.sites {
            for Cost { asked, median, p99, client, server, counted } in &site.lookups {
                writeln!(
                    text,
                    "| {} | {asked:?} | {median:.1} | {p99:.1} | {client:.1} | {server:.1} | {:.2} | {:.2} | {:.0} |",
                    site.name, counted.hit, counted.read, counted.plans
                )?;
            }
        }
        writeln!(
            text,
            "\n| ratio to {} | citizen + template: CPU | median | citizen: CPU | template: CPU |",
            first.name
        )?;
        writeln!(text, "|---|---|---|---|---|")?;
        for site in &self.sites {
            let ratio = |of: fn(&Cost) -> f64, asked: &[Asked]| site.sum(of, asked) / first.sum(of, asked);
            let (cpu, both) = (|cost: &Cost| cost.client + cost.server, [Asked::Citizen, Asked::Template]);
            writeln!(
                text,
                "| {} | {:.2} | {:.2} | {:.2} | {:.2} |",
                site.name,
                ratio(cpu, &both),
                ratio(|cost| cost.median, &both),
                ratio(cpu, &both[..1]),
                ratio(cpu, &both[1..])
            )?;
        }
        writeln!(
            text,
            "\n| site | registry bytes/person: table, index | store: table, index | together | for 280 million |"
        )?;
        writeln!(text, "|---|---|---|---|---|")?;
        for site in &self.sites {
            let a_person = |bytes: i64| bytes as f64 / site.people as f64;
            let of = |size: TableSize| (a_person(size.table), a_person(size.indexes));
            let (registry, store) = (of(site.sizes.registry), of(site.sizes.store));
            let together = registry.0 + registry.1 + store.0 + store.1;
            writeln!(
                text,
                "| {} | {:.0}, {:.0} | {:.0}, {:.0} | {together:.0} | {:.0} GB |",
                site.name,
                registry.0,
                registry.1,
                store.0,
                store.1,
                together * COUNTRY / 1e9
            )?;
        }
        writeln!(
            text,
            "\n| site | roster people/s | their templates looked at/s | both/s | templates kept/s | count ms |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for site in &self.sites {
            let Streaming { roster, kept, both, keep, count_milliseconds, .. } = &site.streaming;
            writeln!(
                text,
                "| {} | {roster:.0} | {kept:.0} | {both:.0} | {keep:.0} | {count_milliseconds:.1} |",
                site.name
            )?;
        }
        Ok(())
    }
}

impl SiteReport {
    fn sum(&self, of: fn(&Cost) -> f64, asked: &[Asked]) -> f64 {
        self.lookups.iter().filter(|cost| asked.contains(&cost.asked)).map(of).sum()
    }
}
