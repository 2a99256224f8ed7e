//! The schedule of discoveries, including those for unknown keys.
//!
//! A discovery has a request for each project and each environment, and an origin takes some 0.3 s to check a master
//! API key. So the pause after a discovery depends on its duration.

use serde::{Deserialize, Serialize};

use crate::publish::schedule::{RefreshInterval, Schedule};

/// The minimum time between the starts of two discoveries, in milliseconds, also with many writes.
const MIN_GAP_MS: u64 = 10_000;
/// The same for a bound origin, which answers within milliseconds.
const BOUND_MIN_GAP_MS: u64 = 1_000;
/// The pause after a discovery, in durations of that discovery. It is at most an interval.
const REST_FACTOR: u64 = 4;
/// The minimum time before an unknown key starts another discovery, in milliseconds.
const UNKNOWN_KEY_GAP_MS: u64 = 30_000;
/// The minimum in durations of the latest discovery, so that unknown keys never keep an origin busy.
const UNKNOWN_KEY_FACTOR: u64 = 10;

/// The times and outcomes of discoveries, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiscoverySchedule {
    /// The outcomes, and the next time without the pause.
    pub schedule: Schedule,
    /// The end of the latest discovery.
    pub ended_at: u64,
    /// The duration of the latest discovery.
    #[serde(default)]
    took: u64,
}

impl DiscoverySchedule {
    /// The interval of discoveries, for one every `period_ms` milliseconds.
    pub fn refresh_interval(period_ms: u64, is_bound: bool) -> RefreshInterval {
        let min_gap_ms = if is_bound { BOUND_MIN_GAP_MS } else { MIN_GAP_MS };
        RefreshInterval { interval_ms: period_ms, min_gap_ms: min_gap_ms.min(period_ms) }
    }

    /// The time of the next discovery.
    pub fn next(&self, interval: RefreshInterval) -> Option<u64> {
        let rest = self.took.saturating_mul(REST_FACTOR).min(interval.interval_ms);
        self.schedule.next().map(|next| next.max(self.ended_at + rest))
    }

    /// Records the end of a discovery, with its outcome.
    pub fn ended(&mut self, outcome: Result<(), String>, now: u64, interval: RefreshInterval, random: u32) {
        self.took = now.saturating_sub(self.schedule.began_at);
        self.ended_at = now;
        match outcome {
            Ok(()) => self.schedule.succeeded(now, interval, random),
            Err(cause) => self.schedule.failed(now, cause, interval, random),
        }
    }

    /// True if an unknown key may start a discovery.
    pub fn may_discover(&self, now: u64) -> bool {
        now >= self.schedule.began_at.max(self.ended_at)
            + UNKNOWN_KEY_GAP_MS.max(self.took * UNKNOWN_KEY_FACTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: RefreshInterval = RefreshInterval { interval_ms: 300_000, min_gap_ms: MIN_GAP_MS };

    fn after(began_at: u64, ended_at: u64) -> DiscoverySchedule {
        let mut discoveries = DiscoverySchedule::default();
        discoveries.schedule.began(began_at);
        discoveries.ended(Ok(()), ended_at, INTERVAL, 10);
        discoveries
    }

    #[test]
    fn unknown_keys_cause_few_discoveries() {
        assert!(DiscoverySchedule::default().may_discover(1_000_000));
        let mut discoveries = after(1_000_000, 1_001_000);
        assert!(!discoveries.may_discover(1_030_999) && discoveries.may_discover(1_031_000));
        discoveries.schedule.began(1_100_000);
        assert!(!discoveries.may_discover(1_129_999), "it is under way");
        // It took 8 s, so the next one may start after 80 s.
        discoveries.ended(Ok(()), 1_108_000, INTERVAL, 10);
        assert!(!discoveries.may_discover(1_187_999) && discoveries.may_discover(1_188_000));
    }

    #[test]
    fn continuous_writes_cause_discoveries_at_a_bounded_rate() {
        // The duration of each discovery, and the pause until the next.
        for (takes, rest) in [(1_000, 9_000), (6_000, 24_000), (60_000, 240_000), (200_000, 300_000)] {
            let (mut discoveries, mut now, mut began) = (DiscoverySchedule::default(), 1_000_000, Vec::new());
            let mut ends_at = None;
            while began.len() < 4 {
                discoveries.schedule.notify(now, INTERVAL);
                if ends_at == Some(now) {
                    discoveries.ended(Ok(()), now, INTERVAL, 10);
                    ends_at = None;
                }
                if ends_at.is_none() && discoveries.next(INTERVAL).is_some_and(|next| next <= now) {
                    discoveries.schedule.began(now);
                    began.push(now);
                    ends_at = Some(now + takes);
                }
                now += 500;
            }
            let expected: Vec<_> = (0..4).map(|count| 1_000_000 + count * (takes + rest)).collect();
            assert_eq!(began, expected, "{takes}");
        }
    }

    #[test]
    fn a_bound_origin_is_discovered_up_to_once_a_second() {
        // The duration of a discovery, and the time from its start to the next with continuous writes.
        for (is_bound, period_ms, took, gap) in [
            (true, 300_000, 10, 1_000),
            (true, 300_000, 100, 1_000),
            (true, 300_000, 500, 2_500),
            (false, 300_000, 10, 10_000),
            (false, 5_000, 10, 5_000),
        ] {
            let interval = DiscoverySchedule::refresh_interval(period_ms, is_bound);
            let mut discoveries = DiscoverySchedule::default();
            discoveries.schedule.began(1_000_000);
            discoveries.ended(Ok(()), 1_000_000 + took, interval, 10);
            discoveries.schedule.notify(1_000_000 + took, interval);
            assert_eq!(discoveries.next(interval), Some(1_000_000 + gap), "{is_bound} {period_ms} {took}");
        }
    }

    #[test]
    fn without_writes_discoveries_run_at_the_interval() {
        assert_eq!(after(1_000_000, 1_006_000).next(INTERVAL), Some(1_306_000));
        assert_eq!(DiscoverySchedule::default().next(INTERVAL), None);
    }
}
