use std::{fs, os::unix::fs::symlink, path::Path};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{
    networks::{field, model, node, tensor, value},
    photos::Photos,
    project::project,
};

/// A network whose logits are `weight` times the mean of the blue channel plus `offsets`. The weight counts for the class
/// of living persons.
fn network(weight: f32, offsets: [f32; 3]) -> Vec<u8> {
    let graph = [
        node("GlobalAveragePool", &["input"], "means"),
        node("Flatten", &["means"], "flat"),
        node("Gemm", &["flat", "weights", "offsets"], "logits"),
        field(2, "tiny"),
        tensor("weights", &[3, 3], &[0.0, weight, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        tensor("offsets", &[3], &offsets),
        value(11, "input", &[1, 3, 80, 80]),
        value(12, "logits", &[1, 3]),
    ];
    model(&graph.concat())
}

fn put(folder: &Path, name: &str, model: &[u8], set: &str) {
    fs::write(folder.join(format!("{name}.onnx")), model).unwrap();
    let digest = hex::encode(Sha256::digest(model));
    let manifest = format!(
        "version = 1\nname = \"{name}\"\ntitle = \"Tiny\"\ntask = \"liveness\"\nlicence = \"Apache-2.0\"\n\
         licence_note = \"None.\"\norigin = \"a test\"\n\
         [input]\nname = \"input\"\nwidth = 80\nheight = 80\ncolour = \"bgr\"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n\
         [liveness]\nfamily = \"minifasnet\"\noutput = \"logits\"\nscale = 2.7\n{set}\n\
         [[export]]\nfile = \"{name}.onnx\"\nsha256 = \"{digest}\"\n"
    );
    fs::write(folder.join(format!("{name}.toml")), manifest).unwrap();
}

/// A folder with two sets: `mean` of two constant networks, and `blue`, which takes blue photos for living persons. The
/// installed models are there as well.
pub fn liveness_models() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for installed in fs::read_dir(project().join(".deps/models")).unwrap() {
        let installed = installed.unwrap();
        symlink(installed.path(), folder.path().join(installed.file_name())).unwrap();
    }
    let set = |with: &str| format!("[liveness.set]\nwith = [{with}]\nmoderate_from = 0.3\nhigh_from = 0.7\n");
    put(folder.path(), "mean", &network(0.0, [0.0, 2.0, 1.0]), &set("\"other\""));
    put(folder.path(), "other", &network(0.0, [1.0, 0.0, 1.0]), "");
    put(folder.path(), "blue", &network(0.1, [0.0, -12.8, 0.0]), &set(""));
    folder
}

/// The settings of a service with one of these sets.
pub fn liveness_settings(set: &str, folder: &TempDir) -> String {
    format!("[inference]\nmodel_folder = \"{}\"\nliveness_set = \"{set}\"\n", folder.path().display())
}

/// The selfie with another value for each pixel's blue.
pub fn selfie_with_blue(blue: u8) -> Bytes {
    let mut selfie = Photos::selfie();
    selfie.pixels_mut().for_each(|pixel| pixel.0[2] = pixel.0[2] / 8 + blue);
    Photos::png(&selfie)
}
