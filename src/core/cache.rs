//! An isolate's cache of stored values with their ages, bounded in bytes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, RandomState};

/// The limit on the memory of all cached values, in bytes. An isolate has 128 MiB in total.
const MAX_BYTES: usize = 48 * 1024 * 1024;
/// The size of an entry beyond its value. It bounds the number of tiny entries, such as unknown keys.
const ENTRY_BYTES: usize = 4 * 1024;

/// The freshness of a cached value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Served as it is.
    Fresh,
    /// Served as it is, and revalidated in the background.
    Stale,
    /// Revalidated before it is served.
    Expired,
}

/// The lifetime of cached values.
#[derive(Clone, Copy, Debug)]
pub struct Ttl {
    /// The age up to which a value is fresh, in milliseconds.
    pub soft: u64,
    /// The age from which a value is expired, in milliseconds.
    pub hard: u64,
}

impl Ttl {
    /// For values that never become stale.
    pub const UNLIMITED: Ttl = Ttl { soft: u64::MAX, hard: u64::MAX };

    /// For values that are never served older than `hard` milliseconds, unless a revalidation fails. With steady
    /// traffic they are revalidated earlier, in the background, so that no request waits.
    pub fn never_older_than(hard: u64) -> Ttl {
        Ttl { soft: hard / 4 * 3, hard }
    }
}

/// The number of events in the latest second that had one, to limit them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerSecond {
    second: u64,
    count: u32,
}

impl PerSecond {
    /// No event yet.
    pub const NONE: PerSecond = PerSecond { second: 0, count: 0 };

    /// The state in which no more event of this second is allowed.
    pub fn full(now: u64) -> PerSecond {
        PerSecond { second: now / 1000, count: u32::MAX }
    }

    /// Counts an event. Also returns true if it is one of the first `most` of its second. `now` is in milliseconds.
    #[must_use]
    pub fn counted(self, now: u64, most: u32) -> (PerSecond, bool) {
        let second = now / 1000;
        let earlier = if self.second == second { self.count } else { 0 };
        (PerSecond { second, count: earlier.saturating_add(1) }, earlier < most)
    }
}

/// A cache of the values that were read from a store. Times are in milliseconds.
///
/// Clients choose its names, so `S` must have a secret seed. That of std is not secret on wasm32.
pub struct TtlCache<T, S = RandomState> {
    entries: HashMap<String, CacheSlot<T>, S>,
    bytes: usize,
}

struct CacheSlot<T> {
    value: T,
    size: usize,
    checked_at: u64,
    used_at: u64,
    /// The start of a revalidation in the background.
    revalidated_at: Option<u64>,
}

/// A cached value.
pub struct Hit<T> {
    /// The value.
    pub value: T,
    /// The freshness, which decides the use of the value.
    pub freshness: Freshness,
}

/// The maximum duration of a revalidation in the background. A longer one was cancelled with its request.
const REVALIDATION_TIMEOUT: u64 = 10_000;

impl<T, S: Default> Default for TtlCache<T, S> {
    fn default() -> Self {
        TtlCache { entries: HashMap::default(), bytes: 0 }
    }
}

impl<T: Clone, S: BuildHasher> TtlCache<T, S> {
    /// Returns the cached value of this name.
    pub fn get(&mut self, name: &str, now: u64, ages: Ttl) -> Option<Hit<T>> {
        let entry = self.entries.get_mut(name)?;
        entry.used_at = now;
        let milliseconds = now.saturating_sub(entry.checked_at);
        let freshness = match milliseconds {
            _ if milliseconds < ages.soft => Freshness::Fresh,
            _ if milliseconds < ages.hard => Freshness::Stale,
            _ => Freshness::Expired,
        };
        Some(Hit { value: entry.value.clone(), freshness })
    }

    /// The start of the latest read of a value.
    pub fn checked_at(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.checked_at)
    }

    /// All cached values.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.values().map(|entry| &entry.value)
    }

    /// Returns true if the caller must revalidate the stale value; other callers then get false.
    pub fn begin_revalidation(&mut self, name: &str, now: u64) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return true };
        let busy = entry.revalidated_at.is_some_and(|since| now.saturating_sub(since) < REVALIDATION_TIMEOUT);
        if !busy {
            entry.revalidated_at = Some(now);
        }
        !busy
    }

    /// Extends an entry's lifetime after a failed revalidation.
    pub fn touch(&mut self, name: &str, value: T, now: u64) {
        if let Some(entry) = self.entries.get_mut(name) {
            (entry.value, entry.checked_at, entry.revalidated_at) = (value, now, None);
        }
    }

    /// Caches a value whose read began at `now`. `size` is its size in memory, in bytes. Evicts other entries if the
    /// cache is full.
    ///
    /// If the cached value's read began later, the cached value is newer and stays.
    pub fn put(&mut self, name: &str, value: T, size: usize, now: u64) {
        if self.entries.get(name).is_some_and(|entry| entry.checked_at > now) {
            return;
        }
        let size = size + ENTRY_BYTES;
        let entry = CacheSlot { value, size, checked_at: now, used_at: now, revalidated_at: None };
        self.bytes += size;
        if let Some(old) = self.entries.insert(name.to_owned(), entry) {
            self.bytes -= old.size;
        }
        if self.bytes > MAX_BYTES {
            self.evict(name);
        }
    }

    /// Evicts entries until there is some free room, but never `kept`. Tiny entries are first, since requests with
    /// invented keys create them; then the least recently used.
    fn evict(&mut self, kept: &str) {
        let others = self.entries.iter().filter(|(name, _)| *name != kept);
        let order = |(name, entry): (&String, &CacheSlot<T>)| {
            Reverse((entry.size > ENTRY_BYTES, entry.used_at, name.clone()))
        };
        let mut others: BinaryHeap<_> = others.map(order).collect();
        while self.bytes > MAX_BYTES / 4 * 3
            && let Some(Reverse((_, _, name))) = others.pop()
        {
            self.bytes -= self.entries.remove(&name).map_or(0, |entry| entry.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGES: Ttl = Ttl { soft: 10, hard: 100 };

    #[test]
    fn events_are_counted_by_the_second() {
        let mut count = PerSecond::NONE;
        let mut is_allowed = |now| {
            let (next, is_allowed) = count.counted(now, 2);
            count = next;
            is_allowed
        };
        assert_eq!(
            [1000, 1500, 1999, 2000, 2001, 2002].map(&mut is_allowed),
            [true, true, false, true, true, false]
        );
    }

    #[test]
    fn values_become_stale_and_then_expire() {
        let mut cache = TtlCache::<_>::default();
        cache.put("a", 1, 0, 1000);
        for (now, age) in [
            (1000, Freshness::Fresh),
            (1009, Freshness::Fresh),
            (1010, Freshness::Stale),
            (1100, Freshness::Expired),
            (0, Freshness::Fresh),
        ] {
            assert_eq!(
                cache.get("a", now, AGES).map(|known| (known.value, known.freshness)),
                Some((1, age)),
                "{now}"
            );
        }
        assert!(cache.get("b", 0, AGES).is_none());
        assert_eq!(
            cache.get("a", 1000, Ttl { soft: 0, hard: 0 }).map(|known| known.freshness),
            Some(Freshness::Expired)
        );
    }

    #[test]
    fn values_expire_at_their_hard_age() {
        let mut cache = TtlCache::<_>::default();
        cache.put("a", 1, 0, 10_000);
        let mut age = |now| cache.get("a", now, Ttl::never_older_than(2_000)).map(|known| known.freshness);
        assert_eq!(
            [age(11_499), age(11_500), age(11_999), age(12_000)].map(Option::unwrap),
            [Freshness::Fresh, Freshness::Stale, Freshness::Stale, Freshness::Expired]
        );
        assert_eq!(
            cache.get("a", 10_000, Ttl::never_older_than(0)).map(|known| known.freshness),
            Some(Freshness::Expired)
        );
    }

    #[test]
    fn one_caller_at_a_time_revalidates() {
        let mut cache = TtlCache::<_>::default();
        cache.put("a", 1, 0, 0);
        assert!(cache.begin_revalidation("a", 20));
        assert!(!cache.begin_revalidation("a", 21));
        // The revalidation was cancelled with its request.
        assert!(cache.begin_revalidation("a", 20 + REVALIDATION_TIMEOUT));
        cache.put("a", 2, 0, 40_000);
        assert!(cache.begin_revalidation("a", 40_001));
        // The second revalidation has failed.
        cache.touch("a", 2, 41_000);
        assert!(cache.begin_revalidation("a", 41_010));
    }

    #[test]
    fn a_slow_read_does_not_undo_a_later_one() {
        let mut cache = TtlCache::<_>::default();
        cache.put("a", "new", 0, 20);
        cache.put("a", "old", 0, 10);
        assert_eq!(cache.get("a", 30, AGES).map(|known| known.value), Some("new"));
    }

    #[test]
    fn the_least_recently_used_is_evicted_first() {
        let mut cache = TtlCache::<_>::default();
        let third = MAX_BYTES / 3;
        for (time, name) in ["a", "b"].into_iter().enumerate() {
            cache.put(name, (), third, time as u64);
        }
        cache.get("a", 2, AGES);
        cache.put("c", (), third, 3);
        let known = |cache: &mut TtlCache<()>, name| cache.get(name, 4, AGES).is_some();
        assert_eq!(["a", "b", "c"].map(|name| known(&mut cache, name)), [true, false, true]);
        // A value larger than the limit is cached alone. Replacing it does not count it twice.
        cache.put("d", (), 2 * MAX_BYTES, 5);
        cache.put("d", (), third, 6);
        cache.put("e", (), third, 7);
        assert_eq!(["a", "d", "e"].map(|name| known(&mut cache, name)), [false, true, true]);
    }

    #[test]
    fn entries_of_size_zero_are_bounded_too() {
        let mut cache = TtlCache::<_>::default();
        cache.put("document", (), MAX_BYTES / 2, 0);
        for number in 1..20_000_u64 {
            cache.put(&number.to_string(), (), 0, number);
        }
        assert!(cache.get("document", 20_000, AGES).is_some(), "made-up keys drove out a document");
        assert!(cache.entries.len() <= MAX_BYTES / ENTRY_BYTES, "{}", cache.entries.len());
        assert!(cache.get("19999", 20_000, AGES).is_some());
    }
}
