/// On whose behalf a photo is processed: a number without a meaning for the engine. The photos of one number share its
/// part of the workers' time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Caller(pub u64);
