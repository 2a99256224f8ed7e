//! Recorded exchanges: a request and the expected whole response.

use std::path::Path;

use serde_json::Value;

use super::same;

/// One line of a recording.
pub struct Exchange {
    pub name: String,
    /// The name of the document to which the request's key belongs, if the key is valid.
    pub environment: Option<String>,
    pub request: Value,
    pub response: Value,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The exchanges of a file, in order.
pub fn read(path: &Path) -> Vec<Exchange> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        Exchange {
            name: row["name"].as_str().unwrap_or_default().to_owned(),
            environment: row["environment"].as_str().map(str::to_owned),
            request: row["request"].take(),
            response: row["response"].take(),
        }
    };
    text.lines().map(line).collect()
}

impl Exchange {
    /// The bytes of the request's body.
    pub fn body(&self) -> Vec<u8> {
        match &self.request["body"] {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            other => from_base64(other["base64"].as_str().expect("a body is a text or base64")),
        }
    }

    /// The differences of an answer. `documents` is the folder of the environments' documents.
    pub fn differences(&self, answer: &Answer, documents: &Path) -> Vec<String> {
        let mut differences = Vec::new();
        let mut expect = |what: &str, right: bool, got: String| {
            if !right {
                differences.push(format!("{what}, got {got}"));
            }
        };
        let status = &self.response["status"];
        expect(
            &format!("status {status}"),
            status.as_u64() == Some(answer.status.into()),
            answer.status.to_string(),
        );
        for (name, value) in self.response["headers"].as_object().into_iter().flatten() {
            // Contract: Allow is compared with 405 only.
            if name == "allow" && status != 405 {
                continue;
            }
            let got = answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            expect(&format!("{name}: {value}"), got == value.as_str(), format!("{got:?}"));
        }
        let got: Value = match answer.body.is_empty() {
            true => Value::Null,
            false => {
                serde_json::from_slice(&answer.body).unwrap_or_else(|error| Value::from(error.to_string()))
            }
        };
        let subset = self.response["body"]["flags_are_a_subset"] == true
            || self.response["flags_are_a_subset"] == true;
        // `{"document": …}` is the document of the key's own environment. Two recorded rows have another environment's
        // document, which this key must not open.
        let document = self.environment.as_ref().filter(|_| self.response["body"]["document"].is_string());
        let (expected, got) = match document {
            Some(name) => {
                (without_uuids(read_json(&documents.join(format!("{name}.json")))), without_uuids(got))
            }
            None => (self.response["body"].clone(), got),
        };
        let mut path = String::from("body");
        matches(&mut path, &expected, &got, subset, &mut differences);
        differences
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// Removes `identity_uuid`, which an origin generates at each rendering of a document.
fn without_uuids(mut document: Value) -> Value {
    for identity in document["identity_overrides"].as_array_mut().into_iter().flatten() {
        identity["identity_uuid"] = Value::Null;
    }
    document
}

fn matches(path: &mut String, expected: &Value, got: &Value, subset: bool, differences: &mut Vec<String>) {
    let length = path.len();
    match (expected, got) {
        (Value::String(pattern), _) if is_placeholder(pattern) => {
            if !fits(pattern, got) {
                differences.push(format!("{path}: {pattern}, got {got}"));
            }
        }
        (Value::Object(expected), Value::Object(got)) => {
            for name in expected.keys().chain(got.keys()).collect::<std::collections::BTreeSet<_>>() {
                if name == "flags_are_a_subset" {
                    continue;
                }
                path.push_str(&format!(".{name}"));
                match (expected.get(name), got.get(name)) {
                    (Some(expected), Some(got)) => matches(path, expected, got, subset, differences),
                    (expected, got) => differences.push(format!("{path}: {expected:?}, got {got:?}")),
                }
                path.truncate(length);
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            if let Some(key) = ["trait_key", "feature"].into_iter().find(|key| keyed_by(expected, got, key)) {
                let named = |list: &[Value], name: &Value| {
                    list.iter().find(|item| name_of(item, key) == *name).cloned()
                };
                for item in expected.iter().chain(got) {
                    let name = name_of(item, key);
                    path.push_str(&format!("[{name}]"));
                    match (named(expected, &name), named(got, &name)) {
                        (Some(expected), Some(got)) => matches(path, &expected, &got, subset, differences),
                        (None, Some(_)) if subset && key == "feature" => {}
                        (expected, got) => differences.push(format!("{path}: {expected:?}, got {got:?}")),
                    }
                    path.truncate(length);
                }
                if !subset && expected.len() != got.len() {
                    differences.push(format!("{path}: {} items, got {}", expected.len(), got.len()));
                }
            } else if expected.len() != got.len() {
                differences.push(format!("{path}: {} items, got {}", expected.len(), got.len()));
            } else {
                for (index, (expected, got)) in expected.iter().zip(got).enumerate() {
                    path.push_str(&format!("[{index}]"));
                    matches(path, expected, got, subset, differences);
                    path.truncate(length);
                }
            }
        }
        _ if same(expected, got) => {}
        _ => differences.push(format!("{path}: {expected}, got {got}")),
    }
}

/// Flags are matched by their feature's name and traits by their key, if no name occurs twice.
fn keyed_by(expected: &[Value], got: &[Value], key: &str) -> bool {
    let keyed = |list: &[Value]| {
        let names: std::collections::BTreeSet<String> =
            list.iter().map(|item| name_of(item, key).to_string()).collect();
        list.iter().all(|item| name_of(item, key).is_string()) && names.len() == list.len()
    };
    !(expected.is_empty() && got.is_empty()) && keyed(expected) && keyed(got)
}

fn name_of(item: &Value, key: &str) -> Value {
    let name = &item[key];
    if name.is_object() { name["name"].clone() } else { name.clone() }
}

fn is_placeholder(text: &str) -> bool {
    text.starts_with('<') && text.ends_with('>') && text != "<script>"
}

fn fits(pattern: &str, got: &Value) -> bool {
    match pattern {
        "<any>" => true,
        "<random hex, 32 digits>" => got.as_str().is_some_and(|text| {
            text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        }),
        _ => {
            let start = pattern.strip_prefix("<starts: ").and_then(|rest| rest.strip_suffix('>'));
            start.is_some_and(|start| got.as_str().is_some_and(|text| text.starts_with(start)))
        }
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| ALPHABET.iter().position(|&digit| digit == byte));
    let digits: Vec<u32> = digits.map(|digit| digit as u32).collect();
    let group = |digits: &[u32]| {
        let number = (0..4).fold(0, |number, i| number << 6 | digits.get(i).copied().unwrap_or(0));
        number.to_be_bytes()[1..digits.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}
