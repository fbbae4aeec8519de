//! The demo as its users start it. Needs what `make deps` installs, and the program `padan` beside `padan-demo`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed, and the panic names the line"
)]

mod cluster;
mod demo_life;
mod demo_once;
mod fixture;
