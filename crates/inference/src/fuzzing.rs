//! The fuzz targets of this crate: photos, model files and their descriptions, and what a network returns. Only in tests
//! and in `make fuzz`.

mod exif;
mod manifest;
mod network_outputs;
mod onnx;

pub use self::{exif::exif, manifest::manifest, network_outputs::network_outputs, onnx::onnx};
pub use crate::decode::fuzzing::{jpeg, png};

#[cfg(test)]
mod tests {
    use padan_fuzz_round::short_round;

    #[test]
    fn short_round_of_jpeg() {
        short_round("jpeg", super::jpeg);
    }

    #[test]
    fn short_round_of_png() {
        short_round("png", super::png);
    }

    #[test]
    fn short_round_of_exif() {
        short_round("exif", super::exif);
    }

    #[test]
    fn short_round_of_manifest() {
        short_round("manifest", super::manifest);
    }

    #[test]
    fn short_round_of_onnx() {
        short_round("onnx", super::onnx);
    }

    #[test]
    fn short_round_of_network_outputs() {
        short_round("network_outputs", super::network_outputs);
    }
}
