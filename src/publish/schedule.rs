//! The schedule of requests to an origin: soon after a notification, regularly otherwise, and more rarely while it
//! fails.

use serde::{Deserialize, Serialize};

/// The delay of the second fetch after a notification. Some origins process a write only after their answer.
const SECOND_FETCH_AFTER_MS: u64 = 5_000;
/// The wait after the first failure; it doubles with each further failure.
const FIRST_RETRY_MS: u64 = 1_000;
/// The maximum pause between two attempts, in intervals.
const MAX_PERIODS: u64 = 5;

/// The interval of requests to the origin, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct RefreshInterval {
    /// The time from a success to the next attempt, a tenth more or less.
    pub interval_ms: u64,
    /// The minimum time between two starts, also with many notifications.
    pub min_gap_ms: u64,
}

/// The times and outcomes of attempts, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    due_at: Option<u64>,
    again_at: Option<u64>,
    /// The start of the latest attempt; 0 for never.
    pub began_at: u64,
    /// The end of the latest success.
    pub succeeded_at: Option<u64>,
    /// The latest failures, if the latest attempt failed.
    pub fault: Option<FailureStreak>,
    /// The failures before the latest success.
    pub past_fault: Option<FailureStreak>,
}

/// A row of failed attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailureStreak {
    /// The time of the latest failure.
    pub at: u64,
    /// The cause of the latest failure.
    pub cause: String,
    /// The number of failures since the latest success.
    pub count: u32,
}

impl Schedule {
    /// Requests a fetch. Many requests at once lead to one attempt.
    pub fn request_fetch(&mut self, now: u64, interval: RefreshInterval) {
        self.bring_forward(now.max(self.began_at + interval.min_gap_ms));
    }

    /// Handles a notification of a change. Many notifications at once lead to one attempt, and to one more later.
    pub fn notify(&mut self, now: u64, interval: RefreshInterval) {
        self.request_fetch(now, interval);
        // Rounded up to a full second, so that a burst of notifications changes the stored value at most once a second.
        self.again_at = Some((now + SECOND_FETCH_AFTER_MS.max(interval.min_gap_ms)).next_multiple_of(1_000));
    }

    /// Schedules an attempt, unless one is scheduled.
    pub fn start(&mut self, now: u64) {
        if self.next().is_none() {
            self.due_at = Some(now);
        }
    }

    /// Cancels all attempts until the next notification.
    pub fn stop(&mut self) {
        (self.due_at, self.again_at) = (None, None);
    }

    /// The time of the next attempt.
    pub fn next(&self) -> Option<u64> {
        match (self.due_at, self.again_at) {
            (Some(due), Some(again)) => Some(due.min(again)),
            (due, again) => due.or(again),
        }
    }

    /// Starts an attempt. Notifications that arrive after the start lead to another attempt.
    pub fn began(&mut self, now: u64) {
        self.began_at = now;
        self.due_at = None;
        self.again_at = self.again_at.filter(|again| *again > now);
    }

    /// Records the success of an attempt.
    pub fn succeeded(&mut self, now: u64, interval: RefreshInterval, random: u32) {
        self.succeeded_at = Some(now);
        self.past_fault = self.fault.take().or(self.past_fault.take());
        self.bring_forward(now + jitter(interval.interval_ms, random));
    }

    /// Records the failure of an attempt.
    pub fn failed(&mut self, now: u64, cause: String, interval: RefreshInterval, random: u32) {
        let count = self.fault.as_ref().map_or(0, |fault| fault.count).saturating_add(1);
        self.fault = Some(FailureStreak { at: now, cause, count });
        let wait =
            FIRST_RETRY_MS.saturating_mul(1 << (count - 1).min(30)).min(interval.interval_ms * MAX_PERIODS);
        self.bring_forward(now + jitter(wait, random));
    }

    fn bring_forward(&mut self, at: u64) {
        self.due_at = Some(self.due_at.map_or(at, |due| due.min(at)));
    }
}

/// Adds or subtracts up to a tenth, so that attempts that started together do not stay together.
fn jitter(milliseconds: u64, random: u32) -> u64 {
    milliseconds * (90 + u64::from(random % 21)) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: RefreshInterval = RefreshInterval { interval_ms: 60_000, min_gap_ms: 250 };

    #[test]
    fn a_notification_causes_an_immediate_and_a_later_fetch() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(), None);
        schedule.notify(1_000_000, INTERVAL);
        assert_eq!(schedule.next(), Some(1_000_000));
        schedule.began(1_000_000);
        schedule.succeeded(1_000_100, INTERVAL, 10);
        assert_eq!(schedule.next(), Some(1_005_000));
        schedule.began(1_005_000);
        schedule.succeeded(1_005_100, INTERVAL, 10);
        assert_eq!(schedule.next(), Some(1_065_100));
    }

    #[test]
    fn a_burst_causes_one_fetch_per_gap_and_a_last_one() {
        let (mut schedule, mut attempts, mut notified_at) = (Schedule::default(), Vec::new(), 0);
        // A thousand notifications in ten seconds; each attempt takes 100 ms.
        let mut busy_until = None;
        for now in 1_000_000..1_030_000 {
            if now < 1_010_000 && now % 10 == 0 {
                schedule.notify(now, INTERVAL);
                notified_at = now;
            }
            if busy_until == Some(now) {
                busy_until = None;
                schedule.succeeded(now, INTERVAL, 0);
            }
            if busy_until.is_none() && schedule.next().is_some_and(|next| next <= now) {
                schedule.began(now);
                attempts.push(now);
                busy_until = Some(now + 100);
            }
        }
        assert!(attempts.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL.min_gap_ms), "{attempts:?}");
        assert!(attempts.len() <= 10_000 / 250 + 2, "{}", attempts.len());
        assert!(
            attempts.iter().any(|at| (notified_at..notified_at + INTERVAL.min_gap_ms + 1).contains(at)),
            "{attempts:?}"
        );
        assert_eq!(attempts.last(), Some(&(notified_at + SECOND_FETCH_AFTER_MS).next_multiple_of(1_000)));
    }

    #[test]
    fn notifications_during_a_fetch_cause_another_one() {
        let mut schedule = Schedule::default();
        schedule.notify(1_000_000, INTERVAL);
        schedule.began(1_000_000);
        schedule.notify(1_000_100, INTERVAL);
        schedule.succeeded(1_000_900, INTERVAL, 0);
        assert_eq!(schedule.next(), Some(1_000_250));
    }

    #[test]
    fn failures_back_off_up_to_a_bound_and_a_success_resets_the_interval() {
        let (mut schedule, mut now, mut waits) = (Schedule::default(), 1_000_000, Vec::new());
        schedule.start(now);
        for _ in 0..40 {
            schedule.began(now);
            schedule.failed(now, "refused".to_owned(), INTERVAL, 10);
            waits.push(schedule.next().unwrap() - now);
            now = schedule.next().unwrap();
        }
        assert_eq!(
            waits[..10],
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000]
        );
        assert_eq!(waits[39], 300_000);
        assert_eq!(schedule.fault.as_ref().map(|fault| fault.count), Some(40));
        schedule.began(now);
        schedule.succeeded(now, INTERVAL, 10);
        assert_eq!((schedule.fault.clone(), schedule.next()), (None, Some(now + 60_000)));
        // The past failure is kept, also after more successes.
        schedule.succeeded(now + 1, INTERVAL, 10);
        assert_eq!(schedule.past_fault.as_ref().map(|fault| fault.count), Some(40));
    }

    #[test]
    fn attempts_are_jittered() {
        let next = |random| {
            let mut schedule = Schedule::default();
            schedule.succeeded(0, INTERVAL, random);
            schedule.next()
        };
        assert_eq!([next(0), next(20), next(21)], [Some(54_000), Some(66_000), Some(54_000)]);
    }
}
