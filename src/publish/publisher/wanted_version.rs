//! The version that an event announced to a client, which asks again: the answer must not be older.

use super::version::DocumentVersion;
use crate::document::Timestamp;

/// The oldest version that is good enough for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedVersion {
    /// The version with this sequence, or a later one.
    Sequence(u64),
    /// Any version that was confirmed at this time or later, in milliseconds.
    ConfirmedAt(u64),
}

/// The age up to which a confirmed version meets a tag that is no version, in milliseconds.
const MAX_AGE: u64 = 1000;

impl WantedVersion {
    /// Reads the tag and the time of an event. The tag is the text of a version. Without one, the time counts: the version
    /// may have been published until the end of that second.
    pub fn parse(tag: Option<&str>, last_modified: Option<Timestamp>, now: u64) -> WantedVersion {
        if let Some(version) = tag.and_then(|tag| tag.parse::<DocumentVersion>().ok()) {
            return WantedVersion::Sequence(version.sequence);
        }
        let seconds = last_modified.and_then(|time| u64::try_from(time.seconds()).ok());
        let end = seconds.map(|seconds| seconds.saturating_add(1).saturating_mul(1000));
        WantedVersion::ConfirmedAt(end.unwrap_or_else(|| now.saturating_sub(MAX_AGE)))
    }

    /// True if a version with this time of its latest confirmation is good enough.
    pub fn is_met(self, version: Option<DocumentVersion>, confirmed_at: Option<u64>) -> bool {
        match (self, version) {
            (WantedVersion::Sequence(wanted), Some(version)) => version.sequence >= wanted,
            // A document that was written into KV by hand has no version. The sequence is the time of publication.
            (WantedVersion::Sequence(wanted) | WantedVersion::ConfirmedAt(wanted), _) => {
                confirmed_at.is_some_and(|at| at >= wanted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_met_by_itself_and_by_later_ones() {
        let version = |text: &str| text.parse::<DocumentVersion>().ok();
        let wanted = WantedVersion::parse(Some("1795362721900-ca978112ca1bbdca"), None, 0);
        assert_eq!(wanted, WantedVersion::Sequence(1_795_362_721_900));
        for (known, is_met) in [
            ("1795362721899-ca978112ca1bbdca", false),
            ("1795362721900-ca978112ca1bbdca", true),
            ("1795362721901-0000000000000000", true),
        ] {
            assert_eq!(wanted.is_met(version(known), Some(u64::MAX)), is_met, "{known}");
        }
        assert!(
            !wanted.is_met(None, Some(1_795_362_721_899)) && wanted.is_met(None, Some(1_795_362_721_900))
        );
    }

    #[test]
    fn a_time_is_met_by_a_confirmation_after_that_second() {
        let time = Timestamp::from_iso("1771622898");
        for tag in [None, Some("another tag")] {
            let wanted = WantedVersion::parse(tag, time, 0);
            for (at, is_met) in [(1_771_622_898_999, false), (1_771_622_899_000, true)] {
                let version = "9999999999999-ca978112ca1bbdca".parse().ok();
                assert_eq!(wanted.is_met(version, Some(at)), is_met, "{at}");
            }
            assert!(!wanted.is_met(None, None));
        }
        let wanted = WantedVersion::parse(Some("another tag"), None, 5000);
        assert_eq!((wanted.is_met(None, Some(3999)), wanted.is_met(None, Some(4000))), (false, true));
    }
}
