//! The fuzz targets of this crate: what the audit trail and copies of its heads contain. Only in tests and in `make fuzz`.

pub use crate::audit::fuzzing::{audit_head, audit_row};

#[cfg(test)]
mod tests {
    #[test]
    fn short_round_of_audit_row() {
        padan_fuzz_round::short_round("audit_row", super::audit_row);
    }

    #[test]
    fn short_round_of_audit_head() {
        padan_fuzz_round::short_round("audit_head", super::audit_head);
    }
}
