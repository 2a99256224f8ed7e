//! Writes parts of JSON into a body.

/// Removes the comma behind the last part of a list or object.
pub fn without_comma(body: &mut Vec<u8>) {
    if body.ends_with(b",") {
        body.pop();
    }
}

/// Nearly every text is written unchanged, and scanning its bytes costs less than a serializer.
pub fn write_text(body: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return write_json(body, text);
    }
    body.push(b'"');
    body.extend_from_slice(text.as_bytes());
    body.push(b'"');
}

/// Writes a value.
pub fn write_json(body: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    // Serializing texts and traits into a Vec cannot fail.
    let _ = serde_json::to_writer(body, value);
}
