//! The server keys of one environment that the origin accepts, and their announcement to isolates.
//!
//! A key that was switched off or deleted, or has expired, is refused within 90 s. This costs one more request per
//! minute and environment:
//!
//! | step | at most |
//! |---|---|
//! | from the origin's change to the next request for the list: `REFRESH_SECONDS` and a tenth of it | 66 s |
//! | the origin's answer | 20 s |
//! | an isolate's next request for the version: `FRESHNESS_SECONDS`, and the answer in the background | 3 s |
//!
//! KV is not used for this, since it may show a change only after a minute. So an isolate can have two sources about a
//! key: the registry's entry, from KV or the registry, and the announcement of the environment's object. The later one
//! counts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::document::json::{Json, Kind, Members};
use crate::document::{ClientKey, ServerKey, ServerKeyHash, Timestamp, hash_of_server_key};
use crate::publish::schedule::RefreshInterval;

/// The maximum number of announced keys. If there are more, isolates use KV's entries.
const MAX_ANNOUNCED: usize = 100;
/// The number of hex digits of a hash that distinguish the keys of one environment.
const DIGITS: usize = 16;
/// The interval between two requests for the list, in tenths of a refresh interval. After the first number the list is
/// fetched together with the document, after the second by itself.
const TENTHS: (u64, u64) = (9, 11);

/// The origin's answers about an environment's server keys. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OriginKeys {
    /// The earliest time to fetch the list together with the document.
    eligible_at: u64,
    /// The time to fetch the list by itself.
    due_at: u64,
    /// The time of the request for the latest list. `None` if the origin provides no lists.
    listed_at: Option<u64>,
    /// The active keys of that list, and their expiry dates.
    active: Vec<(ServerKeyHash, Option<String>)>,
    /// Refused keys, and the times of the requests with them; the latest is last.
    refused: Vec<(ServerKeyHash, u64)>,
}

/// The states of server keys in the announcement of an environment's object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyStates {
    listed_at: Option<u64>,
    active: Vec<u64>,
    refused: Vec<(u64, u64)>,
}

impl OriginKeys {
    /// The time at which the list is fetched by itself, unless an earlier fetch of the document includes it.
    pub fn due_at(&self) -> u64 {
        self.due_at
    }

    /// The number of milliseconds to wait until the list is fetched, while a fetch of the document is running. 0 if the
    /// list may be fetched together with that document.
    pub fn wait(&self, now: u64) -> u64 {
        if self.eligible_at <= now { 0 } else { self.due_at.saturating_sub(now) }
    }

    /// Records that the list is being fetched.
    pub fn began(&mut self, now: u64, interval: RefreshInterval) {
        self.eligible_at = now + interval.interval_ms * TENTHS.0 / 10;
        self.due_at = now + interval.interval_ms * TENTHS.1 / 10;
    }

    /// Stores a list that was requested at `asked_at`. Returns true if it differs from the previous list.
    pub fn record_list(&mut self, keys: Vec<(ServerKeyHash, ServerKey)>, asked_at: u64) -> bool {
        let mut active: Vec<_> = keys
            .into_iter()
            .filter(|(_, key)| key.active)
            .map(|(hash, key)| (hash, key.expires_at))
            .collect();
        active.sort();
        let is_new = self.listed_at.is_some() && self.active != active;
        (self.listed_at, self.active) = (Some(asked_at), active);
        is_new
    }

    /// Records that the origin refused a key in a request sent at `asked_at`.
    pub fn refuse(&mut self, hash: &str, asked_at: u64) {
        self.admit(hash);
        self.refused.push((hash.to_owned(), asked_at));
        let surplus = self.refused.len().saturating_sub(MAX_ANNOUNCED);
        self.refused.drain(..surplus);
    }

    /// Records that the origin accepted a key.
    pub fn admit(&mut self, hash: &str) {
        self.refused.retain(|(refused, _)| refused != hash);
    }

    /// The states to announce at this time; `None` if none are known.
    pub fn states(&self, now: u64) -> Option<KeyStates> {
        let is_listed = self.listed_at.is_some() && self.active.len() <= MAX_ANNOUNCED;
        if !is_listed && self.refused.is_empty() {
            return None;
        }
        let now = Timestamp::from_milliseconds(now)?;
        let is_good = |expires_at: &Option<String>| {
            let key = ServerKey { expires_at: expires_at.clone(), ..ServerKey::active(ClientKey::default()) };
            key.is_valid(now)
        };
        let active = self.active.iter().filter(|(_, expires_at)| is_listed && is_good(expires_at));
        Some(KeyStates {
            listed_at: self.listed_at.filter(|_| is_listed),
            active: active.filter_map(|(hash, _)| number(hash)).collect(),
            refused: self.refused.iter().filter_map(|(hash, at)| Some((number(hash)?, *at))).collect(),
        })
    }
}

impl KeyStates {
    /// True if the origin accepts a server key, false if it refuses the key. `None` if there is no information, or if
    /// the key's registry entry (`known_at`) is newer.
    pub fn accept(&self, hash: &str, known_at: u64) -> Option<bool> {
        let key = number(hash)?;
        if self.refused.iter().any(|(refused, at)| *refused == key && *at > known_at) {
            return Some(false);
        }
        self.listed_at.filter(|at| *at > known_at).map(|_| self.active.contains(&key))
    }
}

/// The first digits of a hash as a number, which distinguishes a key from others of its environment.
fn number(hash: &str) -> Option<u64> {
    u64::from_str_radix(hash.get(..DIGITS)?, 16).ok()
}

/// Writes the time of the list, or `-`; then the active keys, and each refused key with `!` and its time.
impl fmt::Display for KeyStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.listed_at {
            Some(at) => write!(f, "{at}")?,
            None => f.write_str("-")?,
        }
        self.active.iter().try_for_each(|key| write!(f, " {key:x}"))?;
        self.refused.iter().try_for_each(|(key, at)| write!(f, " {key:x}!{at}"))
    }
}

impl FromStr for KeyStates {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<KeyStates, Self::Err> {
        let (mut words, mut states) = (text.split(' '), KeyStates::default());
        let time = |text: &str| text.parse().map_err(|_| "no time");
        let key = |text: &str| u64::from_str_radix(text, 16).map_err(|_| "no key");
        states.listed_at = match words.next() {
            Some("-") | None => None,
            Some(at) => Some(time(at)?),
        };
        for word in words {
            match word.split_once('!') {
                None => states.active.push(key(word)?),
                Some((refused, at)) => states.refused.push((key(refused)?, time(at)?)),
            }
        }
        Ok(states)
    }
}

/// Reads a server key and its hash from an item of an origin's list (contract §F).
pub fn read_server_key(
    item: &Members<'_>,
    client_key: &ClientKey,
    asked_at: u64,
) -> Option<(ServerKeyHash, ServerKey)> {
    let text = |name: &str| item.get(name).and_then(|value| value.text());
    // Values of other types count, too: a number, or an invalid date.
    let expires_at = item.get("expires_at").filter(|date| date.kind() != Kind::Null);
    let server_key = ServerKey {
        client_key: client_key.clone(),
        active: item.get("active")?.is_true(),
        expires_at: expires_at.map(|date| date.text().unwrap_or(date.source().into()).into_owned()),
        known_at: Some(asked_at),
    };
    Some((hash_of_server_key(&text("key")?), server_key))
}

/// Reads a complete list of an origin: an array, or a single page. An error names the problem.
pub fn read_server_keys(
    answer: &[u8],
    client_key: &ClientKey,
    asked_at: u64,
) -> Result<Vec<(ServerKeyHash, ServerKey)>, String> {
    let unreadable = || "server keys: cannot be read".to_owned();
    let answer = Json::parse(answer).map_err(|_| unreadable())?;
    let items = match answer.list() {
        Some(items) => items,
        None => {
            let page = answer.object().ok_or_else(unreadable)?;
            if page.get("next").is_some_and(|next| next.text().is_some()) {
                return Err("server keys: there is more than one page".to_owned());
            }
            page.get("results").and_then(|results| results.list()).ok_or_else(unreadable)?
        }
    };
    let keys = items.into_iter().map(|item| read_server_key(&item.object()?, client_key, asked_at));
    keys.collect::<Option<_>>().ok_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ClientKey {
        ClientKey::parse("e").unwrap()
    }

    fn list(keys: &[(&str, bool, &str)]) -> Vec<(ServerKeyHash, ServerKey)> {
        let date = |date: &str| if date.is_empty() { "null".to_owned() } else { format!(r#""{date}""#) };
        let item = |(key, active, expires_at): &(&str, bool, &str)| {
            format!(
                r#"{{"id":1,"key":"{key}","active":{active},"name":"n","expires_at":{}}}"#,
                date(expires_at)
            )
        };
        let items: Vec<_> = keys.iter().map(item).collect();
        read_server_keys(format!("[{}]", items.join(",")).as_bytes(), &key(), 0).unwrap()
    }

    const GOOD: Option<bool> = Some(true);
    const REFUSED: Option<bool> = Some(false);

    /// The answers for these keys with a registry entry of `known_at`.
    fn accepted(keys: &OriginKeys, now: u64, known_at: u64) -> [Option<bool>; 3] {
        let states = keys.states(now).unwrap();
        assert_eq!(states.to_string().parse(), Ok(states.clone()));
        ["ser.a", "ser.b", "ser.c"].map(|key| states.accept(&hash_of_server_key(key), known_at))
    }

    #[test]
    fn a_deactivated_key_is_refused() {
        let mut keys = OriginKeys::default();
        assert_eq!(keys.states(0), None, "nothing is known");
        assert!(
            !keys.record_list(list(&[("ser.a", true, ""), ("ser.b", true, "")]), 1_000),
            "the first is no change"
        );
        assert_eq!(accepted(&keys, 1_000, 0), [GOOD, GOOD, REFUSED]);
        assert!(
            !keys.record_list(list(&[("ser.b", true, ""), ("ser.a", true, "")]), 2_000),
            "nor is the order"
        );
        assert!(keys.record_list(list(&[("ser.a", false, ""), ("ser.b", true, "")]), 3_000));
        assert_eq!(accepted(&keys, 3_000, 0), [REFUSED, GOOD, REFUSED]);
        assert!(keys.record_list(list(&[("ser.a", true, "")]), 4_000));
        assert_eq!(accepted(&keys, 4_000, 0), [GOOD, REFUSED, REFUSED]);
    }

    #[test]
    fn a_key_discovered_after_the_list_was_fetched_is_accepted() {
        let mut keys = OriginKeys::default();
        keys.record_list(list(&[("ser.a", true, "")]), 5_000);
        assert_eq!(accepted(&keys, 9_000, 4_999), [GOOD, REFUSED, REFUSED]);
        assert_eq!(accepted(&keys, 9_000, 5_001), [None; 3]);
    }

    #[test]
    fn a_key_is_refused_from_its_expiry_on() {
        let mut keys = OriginKeys::default();
        keys.record_list(
            list(&[("ser.a", true, "1970-01-01T00:01:00Z"), ("ser.b", true, "1970-01-02T00:00:00Z")]),
            1_000,
        );
        assert_eq!(accepted(&keys, 59_999, 0), [GOOD, GOOD, REFUSED]);
        assert_eq!(accepted(&keys, 60_000, 0), [REFUSED, GOOD, REFUSED]);
    }

    #[test]
    fn only_the_key_that_the_origin_refused_is_refused() {
        let mut keys = OriginKeys::default();
        keys.refuse(&hash_of_server_key("ser.a"), 1_000);
        keys.refuse(&hash_of_server_key("ser.a"), 2_000);
        assert_eq!(accepted(&keys, 2_000, 0), [REFUSED, None, None]);
        assert_eq!(accepted(&keys, 2_000, 2_001), [None; 3], "it was accepted since");
        keys.admit(&hash_of_server_key("ser.a"));
        assert_eq!(keys.states(3_000), None);
        for number in 0..1_000 {
            keys.refuse(&number.to_string(), number);
        }
        assert_eq!(keys.refused.len(), MAX_ANNOUNCED);
    }

    #[test]
    fn keys_beyond_the_announced_ones_are_read_from_kv() {
        let mut keys = OriginKeys::default();
        let many: Vec<_> = (0..=MAX_ANNOUNCED).map(|number| format!("ser.{number}")).collect();
        let items =
            |count: usize| many[..count].iter().map(|key| (key.as_str(), true, "")).collect::<Vec<_>>();
        keys.record_list(list(&items(MAX_ANNOUNCED)), 1_000);
        assert_eq!(keys.states(1_000).unwrap().accept(&hash_of_server_key("ser.a"), 0), REFUSED);
        keys.record_list(list(&items(MAX_ANNOUNCED + 1)), 2_000);
        assert_eq!(keys.states(2_000), None);
    }

    #[test]
    fn only_a_complete_list_is_applied() {
        for (answer, problem) in [
            ("<html>", "cannot be read"),
            (r#"{"detail":"x"}"#, "cannot be read"),
            (r#"[{"key":"ser.a"}]"#, "cannot be read"),
            (r#"{"results":[],"next":"http://127.0.0.1:8001/?page=2"}"#, "more than one page"),
        ] {
            let fault = read_server_keys(answer.as_bytes(), &key(), 0).unwrap_err();
            assert!(fault.starts_with("server keys: ") && fault.contains(problem), "{fault}");
        }
        let page = r#"{"results":[{"key":"ser.a","active":true}],"next":null}"#;
        assert_eq!(read_server_keys(page.as_bytes(), &key(), 7).unwrap()[0].1.known_at, Some(7));
    }

    #[test]
    fn an_unreadable_announcement_is_ignored() {
        for text in ["soon", "1 x", "1 a!", "1 a!x", "- !1"] {
            assert!(text.parse::<KeyStates>().is_err(), "{text}");
        }
    }
}
