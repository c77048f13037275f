//! A command line that may be kept.

use bench_harness::plan::names_variable;
use serde_json::Value as Json;

use super::list::{self, quoted};

/// Flags whose value is a secret, or a header.
const SECRET_FLAGS: [&str; 4] = ["-H", "--header", "--api-key", "--key"];

/// A command line without what may be secret: values of headers, and users in URLs.
pub(crate) fn redacted(args: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut redacted = Vec::new();
    let mut last = String::new();
    for arg in args {
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
            _ => (arg.as_str(), None),
        };
        redacted.push(match (value, arg.strip_prefix("-H").filter(|header| !header.is_empty())) {
            (Some(value), _) => format!("{flag}={}", without_secrets(flag, value)),
            (None, Some(header)) => format!("-H{}", hidden(header)),
            (None, None) => without_secrets(&last, &arg),
        });
        last = arg;
    }
    redacted
}

/// What was given to `flag`, as it may be kept.
fn without_secrets(flag: &str, value: &str) -> String {
    match flag {
        _ if SECRET_FLAGS.contains(&flag) => hidden(value),
        "--target" => target(value),
        _ => without_user(value),
    }
}

/// A header's name, and that it had a value.
fn hidden(header: &str) -> String {
    header.split_once(':').map_or_else(|| "***".to_owned(), |(name, _)| format!("{name}: ***"))
}

/// A target without the values of its headers: `a=:8000,headers.X-A=***`. One that cannot be read is hidden
/// whole.
fn target(text: &str) -> String {
    let Ok(items) = list::items(text) else { return "***".to_owned() };
    let items = items.into_iter().map(|(key, value)| match value {
        None => without_user(&key),
        Some(value) => format!("{}={}", quoted(&key), item(&key, &value)),
    });
    items.collect::<Vec<_>>().join(",")
}

fn item(key: &str, value: &str) -> String {
    if value.starts_with(['{', '[']) {
        return serde_json::from_str(value).map_or("***".to_owned(), |mut json: Json| {
            hide(&mut json, is_headers(key));
            json.to_string()
        });
    }
    // A variable's name is no secret.
    match is_headers(key) && !names_variable(value) {
        true => "***".to_owned(),
        false => quoted(&without_user(value)),
    }
}

fn is_headers(key: &str) -> bool {
    key == "headers" || key.starts_with("headers.")
}

/// Hides the texts of `json` that are values of headers.
fn hide(json: &mut Json, in_headers: bool) {
    match json {
        Json::String(text) if in_headers && !names_variable(text) => *text = "***".to_owned(),
        Json::String(text) => *text = without_user(text),
        Json::Array(items) => items.iter_mut().for_each(|item| hide(item, in_headers)),
        Json::Object(entries) => {
            entries.iter_mut().for_each(|(key, value)| hide(value, in_headers || is_headers(key)));
        }
        Json::Number(_) | Json::Bool(_) | Json::Null => {}
    }
}

fn without_user(text: &str) -> String {
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (user, host))) if !user.contains('/') => format!("{scheme}://***@{host}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_survives() {
        for (typed, kept) in [
            ("-H|authorization:s3cret", "-H|authorization: ***"),
            ("--header|x:s3cret|--header=y:s3cret", "--header|x: ***|--header=y: ***"),
            ("-Hz:s3cret|--api-key|s3cret", "-Hz: ***|--api-key|***"),
            ("--url|http://me:s3cret@host:1|-c|4", "--url|http://***@host:1|-c|4"),
            (
                "--target|a=:1,headers.x=s3cret,model=m,headers.y=\"s3cret,\"",
                "--target|a=:1,headers.x=***,model=m,headers.y=***",
            ),
            ("--target=a=:1, headers.x=s3cret", "--target=a=:1,headers.x=***"),
            ("--target=:1,\"headers.x\"=s3cret", "--target=:1,headers.x=***"),
            ("--target|:1,headers={\"x\": \"s3cret\"}", "--target|:1,headers={\"x\":\"***\"}"),
            (
                "--target|:1,passes=[{\"headers\": {\"x\": \"s3cret\"}, \"url\": \"http://me:s3cret@h\"}]",
                "--target|:1,passes=[{\"headers\":{\"x\":\"***\"},\"url\":\"http://***@h\"}]",
            ),
            ("--target=b=:1,headers.x=\"s3cret", "--target=***"),
            ("--target=b=:1,headers.x=${X}", "--target=b=:1,headers.x=\"${X}\""),
        ] {
            let words = typed.split('|').map(str::to_owned);
            assert_eq!(redacted(words).join("|"), kept);
        }
    }
}
