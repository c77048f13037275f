//! One line of the text.

use std::borrow::Cow;

use super::{Labels, Series};

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing that is kept: it is blank, a comment, or tells what a metric means.
    Nothing,
    /// `# EOF`.
    End,
    Series(Series<'a>),
}

/// The types that a metric can have, in either format.
const TYPES: [&str; 10] = [
    "counter",
    "gauge",
    "histogram",
    "summary",
    "untyped",
    "unknown",
    "info",
    "stateset",
    "gaugehistogram",
    "gauge_histogram",
];

const NO_NAME: &str = "it begins with neither `#` nor the name of a metric";
const NO_LABEL: &str = "a label has no name";
const NO_VALUE: &str = "a label has no value in quotes";
const NO_NUMBER: &str = "there is no number after the name";

type Read<T> = Result<T, &'static str>;

impl<'a> Line<'a> {
    /// Reads `text`, with or without the end of its line.
    pub(super) fn read(text: &'a str) -> Read<Self> {
        let text = text.trim_matches(is_blank_or_end);
        match text.strip_prefix('#') {
            Some(comment) => Self::comment(comment),
            None if text.is_empty() => Ok(Self::Nothing),
            None => series(text).map(Self::Series),
        }
    }

    fn comment(text: &str) -> Read<Self> {
        if text == " EOF" {
            return Ok(Self::End);
        }
        let mut words = text.split(is_blank).filter(|word| !word.is_empty());
        let (Some(keyword @ ("TYPE" | "HELP" | "UNIT")), name) = (words.next(), words.next())
        else {
            return Ok(Self::Nothing);
        };
        if !name.is_some_and(is_name) {
            return Err("what `# TYPE`, `# HELP` or `# UNIT` is about is no name");
        }
        if keyword == "TYPE" && !words.next().is_some_and(|kind| TYPES.contains(&kind)) {
            return Err("a metric has a type that does not exist");
        }
        Ok(Self::Nothing)
    }
}

fn series(text: &str) -> Read<Series<'_>> {
    let (name, rest) = split_name(text, true).ok_or(NO_NAME)?;
    let rest = skip_blanks(rest);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => split_labels(inner)?,
        None => ("", rest),
    };
    let value = value_and_time(rest)?;
    Ok(Series { name, value, labels: Labels(labels) })
}

/// The value of ` 1.5 1700000000000 # {trace_id="…"} 0.7`, whose time and exemplar must be right and are dropped.
fn value_and_time(text: &str) -> Read<f64> {
    let (text, exemplar) = match text.split_once('#') {
        Some((text, exemplar)) => (text, Some(exemplar)),
        None => (text, None),
    };
    let value = numbers(text)?.ok_or(NO_NUMBER)?;
    if let Some(exemplar) = exemplar {
        let inner = skip_blanks(exemplar).strip_prefix('{').ok_or("an exemplar has no labels")?;
        let (_, rest) = split_labels(inner)?;
        numbers(rest)?.ok_or("an exemplar has no value")?;
    }
    Ok(value)
}

/// The first number of one or two: a value, and a time that may follow it.
fn numbers(text: &str) -> Read<Option<f64>> {
    let mut words = text.split(is_blank).filter(|word| !word.is_empty());
    let value = words.next().map(number).transpose()?;
    if let Some(time) = words.next() {
        number(time)?;
    }
    if words.next().is_some() {
        return Err("there is more after the value and its time");
    }
    Ok(value)
}

fn number(word: &str) -> Read<f64> {
    word.parse().map_err(|_| "a value or its time is no number")
}

/// Splits what follows `{` into the labels and what comes after `}`; the labels are right then.
fn split_labels(text: &str) -> Read<(&str, &str)> {
    let mut rest = skip_blanks(text);
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            let length = text.len() - rest.len();
            return Ok((text[..length].trim_matches(is_blank), after));
        }
        let (_, _, after) = label(rest)?;
        rest = skip_blanks(after);
        match rest.strip_prefix(',') {
            Some(after) => rest = skip_blanks(after),
            None if rest.starts_with('}') => {}
            None => return Err("between labels there is no comma, or after them no brace"),
        }
    }
}

/// The first label of `text`: its name, its value as written, and what follows.
fn label(text: &str) -> Read<(&str, &str, &str)> {
    let (name, rest) = split_name(text, false).ok_or(NO_LABEL)?;
    let rest = skip_blanks(rest).strip_prefix('=').ok_or(NO_VALUE)?;
    let rest = skip_blanks(rest).strip_prefix('"').ok_or(NO_VALUE)?;
    let mut escaped = false;
    for (i, byte) in rest.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return Ok((name, &rest[..i], &rest[i + 1..])),
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    Err("the value of a label does not end")
}

/// The labels that stand in `text`, which is right.
pub(super) fn labels(text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (name, value, after) = label(rest).ok()?;
        rest = after.trim_start_matches(|c| is_blank(c) || c == ',');
        Some((name, unescaped(value)))
    })
}

/// A label's value; a backslash before anything but `\`, `"` and `n` stands for itself.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some(next @ ('\\' | '"'))) => out.push(next),
            ('\\', Some('n')) => out.push('\n'),
            _ => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    Cow::Owned(out)
}

/// A name at the beginning of `text`, and what follows; the name of a metric may hold colons.
fn split_name(text: &str, of_metric: bool) -> Option<(&str, &str)> {
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (of_metric && byte == b':');
    let length = text.bytes().take_while(|&byte| is_part(byte)).count();
    let begins_well = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    (length > 0 && begins_well).then(|| text.split_at(length))
}

fn is_name(word: &str) -> bool {
    split_name(word, true).is_some_and(|(_, rest)| rest.is_empty())
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn is_blank_or_end(c: char) -> bool {
    is_blank(c) || c == '\r' || c == '\n'
}
