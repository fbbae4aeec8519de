use std::{
    io::{self, BufWriter, ErrorKind, Write},
    process::ExitCode,
};

use anyhow::{Result, bail};
use chrono::SecondsFormat;
use clap::{Args, ValueEnum};
use padan_domain::NationalId;
use padan_store::{AuditFilter, AuditLog, AuditRow};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::moment::Moment;
use crate::{settings::SettingsArguments, telemetry};

/// Write the audit trail to stdout, whole or in part, in the order of time
///
/// `--nik` answers who asked about a person, and when. A row names the person by a keyed hash only.
#[derive(Debug, Args)]
pub(crate) struct AuditExportArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Rows about the person of this NIK; needs `store.person_key`, with the keys of before
    #[arg(long)]
    nik: Option<String>,
    /// Rows of this client
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Rows from this moment on: RFC 3339, or a day of Jakarta as yyyy-mm-dd
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Rows before this moment
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Comma-separated values with a header
    Csv,
    /// A JSON object a line
    Jsonl,
}

const COLUMNS: [&str; 17] = [
    "at",
    "kind",
    "request_id",
    "client",
    "endpoint",
    "reason",
    "person_key",
    "person_key_id",
    "nik_plausible",
    "fields",
    "percentage",
    "contract_id",
    "calibration_id",
    "milliseconds",
    "writer",
    "sequence",
    "mac",
];

/// Writes the rows. A reader who has seen enough and closes the pipe is no error.
pub(crate) fn run(arguments: &AuditExportArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    // The error of clap would repeat the number.
    let nik: Option<NationalId> = match arguments.nik.as_deref().map(str::parse).transpose() {
        Ok(nik) => nik,
        Err(_) => bail!("--nik is not 16 digits"),
    };
    let filter = AuditFilter {
        nik,
        client: arguments.client.clone(),
        from: arguments.from.map(Moment::into_inner),
        to: arguments.to.map(Moment::into_inner),
    };
    let mut rows = 0_u64;
    let written = Runtime::new()?.block_on(async {
        let mut log = AuditLog::open(&settings.store).await?;
        if filter.nik.is_some() {
            tell_unknown_person_keys(&log.unknown_person_keys().await?);
        }
        let mut sheet = Sheet::begin(arguments.format)?;
        let written = log
            .export(&filter, |row| {
                rows += 1;
                sheet.write(&row)
            })
            .await?;
        anyhow::Ok(written.and_then(|()| sheet.finish()))
    })?;
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => {
            other?;
            eprintln!("{rows} rows");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Says that a person is not looked for everywhere, when that is so.
pub(super) fn tell_unknown_person_keys(ids: &[String]) {
    if !ids.is_empty() {
        eprintln!(
            "There are rows under the person keys {}, which store.person_key does not hold: nobody is found there. Add \
             these keys behind the first one.",
            ids.join(", ")
        );
    }
}

/// What goes to stdout.
enum Sheet {
    Csv(Box<csv::Writer<io::Stdout>>),
    Lines(BufWriter<io::Stdout>),
}

impl Sheet {
    fn begin(format: Format) -> io::Result<Self> {
        Ok(match format {
            Format::Jsonl => Self::Lines(BufWriter::new(io::stdout())),
            Format::Csv => {
                let mut sheet = csv::Writer::from_writer(io::stdout());
                sheet.write_record(COLUMNS).map_err(io_error)?;
                Self::Csv(Box::new(sheet))
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
            Self::Csv(sheet) => {
                let texts = cells.into_iter().map(|cell| match cell {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                sheet.write_record(texts).map_err(io_error)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Lines(mut out) => out.flush(),
            Self::Csv(mut sheet) => sheet.flush(),
        }
    }
}

/// The error below, whose kind says whether the reader has gone; what the crate converts it to says so no more.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// The row's values in the order of the columns.
fn cells(row: &AuditRow) -> [Value; COLUMNS.len()] {
    [
        row.at.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
        row.kind.as_str().into(),
        json!(row.request_id),
        json!(row.client),
        json!(row.endpoint),
        row.reason.as_str().into(),
        json!(row.person_key.as_ref().map(hex::encode)),
        json!(row.person_key_id),
        json!(row.nik_plausible),
        serde_json::from_str(&row.fields).unwrap_or_else(|_| row.fields.as_str().into()),
        json!(row.percentage),
        json!(row.contract_id),
        json!(row.calibration_id),
        json!(row.milliseconds),
        row.writer.to_string().into(),
        row.sequence.into(),
        hex::encode(&row.mac).into(),
    ]
}
