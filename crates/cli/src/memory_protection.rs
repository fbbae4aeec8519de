//! Keeps the memory of the service, which holds keys and photos, from other processes.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// What could not be protected, for the log.
#[must_use]
pub(crate) struct Unprotected(Vec<String>);

/// Turns core dumps off, and lets no other process of the same user trace this one or read its memory. Both hold until
/// the process ends; only root can still do it.
pub(crate) fn protect_memory() -> Unprotected {
    let no_dump = Rlimit { current: Some(0), maximum: Some(0) };
    let dumps = setrlimit(Resource::Core, no_dump);
    let tracing = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let failure = |what: &str, result: rustix::io::Result<()>| {
        result.err().map(|errno| format!("{what}: {}", io::Error::from(errno)))
    };
    let failures = [failure("core dumps", dumps), failure("tracing by the same user", tracing)];
    Unprotected(failures.into_iter().flatten().collect())
}

impl Unprotected {
    /// Warns of it. A sandbox may forbid the calls, and then has limits of its own.
    pub(crate) fn log(self) {
        for failure in self.0 {
            tracing::warn!("cannot turn off {failure}");
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn the_process_can_neither_be_dumped_nor_traced() {
        assert_eq!(protect_memory().0, Vec::<String>::new());
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
    }
}
