//! The pipeline as a whole: against independent computations, and on photos as people send them.

mod engine;
mod oracle;
mod photos;
