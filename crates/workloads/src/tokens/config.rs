//! What lies beside a tokenizer and says more of it.

use std::{fs, path::Path};

use serde_json::{Map, Value};

/// The `tokenizer_config.json` beside a tokenizer, over the `special_tokens_map.json`; empty where there is
/// none, or where it is no JSON.
#[derive(Clone, Debug, Default)]
pub(super) struct Config(Map<String, Value>);

impl Config {
    pub(super) fn beside(tokenizer: &Path) -> Self {
        let read = |name| {
            let json = fs::read(tokenizer.with_file_name(name)).ok()?;
            serde_json::from_slice::<Map<String, Value>>(&json).ok()
        };
        let mut both = read("special_tokens_map.json").unwrap_or_default();
        both.extend(read("tokenizer_config.json").unwrap_or_default());
        Self(both)
    }

    /// Python's class of it, without the `Fast` that tells one implementation from another.
    pub(super) fn class(&self) -> &str {
        let class = self.0.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
        class.strip_suffix("Fast").unwrap_or(class)
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    pub(super) fn cleans_up(&self) -> bool {
        self.flag("clean_up_tokenization_spaces").unwrap_or(false)
    }

    /// The tokens that have a part to play, such as that of a text's end: each once.
    pub(super) fn special_tokens(&self) -> Vec<&str> {
        const PARTS: [&str; 7] = [
            "bos_token",
            "eos_token",
            "unk_token",
            "sep_token",
            "pad_token",
            "cls_token",
            "mask_token",
        ];
        const MORE: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];
        let parts = PARTS.iter().filter_map(|part| self.0.get(*part));
        let more = MORE.iter().filter_map(|list| self.0.get(*list)).flat_map(|list| match list {
            Value::Array(list) => list.iter().collect(),
            // Parts that only this model's tokenizer has.
            Value::Object(parts) => parts.values().collect(),
            _ => Vec::new(),
        });
        let mut tokens: Vec<&str> = Vec::new();
        for token in parts.chain(more).filter_map(content) {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens
    }

    /// Tokens that were added to those of the model, and whether they are special, by their ids.
    pub(super) fn added_tokens(&self) -> Vec<(u64, &str, bool)> {
        let Some(Value::Object(added)) = self.0.get("added_tokens_decoder") else {
            return Vec::new();
        };
        let mut tokens: Vec<(u64, &str, bool)> = added
            .iter()
            .filter_map(|(id, token)| {
                let is_special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
                Some((id.parse().ok()?, content(token)?, is_special))
            })
            .collect();
        tokens.sort_unstable();
        tokens
    }
}

/// The text of a token, which is given alone or with how it is matched.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}
