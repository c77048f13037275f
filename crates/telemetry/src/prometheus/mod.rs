//! Reads the text that exporters of metrics send: Prometheus' text format and OpenMetrics.
//!
//! Strict where a number could be misread: names, labels, values and types are what the formats allow, a series
//! comes once, and the last line is whole. Tolerant of what real servers send beside that: CRLF, blank lines,
//! comments, trailing commas, unknown escapes, times and exemplars, of which nothing is kept.

mod line;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashSet, str};

use self::line::Line;

/// The most series that a text may hold. The largest servers send some thousand.
pub const MOST_SERIES: usize = 100_000;
/// The longest text that is read.
pub const LONGEST: usize = 16 << 20;

/// A text that was read.
#[derive(Debug, Default)]
pub struct Exposition<'a> {
    series: Vec<Series<'a>>,
}

/// One value, with its name and labels as they stand in the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series<'a> {
    /// The name, such as `vllm:num_requests_running` or, of a histogram, one that ends in `_bucket`.
    pub name: &'a str,
    /// The value; may be infinite or not a number.
    pub value: f64,
    labels: Labels<'a>,
}

/// The labels of a series: what stands between the braces, known to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Labels<'a>(&'a str);

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ParseError {
    /// Which line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl<'a> Exposition<'a> {
    /// Reads `body`, of which the series borrow.
    ///
    /// # Errors
    ///
    /// When it is neither Prometheus' text nor OpenMetrics, is cut off, or is larger than [`LONGEST`] or
    /// [`MOST_SERIES`].
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let at = |line, reason| ParseError { line, reason };
        if body.len() > LONGEST {
            return Err(at(1, "the text is longer than 16 MiB"));
        }
        let (mut series, mut seen) = (Vec::new(), HashSet::new());
        let (mut ended, mut whole, mut number) = (false, true, 0);
        for text in body.split_inclusive(|&byte| byte == b'\n') {
            number += 1;
            let err = |reason| at(number, reason);
            whole = text.ends_with(b"\n");
            let text = str::from_utf8(text).map_err(|_| err("it is not UTF-8"))?;
            match Line::read(text).map_err(err)? {
                Line::Nothing => {}
                _ if ended => return Err(err("there is more after `# EOF`")),
                Line::End => ended = true,
                Line::Series(one) => {
                    if !seen.insert((one.name, one.labels.0)) {
                        return Err(err("a series comes twice"));
                    }
                    series.push(one);
                }
            }
            if series.len() > MOST_SERIES {
                return Err(err("there are more than 100000 series"));
            }
        }
        // Half a number is a number too: `12` of `1234`.
        if !whole && !ended {
            return Err(at(number, "the text is cut off: its last line does not end"));
        }
        Ok(Self { series })
    }

    /// All series, in the order of the text.
    pub fn series(&self) -> &[Series<'a>] {
        &self.series
    }

    /// The series of one name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Series<'a>> {
        self.series.iter().filter(move |series| series.name == name)
    }
}

impl<'a> Series<'a> {
    /// The value of the label `key`; `None` where there is no such label.
    pub fn label(&self, key: &str) -> Option<Cow<'a, str>> {
        self.labels().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// All labels, in the order of the text.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> + use<'a> {
        line::labels(self.labels.0)
    }
}
