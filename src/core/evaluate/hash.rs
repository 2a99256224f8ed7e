//! The percentage that an identity falls into (contract §C.3).

use md5::{Digest, Md5};

/// A number from 0 (inclusive) to 100 (exclusive), determined by the two texts.
pub fn percentage(first: &str, second: &str) -> f64 {
    // Each round hashes one more repetition of the pair. The chance of another round is one in 9,999.
    (1..=MAX_ROUNDS)
        .map(|rounds| percentage_of_rounds(first, second, rounds))
        .find(|&p| p < 100.0)
        .unwrap_or(0.0)
}

const MAX_ROUNDS: usize = 100;

fn percentage_of_rounds(first: &str, second: &str, rounds: usize) -> f64 {
    let mut hash = Md5::new();
    for round in 0..rounds {
        if round > 0 {
            hash.update(",");
        }
        hash.update(first);
        hash.update(",");
        hash.update(second);
    }
    let number = u128::from_be_bytes(hash.finalize().into());
    // Below 9,999, so the conversion is exact.
    (number % 9999) as f64 / 9998.0 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_equal_the_references() {
        assert_eq!(percentage("1", "2"), 26.59531906381276);
        assert_eq!(percentage("10", "env_user"), 22.8245649129826);
        // These give exactly 100 in the first round.
        assert_eq!(percentage("14368", "x"), 46.719343868773755);
        assert_eq!(percentage("32563", "x"), 64.93298659731947);
    }
}
