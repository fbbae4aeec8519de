use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A map of bounded size. Each insertion removes a few stale entries, so that no call iterates over the entire map.
pub(crate) struct BoundedTable<K, V> {
    capacity: usize,
    entries: HashMap<K, V>,
    /// The keys in the order in which they are examined next.
    queue: VecDeque<K>,
}

/// Entries examined for each insertion. With more than one, stale entries are removed faster than new ones are added.
const EXAMINED_PER_INSERTION: usize = 2;

impl<K: Clone + Eq + Hash, V> BoundedTable<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::new(), queue: VecDeque::new() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// The value of a key, which is inserted when it is missing. `None` when the table is full of entries that are not
    /// stale: the new key is then not inserted, and no other is removed.
    pub(crate) fn get_or_insert(
        &mut self,
        key: &K,
        new: V,
        mut is_stale: impl FnMut(&V) -> bool,
    ) -> Option<&mut V> {
        if !self.entries.contains_key(key) {
            for _ in 0..EXAMINED_PER_INSERTION {
                self.examine_next(&mut is_stale);
            }
            if self.entries.len() >= self.capacity {
                return None;
            }
            self.queue.push_back(key.clone());
            self.entries.insert(key.clone(), new);
        }
        self.entries.get_mut(key)
    }

    fn examine_next(&mut self, is_stale: &mut impl FnMut(&V) -> bool) {
        let Some(key) = self.queue.pop_front() else { return };
        if self.entries.get(&key).is_none_or(is_stale) {
            self.entries.remove(&key);
        } else {
            self.queue.push_back(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_insertion_examines_few_entries_of_a_large_table() {
        let mut table = BoundedTable::new(1000);
        let examined = Cell::new(0);
        let mut max_examined = 0;
        for key in 0..5000_u32 {
            examined.set(0);
            table.get_or_insert(&key, key, |value| {
                examined.set(examined.get() + 1);
                value + 500 < key
            });
            max_examined = max_examined.max(examined.get());
        }
        assert_eq!(max_examined, EXAMINED_PER_INSERTION);
        assert!(table.entries.len() <= 1000 && table.queue.len() == table.entries.len());
        assert!(table.get(&4999).is_some(), "stale entries made room for new ones");
    }

    #[test]
    fn a_full_table_refuses_new_keys() {
        let mut table = BoundedTable::new(3);
        for key in 0..5_u32 {
            assert_eq!(table.get_or_insert(&key, (), |()| false).is_some(), key < 3, "{key}");
        }
        assert!(table.get_or_insert(&0, (), |()| false).is_some(), "known keys stay");
        assert_eq!((table.entries.len(), table.queue.len()), (3, 3));
    }
}
