//! An entry of a file: a JSON object, whatever it was written as.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::{Wrong, list};

/// An entry, as JSON text.
#[derive(Debug)]
pub(crate) struct Record {
    /// The line that it begins in, from 1; of Parquet, the row.
    pub(crate) line: u64,
    pub(crate) text: String,
}

impl Record {
    /// Its fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Wrong> {
        Fields::of(&self.text)
    }
}

/// The fields of a JSON object, each to be read when it is asked for. What is `null` is absent.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    text: &'t str,
    values: BTreeMap<String, &'t RawValue>,
}

impl<'t> Fields<'t> {
    pub(crate) fn of(text: &'t str) -> Result<Self, Wrong> {
        Ok(Self { text, values: serde_json::from_str(text)? })
    }

    /// What they are called, those that are `null` as well.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The JSON text of a field.
    pub(crate) fn raw(&self, name: &str) -> Option<&'t str> {
        self.values.get(name).map(|value| value.get()).filter(|json| *json != "null")
    }

    /// A field, if it is there.
    pub(crate) fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Wrong> {
        let Some(json) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(json)
            .map(Some)
            .map_err(|e| self.below(json, e.into()).of(quoted(name)))
    }

    /// A field that has to be there.
    pub(crate) fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, Wrong> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    /// The fields of an object in a field, if it is there.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Wrong> {
        let Some(json) = self.raw(name) else { return Ok(None) };
        Self::of(json).map(Some).map_err(|wrong| self.below(json, wrong).of(quoted(name)))
    }

    /// Text. Numbers and the like are their JSON text, as a table of CSV would have them.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Wrong> {
        match self.raw(name) {
            Some(json) if json.starts_with('"') => self.optional(name),
            json => Ok(json.map(str::to_owned)),
        }
    }

    /// A number of tokens or the like: an integer, in a table as text.
    pub(crate) fn count(&self, name: &str) -> Result<Option<u32>, Wrong> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        if number < 0.0 {
            return Err(Wrong::new(format!("`{name}` is {number}: negative"), "give 0 or more"));
        }
        if number.fract() != 0.0 || number > f64::from(u32::MAX) {
            return Err(Wrong::new(format!("`{name}` is {number}"), "give an integer below 2^32"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        let count = number as u32;
        Ok(Some(count))
    }

    /// A number of output tokens: at least one.
    pub(crate) fn output_tokens(&self, name: &str) -> Result<Option<u32>, Wrong> {
        match self.count(name)? {
            Some(0) => Err(Wrong::new(format!("`{name}` is 0"), "ask for 1 token or more")),
            count => Ok(count),
        }
    }

    /// A finite number, in a table as text.
    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, Wrong> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(Wrong::new(
                format!("`{name}` is `{}`, which is no number", short(&text)),
                "give a number",
            )),
        }
    }

    /// What to say where a field is missing.
    pub(crate) fn missing(&self, name: &str) -> Wrong {
        let there = list(self.names());
        Wrong::new(
            format!("`{name}` is missing; there is {there}"),
            "add it, or name the format if it is another one",
        )
    }

    /// `wrong` in `json`, which is part of this text, as it is in the whole.
    fn below(&self, json: &str, wrong: Wrong) -> Wrong {
        let from = json.as_ptr() as usize - self.text.as_ptr() as usize;
        let before = &self.text[..from];
        let above = before.matches('\n').count() as u64;
        let left = (before.len() - before.rfind('\n').map_or(0, |at| at + 1)) as u64;
        let place = wrong.place.map(|(line, column)| match line {
            1 => (above + 1, left + column),
            line => (above + line, column),
        });
        Wrong { place, ..wrong }
    }
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// The beginning of a text, to quote it in one line.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 40;
    let mut short: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}
