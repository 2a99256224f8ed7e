//! Randomness.

/// Sixteen random bytes.
pub fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // The platform's source of randomness does not fail. If it did, the bytes would stay zero.
    let _ = getrandom::fill(&mut bytes);
    bytes
}
