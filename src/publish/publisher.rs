//! The state of one environment's publication: what is published, what KV has of it, and what is to be done next.
//!
//! An environment has one publisher, so what it decides in one turn needs no lock. A document is replaced only by another
//! one that can be served, that says something else, and that the origin did not change earlier.

use serde::{Deserialize, Serialize};

use super::announcement::Announcement;
use super::candidate::Candidate;
use super::schedule::{Pace, Schedule};
use super::version::Version;
use crate::document::{ServerKeyHash, Timestamp};

/// KV takes one write a second for each key.
const STORE_GAP: u64 = 1_000;
const MAX_STORE_WAIT: u64 = 60_000;
/// How many changes are remembered.
const CHANGELOG_LENGTH: usize = 20;

/// How an origin is asked for the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// With `ORIGIN_API_TOKEN`.
    Token,
    /// With the key of this hash among `SERVER_KEYS`.
    ServerKey(ServerKeyHash),
}

/// A published document, less its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Which one it is.
    pub version: Version,
    /// The environment's name.
    pub name: String,
    /// When the origin changed it.
    pub updated_at: Option<Timestamp>,
    /// Whether the origin keeps identity overrides out of it.
    pub leaves_overrides_out: bool,
    content: String,
}

/// A change that was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What it led to.
    pub version: Version,
    /// When it was published, in milliseconds.
    pub at: u64,
    /// The document's length in bytes.
    pub length: usize,
}

/// The publication of one environment. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Publisher {
    /// How the origin is asked; not at all without.
    pub credential: Option<Credential>,
    /// When it is asked, and how that went.
    pub schedule: Schedule,
    /// What is published.
    pub published: Option<Published>,
    /// The latest changes, the newest first.
    pub changelog: Vec<Entry>,
    /// Why KV did not take the latest write, if it did not.
    pub store_fault: Option<String>,
    /// What KV has, as far as it is known.
    stored: Option<Version>,
    store_at: u64,
    store_faults: u32,
    /// Whether the environment is no more, and what of it is still in KV.
    gone: bool,
    leftover: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask the origin; then [`Publisher::fetched`].
    Fetch(Credential),
    /// Write the document to KV, as the latest and as this version; then [`Publisher::stored`].
    Store(Version),
    /// Delete the latest document from KV; then [`Publisher::removed`].
    Remove,
    /// Nothing before this time, or before somebody tells of something.
    Wait(Option<u64>),
}

impl Publisher {
    /// Publishes the environment from now on. Said again, it changes nothing but the credential.
    pub fn follow(&mut self, credential: Credential, now: u64) {
        (self.gone, self.leftover) = (false, false);
        self.credential = Some(credential);
        self.schedule.start(now);
    }

    /// The environment is no more: it is published no longer.
    pub fn leave(&mut self, now: u64) {
        if !self.gone {
            (self.gone, self.leftover) = (true, true);
            (self.credential, self.published, self.stored) = (None, None, None);
            self.schedule.stop();
            self.store_at = now;
        }
    }

    /// Somebody says that the document has changed.
    pub fn told(&mut self, now: u64, pace: Pace) {
        if self.credential.is_some() {
            self.schedule.told(now, pace);
        }
    }

    /// What KV has of it is not what it should have.
    pub fn lost(&mut self) {
        self.stored = None;
    }

    /// Whether the origin keeps identity overrides out of what is published.
    pub fn leaves_overrides_out(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.leaves_overrides_out)
    }

    /// What isolates are told.
    pub fn announcement(&self) -> Announcement {
        match &self.published {
            None if self.gone => Announcement::Gone,
            None => Announcement::Nothing,
            Some(published) => Announcement::Latest {
                version: published.version,
                unconfirmed_since: self.schedule.fault.as_ref().and(self.schedule.succeeded_at),
            },
        }
    }

    /// What to do at this time, besides a write to KV that is under way.
    pub fn next(&self, now: u64, is_storing: bool) -> Step {
        let version = self.published.as_ref().map(|published| published.version);
        let unstored = version.filter(|version| self.stored != Some(*version));
        let store_at = (!is_storing && (unstored.is_some() || self.leftover)).then_some(self.store_at);
        let fetch_at = self.credential.as_ref().and(self.schedule.next());
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        match (unstored, &self.credential) {
            (Some(version), _) if is_due(store_at) => Step::Store(version),
            (None, _) if is_due(store_at) => Step::Remove,
            (_, Some(credential)) if is_due(fetch_at) => Step::Fetch(credential.clone()),
            _ => Step::Wait(store_at.into_iter().chain(fetch_at).min()),
        }
    }

    /// What became of a fetch. Gives the version that was published with it, if one was; its document is to be kept
    /// together with this state.
    pub fn fetched(
        &mut self,
        outcome: Result<&Candidate, String>,
        client_key: &str,
        now: u64,
        pace: Pace,
        random: u32,
    ) -> Option<Version> {
        // It may be that the environment has gone while the origin was asked.
        self.credential.as_ref()?;
        match outcome
            .and_then(|candidate| self.judge(candidate, client_key).map(|is_new| (candidate, is_new)))
        {
            Ok((candidate, is_new)) => {
                self.schedule.succeeded(now, pace, random);
                is_new.then(|| self.publish(candidate, now))
            }
            Err(cause) => {
                self.schedule.failed(now, cause, pace, random);
                None
            }
        }
    }

    /// Whether a candidate says something new; why it may not be published, if it may not.
    fn judge(&self, candidate: &Candidate, client_key: &str) -> Result<bool, String> {
        if candidate.client_key != client_key {
            return Err("document: api_key: is another environment's".to_owned());
        }
        let Some(published) = &self.published else { return Ok(true) };
        // One without a date cannot be told from an older one.
        if candidate.updated_at < published.updated_at {
            return Err("document: updated_at: is older than what is published".to_owned());
        }
        Ok(candidate.content != published.content)
    }

    fn publish(&mut self, candidate: &Candidate, now: u64) -> Version {
        // The newest entry's, since it stays when the environment goes.
        let last = self.changelog.first().map(|entry| entry.version);
        let version = Version::after(last, &candidate.document, now);
        self.published = Some(Published {
            version,
            name: candidate.name.clone(),
            updated_at: candidate.updated_at,
            leaves_overrides_out: candidate.leaves_overrides_out,
            content: candidate.content.clone(),
        });
        self.changelog.insert(0, Entry { version, at: now, length: candidate.document.len() });
        self.changelog.truncate(CHANGELOG_LENGTH);
        version
    }

    /// What became of a write to KV.
    pub fn stored(&mut self, version: Version, outcome: Result<(), String>, now: u64) {
        let is_done = self.note_write(outcome, now);
        self.stored = is_done.then_some(version).or(self.stored);
    }

    /// What became of a deletion from KV.
    pub fn removed(&mut self, outcome: Result<(), String>, now: u64) {
        self.leftover = !self.note_write(outcome, now) && self.gone;
    }

    fn note_write(&mut self, outcome: Result<(), String>, now: u64) -> bool {
        self.store_faults = if outcome.is_ok() { 0 } else { self.store_faults.saturating_add(1) };
        let wait = STORE_GAP.saturating_mul(1 << self.store_faults.min(30)).min(MAX_STORE_WAIT);
        self.store_at = now + if outcome.is_ok() { STORE_GAP } else { wait };
        self.store_fault = outcome.err();
        self.store_fault.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ruleset::Engine;

    const PACE: Pace = Pace { period: 60_000, gap: 250 };

    fn candidate(updated_at: &str, name: &str) -> Candidate {
        let document =
            format!(r#"{{"api_key":"k","name":"{name}","updated_at":"{updated_at}","project":{{}}}}"#);
        Candidate::check(document.into(), Engine::V10).unwrap()
    }

    fn following() -> Publisher {
        let mut publisher = Publisher::default();
        publisher.follow(Credential::Token, 1_000);
        publisher
    }

    /// Asks the origin as the publisher wants it to be asked, and gives it this answer.
    fn fetch(publisher: &mut Publisher, now: u64, outcome: Result<&Candidate, &str>) -> Option<Version> {
        publisher.schedule.began(now);
        publisher.fetched(outcome.map_err(str::to_owned), "k", now, PACE, 10)
    }

    #[test]
    fn a_document_goes_from_the_origin_to_kv() {
        assert_eq!(Publisher::default().next(1_000, false), Step::Wait(None));
        let mut publisher = following();
        assert_eq!(publisher.next(1_000, false), Step::Fetch(Credential::Token));
        assert_eq!(publisher.announcement(), Announcement::Nothing);
        let first = fetch(&mut publisher, 1_000, Ok(&candidate("2026-01-01T00:00:00Z", "a"))).unwrap();
        assert_eq!(
            publisher.announcement(),
            Announcement::Latest { version: first, unconfirmed_since: None }
        );
        assert_eq!(publisher.next(1_000, false), Step::Store(first));
        // A write that takes long keeps nothing else waiting.
        assert_eq!(publisher.next(1_000, true), Step::Wait(Some(61_000)));
        assert_eq!(publisher.next(61_000, true), Step::Fetch(Credential::Token));
        publisher.stored(first, Ok(()), 1_000);
        assert_eq!(publisher.next(1_000, false), Step::Wait(Some(61_000)));
        assert_eq!(publisher.next(61_000, false), Step::Fetch(Credential::Token));
        // The same again.
        assert_eq!(fetch(&mut publisher, 61_000, Ok(&candidate("2026-01-01T00:00:00Z", "a"))), None);
        assert_eq!(publisher.next(61_000, false), Step::Wait(Some(121_000)));
        // Another content, though the date says nothing of it.
        let second = fetch(&mut publisher, 121_000, Ok(&candidate("2026-01-01T00:00:00Z", "b"))).unwrap();
        assert!(second.sequence > first.sequence);
        assert_eq!(publisher.changelog.len(), 2);
    }

    #[test]
    fn isolates_know_at_once_and_kv_once_a_second() {
        let mut publisher = following();
        let mut writes = Vec::new();
        for number in 0..100 {
            let now = 1_000 + number * 100;
            fetch(&mut publisher, now, Ok(&candidate("2026-01-01T00:00:00Z", &number.to_string())));
            if let Step::Store(version) = publisher.next(now, false) {
                publisher.stored(version, Ok(()), now);
                writes.push(now);
            }
        }
        assert_eq!(writes.len(), 10, "{writes:?}");
        // The last one is written, too.
        assert_eq!(publisher.next(10_900, false), Step::Wait(Some(11_000)));
        assert!(
            matches!(publisher.next(11_000, false), Step::Store(version) if version == publisher.changelog[0].version)
        );
    }

    #[test]
    fn what_should_not_be_served_is_not_published() {
        let mut publisher = following();
        let good = fetch(&mut publisher, 1_000, Ok(&candidate("2026-01-02T00:00:00Z", "a"))).unwrap();
        publisher.stored(good, Ok(()), 1_000);
        let published = publisher.published.clone();
        let undated = Candidate { updated_at: None, ..candidate("2026-01-03T00:00:00Z", "b") };
        let others = Candidate { client_key: "other".to_owned(), ..candidate("2026-01-03T00:00:00Z", "b") };
        for (outcome, cause) in [
            (Ok(&candidate("2026-01-01T00:00:00Z", "a")), "older"),
            (Ok(&undated), "older"),
            (Ok(&others), "another"),
            (Err("document: is not JSON"), "JSON"),
            (Err("502"), "502"),
        ] {
            assert_eq!(fetch(&mut publisher, 2_000, outcome), None, "{cause}");
            let fault = publisher.schedule.fault.clone().unwrap();
            assert!(fault.cause.contains(cause), "{fault:?}");
            assert_eq!(publisher.published, published);
        }
        let stale = Announcement::Latest { version: good, unconfirmed_since: Some(1_000) };
        assert_eq!(publisher.announcement(), stale);
        assert!(fetch(&mut publisher, 3_000, Ok(&candidate("2026-01-03T00:00:00Z", "b"))).is_some());
        assert_eq!(publisher.schedule.fault, None);
    }

    #[test]
    fn a_kv_that_fails_is_tried_again_and_keeps_nothing_from_isolates() {
        let mut publisher = following();
        let version = fetch(&mut publisher, 1_000, Ok(&candidate("2026-01-01T00:00:00Z", "a"))).unwrap();
        for (now, next) in [(1_000, 3_000), (3_000, 7_000), (7_000, 15_000)] {
            assert_eq!(publisher.next(now, false), Step::Store(version));
            publisher.stored(version, Err("500".to_owned()), now);
            assert_eq!(publisher.next(now, false), Step::Wait(Some(next)));
        }
        assert_eq!(publisher.store_fault.as_deref(), Some("500"));
        publisher.stored(version, Ok(()), 15_000);
        assert_eq!(
            (publisher.next(15_000, false), publisher.store_fault.clone()),
            (Step::Wait(Some(61_000)), None)
        );
        publisher.lost();
        assert_eq!(publisher.next(16_000, false), Step::Store(version));
    }

    #[test]
    fn an_environment_that_goes_is_removed_and_may_come_back() {
        let mut publisher = following();
        let first = fetch(&mut publisher, 1_000, Ok(&candidate("2026-01-02T00:00:00Z", "a"))).unwrap();
        publisher.stored(first, Ok(()), 1_000);
        publisher.leave(2_000);
        assert_eq!(
            (publisher.announcement(), publisher.next(2_000, false)),
            (Announcement::Gone, Step::Remove)
        );
        publisher.told(2_000, PACE);
        publisher.removed(Err("500".to_owned()), 2_000);
        assert_eq!(publisher.next(2_000, false), Step::Wait(Some(4_000)));
        publisher.removed(Ok(()), 4_000);
        assert_eq!(publisher.next(90_000, false), Step::Wait(None));
        // A fetch that was under way comes too late.
        assert_eq!(publisher.fetched(Ok(&candidate("2026-01-03T00:00:00Z", "b")), "k", 5_000, PACE, 0), None);
        publisher.follow(Credential::Token, 6_000);
        // Whatever the origin has now, since what was published is forgotten; but never an earlier version.
        let second = fetch(&mut publisher, 6_000, Ok(&candidate("2026-01-01T00:00:00Z", "c"))).unwrap();
        assert!(second.sequence > first.sequence);
    }
}
