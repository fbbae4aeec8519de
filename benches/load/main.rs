//! `padan-load` sends verifications to a service for some seconds and prints statistics of the answers as JSON.
//!
//! In the closed loop, `--connections N`, N callers send their next request after each answer. In the open loop,
//! `--rate R`, R requests per second are sent, independent of the answers. The latency of a request counts from the
//! time when it was due, so that a request which had to wait before it was sent does not appear to be fast.
//!
//! The generator is not a library's, because it also measures the service's memory, and because a request is sent once. A
//! failed request is counted and never sent again, neither here nor by the HTTP library: before a request is sent the
//! connection is checked, and it is not replaced afterwards.
//!
//! With `--watch PID` it also prints the CPU time and the memory (PSS) of that process and its descendants between the
//! first request and the last answer.
//!
//! SIGTERM and Ctrl-C stop the sending. Requests in flight are waited for, and the figures are printed.

mod arguments;
mod connection;
mod requests;
mod schedule;
mod sending;
mod tally;

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use padan_load::{ProcessTree, Watch, idle_seconds};
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
    let (ending, end) = watch::channel(false);
    end_by_signals(ending.clone())?;
    let load = Load::new(&arguments, requests, end);
    load.warm_up(arguments.connections, arguments.warm_up()).await;

    let watches = arguments.watch.iter().map(|pid| Watch::start(*pid)).collect::<Result<Vec<_>>>()?;
    let own = ProcessTree::of(std::process::id())?;
    let idle_before = idle_seconds()?;
    let own_cpu_seconds_before = own.cpu_seconds()?;
    if let Some(seconds) = arguments.seconds() {
        end_after(seconds, ending);
    }
    let mut figures = match arguments.rate {
        Some(rate) => load.open_loop(rate).await,
        None => load.closed_loop(arguments.connections).await,
    };
    figures.own_cpu_seconds = own.cpu_seconds()? - own_cpu_seconds_before;
    figures.idle_seconds =
        idle_seconds()?.iter().zip(idle_before).map(|(after, before)| after - before).collect();
    figures.watched = watches.into_iter().map(Watch::finish).collect::<Result<_>>()?;
    println!("{}", serde_json::to_string_pretty(&figures).context("cannot write the figures as JSON")?);
    Ok(())
}

fn end_by_signals(ending: watch::Sender<bool>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        ending.send_replace(true);
    });
    Ok(())
}

fn end_after(seconds: Duration, ending: watch::Sender<bool>) {
    tokio::spawn(async move {
        sleep(seconds).await;
        ending.send_replace(true);
    });
}
