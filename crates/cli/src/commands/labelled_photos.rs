use std::{io::IsTerminal as _, num::NonZeroUsize, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use padan_evaluation::{EvaluatedModel, Exclusions, LabelError, Labelled, Measured, Outcome, SkippedFile};
use padan_inference::{
    CalibrationFile, Catalogue, DeviceChoice, ModelSet, Pipeline, Placement, PrecisionChoice,
    UncalibratedModels,
};

use serde::de::value::{Error as ValueError, StrDeserializer};

use crate::settings::{Settings, SettingsArguments};

/// The photos and their labels
#[derive(Debug, Args)]
pub(crate) struct LabelledPhotosArguments {
    /// List of pairs of photos, with the columns `path_a`, `path_b`, same (1 or 0), and optionally fold and group
    #[arg(long, value_name = "CSV", requires = "root", conflicts_with = "identities")]
    pairs: Option<PathBuf>,
    /// Folder that the paths in the list of pairs are relative to
    #[arg(long, value_name = "DIR", requires = "pairs")]
    root: Option<PathBuf>,
    /// Photos of which all pairs are compared; may be repeated
    ///
    /// A folder that contains a folder of photos for each person; or a list with the columns path, identity and
    /// optionally group; or a folder with such a list named identity.csv. When it is repeated, people of different
    /// sources are not compared with each other. Lists are in UTF-8 or UTF-16, and separated by commas, semicolons or
    /// tabs. A list of which a file does not exist is refused. Files of a folder that are not read, copies of photos,
    /// and photos with the same bytes as another person's are listed on standard error.
    #[arg(long, value_name = "DIR|CSV")]
    identities: Vec<PathBuf>,
    /// List of wrongly labelled photos and pairs to leave out, with the columns path, with (for a pair) and reason
    ///
    /// Paths are those of the labels. Entries without such a photo or pair are listed on standard error.
    #[arg(long, value_name = "CSV")]
    leave_out: Option<PathBuf>,
    /// How many impostor pairs to list for each source of --identities; error rates count all of them
    #[arg(long, value_name = "PAIRS", default_value_t = 20_000)]
    impostor_pairs: usize,
    /// Model set [default: `inference.model_set`]
    #[arg(long, value_name = "SET")]
    model: Option<String>,
    /// Device that runs the models: auto, cpu, openvino, cuda or tensorrt [default: `inference.device`]
    #[arg(long, value_name = "DEVICE", value_parser = parse_choice::<DeviceChoice>)]
    device: Option<DeviceChoice>,
    /// Number format that the embedder computes in: auto, fp32, bf16 or int8 [default: `inference.precision`]
    #[arg(long, value_name = "PRECISION", value_parser = parse_choice::<PrecisionChoice>)]
    precision: Option<PrecisionChoice>,
    /// Number of worker threads [default: `inference.workers`]
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Photos with their labels and embeddings.
pub(crate) struct LabelledPhotos {
    pub(crate) labelled: Labelled,
    pub(crate) measured: Measured,
    pub(crate) set: ModelSet,
    placement: Placement,
    pub(crate) settings: Settings,
}

impl LabelledPhotosArguments {
    /// The model set, if one is named.
    pub(crate) fn model_set(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The settings with the models and the device that the arguments name.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let mut settings = self.settings.settings()?;
        if let Some(set) = &self.model {
            settings.inference.model_set.clone_from(set);
        }
        settings.inference.workers = self.workers.or(settings.inference.workers);
        settings.inference.device = self.device.unwrap_or(settings.inference.device);
        settings.inference.precision = self.precision.unwrap_or(settings.inference.precision);
        Ok(settings)
    }

    /// Reads the labels and embeds every photo, with a progress bar on a terminal.
    pub(crate) fn measure(&self) -> Result<LabelledPhotos> {
        let settings = self.settings()?;
        let labelled = self.labelled()?;
        list_skipped(&labelled.skipped);
        list_doubts(&labelled);
        let UncalibratedModels { pipelines, set, placement } =
            padan_inference::load_uncalibrated(&settings.inference)?;
        let bar = bar(labelled.photos.len() as u64)?;
        let measured =
            padan_evaluation::measure(&labelled.photos, pipelines, &|done| bar.set_position(done as u64));
        bar.finish_and_clear();
        let measured = measured?;
        let failed =
            labelled.photos.iter().zip(&measured.outcomes).filter_map(|(photo, outcome)| match outcome {
                Outcome::Failed { reason } => Some(format!("{}: {reason}", photo.file.display())),
                Outcome::Face(_) => None,
            });
        list("photos have no embedding and match nobody", &failed.collect::<Vec<_>>());
        Ok(LabelledPhotos { labelled, measured, set, placement, settings })
    }

    fn labelled(&self) -> Result<Labelled> {
        let left_out = self.leave_out.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
        match (&self.pairs, &self.root) {
            (Some(list), Some(root)) => Ok(Labelled::from_pairs(list, root, left_out)?),
            _ if self.identities.is_empty() => {
                bail!("give a list with --pairs and --root, or folders with --identities")
            }
            _ => {
                Labelled::from_identities(&self.identities, self.impostor_pairs, left_out).map_err(|error| {
                    if let LabelError::NothingToCompare { skipped, .. } = &error {
                        list_skipped(skipped);
                    }
                    error.into()
                })
            }
        }
    }
}

impl LabelledPhotos {
    /// The calibration of the model set.
    pub(crate) fn calibration(&self) -> Result<CalibrationFile> {
        let catalogue = Catalogue::load(&padan_inference::model_folders(&self.settings.inference))?;
        Ok(catalogue.calibration(&self.set)?)
    }

    /// The description of the evaluated model, for the report.
    pub(crate) fn model(&self, calibration_file: &CalibrationFile) -> EvaluatedModel {
        EvaluatedModel {
            set: self.set.name().to_owned(),
            contract: self.set.contract().as_str().to_owned(),
            embedder_sha256: self.set.embedder.canonical().sha256.to_string(),
            calibration: calibration_file.id(),
            device: self.placement.device.name().to_owned(),
            precision: self.placement.precision.name().to_owned(),
        }
    }

    /// Loads a further pipeline, for the pictures of a report.
    pub(crate) fn pipeline(&self) -> Result<Pipeline> {
        let mut config = self.settings.inference.clone();
        config.workers = NonZeroUsize::new(1);
        let mut pipelines = padan_inference::load_uncalibrated(&config)?.pipelines;
        pipelines.pop().context("no worker was started")
    }
}

/// Parses a choice by its name in the settings.
fn parse_choice<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    T::deserialize(StrDeserializer::<ValueError>::new(name)).map_err(|error| error.to_string())
}

pub(crate) fn list_skipped(skipped: &[SkippedFile]) {
    let skipped = skipped.iter().map(|file| format!("{}: {}", file.path, file.reason.as_str()));
    list("files were skipped", &skipped.collect::<Vec<_>>());
}

/// Lists what makes the labels doubtful.
fn list_doubts(labelled: &Labelled) {
    let copies = labelled.copies.iter().map(|copy| format!("{}: a copy of {}", copy.path, copy.copy_of));
    list("photos have the same bytes as a photo with another label", &copies.collect::<Vec<_>>());
    let unmatched = labelled.unmatched_exclusions().into_iter().map(|entry| match &entry.with {
        Some(with) => format!("{} with {with}", entry.path),
        None => entry.path.clone(),
    });
    let unmatched: Vec<_> = unmatched.collect();
    list("entries of the list to leave out have no effect, because there are no such photos", &unmatched);
}

/// Counts and lists files on standard error. Nothing is printed if there are none.
fn list(what: &str, files: &[String]) {
    if !files.is_empty() {
        eprintln!("{} {what}:\n  {}", files.len(), files.join("\n  "));
    }
}

pub(crate) fn bar(photos: u64) -> Result<ProgressBar> {
    let bar = ProgressBar::new(photos);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = "{bar:30} {pos} of {len} photos, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(bar)
}
