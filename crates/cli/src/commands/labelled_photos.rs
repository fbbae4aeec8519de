use std::{io::IsTerminal as _, num::NonZeroUsize, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use padan_evaluation::{EvaluatedModel, Exclusions, Labelled, Measured};
use padan_inference::{
    CalibrationFile, Catalogue, DeviceChoice, ModelSet, Pipeline, Placement, PrecisionChoice,
};

use serde::de::value::{Error as ValueError, StrDeserializer};

use crate::settings::{Settings, SettingsArguments};

/// Which photos, and who is on them
#[derive(Debug, Args)]
pub(crate) struct LabelledPhotosArguments {
    /// A list of pairs: columns `path_a`, `path_b`, `same` (1 or 0), and optionally `fold` and `group`
    #[arg(long, value_name = "CSV", requires = "root", conflicts_with = "identities")]
    pairs: Option<PathBuf>,
    /// The folder below which the paths of the list of pairs are
    #[arg(long, value_name = "DIR", requires = "pairs")]
    root: Option<PathBuf>,
    /// A folder with a folder of photos for each person; or a list of `path`, `identity` and optionally `group`, or a
    /// folder with such a list as identity.csv. Can be given several times: people of different sources are not
    /// compared
    #[arg(long, value_name = "DIR|CSV", required_unless_present = "pairs")]
    identities: Vec<PathBuf>,
    /// Photos and pairs whose labels are known to be wrong: columns `path`, `with` (for a pair) and `reason`
    #[arg(long, value_name = "CSV")]
    leave_out: Option<PathBuf>,
    /// How many pairs of two persons are listed, of each source of --identities; error rates are counted over all
    #[arg(long, value_name = "PAIRS", default_value_t = 20_000)]
    impostor_pairs: usize,
    /// The model set [default: `inference.model_set`]
    #[arg(long, value_name = "SET")]
    model: Option<String>,
    /// Where the models run: auto, cpu, openvino, cuda or tensorrt [default: `inference.device`]
    #[arg(long, value_name = "DEVICE", value_parser = named::<DeviceChoice>)]
    device: Option<DeviceChoice>,
    /// The numbers that the embedder computes with: auto, fp32 or bf16 [default: `inference.precision`]
    #[arg(long, value_name = "PRECISION", value_parser = named::<PrecisionChoice>)]
    precision: Option<PrecisionChoice>,
    /// Worker threads [default: `inference.workers`]
    #[arg(long)]
    workers: Option<NonZeroUsize>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Photos that have been through the pipeline.
pub(crate) struct LabelledPhotos {
    pub(crate) labelled: Labelled,
    pub(crate) measured: Measured,
    pub(crate) set: ModelSet,
    placement: Placement,
    settings: Settings,
}

impl LabelledPhotosArguments {
    /// Reads the labels and embeds every photo, with a bar where somebody watches.
    pub(crate) fn measure(&self) -> Result<LabelledPhotos> {
        let mut settings = self.settings.settings()?;
        if let Some(set) = &self.model {
            settings.inference.model_set.clone_from(set);
        }
        settings.inference.workers = self.workers.or(settings.inference.workers);
        settings.inference.device = self.device.unwrap_or(settings.inference.device);
        settings.inference.precision = self.precision.unwrap_or(settings.inference.precision);
        let labelled = self.labelled()?;
        let (pipelines, set, placement) = padan_inference::load_uncalibrated(&settings.inference)?;
        let bar = bar(labelled.photos.len() as u64)?;
        let measured =
            padan_evaluation::measure(&labelled.photos, pipelines, &|done| bar.set_position(done as u64));
        bar.finish_and_clear();
        Ok(LabelledPhotos { labelled, measured: measured?, set, placement, settings })
    }

    fn labelled(&self) -> Result<Labelled> {
        let left_out = self.leave_out.as_deref().map(Exclusions::read).transpose()?.unwrap_or_default();
        match (&self.pairs, &self.root) {
            (Some(list), Some(root)) => Ok(Labelled::from_pairs(list, root, left_out)?),
            _ if self.identities.is_empty() => {
                bail!("name a list with --pairs and --root, or folders with --identities")
            }
            _ => Ok(Labelled::from_identities(&self.identities, self.impostor_pairs, left_out)?),
        }
    }
}

impl LabelledPhotos {
    /// The scale in use for the model set.
    pub(crate) fn calibration(&self) -> Result<CalibrationFile> {
        let catalogue = Catalogue::load(&padan_inference::model_folders(&self.settings.inference))?;
        Ok(catalogue.calibration(&self.set)?)
    }

    /// What was evaluated, for the report.
    pub(crate) fn model(&self, scale: &CalibrationFile) -> EvaluatedModel {
        EvaluatedModel {
            set: self.set.name().to_owned(),
            contract: self.set.contract().as_str().to_owned(),
            embedder_sha256: self.set.embedder.canonical().sha256.to_string(),
            calibration: scale.id(),
            device: self.placement.device.name().to_owned(),
            precision: self.placement.precision.name().to_owned(),
        }
    }

    /// One more pipeline, for the pictures of a report.
    pub(crate) fn pipeline(&self) -> Result<Pipeline> {
        let mut config = self.settings.inference.clone();
        config.workers = NonZeroUsize::new(1);
        let (mut pipelines, ..) = padan_inference::load_uncalibrated(&config)?;
        pipelines.pop().context("no worker was started")
    }
}

/// A choice by the name that it has in the settings.
fn named<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    T::deserialize(StrDeserializer::<ValueError>::new(name)).map_err(|error| error.to_string())
}

fn bar(photos: u64) -> Result<ProgressBar> {
    let bar = ProgressBar::new(photos);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = "{bar:30} {pos} of {len} photos, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(bar)
}
