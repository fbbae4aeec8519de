//! Where each model runs, and in which numbers: as named, or the fastest that this machine can do and that was measured.

use std::path::Path;

use crate::{
    config::{Device, DeviceChoice, PrecisionChoice},
    error::StartError,
    manifest::{Graph, Manifest, Precision},
};

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// The numbers that it computes with. Devices but OpenVINO compute with those of the model's file: fp32 in all that the
    /// program brings along, but for SFace's last layer, whose weights have 8 bits.
    pub precision: Precision,
}

/// What matters here of the machine and of the runtime library.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Whether OpenVINO lies beside the runtime.
    openvino: bool,
    /// Whether the processor multiplies bf16.
    bf16: bool,
}

impl Machine {
    pub(crate) fn of(runtime_library: &Path) -> Self {
        let provider = "libonnxruntime_providers_openvino.so";
        let openvino = runtime_library.parent().is_some_and(|folder| folder.join(provider).is_file());
        Self { openvino, bf16: has_bf16() }
    }
}

/// Decides for one model.
///
/// `auto` never takes what was not measured for this model, by its manifest; a name is taken at its word, or refused.
pub(crate) fn place(
    manifest: &Manifest,
    (device, precision): (DeviceChoice, PrecisionChoice),
    machine: Machine,
) -> Result<Placement, StartError> {
    let measured: &[Precision] = manifest.openvino.as_ref().map_or(&[], |openvino| &openvino.precisions);
    let can = |precision: Precision| precision == Precision::Fp32 || machine.bf16;
    let wanted = |wanted: Precision| precision.named().is_none_or(|named| named == wanted);
    let measured_here = measured.iter().copied().find(|precision| can(*precision) && wanted(*precision));
    let placed = match device.named() {
        Some(Device::OpenVino) => {
            let fallback = precision.named().unwrap_or(Precision::Fp32);
            Placement { device: Device::OpenVino, precision: measured_here.unwrap_or(fallback) }
        }
        Some(device) => Placement { device, precision: precision.named().unwrap_or(Precision::Fp32) },
        None if precision.named() == Some(Precision::Bf16) => {
            Placement { device: Device::OpenVino, precision: Precision::Bf16 }
        }
        None => match measured_here.filter(|_| machine.openvino) {
            Some(precision) => Placement { device: Device::OpenVino, precision },
            None => Placement { device: Device::Cpu, precision: Precision::Fp32 },
        },
    };
    check(placed, machine)?;
    Ok(placed)
}

/// The file that a model is given there.
pub(crate) fn graph(manifest: &Manifest, placement: Placement) -> Graph {
    match (placement.device, &manifest.openvino) {
        (Device::OpenVino, Some(measured)) => measured.graph,
        _ => Graph::Prepared,
    }
}

/// Where the detector runs: beside the embedder, but on the plain kernels under OpenVINO, which is slower for a network so
/// small.
pub(crate) fn beside(embedder: Placement) -> Placement {
    let device = if embedder.device == Device::OpenVino { Device::Cpu } else { embedder.device };
    Placement { device, precision: Precision::Fp32 }
}

fn check(placed: Placement, machine: Machine) -> Result<(), StartError> {
    let refuse = |reason: &str| {
        let precision = placed.precision.name();
        Err(StartError::Precision { precision, device: placed.device.name(), reason: reason.to_owned() })
    };
    match (placed.precision, placed.device) {
        (Precision::Bf16, Device::OpenVino) if !machine.bf16 => {
            refuse("this processor has no instructions for it (avx512_bf16)")
        }
        (Precision::Fp32, _) | (Precision::Bf16, Device::OpenVino) => Ok(()),
        (Precision::Bf16, _) => refuse("only openvino computes with it"),
    }
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    // Processors with AMX have it too.
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_bf16() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    const ALL: Machine = Machine { openvino: true, bf16: true };
    const PLAIN: Machine = Machine { openvino: true, bf16: false };
    const BARE: Machine = Machine { openvino: false, bf16: true };

    fn placed(
        choice: (DeviceChoice, PrecisionChoice),
        machine: Machine,
    ) -> Result<(Device, Precision), String> {
        let set = Catalogue::load(&[]).unwrap().set("sface").unwrap();
        let placement = place(&set.embedder, choice, machine);
        placement.map(|it| (it.device, it.precision)).map_err(|error| error.to_string())
    }

    #[test]
    fn auto_takes_the_fastest_that_was_measured_and_is_there() {
        let auto = (DeviceChoice::Auto, PrecisionChoice::Auto);
        assert_eq!(placed(auto, ALL), Ok((Device::OpenVino, Precision::Bf16)));
        assert_eq!(placed(auto, PLAIN), Ok((Device::Cpu, Precision::Fp32)));
        assert_eq!(placed(auto, BARE), Ok((Device::Cpu, Precision::Fp32)));
        // Named, so that the start fails where the runtime comes without OpenVINO.
        let bf16 = (DeviceChoice::Auto, PrecisionChoice::Bf16);
        assert_eq!(placed(bf16, BARE), Ok((Device::OpenVino, Precision::Bf16)));
        let fp32 = (DeviceChoice::Auto, PrecisionChoice::Fp32);
        assert_eq!(placed(fp32, ALL), Ok((Device::Cpu, Precision::Fp32)));
        let openvino = (DeviceChoice::OpenVino, PrecisionChoice::Auto);
        assert_eq!(placed(openvino, ALL), Ok((Device::OpenVino, Precision::Bf16)));
        assert_eq!(placed(openvino, PLAIN), Ok((Device::OpenVino, Precision::Fp32)));
    }

    #[test]
    fn auto_takes_nothing_that_was_not_measured() {
        let mut set = Catalogue::load(&[]).unwrap().set("sface").unwrap();
        set.embedder.openvino = None;
        let placement = place(&set.embedder, (DeviceChoice::Auto, PrecisionChoice::Auto), ALL).unwrap();
        assert_eq!(placement, Placement { device: Device::Cpu, precision: Precision::Fp32 });
    }

    #[test]
    fn a_name_is_taken_at_its_word_or_refused() {
        let named = |device, precision| placed((device, precision), ALL);
        assert_eq!(named(DeviceChoice::Cpu, PrecisionChoice::Auto), Ok((Device::Cpu, Precision::Fp32)));
        assert_eq!(named(DeviceChoice::Cuda, PrecisionChoice::Fp32), Ok((Device::Cuda, Precision::Fp32)));
        let openvino = named(DeviceChoice::OpenVino, PrecisionChoice::Fp32);
        assert_eq!(openvino, Ok((Device::OpenVino, Precision::Fp32)));
        let on_cpu = named(DeviceChoice::Cpu, PrecisionChoice::Bf16).unwrap_err();
        assert!(on_cpu.contains("bf16") && on_cpu.contains("only openvino"), "{on_cpu}");
        for device in [DeviceChoice::OpenVino, DeviceChoice::Auto] {
            let refused = placed((device, PrecisionChoice::Bf16), PLAIN).unwrap_err();
            assert!(refused.contains("avx512_bf16"), "{refused}");
        }
    }
}
