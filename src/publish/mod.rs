//! Decides which documents of the origin are published, and when. This is the logic of the environment objects and the
//! registry object, without IO.
//!
//! A document is fetched, checked as a [`Candidate`], compared by its content, and published by a [`Publisher`] under a
//! [`DocumentVersion`] that only grows. A [`DiscoveryRun`] finds the environments, and a [`Registry`] derives the changes. A
//! fault removes nothing: the last published document stays.

mod check;
mod discovery;
mod notifications;
mod publisher;
mod schedule;
mod status;

pub use check::{check_document, check_server_key};
pub use discovery::inventory::{EnvironmentSummary, OriginRequest};
pub use discovery::pagination::{parse_link_next, same_origin_path};
pub use discovery::registry::{Registry, RegistryChange};
pub use discovery::run::{DiscoveryRun, DiscoveryTask};
pub use discovery::schedule::DiscoverySchedule;
pub use notifications::outbox::{Notification, NotificationQueue};
pub use notifications::webhook::{
    MAX_NOTIFICATION_LENGTH, NotificationKind, ReceivedNotification, constant_time_eq, is_of_documents,
    is_queue_change, verify_signature, webhook_id,
};
pub use publisher::announcement::Announcement;
pub use publisher::candidate::{Candidate, MAX_DOCUMENT_LENGTH};
pub use publisher::document_pages::DocumentPages;
pub use publisher::server_keys::{KeyStates, OriginKeys, read_server_keys};
pub use publisher::state::{DocumentCredential, Published, Publisher, PublisherAction};
pub use publisher::version::DocumentVersion;
pub use publisher::wanted_version::WantedVersion;
pub use schedule::{FailureStreak, RefreshInterval, Schedule};
pub use status::{stored, stored_keys};
