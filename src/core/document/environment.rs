//! Compiled environment documents, from which SDK requests are answered.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::budget::MAX_STEPS;
use super::builder::{Builder, Definition, VariantDefinition};
use super::compressed::inflate;
use super::environment_key::{CLIENT_KEY_FORM, ClientKey};
use super::fault::Fault;
use super::feature_state::sort_key;
use super::fingerprint::fingerprint;
use super::flags::Flags;
use super::identifier::Identifier;
use super::identity_overrides::{IdentityOverrides, is_irregular};
use super::json::Json;
use super::outcomes::Outcomes;
use super::ruleset::{Engine, FeatureIndex, Ruleset, SegmentIndex, SegmentOverride};
use super::schema;
use super::sdk_document::sdk_document;
use super::timestamp::Timestamp;

/// A compiled environment.
#[derive(Debug)]
pub struct Environment {
    /// Features, segments and conditions.
    pub ruleset: Ruleset,
    /// The flags' JSON.
    pub flags: Flags,
    /// A hash that differs between documents, and between engines for the same document.
    pub version: Box<str>,
    /// The time of the origin's last change.
    pub updated_at: Option<UpdatedAt>,
    /// Unreadable fields that evaluation does not need. They are treated as absent.
    pub left_out: Vec<Fault>,
    /// The flags' JSON for OpenFeature, rendered when the first client of that protocol needs it.
    pub open_feature: OnceLock<Outcomes>,
    /// True if client keys may send traits.
    pub allow_client_traits: bool,
    /// True if answers leave out stored traits.
    pub hide_sensitive_data: bool,
    /// True if the organisation must not be served.
    pub stop_serving_flags: bool,
    /// True if the organisation stores traits.
    pub persist_trait_data: bool,
    pub(super) use_identity_composite_key_for_hashing: bool,
    pub(super) client_key: ClientKey,
    /// The ids of the features in the origin's database. The position in the list is the feature's index.
    pub(super) feature_ids: Vec<i64>,
    /// In the order of the identifiers.
    pub(super) identity_overrides: Vec<(Identifier, IdentityOverrides)>,
    pub(super) document: Box<[u8]>,
}

/// The time of an environment's last change, and its text in a header.
#[derive(Debug)]
pub struct UpdatedAt {
    /// The time.
    pub timestamp: Timestamp,
    /// `X-Flagsmith-Document-Updated-At`
    pub seconds: Box<str>,
}

impl UpdatedAt {
    fn parse(date: Json<'_>) -> Option<UpdatedAt> {
        let timestamp = Timestamp::from_json(date)?;
        Some(UpdatedAt { timestamp, seconds: timestamp.seconds_text().into() })
    }
}

impl Environment {
    /// Compiles a document as published (contract §B).
    pub fn parse(published: &[u8], engine: Engine) -> Result<Environment, Fault> {
        let text = str::from_utf8(published).map_err(|_| Fault::of(".", "is not UTF-8"))?;
        if let Ok(document) = serde_json::from_str(text) {
            return Environment::compile(published, &document, engine);
        }
        // Parsing also fails for a compressed document, since its compressed parts are base64 texts.
        let inflated = inflate(published);
        let plain = inflated.as_deref().unwrap_or(text);
        let document = serde_json::from_str(plain).map_err(|error| Fault::found(plain, &error))?;
        Environment::compile(plain.as_bytes(), &document, engine)
    }

    fn compile(
        published: &[u8],
        document: &schema::Document<'_>,
        engine: Engine,
    ) -> Result<Environment, Fault> {
        let key = document.api_key.as_deref().or(document.environment_api_key.text());
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| Fault::of("api_key", "is missing"))?;
        let client_key = ClientKey::parse(key)
            .ok_or_else(|| Fault::of("api_key", &format!("is no client key: that has {CLIENT_KEY_FORM}")))?;
        let updated_at = document.updated_at.and_then(UpdatedAt::parse);
        let project = &document.project;
        let hide_disabled = document.hide_disabled_flags.or(project.hide_disabled_flags).unwrap_or(false);

        let mut builder = Builder::new(engine, &client_key, document.name.text());
        let mut features = Vec::with_capacity(document.feature_states.len());
        for state in &document.feature_states {
            let metadata = state.metadata.json();
            let index =
                define(state, metadata, |definition| builder.feature(&state.feature.name, definition));
            features.push((index, &state.feature));
        }
        for segment in project.distinct_segments() {
            let mut overrides = Vec::with_capacity(segment.feature_states.len());
            for state in &segment.feature_states {
                if let Some(feature) = builder.feature_named(&state.feature.name) {
                    let metadata = state.metadata.json();
                    let index = define(state, metadata, |definition| builder.state(feature, definition));
                    let priority = state.feature_segment.as_ref().and_then(|segment| segment.priority);
                    overrides
                        .push(SegmentOverride { state: index, priority: priority.unwrap_or(f64::INFINITY) });
                }
            }
            let metadata = format!(r#"{{"id":{},"source":"api"}}"#, segment.id.json());
            let name = segment.name.text().unwrap_or_default();
            builder.segment(&segment.id.text, name, &segment.rules, overrides, &metadata);
        }
        let mut identity_overrides: HashMap<Identifier, IdentityOverrides> = HashMap::new();
        let spelt = spelt_as_requested(&document.identity_overrides);
        for (identifier, identity) in spelt {
            let overrides = identity_overrides.entry(identifier).or_default();
            overrides.django_id = overrides.django_id.or(identity.django_id);
            for state in &identity.identity_features {
                if let Some(feature) = builder.feature_named(&state.feature.name) {
                    // An identity with an override takes part in no experiment, so its flag has no metadata.
                    let index = define(state, "", |definition| builder.state(feature, definition));
                    overrides.states.push(index);
                }
            }
        }
        let mut feature_ids = vec![0; features.len()];
        for (index, feature) in &features {
            if let Some(slot) = feature_ids.get_mut(*index) {
                *slot = feature.id;
            }
        }
        let context = builder.needs_context().then(|| query_context(document, &client_key));
        let ruleset = builder.finish(context);
        let mut normalizes = is_irregular(&document.identity_overrides);
        let mut identity_overrides: Vec<_> = identity_overrides.into_iter().collect();
        identity_overrides.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (_, overrides) in &mut identity_overrides {
            normalizes |= overrides.keep_first_states(&ruleset);
        }
        let flags = Flags::render(&ruleset, &features, &project.server_key_only_feature_ids, hide_disabled);
        Ok(Environment {
            ruleset,
            flags,
            version: version(published, engine),
            left_out: left_out(document, updated_at.is_none()),
            updated_at,
            open_feature: OnceLock::new(),
            allow_client_traits: document.allow_client_traits.unwrap_or(true),
            hide_sensitive_data: document.hide_sensitive_data.unwrap_or(false),
            stop_serving_flags: project.organisation.stop_serving_flags.unwrap_or(false),
            persist_trait_data: project.organisation.persist_trait_data.unwrap_or(true),
            use_identity_composite_key_for_hashing: document
                .use_identity_composite_key_for_hashing
                .unwrap_or(false),
            feature_ids,
            identity_overrides,
            document: sdk_document(published, &client_key, normalizes).into(),
            client_key,
        })
    }

    /// The environment's client key.
    pub fn key(&self) -> &ClientKey {
        &self.client_key
    }

    /// The document's overrides for the identity with exactly this identifier.
    pub fn identity_overrides(&self, identifier: &Identifier) -> Option<&IdentityOverrides> {
        let found = self.identity_overrides.binary_search_by(|(known, _)| known.cmp(identifier)).ok()?;
        self.identity_overrides.get(found).map(|(_, overrides)| overrides)
    }

    /// The feature with this number in the origin's database.
    pub fn feature_with_id(&self, id: i64) -> Option<FeatureIndex> {
        self.feature_ids
            .iter()
            .position(|&known| known == id)
            .filter(|&feature| feature < self.ruleset.features.len())
    }

    /// True if buckets are hashed from the identities' numbers in the origin's database
    /// (`use_identity_composite_key_for_hashing` false).
    pub fn hashes_django_ids(&self) -> bool {
        !self.use_identity_composite_key_for_hashing
    }

    /// The text from which an identity's buckets are hashed, and the value of `$.identity.key` (contract §C.3). It is
    /// the composite key, unless the environment hashes the identity's number in the origin's database. `stored` is the
    /// imported number. If no number was imported, the number in the document's entry for the identity is used.
    pub fn identity_key(&self, identifier: &Identifier, stored: Option<i64>) -> String {
        let published = || self.identity_overrides(identifier).and_then(|overrides| overrides.django_id);
        let number = if self.hashes_django_ids() { stored.or_else(published) } else { None };
        match number {
            Some(number) => number.to_string(),
            None => [self.client_key.as_str(), "_", identifier].concat(),
        }
    }

    /// A deliberately high estimate of the size in memory, in bytes. `make bench` measures 2.0 to 2.2 times the
    /// document's length. A document with a JSONPath query took about 10 times its length in workerd.
    pub fn memory_length(&self) -> usize {
        // The document, its compiled form, and its parsed values if a query needs them.
        let factor = if self.ruleset.context.is_some() { 10 } else { 4 };
        self.document.len() * factor
    }

    /// The text for the log about a segment that spent the budget of an evaluation.
    pub fn exhaustion(&self, segment: SegmentIndex) -> String {
        let metadata =
            self.ruleset.segments.get(segment).map_or("", |segment| self.ruleset.json(segment.metadata));
        let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
        let id = metadata.get("id").unwrap_or(&Value::Null);
        format!(
            "the conditions of segment {id} need more than the {MAX_STEPS} steps of an evaluation; those that need more do not hold"
        )
    }

    /// The document in the form for SDKs.
    pub fn document(&self) -> &[u8] {
        &self.document
    }
}

/// Returns the fields of [`Environment::left_out`]. There are at most ten, so that they fit into a line of the log.
fn left_out(document: &schema::Document<'_>, is_undated: bool) -> Vec<Fault> {
    const MOST: usize = 10;
    let no_text = "is no text";
    let date = document.updated_at.filter(|_| is_undated).map(|_| Fault::of("updated_at", "is no date"));
    let name = document.name.is_unreadable().then(|| Fault::of("name", no_text));
    let segments = document.project.segments.iter().enumerate();
    let segments = segments.filter(|(_, segment)| segment.name.is_unreadable());
    let segments = segments.map(|(index, _)| Fault::of(&format!("project.segments[{index}].name"), no_text));
    let types = document.feature_states.iter().enumerate();
    let types = types.filter(|(_, state)| state.feature.kind.is_unreadable());
    let types = types.map(|(index, _)| Fault::of(&format!("feature_states[{index}].feature.type"), no_text));
    let defaults = unreadable_metadata(&document.feature_states);
    let defaults = defaults.map(|state| metadata_fault(&format!("feature_states[{state}]")));
    let overrides = document.project.segments.iter().enumerate().flat_map(|(segment, overrides)| {
        let path = move |state| format!("project.segments[{segment}].feature_states[{state}]");
        unreadable_metadata(&overrides.feature_states).map(move |state| metadata_fault(&path(state)))
    });
    let metadata = defaults.chain(overrides);
    date.into_iter().chain(name).chain(segments).chain(types).chain(metadata).take(MOST).collect()
}

/// The indices of the states with unreadable metadata.
fn unreadable_metadata(states: &[schema::FeatureState<'_>]) -> impl Iterator<Item = usize> {
    states.iter().enumerate().filter(|(_, state)| state.metadata.is_unreadable()).map(|(index, _)| index)
}

fn metadata_fault(state: &str) -> Fault {
    Fault::of(&[state, ".metadata"].concat(), schema::NO_METADATA)
}

fn version(published: &[u8], engine: Engine) -> Box<str> {
    let mut hasher = DefaultHasher::new();
    (fingerprint(published), engine, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
    format!("{:016x}", hasher.finish()).into()
}

/// Calls `add` with a feature state's definition, and returns its result.
fn define<T>(state: &schema::FeatureState<'_>, metadata: &str, add: impl FnOnce(&Definition<'_>) -> T) -> T {
    let mut values: Vec<_> = state.multivariate_feature_state_values.iter().collect();
    values.sort_by_key(|value| sort_key(value.id, value.mv_fs_value_uuid.as_deref()));
    let variants = values.into_iter().map(|value| VariantDefinition {
        weight: value.percentage_allocation,
        key: value.multivariate_feature_option.key.as_deref(),
        value: value.multivariate_feature_option.value.0,
    });
    add(&Definition {
        key: &state_key(state),
        enabled: state.enabled,
        value: state.feature_state_value.0,
        variants: variants.collect(),
        metadata,
    })
}

/// The key for the hash of a state's buckets: its id, else its UUID, else its feature's id, which is stable, too.
fn state_key(state: &schema::FeatureState<'_>) -> String {
    match (state.django_id, &state.featurestate_uuid) {
        (Some(id), _) => id.to_string(),
        (None, Some(uuid)) => uuid.to_string(),
        (None, None) => state.feature.id.to_string(),
    }
}

/// Returns the identities with their normalized identifiers. If the document has both a trimmed identifier and an
/// untrimmed form of it, the untrimmed entry is ignored.
fn spelt_as_requested<'d, 'a>(
    identities: &'d [schema::IdentityOverride<'a>],
) -> impl Iterator<Item = (Identifier, &'d schema::IdentityOverride<'a>)> {
    let exact: HashSet<&str> = identities.iter().map(|identity| &*identity.identifier).collect();
    identities.iter().filter_map(move |identity| {
        let identifier = Identifier::normalize(&*identity.identifier);
        let counts = *identifier == *identity.identifier || !exact.contains(identifier.as_str());
        counts.then_some((identifier, identity))
    })
}

/// The evaluation context of the document, without an identity (contract §C.0), for JSONPath queries.
fn query_context(document: &schema::Document<'_>, client_key: &ClientKey) -> Map<String, Value> {
    let feature = |state: &schema::FeatureState<'_>| {
        let value = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let variant = |value_: &schema::MultivariateValue<'_>| {
            json!({
                "value": value(value_.multivariate_feature_option.value.0),
                "weight": value_.percentage_allocation,
            })
        };
        let mut context = json!({
            "key": state_key(state),
            "name": state.feature.name,
            "enabled": state.enabled,
            "value": value(state.feature_state_value.0),
            "metadata": {"id": state.feature.id},
        });
        if !state.multivariate_feature_state_values.is_empty()
            && let Some(members) = context.as_object_mut()
        {
            let variants = state.multivariate_feature_state_values.iter().map(variant).collect();
            members.insert("variants".to_owned(), Value::Array(variants));
        }
        context
    };
    let features =
        document.feature_states.iter().map(|state| (state.feature.name.to_string(), feature(state)));
    let segments = document.project.distinct_segments().into_iter().map(|segment| {
        let overrides: Vec<Value> = segment.feature_states.iter().map(feature).collect();
        (
            segment.id.text.to_string(),
            json!({"key": segment.id.text, "name": segment.name.text().unwrap_or_default(), "overrides": overrides}),
        )
    });
    let mut context = Map::new();
    context.insert("environment".to_owned(), json!({"key": client_key, "name": document.name.text()}));
    context.insert("features".to_owned(), Value::Object(features.collect()));
    context.insert("segments".to_owned(), Value::Object(segments.collect()));
    context
}
