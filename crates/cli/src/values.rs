//! Values as people type them: `10k`, `500ms`, `Name: value`.

use std::time::Duration;

use bench_harness::plan::{Positive, Time, Value as _};
use serde_json::{Map, Value};

/// A number of things: `250`, `10k`.
#[cfg(feature = "history")]
pub(crate) fn count(text: &str) -> Result<u64, String> {
    bench_harness::plan::Count::parse(text).map(|count| count.0)
}

/// A number of things, at least one.
pub(crate) fn positive(text: &str) -> Result<u64, String> {
    Positive::parse(text).map(|Positive(count)| count.get())
}

/// A number of things at once.
pub(crate) fn concurrency(text: &str) -> Result<usize, String> {
    positive(text).and_then(|n| usize::try_from(n).map_err(|e| e.to_string()))
}

/// A length of time: `500ms`, `20s`, `1.5m`, `2h`; without unit in seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    Time::parse(text).map(|Time(time)| time)
}

/// Time from one look to the next: a millisecond at least, an hour at most.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(1)..=Duration::from_secs(3_600);
    duration(text).and_then(|time| match range.contains(&time) {
        true => Ok(time),
        false => Err("it is from 1ms to 1h".to_owned()),
    })
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
    fn milliseconds_need_no_unit() {
        assert_eq!(milliseconds("1.5"), Ok(Duration::from_micros(1_500)));
        assert_eq!(milliseconds("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert!(positive("0").is_err() && milliseconds("-1").is_err());
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
