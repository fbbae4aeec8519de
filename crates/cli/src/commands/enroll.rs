mod report;
mod waiting;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use padan_registry::Registry;
use padan_store::{AdminAct, AnnouncedAct, EnrolmentTally, KeySet, Overview};
use padan_verification::{AbsentPeople, Enrolled, Enrolment, EnrolmentError, Removal, RemovalLimit};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::watch};

use self::report::Report;
pub(crate) use self::waiting::Waiting;
use crate::{
    commands::enroll_status,
    engine::{model_set, start_engine},
    exit_status::ExitStatus,
    priority::lower_priority,
    service,
    settings::{Settings, SettingsArguments},
    shutdown::Shutdown,
};

/// Create the face templates of all people in the registry before their first verification
///
/// Processes all people with an active record and a portrait, and embeds the portraits that have no template yet. Then it
/// removes the templates of people who have left the registry, are no longer active, or whose portrait was withdrawn, if
/// the database user may delete them (`padan_operator`). The registry's user must be able to read all of padan.citizen. The
/// command can be stopped or killed at any time; when it is run again, it continues. Several instances share the work,
/// also on several machines. It runs at low priority, so that a service on the same machine takes precedence.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct EnrollArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Enrol for this model set, to activate it later [default: the active set]
    #[arg(long, value_name = "SET")]
    model: Option<String>,
    /// Maximum people embedded per second, to limit the load on databases and processors
    #[arg(long, value_name = "PEOPLE")]
    rate: Option<NonZeroU32>,
    /// Number of worker threads [default: `inference.workers`]
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    /// Also embed again the portraits that an older program did not check for covered faces
    #[arg(long)]
    judge_again: bool,
    /// Also remove templates of absent people when they are more than a tenth of all
    ///
    /// So many are a sign that the registry was not read completely, and are kept otherwise.
    #[arg(long)]
    remove_many: bool,
    /// Append the people who get no template, and those whose face is covered or cut off on the portrait, to this CSV
    /// file, with the columns nik and reason
    #[arg(long, value_name = "FILE", default_value = "enrolment-failures.csv")]
    failures: PathBuf,
    /// Do the enrolments that operators start in the management interface, until SIGTERM
    ///
    /// They are paused, continued and stopped there. Their model set is chosen there too.
    #[arg(long, conflicts_with_all = ["model", "judge_again", "remove_many", "status"])]
    wait: bool,
    /// Print the progress of all enrolments and exit; the database role `padan_auditor` is enough
    #[arg(long)]
    status: bool,
    /// With --status: print one JSON document; docs/json-output.md explains its fields
    #[arg(long, requires = "status")]
    json: bool,
}

/// How often the lag of the replicas is measured.
const LAG_INTERVAL: Duration = Duration::from_secs(2);

/// Enrols, or prints the progress of enrolments.
pub(crate) fn run(arguments: &EnrollArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    if arguments.status {
        return Runtime::new()?.block_on(async {
            enroll_status::print(&Overview::open(&settings.store)?, arguments.json).await
        });
    }
    // Threads inherit the priority, so it is set before the first one starts.
    lower_priority();
    Runtime::new()?.block_on(enrol(arguments, settings))
}

async fn enrol(arguments: &EnrollArguments, mut settings: Settings) -> Result<ExitStatus> {
    let mut shutdown = Shutdown::at_terminal()?;
    let (stopping, stop) = watch::channel(false);
    tokio::spawn(async move {
        shutdown.first_signal().await;
        let _ = stopping.send(true);
        // Keeps the sender: receivers fail without one.
        std::future::pending::<()>().await;
    });
    let store = service::open_store(&settings, KeySet::All)?;
    settings.inference.workers = arguments.workers.or(settings.inference.workers);
    if arguments.wait {
        let waiting =
            Waiting { settings, store, rate: arguments.rate, failures: arguments.failures.clone(), stop };
        waiting.run().await?;
        return Ok(ExitStatus::Success);
    }
    settings.inference.model_set = model_set(arguments.model.as_deref(), &settings, &store).await;
    let registry = Registry::new(&settings.registry)?;
    refuse_without_view(&registry).await?;
    tokio::spawn(measure_lag(registry.clone()));
    let enrolment = Enrolment {
        registry,
        engine: start_engine(&settings).await?,
        store,
        config: settings.enrolment,
        rate: arguments.rate,
        judge_again: arguments.judge_again,
        stop,
    };
    let after = json!({
        "model_set": settings.inference.model_set,
        "contract": enrolment.engine.contract().as_str(),
        "judge_again": arguments.judge_again,
        "remove_many": arguments.remove_many,
    });
    if !announce(&enrolment, after).await? {
        print_stopped();
        return Ok(ExitStatus::Failure);
    }
    let mut report = Report::new(&arguments.failures, enrolment.estimated_people().await);
    let began = Instant::now();
    let set = &settings.inference.model_set;
    let enrolled = enrolment.run(set, &mut |event| report.handle_event(&event)).await;
    report.bar.finish_and_clear();
    let enrolled = enrolled.context("the enrolment ended early; run it again to continue")?;
    if let Some(error) = report.write_error {
        return Err(error).with_context(|| format!("cannot write {}", arguments.failures.display()));
    }
    print_summary(&enrolled, began.elapsed(), report.written, &arguments.failures);
    let is_clean = enrolled.complete && remove_absent_people(&enrolment, arguments.remove_many).await?;
    let succeeded = is_clean && enrolled.tally.failed == 0;
    Ok(ExitStatus::success_if(succeeded))
}

/// Records in the audit trail that this process begins to enrol. Returns false if it is to stop before.
async fn announce(enrolment: &Enrolment, after: Value) -> Result<bool> {
    let act = AnnouncedAct { act: AdminAct::EnrolmentStarted, before: Value::Null, after };
    let administration = service::administration(&enrolment.store);
    let announced = enrolment.announce(&administration, &act).await;
    administration.finish().await;
    match announced {
        Ok(()) => Ok(true),
        Err(EnrolmentError::Stopped) => Ok(false),
        Err(error) => {
            Err(error).context("nothing was done, because the row in the audit trail could not be written")
        }
    }
}

/// Measures the lag of the replicas until the program ends, so that none that falls too far behind is read.
async fn measure_lag(registry: Registry) {
    loop {
        registry.measure_lag().await;
        tokio::time::sleep(LAG_INTERVAL).await;
    }
}

/// Refuses a role of the service, which may look single people up. Otherwise the first statement would be retried as in an
/// outage. A replica that does not answer may still come back.
pub(super) async fn refuse_without_view(registry: &Registry) -> Result<()> {
    let rights = registry.lookup_rights().await;
    if !rights.is_empty() && rights.iter().all(|rights| rights.is_some_and(|rights| !rights.view)) {
        bail!(
            "the user of registry.urls may not read padan.citizen, which this command needs: use the role padan_enroller \
             (deploy/registry/reader.sql)"
        );
    }
    Ok(())
}

/// Removes the templates of absent people and prints their number. False when it was stopped, or they are too many.
async fn remove_absent_people(enrolment: &Enrolment, many: bool) -> Result<bool> {
    let limit = if many { RemovalLimit::None } else { RemovalLimit::Tenth };
    let removal = enrolment.remove_absent_people(limit).await;
    Ok(match removal.context("templates of absent people remain; run the command again to remove them")? {
        Removal::Compared(AbsentPeople { absent, seen, removed: None }) => {
            eprintln!(
                "{absent} of {seen} templates belong to people who are not in the registry. So many were kept, because \
                 the registry may not have been read completely. To remove them, run the command with --remove-many."
            );
            false
        }
        Removal::Compared(AbsentPeople { removed: Some(removed), .. }) => {
            eprintln!("{removed} templates of people who are no longer in the registry were removed.");
            true
        }
        Removal::NotPermitted => {
            eprintln!(
                "Templates of people who are no longer in the registry were kept: the database user may not delete \
                 them, users in the role padan_operator may."
            );
            true
        }
        Removal::Stopped => false,
    })
}

fn print_summary(enrolled: &Enrolled, elapsed: Duration, listed: u64, failures: &Path) {
    let EnrolmentTally { templates, covered, unusable, failed } = enrolled.tally;
    let rate = enrolled.embedded as f64 / elapsed.as_secs_f64().max(0.001);
    eprintln!(
        "{} people processed in {:.0} s: {templates} have a template (for {covered} of them, the face \
         is covered or cut off on the portrait), {unusable} have no usable face in the portrait, \
         {failed} failed. {} were embedded in this run, {rate:.1} per second.",
        enrolled.tally.people(),
        elapsed.as_secs_f64(),
        enrolled.embedded
    );
    if listed > 0 {
        eprintln!(
            "{} lists {listed} people who have no template or a covered face, with the reasons.",
            failures.display()
        );
    }
    if enrolled.complete {
        eprintln!("All people in the registry have been processed.");
    } else {
        print_stopped();
    }
}

fn print_stopped() {
    eprintln!("Stopped before the end. Run the command again to continue.");
}
