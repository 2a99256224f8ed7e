//! The identity that a request wants flags for, and its evaluation.

use std::borrow::Cow;

use super::fields::{Fields, TRAIT_KEY};
use crate::document::json::Json;
use crate::document::ruleset::{CompiledState, FeatureIndex};
use crate::document::{Environment, Identifier, KeyKind, StoredOverrides};
use crate::evaluate::{Decision, EvaluatedIdentity, Evaluation, defaults, evaluate};
use crate::identity::{Command, Identity, TraitValue, Traits, anonymous_identifier, uuid_hex};

/// The identity that a request wants flags for, before the stored state is read.
#[derive(Debug, PartialEq)]
pub struct Subject {
    /// The identifier; a generated one for an anonymous request.
    pub identifier: Identifier,
    /// Transient traits of this request. Null traits are in the answer, and unset for conditions.
    pub transient: Vec<(Box<str>, Option<TraitValue>)>,
    /// True if the traits and overrides of the identifier apply.
    pub overridden: bool,
}

/// A trait in a request.
pub struct SentTrait {
    /// The trait's name.
    pub key: Box<str>,
    /// The value; null deletes the trait.
    pub value: Option<TraitValue>,
    /// True if the trait counts for this answer only.
    pub transient: bool,
}

impl SentTrait {
    /// Reads an item of the list `traits`; the error has the faults by field.
    pub fn read(item: Json<'_>) -> Result<SentTrait, serde_json::Value> {
        let mut fields = Fields::of(item)?;
        let key = fields.text("trait_key", TRAIT_KEY).into();
        let value = fields.trait_value("trait_value", true);
        let transient = fields.bool("transient");
        fields.finish(SentTrait { key, value, transient })
    }
}

/// Returns the traits that this kind of key may send: all or none.
pub fn accepted(environment: &Environment, key: KeyKind, traits: Vec<SentTrait>) -> Vec<SentTrait> {
    if key == KeyKind::Client && !environment.allow_client_traits { Vec::new() } else { traits }
}

impl Subject {
    /// A subject without an identifier of its own; nothing is stored for it. `random` creates the identifier if there
    /// are no traits.
    pub fn anonymous(traits: Vec<SentTrait>, random: impl FnOnce() -> [u8; 16]) -> Subject {
        let set = traits.iter().filter_map(|sent| Some((&*sent.key, sent.value.as_ref()?)));
        let identifier =
            anonymous_identifier(set).unwrap_or_else(|| Identifier::normalize(uuid_hex(random())));
        Subject { identifier, transient: without_nulls(traits), overridden: false }
    }

    /// The subject with this identifier, and the command for its stored state. If `is_transient` is true, nothing is
    /// stored.
    pub fn identified(
        environment: &Environment,
        identifier: Identifier,
        traits: Vec<SentTrait>,
        is_transient: bool,
    ) -> (Subject, Command) {
        let subject = |transient| Subject { identifier, transient, overridden: true };
        if is_transient {
            return (subject(without_nulls(traits)), Command::Read);
        }
        if !environment.persist_trait_data {
            return (subject(without_nulls(traits)), Command::Create);
        }
        let (transient, lasting): (Vec<_>, Vec<_>) = traits.into_iter().partition(|sent| sent.transient);
        let pair = |sent: SentTrait| (sent.key, sent.value);
        let lasting: Vec<_> = lasting.into_iter().map(pair).collect();
        let command = if lasting.is_empty() { Command::Create } else { Command::SetTraits(lasting) };
        (subject(transient.into_iter().map(pair).collect()), command)
    }

    /// Evaluates the flags, given the stored state, and passes them to `render`.
    #[inline(always)]
    pub fn evaluate<T>(
        &self,
        environment: &Environment,
        stored: &Identity,
        render: impl FnOnce(&EvaluatedFlags<'_>) -> T,
    ) -> T {
        let none = Traits::new();
        let stored_traits = if self.overridden { &stored.traits } else { &none };
        let traits = merge(stored_traits, &self.transient);
        let identity_key = environment.identity_key(&self.identifier, stored.django_id);
        let compiled;
        let stored_overrides = if stored.overrides.is_empty() || !self.overridden {
            StoredOverrides::none()
        } else {
            compiled = StoredOverrides::new(environment, &stored.overrides);
            &compiled
        };
        let mut identity =
            EvaluatedIdentity::new(environment, &self.identifier, &identity_key, &traits, stored_overrides);
        if !self.overridden {
            identity.overrides = &[];
        }
        let evaluation = evaluate(&environment.ruleset, Some(identity));
        let identity = Some(identity);
        render(&EvaluatedFlags { environment, stored_traits, stored_overrides, identity, evaluation })
    }
}

/// The evaluated flags of a subject, or of an environment.
pub struct EvaluatedFlags<'v> {
    /// The environment of the flags.
    pub environment: &'v Environment,
    /// The stored traits that count.
    pub stored_traits: &'v Traits,
    /// The decisions.
    pub evaluation: Evaluation,
    stored_overrides: &'v StoredOverrides,
    identity: Option<EvaluatedIdentity<'v>>,
}

impl<'v> EvaluatedFlags<'v> {
    /// Passes the environment's defaults to `render`.
    pub fn of_environment<T>(environment: &Environment, render: impl FnOnce(&EvaluatedFlags<'_>) -> T) -> T {
        render(&EvaluatedFlags {
            environment,
            stored_traits: &Traits::new(),
            evaluation: defaults(&environment.ruleset),
            stored_overrides: StoredOverrides::none(),
            identity: None,
        })
    }

    /// The winning state of a decision.
    #[inline(always)]
    pub fn state(&self, decision: &Decision) -> Option<&'v CompiledState> {
        self.stored_overrides.state(&self.environment.ruleset, decision.state)
    }

    /// True if the flag is shown to this kind of key.
    #[inline(always)]
    pub fn shows(&self, feature: FeatureIndex, decision: &Decision, key: KeyKind) -> bool {
        let enabled = self.state(decision).is_some_and(|state| state.enabled);
        self.environment.flags.shows(feature, enabled, key)
    }

    /// The rendered flag of a decision.
    #[inline(always)]
    pub fn flag(&self, decision: &Decision) -> &'v [u8] {
        let stored = self.stored_overrides.outcome(decision.state, decision.variant());
        stored.unwrap_or_else(|| self.environment.flags.outcome(decision.state, decision.variant()))
    }

    /// The reason of a feature's decision in flag-engine's words.
    pub fn reason(&self, feature: FeatureIndex) -> String {
        self.evaluation.reason(&self.environment.ruleset, self.identity, feature)
    }
}

fn without_nulls(traits: Vec<SentTrait>) -> Vec<(Box<str>, Option<TraitValue>)> {
    traits.into_iter().filter(|sent| sent.value.is_some()).map(|sent| (sent.key, sent.value)).collect()
}

/// The stored traits, overridden by those of the request.
fn merge<'t>(stored: &'t Traits, transient: &[(Box<str>, Option<TraitValue>)]) -> Cow<'t, Traits> {
    let mut traits = Cow::Borrowed(stored);
    for (key, value) in transient {
        match value {
            Some(value) => {
                traits.to_mut().insert(key.clone(), value.clone());
            }
            None => {
                traits.to_mut().remove(key);
            }
        }
    }
    traits
}
