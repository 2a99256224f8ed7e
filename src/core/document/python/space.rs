//! White space, as `str.strip()` removes it.

/// True if Python's `str.isspace()` is true for this character: Unicode white space or one of the four ASCII
/// separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// `str.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}
