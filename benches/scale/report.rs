//! The figures as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    lookups::{Asked, Cost, quantile},
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
            for Cost { asked, median, p99, client, server, counted, .. } in &site.lookups {
                writeln!(
                    text,
                    "| {} | {asked:?} | {median:.1} | {p99:.1} | {client:.1} | {server:.1} | {:.2} | {:.2} | {:.0} |",
                    site.name, counted.hit, counted.read, counted.plans
                )?;
            }
        }
        writeln!(
            text,
            "\n| ratio to {}, the median of all rounds (quartiles) | citizen + template | citizen | template |",
            first.name
        )?;
        writeln!(text, "|---|---|---|---|")?;
        for site in &self.sites {
            write!(text, "| {} |", site.name)?;
            for asked in [&[Asked::Citizen, Asked::Template][..], &[Asked::Citizen], &[Asked::Template]] {
                let ratios: Vec<_> =
                    site.rounds(asked).zip(first.rounds(asked)).map(|(site, first)| site / first).collect();
                let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(ratios.clone(), share));
                write!(text, " {median:.2} ({low:.2} to {high:.2}) |")?;
            }
            writeln!(text)?;
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
    /// Processor time of these look-ups together, round by round.
    fn rounds(&self, asked: &[Asked]) -> impl Iterator<Item = f64> {
        let costs: Vec<_> = self.lookups.iter().filter(|cost| asked.contains(&cost.asked)).collect();
        let rounds = costs.first().map_or(0, |cost| cost.rounds.len());
        (0..rounds).map(move |round| costs.iter().map(|cost| cost.rounds[round]).sum())
    }
}
