//! The fuzz targets of the audit trail.

pub use super::{head::fuzzing::audit_head, row::fuzzing::audit_row};
