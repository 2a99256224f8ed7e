//! The state of one environment's publication: the published version, KV's copy of it, and the next action.
//!
//! An environment has one publisher, so its decisions need no lock. A document replaces the published one if it can be
//! served, has other content, and is not older. An older document is published after the origin has answered it for
//! some time, as after a restored backup.

use serde::{Deserialize, Serialize};

use crate::document::{ClientKey, ServerKeyHash, Timestamp};
use crate::publish::notifications::webhook::{NotificationKind, ReceivedNotification};
use crate::publish::publisher::announcement::Announcement;
use crate::publish::publisher::candidate::Candidate;
use crate::publish::publisher::server_keys::OriginKeys;
use crate::publish::publisher::version::DocumentVersion;
use crate::publish::schedule::{RefreshInterval, Schedule};

/// The minimum time between two writes to KV, which accepts one write a second for each key.
const STORE_GAP_MS: u64 = 1_000;
const MAX_STORE_WAIT_MS: u64 = 60_000;
/// The time of identical answers after which an older document is published. It exceeds the minute that an origin may
/// cache a document (contract §A.5).
const ROLLBACK_CONFIRMATION_MS: u64 = 120_000;
/// The tolerance for an origin's clock. A later date counts as now, so that one wrong date does not make all following
/// documents older.
const MAX_CLOCK_AHEAD_MS: u64 = 60_000;
/// The time for the first attempt to announce a version to event streams, which is doubled after each failure.
const ANNOUNCE_WAIT_MS: u64 = 2_000;
const MAX_ANNOUNCE_WAIT_MS: u64 = 300_000;
/// The length of the changelog.
const CHANGELOG_LENGTH: usize = 20;

/// The credential for an environment's document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentCredential {
    /// The token `ORIGIN_API_TOKEN`.
    Token,
    /// The key with this hash in `SERVER_KEYS`.
    ServerKey(ServerKeyHash),
}

/// A published document without its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The version of the document.
    pub version: DocumentVersion,
    /// The environment's name.
    pub name: String,
    /// The time of the origin's change, never in the future.
    pub updated_at: Option<Timestamp>,
    /// True if the document has no identity overrides because of a setting.
    pub leaves_overrides_out: bool,
    /// True if the environment hashes buckets from the numbers of identities in the origin's database. Unknown after a
    /// publication by an earlier version of the worker, until the next fetch.
    #[serde(default)]
    pub hashes_django_ids: bool,
    content: String,
}

/// A document of the origin that is older than the published one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RollbackCandidate {
    content: String,
    /// The start of identical answers, in milliseconds.
    since: u64,
}

/// A change that was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangelogEntry {
    /// The published version.
    pub version: DocumentVersion,
    /// The time of its publication, in milliseconds.
    pub at: u64,
    /// The document's length in bytes.
    pub length: usize,
}

/// The publication of one environment. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Publisher {
    /// The credential; without one nothing is fetched.
    pub credential: Option<DocumentCredential>,
    /// The schedule of fetches, and their outcomes.
    pub schedule: Schedule,
    /// The published version.
    pub published: Option<Published>,
    /// The origin's older document.
    #[serde(rename = "earlier")]
    rollback: Option<RollbackCandidate>,
    /// The latest changes, the newest first.
    pub changelog: Vec<ChangelogEntry>,
    /// The cause of the failure of the latest write to KV, if it failed.
    pub store_fault: Option<String>,
    /// The version in KV, if known.
    stored: Option<DocumentVersion>,
    store_at: u64,
    store_faults: u32,
    /// True if the environment was deleted.
    gone: bool,
    /// True if the document of a deleted environment is still in KV.
    #[serde(rename = "leftover")]
    delete_pending: bool,
    /// The latest notification of the origin, if one arrived.
    #[serde(default)]
    pub last_notification: Option<ReceivedNotification>,
    /// The origin's answers about the environment's server keys.
    #[serde(default)]
    pub origin_keys: OriginKeys,
    /// Set until event streams have got the published version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unannounced: Option<Unannounced>,
}

/// The next attempt to announce the published version to event streams.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Unannounced {
    due_at: u64,
    attempts: u32,
}

/// The next task.
#[derive(Clone, Debug, PartialEq)]
pub enum PublisherAction {
    /// Fetch the document from the origin; then [`Publisher::fetched`].
    Fetch(DocumentCredential),
    /// Fetch the environment's server keys from the origin; then [`OriginKeys::record_list`].
    ListKeys,
    /// Write the document to KV, as the latest and as this version; then [`Publisher::stored`].
    Store(DocumentVersion),
    /// Delete the latest document from KV; then [`Publisher::removed`].
    Remove,
    /// Announce the published version to event streams: first [`Publisher::delay_announcement`], and after success
    /// [`Publisher::announced`].
    Announce,
    /// Nothing until this time, or until a notification.
    Wait(Option<u64>),
}

impl Publisher {
    /// Starts publishing the environment. A repeated call changes nothing; a new credential is used at once.
    pub fn start_publishing(&mut self, credential: DocumentCredential, now: u64) {
        (self.gone, self.delete_pending) = (false, false);
        let credential = Some(credential);
        if self.credential != credential {
            // With the other kind of credential the origin may not answer requests about server keys, so known answers
            // are dropped.
            if self.credential == Some(DocumentCredential::Token)
                || credential == Some(DocumentCredential::Token)
            {
                self.origin_keys = OriginKeys::default();
            }
            self.credential = credential;
            self.schedule.stop();
        }
        self.schedule.start(now);
    }

    /// Stops publishing the environment, since it was deleted.
    pub fn stop_publishing(&mut self, now: u64) {
        if !self.gone {
            (self.gone, self.delete_pending) = (true, true);
            (self.credential, self.published, self.stored) = (None, None, None);
            self.origin_keys = OriginKeys::default();
            self.schedule.stop();
            self.store_at = now;
        }
    }

    /// Handles a change of the document. `again`: true if the document is to be fetched a second time later. `kind`:
    /// the kind of the origin's notification, if one arrived.
    pub fn notify(
        &mut self,
        again: bool,
        kind: Option<NotificationKind>,
        now: u64,
        interval: RefreshInterval,
    ) {
        if self.credential.is_none() {
            return;
        }
        if again {
            self.schedule.notify(now, interval);
        } else {
            self.schedule.request_fetch(now, interval);
        }
        self.last_notification =
            kind.map(|kind| ReceivedNotification::new(kind, now)).or(self.last_notification);
    }

    /// Schedules a fetch, unless one is scheduled.
    pub fn resume(&mut self, now: u64) {
        if self.credential.is_some() {
            self.schedule.start(now);
        }
    }

    /// Marks KV's copy as missing or wrong.
    pub fn mark_missing_in_kv(&mut self) {
        self.stored = None;
    }

    /// True if the origin leaves identity overrides out of the published document.
    pub fn leaves_overrides_out(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.leaves_overrides_out)
    }

    /// True if the environment hashes buckets from the numbers of identities in the origin's database.
    pub fn hashes_django_ids(&self) -> bool {
        self.published.as_ref().is_some_and(|published| published.hashes_django_ids)
    }

    /// The announcement to isolates.
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

    /// The next action at this time, beside a running write to KV.
    pub fn next(&self, now: u64, is_storing: bool) -> PublisherAction {
        let version = self.published.as_ref().map(|published| published.version);
        let unstored = version.filter(|version| self.stored != Some(*version));
        let store_at = (!is_storing && (unstored.is_some() || self.delete_pending)).then_some(self.store_at);
        let fetch_at = self.credential.as_ref().and(self.schedule.next());
        let announce_at = self.published.as_ref().and(self.unannounced).map(|unannounced| unannounced.due_at);
        let keys_at = (self.credential == Some(DocumentCredential::Token)).then(|| self.origin_keys.due_at());
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        match (unstored, &self.credential) {
            (Some(version), _) if is_due(store_at) => PublisherAction::Store(version),
            (None, _) if is_due(store_at) => PublisherAction::Remove,
            (_, Some(credential)) if is_due(fetch_at) => PublisherAction::Fetch(credential.clone()),
            _ if is_due(keys_at) => PublisherAction::ListKeys,
            _ if is_due(announce_at) => PublisherAction::Announce,
            _ => {
                PublisherAction::Wait([store_at, fetch_at, keys_at, announce_at].into_iter().flatten().min())
            }
        }
    }

    /// Handles the outcome of a fetch. Returns the published version, if there is a new one. The document of that
    /// version must be stored together with this state.
    pub fn fetched(
        &mut self,
        outcome: Result<&Candidate, String>,
        client_key: &ClientKey,
        now: u64,
        interval: RefreshInterval,
        random: u32,
    ) -> Option<DocumentVersion> {
        // The environment may have been deleted during the fetch.
        self.credential.as_ref()?;
        let earlier = self.rollback.take();
        match outcome.and_then(|candidate| {
            self.check_candidate(candidate, client_key, earlier, now).map(|is_new| (candidate, is_new))
        }) {
            Ok((candidate, is_new)) => {
                self.schedule.succeeded(now, interval, random);
                if let Some(published) = &mut self.published {
                    published.hashes_django_ids = candidate.hashes_django_ids;
                }
                is_new.then(|| self.publish(candidate, now))
            }
            Err(cause) => {
                self.schedule.failed(now, cause, interval, random);
                None
            }
        }
    }

    /// Checks a candidate: true if it has new content, an error if it must not be published. `earlier` is the older
    /// document that the origin's previous answer had, if any.
    fn check_candidate(
        &mut self,
        candidate: &Candidate,
        client_key: &ClientKey,
        earlier: Option<RollbackCandidate>,
        now: u64,
    ) -> Result<bool, String> {
        if candidate.client_key != *client_key {
            return Err("document: api_key: belongs to another environment".to_owned());
        }
        let Some(published) = &self.published else { return Ok(true) };
        // Without a date, a newer document cannot be distinguished from an older one.
        if candidate.updated_at >= published.updated_at {
            return Ok(candidate.content != published.content);
        }
        let same = earlier.filter(|earlier| earlier.content == candidate.content);
        let since = same.map_or(now, |same| same.since);
        if now.saturating_sub(since) >= ROLLBACK_CONFIRMATION_MS {
            return Ok(true);
        }
        self.rollback = Some(RollbackCandidate { content: candidate.content.clone(), since });
        Err("document: updated_at: is older than the published version".to_owned())
    }

    fn publish(&mut self, candidate: &Candidate, now: u64) -> DocumentVersion {
        // The newest entry of the changelog stays when the environment is deleted, so versions keep growing.
        let last = self.changelog.first().map(|entry| entry.version);
        let version = DocumentVersion::after(last, &candidate.document, now);
        let latest = Timestamp::from_milliseconds(now.saturating_add(MAX_CLOCK_AHEAD_MS));
        let is_ahead = latest.is_some_and(|latest| candidate.updated_at > Some(latest));
        let updated_at = if is_ahead { Timestamp::from_milliseconds(now) } else { candidate.updated_at };
        self.published = Some(Published {
            version,
            name: candidate.name.clone(),
            updated_at,
            leaves_overrides_out: candidate.leaves_overrides_out,
            hashes_django_ids: candidate.hashes_django_ids,
            content: candidate.content.clone(),
        });
        // The object makes the first attempt at once, beside its other work.
        self.unannounced = Some(Unannounced { due_at: now + ANNOUNCE_WAIT_MS, attempts: 0 });
        self.changelog.insert(0, ChangelogEntry { version, at: now, length: candidate.document.len() });
        self.changelog.truncate(CHANGELOG_LENGTH);
        version
    }

    /// Schedules the next attempt to announce the published version, in case the present one fails.
    pub fn delay_announcement(&mut self, now: u64) {
        self.unannounced = self.unannounced.map(|Unannounced { attempts, .. }| {
            let attempts = attempts.saturating_add(1);
            let wait = ANNOUNCE_WAIT_MS.saturating_mul(1 << attempts.min(30)).min(MAX_ANNOUNCE_WAIT_MS);
            Unannounced { due_at: now + wait, attempts }
        });
    }

    /// Records that event streams have got a version.
    pub fn announced(&mut self, version: DocumentVersion) {
        // A later version may have been published meanwhile.
        if self.published.as_ref().is_none_or(|published| published.version == version) {
            self.unannounced = None;
        }
    }

    /// Handles the outcome of a write to KV.
    pub fn stored(&mut self, version: DocumentVersion, outcome: Result<(), String>, now: u64) {
        let is_done = self.note_write(outcome, now);
        self.stored = is_done.then_some(version).or(self.stored);
    }

    /// Handles the outcome of a deletion from KV.
    pub fn removed(&mut self, outcome: Result<(), String>, now: u64) {
        self.delete_pending = !self.note_write(outcome, now) && self.gone;
    }

    fn note_write(&mut self, outcome: Result<(), String>, now: u64) -> bool {
        self.store_faults = if outcome.is_ok() { 0 } else { self.store_faults.saturating_add(1) };
        let wait = STORE_GAP_MS.saturating_mul(1 << self.store_faults.min(30)).min(MAX_STORE_WAIT_MS);
        self.store_at = now + if outcome.is_ok() { STORE_GAP_MS } else { wait };
        self.store_fault = outcome.err();
        self.store_fault.is_none()
    }
}

#[cfg(test)]
mod tests;
