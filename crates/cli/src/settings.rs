//! The settings of the program, composed from the sections that each crate owns.
//!
//! Four layers, each of which overrides the one before: `config/default.toml`, which is compiled in; a file, named by
//! `--config` or else by `$PADAN_CONFIG`; environment variables `PADAN__SECTION__KEY`; flags `--set section.key=value`.
//! No file is read from the current folder, so that a service behaves the same wherever it is started.

mod arguments;
mod assignment;
mod effective;
pub(crate) mod layers;
mod redaction;
mod sections;

pub use self::sections::Settings;
pub(crate) use self::{arguments::SettingsArguments, effective::EffectiveSettings};
