use anyhow::{Context as _, Result};
use procfs::process::{MMapPath, Process};

/// A process and all its descendants.
#[derive(Debug, Clone, Copy)]
pub struct ProcessTree {
    root: i32,
}

impl ProcessTree {
    /// The process with this id, and all its present and future descendants.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(root: u32) -> Result<Self> {
        let tree = Self { root: i32::try_from(root).context("not a process id")? };
        tree.processes()?;
        Ok(tree)
    }

    /// The number of processes.
    ///
    /// # Errors
    /// When the root process has ended.
    pub fn count(self) -> Result<usize> {
        Ok(self.processes()?.len())
    }

    /// The CPU time, of user and system, that the processes have used, including descendants that have ended.
    ///
    /// # Errors
    /// When the root process has ended.
    pub fn cpu_seconds(self) -> Result<f64> {
        let mut ticks = 0;
        for process in self.processes()? {
            // A process that ends during this loop is counted by its parent the next time.
            let Ok(stat) = process.stat() else { continue };
            ticks += stat.utime + stat.stime;
            ticks += stat.cutime.cast_unsigned() + stat.cstime.cast_unsigned();
        }
        Ok(ticks as f64 / procfs::ticks_per_second() as f64)
    }

    /// The memory of the processes in bytes, with shared pages divided among the processes that share them (PSS).
    ///
    /// # Errors
    /// When the root process has ended.
    pub fn memory(self) -> Result<u64> {
        let mut bytes = 0;
        for process in self.processes()? {
            let Ok(rollup) = process.smaps_rollup() else { continue };
            let maps = rollup.memory_map_rollup.into_iter();
            let sums = maps.filter(|map| matches!(map.pathname, MMapPath::Rollup));
            bytes += sums.filter_map(|sum| sum.extension.map.get("Pss").copied()).sum::<u64>();
        }
        Ok(bytes)
    }

    fn processes(self) -> Result<Vec<Process>> {
        let root = Process::new(self.root).with_context(|| format!("there is no process {}", self.root))?;
        let mut processes = vec![root];
        let mut next = 0;
        while let Some(process) = processes.get(next) {
            let children = children(process);
            processes.extend(children.into_iter().filter_map(|child| Process::new(child).ok()));
            next += 1;
        }
        Ok(processes)
    }
}

/// The children that the threads of a process have started; empty for a process that has ended.
fn children(process: &Process) -> Vec<i32> {
    let tasks = process.tasks().into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| task.children().ok()).flatten();
    children.filter_map(|child| i32::try_from(child).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
        time::{Duration, Instant},
    };

    use super::*;

    /// Waits until the condition is true, long enough for a busy machine.
    fn becomes_true(condition: impl Fn() -> bool) -> bool {
        let until = Instant::now() + Duration::from_mins(1);
        while !condition() {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    #[test]
    fn children_belong_to_the_tree_until_they_end_and_their_time_stays() {
        // Both processes end with the standard input, and neither keeps the test's outputs open.
        let script = "while :; do :; done & read line; kill $!; wait $!; exec cat";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tree = ProcessTree::of(shell.id()).unwrap();
        assert!(becomes_true(|| tree.count().unwrap() == 2));
        assert!(becomes_true(|| tree.cpu_seconds().unwrap() >= 0.1));
        assert!(tree.memory().unwrap() > 100_000);

        shell.stdin.as_ref().unwrap().write_all(b"\n").unwrap();
        assert!(becomes_true(|| tree.count().unwrap() == 1));
        assert!(tree.cpu_seconds().unwrap() >= 0.1);

        shell.kill().unwrap();
        shell.wait().unwrap();
        assert!(tree.cpu_seconds().is_err());
    }
}
