use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// The first two shutdown signals that the process has received.
#[derive(Clone)]
pub struct Shutdown(watch::Receiver<Vec<SignalKind>>);

impl Shutdown {
    /// Listens for the signals that end a command started at a terminal: SIGTERM, Ctrl-C, and the terminal closing. Call it
    /// within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When the signals cannot be handled.
    pub fn at_terminal() -> io::Result<Self> {
        Self::listen(&[SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()])
    }

    /// Handles the signals for the rest of the process's life. Call it within a Tokio runtime.
    pub(crate) fn listen(signals: &[SignalKind]) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(Vec::new());
        for &kind in signals {
            let mut signals = signal(kind)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    sender.send_if_modified(|received: &mut Vec<_>| {
                        let is_kept = received.len() < 2;
                        received.extend(is_kept.then_some(kind));
                        is_kept
                    });
                }
            });
        }
        Ok(Self(receiver))
    }

    /// Waits for the first signal and returns it; returns at once when it was received before.
    pub async fn first_signal(&mut self) -> SignalKind {
        self.nth(0).await
    }

    /// Waits for the second signal, which requests an immediate end, and returns it.
    pub(crate) async fn second_signal(&mut self) -> SignalKind {
        self.nth(1).await
    }

    async fn nth(&mut self, n: usize) -> SignalKind {
        match self.0.wait_for(|received| received.len() > n).await.map(|received| received[n]) {
            Ok(kind) => kind,
            // The senders live as long as the runtime. Without them no signal can be received.
            Err(_) => std::future::pending().await,
        }
    }
}
