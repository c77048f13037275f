//! JSON Lines.

use serde_json::{Map, Value};

/// Each line that is not blank, from 1, as `make` has it.
pub(super) fn objects<T>(
    text: &str,
    make: impl Fn(&Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<(usize, T)>, (usize, String)> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let value: Value = serde_json::from_str(line)
                .map_err(|error| (number, format!("it is no JSON: {error}")))?;
            let object = value.as_object().ok_or((number, "it is no JSON object".to_owned()))?;
            Ok((number, make(object).map_err(|what| (number, what))?))
        })
        .collect()
}

/// The text of a field.
pub(super) fn text<'o>(object: &'o Map<String, Value>, name: &str) -> Result<&'o str, String> {
    let text = object.get(name).and_then(Value::as_str);
    text.ok_or_else(|| format!("there is no text `{name}`"))
}
