//! A hash that detects changes of a document.

use twox_hash::XxHash3_64;

/// The XXH3 of a document's bytes.
///
/// The first request of an isolate hashes a whole document in code that V8 has not optimized yet. With std's hasher that
/// takes 6 ns for each byte, with this one 0.3 ns. The algorithm is specified, so entity tags stay the same with other
/// versions of the compiler.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of the reference implementation.
    #[test]
    fn fingerprints_are_those_of_xxh3() {
        let bytes: Vec<u8> = (0..2048_u32).map(|index| (index * 131 % 251) as u8).collect();
        for (text, expected) in [
            (&b""[..], 0x2d06_8005_38d3_94c2),
            (b"a", 0xe6c6_32b6_1e96_4e1f),
            (b"abc", 0x78af_5f94_892f_3950),
        ] {
            assert_eq!(fingerprint(text), expected, "{text:?}");
        }
        // Each length has another path through the algorithm.
        for length in [1, 3, 8, 16, 17, 128, 129, 240, 241, 1024, 2048] {
            let whole = bytes.get(..length).unwrap();
            for index in 0..length {
                let mut changed = whole.to_vec();
                changed[index] ^= 1;
                assert_ne!(fingerprint(&changed), fingerprint(whole), "{length} {index}");
            }
        }
    }
}
