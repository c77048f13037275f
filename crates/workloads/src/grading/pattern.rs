//! Patterns, compiled before the start.

use std::collections::HashMap;

use regex::{Error, Regex, RegexBuilder};

use super::InvalidRule;

/// What a compiled pattern may take, in bytes.
const LARGEST: usize = 1 << 20;

/// Patterns by their texts.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Regex>);

impl Patterns {
    pub(super) fn add(&mut self, pattern: &str) -> Result<(), InvalidRule> {
        if self.0.contains_key(pattern) {
            return Ok(());
        }
        let built = RegexBuilder::new(pattern).size_limit(LARGEST).build();
        let regex = built.map_err(|error| {
            let why = match error {
                Error::CompiledTooBig(_) => "it is too large".to_owned(),
                // Its last line says what is wrong; those before repeat the pattern, and where in it.
                error => {
                    let said = error.to_string();
                    let last = said.lines().last().unwrap_or_default();
                    last.trim_start_matches("error: ").to_owned()
                }
            };
            InvalidRule::Pattern { pattern: pattern.to_owned(), why }
        })?;
        self.0.insert(pattern.to_owned(), regex);
        Ok(())
    }

    /// Whether `pattern` matches somewhere in `text`; nowhere if it was not added.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> bool {
        self.0.get(pattern).is_some_and(|regex| regex.is_match(text))
    }
}
