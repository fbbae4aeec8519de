//! What the server must apply to every statement of a pool, and how it confirms that.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgConnectOptions};

/// What the server must apply to every statement, and confirm before the first one.
///
/// Where each connection has a server process of its own, these are start-up options. Through a pooler, which keeps no
/// state of a session, they are set within each transaction.
#[derive(Debug, Clone)]
pub struct Session {
    is_read_only: bool,
    settings: Vec<Setting>,
    /// A random text among the start-up options. A server process that shows it was started for this pool.
    mark: String,
}

#[derive(Debug, Clone)]
struct Setting {
    name: &'static str,
    value: Value,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Text(&'static str),
    Time(Duration),
}

/// What a server process says about itself.
#[derive(Debug)]
pub(crate) struct Observed {
    /// Whether it was started for a connection of this pool.
    pub(crate) is_own: bool,
    /// Tells it from other server processes.
    pub(crate) process: String,
    /// Its prepared statements that have the names which the driver gives them.
    pub(crate) named_by_driver: i64,
    /// What it does not apply, as a text for an operator.
    pub(crate) unconfirmed: Option<String>,
}

/// By which each side of a connection detects that the other is gone.
const KEEP_ALIVE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "60"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "3")];

/// The SQLSTATE with which [`Session::confirmation`] fails: `division_by_zero`.
pub(crate) const UNCONFIRMED: &str = "22012";
/// How the names begin that the driver gives to prepared statements.
pub(crate) const DRIVER_NAMES: &str = "sqlx_s_";

/// The setting that holds [`Session::mark`]. PostgreSQL accepts settings with a dot in their name from every role.
const MARK: &str = "padan.session";

impl Session {
    /// Transactions that cannot write.
    pub fn read_only() -> Self {
        Self::of(true, Vec::new())
    }

    /// Transactions that are durable once their commit is answered, whatever the server, the database, the role or the
    /// URL says. With synchronous standbys they are then also durable on them.
    pub fn durable() -> Self {
        Self::of(false, vec![Setting { name: "synchronous_commit", value: Value::Text("on") }])
    }

    fn of(is_read_only: bool, settings: Vec<Setting>) -> Self {
        let random = || RandomState::new().hash_one(MARK);
        Self { is_read_only, settings, mark: format!("{:016x}{:016x}", random(), random()) }
    }

    /// With time limits for a statement and for its wait for a lock. Zero is no limit.
    #[must_use]
    pub fn limited(mut self, statement: Duration, lock: Duration) -> Self {
        let limits = [
            ("statement_timeout", statement),
            ("lock_timeout", lock),
            ("idle_in_transaction_session_timeout", statement),
        ];
        self.settings.extend(limits.map(|(name, limit)| Setting { name, value: Value::Time(limit) }));
        self
    }

    /// Options for a server process of one's own.
    pub(crate) fn for_own_process(&self, options: PgConnectOptions) -> PgConnectOptions {
        // The server uses the last value of an option, so these override the URL's.
        let settings = self.settings.iter().map(|setting| (setting.name, setting.value.text()));
        let options = options.options(KEEP_ALIVE).options(settings).options([(MARK, &self.mark)]);
        if self.is_read_only { options.options([("default_transaction_read_only", "on")]) } else { options }
    }

    /// Options that every pooler accepts.
    pub(crate) fn for_pooler(options: PgConnectOptions) -> PgConnectOptions {
        options.extra_float_digits(None)
    }

    /// Statements that begin a transaction with these settings, and with further characteristics, such as an isolation
    /// level. `forgetting` also removes all prepared statements of the server process.
    pub(crate) fn begin(&self, characteristics: &str, forgetting: bool) -> String {
        let mode = if self.is_read_only { " READ ONLY" } else { "" };
        let forget = if forgetting { "; DEALLOCATE ALL" } else { "" };
        format!("BEGIN{mode}{characteristics}{forget}{}", self.assignments("SET LOCAL"))
    }

    /// A statement for the end of [`begin`](Self::begin), which fails with [`UNCONFIRMED`] unless the transaction has
    /// all settings, and the server process has no statement under the names which the driver gives them.
    pub(crate) fn confirmation(&self) -> String {
        let read_only =
            if self.is_read_only { " AND current_setting('transaction_read_only') = 'on'" } else { "" };
        let setting = |Setting { name, value }: &Setting| match value {
            Value::Text(text) => format!(" AND current_setting('{name}') = '{text}'"),
            Value::Time(_) => {
                format!(" AND current_setting('{name}')::interval = '{}ms'::interval", value.text())
            }
        };
        let settings = self.settings.iter().map(setting).collect::<Vec<_>>().concat();
        format!(
            "; SELECT 1 / (CASE WHEN NOT EXISTS (SELECT FROM pg_prepared_statements \
             WHERE starts_with(name, '{DRIVER_NAMES}')){read_only}{settings} THEN 1 ELSE 0 END)"
        )
    }

    /// Statements that apply these settings to a whole session.
    pub(crate) fn set(&self) -> String {
        let read_only = if self.is_read_only { "; SET default_transaction_read_only = on" } else { "" };
        self.assignments("SET") + read_only
    }

    fn assignments(&self, verb: &str) -> String {
        let assignment =
            |setting: &Setting| format!("; {verb} {} = '{}'", setting.name, setting.value.text());
        self.settings.iter().map(assignment).collect::<Vec<_>>().concat()
    }

    /// Asks the server process that answers at present.
    pub(crate) async fn observe(&self, connection: &mut PgConnection) -> sqlx::Result<Observed> {
        let settings = self.settings.iter().map(|setting| format!(", current_setting('{}')", setting.name));
        let settings = settings.collect::<Vec<_>>().concat();
        // The driver prepares no statement for this form of a query.
        let query = format!(
            "SELECT coalesce(current_setting('{MARK}', true), ''),
                    pg_backend_pid() || ' ' || pg_postmaster_start_time(),
                    (SELECT count(*) FROM pg_prepared_statements WHERE starts_with(name, '{DRIVER_NAMES}'))::text,
                    current_setting('transaction_read_only'){settings}"
        );
        let row = sqlx::raw_sql(AssertSqlSafe(query)).fetch_one(connection).await?;
        let text = |index: usize| row.try_get::<String, _>(index);
        let mut unconfirmed = Vec::new();
        if self.is_read_only && text(3)? != "on" {
            unconfirmed.push("read-only transactions".to_owned());
        }
        for (index, setting) in self.settings.iter().enumerate() {
            let shown = text(4 + index)?;
            if !setting.value.is_shown_as(&shown) {
                unconfirmed.push(format!("{} = {} (it is {shown})", setting.name, setting.value.text()));
            }
        }
        Ok(Observed {
            is_own: text(0)? == self.mark,
            process: text(1)?,
            named_by_driver: text(2)?.parse().unwrap_or(i64::MAX),
            unconfirmed: (!unconfirmed.is_empty())
                .then(|| format!("the server does not confirm {}", unconfirmed.join(", "))),
        })
    }
}

impl Value {
    /// In a form that needs no quotes: a word or a number of milliseconds.
    fn text(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Time(time) => time.as_millis().to_string(),
        }
    }

    fn is_shown_as(self, shown: &str) -> bool {
        match self {
            Self::Text(text) => shown == text,
            Self::Time(time) => time_of(shown) == Some(time),
        }
    }
}

/// A time as PostgreSQL shows it, in the largest unit that gives a whole number: `1500ms`, `2s`, `0`.
fn time_of(shown: &str) -> Option<Duration> {
    let unit_at = shown.find(|c: char| !c.is_ascii_digit()).unwrap_or(shown.len());
    let (number, unit) = shown.split_at(unit_at);
    let milliseconds = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_unit_of_the_server() {
        let seconds = |shown| time_of(shown).map(|time| time.as_secs_f64());
        assert_eq!(seconds("0"), Some(0.0));
        assert_eq!(seconds("1500ms"), Some(1.5));
        assert_eq!(seconds("2s"), Some(2.0));
        assert_eq!(seconds("2min"), Some(120.0));
        assert_eq!(seconds("3h"), Some(10_800.0));
        assert_eq!(seconds("1d"), Some(86_400.0));
        for wrong in ["", "s", "2 s", "-1", "2us", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(time_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_value_is_confirmed_only_by_the_same_value() {
        assert!(Value::Text("on").is_shown_as("on"));
        assert!(!Value::Text("on").is_shown_as("off") && !Value::Text("on").is_shown_as("remote_apply"));
        let limit = Value::Time(Duration::from_millis(600));
        assert!(limit.is_shown_as("600ms"));
        assert!(!limit.is_shown_as("0") && !limit.is_shown_as("60s") && !limit.is_shown_as("600s"));
    }

    #[test]
    fn one_statement_confirms_all_settings() {
        let session = Session::read_only().limited(Duration::from_secs(2), Duration::from_millis(900));
        assert_eq!(
            session.confirmation(),
            "; SELECT 1 / (CASE WHEN NOT EXISTS (SELECT FROM pg_prepared_statements \
             WHERE starts_with(name, 'sqlx_s_')) AND current_setting('transaction_read_only') = 'on' \
             AND current_setting('statement_timeout')::interval = '2000ms'::interval \
             AND current_setting('lock_timeout')::interval = '900ms'::interval \
             AND current_setting('idle_in_transaction_session_timeout')::interval = '2000ms'::interval \
             THEN 1 ELSE 0 END)"
        );
        assert!(
            Session::durable().confirmation().contains(" AND current_setting('synchronous_commit') = 'on' ")
        );
    }

    #[test]
    fn a_transaction_begins_with_all_settings() {
        let session = Session::durable().limited(Duration::from_secs(2), Duration::from_millis(900));
        assert_eq!(
            session.begin("", false),
            "BEGIN; SET LOCAL synchronous_commit = 'on'; SET LOCAL statement_timeout = '2000'; \
             SET LOCAL lock_timeout = '900'; SET LOCAL idle_in_transaction_session_timeout = '2000'"
        );
        assert_eq!(
            Session::read_only().begin(" ISOLATION LEVEL SERIALIZABLE", true),
            "BEGIN READ ONLY ISOLATION LEVEL SERIALIZABLE; DEALLOCATE ALL"
        );
    }
}
