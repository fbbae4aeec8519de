use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

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

/// How long a caller waits after a failure, as one would: refused connections cost nothing and would be counted by the
/// thousand.
const PAUSE: Duration = Duration::from_millis(100);

/// Requests on their way to one service, until the end is told.
pub(crate) struct Load {
    shared: Arc<Shared>,
    most_under_way: usize,
    end: watch::Receiver<bool>,
}

struct Shared {
    address: String,
    timeout: Duration,
    requests: Requests,
    number: AtomicU64,
    /// No request is sent from this number on.
    end: u64,
    /// Connections that nobody uses at the moment.
    idle: Mutex<Vec<Connection>>,
    tally: Mutex<Tally>,
}

impl Load {
    /// Prepares to send until `end` holds true.
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
        Self { shared: Arc::new(shared), most_under_way: arguments.most_under_way, end }
    }

    /// So many callers for so long, and nothing of it is counted.
    pub(crate) async fn warm_up(&self, connections: usize, seconds: Duration) {
        let until = Instant::now() + seconds;
        self.call(connections, move |_| Instant::now() < until).await;
        self.shared.number.store(0, Relaxed);
        *self.shared.tally() = Tally::default();
    }

    /// So many callers, each of whom asks again once answered.
    pub(crate) async fn closed_loop(self, connections: usize) -> Figures {
        let began = Instant::now();
        self.call(connections, Shared::has_more).await;
        self.shared.figures(began)
    }

    /// Each caller asks again once answered, while the end is not told and `more` is true.
    async fn call(&self, connections: usize, more: impl Fn(&Shared) -> bool + Copy + Send + 'static) {
        let mut callers = JoinSet::new();
        for _ in 0..connections {
            let (shared, end) = (Arc::clone(&self.shared), self.end.clone());
            callers.spawn(async move {
                while !*end.borrow() && more(&shared) {
                    if shared.ask(Instant::now()).await.is_err() {
                        sleep(PAUSE).await;
                    }
                }
            });
        }
        callers.join_all().await;
    }

    /// So many requests a second, whatever becomes of those before.
    pub(crate) async fn open_loop(mut self, rate: f64) -> Figures {
        let (schedule, began) = (Schedule::new(rate), Instant::now());
        let mut under_way: JoinSet<Result<u16, Failure>> = JoinSet::new();
        for number in 0..self.shared.end {
            let due = began + schedule.due(number);
            tokio::select! {
                biased;
                _ = self.end.wait_for(|ended| *ended) => break,
                () = sleep_until(due) => {}
            }
            while under_way.try_join_next().is_some() {}
            let shared = Arc::clone(&self.shared);
            if under_way.len() < self.most_under_way {
                under_way.spawn(async move { shared.ask(due).await });
            } else {
                shared.count(Err(Failure::Overrun), due);
            }
        }
        under_way.join_all().await;
        self.shared.figures(began)
    }
}

impl Shared {
    fn has_more(&self) -> bool {
        self.number.load(Relaxed) < self.end
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the next request, whose time counts from when it was due.
    async fn ask(&self, due: Instant) -> Result<u16, Failure> {
        let asked = timeout(self.timeout, self.send());
        let outcome = asked.await.unwrap_or(Err(Failure::TimedOut));
        self.count(outcome, due);
        outcome
    }

    async fn send(&self) -> Result<u16, Failure> {
        let request = self.requests.request(self.number.fetch_add(1, Relaxed));
        let request = request.map_err(|_| Failure::NoHttp)?;
        let mut connection = self.connection().await?;
        let status = connection.send(request).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(status)
    }

    /// The connection that was used last and still stands, or a new one.
    async fn connection(&self) -> Result<Connection, Failure> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                None => return Connection::open(&self.address).await,
                Some(mut connection) => {
                    if connection.stands().await {
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
