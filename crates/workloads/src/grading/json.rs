//! JSON in texts, and when two values are equal.

use serde_json::Value;

/// By how much numbers may differ, as a share of the greater.
const TOLERANCE: f64 = 1e-9;

/// The JSON of a text: all of it, else what is in its first fence, else what is between its outer brackets.
pub(super) fn in_text(text: &str) -> Option<Value> {
    let text = text.trim();
    let parsed = |text: &str| serde_json::from_str(text.trim()).ok();
    parsed(text).or_else(|| parsed(fenced(text)?)).or_else(|| parsed(bracketed(text)?))
}

/// What stands in the first fence, without the word behind its opening.
fn fenced(text: &str) -> Option<&str> {
    let (_, opened) = text.split_once("```")?;
    let (inner, _) = opened.split_once("```")?;
    Some(inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric()))
}

fn bracketed(text: &str) -> Option<&str> {
    let start = text.find(['{', '['])?;
    let end = text.rfind(['}', ']'])?;
    text.get(start..=end)
}

/// Whether two values are equal: objects whatever the order of their keys, numbers however they are written.
pub(super) fn are_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            _ if a == b => true,
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let equal = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| are_equal(a, b));
            a.len() == b.len() && a.iter().all(equal)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_found_in_what_is_said_around_it() {
        for text in [
            "{\"a\":1}",
            " {\"a\" : 1.0} ",
            "```json\n{\"a\":1}\n```",
            "```\n{\"a\":1}```",
            "Here it is:\n```json\n{\"a\":1}\n```\nI hope {that} helps.",
            "It is {\"a\":1}, I think.",
        ] {
            let found = in_text(text).unwrap();
            assert!(are_equal(&found, &serde_json::json!({"a": 1})), "{text}");
        }
        for text in ["", "{", "a: 1", "``` ```", "}{", "```"] {
            assert_eq!(in_text(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_otherwise_may_be_equal() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        for (a, b, equal) in [
            ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true),
            ("{\"a\":1}", "{\"a\":1,\"b\":null}", false),
            ("[1,2]", "[2,1]", false),
            ("[1,2]", "[1.0,2e0]", true),
            ("0.3", "0.30000000000000004", true),
            ("0.3", "0.3001", false),
            ("1", "\"1\"", false),
            ("9007199254740993", "9007199254740993", true),
            ("\"a\"", "\"A\"", false),
            ("true", "1", false),
        ] {
            assert_eq!(are_equal(&value(a), &value(b)), equal, "{a} and {b}");
            assert_eq!(are_equal(&value(b), &value(a)), equal, "{b} and {a}");
        }
    }
}
