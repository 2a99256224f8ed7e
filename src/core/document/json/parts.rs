//! The parts of lists and objects. Their text is valid JSON, so finding quotes and brackets is enough.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Json, Kind};

/// An object's members. Of duplicate keys the last value wins, at the place of the first.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// The maximum number of members for a comparison of every key with every other key.
const MANY: usize = 16;

impl<'a> Members<'a> {
    /// The members, if the value is an object.
    pub(super) fn of(object: Json<'a>) -> Option<Members<'a>> {
        let mut parts = Parts::of(object);
        let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
        while let Some(key) = parts.next() {
            let (key, value) = (key.text()?, parts.next()?);
            let known =
                if members.len() < MANY { members.iter_mut().find(|(known, _)| *known == key) } else { None };
            match known {
                Some((_, known)) => *known = value,
                None => members.push((key, value)),
            }
        }
        if members.len() > MANY {
            let last = last_of_each(members.iter().map(|(key, _)| &**key));
            members = last.into_iter().filter_map(|index| members.get(index).cloned()).collect();
        }
        Some(Members(members))
    }

    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<Json<'a>> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// True if there is a member with this name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, *value))
    }
}

/// The index of each key's last member, in the order of the keys' first members.
///
/// Sorted and not hashed: a client chooses the keys and knows the seed of std's hasher on wasm32.
fn last_of_each<'k>(keys: impl Iterator<Item = &'k str>) -> Vec<usize> {
    let mut places = BTreeMap::new();
    let mut last = Vec::new();
    for (index, key) in keys.enumerate() {
        let place = *places.entry(key).or_insert(last.len());
        match last.get_mut(place) {
            Some(known) => *known = index,
            None => last.push(index),
        }
    }
    last
}

/// The values that are directly in a list, or the alternating keys and values of an object.
pub struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    /// The parts, if the value is a list or an object.
    pub fn of(json: Json<'a>) -> Parts<'a> {
        Parts { text: json.0, at: 1 }
    }

    /// Starts at the value itself, for callers that read all nested content.
    pub fn whole(json: Json<'a>) -> Parts<'a> {
        Parts { text: json.0, at: 0 }
    }

    /// Enters the list or object that comes next; `None` if neither does.
    pub fn enter(&mut self) -> Option<Kind> {
        let kind = match self.peek()? {
            b'[' => Kind::List,
            b'{' => Kind::Object,
            _ => return None,
        };
        self.at += 1;
        Some(kind)
    }

    /// Leaves the list or object after its last part. True if it was left.
    pub fn leave(&mut self) -> bool {
        let over = matches!(self.peek(), Some(b']' | b'}') | None);
        if over {
            self.at += 1;
        }
        over
    }

    /// The first byte of the next value, or the closing bracket.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b':')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        self.peek()?;
        let begin = self.at;
        self.at = value_end(self.text.as_bytes(), begin);
        #[cfg(test)]
        SCANNED.set(SCANNED.get() + self.at - begin);
        self.text.get(begin..self.at).filter(|part| !part.is_empty()).map(Json)
    }
}

#[cfg(test)]
thread_local! {
    /// The number of bytes in which a value's end was searched, by all [`Parts`] of the thread.
    pub static SCANNED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The index after the value that begins at `at`; `at` if no value begins there.
fn value_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = closing_quote(bytes, at + 1),
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 0 => depth -= 1,
            b']' | b'}' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
            _ if depth > 0 => {}
            // A number or a word.
            _ => {
                at += 1;
                continue;
            }
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    at
}

/// The index of the quote that ends the string whose content begins at `at`.
fn closing_quote(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b'"') | None => return at,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}
