//! The fuzz target of this crate: settings. Only in tests and in `make fuzz`.

pub use crate::settings::layers::fuzzing::settings;

#[cfg(test)]
mod tests {
    #[test]
    fn short_round_of_settings() {
        padan_fuzz_round::short_round("settings", super::settings);
    }
}
