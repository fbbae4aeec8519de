use std::{collections::HashMap, fmt, future::pending};

use tokio::task::{Id, JoinSet};

/// The tasks that run beside the requests until the service ends. Each is expected to run until it is aborted, which
/// happens when this value is dropped.
///
/// When a task ends by itself, the service lacks a function that it needs. The program then has to end, so that its
/// supervisor restarts it.
#[derive(Default)]
pub struct BackgroundTasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A task ended although the service still runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the background task `{task}` {how} while the service was running; the service has to be restarted")]
pub struct BackgroundTaskEnded {
    /// The task's name.
    pub task: &'static str,
    /// How it ended.
    pub how: TaskEnd,
}

/// How a background task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// It panicked.
    Panicked,
    /// It returned, or was cancelled.
    Returned,
}

impl BackgroundTasks {
    /// Starts a task under a name for the operator. Must be called within a Tokio runtime.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        #[cfg(feature = "fault-points")]
        let task = panicking_on_demand(name, task);
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits until a task ends. Cancel safe; never ready while all tasks run.
    pub async fn next_ended(&mut self) -> BackgroundTaskEnded {
        let (id, how) = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => (id, TaskEnd::Returned),
            Some(Err(error)) if error.is_panic() => (error.id(), TaskEnd::Panicked),
            Some(Err(error)) => (error.id(), TaskEnd::Returned),
            None => return pending().await,
        };
        BackgroundTaskEnded { task: self.names.remove(&id).unwrap_or("unnamed"), how }
    }
}

/// The task, which panics within a moment when it is told to.
#[cfg(feature = "fault-points")]
async fn panicking_on_demand(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let told = async {
        loop {
            padan_store::fault_point(name);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = task => {}
        () = told => {}
    }
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panicked => "panicked",
            Self::Returned => "ended",
        })
    }
}

impl fmt::Debug for BackgroundTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names.values()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_or_returns_is_reported_by_name() {
        let mut tasks = BackgroundTasks::default();
        tasks.spawn("runs", pending());
        tasks.spawn("panics", async { panic!("on purpose") });
        let ended = tasks.next_ended().await;
        assert_eq!(ended, BackgroundTaskEnded { task: "panics", how: TaskEnd::Panicked });
        assert!(ended.to_string().contains("`panics` panicked"), "{ended}");
        tasks.spawn("returns", async {});
        assert_eq!(tasks.next_ended().await, BackgroundTaskEnded { task: "returns", how: TaskEnd::Returned });
    }

    #[tokio::test]
    async fn nothing_is_reported_while_all_tasks_run_or_none_was_started() {
        let mut tasks = BackgroundTasks::default();
        let wait = Duration::from_millis(50);
        assert!(timeout(wait, tasks.next_ended()).await.is_err());
        tasks.spawn("runs", pending());
        assert!(timeout(wait, tasks.next_ended()).await.is_err());
    }

    #[tokio::test]
    async fn dropping_the_tasks_aborts_them() {
        let held = Arc::new(());
        let mut tasks = BackgroundTasks::default();
        let holder = Arc::clone(&held);
        tasks.spawn("holds", async move {
            pending::<()>().await;
            drop(holder);
        });
        drop(tasks);
        let began = Instant::now();
        while Arc::strong_count(&held) > 1 {
            assert!(began.elapsed() < Duration::from_secs(5), "the task still runs");
            sleep(Duration::from_millis(5)).await;
        }
    }
}
