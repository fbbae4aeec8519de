use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use padan_domain::{NationalId, ReasonCode};
use padan_store::EnrolmentTally;
use padan_verification::EnrolmentEvent;

/// How often a progress line is printed when stderr is not a terminal.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// Shows the progress, and writes the list of people without a template or with a covered face.
pub(super) struct Report {
    pub(super) bar: ProgressBar,
    is_terminal: bool,
    last_line: Instant,
    first_progress: Option<FirstProgress>,
    path: PathBuf,
    file: Option<File>,
    pub(super) written: u64,
    pub(super) write_error: Option<io::Error>,
}

/// The first progress that was reported. An earlier run may have processed its people.
struct FirstProgress {
    at: Instant,
    people: u64,
}

impl Report {
    pub(super) fn new(path: &Path, people: Option<u64>) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = people.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let pattern = "{wide_bar} {pos}/{len} people, {per_sec}, {eta} left, {msg}";
        if people.is_some()
            && let Ok(style) = ProgressStyle::with_template(pattern)
        {
            bar.set_style(style);
        }
        if !is_terminal {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            bar,
            is_terminal,
            last_line: Instant::now(),
            first_progress: None,
            path: path.to_owned(),
            file: None,
            written: 0,
            write_error: None,
        }
    }

    /// A report that only writes the list.
    pub(super) fn quiet(path: &Path) -> Self {
        let mut report = Self::new(path, None);
        report.bar.set_draw_target(ProgressDrawTarget::hidden());
        report.is_terminal = true;
        report
    }

    /// Appends a person to the file. Only the operator may read it.
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

    pub(super) fn handle_event(&mut self, event: &EnrolmentEvent<'_>) {
        match event {
            EnrolmentEvent::Progress { tally, embedded } => self.show_progress(*tally, *embedded),
            EnrolmentEvent::WithoutTemplate { nik, reason } => self.list(nik, reason),
            EnrolmentEvent::Covered { nik } => self.list(nik, ReasonCode::FaceCovered.as_str()),
        }
    }

    fn list(&mut self, nik: &NationalId, reason: &str) {
        match self.append(nik, reason) {
            Ok(()) => self.written += 1,
            Err(error) => {
                self.write_error.get_or_insert(error);
            }
        }
    }

    /// Estimates the remaining time from the rate since the first progress; `None` before a rate is known. A hidden
    /// progress bar makes no estimate of its own.
    fn remaining_time(&self, people: u64, all: u64) -> Option<Duration> {
        let first = self.first_progress.as_ref()?;
        let processed = people.saturating_sub(first.people);
        let share = (processed > 0).then(|| all.saturating_sub(people) as f64 / processed as f64)?;
        Some(Duration::from_secs_f64((first.at.elapsed().as_secs_f64() * share).round()))
    }

    fn show_progress(&mut self, tally: EnrolmentTally, embedded: u64) {
        self.bar.set_position(tally.people());
        self.bar.set_message(format!("{embedded} embedded"));
        self.first_progress.get_or_insert(FirstProgress { at: Instant::now(), people: tally.people() });
        if !self.is_terminal && self.last_line.elapsed() >= PROGRESS_INTERVAL {
            self.last_line = Instant::now();
            let left = self.bar.length().and_then(|all| self.remaining_time(tally.people(), all));
            let left = left.map_or_else(String::new, |left| format!(", about {left:.0?} left"));
            eprintln!("{} people processed, {embedded} embedded{left}", tally.people());
        }
    }
}
