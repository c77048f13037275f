//! What servers say where they do not answer, cut short: it goes into samples.

use bench_core::{Outcome, ProviderError};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Bytes of a message that goes into a sample.
const MOST_OF_MESSAGE: usize = 200;

/// The failure that a status other than 2xx is.
pub(crate) fn refusal(status: u16, body: &[u8]) -> ProviderError {
    let outcome = if status == 429 { Outcome::RateLimited } else { Outcome::Http(status) };
    ProviderError::new(outcome, message(body))
}

/// The failure that an error object in an answer is.
pub(crate) fn in_band(document: &[u8]) -> ProviderError {
    ProviderError::new(Outcome::InBandError, message(document))
}

/// The failure that a document is which is none of the dialect's.
pub(crate) fn malformed(why: &dyn std::error::Error, document: &[u8]) -> ProviderError {
    // It may quote a text of the document as a whole.
    let why = excerpt(&why.to_string());
    ProviderError::new(Outcome::Malformed, format!("{why}: {}", opening(document)))
}

/// What an error object says, or the first words of whatever it is.
pub(crate) fn message(body: &[u8]) -> String {
    let said = std::str::from_utf8(body).ok().and_then(|json| {
        let fields: Option<Fields<'_>> = serde_json::from_str(json).ok();
        words(fields.and_then(|fields| fields.error).map_or(json, RawValue::get))
    });
    said.map_or_else(|| opening(body), |said| excerpt(&said))
}

/// Where an error object may say something. Everything else is skipped: kept as values, a document takes a
/// multiple of its size.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

/// The text that `json` is, or that its fields have.
fn words(json: &str) -> Option<String> {
    let text = |json| serde_json::from_str(json).ok();
    text(json).or_else(|| {
        let fields: Fields<'_> = serde_json::from_str(json).ok()?;
        [fields.message, fields.detail].into_iter().flatten().find_map(|field| text(field.get()))
    })
}

/// The first words of a document that may be no text.
fn opening(document: &[u8]) -> String {
    let document = document.trim_ascii_start();
    excerpt(&String::from_utf8_lossy(&document[..document.len().min(4 * MOST_OF_MESSAGE)]))
}

/// The first bytes of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let mut excerpt = String::with_capacity(MOST_OF_MESSAGE);
    for c in text.trim().chars() {
        if excerpt.len() + c.len_utf8() > MOST_OF_MESSAGE {
            excerpt.push('…');
            break;
        }
        excerpt.push(if c.is_control() { ' ' } else { c });
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn the_words_of_an_error_are_found() {
        for (body, said) in [
            (r#"{"error":{"message":"no","code":1}}"#, "no"),
            (r#"{"error":{"message":null,"detail":"no"}}"#, "no"),
            (r#"{"error":"no"}"#, "no"),
            (r#"{"object":"error","message":"no"}"#, "no"),
            (r#"{"detail":"no"}"#, "no"),
            (r#""no""#, "no"),
            (r#" {"error":5}"#, r#"{"error":5}"#),
            ("no\nmore", "no more"),
        ] {
            assert_eq!(message(body.as_bytes()), said, "{body}");
        }
    }

    #[test]
    fn nothing_said_is_long() {
        let long = format!("\"{}\"", "a".repeat(10_000));
        let malformed = json::read::<u32>(long.as_bytes()).unwrap_err().said;
        for said in [message(long.as_bytes()), message(&[0xff; 10_000]), malformed] {
            assert!(said.len() < 3 * MOST_OF_MESSAGE, "{} bytes", said.len());
        }
    }
}
