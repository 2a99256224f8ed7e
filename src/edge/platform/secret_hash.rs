//! A hasher with a secret seed, for maps with keys that clients choose.
//!
//! On wasm32 the seed of std's hasher is the same in every isolate. A client that knows the seed could choose keys that
//! collide, and each look-up would compare many of them.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

use flagsmith_edge_platform::random::random;

/// A cache of values by names that clients choose.
pub type TtlCache<T> = crate::cache::TtlCache<T, SecretSeed>;

/// The seed of one map. It is taken when the map is first used: in a request, since the platform has no random bytes while
/// a module is loaded.
pub struct SecretSeed([u8; 16]);

impl Default for SecretSeed {
    fn default() -> SecretSeed {
        SecretSeed(random())
    }
}

impl BuildHasher for SecretSeed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.0);
        hasher
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn each_map_hashes_with_its_own_seed() {
        let seeds = [SecretSeed::default(), SecretSeed::default()];
        let hashes = seeds.each_ref().map(|seed| seed.hash_one("key"));
        assert_ne!(hashes[0], hashes[1]);
        for (seed, hash) in seeds.iter().zip(hashes) {
            assert_eq!(seed.hash_one("key"), hash);
            assert_ne!(seed.hash_one("other key"), hash);
        }
    }
}
