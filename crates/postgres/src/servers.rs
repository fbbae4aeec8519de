use std::{fmt, sync::Arc};

use futures_util::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use sqlx::{PgConnection, postgres::PgConnectOptions};

use crate::{
    fault::{Fault, FaultKind},
    hosts::Hosts,
    listener::Listener,
    options::{display_name, is_remote, options_of},
};

/// Checks a new connection before it is used, and returns the reason to reject it, if there is one.
pub type Confirmation = Arc<
    dyn for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<Option<&'static str>>> + Send + Sync,
>;

/// The servers of one URL, of which the one that is the primary is used.
#[derive(Clone)]
pub struct Servers {
    all: Vec<PgConnectOptions>,
    /// Whether each connection is asked for it.
    must_be_primary: bool,
}

/// The values of `target_session_attrs` that a service can use which writes.
const WRITABLE: [&str; 2] = ["read-write", "primary"];
const IS_STANDBY: &str = "it is a standby";

impl Servers {
    /// The servers of a URL with one host or several, as libpq has them: `postgres://a:5432,b:5433/database`. With
    /// several hosts, or with `target_session_attrs`, only a primary is used. See
    /// [`connect_options`](crate::connect_options).
    ///
    /// # Errors
    ///
    /// When the URL cannot be parsed, wants a server that takes no writes, or one of the hosts is beyond this machine
    /// and need not show a certificate that is checked. The text contains no credentials.
    pub fn of(url: &str, section: &str, allow_plaintext: bool) -> Result<Self, String> {
        let Hosts { urls, wanted } = Hosts::of(url)?;
        if let Some(wanted) = wanted.as_deref().filter(|wanted| !WRITABLE.contains(wanted)) {
            return Err(format!(
                "target_session_attrs is {wanted}: leave it out, or write read-write or primary"
            ));
        }
        let all: Result<Vec<_>, _> =
            urls.iter().map(|url| options_of(url, section, allow_plaintext)).collect();
        Ok(Self { must_be_primary: urls.len() > 1 || wanted.is_some(), all: all? })
    }

    /// With another name of the application.
    #[must_use]
    pub fn application_name(mut self, name: &str) -> Self {
        self.all = self.all.into_iter().map(|options| options.application_name(name)).collect();
        self
    }

    pub(crate) fn all(&self) -> &[PgConnectOptions] {
        &self.all
    }

    /// `host:port/database` of each server, separated by commas.
    pub(crate) fn name(&self) -> String {
        self.all.iter().map(display_name).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn are_remote(&self) -> bool {
        self.all.iter().any(is_remote)
    }

    /// The question whether a connection leads to a primary, where it matters.
    pub(crate) fn confirmation(&self) -> Option<Confirmation> {
        self.must_be_primary
            .then(|| -> Confirmation { Arc::new(|connection| refusal_of_standby(connection).boxed()) })
    }

    /// Why a connection is not used.
    pub(crate) async fn refusal(&self, connection: &mut PgConnection) -> sqlx::Result<Option<&'static str>> {
        if self.must_be_primary { refusal_of_standby(connection).await } else { Ok(None) }
    }
}

impl From<PgConnectOptions> for Servers {
    fn from(options: PgConnectOptions) -> Self {
        Self { all: vec![options], must_be_primary: false }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Servers").field(&self.name()).finish()
    }
}

async fn refusal_of_standby(connection: &mut PgConnection) -> sqlx::Result<Option<&'static str>> {
    // The driver prepares no statement for this form of a query.
    let row = sqlx::raw_sql("SELECT 1 WHERE pg_is_in_recovery()").fetch_optional(connection).await?;
    Ok(row.map(|_| IS_STANDBY))
}

/// The server of a pool that is asked at present.
pub(crate) struct Choice {
    hosts: Vec<Host>,
    current: Mutex<usize>,
}

struct Host {
    options: PgConnectOptions,
    listener: Listener,
}

impl Choice {
    pub(crate) fn of(servers: &Servers) -> Self {
        let host =
            |options: &PgConnectOptions| Host { options: options.clone(), listener: Listener::of(options) };
        Self { hosts: servers.all.iter().map(host).collect(), current: Mutex::new(0) }
    }

    pub(crate) fn count(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn current(&self) -> usize {
        *self.current.lock()
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.hosts.get(self.current()).map(|host| host.options.clone()).unwrap_or_default()
    }

    /// The error with which the present server refuses a connection.
    pub(crate) async fn refusal(&self) -> Option<String> {
        match self.hosts.get(self.current()) {
            Some(host) => host.listener.refusal().await,
            None => None,
        }
    }

    /// Goes on from a server that failed to the next one, unless another caller has. `and` runs before anybody else can
    /// go on.
    pub(crate) fn leave(&self, failed: usize, and: impl FnOnce(&PgConnectOptions)) {
        let mut current = self.current.lock();
        if *current != failed {
            return;
        }
        *current = (failed + 1) % self.hosts.len();
        if let Some(host) = self.hosts.get(*current) {
            and(&host.options);
        }
    }

    /// The fault of all servers together, from those of each in the order in which they were asked.
    pub(crate) fn fault_of_all(&self, faults: Vec<(usize, Fault)>) -> Fault {
        let named =
            faults.into_iter().filter_map(|(index, fault)| Some((&self.hosts.get(index)?.options, fault)));
        combined(named.collect())
    }
}

/// One fault for all servers. A standby is no reason to give up: it may be promoted.
pub(crate) fn combined(mut faults: Vec<(&PgConnectOptions, Fault)>) -> Fault {
    if faults.len() == 1
        && let Some((_, fault)) = faults.pop()
    {
        return fault;
    }
    let kinds: Vec<_> = faults.iter().map(|(_, fault)| fault.kind).collect();
    let is_one = kinds.iter().all(|kind| Some(kind) == kinds.first());
    let kind = kinds.first().copied().filter(|_| is_one).unwrap_or(FaultKind::Down);
    let texts = faults.iter().map(|(options, fault)| format!("{}: {}", display_name(options), fault.text));
    Fault::new(kind, texts.collect::<Vec<_>>().join("; "))
}
