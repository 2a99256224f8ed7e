//! Decides what of an origin's is published, and when: everything of the environment and registry objects but their IO.
//!
//! A document is fetched, checked as a [`Candidate`], compared by its content, and published by a [`Publisher`] under a
//! [`Version`] that only grows. A [`DiscoveryRun`] finds out which environments there are, a [`Registry`] what that changes.
//! A fault never takes anything away: what was published last stays.

mod announcement;
mod candidate;
mod check;
mod content;
mod discovery;
mod discovery_run;
mod discovery_schedule;
mod document_pages;
mod endpoint;
mod outbox;
mod pagination;
mod publisher;
mod registry;
mod schedule;
mod server_keys;
mod status;
mod version;
mod webhook;

pub use announcement::Announcement;
pub use candidate::{Candidate, MAX_DOCUMENT_LENGTH};
pub use check::{check_document, check_server_key};
pub use discovery::{EnvironmentSummary, OriginRequest};
pub use discovery_run::{DiscoveryRun, Task};
pub use discovery_schedule::DiscoverySchedule;
pub use document_pages::DocumentPages;
pub use endpoint::Endpoint;
pub use outbox::{Notification, NotificationQueue};
pub use pagination::{parse_link_next, same_origin_path};
pub use publisher::{DocumentCredential, Published, Publisher, PublisherAction};
pub use registry::{Registry, RegistryChange};
pub use schedule::{FailureStreak, RefreshInterval, Schedule};
pub use server_keys::{KeyStates, OriginKeys, read_server_keys};
pub use status::{stored, stored_keys};
pub use version::Version;
pub use webhook::{
    MAX_NOTIFICATION_LENGTH, NotificationKind, ReceivedNotification, constant_time_eq, is_of_documents,
    is_queue_change, verify_signature, webhook_id,
};
