use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// The wish of whoever runs the program that it ends.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<Option<SignalKind>>);

impl Shutdown {
    /// The signals that end what was started at a terminal: SIGTERM, Ctrl-C, and the terminal going away.
    pub(crate) fn of_a_terminal() -> io::Result<Self> {
        Self::listen(&[SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()])
    }

    /// Takes over the signals for the rest of the process's life. Needs a runtime that is entered.
    pub(crate) fn listen(signals: &[SignalKind]) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(None);
        for &kind in signals {
            let mut signals = signal(kind)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    sender.send_replace(Some(kind));
                }
            });
        }
        Ok(Self(receiver))
    }

    /// Waits for the first signal and tells which it was; at once when it has come already.
    pub(crate) async fn requested(&mut self) -> SignalKind {
        match self.0.wait_for(Option::is_some).await.map(|kind| *kind) {
            Ok(Some(kind)) => kind,
            // The senders live as long as the runtime; without them no signal can come.
            _ => std::future::pending().await,
        }
    }
}
