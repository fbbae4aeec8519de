//! The pipeline as a whole: against independent computations, and on photos as people send them.

mod engine;
#[cfg(target_arch = "x86_64")]
mod openvino;
mod oracle;
mod photos;
