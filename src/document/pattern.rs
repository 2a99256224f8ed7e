//! stand-in
#[derive(Debug)]
pub struct Pattern(fancy_regex::Regex);
impl Pattern {
    pub fn new(source: &str) -> Option<Pattern> {
        fancy_regex::Regex::new(&format!("\\A(?:{source})")).ok().map(Pattern)
    }
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }
}
