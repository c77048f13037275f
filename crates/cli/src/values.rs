//! Values as people type them: `10k`, `500ms`, `Name: value`.

use std::time::Duration;

use serde_json::{Map, Value};

/// A number of things: `250`, `10k`, `1.5m`.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.trim().to_ascii_lowercase() {
        t if t.ends_with('k') => (t[..t.len() - 1].to_owned(), 1e3),
        t if t.ends_with('m') => (t[..t.len() - 1].to_owned(), 1e6),
        t => (t, 1.0),
    };
    let number: f64 =
        digits.parse().map_err(|_| format!("`{text}` is no number such as 250, 10k or 1.5m"))?;
    let number = number * factor;
    if !(0.0..1e15).contains(&number) || number.fract() != 0.0 {
        return Err(format!("`{text}` is no whole number of things"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just before"
    )]
    let number = number as u64;
    Ok(number)
}

/// A number of things, at least one.
pub(crate) fn positive(text: &str) -> Result<u64, String> {
    count(text).and_then(|n| if n > 0 { Ok(n) } else { Err("it must be at least 1".to_owned()) })
}

/// A single concurrency. Lists are for sweeps, which are not there yet.
pub(crate) fn concurrency(text: &str) -> Result<usize, String> {
    if text.contains([',', '.']) {
        return Err("one value here; run it once for each".to_owned());
    }
    positive(text).and_then(|n| usize::try_from(n).map_err(|e| e.to_string()))
}

/// A length of time: `500ms`, `20s`, `1.5m`, `2h`; without unit in seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let factor = match &text[split..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("`{text}` has no unit that is known: us, ms, s, m, h")),
    };
    let number: f64 = text[..split]
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is no time such as 500ms or 20s"))?;
    Duration::try_from_secs_f64(number * factor).map_err(|error| format!("`{text}`: {error}"))
}

/// A length of time above zero.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    duration(text)
        .and_then(|d| if d.is_zero() { Err("it must be more than 0".to_owned()) } else { Ok(d) })
}

/// Milliseconds, or a time with a unit.
pub(crate) fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(ms) => {
            Duration::try_from_secs_f64(ms / 1e3).map_err(|error| format!("`{text}`: {error}"))
        }
        Err(_) => duration(text),
    }
}

/// A header: `Name: value`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    // The value may be a secret: an error does not repeat it.
    let (name, value) = text.split_once(':').ok_or("a header is `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Fields of a body: a JSON object, or `name:value` with a JSON value or a plain text.
pub(crate) fn fields(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| format!("`{text}` is no JSON object: {error}"));
    }
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("`{text}` is neither `name:value` nor JSON"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok(Map::from_iter([(name.trim().to_owned(), value)]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_and_times_are_read_as_people_write_them() {
        for (text, n) in [("250", 250), ("10k", 10_000), ("1.5m", 1_500_000), ("2K", 2_000)] {
            assert_eq!(count(text), Ok(n), "{text}");
        }
        for (text, ms) in
            [("20", 20_000), ("500ms", 500), ("1.5m", 90_000), ("2h", 7_200_000), ("0.25s", 250)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(milliseconds("1.5"), Ok(Duration::from_micros(1_500)));
        assert_eq!(milliseconds("2s"), Ok(Duration::from_secs(2)));
    }

    #[test]
    fn what_is_no_value_is_said_to_be_none() {
        for bad in ["", "k", "-1", "1.5", "ten", "1e99", "NaN"] {
            assert!(count(bad).is_err(), "{bad}");
        }
        for bad in ["", "ms", "-1s", "5 parsecs", "1e99s", "NaN"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(positive("0").is_err() && time("0s").is_err());
        assert!(concurrency("1,8").is_err() && concurrency("1..8").is_err());
    }

    #[test]
    fn fields_take_json_where_it_is_json() {
        assert_eq!(Value::Object(fields("ignore_eos:true").unwrap()), json!({"ignore_eos": true}));
        assert_eq!(Value::Object(fields("user:bob").unwrap()), json!({"user": "bob"}));
        assert_eq!(
            Value::Object(fields(r#"{"a": [1], "b": null}"#).unwrap()),
            json!({"a": [1], "b": null})
        );
        assert!(fields("nothing").is_err() && fields("{").is_err());
    }

    #[test]
    fn a_bad_header_is_not_repeated() {
        assert_eq!(header("X-A:  b:c "), Ok(("X-A".into(), "b:c".into())));
        assert!(!header("sk-secret").unwrap_err().contains("secret"));
    }
}
