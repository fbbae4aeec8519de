use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};

use crate::caller::Caller;

/// A limit of the memory that the photos of all workers take together. Request bodies have a limit of their own.
#[derive(Clone)]
pub(crate) struct MemoryBudget(Arc<Budget>);

struct Budget {
    limit: u64,
    /// In bytes; no entry is zero.
    reserved: Mutex<HashMap<Caller, u64>>,
}

/// A reservation, which ends when it is dropped.
#[must_use]
pub(crate) struct ReservedMemory {
    budget: Arc<Budget>,
    caller: Caller,
    bytes: u64,
}

impl MemoryBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self(Arc::new(Budget { limit, reserved: Mutex::default() }))
    }

    /// Reserves the memory of a photo; `None` when the other workers' reservations leave too little. A caller leaves a
    /// quarter to others, unless it is a single photo that needs more.
    pub(crate) fn reserve(&self, caller: Caller, bytes: u64) -> Option<ReservedMemory> {
        let limit = self.0.limit;
        let mut reserved = self.0.reserved();
        let own = reserved.get(&caller).copied().unwrap_or_default();
        sum(&reserved).checked_add(bytes).filter(|total| *total <= limit)?;
        if own > 0 && own + bytes > limit - limit / 4 {
            return None;
        }
        if bytes > 0 {
            reserved.insert(caller, own + bytes);
        }
        Some(ReservedMemory { budget: Arc::clone(&self.0), caller, bytes })
    }

    /// In bytes.
    pub(crate) fn reserved(&self) -> u64 {
        sum(&self.0.reserved())
    }

    /// In bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.0.limit
    }
}

impl Budget {
    fn reserved(&self) -> MutexGuard<'_, HashMap<Caller, u64>> {
        self.reserved.lock()
    }
}

/// The sum of the reservations, none of which exceeds the limit.
fn sum(reserved: &HashMap<Caller, u64>) -> u64 {
    reserved.values().sum()
}

impl Drop for ReservedMemory {
    fn drop(&mut self) {
        let mut reserved = self.budget.reserved();
        let left = reserved.get(&self.caller).map_or(0, |own| own - self.bytes);
        if left > 0 {
            reserved.insert(self.caller, left);
        } else {
            reserved.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANK: Caller = Caller(1);
    const SHOP: Caller = Caller(2);

    #[test]
    fn workers_share_the_budget_and_return_what_they_reserved() {
        let budget = MemoryBudget::new(1_000_000);
        let first = budget.reserve(BANK, 600_000);
        assert!(first.is_some() && budget.reserve(SHOP, 400_001).is_none());
        let second = budget.reserve(SHOP, 400_000);
        assert_eq!(budget.reserved(), budget.limit());
        drop((first, second));
        assert_eq!(budget.reserved(), 0);
        assert!(budget.reserve(BANK, u64::MAX).is_none());
    }

    #[test]
    fn the_photos_of_one_caller_leave_room_for_those_of_others() {
        let budget = MemoryBudget::new(1_000_000);
        let first = budget.reserve(BANK, 500_000);
        assert!(first.is_some() && budget.reserve(BANK, 250_001).is_none());
        let second = budget.reserve(BANK, 250_000);
        assert!(second.is_some() && budget.reserve(BANK, 1).is_none());
        assert!(budget.reserve(SHOP, 250_000).is_some());
        drop((first, second));
        assert!(budget.reserve(BANK, 1_000_000).is_some(), "a single photo may take everything");
        assert_eq!(budget.reserved(), 0);
    }
}
