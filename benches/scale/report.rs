//! The figures as tables in Markdown and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    enrolment_walk::WalkFigures,
    lookups::{Cost, LookupKind, quantile},
    server::{Sizes, TableSize},
};

/// The number of people in the registry of the whole country.
const COUNTRY: f64 = 280e6;

/// The figures of all sites.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) postgres: String,
    pub(crate) sites: Vec<SiteReport>,
}

/// The figures of one site.
#[derive(Debug, Serialize)]
pub(crate) struct SiteReport {
    pub(crate) name: String,
    pub(crate) people: usize,
    pub(crate) sizes: Sizes,
    pub(crate) lookups: Vec<Cost>,
    pub(crate) enrolment_walk: WalkFigures,
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
            for Cost { kind, median, p99, client, server, counters, .. } in &site.lookups {
                writeln!(
                    text,
                    "| {} | {kind:?} | {median:.1} | {p99:.1} | {client:.1} | {server:.1} | {:.2} | {:.2} | {:.0} |",
                    site.name, counters.hit, counters.read, counters.plans
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
            for kinds in [
                &[LookupKind::Citizen, LookupKind::Template][..],
                &[LookupKind::Citizen],
                &[LookupKind::Template],
            ] {
                let ratios: Vec<_> =
                    site.rounds(kinds).zip(first.rounds(kinds)).map(|(site, first)| site / first).collect();
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
            "\n| site | roster people/s | template summaries/s | both/s | templates saved/s | count ms |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for site in &self.sites {
            let WalkFigures { roster, summaries, both, saved, count_milliseconds, .. } = &site.enrolment_walk;
            writeln!(
                text,
                "| {} | {roster:.0} | {summaries:.0} | {both:.0} | {saved:.0} | {count_milliseconds:.1} |",
                site.name
            )?;
        }
        Ok(())
    }
}

impl SiteReport {
    /// The sum of the processor time of these kinds, by round.
    fn rounds(&self, kinds: &[LookupKind]) -> impl Iterator<Item = f64> {
        let costs: Vec<_> = self.lookups.iter().filter(|cost| kinds.contains(&cost.kind)).collect();
        let rounds = costs.first().map_or(0, |cost| cost.rounds.len());
        (0..rounds).map(move |round| costs.iter().map(|cost| cost.rounds[round]).sum())
    }
}
