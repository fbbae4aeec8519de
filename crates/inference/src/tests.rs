//! Tests of the whole pipeline: comparisons with independent computations, and photos as people send them.

mod engine;
#[cfg(target_arch = "x86_64")]
mod openvino;
mod oracle;
mod photos;
