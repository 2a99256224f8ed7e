//! The overrides of an environment that were made here, for its document: as the directory has them, else as this isolate
//! last saw them.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use worker::Env;

use super::clock::milliseconds;
use super::directory::Directory;
use crate::api::{Error, Part, render_document};
use crate::document::Environment;
use crate::identity::directory::Override;
use crate::memory::{Ages, Memory};

/// The overrides in one version.
pub struct Known {
    /// How often they have changed.
    pub version: u64,
    overrides: Vec<Override>,
    /// When the directory last had this version, in milliseconds.
    confirmed_at: Cell<u64>,
    /// The document that they were last put into, by its version.
    rendered: RefCell<Option<Rendered>>,
}

type Rendered = (Box<str>, Rc<[u8]>);

thread_local! {
    /// By client key.
    static KNOWN: RefCell<Memory<Rc<Known>>> = RefCell::default();
}

/// The directory is asked each time, so nothing here grows old.
const AGES: Ages = Ages { soft: u64::MAX, hard: u64::MAX };

/// The environment's overrides; and for how many seconds they could not be confirmed, if the directory did not answer.
pub async fn of(env: &Env, environment: &Environment) -> Result<(Rc<Known>, Option<u64>), Error> {
    let name = environment.key();
    let known = KNOWN.with_borrow_mut(|known| known.get(name, milliseconds(), AGES));
    let known = known.map(|known| known.value);
    let began_at = milliseconds();
    let version = known.as_ref().map(|known| known.version);
    match Directory::new(env, name).overrides(None, version).await {
        Ok(seen) => {
            let (overrides, rendered) = match (seen.overrides, &known) {
                (Some(overrides), _) => (overrides, None),
                // Nothing is new.
                (None, Some(known)) => return Ok((known.confirmed(began_at), None)),
                (None, None) => (Vec::new(), None),
            };
            let confirmed_at = Cell::new(began_at);
            // With the document that they will be put into.
            let document = if overrides.is_empty() { 0 } else { environment.document().len() };
            let length = overrides.iter().map(|known| known.state.length() * 2).sum::<usize>() + document;
            let rendered = RefCell::new(rendered);
            let seen = Rc::new(Known { version: seen.version, overrides, confirmed_at, rendered });
            KNOWN.with_borrow_mut(|known| known.put(name, seen.clone(), length, began_at));
            Ok((seen, None))
        }
        Err(failure) => {
            failure.log(Some(name));
            let known = known.ok_or(Error::Unavailable(Part::Directory))?;
            let stale = milliseconds().saturating_sub(known.confirmed_at.get()) / 1000;
            Ok((known, Some(stale)))
        }
    }
}

impl Known {
    fn confirmed(self: &Rc<Known>, at: u64) -> Rc<Known> {
        self.confirmed_at.set(at);
        self.clone()
    }

    /// The environment's document with these overrides in it.
    pub fn document<'e>(&self, environment: &'e Environment) -> Cow<'e, [u8]> {
        if self.overrides.is_empty() {
            return environment.document().into();
        }
        let rendered = self.rendered.borrow().clone();
        let rendered = rendered.filter(|(version, _)| *version == environment.version).map(|(_, text)| text);
        let text = rendered.unwrap_or_else(|| {
            let text: Rc<[u8]> = render_document(environment, &self.overrides).into();
            self.rendered.replace(Some((environment.version.clone(), text.clone())));
            text
        });
        text.to_vec().into()
    }
}
