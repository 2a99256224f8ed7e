//! What an isolate remembers of the stores: values with their age, bounded in bytes.

use std::collections::HashMap;

/// What may be remembered together, in bytes of what was read.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// What any entry counts for besides its bytes; bounds the number of entries that are next to nothing, such as
/// keys that nobody has.
const ENTRY_BYTES: usize = 4 * 1024;

/// How far along in life a remembered value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// To be served as it is.
    Young,
    /// To be served, and looked up again meanwhile.
    Middle,
    /// To be looked up again first.
    Old,
}

/// When values come of age.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// Until then young, in milliseconds.
    pub soft: u64,
    /// From then on old, in milliseconds.
    pub hard: u64,
}

/// A store's values as they were last read. Times are in milliseconds.
pub struct Memory<T> {
    entries: HashMap<String, Entry<T>>,
    bytes: usize,
}

struct Entry<T> {
    value: T,
    size: usize,
    checked_at: u64,
    used_at: u64,
    /// When somebody began to look it up again in the background.
    revalidated_at: Option<u64>,
}

/// A remembered value.
pub struct Remembered<T> {
    /// The value.
    pub value: T,
    /// What to do with it.
    pub age: Age,
    /// For how long it has not been confirmed.
    pub milliseconds: u64,
}

/// A background look-up that has not ended by then never will: its request was cancelled.
const REVALIDATION_TIMEOUT: u64 = 10_000;

impl<T: Clone> Memory<T> {
    /// Nothing.
    pub fn new() -> Memory<T> {
        Memory { entries: HashMap::new(), bytes: 0 }
    }

    /// What is known by this name.
    pub fn get(&mut self, name: &str, now: u64, ages: Ages) -> Option<Remembered<T>> {
        let entry = self.entries.get_mut(name)?;
        entry.used_at = now;
        let milliseconds = now.saturating_sub(entry.checked_at);
        let age = match milliseconds {
            _ if milliseconds < ages.soft => Age::Young,
            _ if milliseconds < ages.hard => Age::Middle,
            _ => Age::Old,
        };
        Some(Remembered { value: entry.value.clone(), age, milliseconds })
    }

    /// Whether the caller is the one to look a middle-aged value up again.
    pub fn begin_revalidation(&mut self, name: &str, now: u64) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return true };
        let busy = entry.revalidated_at.is_some_and(|since| now.saturating_sub(since) < REVALIDATION_TIMEOUT);
        if !busy {
            entry.revalidated_at = Some(now);
        }
        !busy
    }

    /// Remembers what was just read; `size` in bytes. Forgets what was used longest ago where it gets too much.
    pub fn put(&mut self, name: &str, value: T, size: usize, now: u64) {
        let size = size + ENTRY_BYTES;
        let entry = Entry { value, size, checked_at: now, used_at: now, revalidated_at: None };
        self.bytes += size;
        if let Some(old) = self.entries.insert(name.to_owned(), entry) {
            self.bytes -= old.size;
        }
        while self.bytes > MAX_BYTES && self.entries.len() > 1 {
            let others = self.entries.iter().filter(|(other, _)| *other != name);
            let Some(oldest) = others.min_by_key(|(_, entry)| entry.used_at).map(|(name, _)| name.clone())
            else {
                break;
            };
            if let Some(forgotten) = self.entries.remove(&oldest) {
                self.bytes -= forgotten.size;
            }
        }
    }
}
