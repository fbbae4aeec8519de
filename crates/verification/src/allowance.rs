use std::{num::NonZeroU32, time::Duration};

use governor::Quota;
use serde::Deserialize;

/// A rate limit: a burst of events, then one event each `seconds_apart` seconds. The default is no limit.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// Events that may come at once; 0 is no limit.
    pub burst: u32,
    /// Seconds until one more event is allowed; 0 counts as 1.
    pub seconds_apart: u32,
}

impl Allowance {
    /// The time after which one more event is allowed.
    pub(crate) fn interval(self) -> Duration {
        Duration::from_secs(self.seconds_apart.max(1).into())
    }

    /// The same limit for [`governor`]; `None` for no limit.
    pub(crate) fn quota(self) -> Option<Quota> {
        let burst = NonZeroU32::new(self.burst)?;
        Some(Quota::with_period(self.interval())?.allow_burst(burst))
    }
}
