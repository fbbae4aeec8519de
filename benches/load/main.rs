//! `padan-load` sends verifications to a service for some seconds and prints how they were answered, as JSON.
//!
//! Closed loop, `--connections N`: so many callers, each of whom asks again once answered. Open loop, `--rate R`: so many
//! requests a second, whatever becomes of those before; a request's time counts from when it was due, so that one that
//! had to wait for its turn is not taken for a fast one.
//!
//! A request is sent once. One that fails is counted and never sent again, neither here nor by the HTTP library: a
//! connection is asked whether it still stands before a request goes out, and not replaced afterwards.
//!
//! SIGTERM and Ctrl-C end the sending early; requests under way are waited for, and the figures are printed.

mod arguments;
mod connection;
mod requests;
mod schedule;
mod sending;
mod tally;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::sleep,
};

use crate::{arguments::Arguments, requests::Requests, sending::Load};

#[expect(clippy::print_stdout, reason = "the figures")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let requests = Requests::read(&arguments)?;
    let seconds = arguments.seconds();
    let (ending, end) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            () = sleep(seconds) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        ending.send_replace(true);
    });
    let load = Load::new(&arguments, requests, end);
    let figures = match arguments.rate {
        Some(rate) => load.open_loop(rate).await,
        None => load.closed_loop(arguments.connections).await,
    };
    println!("{}", serde_json::to_string_pretty(&figures).context("the figures are no JSON")?);
    Ok(())
}
