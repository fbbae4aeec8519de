//! Tests of the entire pipeline: comparisons with independent computations, and realistic photos.

mod batches;
mod engine;
#[cfg(target_arch = "x86_64")]
mod openvino;
mod oracle;
mod parallel_embedder;
mod photos;
