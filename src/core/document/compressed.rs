//! Stored documents with compressed parts: gzip of JSON, as base64 (contract §B, `compressed`).

use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::read::GzDecoder;

use super::json::Json;

/// The maximum inflated length of a part, in bytes: the limit of a KV value.
const MAX_INFLATED_LENGTH: u64 = 25 * 1024 * 1024;

/// Returns the document with inflated parts, or `None` if the document is not compressed or cannot be read.
pub fn inflate(published: &[u8]) -> Option<String> {
    let members = Json::parse(published).ok()?.object()?;
    if !members.get("compressed")?.is_true() {
        return None;
    }
    let mut document = String::from("{");
    for (name, value) in members.iter() {
        let inflated = match (name, value.text()) {
            ("compressed", _) => continue,
            ("project" | "feature_states", Some(base64)) => Some(inflate_part(&base64)?),
            _ => None,
        };
        let value = inflated.as_deref().unwrap_or(value.source());
        document.extend([serde_json::Value::from(name).to_string().as_str(), ":", value, ","]);
    }
    document.truncate(document.trim_end_matches(',').len());
    document.push('}');
    Some(document)
}

fn inflate_part(base64: &str) -> Option<String> {
    let compressed = BASE64_STANDARD.decode(base64).ok()?;
    let mut part = String::new();
    GzDecoder::new(compressed.as_slice()).take(MAX_INFLATED_LENGTH).read_to_string(&mut part).ok()?;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_parts_are_inflated() {
        // gzip of `{"id": 1}` and of `[]`.
        let document = r#"{"compressed":true,"environment_api_key":"k","project":"H4sIAAAAAAACA6tWykxRslIwrAUAhUDUVgkAAAA=",
            "feature_states":"H4sIAAAAAAACA4uOBQApu0wNAgAAAA==","name":"x"}"#;
        let expected = r#"{"environment_api_key":"k","project":{"id": 1},"feature_states":[],"name":"x"}"#;
        assert_eq!(inflate(document.as_bytes()).as_deref(), Some(expected));
    }

    #[test]
    fn uncompressed_documents_are_unchanged() {
        for document in [
            r#"{"project":{}}"#,
            r#"{"compressed":false,"project":"H4s="}"#,
            r#"{"compressed":true,"project":"?"}"#,
        ] {
            assert_eq!(inflate(document.as_bytes()), None, "{document}");
        }
    }
}
