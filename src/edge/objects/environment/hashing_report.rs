//! The log line about an environment that hashes the numbers of the origin's database.

use std::time::Duration;

use worker::Env;

use crate::document::ClientKey;
use crate::edge::objects::directory::client::Directory;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;

/// The time limit for the directory to count identities.
const COUNT_TIMEOUT: Duration = Duration::from_secs(5);
const LEGACY_HASHING: &str = "use_identity_composite_key_for_hashing is off, so the origin hashes identities by the \
     numbers of its database";
const MEND_HASHING: &str =
    "Switch it on in the environment's settings, or import the identities from the origin";

/// Logs the number of identities without a number of the origin's database, if the published version hashes that
/// number.
pub async fn log(env: Env, client_key: ClientKey) {
    let directory = Directory::new(&env, &client_key);
    let without = match with_timeout(COUNT_TIMEOUT, directory.count_without_django_id()).await {
        Some(Ok(0)) => return,
        Some(Ok(count)) => count.to_string(),
        Some(Err(_)) | None => "not known".to_owned(),
    };
    let cause = format!("{LEGACY_HASHING}; identities without one here: {without}. {MEND_HASHING}");
    Failure::new(Source::Origin, cause).log(Some(&client_key));
}
