//! The version of a published document.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A published document's version: later ones have a higher sequence, and the digest identifies the bytes.
///
/// Its text, `{sequence}-{digest}`, is a part of a KV key; later versions are later in byte order, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DocumentVersion {
    /// The time of publication in milliseconds, or one more than the previous version.
    ///
    /// A publisher that lost its state therefore continues after all of its earlier versions.
    pub sequence: u64,
    digest: u64,
}

impl DocumentVersion {
    /// The version of a document that is published after another.
    pub fn after(last: Option<DocumentVersion>, document: &[u8], now: u64) -> DocumentVersion {
        let sequence = last.map_or(now, |last| now.max(last.sequence + 1));
        DocumentVersion { sequence, digest: digest(document) }
    }

    /// The digest of a document that no publisher gave a version. Its text is not that of a version.
    pub fn digest_of(document: &[u8]) -> String {
        format!("{:016x}", digest(document))
    }

    /// True if these bytes are the document of this version.
    pub fn is_of(self, document: &[u8]) -> bool {
        self.digest == digest(document)
    }
}

/// The length of a piece that is hashed at once, in bytes: a multiple of the blocks of SHA-256.
const PIECE: usize = 1024;

/// The first eight bytes of the SHA-256. Every build of this worker computes the same digest, unlike with Rust's
/// hashers.
///
/// The document is hashed in pieces, since V8 optimizes a function only for its next call. In one piece, 2 MB took 150 ms
/// of an isolate's first request instead of 25.
fn digest(document: &[u8]) -> u64 {
    let mut hasher = Sha256::new();
    for piece in document.chunks(PIECE) {
        hasher.update(piece);
    }
    hasher.finalize().iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

impl fmt::Display for DocumentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}-{:016x}", self.sequence, self.digest)
    }
}

impl FromStr for DocumentVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<DocumentVersion, Self::Err> {
        let (sequence, digest) = text.split_once('-').ok_or("no version")?;
        let sequence = sequence.parse().map_err(|_| "no version")?;
        Ok(DocumentVersion { sequence, digest: u64::from_str_radix(digest, 16).map_err(|_| "no version")? })
    }
}

impl TryFrom<String> for DocumentVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<DocumentVersion, Self::Error> {
        text.parse()
    }
}

impl From<DocumentVersion> for String {
    fn from(version: DocumentVersion) -> String {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_increase_even_if_the_clock_goes_back() {
        let first = DocumentVersion::after(None, b"a", 1_795_362_721_900);
        assert_eq!(first.to_string(), "1795362721900-ca978112ca1bbdca");
        assert_eq!("1795362721900-ca978112ca1bbdca".parse(), Ok(first));
        let second = DocumentVersion::after(Some(first), b"b", 5);
        assert_eq!(second.sequence, first.sequence + 1);
        assert!(second.is_of(b"b") && !second.is_of(b"a"));
        for text in ["", "1", "-", "a-b", "1-x"] {
            assert!(text.parse::<DocumentVersion>().is_err(), "{text}");
        }
    }

    /// Isolates of an earlier version hash a document in one piece.
    #[test]
    fn the_digest_is_that_of_the_whole_document() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7] {
            let document: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let whole = Sha256::digest(&document);
            let start = u64::from_be_bytes(whole.first_chunk().copied().unwrap());
            assert_eq!(digest(&document), start, "{length}");
        }
    }
}
