use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    num::{NonZeroU32, NonZeroUsize},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use padan_domain::NationalId;
use padan_registry::Registry;
use padan_store::{EnrolmentStatus, EnrolmentTally, Overview};
use padan_verification::{Enrolled, Enrolment, EnrolmentEvent};
use tokio::{runtime::Runtime, sync::watch};

use crate::{
    service,
    settings::{Settings, SettingsArguments},
    shutdown::Shutdown,
    telemetry,
};

/// Give everybody in the registry a face template ahead of the first verification
///
/// Goes through the people whose record is active and who have a portrait, and embeds those who have no template of
/// their present portrait. It can be stopped or killed at any moment and run again: it goes on where it was. Several at
/// once, on as many machines, share the work. It works at a low priority, so that a service on the same machine comes
/// first. The exit code is 0 when everybody was gone through and nobody failed; 1 when somebody did, or it was stopped.
#[derive(Debug, Args)]
pub(crate) struct EnrollArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Enrol for this model set, to activate it later [default: the one in use]
    #[arg(long, value_name = "SET")]
    model: Option<String>,
    /// People embedded a second at most, so that databases and processors keep time for the services
    #[arg(long, value_name = "PEOPLE")]
    rate: Option<NonZeroU32>,
    /// Worker threads [default: inference.workers]
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// Append people without a template to this file, with the reason: `nik,reason`
    #[arg(long, value_name = "FILE", default_value = "enrolment-failures.csv")]
    failures: PathBuf,
    /// Only print how far enrolments are; `padan_auditor` may
    #[arg(long)]
    status: bool,
}

/// What `nice` adds: everything else on the machine comes first.
const NICENESS: i32 = 10;
/// How often a line tells where it is when nobody watches a terminal.
const LINES_APART: Duration = Duration::from_secs(10);

/// Enrols, or tells how far it is.
pub(crate) fn run(arguments: &EnrollArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    if arguments.status {
        return Runtime::new()?.block_on(async { print_status(&Overview::open(&settings.store)?).await });
    }
    // Threads inherit it, so it comes before the first one.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!("the priority cannot be lowered: {error}");
    }
    Runtime::new()?.block_on(enrol(arguments, settings))
}

async fn enrol(arguments: &EnrollArguments, mut settings: Settings) -> Result<ExitCode> {
    let mut shutdown = Shutdown::of_a_terminal()?;
    let (stopping, stop) = watch::channel(false);
    tokio::spawn(async move {
        shutdown.requested().await;
        let _ = stopping.send(true);
        // Held until the end: without a sender nothing could stop.
        std::future::pending::<()>().await;
    });
    let store = service::open_store(&settings)?;
    match &arguments.model {
        Some(set) => settings.inference.model_set.clone_from(set),
        None => service::use_active_model(&mut settings, &store).await,
    }
    settings.inference.workers = arguments.workers.or(settings.inference.workers);
    let enrolment = Enrolment {
        registry: Registry::new(&settings.registry)?,
        engine: service::start_engine(&settings).await?,
        store,
        config: settings.enrolment,
        rate: arguments.rate,
    };
    let mut report = Report::new(&arguments.failures, enrolment.estimated_people().await);
    let began = Instant::now();
    let set = &settings.inference.model_set;
    let enrolled = enrolment.run(set, &mut |news| report.hear(&news), &stop).await;
    report.bar.finish_and_clear();
    let enrolled =
        enrolled.context("the enrolment ended early; run it again, and it goes on where it was")?;
    if let Some(error) = report.broken {
        return Err(error).with_context(|| format!("cannot write {}", arguments.failures.display()));
    }
    summarise(&enrolled, began.elapsed(), report.written, &arguments.failures);
    let well = enrolled.complete && enrolled.tally.failed == 0;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summarise(enrolled: &Enrolled, took: Duration, listed: u64, failures: &Path) {
    let EnrolmentTally { templates, unusable, failed } = enrolled.tally;
    let rate = enrolled.embedded as f64 / took.as_secs_f64().max(0.001);
    eprintln!(
        "{} people gone through in {:.0} s: {templates} with a template, {unusable} whose portrait has no usable face, \
         {failed} failed. {} were embedded now, {rate:.1} a second.",
        enrolled.tally.people(),
        took.as_secs_f64(),
        enrolled.embedded
    );
    if listed > 0 {
        eprintln!("{listed} people without a template are in {}, with the reasons.", failures.display());
    }
    if enrolled.complete {
        eprintln!("Everybody in the registry has been gone through.");
    } else {
        eprintln!("Stopped before the end: run it again, and it goes on where it was.");
    }
}

async fn print_status(store: &Overview) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    let active = store.active_model().await?;
    match &active {
        Some(active) => writeln!(out, "active: {}, contract {}", active.model_set, active.contract)?,
        None => writeln!(out, "active: none; each service uses inference.model_set")?,
    }
    let enrolments = store.enrolments().await?;
    if enrolments.is_empty() {
        writeln!(out, "No enrolment was ever begun.")?;
    }
    for EnrolmentStatus {
        contract, model_set, started_at, finished_at, tally, open_ranges, processes, ..
    } in enrolments
    {
        let state = match finished_at {
            Some(at) => format!("finished {}", at.format("%F %T UTC")),
            None => format!("{processes} processes at work, {open_ranges} ranges in progress"),
        };
        writeln!(
            out,
            "{model_set}, contract {contract}: begun {}, {state}; in the ranges that are done {} templates, {} without a \
             usable face, {} failed",
            started_at.format("%F %T UTC"),
            tally.templates,
            tally.unusable,
            tally.failed
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows how far it is, and lists those who have no template.
struct Report {
    bar: ProgressBar,
    is_watched: bool,
    last_line: Instant,
    /// When the first news came, and how many people it told of.
    first: Option<(Instant, u64)>,
    path: PathBuf,
    file: Option<File>,
    written: u64,
    broken: Option<io::Error>,
}

impl Report {
    fn new(path: &Path, people: Option<u64>) -> Self {
        let is_watched = io::stderr().is_terminal();
        let bar = people.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let pattern = "{wide_bar} {pos}/{len} people, {per_sec}, {eta} left, {msg}";
        if people.is_some()
            && let Ok(style) = ProgressStyle::with_template(pattern)
        {
            bar.set_style(style);
        }
        if !is_watched {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            bar,
            is_watched,
            last_line: Instant::now(),
            first: None,
            path: path.to_owned(),
            file: None,
            written: 0,
            broken: None,
        }
    }

    /// The list of people is for nobody's eyes but the operator's.
    fn append(&mut self, nik: &NationalId, reason: &str) -> io::Result<()> {
        if self.file.is_none() {
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            if file.metadata()?.len() == 0 {
                file.write_all(b"nik,reason\n")?;
            }
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(format!("{},{reason}\n", nik.as_str()).as_bytes()),
            None => Ok(()),
        }
    }

    fn hear(&mut self, news: &EnrolmentEvent<'_>) {
        match news {
            EnrolmentEvent::Progress { tally, embedded } => self.progress(*tally, *embedded),
            EnrolmentEvent::WithoutTemplate { nik, reason } => match self.append(nik, reason) {
                Ok(()) => self.written += 1,
                Err(error) => {
                    self.broken.get_or_insert(error);
                }
            },
        }
    }

    /// How long the rest takes at the pace since the first news, which an earlier run may have brought far; `None` before
    /// there is a pace. A bar that nobody watches makes no estimate.
    fn left(&self, people: u64, all: u64) -> Option<Duration> {
        let (began, first) = self.first?;
        let gone_through = people.saturating_sub(first);
        let share = (gone_through > 0).then(|| all.saturating_sub(people) as f64 / gone_through as f64)?;
        Some(Duration::from_secs_f64((began.elapsed().as_secs_f64() * share).round()))
    }

    fn progress(&mut self, tally: EnrolmentTally, embedded: u64) {
        self.bar.set_position(tally.people());
        self.bar.set_message(format!("{embedded} embedded"));
        self.first.get_or_insert((Instant::now(), tally.people()));
        if !self.is_watched && self.last_line.elapsed() >= LINES_APART {
            self.last_line = Instant::now();
            let left = self.bar.length().and_then(|all| self.left(tally.people(), all));
            let left = left.map_or_else(String::new, |left| format!(", about {left:.0?} left"));
            eprintln!("{} people gone through, {embedded} embedded{left}", tally.people());
        }
    }
}
