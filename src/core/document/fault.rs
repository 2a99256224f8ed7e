//! Faults of documents, with their place.

use std::fmt;

use serde_json::Error;

/// The reason why a text is not a valid environment document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place: `project.segments[0].rules[1].type`; `.` is the whole document.
    pub field: String,
    /// The problem, without any text of the document.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl Fault {
    /// A fault of a field.
    pub fn of(field: &str, problem: &str) -> Fault {
        Fault { field: field.to_owned(), problem: problem.to_owned() }
    }

    /// Converts an error of the JSON parser. The parser reports only line and column, so the path of the field is read
    /// from the document.
    pub fn found(document: &str, error: &Error) -> Fault {
        let text = error.to_string();
        // Only this message is shown, since the parser's other messages may quote the document. The field is the object
        // that lacks the member.
        let missing = text.starts_with("missing field");
        let problem = if missing {
            text
        } else if error.is_data() {
            format!("has an unexpected type or value, at line {} column {}", error.line(), error.column())
        } else {
            format!("is not JSON from line {} column {} on", error.line(), error.column())
        };
        let mut path = path_at(document, offset(document, error));
        if missing && let Some(PathStep::Member(_)) = path.last() {
            path.pop();
        }
        let mut field = String::new();
        for step in &path {
            match step {
                PathStep::Member("") => {}
                PathStep::Member(name) if field.is_empty() => field.push_str(name),
                PathStep::Member(name) => field.extend([".", name]),
                PathStep::Item(number) => field.push_str(&format!("[{number}]")),
            }
        }
        Fault { field: if field.is_empty() { ".".to_owned() } else { field }, problem }
    }
}

/// A step of a path, from an object or a list to one of its values. A member's name is empty until it is read.
enum PathStep<'a> {
    Member(&'a str),
    Item(usize),
}

/// The byte offset of an error.
fn offset(document: &str, error: &Error) -> usize {
    let lines = document.split_inclusive('\n').take(error.line().saturating_sub(1));
    lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1)
}

/// Returns the path of the innermost value that contains a byte offset, or ends there.
fn path_at(document: &str, end: usize) -> Vec<PathStep<'_>> {
    let mut path = Vec::new();
    let mut names_follow = false;
    let mut rest = document.bytes().enumerate().take(end);
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'{' => {
                path.push(PathStep::Member(""));
                names_follow = true;
            }
            b'[' => path.push(PathStep::Item(0)),
            b'}' | b']' => drop(path.pop()),
            b',' => match path.last_mut() {
                Some(PathStep::Item(number)) => *number += 1,
                _ => names_follow = true,
            },
            b'"' => {
                let mut escaped = false;
                let close = rest.find(|(_, byte)| {
                    let closes = !escaped && *byte == b'"';
                    escaped = !escaped && *byte == b'\\';
                    closes
                });
                if let (true, Some((close, _)), Some(PathStep::Member(name))) =
                    (names_follow, close, path.last_mut())
                {
                    *name = document.get(at + 1..close).unwrap_or_default();
                    names_follow = false;
                }
            }
            _ => {}
        }
    }
    // The parser reports an unexpected list right after its opening bracket. The fault is the list's, not its first
    // item's.
    if document.get(..end).is_some_and(|read| read.ends_with('[')) {
        path.pop();
    }
    path
}
