//! The limit on look-ups of keys that KV does not have.

use std::cell::Cell;

use crate::cache::PerSecond;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::failure::{Failure, Source};

/// The maximum number of look-ups of unknown keys in the registry, for each isolate and second. It protects the
/// registry from invented keys.
const MAX_LOOKUPS_PER_SECOND: u32 = 10;

thread_local! {
    static LOOKUPS: Cell<PerSecond> = const { Cell::new(PerSecond::NONE) };
}

/// Makes the look-ups of the rest of this second fail at once, since the registry is busy or fails.
pub fn pause() {
    LOOKUPS.set(PerSecond::full(now_ms()));
}

/// Counts a look-up of an unknown key in this isolate. Fails beyond the limit.
pub fn may_look_up() -> Result<(), Failure> {
    let (lookups, is_allowed) = LOOKUPS.get().counted(now_ms(), MAX_LOOKUPS_PER_SECOND);
    LOOKUPS.set(lookups);
    let too_many = || Failure::new(Source::Registry, "too many lookups of unknown keys in one second");
    is_allowed.then_some(()).ok_or_else(too_many)
}
