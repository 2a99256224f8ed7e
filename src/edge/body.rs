//! Reads a request's body up to a bound and not further.

use futures_util::StreamExt;
use worker::Request;

use crate::api::Error;

/// The whole body; an error for one that is longer than `limit` bytes, or that breaks off.
pub async fn read(request: &mut Request, limit: usize) -> Result<Vec<u8>, Error> {
    let length = request.inner().headers().get("content-length").ok().flatten();
    // More than this target's addresses can count.
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(Error::BodyTooLarge(limit));
    }
    let broken = |_| Error::Malformed("the request body broke off".to_owned());
    if length.is_some() {
        return request.bytes().await.map_err(broken);
    }
    // A request without a body has no stream either.
    let Ok(mut chunks) = request.stream() else { return Ok(Vec::new()) };
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(broken)?);
        if body.len() > limit {
            return Err(Error::BodyTooLarge(limit));
        }
    }
    Ok(body)
}
