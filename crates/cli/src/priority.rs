/// The increment of the nice value of what embeds beside a service.
const NICENESS: i32 = 10;

/// Lowers the priority of this thread and of those that it starts from now on, so that a service takes precedence.
pub(crate) fn lower_priority() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!("cannot lower the priority: {error}");
    }
}
