//! `padan-demo run`: the service on a private PostgreSQL with sample people, and the eight documented answers.
//!
//! Start at [`run`]. It starts the cluster, loads people, starts the service, sends the eight requests as a client
//! would, and serves until a signal ends it.

mod exchange;
mod loading;
mod operator;
mod people;
mod request_data;
mod request_lines;
mod site;
mod table;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use padan::in_process::{self, Settings, Shutdown};
use padan_inference::Engine;
use tokio::{
    runtime::Runtime,
    sync::{oneshot, watch},
    task::JoinHandle,
};

use self::{
    exchange::Exchange,
    people::People,
    request_data::RequestData,
    request_lines::RequestLines,
    site::{DATABASES, Site},
};
use crate::{
    log::{self, Muted},
    private_cluster::{Claim, PrivateCluster, Retention, deps_folder},
};

/// How long the process waits at its end for computations that are still running.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Run the service with sample people and show the eight documented answers
///
/// Starts a private PostgreSQL below .deps, loads people and starts the service. Then sends the eight documented
/// requests, prints a table of the answers, and serves until SIGTERM or Ctrl-C. Everything is removed at the end,
/// unless --keep is given.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Port of the API on 127.0.0.1; 0 chooses a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port of /metrics, /healthz and /readyz on 127.0.0.1; 0 chooses a free one
    #[arg(long, default_value_t = 9090)]
    admin_port: u16,
    /// Exit after printing the table, with 0 when all eight answers are as documented, else with 1
    #[arg(long)]
    once: bool,
    /// Folder with people.csv, and optionally selfies.csv and strangers.csv
    ///
    /// people.csv has the columns nik, name, `date_of_birth` (yyyy-mm-dd), status and portrait (a path below the
    /// folder). The other two have the columns nik and file.
    #[arg(long, value_name = "DIR", default_value = "people")]
    people: PathBuf,
    /// Keep the PostgreSQL data at the end, and use the data that an earlier run with --keep has left
    #[arg(long)]
    keep: bool,
}

/// Runs the demo to its end.
pub(crate) fn run(arguments: &DemoArguments) -> Result<ExitCode> {
    log::start(RequestLines);
    padan_http_api::report_panics_without_data();
    let people = People::read(&arguments.people)?;
    let runtime = Runtime::new()?;
    let entered = runtime.enter();
    let mut shutdown = Shutdown::at_terminal()?;
    let retention = if arguments.keep { Retention::Kept } else { Retention::Temporary };
    let Some(claim) = Claim::demo(&deps_folder()?, retention)? else {
        bail!("another `padan-demo run` runs in this checkout: end it first, or use the one that runs");
    };
    for port in [arguments.port, arguments.admin_port] {
        check_port_is_free(port)?;
    }
    let cluster = PrivateCluster::start(claim, DATABASES, 0, &[])?;
    let demo =
        Demo { arguments, people: &people, site: Site::new(&cluster, arguments.port, arguments.admin_port)? };
    let outcome = runtime.block_on(demo.run(&mut shutdown));
    drop(entered);
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
    drop(cluster);
    outcome
}

struct Demo<'a> {
    arguments: &'a DemoArguments,
    people: &'a People,
    site: Site,
}

impl Demo<'_> {
    async fn run(&self, shutdown: &mut Shutdown) -> Result<ExitCode> {
        let mut early = shutdown.clone();
        // The environment is ignored: in a shell that is set up for a real site, the demo would write to its databases.
        let settings = in_process::settings_of_file(self.site.settings_file())?;
        let started = tokio::select! {
            started = self.start(&settings) => started?,
            _ = early.first_signal() => bail!("interrupted before the demo had started"),
        };
        let Started { mut service, data, all_as_documented } = started;
        if !self.arguments.once {
            table::print_console(service.admin_port, operator::NAME, self.site.operator_password())?;
            table::print_usage(&data, service.port, service.admin_port, self.site.settings_file())?;
            let (_stopping, stop) = watch::channel(false);
            tokio::select! {
                _ = shutdown.first_signal() => {}
                () = service.stop.closed() => {}
                worked = in_process::do_enrolments(settings, self.site.enrolment_failures(), stop) => worked?,
            }
            eprintln!("Ending the demo.");
        }
        service.stop().await?;
        Ok(if all_as_documented || !self.arguments.once { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Starts the service, sends the eight requests and prints the table.
    async fn start(&self, settings: &Settings) -> Result<Started<'_>> {
        let store = in_process::open_store(settings)?;
        let (engine, loaded) = tokio::join!(in_process::start_engine(settings), async {
            store.migrate().await.context("cannot migrate the store")?;
            operator::prepare(&store, self.site.operator_password()).await?;
            loading::load(self.people, &self.site).await
        });
        let engine = engine?;
        loaded?;
        let service = RunningService::start(settings, &engine)?;
        self.site.write_ports(service.port, service.admin_port)?;
        let data = RequestData::choose(self.people, &engine).await?;
        let all_as_documented = self.send_requests(&service, &engine, &data).await?;
        Ok(Started { service, data, all_as_documented })
    }

    /// Sends the eight requests, prints the table, and returns whether all answers are as documented. The request about
    /// the registry's outage goes to a second instance without a registry, so that the first one stays healthy.
    async fn send_requests(
        &self,
        service: &RunningService,
        engine: &Engine,
        data: &RequestData<'_>,
    ) -> Result<bool> {
        // Otherwise the outage that is provoked here would be logged.
        let _muted = Muted::begin();
        let settings = in_process::settings_of_file(&self.site.write_without_registry()?)?;
        let without_registry = RunningService::start(&settings, engine)?;
        let selfie: Bytes =
            fs::read(&data.selfie).with_context(|| format!("cannot read {}", data.selfie.display()))?.into();
        in_process::install_crypto_provider();
        // Requests to this machine must not go through a proxy that the environment names.
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut rows = Vec::new();
        for exchange in Exchange::documented(data, selfie) {
            let port = if exchange.without_registry { without_registry.port } else { service.port };
            let answer = exchange.send(&client, &format!("http://127.0.0.1:{port}")).await?;
            rows.push((exchange, answer));
        }
        without_registry.stop().await?;
        table::print(&rows)
    }
}

/// The demo after the table has been printed.
struct Started<'a> {
    service: RunningService,
    data: RequestData<'a>,
    all_as_documented: bool,
}

/// An instance of the service that runs in the background.
struct RunningService {
    port: u16,
    admin_port: u16,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

impl RunningService {
    fn start(settings: &Settings, engine: &Engine) -> Result<Self> {
        let application = in_process::build(settings, engine.clone())?;
        let (port, admin_port) = (application.port(), application.admin_port());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(application.run_until_stopped(async move {
            let _ = stopped.await;
        }));
        Ok(Self { port, admin_port, stop, running })
    }

    async fn stop(self) -> Result<()> {
        // If nothing receives this, the service has ended by itself; its result is checked below.
        let _ = self.stop.send(());
        self.running.await?.context("the service ended with an error")
    }
}

/// Checks a port before anything is started.
fn check_port_is_free(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error).with_context(|| {
            format!("cannot use port {port} of 127.0.0.1: choose other ports with --port and --admin-port")
        }),
    }
}
