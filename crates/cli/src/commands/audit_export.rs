use std::io::{self, BufWriter, ErrorKind, Write};

use anyhow::Result;
use chrono::SecondsFormat;
use clap::{Args, ValueEnum};
use padan_store::{AdminAct, AnnouncedAct, AuditFilter, AuditLog, AuditRow, KeySet};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{nik_argument::read_nik, timestamp::Timestamp};
use crate::{
    exit_status::ExitStatus,
    output::stdout_for_data,
    service,
    settings::{Settings, SettingsArguments},
};

/// Write the rows of the audit trail to stdout, oldest first
///
/// With --nik the output shows which clients sent requests about a person, and when. Rows identify the person only by a
/// keyed hash. The export itself is recorded in the audit trail before it begins, so the database user must be in
/// `padan_auditor` or `padan_operator`, and `store.audit_keys` is needed.
#[derive(Debug, Args)]
pub(crate) struct AuditExportArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Only rows about the person with this NIK, or - to read the NIK from standard input, where other users of the
    /// machine do not see it; needs `store.person_key`, including its former keys
    #[arg(long)]
    nik: Option<String>,
    /// Only rows of this kind
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only rows of this client, or about a change of this client
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Only rows at or after this time: RFC 3339, or a day in Jakarta as yyyy-mm-dd
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only rows before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object per line
    Jsonl,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Requests of clients
    Request,
    /// Steps of forgetting a person
    Forget,
    /// Acts of operators
    Admin,
}

const COLUMNS: [&str; 20] = [
    "at",
    "kind",
    "request_id",
    "client",
    "endpoint",
    "sandbox",
    "reason",
    "person_key",
    "person_key_id",
    "nik_plausible",
    "fields",
    "name_rules",
    "percentage",
    "spoof",
    "contract_id",
    "calibration_id",
    "milliseconds",
    "writer",
    "sequence",
    "mac",
];

/// Writes the rows. A reader that closes the pipe early is not an error.
pub(crate) fn run(arguments: &AuditExportArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let filter = AuditFilter {
        nik: arguments.nik.as_deref().map(read_nik).transpose()?,
        kind: arguments.kind.map(|kind| kind.as_str().to_owned()),
        client: arguments.client.clone(),
        from: arguments.from.map(Timestamp::into_inner),
        to: arguments.to.map(Timestamp::into_inner),
        after: None,
    };
    let mut rows = 0_u64;
    let written = Runtime::new()?.block_on(async {
        announce(&settings, &filter).await?;
        let mut log = AuditLog::open(&settings.store).await?;
        if filter.nik.is_some() {
            warn_of_unknown_person_keys(&log.unknown_person_keys().await?);
        }
        let mut writer = RowWriter::begin(arguments.format)?;
        let written = log
            .export(&filter, |row| {
                rows += 1;
                writer.write(&row)
            })
            .await?;
        anyhow::Ok(written.and_then(|()| writer.finish()))
    })?;
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitStatus::Success),
        other => {
            other?;
            eprintln!("{rows} rows written.");
            Ok(ExitStatus::Success)
        }
    }
}

/// Records the export in the audit trail. A person is not named, so that the row need not be changed when the person is
/// forgotten.
async fn announce(settings: &Settings, filter: &AuditFilter) -> Result<()> {
    let AuditFilter { nik, kind, client, from, to, after: _ } = filter;
    let keys = if nik.is_some() { KeySet::AuditAndPerson } else { KeySet::Audit };
    let store = service::open_store(settings, keys)?;
    let after =
        json!({ "one_person": nik.is_some(), "kind": kind, "client": client, "from": from, "to": to });
    let act = AnnouncedAct { act: AdminAct::AuditExported, before: Value::Null, after };
    service::announce(&store, act).await
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Forget => "forget",
            Self::Admin => "admin",
        }
    }
}

/// Warns of rows in which no person can be found, because their key is not configured.
pub(super) fn warn_of_unknown_person_keys(ids: &[String]) {
    if !ids.is_empty() {
        eprintln!(
            "Some rows could not be searched: store.person_key lacks the keys with the ids {}. Add these keys after the \
             first one.",
            ids.join(", ")
        );
    }
}

/// Writes the rows to stdout.
enum RowWriter {
    Csv(Box<csv::Writer<Box<dyn Write>>>),
    Lines(BufWriter<Box<dyn Write>>),
}

impl RowWriter {
    fn begin(format: Format) -> io::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Lines(BufWriter::new(stdout_for_data())),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(stdout_for_data());
                writer.write_record(COLUMNS).map_err(io_error)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    fn write(&mut self, row: &AuditRow) -> io::Result<()> {
        let cells = cells(row);
        match self {
            Self::Lines(out) => {
                let object: serde_json::Map<String, Value> =
                    COLUMNS.iter().map(|name| (*name).to_owned()).zip(cells).collect();
                serde_json::to_writer(&mut *out, &object)?;
                out.write_all(b"\n")
            }
            Self::Csv(writer) => {
                let texts = cells.into_iter().map(|cell| match cell {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                writer.write_record(texts).map_err(io_error)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Lines(mut out) => out.flush(),
            Self::Csv(mut writer) => writer.flush(),
        }
    }
}

/// Extracts the I/O error from a CSV error. The crate's own conversion loses the kind of the error, which shows that a
/// pipe was closed.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A JSON object, or its text if it is none.
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The row's values in the order of the columns.
fn cells(row: &AuditRow) -> [Value; COLUMNS.len()] {
    [
        row.at.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
        row.kind.as_str().into(),
        json!(row.request_id),
        json!(row.client),
        json!(row.endpoint),
        row.sandbox.into(),
        row.reason.as_str().into(),
        json!(row.person_key.as_ref().map(hex::encode)),
        json!(row.person_key_id),
        json!(row.nik_plausible),
        object(&row.fields),
        row.name_rules.as_deref().map_or(Value::Null, object),
        json!(row.percentage),
        json!(row.spoof),
        json!(row.contract_id),
        json!(row.calibration_id),
        json!(row.milliseconds),
        row.writer.to_string().into(),
        row.sequence.into(),
        hex::encode(&row.mac).into(),
    ]
}
