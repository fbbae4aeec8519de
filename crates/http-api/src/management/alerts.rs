//! What is wrong with this process now, by the names of the alerts of `deploy/prometheus/alerts.rules.yml`.

use padan_verification::{Component, PoolFigures, VerifierFigures};
use serde::Serialize;
use utoipa::ToSchema;

/// Something that is wrong now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alert {
    /// The name of the alert of Prometheus.
    #[serde(rename = "alert")]
    name: &'static str,
    /// `critical` or `warning`, as in Prometheus.
    severity: &'static str,
    /// What was found.
    summary: String,
    /// Where the runbook says what to do.
    runbook: String,
}

impl Alert {
    /// The alerts of these figures, the worst first.
    pub(super) fn of(
        components: &[Component],
        figures: &VerifierFigures,
        are_connections_full: bool,
    ) -> Vec<Self> {
        let mut alerts = Vec::new();
        for component in components {
            if let Err(fault) = &component.state {
                alerts.push(Self::critical("PadanNotReady", format!("{}: {fault}", component.name)));
            }
        }
        if are_connections_full {
            alerts.push(Self::critical(
                "PadanConnectionsFull",
                "all connections of the public listener are in use".to_owned(),
            ));
        }
        let engine = &figures.engine;
        if engine.queue_length > 0 && engine.queued >= engine.queue_length {
            alerts.push(Self::critical(
                "PadanQueueFull",
                format!("{} photos wait: the queue is full", engine.queued),
            ));
        }
        let left_out = figures.registry.iter().filter(|replica| replica.too_far_behind).count();
        if left_out > 0 && left_out == figures.registry.len() {
            alerts.push(Self::critical(
                "PadanReplicasAllLeftOut",
                "every replica of the registry is too far behind".to_owned(),
            ));
        }
        for replica in &figures.registry {
            let name = &replica.pool.name;
            if replica.too_far_behind {
                let lag = replica
                    .lag_seconds
                    .map_or_else(|| "an unknown time".to_owned(), |lag| format!("{lag:.1} s"));
                alerts.push(Self::warning(
                    "PadanReplicaLeftOut",
                    format!("{name} is {lag} behind, and is not asked"),
                ));
            }
            if !replica.in_turn {
                alerts.push(Self::warning(
                    "PadanReplicaOut",
                    format!("{name} is skipped for a while after a failure"),
                ));
            }
        }
        let pools = figures.registry.iter().map(|replica| &replica.pool).chain([&figures.store]);
        alerts.extend(pools.filter_map(Self::of_pool));
        if figures.model_outdated {
            alerts.push(Self::warning(
                "PadanModelBehind",
                "another model set is active, which this process does not use".to_owned(),
            ));
        }
        alerts
    }

    fn of_pool(pool: &PoolFigures) -> Option<Self> {
        let is_full = pool.max_connections > 0 && pool.in_use >= pool.max_connections;
        let summary = || format!("all {} connections to {} are in use", pool.max_connections, pool.name);
        is_full.then(|| Self::warning("PadanDatabasePoolFull", summary()))
    }

    fn critical(name: &'static str, summary: String) -> Self {
        Self { name, severity: "critical", summary, runbook: runbook_of(name) }
    }

    fn warning(name: &'static str, summary: String) -> Self {
        Self { name, severity: "warning", summary, runbook: runbook_of(name) }
    }
}

fn runbook_of(alert: &str) -> String {
    format!("docs/runbook.md#{}", alert.to_lowercase())
}

#[cfg(test)]
mod tests {
    /// Every name that is used here, with its severity, is an alert of Prometheus and a heading of the runbook.
    #[test]
    fn alerts_have_the_names_and_severities_of_prometheus() {
        let rules = include_str!("../../../../deploy/prometheus/alerts.rules.yml");
        let runbook = include_str!("../../../../docs/runbook.md");
        let source = include_str!("alerts.rs").split("#[cfg(test)]").next().unwrap();
        let mut count = 0;
        for severity in ["critical", "warning"] {
            for part in source.split(&format!("Self::{severity}(")).skip(1) {
                let Some(alert) = part.split('"').nth(1).filter(|name| name.starts_with("Padan")) else {
                    continue;
                };
                let rule = rules
                    .split(&format!("alert: {alert}\n"))
                    .nth(1)
                    .unwrap_or_else(|| panic!("no rule {alert}"));
                let rule = rule.split("alert: ").next().unwrap();
                assert!(rule.contains(&format!("severity: {severity}")), "{alert} is not {severity}");
                assert!(runbook.contains(&format!("\n## {alert}\n")), "the runbook has no {alert}");
                count += 1;
            }
        }
        assert_eq!(count, 8);
    }
}
