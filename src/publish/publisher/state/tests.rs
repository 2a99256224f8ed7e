//! Publication after answers of the origin, and the document's copy in KV.

use super::*;
use crate::document::ruleset::Engine;

const INTERVAL: RefreshInterval = RefreshInterval { interval_ms: 60_000, min_gap_ms: 250 };

fn key() -> ClientKey {
    ClientKey::parse("k").unwrap()
}

fn candidate(updated_at: &str, name: &str) -> Candidate {
    let document = format!(r#"{{"api_key":"k","name":"{name}","updated_at":"{updated_at}","project":{{}}}}"#);
    Candidate::check(document.into(), Engine::V10).unwrap()
}

fn following() -> Publisher {
    following_with(DocumentCredential::Token)
}

fn following_with(credential: DocumentCredential) -> Publisher {
    let mut publisher = Publisher::default();
    publisher.start_publishing(credential, 1_000);
    publisher
}

/// Fetches when the publisher schedules it, with this answer. Event streams get a new version at once.
fn fetch(publisher: &mut Publisher, now: u64, outcome: Result<&Candidate, &str>) -> Option<DocumentVersion> {
    let version = fetch_unannounced(publisher, now, outcome);
    if let Some(version) = version {
        publisher.announced(version);
    }
    version
}

fn fetch_unannounced(
    publisher: &mut Publisher,
    now: u64,
    outcome: Result<&Candidate, &str>,
) -> Option<DocumentVersion> {
    publisher.schedule.began(now);
    publisher.origin_keys.began(now, INTERVAL);
    publisher.fetched(outcome.map_err(str::to_owned), &key(), now, INTERVAL, 10)
}

#[test]
fn a_version_is_announced_until_event_streams_have_it() {
    let mut publisher = following();
    let first =
        fetch_unannounced(&mut publisher, 1_000, Ok(&candidate("1970-01-01T00:00:01Z", "a"))).unwrap();
    publisher.stored(first, Ok(()), 1_000);
    assert_eq!(publisher.next(1_000, false), PublisherAction::Wait(Some(3_000)));
    assert_eq!(publisher.next(3_000, false), PublisherAction::Announce);
    for (now, next) in [(3_000, 7_000), (7_000, 15_000), (15_000, 31_000), (31_000, 61_000)] {
        publisher.delay_announcement(now);
        assert_eq!(publisher.next(now, false), PublisherAction::Wait(Some(next)));
    }
    for _ in 0..100 {
        publisher.delay_announcement(100_000);
    }
    assert_eq!(publisher.unannounced.unwrap().due_at, 400_000);
    // The state is stored, and read again after an eviction.
    let mut publisher: Publisher = serde_json::from_str(&serde_json::to_string(&publisher).unwrap()).unwrap();
    let second =
        fetch_unannounced(&mut publisher, 121_000, Ok(&candidate("1970-01-01T00:02:01Z", "b"))).unwrap();
    publisher.stored(second, Ok(()), 121_000);
    // A late outcome of the version before counts no more.
    publisher.announced(first);
    assert_eq!(publisher.next(123_000, false), PublisherAction::Announce);
    publisher.announced(second);
    assert_eq!(publisher.next(123_000, false), PublisherAction::Wait(Some(181_000)));
    // A deleted environment announces nothing.
    fetch_unannounced(&mut publisher, 181_000, Ok(&candidate("1970-01-01T00:03:01Z", "c"))).unwrap();
    publisher.stop_publishing(181_000);
    publisher.removed(Ok(()), 181_000);
    assert_eq!(publisher.next(200_000, false), PublisherAction::Wait(None));
}

#[test]
fn a_document_is_fetched_and_written_to_kv() {
    assert_eq!(Publisher::default().next(1_000, false), PublisherAction::Wait(None));
    let mut publisher = following();
    assert_eq!(publisher.next(1_000, false), PublisherAction::Fetch(DocumentCredential::Token));
    assert_eq!(publisher.announcement(), Announcement::Nothing);
    let first = fetch(&mut publisher, 1_000, Ok(&candidate("1970-01-01T00:00:01Z", "a"))).unwrap();
    assert_eq!(publisher.announcement(), Announcement::Latest { version: first, unconfirmed_since: None });
    assert_eq!(publisher.next(1_000, false), PublisherAction::Store(first));
    // A slow write delays nothing else.
    assert_eq!(publisher.next(1_000, true), PublisherAction::Wait(Some(61_000)));
    assert_eq!(publisher.next(61_000, true), PublisherAction::Fetch(DocumentCredential::Token));
    publisher.stored(first, Ok(()), 1_000);
    assert_eq!(publisher.next(1_000, false), PublisherAction::Wait(Some(61_000)));
    assert_eq!(publisher.next(61_000, false), PublisherAction::Fetch(DocumentCredential::Token));
    // The same content again.
    assert_eq!(fetch(&mut publisher, 61_000, Ok(&candidate("1970-01-01T00:00:01Z", "a"))), None);
    assert_eq!(publisher.next(61_000, false), PublisherAction::Wait(Some(121_000)));
    // Other content with the same date.
    let second = fetch(&mut publisher, 121_000, Ok(&candidate("1970-01-01T00:00:01Z", "b"))).unwrap();
    assert!(second.sequence > first.sequence);
    assert_eq!(publisher.changelog.len(), 2);
}

#[test]
fn a_publication_of_an_earlier_version_gets_the_hashing_setting() {
    let mut publisher = following();
    // A setting that a document does not have is off.
    let first = candidate("1970-01-01T00:00:01Z", "a");
    fetch(&mut publisher, 1_000, Ok(&first)).unwrap();
    assert_eq!(publisher.status(&key(), 1_000)["legacy_hashing"], true);
    let mut stored = serde_json::to_value(&publisher).unwrap();
    stored["published"].as_object_mut().unwrap().remove("hashes_django_ids").unwrap();
    let mut publisher: Publisher = serde_json::from_value(stored).unwrap();
    assert_eq!(publisher.status(&key(), 1_000)["legacy_hashing"], false);
    assert_eq!(fetch(&mut publisher, 61_000, Ok(&first)), None);
    assert_eq!(publisher.status(&key(), 61_000)["legacy_hashing"], true);
    let switched = r#"{"api_key":"k","name":"a","updated_at":"1970-01-01T00:00:02Z","project":{},
        "use_identity_composite_key_for_hashing":true}"#;
    let switched = Candidate::check(switched.into(), Engine::V10).unwrap();
    fetch(&mut publisher, 121_000, Ok(&switched)).unwrap();
    assert!(!publisher.hashes_django_ids());
}

#[test]
fn another_credential_is_tried_at_once() {
    let mut publisher = following();
    for now in [1_000, 2_000, 4_000] {
        fetch(&mut publisher, now, Err("403"));
    }
    publisher.start_publishing(DocumentCredential::Token, 5_000);
    assert_eq!(publisher.next(5_000, false), PublisherAction::Wait(Some(8_000)));
    let other = DocumentCredential::ServerKey("hash".to_owned());
    publisher.start_publishing(other.clone(), 5_000);
    assert_eq!(publisher.next(5_000, false), PublisherAction::Fetch(other));
}

#[test]
fn isolates_are_updated_at_once_and_kv_once_a_second() {
    let mut publisher = following();
    let mut writes = Vec::new();
    for number in 0..100 {
        let now = 1_000 + number * 100;
        fetch(&mut publisher, now, Ok(&candidate("1970-01-01T00:00:01Z", &number.to_string())));
        if let PublisherAction::Store(version) = publisher.next(now, false) {
            publisher.stored(version, Ok(()), now);
            writes.push(now);
        }
    }
    assert_eq!(writes.len(), 10, "{writes:?}");
    // The last version is written, too.
    assert_eq!(publisher.next(10_900, false), PublisherAction::Wait(Some(11_000)));
    assert!(
        matches!(publisher.next(11_000, false), PublisherAction::Store(version) if version == publisher.changelog[0].version)
    );
}

#[test]
fn invalid_documents_are_not_published() {
    let mut publisher = following();
    let good = fetch(&mut publisher, 1_000, Ok(&candidate("1970-01-01T00:00:02Z", "a"))).unwrap();
    publisher.stored(good, Ok(()), 1_000);
    let published = publisher.published.clone();
    let undated = Candidate { updated_at: None, ..candidate("1970-01-01T00:00:03Z", "b") };
    let others =
        Candidate { client_key: ClientKey::unchecked("other"), ..candidate("1970-01-01T00:00:03Z", "b") };
    for (outcome, cause) in [
        (Ok(&candidate("1970-01-01T00:00:01Z", "a")), "older"),
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
    assert!(fetch(&mut publisher, 3_000, Ok(&candidate("1970-01-01T00:00:03Z", "b"))).is_some());
    assert_eq!(publisher.schedule.fault, None);
}

#[test]
fn a_failed_kv_write_is_retried_and_does_not_delay_isolates() {
    let mut publisher = following();
    let version = fetch(&mut publisher, 1_000, Ok(&candidate("1970-01-01T00:00:01Z", "a"))).unwrap();
    for (now, next) in [(1_000, 3_000), (3_000, 7_000), (7_000, 15_000)] {
        assert_eq!(publisher.next(now, false), PublisherAction::Store(version));
        publisher.stored(version, Err("500".to_owned()), now);
        assert_eq!(publisher.next(now, false), PublisherAction::Wait(Some(next)));
    }
    assert_eq!(publisher.store_fault.as_deref(), Some("500"));
    publisher.stored(version, Ok(()), 15_000);
    assert_eq!(
        (publisher.next(15_000, false), publisher.store_fault.clone()),
        (PublisherAction::Wait(Some(61_000)), None)
    );
    publisher.mark_missing_in_kv();
    assert_eq!(publisher.next(16_000, false), PublisherAction::Store(version));
}

#[test]
fn a_deleted_environment_is_removed_and_can_be_published_again() {
    let mut publisher = following();
    let first = fetch(&mut publisher, 1_000, Ok(&candidate("1970-01-01T00:00:02Z", "a"))).unwrap();
    publisher.stored(first, Ok(()), 1_000);
    publisher.stop_publishing(2_000);
    assert_eq!(
        (publisher.announcement(), publisher.next(2_000, false)),
        (Announcement::Gone, PublisherAction::Remove)
    );
    publisher.notify(true, None, 2_000, INTERVAL);
    publisher.removed(Err("500".to_owned()), 2_000);
    assert_eq!(publisher.next(2_000, false), PublisherAction::Wait(Some(4_000)));
    publisher.removed(Ok(()), 4_000);
    assert_eq!(publisher.next(90_000, false), PublisherAction::Wait(None));
    // The answer to a fetch that started before the deletion is ignored.
    assert_eq!(
        publisher.fetched(Ok(&candidate("1970-01-01T00:00:03Z", "b")), &key(), 5_000, INTERVAL, 0),
        None
    );
    publisher.start_publishing(DocumentCredential::Token, 6_000);
    // Any document of the origin is published, since the published one is forgotten. The version is never an earlier
    // one.
    let second = fetch(&mut publisher, 6_000, Ok(&candidate("1970-01-01T00:00:01Z", "c"))).unwrap();
    assert!(second.sequence > first.sequence);
}

#[test]
fn a_notification_causes_a_second_fetch_on_request() {
    for (again, next) in [(true, 15_000), (false, 70_000)] {
        let mut publisher = following_with(DocumentCredential::ServerKey("hash".to_owned()));
        let version = fetch(&mut publisher, 1_000, Ok(&candidate("1970-01-01T00:00:01Z", "a"))).unwrap();
        publisher.stored(version, Ok(()), 1_000);
        publisher.notify(again, None, 10_000, INTERVAL);
        publisher.schedule.began(10_000);
        publisher.schedule.succeeded(10_000, INTERVAL, 10);
        assert_eq!(publisher.next(10_000, false), PublisherAction::Wait(Some(next)), "{again}");
    }
}

#[test]
fn an_interrupted_fetch_is_resumed() {
    let credential = DocumentCredential::ServerKey("hash".to_owned());
    let mut publisher = following_with(credential.clone());
    publisher.schedule.began(1_000);
    assert_eq!(publisher.next(1_000, false), PublisherAction::Wait(None));
    publisher.resume(2_000);
    assert_eq!(publisher.next(2_000, false), PublisherAction::Fetch(credential));
    publisher.stop_publishing(3_000);
    publisher.removed(Ok(()), 3_000);
    publisher.resume(4_000);
    assert_eq!(publisher.next(90_000, false), PublisherAction::Wait(None));
}

/// Gives the publisher this answer of the origin every ten seconds up to a time; true if it is published by then.
fn say(publisher: &mut Publisher, from: u64, to: u64, candidate: &Candidate) -> bool {
    let times = (from..=to).step_by(10_000);
    times.filter(|now| fetch(publisher, *now, Ok(candidate)).is_some()).count() > 0
}

#[test]
fn an_earlier_document_is_published_after_repeated_confirmation() {
    let mut publisher = following();
    let latest = candidate("1970-01-01T00:00:03Z", "latest");
    let restored = candidate("1970-01-01T00:00:01Z", "restored");
    let undated = Candidate { updated_at: None, ..candidate("1970-01-01T00:00:01Z", "undated") };
    fetch(&mut publisher, 10_000, Ok(&latest)).unwrap();
    // After any different answer, the two minutes of identical answers start again.
    for between in [Ok(&latest), Ok(&undated), Err("502")] {
        assert!(!say(&mut publisher, 20_000, 130_000, &restored));
        fetch(&mut publisher, 135_000, between);
    }
    assert!(!say(&mut publisher, 140_000, 259_999, &restored));
    assert!(publisher.schedule.fault.is_some());
    assert!(say(&mut publisher, 260_000, 260_000, &restored));
    assert_eq!((publisher.schedule.fault.clone(), publisher.changelog.len()), (None, 2));
    // From there on publishing is as usual.
    assert!(fetch(&mut publisher, 270_000, Ok(&restored)).is_none());
    assert!(fetch(&mut publisher, 280_000, Ok(&candidate("1970-01-01T00:00:02Z", "new"))).is_some());
    assert!(fetch(&mut publisher, 290_000, Ok(&undated)).is_none());
    assert!(say(&mut publisher, 300_000, 410_000, &undated));
}

#[test]
fn a_future_date_does_not_block_later_changes() {
    let mut publisher = following();
    let wrong = candidate("2037-01-01T00:00:00Z", "a");
    fetch(&mut publisher, 10_000, Ok(&wrong)).unwrap();
    assert!(fetch(&mut publisher, 20_000, Ok(&wrong)).is_none());
    assert!(fetch(&mut publisher, 30_000, Ok(&candidate("1970-01-01T00:00:09Z", "older"))).is_none());
    assert!(fetch(&mut publisher, 40_000, Ok(&candidate("1970-01-01T00:00:39Z", "b"))).is_some());
    // With a clock that is slightly ahead, the later document is still recognized.
    assert!(fetch(&mut publisher, 50_000, Ok(&candidate("1970-01-01T00:01:40Z", "c"))).is_some());
    assert!(fetch(&mut publisher, 60_000, Ok(&candidate("1970-01-01T00:01:30Z", "b"))).is_none());
}

#[test]
fn a_state_without_stored_notifications_is_read() {
    let mut publisher = following();
    publisher.notify(true, Some(NotificationKind::Realtime), 5_500, INTERVAL);
    let mut state = serde_json::to_value(&publisher).unwrap();
    assert_eq!(state.as_object_mut().unwrap().remove("last_notification").unwrap()["at"], 5_000);
    let read: Publisher = serde_json::from_value(state).unwrap();
    assert_eq!(read, Publisher { last_notification: None, ..publisher });
}

#[test]
fn a_burst_of_notifications_changes_the_state_once_a_second() {
    let mut publisher = following();
    publisher.notify(true, Some(NotificationKind::OrganisationWebhook), 7_001, INTERVAL);
    let before = publisher.clone();
    publisher.notify(true, Some(NotificationKind::OrganisationWebhook), 7_999, INTERVAL);
    assert_eq!(publisher, before);
    // A write through the worker is not a notification.
    publisher.notify(true, None, 8_500, INTERVAL);
    assert_eq!(publisher.last_notification, before.last_notification);
}

/// The times at which the origin is asked for the document, and for the list of server keys, in ten minutes. Each
/// answer takes `takes`; `notifications` come at these times.
fn asked(takes: u64, fails: bool, notifications: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let mut publisher = following();
    let said = candidate("1970-01-01T00:00:01Z", "a");
    let (mut documents, mut keys, mut now, mut random) = (Vec::new(), Vec::new(), 1_000, 0);
    while now < 600_000 {
        notifications.iter().filter(|at| (**at..**at + 100).contains(&now)).for_each(|at| {
            publisher.notify(true, Some(NotificationKind::Realtime), *at, INTERVAL);
        });
        let began = now;
        match publisher.next(now, true) {
            PublisherAction::Fetch(_) => {
                documents.push(began);
                publisher.schedule.began(began);
                if publisher.origin_keys.wait(began) == 0 {
                    keys.push(began);
                    publisher.origin_keys.began(began, INTERVAL);
                }
                now += takes;
                random += 7;
                let outcome = if fails { Err("500".to_owned()) } else { Ok(&said) };
                publisher.fetched(outcome, &key(), now, INTERVAL, random);
            }
            PublisherAction::ListKeys => {
                keys.push(began);
                publisher.origin_keys.began(began, INTERVAL);
                now += takes;
            }
            _ => now += 100,
        }
    }
    (documents, keys)
}

#[test]
fn server_keys_are_fetched_every_60_to_66_seconds() {
    let often: Vec<_> = (1..60).map(|count| count * 10_000).collect();
    for (takes, fails, notifications) in [
        (300, false, &[][..]),
        (2_000, false, &[]),
        (300, true, &[]),
        (300, false, &often),
        (300, false, &[53_000]),
    ] {
        let (documents, keys) = asked(takes, fails, notifications);
        let gaps: Vec<_> = keys.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (54_000..=66_100 + takes).contains(gap)), "{gaps:?}");
        assert!((9..=12).contains(&keys.len()), "{keys:?}");
        if notifications.is_empty() && !fails {
            let together = keys.iter().filter(|at| documents.contains(at)).count();
            assert!(together + 2 >= keys.len(), "hardly ever by themselves: {documents:?} {keys:?}");
        }
    }
}

#[test]
fn server_keys_are_fetched_only_with_a_token() {
    let mut publisher = following_with(DocumentCredential::ServerKey("hash".to_owned()));
    publisher.schedule.began(1_000);
    assert_eq!(publisher.next(90_000, false), PublisherAction::Wait(None));
    // A refusal of a key means nothing once a token is used.
    publisher.origin_keys.refuse("0123456789abcdef", 1_000);
    publisher.start_publishing(DocumentCredential::ServerKey("other".to_owned()), 2_000);
    assert!(publisher.origin_keys.states(2_000).is_some());
    publisher.start_publishing(DocumentCredential::Token, 3_000);
    assert_eq!(publisher.origin_keys.states(3_000), None);
}

#[test]
fn a_state_without_fetched_server_keys_is_read() {
    let mut publisher = following();
    publisher.origin_keys.began(5_000, INTERVAL);
    let mut state = serde_json::to_value(&publisher).unwrap();
    state.as_object_mut().unwrap().remove("origin_keys").unwrap();
    let read: Publisher = serde_json::from_value(state).unwrap();
    assert_eq!(read.origin_keys, OriginKeys::default());
}
