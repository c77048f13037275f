//! What a `config.json` says, under the names that different models have for it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{ModelError, stored};

/// Of a `config.json`: models with thousands of experts' names in it have some MiB.
const MOST_BYTES: u64 = 16 << 20;
/// Of any dimension: models' are smaller by far. Twice the product of two fits 64 bits, what is counted with them 128.
const MOST: u64 = 1 << 31;

/// A `config.json`.
#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    whole: Map<String, Value>,
    /// Where the numbers of what writes text are; the whole where they are not nested.
    text: Map<String, Value>,
}

/// What cannot be told of a model, and why.
pub(super) type Known<T> = Result<T, String>;

impl Config {
    /// The one in a folder; `None` where there is none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join("config.json");
        match stored::read_json(&path, MOST_BYTES)? {
            None => Ok(None),
            Some(Value::Object(whole)) => Ok(Some(Self::new(path, whole))),
            Some(_) => Err(ModelError::malformed(&path, "it is no object")),
        }
    }

    fn new(path: PathBuf, whole: Map<String, Value>) -> Self {
        const NESTED: [&str; 4] =
            ["text_config", "llm_config", "language_config", "thinker_config"];
        let mut text = &whole;
        // Twice at most: thinker_config.text_config.
        for _ in 0..2 {
            let within = NESTED.iter().find_map(|name| text.get(*name)?.as_object());
            text = within.unwrap_or(text);
        }
        let text = text.clone();
        Self { path, whole, text }
    }

    /// What kind of model it is, such as `llama`; of a nested one, what writes text.
    pub(super) fn kind(&self) -> &str {
        self.anywhere("model_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// A value by any of its names, of the part that writes text; `null` is none.
    pub(super) fn value(&self, names: &[&str]) -> Option<&Value> {
        let mut values = names.iter().filter_map(|name| self.text.get(*name));
        values.find(|value| !value.is_null())
    }

    /// A value of the part that writes text, else of the whole.
    pub(super) fn anywhere(&self, name: &str) -> Option<&Value> {
        self.value(&[name]).or_else(|| self.whole.get(name).filter(|value| !value.is_null()))
    }

    /// An object of the whole.
    pub(super) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.whole.get(name)?.as_object()
    }

    /// A whole number by any of its names.
    ///
    /// # Errors
    ///
    /// When it is none, is negative, or more than any model has.
    pub(super) fn number(&self, names: &[&str]) -> Result<Option<u64>, ModelError> {
        let found = names.iter().find_map(|name| Some((name, self.text.get(*name)?)));
        match found {
            None | Some((_, Value::Null)) => Ok(None),
            Some((name, value)) => self.checked(name, value).map(Some),
        }
    }

    /// A number that a model has to have, unless it is of a kind for which it is known.
    pub(super) fn needed(&self, names: &[&str]) -> Result<Known<u64>, ModelError> {
        let number = self.number(names)?.or_else(|| self.usual(names));
        Ok(match number {
            Some(0) | None => Err(format!("config.json does not say `{}`", names[0])),
            Some(number) => Ok(number),
        })
    }

    /// What `transformers` takes where Gemma 3's files leave it out (Gemma3TextConfig).
    fn usual(&self, names: &[&str]) -> Option<u64> {
        if self.kind() != "gemma3_text" {
            return None;
        }
        let known = [
            ("num_attention_heads", 8),
            ("num_key_value_heads", 4),
            ("head_dim", 256),
            ("vocab_size", 262_208),
            ("max_position_embeddings", 131_072),
        ];
        known.into_iter().find_map(|(name, number)| names.contains(&name).then_some(number))
    }

    fn checked(&self, name: &str, value: &Value) -> Result<u64, ModelError> {
        let number = value.as_u64().filter(|number| *number <= MOST);
        number.ok_or_else(|| {
            let shown: String = value.to_string().chars().take(60).collect();
            ModelError::malformed(&self.path, format!("`{name}` cannot be {shown}"))
        })
    }

    /// A list of words, one for each layer.
    pub(super) fn words(&self, name: &str) -> Option<Vec<&str>> {
        self.value(&[name])?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// A list of whole numbers; what is none of them is left out.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<u64>> {
        let list = self.value(&[name])?.as_array()?;
        Some(list.iter().filter_map(Value::as_u64).collect())
    }

    /// Whether something is said to be so; `None` where nothing is said.
    pub(super) fn is(&self, name: &str) -> Option<bool> {
        self.anywhere(name)?.as_bool()
    }

    /// How weights are stored that are not quantized, as `bfloat16`.
    pub(super) fn dtype(&self) -> Option<&str> {
        ["dtype", "torch_dtype"].iter().find_map(|name| self.anywhere(name)?.as_str())
    }

    /// A number within the part that sees pictures.
    pub(super) fn of_vision(&self, names: &[&str]) -> Result<Option<u64>, ModelError> {
        let Some(vision) = self.object("vision_config") else { return Ok(None) };
        let found = names.iter().find_map(|name| Some((name, vision.get(*name)?)));
        match found {
            None | Some((_, Value::Null)) => Ok(None),
            Some((name, value)) => self.checked(name, value).map(Some),
        }
    }

    #[cfg(test)]
    pub(super) fn of(value: Value) -> Self {
        let Value::Object(whole) = value else { panic!("no object") };
        Self::new("config.json".into(), whole)
    }
}
