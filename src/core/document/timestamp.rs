//! Points in time, in the forms of documents and headers.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::json::{Json, Kind};

mod read;

use read::{BEGIN, DAY, END, SECOND};

/// A point in time: microseconds since 1970 in UTC, negative before. In the offset of the parsed text, the year is 1 to
/// 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp {
    pub(super) microseconds: i64,
}

impl Timestamp {
    /// Parses a time that `datetime.fromisoformat` of Python 3.11 or pydantic 2 accepts. That is ISO 8601 in its
    /// extended or basic form, a date alone, or seconds or milliseconds since 1970.
    ///
    /// A time without an offset is in UTC. Digits beyond microseconds are cut off.
    pub fn from_iso(text: &str) -> Option<Timestamp> {
        let microseconds = read::iso(text).or_else(|| read::number(text))?;
        Some(Timestamp { microseconds })
    }

    /// Parses a JSON text or number in one of the forms of [`Timestamp::from_iso`].
    pub fn from_json(json: Json<'_>) -> Option<Timestamp> {
        match json.kind() {
            Kind::String => Timestamp::from_iso(&json.text()?),
            Kind::Integer | Kind::Float => {
                read::number(json.source()).map(|microseconds| Timestamp { microseconds })
            }
            _ => None,
        }
    }

    /// Parses an HTTP date (RFC 9110 §5.6.7).
    pub fn from_http_date(text: &str) -> Option<Timestamp> {
        let time = httpdate::parse_http_date(text).ok()?;
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Timestamp::from_microseconds(i64::try_from(since.as_micros()).ok()?)
    }

    /// Converts milliseconds since 1970, as JavaScript's `Date.now()` returns them.
    pub fn from_milliseconds(milliseconds: u64) -> Option<Timestamp> {
        Timestamp::from_microseconds(i64::try_from(milliseconds).ok()?.checked_mul(1000)?)
    }

    fn from_microseconds(microseconds: i64) -> Option<Timestamp> {
        (BEGIN..END).contains(&microseconds).then_some(Timestamp { microseconds })
    }

    /// Seconds since 1970, with microseconds.
    pub fn fractional_seconds(self) -> f64 {
        self.microseconds as f64 / SECOND as f64
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.microseconds.div_euclid(SECOND)
    }

    /// Returns the whole second that is this many seconds later.
    pub fn seconds_later(self, seconds: u64) -> Option<Timestamp> {
        let later = self.seconds().checked_add(i64::try_from(seconds).ok()?)?;
        Timestamp::from_microseconds(later.checked_mul(SECOND)?)
    }

    /// Seconds since 1970 with a fraction, as `X-Flagsmith-Document-Updated-At` has them (contract §A.0).
    pub fn seconds_text(self) -> String {
        let (sign, magnitude) =
            (if self.microseconds < 0 { "-" } else { "" }, self.microseconds.unsigned_abs());
        let (whole, fraction) = (magnitude / SECOND as u64, magnitude % SECOND as u64);
        // Parsing the text gives the nearest float, as Python's division does.
        let seconds: f64 = format!("{sign}{whole}.{fraction:06}").parse().unwrap_or_default();
        super::python::float_text(seconds)
    }

    /// Returns the time in ISO 8601, in UTC. A time outside the years 1 to 9999 becomes the nearest one inside.
    pub fn iso(self) -> String {
        let microseconds = self.microseconds.clamp(BEGIN, END - 1);
        let (year, month, day) = read::date_of(microseconds.div_euclid(DAY));
        let of_day = microseconds.rem_euclid(DAY);
        let (seconds, fraction) = (of_day / SECOND, of_day % SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }

    /// Returns the HTTP date, to the second; `None` outside the years 1970 to 9999.
    pub fn http_date(self) -> Option<String> {
        let since = Duration::from_micros(u64::try_from(self.microseconds).ok()?);
        (self.microseconds < END).then(|| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_date_formats_are_equal() {
        let timestamp = Timestamp::from_iso("2026-11-22T15:52:01.900399+00:00").unwrap();
        for text in
            ["2026-11-22T15:52:01.900399Z", "2026-11-22 15:52:01.900399", "2026-11-22T16:52:01.900399+01:00"]
        {
            assert_eq!(Timestamp::from_iso(text), Some(timestamp), "{text}");
        }
        assert_eq!(timestamp.seconds_text(), "1795362721.900399");
        assert_eq!(timestamp.http_date().as_deref(), Some("Sun, 22 Nov 2026 15:52:01 GMT"));
        assert_eq!(timestamp.iso(), "2026-11-22T15:52:01.900399Z");
        assert_eq!(
            Timestamp::from_http_date("Sun, 22 Nov 2026 15:52:01 GMT").unwrap().seconds(),
            timestamp.seconds()
        );
        assert_eq!(Timestamp::from_iso("2025-07-13T01:05:45Z").unwrap().seconds_text(), "1752368745.0");
    }

    #[test]
    fn invalid_dates_are_refused() {
        for text in ["", "garbage", "2026-13-01T00:00:00Z", "10000-01-01", "0000-12-31", "1e30", "inf"] {
            assert_eq!(Timestamp::from_iso(text), None, "{text}");
        }
        assert_eq!(Timestamp::from_http_date("garbage"), None);
        assert_eq!(Timestamp::from_milliseconds(u64::MAX), None);
    }

    #[test]
    fn every_timestamp_can_be_formatted() {
        for (text, seconds, iso, http_date) in [
            ("0001-01-01T00:00:00Z", "-62135596800.0", "0001-01-01T00:00:00Z", None),
            ("0001-01-01T00:00:00.5+01:00", "-62135600399.5", "0001-01-01T00:00:00Z", None),
            ("1600-02-29", "-11670998400.0", "1600-02-29T00:00:00Z", None),
            ("1969-12-31T23:59:59.999999Z", "-1e-06", "1969-12-31T23:59:59.999999Z", None),
            ("1970-01-01", "0.0", "1970-01-01T00:00:00Z", Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            (
                "9999-12-31T23:59:59.999999Z",
                "253402300800.0",
                "9999-12-31T23:59:59.999999Z",
                Some("Fri, 31 Dec 9999 23:59:59 GMT"),
            ),
            ("9999-12-31T23:59:59.999999-23:59", "253402387140.0", "9999-12-31T23:59:59.999999Z", None),
        ] {
            let timestamp = Timestamp::from_iso(text).unwrap_or_else(|| panic!("{text} is no timestamp"));
            assert_eq!(timestamp.seconds_text(), seconds, "{text}");
            assert_eq!(timestamp.iso(), iso, "{text}");
            assert_eq!(timestamp.http_date().as_deref(), http_date, "{text}");
            assert!(timestamp.seconds_later(u64::MAX).is_none());
            let stored = serde_json::to_string(&timestamp).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&stored).unwrap(), timestamp);
        }
        let last = Timestamp::from_iso("9999-12-31T23:59:58.5Z").unwrap();
        assert_eq!(last.seconds_later(1).unwrap().iso(), "9999-12-31T23:59:59Z");
        assert_eq!(last.seconds_later(2), None);
    }
}
