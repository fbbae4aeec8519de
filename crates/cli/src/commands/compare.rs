use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use padan_domain::{Percentage, Photo, ReasonCode, Similarity};
use padan_inference::{Analysis, Engine, FaceError, Timings};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    ending::StatusError, engine::start_engine, exit_status::ExitStatus, output::stdout,
    settings::SettingsArguments, telemetry,
};

/// The largest photo that a client of the service may send.
const MAX_PHOTO_BYTES: u64 = 16 << 20;
/// Long enough for a slow machine.
const ANALYSIS_TIMEOUT: Duration = Duration::from_mins(1);

/// Compare the faces in two photos
///
/// A is treated as the registry's photo: its largest, most central face is used. B is treated as the selfie: it must
/// show one face in sufficient quality.
#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Reference photo, PNG or JPEG; a file, a pipe, or - for standard input
    #[arg(value_parser = path_parser())]
    a: PathBuf,
    /// Selfie, PNG or JPEG; a file, a pipe, or - for standard input
    #[arg(value_parser = path_parser())]
    b: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Use the largest, most central face of B as well, whatever its quality
    #[arg(long)]
    no_gates: bool,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Accepts an empty path, which a script passes for a variable without a value: such a photo cannot be used.
fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Compares the photos and prints the result.
pub(crate) fn run(arguments: &CompareArguments) -> Result<ExitStatus> {
    telemetry::start_quietly();
    compare(arguments).map_err(|error| StatusError::with_status(ExitStatus::NotCompared, error))
}

fn compare(arguments: &CompareArguments) -> Result<ExitStatus> {
    if [&arguments.a, &arguments.b].into_iter().all(|file| is_standard_input(file)) {
        bail!("only one of the two photos can come from standard input");
    }
    let settings = arguments.settings.settings()?;
    let runtime = Runtime::new()?;
    let (engine, a, b) = runtime.block_on(async {
        let engine = start_engine(&settings).await?;
        let a = analyse(&engine, &arguments.a, true).await?;
        let b = analyse(&engine, &arguments.b, arguments.no_gates).await?;
        anyhow::Ok((engine, a, b))
    })?;
    let mut out = stdout();
    let (a, b) = match (a, b) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(problem), _) => return report_unusable(arguments.json, "A", &arguments.a, problem),
        (_, Err(problem)) => return report_unusable(arguments.json, "B", &arguments.b, problem),
    };
    let similarity = engine
        .calibration()
        .similarity(&a.embedding, &b.embedding)
        .context("the two embeddings differ in length, although they are from the same model")?;
    let comparison = Comparison {
        engine: &engine,
        arguments,
        similarity,
        percentage: engine.calibration().percentage(similarity),
        a: &a,
        b: &b,
    };
    if arguments.json {
        writeln!(out, "{:#}", comparison.json())?;
    } else {
        write!(out, "{comparison}")?;
    }
    Ok(ExitStatus::success_if(comparison.percentage.passes()))
}

/// Why a photo cannot be used: the API's reason code, if there is one, and a text.
struct PhotoProblem {
    code: Option<ReasonCode>,
    text: String,
}

/// Finds and embeds the face. The outer error is about the program, the inner one about the photo.
async fn analyse(engine: &Engine, file: &Path, as_reference: bool) -> Result<Result<Analysis, PhotoProblem>> {
    let bytes = match read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Ok(Err(PhotoProblem { code: None, text: format!("the file cannot be read: {error}") }));
        }
    };
    if bytes.len() as u64 > MAX_PHOTO_BYTES {
        let text = format!("the file is larger than {} MiB", MAX_PHOTO_BYTES >> 20);
        return Ok(Err(PhotoProblem { code: Some(ReasonCode::BodyTooLarge), text }));
    }
    if bytes.is_empty() {
        let text = "the file is empty".to_owned();
        return Ok(Err(PhotoProblem { code: Some(ReasonCode::UnsupportedImage), text }));
    }
    let Ok(photo) = Photo::try_from(bytes) else {
        let text = "the file is neither PNG nor JPEG, by its first bytes".to_owned();
        return Ok(Err(PhotoProblem { code: Some(ReasonCode::UnsupportedImage), text }));
    };
    let deadline = Instant::now() + ANALYSIS_TIMEOUT;
    let outcome = if as_reference {
        engine.reference(photo, deadline).await
    } else {
        engine.probe(photo, deadline).await
    };
    match outcome {
        Ok(analysis) => Ok(Ok(analysis)),
        Err(FaceError::Rejected(fault)) => {
            let (code, text) = (Some(fault.reason()), fault.to_string());
            Ok(Err(PhotoProblem { code, text }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the file or pipe, but at most one byte more than allowed.
fn read(file: &Path) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    if is_standard_input(file) {
        io::stdin().lock().take(MAX_PHOTO_BYTES + 1).read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    }
    if file.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path is empty"));
    }
    let kind = fs::metadata(file)?.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a pipe"));
    }
    fs::File::open(file)?.take(MAX_PHOTO_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// The names of standard input. It may be a socket, which cannot be opened by the name of a file.
const STANDARD_INPUT: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

fn is_standard_input(file: &Path) -> bool {
    STANDARD_INPUT.iter().any(|name| file.as_os_str() == *name)
}

fn report_unusable(as_json: bool, which: &str, file: &Path, problem: PhotoProblem) -> Result<ExitStatus> {
    let PhotoProblem { code, text } = problem;
    let code = code.map(ReasonCode::as_str);
    if as_json {
        let object = json!({
            "match": null,
            "unusable": { "image": which, "file": file.display().to_string(), "reason_code": code, "reason": text },
        });
        writeln!(stdout(), "{object:#}")?;
    }
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    eprintln!("padan: image {which}, {}, cannot be used: {text}{code}", file.display());
    Ok(ExitStatus::UnusablePhoto)
}

struct Comparison<'a> {
    engine: &'a Engine,
    arguments: &'a CompareArguments,
    similarity: Similarity,
    percentage: Percentage,
    a: &'a Analysis,
    b: &'a Analysis,
}

impl Comparison<'_> {
    fn reason(&self) -> ReasonCode {
        if self.percentage.passes() { ReasonCode::Verified } else { ReasonCode::FaceMismatch }
    }

    fn json(&self) -> Value {
        let identity = self.engine.identity();
        let image = |file: &Path, analysis: &Analysis| {
            json!({
                "file": file.display().to_string(),
                "face": analysis.face,
                "quality": analysis.quality,
                "milliseconds": milliseconds(&analysis.timings),
            })
        };
        json!({
            "match": self.percentage.passes(),
            "similarity": self.similarity.cosine(),
            "percentage": self.percentage.value(),
            "shown_percentage": self.percentage.shown(),
            "pass_mark": Percentage::PASS_MARK.value(),
            "pass_similarity": self.engine.calibration().pass_cosine(),
            "reason_code": self.reason().as_str(),
            "model_set": identity.model_set,
            "model_contract": identity.contract.as_str(),
            "device": identity.placement.device.name(),
            "precision": identity.placement.precision.name(),
            "a": image(&self.arguments.a, self.a),
            "b": image(&self.arguments.b, self.b),
        })
    }
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.engine.identity();
        let calibration = self.engine.calibration();
        let verdict = if self.percentage.passes() { "match" } else { "no match" };
        writeln!(
            f,
            "similarity  {:.6} (cosine; passes from {:.4})",
            self.similarity.cosine(),
            calibration.pass_cosine()
        )?;
        writeln!(
            f,
            "percentage  {} (passes from {})",
            self.percentage.shown(),
            Percentage::PASS_MARK.value()
        )?;
        writeln!(f, "decision    {verdict} ({})", self.reason())?;
        writeln!(
            f,
            "models      {}, contract {}, on {} in {}",
            identity.model_set,
            identity.contract,
            identity.placement.device.name(),
            identity.placement.precision.name()
        )?;
        for (name, analysis) in [("A", self.a), ("B", self.b)] {
            let steps = steps(&analysis.timings)
                .map(|(step, time)| format!("{step} {:.1}", time.as_secs_f64() * 1e3))
                .join(", ");
            writeln!(f, "time of {name}   {:.1} ms: {steps}", analysis.timings.work().as_secs_f64() * 1e3)?;
        }
        Ok(())
    }
}

fn steps(timings: &Timings) -> [(&'static str, Duration); 5] {
    [
        ("decode", timings.decode),
        ("detect", timings.detect),
        ("align", timings.align),
        ("quality", timings.quality),
        ("embed", timings.embed),
    ]
}

fn milliseconds(timings: &Timings) -> Value {
    steps(timings)
        .into_iter()
        .map(|(step, time)| (step.to_owned(), json!(time.as_secs_f64() * 1e3)))
        .collect()
}
