//! Binary images of compiled environments.
//!
//! Reading and compiling a large document takes most of an isolate's first request. A publisher compiles it once, and
//! stores the result as an image. Loading an image only checks bounds, copies texts and builds lists. What few requests
//! need stays as text: conditions are compiled when they are first evaluated.
//!
//! The layout is written by hand. Crates for archived data would need the evaluation to read their types, and take more
//! of the worker's size.
//!
//! # Layout
//! All numbers are little-endian. A text is its length as `u32`, then UTF-8. A list is its length as `u32`, then its
//! items. A span is two `u32`: the start and the end of a slice of a text.
//!
//! | part | content |
//! |---|---|
//! | magic | `FLAGSIMG` |
//! | format | `u32`, raised with every change of the layout |
//! | checksum | `u64`, the XXH3 of all following bytes |
//! | origin of the image | engine, version of the build, fingerprint of the published document |
//! | environment | settings, and the document for SDKs if it differs from the published one |
//! | ruleset | its text; features, states, segments, conditions, properties; the context of queries |
//! | flags | their text, and the spans in it |
//!
//! # Trust
//! An image is checked like a document. Each count is compared with the remaining bytes before anything is allocated, and
//! each index and span with its list or text. So an image with a valid checksum and wrong content is refused, or is an
//! environment like any other.

mod fault;
mod flags;
mod reader;
mod ruleset;
mod writer;

use std::sync::OnceLock;

pub use fault::ImageFault;
use fault::Result;
use reader::Reader;
use writer::Writer;

use super::environment::{Environment, UpdatedAt};
use super::environment_key::ClientKey;
use super::fault::Fault;
use super::fingerprint::fingerprint;
use super::identifier::Identifier;
use super::identity_overrides::IdentityOverrides;
use super::ruleset::Engine;
use super::timestamp::Timestamp;

const MAGIC: [u8; 8] = *b"FLAGSIMG";
/// The number of the layout.
const FORMAT: u32 = 1;
/// The version of the build, since another build may render flags differently.
const BUILD: &str = env!("CARGO_PKG_VERSION");
/// The maximum number of [`Environment::left_out`].
const MAX_LEFT_OUT: usize = 10;

/// Computes the checksum of an image that was changed, so that tests reach the checks behind it.
pub fn with_valid_checksum(mut image: Vec<u8>) -> Vec<u8> {
    let checksum = image.get(20..).map(fingerprint);
    if let (Some(checksum), Some(place)) = (checksum, image.get_mut(12..20)) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    image
}

impl Environment {
    /// Writes an image of the environment. `published` is the document from which it was compiled.
    pub fn to_image(&self, published: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(&MAGIC);
        writer.u32(FORMAT);
        writer.u64(0);
        writer.u8(engine_number(self.ruleset.engine));
        writer.text(BUILD);
        writer.u64(fingerprint(published));
        writer.text(&self.version);
        writer.text(&self.client_key);
        writer.option(self.updated_at.as_ref(), |writer, date| writer.i64(date.timestamp.microseconds));
        writer.list(&self.left_out, |writer, fault| {
            writer.text(&fault.field);
            writer.text(&fault.problem);
        });
        for flag in [
            self.allow_client_traits,
            self.hide_sensitive_data,
            self.stop_serving_flags,
            self.persist_trait_data,
            self.use_identity_composite_key_for_hashing,
        ] {
            writer.bool(flag);
        }
        let own = (*self.document != *published).then_some(&self.document);
        writer.option(own, |writer, document| {
            writer.count(document.len());
            writer.bytes(document);
        });
        ruleset::write(&mut writer, &self.ruleset);
        flags::write(&mut writer, &self.flags);
        writer.list(&self.feature_ids, |writer, id| writer.i64(*id));
        writer.list(&self.identity_overrides, |writer, (identifier, overrides)| {
            writer.text(identifier);
            writer.option(overrides.django_id, |writer, id| writer.i64(id));
            writer.list(&overrides.states, |writer, state| writer.count(*state));
        });
        with_valid_checksum(writer.into_bytes())
    }

    /// Loads an environment from its image and the published document.
    pub fn from_image(image: &[u8], published: impl Into<Box<[u8]>>, engine: Engine) -> Result<Environment> {
        let published = published.into();
        let mut reader = Reader::new(image);
        if reader.bytes(MAGIC.len()) != Ok(&MAGIC) {
            return Err(ImageFault::NoImage);
        }
        if reader.u32() != Ok(FORMAT) {
            return Err(ImageFault::OtherFormat);
        }
        if reader.u64() != Ok(fingerprint(reader.rest())) {
            return Err(ImageFault::Damaged);
        }
        let made_for = reader.u8()?;
        if reader.text()? != BUILD {
            return Err(ImageFault::OtherBuild);
        }
        if made_for != engine_number(engine) {
            return Err(ImageFault::OtherEngine);
        }
        if reader.u64()? != fingerprint(&published) {
            return Err(ImageFault::OtherDocument);
        }
        let version = reader.text()?;
        // It becomes part of headers.
        if version.len() > 16 || !version.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(ImageFault::Invalid);
        }
        let client_key = ClientKey::parse(reader.text()?).ok_or(ImageFault::Invalid)?;
        let updated_at = reader.option(Reader::i64)?.map(|microseconds| {
            let timestamp = Timestamp { microseconds };
            UpdatedAt { timestamp, seconds: timestamp.seconds_text().into() }
        });
        let left_out = reader.list(8, |reader| Ok(Fault::of(reader.text()?, reader.text()?)))?;
        let [allow_client_traits, hide_sensitive_data, stop_serving_flags, persist_trait_data, composite] =
            [reader.bool()?, reader.bool()?, reader.bool()?, reader.bool()?, reader.bool()?];
        let own = reader.option(|reader| {
            let length = reader.count(1)?;
            reader.bytes(length)
        })?;
        let ruleset = ruleset::read(&mut reader, engine, &client_key)?;
        let flags = flags::read(&mut reader, &ruleset)?;
        let feature_ids = reader.list(8, Reader::i64)?;
        let identity_overrides = reader.list(9, |reader| {
            let identifier = Identifier::verbatim(reader.text()?);
            let django_id = reader.option(Reader::i64)?;
            let states = reader.list(4, |reader| reader.index(ruleset.states.len()))?;
            Ok((identifier, IdentityOverrides { states, django_id }))
        })?;
        // They are found by binary search.
        let is_sorted = identity_overrides.is_sorted_by(|(one, _), (other, _)| one < other);
        let is_complete = feature_ids.len() == ruleset.features.len() && reader.rest().is_empty();
        if !is_sorted || !is_complete || left_out.len() > MAX_LEFT_OUT {
            return Err(ImageFault::Invalid);
        }
        Ok(Environment {
            ruleset,
            flags,
            version: version.into(),
            updated_at,
            left_out,
            open_feature: OnceLock::new(),
            allow_client_traits,
            hide_sensitive_data,
            stop_serving_flags,
            persist_trait_data,
            use_identity_composite_key_for_hashing: composite,
            client_key,
            feature_ids,
            identity_overrides,
            document: own.map_or(published, Into::into),
        })
    }
}

fn engine_number(engine: Engine) -> u8 {
    match engine {
        Engine::V10 => 10,
        Engine::V11 => 11,
    }
}
