//! Points in time, in the forms that documents and headers have them.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use speedate::{DateTime, Time};

use super::python;

/// Microseconds since 1970 in UTC, between the years 1970 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp {
    microseconds: u64,
}

const MICROSECONDS_A_SECOND: u64 = 1_000_000;
/// The end of the year 9999, past which HTTP has no dates.
const END: u64 = 253_402_300_800 * MICROSECONDS_A_SECOND;

impl Timestamp {
    /// From ISO 8601, with `T` or a space, with an offset, `Z` or (then UTC is meant) neither.
    pub fn from_iso(text: &str) -> Option<Timestamp> {
        let parsed = DateTime::parse_str(text).ok()?;
        let Time { microsecond, .. } = parsed.time;
        let seconds = u64::try_from(parsed.timestamp_tz()).ok()?;
        Timestamp::from_microseconds(seconds.checked_mul(MICROSECONDS_A_SECOND)? + u64::from(microsecond))
    }

    /// From an HTTP date (RFC 9110 §5.6.7).
    pub fn from_http_date(text: &str) -> Option<Timestamp> {
        let time = httpdate::parse_http_date(text).ok()?;
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Timestamp::from_microseconds(u64::try_from(since.as_micros()).ok()?)
    }

    /// From the count that JavaScript's `Date.now()` gives.
    pub fn from_milliseconds(milliseconds: u64) -> Option<Timestamp> {
        Timestamp::from_microseconds(milliseconds.checked_mul(1000)?)
    }

    fn from_microseconds(microseconds: u64) -> Option<Timestamp> {
        (microseconds < END).then_some(Timestamp { microseconds })
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.microseconds / MICROSECONDS_A_SECOND
    }

    /// Seconds since 1970 with a fraction, as `X-Flagsmith-Document-Updated-At` has them (contract §A.0).
    pub fn seconds_text(self) -> String {
        python::float_text(self.microseconds as f64 / MICROSECONDS_A_SECOND as f64)
    }

    /// In ISO 8601, in UTC.
    pub fn iso(self) -> String {
        let (seconds, microseconds) = (self.seconds() as i64, self.microseconds % MICROSECONDS_A_SECOND);
        let at = DateTime::from_timestamp(seconds, microseconds as u32);
        at.map(|at| format!("{at}Z")).unwrap_or_default()
    }

    /// The HTTP date, to the second.
    pub fn http_date(self) -> String {
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_micros(self.microseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_the_same_moment() {
        let moment = Timestamp::from_iso("2026-11-22T15:52:01.900399+00:00").unwrap();
        for text in
            ["2026-11-22T15:52:01.900399Z", "2026-11-22 15:52:01.900399", "2026-11-22T16:52:01.900399+01:00"]
        {
            assert_eq!(Timestamp::from_iso(text), Some(moment), "{text}");
        }
        assert_eq!(moment.seconds_text(), "1795362721.900399");
        assert_eq!(moment.http_date(), "Sun, 22 Nov 2026 15:52:01 GMT");
        assert_eq!(moment.iso(), "2026-11-22T15:52:01.900399Z");
        assert_eq!(
            Timestamp::from_http_date("Sun, 22 Nov 2026 15:52:01 GMT").unwrap().seconds(),
            moment.seconds()
        );
        assert_eq!(Timestamp::from_iso("2025-07-13T01:05:45Z").unwrap().seconds_text(), "1752368745.0");
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in
            ["", "garbage", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"]
        {
            assert_eq!(Timestamp::from_iso(text), None, "{text}");
        }
        assert_eq!(Timestamp::from_http_date("garbage"), None);
    }
}
