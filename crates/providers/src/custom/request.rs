//! What is asked: placeholders, and what stands in their places. Values are put into parsed JSON, so that no
//! text can break out of its quotes.

use bench_core::{Outcome, Prompt, ProviderError};
use serde_json::{Map, Value, json};

use crate::{Config, openai};

/// What a request may say, and whether that may stand within a longer text.
const NAMES: [(&str, bool); 7] = [
    ("prompt", true),
    ("messages", false),
    ("model", true),
    ("max_tokens", true),
    ("min_tokens", false),
    ("ignore_eos", false),
    ("stream", true),
];

/// Texts, each with the name of the placeholder before it; none before the first.
fn pieces(text: &str) -> Result<Vec<(Option<&str>, &str)>, String> {
    let mut pieces = Vec::new();
    let (mut name, mut rest) = (None, text);
    while let Some((before, after)) = rest.split_once("{{") {
        pieces.push((name, before));
        let Some((inner, after)) = after.split_once("}}") else {
            return Err("has a placeholder without its end: }}".to_owned());
        };
        (name, rest) = (Some(inner), after);
    }
    pieces.push((name, rest));
    Ok(pieces)
}

/// The names of the placeholders in `text`.
pub(super) fn placeholders(text: &str) -> Result<Vec<&str>, String> {
    Ok(pieces(text)?.into_iter().filter_map(|(name, _)| name).collect())
}

/// The placeholder that `text` is as a whole.
fn whole(text: &str) -> Option<&str> {
    match pieces(text).ok()?[..] {
        [(None, ""), (Some(name), "")] => Some(name),
        _ => None,
    }
}

/// Whether `text` has a placeholder of this name.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    placeholders(text).is_ok_and(|names| names.contains(&name))
}

/// Whether some text of `value` has one.
pub(super) fn mentions_in(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => mentions(text, name),
        Value::Array(items) => items.iter().any(|item| mentions_in(item, name)),
        Value::Object(fields) => fields.values().any(|field| mentions_in(field, name)),
        _ => false,
    }
}

/// Says what is wrong with the placeholders of `value`, which is at the path `at`.
pub(super) fn check(value: &Value, at: &str, wrong: &mut dyn FnMut(&str, String)) {
    match value {
        Value::String(text) => check_text(text, at, wrong),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item, &format!("{at}[{index}]"), wrong);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                check(field, &format!("{at}.{key}"), wrong);
            }
        }
        _ => {}
    }
}

fn check_text(text: &str, at: &str, wrong: &mut dyn FnMut(&str, String)) {
    let names = match placeholders(text) {
        Ok(names) => names,
        Err(what) => return wrong(at, what),
    };
    for name in names {
        match NAMES.iter().find(|(known, _)| *known == name) {
            None => {
                let known = NAMES.map(|(known, _)| known).join(", ");
                wrong(at, format!("{{{{{name}}}}} is no placeholder: they are {known}"));
            }
            Some((_, false)) if whole(text).is_none() => {
                let why = "is a list, or may have to be left out: it can only be all of a text";
                wrong(at, format!("{{{{{name}}}}} {why}"));
            }
            Some(_) => {}
        }
    }
}

/// What stands for the placeholders of one request.
pub(super) struct Values<'v> {
    config: &'v Config,
    prompt: &'v Prompt,
}

impl<'v> Values<'v> {
    pub(super) fn new(config: &'v Config, prompt: &'v Prompt) -> Self {
        Self { config, prompt }
    }

    /// The body of the request.
    pub(super) fn fill(
        &self,
        template: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ProviderError> {
        let mut body = Map::new();
        for (key, value) in template {
            if let Some(value) = self.filled(value)? {
                body.insert(key.clone(), value);
            }
        }
        Ok(body)
    }

    /// `value`, filled in; `None` if it stands for what there is none of.
    fn filled(&self, value: &Value) -> Result<Option<Value>, ProviderError> {
        Ok(match value {
            Value::String(text) => match whole(text) {
                Some(name) => self.value(name),
                None => Some(Value::String(self.text(text)?)),
            },
            Value::Array(items) => {
                let items = items.iter().filter_map(|item| self.filled(item).transpose());
                Some(Value::Array(items.collect::<Result<_, _>>()?))
            }
            Value::Object(fields) => Some(Value::Object(self.fill(fields)?)),
            other => Some(other.clone()),
        })
    }

    /// A text with values inserted.
    fn text(&self, text: &str) -> Result<String, ProviderError> {
        let refused = |what: String| ProviderError::new(Outcome::Client, what);
        let mut filled = String::new();
        for (name, after) in pieces(text).map_err(refused)? {
            if let Some(name) = name {
                match self.value(name) {
                    Some(Value::String(value)) => filled.push_str(&value),
                    Some(value) => filled.push_str(&value.to_string()),
                    None => {
                        let what =
                            "stands within a text, and nothing says how long answers are to be";
                        return Err(refused(format!("{{{{{name}}}}} {what}")));
                    }
                }
            }
            filled.push_str(after);
        }
        Ok(filled)
    }

    /// What a placeholder stands for; `None` if there is no such thing in this request.
    fn value(&self, name: &str) -> Option<Value> {
        let Self { config, prompt } = self;
        let tokens = prompt.output_tokens;
        match name {
            "prompt" => Some(json!(openai::joined(prompt))),
            "messages" => Some(openai::messages(prompt)),
            "model" => Some(json!(config.model)),
            "stream" => Some(json!(config.streaming)),
            "max_tokens" => tokens.map(|tokens| json!(tokens)),
            "min_tokens" => tokens.filter(|_| config.fixed_length).map(|tokens| json!(tokens)),
            "ignore_eos" => tokens.filter(|_| config.fixed_length).map(|_| json!(true)),
            _ => None,
        }
    }
}
