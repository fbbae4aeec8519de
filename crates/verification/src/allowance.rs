use std::{num::NonZeroU32, time::Duration};

use governor::Quota;
use serde::Deserialize;

/// So many of something at once, then one in so many seconds. The default is no limit.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// So many at once; 0 is no limit.
    pub burst: u32,
    /// Then one in so many seconds.
    pub seconds_apart: u32,
}

impl Allowance {
    /// The same in the limiter's words; `None` for no limit.
    pub(crate) fn quota(self) -> Option<Quota> {
        let burst = NonZeroU32::new(self.burst)?;
        let apart = Duration::from_secs(self.seconds_apart.max(1).into());
        Some(Quota::with_period(apart)?.allow_burst(burst))
    }
}
