//! The announcement of an environment's object to isolates: the latest version of its document.

use std::fmt;
use std::str::FromStr;

use crate::publish::publisher::version::DocumentVersion;

/// The latest version, in a short form: every isolate requests it every few seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// This object publishes nothing, so the value in KV counts.
    Nothing,
    /// The environment was deleted.
    Gone,
    /// This version is the latest.
    Latest {
        /// The version.
        version: DocumentVersion,
        /// The time of the origin's latest confirmation in milliseconds, if the latest attempt failed.
        unconfirmed_since: Option<u64>,
    },
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Announcement::Nothing => Ok(()),
            Announcement::Gone => f.write_str("gone"),
            Announcement::Latest { version, unconfirmed_since: None } => write!(f, "{version}"),
            Announcement::Latest { version, unconfirmed_since: Some(at) } => write!(f, "{version} {at}"),
        }
    }
}

impl FromStr for Announcement {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Announcement, Self::Err> {
        if matches!(text, "" | "gone") {
            return Ok(if text.is_empty() { Announcement::Nothing } else { Announcement::Gone });
        }
        let (version, since) = text.split_once(' ').map_or((text, None), |(version, at)| (version, Some(at)));
        let unconfirmed_since = since.map(str::parse).transpose().map_err(|_| "no time")?;
        Ok(Announcement::Latest { version: version.parse()?, unconfirmed_since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_round_trip() {
        let version = DocumentVersion::after(None, b"a", 7);
        for announcement in [
            Announcement::Nothing,
            Announcement::Gone,
            Announcement::Latest { version, unconfirmed_since: None },
            Announcement::Latest { version, unconfirmed_since: Some(8) },
        ] {
            assert_eq!(announcement.to_string().parse(), Ok(announcement));
        }
        for text in ["nothing", "1", "0000000000007-ca978112ca1bbdca soon"] {
            assert!(text.parse::<Announcement>().is_err(), "{text}");
        }
    }
}
