use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// The wish of whoever runs the program that it ends: the first two signals that came.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<Vec<SignalKind>>);

impl Shutdown {
    /// The signals that end what was started at a terminal: SIGTERM, Ctrl-C, and the terminal going away.
    pub(crate) fn of_a_terminal() -> io::Result<Self> {
        Self::listen(&[SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()])
    }

    /// Takes over the signals for the rest of the process's life. Needs a runtime that is entered.
    pub(crate) fn listen(signals: &[SignalKind]) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(Vec::new());
        for &kind in signals {
            let mut signals = signal(kind)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    sender.send_if_modified(|received: &mut Vec<_>| {
                        let counts = received.len() < 2;
                        received.extend(counts.then_some(kind));
                        counts
                    });
                }
            });
        }
        Ok(Self(receiver))
    }

    /// Waits for the first signal and tells which it was; at once when it has come already.
    pub(crate) async fn requested(&mut self) -> SignalKind {
        self.nth(0).await
    }

    /// Waits for the second signal, of somebody who will not wait any longer, and tells which it was.
    pub(crate) async fn insisted(&mut self) -> SignalKind {
        self.nth(1).await
    }

    async fn nth(&mut self, n: usize) -> SignalKind {
        match self.0.wait_for(|received| received.len() > n).await.map(|received| received[n]) {
            Ok(kind) => kind,
            // The senders live as long as the runtime; without them no signal can come.
            Err(_) => std::future::pending().await,
        }
    }
}
