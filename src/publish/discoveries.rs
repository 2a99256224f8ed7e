//! When an origin is asked which environments and server keys there are, and when a key that nobody knows may lead to
//! that.
//!
//! A discovery has a request for each project and each environment, and an origin takes some 0.3 s to check a master key:
//! how long the latest took says how long it should have rest.

use serde::{Deserialize, Serialize};

use super::schedule::{Pace, Schedule};

/// At least from one discovery to the next, in milliseconds, however many writes there are...
const GAP: u64 = 10_000;
/// ... and how many times as long as the latest took the origin has rest after it, but no longer than a period.
const REST: u64 = 4;
/// How long after a discovery at least an unknown key leads to another one, in milliseconds...
const LOOK_GAP: u64 = 30_000;
/// ... and how many times as long as that one took: unknown keys never keep an origin busy.
const LOOK_SHARE: u64 = 10;

/// The discoveries made and to be made. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Discoveries {
    /// How they went, and when they would be if an origin needed no rest.
    pub schedule: Schedule,
    /// When the latest ended.
    pub ended_at: u64,
    /// How long it took.
    #[serde(default)]
    took: u64,
}

impl Discoveries {
    /// How often there is one, where there is one every `period` milliseconds.
    pub fn pace(period: u64) -> Pace {
        Pace { period, gap: GAP.min(period) }
    }

    /// When the next one is due.
    pub fn next(&self, pace: Pace) -> Option<u64> {
        let rest = self.took.saturating_mul(REST).min(pace.period);
        self.schedule.next().map(|next| next.max(self.ended_at + rest))
    }

    /// One has come to its end, with this outcome.
    pub fn ended(&mut self, outcome: Result<(), String>, now: u64, pace: Pace, random: u32) {
        self.took = now.saturating_sub(self.schedule.began_at);
        self.ended_at = now;
        match outcome {
            Ok(()) => self.schedule.succeeded(now, pace, random),
            Err(cause) => self.schedule.failed(now, cause, pace, random),
        }
    }

    /// Whether an unknown key may lead to one.
    pub fn may_look(&self, now: u64) -> bool {
        now >= self.schedule.began_at.max(self.ended_at) + LOOK_GAP.max(self.took * LOOK_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { period: 300_000, gap: GAP };

    fn after(began_at: u64, ended_at: u64) -> Discoveries {
        let mut discoveries = Discoveries::default();
        discoveries.schedule.began(began_at);
        discoveries.ended(Ok(()), ended_at, PACE, 10);
        discoveries
    }

    #[test]
    fn unknown_keys_lead_to_few_discoveries() {
        assert!(Discoveries::default().may_look(1_000_000));
        let mut discoveries = after(1_000_000, 1_001_000);
        assert!(!discoveries.may_look(1_030_999) && discoveries.may_look(1_031_000));
        discoveries.schedule.began(1_100_000);
        assert!(!discoveries.may_look(1_129_999), "it is under way");
        // It took 8 s, so not before 80 s more.
        discoveries.ended(Ok(()), 1_108_000, PACE, 10);
        assert!(!discoveries.may_look(1_187_999) && discoveries.may_look(1_188_000));
    }

    #[test]
    fn writes_that_do_not_end_leave_an_origin_rest() {
        // What each discovery takes, and from the end of one to the beginning of the next.
        for (takes, rest) in [(1_000, 9_000), (6_000, 24_000), (60_000, 240_000), (200_000, 300_000)] {
            let (mut discoveries, mut now, mut began) = (Discoveries::default(), 1_000_000, Vec::new());
            let mut ends_at = None;
            while began.len() < 4 {
                discoveries.schedule.told(now, PACE);
                if ends_at == Some(now) {
                    discoveries.ended(Ok(()), now, PACE, 10);
                    ends_at = None;
                }
                if ends_at.is_none() && discoveries.next(PACE).is_some_and(|next| next <= now) {
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
    fn without_writes_they_are_regular() {
        assert_eq!(after(1_000_000, 1_006_000).next(PACE), Some(1_306_000));
        assert_eq!(Discoveries::default().next(PACE), None);
    }
}
