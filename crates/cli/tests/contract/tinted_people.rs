//! A population of made-up people, and a model set that tells them apart: one grey face with tints, which are a person's
//! features. What the people have in common differs from part to part of the population and from person to person, so that a
//! cohort pays and a centre does not.

use std::{fs, path::Path};

use bytes::Bytes;
use image::{RgbImage, imageops};
use padan_domain::Embedding;
use padan_evaluation::{LabelledPhoto, Outcome, measure};
use padan_inference::{CalibrationFile, Catalogue, Config, DeviceChoice, load_uncalibrated};
use padan_test_service::{
    Photos,
    networks::{field, model, node, node_with, tensor, value},
    project,
};
use sha2::{Digest as _, Sha256};

/// The model set.
pub(crate) const SET: &str = "tint";
/// Half of them are a cohort, which has at least 1,000 people, also if a few have no face that is found.
pub(crate) const PEOPLE: u32 = 2040;
/// How many of them have two photos.
const WITH_TWO_PHOTOS: u32 = 400;
/// The parts of the population: two directions and their opposites, whose mean is none.
const PARTS: u32 = 4;
/// Cells of a photo, each with its own tints.
const COLUMNS: u32 = 18;
const ROWS: u32 = 22;
/// Tints of a cell: of red and of blue.
const TINTS: usize = 2;
/// The values of a pixel for one deviation of a feature.
const STRENGTH: f64 = 3.0;

/// Numbers of the deviation 1 from -1.7 to 1.7, by a linear congruential generator.
fn numbers(seed: u32) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(2_654_435_761);
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 24) - 0.5) * f64::sqrt(12.0)
    }
}

/// The tints of all cells of a photo of a person.
fn tints(person: u32, shot: u32) -> impl FnMut() -> f64 {
    let part = person % PARTS;
    let sign = if part.is_multiple_of(2) { 1.0 } else { -1.0 };
    let (mut own, mut common) = (numbers(1 + person), numbers(1_000_000 + part / 2));
    let mut noise = numbers(2_000_000 + 10 * person + shot);
    let share = sign * 1.3 * (1.0 + 0.35 * own());
    move || own() + share * common() + 0.9 * noise()
}

/// The sample people's photo without colours, of middle brightness.
fn grey_face() -> RgbImage {
    let mut grey = imageops::resize(&Photos::selfie(), 216, 270, imageops::FilterType::Triangle);
    for pixel in grey.pixels_mut() {
        let [red, green, blue] = pixel.0.map(u32::from);
        pixel.0 = [(60 + (red + 2 * green + blue) / 8) as u8; 3];
    }
    grey
}

/// A photo of a person. Two people with the same remainder by 4 are of one part of the population.
fn tinted(grey: &RgbImage, person: u32, shot: u32) -> RgbImage {
    let mut tint = tints(person, shot);
    let cells: Vec<_> = (0..COLUMNS * ROWS * TINTS as u32).map(|_| STRENGTH * tint()).collect();
    let (width, height) = grey.dimensions();
    let mut photo = grey.clone();
    for (x, y, pixel) in photo.enumerate_pixels_mut() {
        let cell = (y * ROWS / height * COLUMNS + x * COLUMNS / width) as usize;
        for (channel, tint) in [0, 2].into_iter().zip(&cells[TINTS * cell..]) {
            pixel.0[channel] = (f64::from(pixel.0[channel]) + tint).round().clamp(0.0, 255.0) as u8;
        }
    }
    photo
}

/// A photo of a person, as a client sends it.
pub(crate) fn photo(person: u32, shot: u32) -> Bytes {
    Photos::png(&tinted(&grey_face(), person, shot))
}

/// Writes a folder for each person, with one photo or two.
pub(crate) fn write_photos(folder: &Path) {
    let grey = grey_face();
    let write = |person: u32| {
        let of_person = folder.join(person.to_string());
        fs::create_dir(&of_person).unwrap();
        for shot in 0..if person < WITH_TWO_PHOTOS { 2 } else { 1 } {
            tinted(&grey, person, shot).save(of_person.join(format!("{shot}.png"))).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || (first..PEOPLE).step_by(4).for_each(&write));
        }
    });
}

/// A network whose output is the mean tints of 8 x 8 cells of the crop: red without green, and blue without green.
fn network() -> Vec<u8> {
    let of = |red: f32, green: f32, blue: f32| [red, green, blue].map(|weight| [weight / 196.0; 14 * 14]);
    let weights: Vec<f32> =
        [of(1.0, -1.0, 0.0), of(0.0, -1.0, 1.0)].into_iter().flatten().flatten().collect();
    let graph = [
        node_with("Conv", &["input", "weights", "offsets"], "cells", &[("strides", &[14, 14])]),
        node("Flatten", &["cells"], "tints"),
        field(2, "tints"),
        tensor("weights", &[2, 3, 14, 14], &weights),
        // A crop without any tint, as at the start of a service, has an embedding, too.
        tensor("offsets", &[2], &[0.05; 2]),
        value(11, "input", &[1, 3, 112, 112]),
        value(12, "tints", &[1, 128]),
    ];
    model(&graph.concat())
}

/// Installs the model set in a folder, with the points of the built-in scale.
pub(crate) fn install(folder: &Path) {
    let network = network();
    let digest = hex::encode(Sha256::digest(&network));
    fs::write(folder.join(format!("{SET}.onnx")), network).unwrap();
    let manifest = format!(
        "version = 1\nname = \"{SET}\"\ntitle = \"Tints\"\ntask = \"embedder\"\nlicence = \"Apache-2.0\"\n\
         licence_note = \"None.\"\norigin = \"a test\"\n\
         [input]\nname = \"input\"\nwidth = 112\nheight = 112\ncolour = \"rgb\"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n\
         [embedding]\nfamily = \"arcface-112\"\noutput = \"tints\"\nlength = 128\ndetector = \"yunet\"\n\
         calibration = \"{SET}.calibration.toml\"\n\
         [[export]]\nfile = \"{SET}.onnx\"\nsha256 = \"{digest}\"\n"
    );
    fs::write(folder.join(format!("{SET}.toml")), manifest).unwrap();
    let catalogue = Catalogue::load(&[]).unwrap();
    let built_in = catalogue.calibration(&catalogue.set("sface").unwrap()).unwrap();
    let text = built_in.to_toml().unwrap();
    let text = text.replace("\nset = \"sface\"", &format!("\nset = \"{SET}\""));
    let of_sface = format!("\nembedder_sha256 = \"{}\"", built_in.embedder_sha256);
    assert!(text.contains(&of_sface), "{text}");
    let text = text.replace(&of_sface, &format!("\nembedder_sha256 = \"{digest}\""));
    fs::write(folder.join(format!("{SET}.calibration.toml")), text).unwrap();
    // The service finds the detector by PADAN_MODELS, which this process does not have.
    let detector = "yunet.onnx";
    fs::copy(project().join(".deps/models").join(detector), folder.join(detector)).unwrap();
}

/// The calibration of this text for the model set.
pub(crate) fn parsed(folder: &Path, text: &str) -> CalibrationFile {
    let set = Catalogue::load(&[folder.to_owned()]).unwrap().set(SET).unwrap();
    CalibrationFile::parse("a calibration", text, &set).unwrap()
}

/// The embedding of a photo, by the pipeline alone.
pub(crate) fn embedded(folder: &Path, photo: &Bytes) -> Embedding {
    #[derive(serde::Deserialize)]
    struct Shipped {
        inference: Config,
    }
    let shipped = fs::read_to_string(project().join("config/default.toml")).unwrap();
    let mut config = toml::from_str::<Shipped>(&shipped).unwrap().inference;
    // As the service: its settings are in service.rs.
    config.device = DeviceChoice::Cpu;
    SET.clone_into(&mut config.model_set);
    config.model_folder = Some(folder.to_owned());
    config.runtime_library = Some(project().join(".deps/onnxruntime/libonnxruntime.so"));
    let file = folder.join("probe.png");
    fs::write(&file, photo).unwrap();
    let photo = LabelledPhoto { file, name: "probe".into(), source: 0, identity: 0, group: None };
    let pipelines = load_uncalibrated(&config).unwrap().pipelines;
    match measure(&[photo], pipelines, &|_| ()).unwrap().outcomes.remove(0) {
        Outcome::Face(face) => face.embedding,
        Outcome::Failed { reason } => panic!("{reason}"),
    }
}
