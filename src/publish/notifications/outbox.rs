//! Notifications to environments' objects, sent in batches that fit into one invocation.
//!
//! On the platform's smallest plan an invocation may make 50 requests; the rest waits for the next one.

use indexmap::IndexSet;

use crate::document::ClientKey;
use crate::publish::notifications::webhook::NotificationKind;

/// The number of objects that are called at a time. An alarm makes a few more requests: it also runs one task of a
/// discovery.
const CALLS: usize = 40;

/// A notification to an environment's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notification {
    /// The document may have changed.
    Changed {
        /// True if the object should fetch a second time later, since an origin may process a change after its
        /// notification.
        again: bool,
        /// The kind of the origin's notification, if one arrived.
        kind: Option<NotificationKind>,
    },
    /// A routine check of the object's state.
    Reconcile,
}

/// The notifications that are not sent yet, in order. Changed environments are first, since there may be routine checks
/// for all environments.
#[derive(Debug, Default)]
pub struct NotificationQueue {
    changed: IndexSet<(ClientKey, Notification)>,
    routine: IndexSet<(ClientKey, Notification)>,
}

impl NotificationQueue {
    /// Adds a notification for each of these environments. If there are many, each fetches only once, since the write
    /// changed few of them and each fetch is a request to the origin.
    pub fn notify(&mut self, client_keys: Vec<ClientKey>, kind: Option<NotificationKind>) {
        let again = client_keys.len() <= CALLS;
        self.changed.extend(all(client_keys, Notification::Changed { again, kind }));
    }

    /// Adds a routine check for each of these environments.
    pub fn reconcile(&mut self, client_keys: Vec<ClientKey>) {
        self.routine.extend(all(client_keys, Notification::Reconcile));
    }

    /// True if all are sent.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.routine.is_empty()
    }

    /// Removes and returns the next batch.
    pub fn next_batch(&mut self) -> Vec<(ClientKey, Notification)> {
        let mut taken = Vec::new();
        for notifications in [&mut self.changed, &mut self.routine] {
            let room = CALLS - taken.len();
            taken.extend(notifications.drain(..notifications.len().min(room)));
        }
        taken
    }
}

fn all(
    client_keys: Vec<ClientKey>,
    notification: Notification,
) -> impl Iterator<Item = (ClientKey, Notification)> {
    client_keys.into_iter().map(move |client_key| (client_key, notification))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environments(count: usize) -> Vec<ClientKey> {
        (0..count).map(|number| ClientKey::unchecked(&format!("e{number}"))).collect()
    }

    /// The sizes of the batches, until none is left.
    fn portions(notifications: &mut NotificationQueue) -> Vec<usize> {
        let portion = |notifications: &mut NotificationQueue| {
            Some(notifications.next_batch().len()).filter(|count| *count > 0)
        };
        std::iter::from_fn(|| portion(notifications)).collect()
    }

    #[test]
    fn many_notifications_are_sent_in_portions() {
        let mut notifications = NotificationQueue::default();
        notifications.notify(environments(500), None);
        let portions = portions(&mut notifications);
        assert!(portions.iter().all(|count| *count <= CALLS), "{portions:?}");
        assert_eq!((portions.iter().sum::<usize>(), notifications.is_empty()), (500, true));
    }

    #[test]
    fn a_waiting_notification_is_sent_once() {
        let mut notifications = NotificationQueue::default();
        notifications.notify(environments(100), None);
        assert_eq!(notifications.next_batch().len(), CALLS);
        // Sent notifications are queued again; waiting ones stay queued once.
        notifications.notify(environments(100), None);
        notifications.reconcile(environments(3));
        assert_eq!(portions(&mut notifications).iter().sum::<usize>(), 103);
    }

    #[test]
    fn changes_come_before_routine_checks() {
        let mut notifications = NotificationQueue::default();
        notifications.reconcile(environments(10_000));
        notifications.notify(environments(3), None);
        let taken = notifications.next_batch();
        assert_eq!(taken.len(), CALLS);
        assert!(
            taken[..3]
                .iter()
                .all(|(_, notification)| *notification == Notification::Changed { again: true, kind: None }),
            "{taken:?}"
        );
        assert_eq!(portions(&mut notifications).iter().sum::<usize>(), 10_003 - CALLS);
    }

    #[test]
    fn a_large_batch_causes_no_second_fetches() {
        for (count, again) in [(1, true), (40, true), (41, false), (500, false)] {
            let mut notifications = NotificationQueue::default();
            notifications.notify(environments(count), None);
            let all = notifications.next_batch();
            assert!(
                all.iter()
                    .all(|(_, notification)| *notification == Notification::Changed { again, kind: None }),
                "{count}"
            );
        }
    }
}
