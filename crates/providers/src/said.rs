//! What servers say where they do not answer, cut short: it goes into samples.

use bench_core::{Outcome, ProviderError};
use serde_json::Value;

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
    let excerpt = excerpt(&String::from_utf8_lossy(document));
    ProviderError::new(Outcome::Malformed, format!("{why}: {excerpt}"))
}

/// What an error object says, or the first words of whatever it is.
pub(crate) fn message(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let said = json.as_ref().and_then(|json| {
        let error = json.get("error").unwrap_or(json);
        [error.get("message"), error.get("detail"), Some(error)]
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
    });
    excerpt(said.unwrap_or(&String::from_utf8_lossy(body)))
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
