//! Chooses the device and the precision of each model: those configured, or the fastest that this machine has and that
//! the manifest lists as measured.

use std::path::Path;

use crate::{
    config::{Device, DeviceChoice, PrecisionChoice},
    error::StartError,
    manifest::{Graph, Manifest, Precision},
};

/// Where a model runs, and with which precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// The precision. Devices other than OpenVINO compute with that of the model's file, which is fp32 in all built-in
    /// models except for SFace's last layer, whose weights have 8 bits.
    pub precision: Precision,
}

/// The properties of the machine and of the runtime library that affect a placement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// Whether the runtime comes with OpenVINO.
    openvino: bool,
    /// Whether the processor has bf16 instructions.
    bf16: bool,
    /// Whether it has instructions that multiply and add integers of 8 bits.
    vnni: bool,
}

impl Machine {
    pub(crate) fn of(runtime_library: &Path) -> Self {
        let provider = "libonnxruntime_providers_openvino.so";
        let openvino = runtime_library.parent().is_some_and(|folder| folder.join(provider).is_file());
        Self { openvino, bf16: has_bf16(), vnni: has_vnni() }
    }

    fn supports(self, precision: Precision) -> bool {
        match precision {
            Precision::Fp32 => true,
            Precision::Bf16 => self.bf16,
            Precision::Int8 => self.bf16 && self.vnni,
        }
    }
}

/// Chooses the placement of one model.
///
/// `auto` chooses only a placement that the model's manifest lists as measured. A device or precision that is
/// configured by name is used or refused.
pub(crate) fn place(
    manifest: &Manifest,
    device: DeviceChoice,
    precision: PrecisionChoice,
    machine: Machine,
) -> Result<Placement, StartError> {
    let measured: &[Precision] = manifest.openvino.as_ref().map_or(&[], |openvino| &openvino.precisions);
    let is_allowed = |candidate: Precision| precision.named().is_none_or(|named| named == candidate);
    let best =
        measured.iter().copied().find(|precision| machine.supports(*precision) && is_allowed(*precision));
    let placed = match device.named() {
        Some(Device::OpenVino) => {
            let fallback = precision.named().unwrap_or(Precision::Fp32);
            Placement { device: Device::OpenVino, precision: best.unwrap_or(fallback) }
        }
        Some(device) => Placement { device, precision: precision.named().unwrap_or(Precision::Fp32) },
        None => match (precision.named(), best.filter(|_| machine.openvino)) {
            (Some(precision @ (Precision::Bf16 | Precision::Int8)), _) | (_, Some(precision)) => {
                Placement { device: Device::OpenVino, precision }
            }
            (Some(Precision::Fp32) | None, None) => {
                Placement { device: Device::Cpu, precision: Precision::Fp32 }
            }
        },
    };
    check(placed, manifest, machine)?;
    Ok(placed)
}

/// The model file to use with a placement.
pub(crate) fn graph_for(manifest: &Manifest, placement: Placement) -> Graph {
    match (placement.device, &manifest.openvino) {
        (Device::OpenVino, Some(measured)) => measured.graph,
        _ => Graph::Prepared,
    }
}

/// The detector's placement: the embedder's device, but the plain CPU kernels instead of OpenVINO, which is slower for
/// such a small network.
pub(crate) fn detector_placement(embedder: Placement) -> Placement {
    let device = if embedder.device == Device::OpenVino { Device::Cpu } else { embedder.device };
    Placement { device, precision: Precision::Fp32 }
}

fn check(placed: Placement, manifest: &Manifest, machine: Machine) -> Result<(), StartError> {
    let refuse = |reason: &str| {
        let precision = placed.precision.name();
        Err(StartError::Precision { precision, device: placed.device.name(), reason: reason.to_owned() })
    };
    let has_layers = manifest.openvino.as_ref().is_some_and(|openvino| !openvino.int8.is_empty());
    match (placed.precision, placed.device) {
        (Precision::Bf16, Device::OpenVino) if !machine.bf16 => {
            refuse("this processor lacks the instructions for it (avx512_bf16)")
        }
        (Precision::Int8, Device::OpenVino) if !machine.supports(Precision::Int8) => {
            refuse("this processor lacks the instructions for it (avx512_bf16 and avx512_vnni)")
        }
        (Precision::Int8, Device::OpenVino) if !has_layers => {
            refuse("the model's manifest names no layers for it")
        }
        (Precision::Fp32, _) | (Precision::Bf16 | Precision::Int8, Device::OpenVino) => Ok(()),
        (Precision::Bf16 | Precision::Int8, _) => refuse("only openvino supports it"),
    }
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    // Processors with AMX have these instructions too.
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_bf16() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn has_vnni() -> bool {
    std::arch::is_x86_feature_detected!("avx512vnni")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_vnni() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    const ALL: Machine = Machine { openvino: true, bf16: true, vnni: true };
    const WITHOUT_VNNI: Machine = Machine { vnni: false, ..ALL };
    const PLAIN: Machine = Machine { openvino: true, bf16: false, vnni: true };
    const BARE: Machine = Machine { openvino: false, bf16: true, vnni: true };

    fn placed(
        device: DeviceChoice,
        precision: PrecisionChoice,
        machine: Machine,
    ) -> Result<(Device, Precision), String> {
        let set = Catalogue::load(&[]).unwrap().set("sface").unwrap();
        let placement = place(&set.embedder, device, precision, machine);
        placement.map(|placement| (placement.device, placement.precision)).map_err(|error| error.to_string())
    }

    #[test]
    fn auto_chooses_the_fastest_measured_and_available_placement() {
        let auto = |machine| placed(DeviceChoice::Auto, PrecisionChoice::Auto, machine);
        assert_eq!(auto(ALL), Ok((Device::OpenVino, Precision::Int8)));
        assert_eq!(auto(WITHOUT_VNNI), Ok((Device::OpenVino, Precision::Bf16)));
        assert_eq!(auto(PLAIN), Ok((Device::Cpu, Precision::Fp32)));
        assert_eq!(auto(BARE), Ok((Device::Cpu, Precision::Fp32)));
        // bf16 is configured by name, so it is chosen and the start fails on a runtime without OpenVINO.
        let bf16 = placed(DeviceChoice::Auto, PrecisionChoice::Bf16, BARE);
        assert_eq!(bf16, Ok((Device::OpenVino, Precision::Bf16)));
        let fp32 = placed(DeviceChoice::Auto, PrecisionChoice::Fp32, ALL);
        assert_eq!(fp32, Ok((Device::Cpu, Precision::Fp32)));
        let openvino = |machine| placed(DeviceChoice::OpenVino, PrecisionChoice::Auto, machine);
        assert_eq!(openvino(ALL), Ok((Device::OpenVino, Precision::Int8)));
        assert_eq!(openvino(WITHOUT_VNNI), Ok((Device::OpenVino, Precision::Bf16)));
        assert_eq!(openvino(PLAIN), Ok((Device::OpenVino, Precision::Fp32)));
    }

    #[test]
    fn auto_chooses_no_unmeasured_placement() {
        let mut set = Catalogue::load(&[]).unwrap().set("sface").unwrap();
        set.embedder.openvino = None;
        let placement = place(&set.embedder, DeviceChoice::Auto, PrecisionChoice::Auto, ALL).unwrap();
        assert_eq!(placement, Placement { device: Device::Cpu, precision: Precision::Fp32 });
    }

    #[test]
    fn a_configured_name_is_used_or_refused() {
        let named = |device, precision| placed(device, precision, ALL);
        assert_eq!(named(DeviceChoice::Cpu, PrecisionChoice::Auto), Ok((Device::Cpu, Precision::Fp32)));
        assert_eq!(named(DeviceChoice::Cuda, PrecisionChoice::Fp32), Ok((Device::Cuda, Precision::Fp32)));
        let openvino = named(DeviceChoice::OpenVino, PrecisionChoice::Fp32);
        assert_eq!(openvino, Ok((Device::OpenVino, Precision::Fp32)));
        let on_cpu = named(DeviceChoice::Cpu, PrecisionChoice::Bf16).unwrap_err();
        assert!(on_cpu.contains("bf16") && on_cpu.contains("only openvino"), "{on_cpu}");
        for device in [DeviceChoice::OpenVino, DeviceChoice::Auto] {
            let refused = placed(device, PrecisionChoice::Bf16, PLAIN).unwrap_err();
            assert!(refused.contains("avx512_bf16"), "{refused}");
            for machine in [PLAIN, WITHOUT_VNNI] {
                let refused = placed(device, PrecisionChoice::Int8, machine).unwrap_err();
                assert!(refused.contains("avx512_bf16 and avx512_vnni"), "{refused}");
            }
            assert_eq!(placed(device, PrecisionChoice::Bf16, ALL), Ok((Device::OpenVino, Precision::Bf16)));
        }
        let on_cpu = named(DeviceChoice::Cpu, PrecisionChoice::Int8).unwrap_err();
        assert!(on_cpu.contains("int8") && on_cpu.contains("only openvino"), "{on_cpu}");
    }

    #[test]
    fn int8_needs_layers_in_the_manifest() {
        let set = Catalogue::load(&[]).unwrap().set("mobilefacenet").unwrap();
        let placement = place(&set.embedder, DeviceChoice::Auto, PrecisionChoice::Int8, ALL);
        let refused = placement.unwrap_err().to_string();
        assert!(refused.contains("the model's manifest names no layers for it"), "{refused}");
    }
}
