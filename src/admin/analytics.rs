//! Sends evaluations to the origin: in batches of limited length, with retries after failures (contract §A.6).

use std::time::Duration;

use crate::api::AnalyticsVersion;

/// The maximum length of a batch's body in bytes. Flagsmith accepts 2.5 MB.
const MAX_BATCH_LENGTH: usize = 1024 * 1024;

/// The maximum delay after a failure.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// The evaluations of one request to the origin.
#[derive(Debug)]
pub struct Batch {
    /// The number of queued evaluations in the batch, which are the first of the queue.
    pub length: usize,
    /// The path of the request.
    pub target: &'static str,
    /// The body of the request.
    pub body: String,
}

impl Batch {
    /// Builds a batch of as many queued evaluations as fit, at least one. Each is a JSON text and a count.
    pub fn of(version: AnalyticsVersion, waiting: &[(String, u32)]) -> Batch {
        let (target, start, end) = match version {
            AnalyticsVersion::V1 => ("/api/v1/analytics/flags/", "{", "}"),
            AnalyticsVersion::V2 => ("/api/v2/analytics/flags/", "{\"evaluations\":[", "]}"),
        };
        let mut batch = Batch { length: 0, target, body: start.to_owned() };
        for (item, count) in waiting {
            let item = match version {
                AnalyticsVersion::V1 => format!("{item}:{count}"),
                // Inserted at the end of the object.
                AnalyticsVersion::V2 => {
                    format!("{},\"count\":{count}}}", item.strip_suffix('}').unwrap_or(item))
                }
            };
            if batch.length > 0 && batch.body.len() + item.len() > MAX_BATCH_LENGTH {
                break;
            }
            if batch.length > 0 {
                batch.body.push(',');
            }
            batch.body.push_str(&item);
            batch.length += 1;
        }
        batch.body.push_str(end);
        batch
    }
}

/// The result of sending a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The origin accepted the batch.
    Delivered,
    /// The origin will never accept the batch.
    Dropped,
    /// The batch stays queued.
    Waits,
    /// The origin refused the key. The batch stays queued, unless the environment was deleted.
    Refused,
}

/// Returns the result of sending a batch, by the status of the answer; `None` for no answer.
pub fn delivery_result(status: Option<u16>) -> DeliveryResult {
    match status {
        Some(200..300) => DeliveryResult::Delivered,
        // An invalid body stays invalid. A refused key or an unknown path may become valid.
        Some(400 | 411 | 413 | 415 | 422) => DeliveryResult::Dropped,
        // Flagsmith's answer to an unknown key, and to a key of a stopped organisation (contract §A.0).
        Some(401 | 403 | 404) => DeliveryResult::Refused,
        _ => DeliveryResult::Waits,
    }
}

/// The delivery times of evaluations of one API version. Each version has its own. Times are in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryState {
    /// The number of failed deliveries in a row.
    pub faults: u32,
    /// The time before which nothing is sent.
    pub not_before: u64,
}

impl RetryState {
    /// The time of the next delivery for evaluations that arrive now.
    pub fn next(self, now: u64, interval: Duration) -> u64 {
        self.not_before.max(now + interval.as_millis() as u64)
    }

    /// Returns the state after a failed delivery.
    pub fn after_fault(self, now: u64, interval: Duration) -> RetryState {
        let faults = self.faults.saturating_add(1);
        RetryState { faults, not_before: now + pause(interval, faults).as_millis() as u64 }
    }
}

/// Returns the pause after this many failures in a row; without a failure it is `interval`.
fn pause(interval: Duration, faults: u32) -> Duration {
    let first = interval.max(Duration::from_secs(1));
    if faults == 0 { interval } else { first.saturating_mul(1 << faults.min(16)).min(MAX_PAUSE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(items: &[(&str, u32)]) -> Vec<(String, u32)> {
        items.iter().map(|(item, count)| ((*item).to_owned(), *count)).collect()
    }

    #[test]
    fn batches_have_the_bodies_of_the_endpoints() {
        let batch = Batch::of(AnalyticsVersion::V1, &waiting(&[("\"a\"", 1), ("\"b\\\"\"", 20)]));
        assert_eq!((batch.length, batch.body.as_str()), (2, r#"{"a":1,"b\"":20}"#));
        assert_eq!(batch.target, "/api/v1/analytics/flags/");
        let items = waiting(&[(r#"{"feature_name":"a"}"#, 1), (r#"{"feature_name":"b"}"#, 2)]);
        let batch = Batch::of(AnalyticsVersion::V2, &items);
        let body = r#"{"evaluations":[{"feature_name":"a","count":1},{"feature_name":"b","count":2}]}"#;
        assert_eq!((batch.length, batch.body.as_str()), (2, body));
        assert_eq!(batch.target, "/api/v2/analytics/flags/");
    }

    #[test]
    fn batches_are_bounded_and_never_empty() {
        let long = format!("\"{}\"", "x".repeat(MAX_BATCH_LENGTH / 2));
        let items = vec![(long.clone(), 1), (long.clone(), 1), (long, 1)];
        assert_eq!(Batch::of(AnalyticsVersion::V1, &items).length, 1);
        let longer = format!("\"{}\"", "x".repeat(2 * MAX_BATCH_LENGTH));
        assert_eq!(Batch::of(AnalyticsVersion::V1, &[(longer, 1)]).length, 1);
    }

    #[test]
    fn only_undeliverable_batches_are_dropped() {
        for (status, expected) in [
            (Some(200), DeliveryResult::Delivered),
            (Some(204), DeliveryResult::Delivered),
            (Some(301), DeliveryResult::Waits),
            (Some(400), DeliveryResult::Dropped),
            (Some(401), DeliveryResult::Refused),
            (Some(403), DeliveryResult::Refused),
            (Some(404), DeliveryResult::Refused),
            (Some(408), DeliveryResult::Waits),
            (Some(413), DeliveryResult::Dropped),
            (Some(415), DeliveryResult::Dropped),
            (Some(422), DeliveryResult::Dropped),
            (Some(429), DeliveryResult::Waits),
            (Some(500), DeliveryResult::Waits),
            (Some(503), DeliveryResult::Waits),
            (None, DeliveryResult::Waits),
        ] {
            assert_eq!(delivery_result(status), expected, "{status:?}");
        }
    }

    #[test]
    fn failures_lengthen_the_retry_interval() {
        let seconds = |interval, faults| pause(Duration::from_secs(interval), faults).as_secs();
        assert_eq!([0, 1, 2, 3].map(|faults| seconds(10, faults)), [10, 20, 40, 80]);
        assert_eq!([0, 1, 2].map(|faults| seconds(0, faults)), [0, 2, 4]);
        assert_eq!(seconds(10, u32::MAX), 600);
    }
}
