//! Lists such as `model=m,labels.gpu=H200`: keys and values, in quotes where they have commas.

/// What stands in a list: a key with its value, or a word alone.
pub(super) type Item = (String, Option<String>);

/// The items of a list. Values that begin with a brace or a bracket are JSON, and keep their quotes.
pub(super) fn items(text: &str) -> Result<Vec<Item>, String> {
    split(text, ',').into_iter().map(item).collect()
}

fn item(text: &str) -> Result<Item, String> {
    match split_once(text, '=') {
        Some((key, value)) => Ok((unquoted(key)?, Some(unquoted(value)?))),
        None => Ok((unquoted(text)?, None)),
    }
}

/// As an item of a list: in quotes if it has to be.
pub(super) fn quoted(text: &str) -> String {
    let special = |c: char| ",=\"'{}[]\\".contains(c) || c.is_control();
    if text.chars().any(special) || text.trim() != text || text.is_empty() {
        serde_json::Value::from(text).to_string()
    } else {
        text.to_owned()
    }
}

fn unquoted(text: &str) -> Result<String, String> {
    if text.starts_with('"') {
        // It may be a secret: it is not repeated.
        return serde_json::from_str(text)
            .map_err(|error| format!("a text in quotes is not one as JSON has it: {error}"));
    }
    Ok(text.trim().to_owned())
}

fn split_once(text: &str, at: char) -> Option<(&str, &str)> {
    let first = *split(text, at).first()?;
    text[first.len()..].strip_prefix(at).map(|rest| (first, rest))
}

/// The parts between `at`, where it is neither in quotes nor in brackets.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    let (mut in_quotes, mut escaped) = (false, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ if c == at && depth == 0 => {
                parts.push(&text[start..index]);
                start = index + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_brackets_keep_what_is_in_them() {
        let text = r#"a=http://h:1/x,b="1,2=\"3\"",c={"d": [1, 2]},e="#;
        let expected =
            [("a", "http://h:1/x"), ("b", "1,2=\"3\""), ("c", r#"{"d": [1, 2]}"#), ("e", "")];
        let expected = expected.map(|(k, v)| (k.to_owned(), Some(v.to_owned())));
        assert_eq!(items(text).unwrap(), expected);
        assert_eq!(items(":8000").unwrap(), [(":8000".to_owned(), None)]);
        assert!(items("a=\"b").is_err());
    }
}
