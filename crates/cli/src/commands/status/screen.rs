use chrono::{DateTime, TimeDelta, Utc};
use padan_http_api::{
    CertificateStatus, DatabaseStatus, LastMinute, ReplicaStatus, ShadowStatus, StatusReport,
};

/// The lines about a process, each a name and what is to say about it.
pub(super) fn lines(report: &StatusReport, now: DateTime<Utc>) -> Vec<String> {
    let mut lines = vec![first_line(report)];
    let faults = report.components.iter().filter(|(_, state)| *state != "ok");
    lines.extend(faults.map(|(name, fault)| line("not ready", &format!("{name}: {fault}"))));
    lines.push(line("model", &model(report)));
    lines.push(line("calibration", &report.model.calibration));
    if report.model.is_behind {
        lines.push(line("", "another model is active, which this process could not load (see its log)"));
    }
    lines.extend(report.shadow.iter().map(|shadow| line("shadow", &of_shadow(shadow))));
    lines.push(line("liveness", report.liveness_set.as_deref().unwrap_or("off, there is no liveness set")));
    lines.extend(of_last_minute(&report.last_minute));
    let load = &report.load;
    lines.push(line(
        "in flight",
        &format!("{} requests, {} of {} admitted", load.in_flight, load.admitted, load.admitted_limit),
    ));
    lines.push(line(
        "connections",
        &format!("{} of {} from clients", load.connections, load.connections_limit),
    ));
    let queue = &report.queue;
    lines.push(line(
        "queue",
        &format!(
            "{} of {} photos, {} of {} workers busy",
            queue.photos, queue.capacity, queue.workers_busy, queue.workers
        ),
    ));
    lines.extend(report.replicas.iter().map(|replica| line("replica", &of_replica(replica))));
    lines.push(line("store", &of_database(&report.store)));
    lines.push(line("audit", &audit(report, now)));
    lines.extend(
        report.certificates.iter().map(|certificate| line("certificate", &of_certificate(certificate, now))),
    );
    lines
}

fn line(name: &str, text: &str) -> String {
    format!("{name:<12} {text}").trim_end().to_owned()
}

fn first_line(report: &StatusReport) -> String {
    let state = if report.ready { "ready" } else { "NOT READY" };
    let since = report.started_at.format("%F %T UTC");
    let uptime = in_words(TimeDelta::seconds(report.uptime_seconds as i64));
    line("padan", &format!("{}, {state}, up for {uptime}, since {since}", report.version))
}

fn model(report: &StatusReport) -> String {
    let model = &report.model;
    format!("{} on {} in {}, contract {}", model.model_set, model.device, model.precision, model.contract)
}

fn of_shadow(shadow: &ShadowStatus) -> String {
    let ShadowStatus { model_set, percent, is_loaded, compared, not_compared, .. } = shadow;
    if !is_loaded {
        return format!("{model_set}, NOT LOADED (see its log)");
    }
    format!("{model_set} on {percent} % of requests, {compared} compared, {not_compared} not")
}

fn of_last_minute(minute: &LastMinute) -> [String; 2] {
    let LastMinute { seconds, requests, requests_per_second, refused, client_errors, server_errors, .. } =
        minute;
    let counts = format!(
        "{requests} in {seconds:.0} s, {requests_per_second:.1}/s; {server_errors} failed (5xx), {refused} refused (429), \
         {client_errors} other 4xx"
    );
    let times = [
        ("p50", minute.p50_milliseconds),
        ("p90", minute.p90_milliseconds),
        ("p99", minute.p99_milliseconds),
    ];
    let times: Vec<_> =
        times.iter().filter_map(|(name, ms)| Some(format!("{name} {:.0} ms", (*ms)?))).collect();
    let latency = if times.is_empty() { "no request in this time".to_owned() } else { times.join(", ") };
    [line("requests", &counts), line("latency", &latency)]
}

fn of_replica(replica: &ReplicaStatus) -> String {
    let lag =
        replica.lag_seconds.map_or("lag unknown".to_owned(), |seconds| format!("{seconds:.1} s behind"));
    let skipped = if replica.too_far_behind {
        ", NOT ASKED because of its lag"
    } else if replica.in_rotation {
        ""
    } else {
        ", SKIPPED for a while after a failure"
    };
    // A long name is cut on a narrow screen, so it comes last.
    format!("{lag}{skipped}, {}", of_database(&replica.database))
}

fn of_database(database: &DatabaseStatus) -> String {
    let DatabaseStatus { host, connections_in_use, connections_max, timeouts, failures, .. } = database;
    let failed = if timeouts + failures > 0 {
        format!(", {timeouts} timeouts and {failures} failures since the start")
    } else {
        String::new()
    };
    format!("{connections_in_use} of {connections_max} connections in use{failed}, {host}")
}

fn audit(report: &StatusReport, now: DateTime<Utc>) -> String {
    let audit = &report.audit;
    let last = match (audit.last_commit_at, audit.last_commit_milliseconds) {
        (Some(at), Some(took)) => format!("the last commit {} ago took {took:.1} ms", in_words(now - at)),
        _ => "no commit yet".to_owned(),
    };
    let failed =
        if audit.rows_failed > 0 { format!(", {} FAILED", audit.rows_failed) } else { String::new() };
    format!("{} rows{failed}, {last}", audit.rows)
}

fn of_certificate(certificate: &CertificateStatus, now: DateTime<Utc>) -> String {
    let listener = &certificate.listener;
    match certificate.expires_at {
        Some(at) if at < now => format!("{listener}, EXPIRED at {}", at.format("%F %T UTC")),
        Some(at) => format!("{listener}, valid for {}, until {}", in_words(at - now), at.format("%F %T UTC")),
        None => format!("{listener}, of unknown validity"),
    }
}

/// A length of time in its two largest units.
fn in_words(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> StatusReport {
        let database = serde_json::json!({
            "host": "10.1.0.5:5432/registry", "connections_in_use": 1, "connections_open": 2, "connections_max": 8,
            "timeouts": 0, "failures": 0,
        });
        let mut replica = database.clone();
        for (key, value) in
            [("in_rotation", true.into()), ("lag_seconds", 0.25.into()), ("too_far_behind", false.into())]
        {
            replica[key] = value;
        }
        serde_json::from_value(serde_json::json!({
            "version": "0.1.0",
            "started_at": "2026-11-29T01:00:00Z",
            "uptime_seconds": 7265.0,
            "ready": true,
            "components": { "models": "ok", "registry": "ok", "store": "ok" },
            "model": {
                "model_set": "sface", "contract": "abc", "calibration": "def", "device": "cpu", "precision": "f32",
                "is_behind": false,
            },
            "liveness_set": null,
            "last_minute": {
                "seconds": 60.0, "requests": 738, "requests_per_second": 12.3, "refused": 2, "client_errors": 5,
                "server_errors": 0, "p50_milliseconds": 45.3, "p90_milliseconds": 80.0, "p99_milliseconds": 130.0,
            },
            "load": { "in_flight": 3, "admitted": 2, "admitted_limit": 128, "connections": 12, "connections_limit": 8192 },
            "queue": { "photos": 0, "capacity": 64, "workers": 2, "workers_busy": 1 },
            "replicas": [replica],
            "store": database,
            "audit": {
                "rows": 1234, "rows_failed": 0, "last_commit_at": "2026-11-29T03:01:03Z", "last_commit_milliseconds": 1.44,
            },
            "certificates": [{ "listener": "public", "expires_at": "2026-12-30T03:01:05Z" }],
        }))
        .unwrap()
    }

    fn now() -> DateTime<Utc> {
        "2026-11-29T03:01:05Z".parse().unwrap()
    }

    #[test]
    fn a_service_that_is_well_takes_less_than_a_screen() {
        let lines = lines(&report(), now());
        assert!(lines.len() <= 20, "{lines:#?}");
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_model_set_that_is_measured_is_said() {
        let mut report = report();
        let said = |report: &StatusReport| {
            let lines = lines(report, now());
            lines.into_iter().find(|line| line.starts_with("shadow")).unwrap_or_default()
        };
        assert_eq!(said(&report), "");
        let shadow = |is_loaded| ShadowStatus {
            model_set: "mobilefacenet".to_owned(),
            contract: "abc".to_owned(),
            percent: 7.0,
            is_loaded,
            compared: 120,
            not_compared: 3,
        };
        report.shadow = Some(shadow(true));
        assert_eq!(said(&report), "shadow       mobilefacenet on 7 % of requests, 120 compared, 3 not");
        report.shadow = Some(shadow(false));
        assert_eq!(said(&report), "shadow       mobilefacenet, NOT LOADED (see its log)");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut report = report();
        report.ready = false;
        report.components.insert("store".to_owned(), "it does not answer".to_owned());
        report.model.is_behind = true;
        report.replicas[0].in_rotation = false;
        report.replicas[0].lag_seconds = None;
        report.store.timeouts = 3;
        report.audit.rows_failed = 7;
        report.audit.last_commit_at = None;
        report.certificates[0].expires_at = Some("2026-11-29T03:01:04Z".parse().unwrap());
        report.last_minute.p50_milliseconds = None;
        report.last_minute.p90_milliseconds = None;
        report.last_minute.p99_milliseconds = None;
        insta::assert_snapshot!(lines(&report, now()).join("\n"));
    }

    #[test]
    fn times_have_two_units() {
        let words = |seconds| in_words(TimeDelta::seconds(seconds));
        assert_eq!([words(-3), words(59), words(61)], ["0 s", "59 s", "1 min 1 s"]);
        assert_eq!([words(3_600), words(90_000)], ["1 h 0 min", "1 d 1 h"]);
    }
}
