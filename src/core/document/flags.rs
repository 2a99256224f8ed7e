//! The JSON of each flag, rendered once for every possible outcome of a request.
//!
//! The shapes are those of the Edge API (contract §A.1, §A.2): flags of identities have `variant`, and `metadata` if
//! their state has some; those of `GET /flags/` have neither.

use std::ops::Range;

use super::ruleset::{CompiledState, Feature, FeatureIndex, Ruleset, Span, StateIndex};
use super::schema;

/// The kind of key of a request. Features for server keys only stay hidden from client keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A client-side environment key; public.
    Client,
    /// A server-side environment key, `ser.…`; secret.
    Server,
}

/// The rendered flags of an environment.
#[derive(Debug)]
pub struct Flags {
    pub(super) text: Vec<u8>,
    /// The defaults for `GET /flags/`, by feature.
    pub(super) defaults: Vec<Span>,
    /// The outcomes of all states, with `variant` and `metadata`. For each state the outcome without a multivariate value is first,
    /// then one for each multivariate value.
    pub(super) outcomes: Vec<Span>,
    /// The index of the first outcome, by state.
    pub(super) first_outcomes: Vec<u32>,
    /// The start of the feature's flags, by feature.
    pub(super) heads: Vec<Head>,
    pub(super) server_key_only: Vec<bool>,
    pub(super) hide_disabled: bool,
    /// The defaults of all features as a list.
    pub(super) list: Span,
    /// The list for client keys, if it lacks a feature.
    pub(super) client_list: Option<Box<[u8]>>,
    /// The list for server keys, if it lacks a feature.
    pub(super) server_list: Option<Box<[u8]>>,
}

/// The start of every flag of a feature, up to `enabled`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    /// Its length.
    pub(super) length: u32,
    /// The place of the feature's number.
    pub(super) id: Span,
    /// The place of the feature's name.
    pub(super) name: Span,
    /// True if the feature is multivariate.
    pub(super) multivariate: bool,
}

/// Parts of a rendered flag, each as JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlagParts<'f> {
    /// The feature's number in the origin's database.
    pub id: &'f [u8],
    /// The feature's name.
    pub name: &'f [u8],
    /// The value.
    pub value: &'f [u8],
    /// The key of the variant, or null.
    pub variant: &'f [u8],
}

impl Flags {
    pub(super) fn render(
        ruleset: &Ruleset,
        features: &[(FeatureIndex, &schema::Feature<'_>)],
        server_key_only_feature_ids: &[i64],
        hide_disabled: bool,
    ) -> Flags {
        let mut flags = Flags {
            text: Vec::new(),
            defaults: vec![Span::default(); ruleset.features.len()],
            outcomes: Vec::with_capacity(ruleset.states.len()),
            first_outcomes: Vec::with_capacity(ruleset.states.len()),
            heads: Vec::with_capacity(ruleset.features.len()),
            server_key_only: vec![false; ruleset.features.len()],
            hide_disabled,
            list: Span::default(),
            client_list: None,
            server_list: None,
        };
        let mut heads = vec![Vec::new(); ruleset.features.len()];
        flags.heads = vec![Head::default(); ruleset.features.len()];
        for &(index, feature) in features {
            let kind = feature.kind.text().unwrap_or("STANDARD");
            let mut text = Vec::new();
            push(&mut text, &[br#"{"feature":{"id":"#]);
            let id = push(&mut text, &[feature.id.to_string().as_bytes()]);
            push(&mut text, &[br#","name":"#]);
            let name = push(&mut text, &[json_string(&feature.name).as_bytes()]);
            push(&mut text, &[br#","type":"#, json_string(kind).as_bytes(), br#"},"enabled":"#]);
            let multivariate = kind == "MULTIVARIATE";
            let head = Head { length: text.len() as u32, id, name, multivariate };
            if let (Some(slot), Some(known)) = (heads.get_mut(index), flags.heads.get_mut(index)) {
                (*slot, *known) = (text, head);
            }
            if let Some(hidden) = flags.server_key_only.get_mut(index) {
                *hidden = server_key_only_feature_ids.contains(&feature.id);
            }
        }
        flags.text.push(b'[');
        for ((index, feature), slot) in ruleset.features.iter().enumerate().zip(&mut flags.defaults) {
            let (Some(head), Some(state)) = (heads.get(index), ruleset.states.get(feature.default)) else {
                continue;
            };
            if index > 0 {
                flags.text.push(b',');
            }
            let value = ruleset.json(state.value).as_bytes();
            *slot = push(&mut flags.text, &[head, bool_json(state.enabled), VALUE, value, b"}"]);
        }
        flags.text.push(b']');
        flags.list = Span { start: 0, end: flags.text.len() as u32 };
        for state in &ruleset.states {
            let Some(head) = heads.get(state.feature) else { continue };
            let multivariate = flags.heads.get(state.feature).is_some_and(|head| head.multivariate);
            flags.first_outcomes.push(flags.outcomes.len() as u32);
            let Flags { text, outcomes, .. } = &mut flags;
            render_outcomes(text, outcomes, head, multivariate, state, |span| ruleset.json(span));
        }
        flags.text.shrink_to_fit();
        flags.with_lists(ruleset)
    }

    /// Adds the bodies of `GET /flags/` that lack a feature.
    pub(super) fn with_lists(mut self, ruleset: &Ruleset) -> Flags {
        self.client_list = self.join_defaults(ruleset, KeyKind::Client);
        self.server_list = self.join_defaults(ruleset, KeyKind::Server);
        self
    }

    /// True if an enabled or disabled flag of this feature is shown to this kind of key.
    #[inline(always)]
    pub fn shows(&self, feature: FeatureIndex, enabled: bool, key: KeyKind) -> bool {
        let hidden = self.server_key_only.get(feature).copied().unwrap_or(true);
        !(self.hide_disabled && !enabled || hidden && key == KeyKind::Client)
    }

    /// The body of `GET /flags/`.
    pub fn list(&self, key: KeyKind) -> &[u8] {
        let list = match key {
            KeyKind::Client => &self.client_list,
            KeyKind::Server => &self.server_list,
        };
        list.as_deref().unwrap_or_else(|| self.slice(Some(&self.list)))
    }

    /// The environment default of a feature for `GET /flags/`.
    pub fn default(&self, feature: FeatureIndex) -> &[u8] {
        self.slice(self.defaults.get(feature))
    }

    /// The flag of an identity for a state, without a multivariate value or with the given one.
    #[inline(always)]
    pub fn outcome(&self, state: StateIndex, variant: Option<usize>) -> &[u8] {
        let first = self.first_outcomes.get(state).map_or(usize::MAX, |&first| first as usize);
        self.slice(self.outcomes.get(first.saturating_add(variant.map_or(0, |variant| variant + 1))))
    }

    /// The start of every flag of a feature, up to `enabled`, and true if the feature is multivariate.
    pub fn head(&self, feature: FeatureIndex) -> (&[u8], bool) {
        let Head { length, multivariate, .. } = self.heads.get(feature).copied().unwrap_or_default();
        (self.default(feature).get(..length as usize).unwrap_or_default(), multivariate)
    }

    /// The parts of a rendered flag with a `variant`, of this state and with this value.
    #[inline(always)]
    pub fn parts<'f>(&self, state: &CompiledState, value: Span, flag: &'f [u8]) -> FlagParts<'f> {
        let head = self.heads.get(state.feature).copied().unwrap_or_default();
        let start = head.length as usize + bool_json(state.enabled).len() + VALUE.len();
        let end = start + value.range().len();
        let metadata = match state.metadata.range().len() {
            0 => 0,
            length => METADATA.len() + length,
        };
        let part = |range: Range<usize>| flag.get(range).unwrap_or_default();
        FlagParts {
            id: part(head.id.range()),
            name: part(head.name.range()),
            value: part(start..end),
            variant: part(end + VARIANT.len()..flag.len().saturating_sub(metadata + 1)),
        }
    }

    #[inline(always)]
    fn slice(&self, span: Option<&Span>) -> &[u8] {
        span.and_then(|span| self.text.get(span.range())).unwrap_or_default()
    }

    /// The list for a kind of keys; `None` if it has all features.
    fn join_defaults(&self, ruleset: &Ruleset, key: KeyKind) -> Option<Box<[u8]>> {
        let shows = |(index, feature): (FeatureIndex, &Feature)| {
            let enabled = ruleset.states.get(feature.default).is_some_and(|state| state.enabled);
            self.shows(index, enabled, key)
        };
        if ruleset.features.iter().enumerate().all(shows) {
            return None;
        }
        let mut list = vec![b'['];
        for (index, feature) in ruleset.features.iter().enumerate() {
            if shows((index, feature)) {
                if list.len() > 1 {
                    list.push(b',');
                }
                list.extend_from_slice(self.default(index));
            }
        }
        list.push(b']');
        Some(list.into())
    }
}

/// Renders the outcomes of a state: first without a multivariate value, then with each of them.
pub(super) fn render_outcomes<'v>(
    text: &mut Vec<u8>,
    outcomes: &mut Vec<Span>,
    head: &[u8],
    multivariate: bool,
    state: &CompiledState,
    json: impl Fn(Span) -> &'v str,
) {
    let (name, metadata): (&[u8], &[u8]) = match state.metadata.range().len() {
        0 => (b"", b""),
        _ => (METADATA, json(state.metadata).as_bytes()),
    };
    let mut outcome = |value: Span, variant: &str| {
        let enabled = bool_json(state.enabled);
        let (value, variant) = (json(value).as_bytes(), variant.as_bytes());
        outcomes.push(push(text, &[head, enabled, VALUE, value, VARIANT, variant, name, metadata, b"}"]));
    };
    // Only multivariate features have a variant (contract §A.2).
    outcome(state.value, if multivariate { "\"control\"" } else { "null" });
    for variant in &state.variants {
        let key = variant.key.as_deref().filter(|_| multivariate);
        outcome(variant.value, &key.map_or_else(|| "null".to_owned(), json_string));
    }
}

fn push(text: &mut Vec<u8>, parts: &[&[u8]]) -> Span {
    let start = text.len() as u32;
    for part in parts {
        text.extend_from_slice(part);
    }
    Span { start, end: text.len() as u32 }
}

const VALUE: &[u8] = br#","feature_state_value":"#;
const VARIANT: &[u8] = br#","variant":"#;
const METADATA: &[u8] = br#","metadata":"#;

fn bool_json(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
