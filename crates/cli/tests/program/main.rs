//! The program as its users start it. Needs what `make deps` installs.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed, and the panic names the line"
)]

mod checkout;
mod commands;
mod documented;
mod evaluation;
mod faults;
