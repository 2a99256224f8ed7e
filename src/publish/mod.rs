//! Decides what of an origin's is published, and when: everything of the environment and registry objects but their IO.
//!
//! A document is fetched, checked as a [`Candidate`], compared by its content, and published by a [`Publisher`] under a
//! [`Version`] that only grows. A [`Survey`] finds out which environments there are, a [`Registry`] what that changes.
//! A fault never takes anything away: what was published last stays.

mod announcement;
mod candidate;
mod check;
mod content;
mod discoveries;
mod discovery;
mod endpoint;
mod outbox;
mod next_page;
mod notice;
mod pages;
mod publisher;
mod registry;
mod schedule;
mod server_keys;
mod status;
mod survey;
mod version;

pub use announcement::Announcement;
pub use candidate::{Candidate, MAX_DOCUMENT_LENGTH};
pub use check::{check_document, check_server_key};
pub use discoveries::Discoveries;
pub use discovery::{Ask, Listed};
pub use endpoint::Endpoint;
pub use outbox::{Notification, NotificationQueue};
pub use next_page::{linked_page, own_page};
pub use notice::{
    MAX_NOTICE_LENGTH, Notice, NoticeKind, is_of_documents, is_queue_change, is_signed, same_secret,
    webhook_id,
};
pub use pages::Pages;
pub use publisher::{Credential, Published, Publisher, Step};
pub use registry::{Change, Registry};
pub use schedule::{Fault, Pace, Schedule};
pub use server_keys::{KeyStates, OriginKeys, read_server_keys};
pub use status::{stored, stored_keys};
pub use survey::{Survey, Task};
pub use version::Version;
