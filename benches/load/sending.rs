use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    arguments::Arguments,
    connection::{Connection, Failure},
    requests::Requests,
    schedule::Schedule,
    tally::{Figures, Tally},
};

/// How long a caller waits after a failure. Without a pause, thousands of refused connections would be counted.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Sends requests to one service until the end is signalled.
pub(crate) struct Load {
    shared: Arc<Shared>,
    max_in_flight: usize,
    end: watch::Receiver<bool>,
}

struct Shared {
    address: String,
    timeout: Duration,
    requests: Requests,
    number: AtomicU64,
    /// The number of the first request that is not sent.
    end: u64,
    /// Connections that no request uses at the moment.
    idle: Mutex<Vec<Connection>>,
    tally: Mutex<Tally>,
}

impl Load {
    /// Prepares to send until `end` is true.
    pub(crate) fn new(arguments: &Arguments, requests: Requests, end: watch::Receiver<bool>) -> Self {
        let shared = Shared {
            address: arguments.url.clone(),
            timeout: arguments.timeout(),
            requests,
            number: AtomicU64::new(0),
            end: arguments.requests.unwrap_or(u64::MAX),
            idle: Mutex::default(),
            tally: Mutex::default(),
        };
        Self { shared: Arc::new(shared), max_in_flight: arguments.max_in_flight, end }
    }

    /// Sends with this number of callers for this time, without counting.
    pub(crate) async fn warm_up(&self, connections: usize, duration: Duration) {
        let until = Instant::now() + duration;
        self.call(connections, move |_| Instant::now() < until).await;
        self.shared.number.store(0, Relaxed);
        *self.shared.tally() = Tally::default();
    }

    /// Sends with this number of callers, each of which sends its next request after an answer.
    pub(crate) async fn closed_loop(self, connections: usize) -> Figures {
        let began = Instant::now();
        self.call(connections, Shared::has_more).await;
        self.shared.figures(began)
    }

    /// Each caller sends its next request after an answer, until the end is signalled or `more` is false.
    async fn call(&self, connections: usize, more: impl Fn(&Shared) -> bool + Copy + Send + 'static) {
        let mut callers = JoinSet::new();
        for _ in 0..connections {
            let (shared, end) = (Arc::clone(&self.shared), self.end.clone());
            callers.spawn(async move {
                while !*end.borrow() && more(&shared) {
                    if shared.send_next(Instant::now()).await.is_err() {
                        sleep(PAUSE_AFTER_FAILURE).await;
                    }
                }
            });
        }
        callers.join_all().await;
    }

    /// Sends this number of requests per second, independent of the answers.
    pub(crate) async fn open_loop(mut self, rate: f64) -> Figures {
        let (schedule, began) = (Schedule::new(rate), Instant::now());
        let mut in_flight: JoinSet<Result<u16, Failure>> = JoinSet::new();
        for number in 0..self.shared.end {
            let due = began + schedule.due(number);
            tokio::select! {
                biased;
                _ = self.end.wait_for(|ended| *ended) => break,
                () = sleep_until(due) => {}
            }
            while in_flight.try_join_next().is_some() {}
            let shared = Arc::clone(&self.shared);
            if in_flight.len() < self.max_in_flight {
                in_flight.spawn(async move { shared.send_next(due).await });
            } else {
                shared.count(Err(Failure::Overrun), due);
            }
        }
        in_flight.join_all().await;
        self.shared.figures(began)
    }
}

impl Shared {
    fn has_more(&self) -> bool {
        self.number.load(Relaxed) < self.end
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock()
    }

    /// Sends the next request and counts it. Its latency counts from the time when it was due.
    async fn send_next(&self, due: Instant) -> Result<u16, Failure> {
        let answer = timeout(self.timeout, self.send());
        let outcome = answer.await.unwrap_or(Err(Failure::TimedOut));
        self.count(outcome, due);
        outcome
    }

    async fn send(&self) -> Result<u16, Failure> {
        let request = self.requests.request(self.number.fetch_add(1, Relaxed));
        let request = request.map_err(|_| Failure::NoHttp)?;
        let mut connection = self.connection().await?;
        let status = connection.send(request).await?;
        self.idle.lock().push(connection);
        Ok(status)
    }

    /// The open connection that was used last, or a new one.
    async fn connection(&self) -> Result<Connection, Failure> {
        loop {
            let idle = self.idle.lock().pop();
            match idle {
                None => return Connection::open(&self.address).await,
                Some(mut connection) => {
                    if connection.is_open().await {
                        return Ok(connection);
                    }
                }
            }
        }
    }

    fn count(&self, outcome: Result<u16, Failure>, due: Instant) {
        self.tally().count(outcome, due.elapsed());
    }

    fn figures(&self, began: Instant) -> Figures {
        let tally = std::mem::take(&mut *self.tally());
        tally.figures(began.elapsed())
    }
}
