//! `padan demo`: the whole service on a private PostgreSQL with sample people, and the eight documented answers.
//!
//! Enter through [`run`]. It starts the cluster, loads people, serves, sends itself the eight requests as a client
//! would, and goes on serving until it is told to end.

mod cast;
mod exchange;
mod loading;
mod people;
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
use padan_inference::Engine;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

use self::{
    cast::Cast,
    exchange::Exchange,
    people::People,
    site::{DATABASES, Site},
};
use crate::{
    private_cluster::{Claim, Keeping, PrivateCluster, deps_folder},
    service,
    settings::{Settings, SettingsArguments},
    shutdown::Shutdown,
    telemetry::{self, Muted},
    tls,
};

/// What is still computing when the demo ends gets so long before the process ends anyway.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(1);

/// Run the service with sample people and show the eight documented answers
///
/// Starts a private PostgreSQL below .deps, loads people, serves, sends itself the eight documented requests, prints
/// a table of them and goes on serving until SIGTERM or Ctrl-C. Everything it made is removed at the end.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Port of the API on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port of /metrics, /healthz and /readyz on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 9090)]
    admin_port: u16,
    /// End after the table: with 0 when all eight answers are as documented, else with 1
    #[arg(long)]
    once: bool,
    /// A folder with people.csv (`nik,name,date_of_birth,status,portrait`; dates yyyy-mm-dd; portraits as paths below
    /// it), and perhaps selfies.csv and strangers.csv (nik,file)
    #[arg(long, value_name = "DIR", default_value = "people")]
    people: PathBuf,
    /// Keep the PostgreSQL and its data for the next run with --keep
    #[arg(long)]
    keep: bool,
}

/// Runs the demo to its end.
pub(crate) fn run(arguments: &DemoArguments) -> Result<ExitCode> {
    telemetry::start_quietly();
    padan_http_api::report_panics_without_data();
    let people = People::read(&arguments.people)?;
    let runtime = Runtime::new()?;
    let entered = runtime.enter();
    let mut shutdown = Shutdown::of_a_terminal()?;
    let keeping = if arguments.keep { Keeping::Kept } else { Keeping::Thrown };
    let Some(claim) = Claim::demo(&deps_folder()?, keeping)? else {
        bail!("another `padan demo` runs in this checkout: end it first, or use the one that runs");
    };
    for port in [arguments.port, arguments.admin_port] {
        refuse_taken_port(port)?;
    }
    let cluster = PrivateCluster::start(claim, DATABASES, 0, &[])?;
    let demo =
        Demo { arguments, people: &people, site: Site::new(&cluster, arguments.port, arguments.admin_port)? };
    let outcome = runtime.block_on(demo.run(&mut shutdown));
    drop(entered);
    runtime.shutdown_timeout(PATIENCE_AT_THE_END);
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
        // Not those of a shell that is set up for a real site: the demo's client may call, and the demo writes.
        let settings = SettingsArguments::of_file_alone(self.site.settings_file())?;
        let (mut service, cast, all_documented) = tokio::select! {
            up = self.come_up(&settings) => up?,
            _ = early.requested() => bail!("ended before the demo was up"),
        };
        if !self.arguments.once {
            let ports = (service.port, service.admin_port);
            table::print_where(&cast, ports, self.site.settings_file())?;
            tokio::select! {
                _ = shutdown.requested() => {}
                () = service.stop.closed() => {}
            }
            eprintln!("Ending the demo.");
        }
        service.stop().await?;
        Ok(if all_documented || !self.arguments.once { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// All that happens until the service is up and the table is printed.
    async fn come_up(&self, settings: &Settings) -> Result<(Serving, Cast<'_>, bool)> {
        let store = service::open_store(settings)?;
        let (engine, loaded) = tokio::join!(service::start_engine(settings), async {
            store.migrate().await.context("the store could not be migrated")?;
            loading::load(self.people, &self.site).await
        });
        let engine = engine?;
        loaded?;
        let service = Serving::start(settings, &engine)?;
        self.site.write_ports(service.port, service.admin_port)?;
        let cast = Cast::choose(self.people, &engine).await?;
        let all_documented = self.show(&service, settings, &engine, &cast).await?;
        Ok((service, cast, all_documented))
    }

    /// Sends the eight requests and prints the table. The one about the registry's outage goes to a second
    /// instance, whose registry cannot be reached, so that the first is never disturbed.
    async fn show(
        &self,
        service: &Serving,
        settings: &Settings,
        engine: &Engine,
        cast: &Cast<'_>,
    ) -> Result<bool> {
        // The outage would be reported as the fault that it is elsewhere.
        let _muted = Muted::begin();
        let cut_off = Serving::start(&site::cut_off(settings), engine)?;
        let selfie: Bytes =
            fs::read(&cast.selfie).with_context(|| format!("cannot read {}", cast.selfie.display()))?.into();
        // A proxy of the environment has no business between us and ourselves.
        tls::choose_cryptography();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut rows = Vec::new();
        for exchange in Exchange::documented(cast, selfie) {
            let port = if exchange.to_cut_off { cut_off.port } else { service.port };
            let answer = exchange.carry_out(&client, &format!("http://127.0.0.1:{port}")).await?;
            rows.push((exchange, answer));
        }
        cut_off.stop().await?;
        table::print(&rows)
    }
}

/// An instance that serves in the background.
struct Serving {
    port: u16,
    admin_port: u16,
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    fn start(settings: &Settings, engine: &Engine) -> Result<Self> {
        let store = service::open_store(settings)?;
        let application = service::build(settings, engine.clone(), store)?;
        let (port, admin_port) = (application.port(), application.admin_port());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(application.run_until_stopped(async move {
            let _ = stopped.await;
        }));
        Ok(Self { port, admin_port, stop, running })
    }

    async fn stop(self) -> Result<()> {
        // When nobody listens any more the service has ended by itself, and says why.
        let _ = self.stop.send(());
        self.running.await?.context("the service ended with an error")
    }
}

/// Says before anything is started that a port is in use.
fn refuse_taken_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) => Err(error).with_context(|| {
            format!("port {port} of 127.0.0.1 cannot be used: choose others with --port and --admin-port")
        }),
    }
}
