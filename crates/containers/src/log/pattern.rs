//! What lines look like that tell something.
//!
//! A pattern is the line's own text, of which some parts are left open:
//!
//! | part | stands for |
//! |---|---|
//! | `{}` | a number, perhaps with thousands commas |
//! | `{size}` | a number with its unit, in GiB: engines that write `GB` divide by 2³⁰ |
//! | `{text}` | up to 64 characters of a value |
//! | `{version}` | a version |
//! | `{*}` | whatever stands there |
//! | `$`, at the end | the end of the line |

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// What may be left open, and the regular expression that stands for it.
const PARTS: [(&str, &str, Part); 5] = [
    ("{}", r"([0-9][0-9,]*(?:\.[0-9]+)?)", Part::Number),
    ("{size}", r"([0-9][0-9,]*(?:\.[0-9]+)?) ?(B|[KMGT]i?B|bytes)\b", Part::Size),
    ("{text}", r#"([^,;'"()\[\]{}]{1,64}?)"#, Part::Text),
    ("{version}", r"([0-9][0-9A-Za-z.+-]{0,40})", Part::Text),
    ("{*}", ".*?", Part::Anything),
];

/// What an open part gives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Number,
    Size,
    Text,
    Anything,
}

/// Rows of a table, each with a pattern.
#[derive(Debug)]
pub(super) struct Table<R: 'static> {
    rows: &'static [R],
    /// The texts before the first open part of each pattern: one pass over a line tells which rows to try.
    beginnings: RegexSet,
    patterns: Vec<Pattern>,
}

/// What a row's pattern found in a line.
#[derive(Debug)]
pub(super) struct Found<'l> {
    /// Where in the line the last of it stands.
    pub(super) at: usize,
    /// The numbers, sizes in GiB.
    pub(super) numbers: Vec<f64>,
    /// The text, or the version.
    pub(super) text: Option<&'l str>,
}

impl<R> Table<R> {
    /// A table of `rows`, each of which has the pattern that `pattern` says.
    pub(super) fn new(rows: &'static [R], pattern: fn(&R) -> &'static str) -> Self {
        Self::of(rows, pattern, false)
    }

    /// As [`new`](Self::new), but capital and small letters are the same.
    pub(super) fn of_any_case(rows: &'static [R], pattern: fn(&R) -> &'static str) -> Self {
        Self::of(rows, pattern, true)
    }

    fn of(rows: &'static [R], pattern: fn(&R) -> &'static str, any_case: bool) -> Self {
        let begins = rows.iter().map(|row| regex::escape(beginning(pattern(row))));
        let beginnings =
            RegexSetBuilder::new(begins).unicode(false).case_insensitive(any_case).build();
        Self {
            rows,
            beginnings: beginnings.expect("escaped text is a pattern"),
            patterns: rows.iter().map(|row| Pattern::new(pattern(row), any_case)).collect(),
        }
    }

    /// The rows that a flat line fits, in the table's order, with their numbers and what they find: where it fits
    /// several times, as progress that was written over itself, the last time.
    pub(super) fn find<'l>(
        &self,
        line: &'l str,
    ) -> impl Iterator<Item = (usize, &'static R, Found<'l>)> {
        let tried = self.beginnings.matches(line).into_iter();
        tried.filter_map(|row| Some((row, &self.rows[row], self.patterns[row].find(line)?)))
    }
}

/// A pattern, ready to be looked for.
#[derive(Debug)]
struct Pattern {
    regex: Regex,
    parts: Vec<Part>,
}

impl Pattern {
    fn new(pattern: &str, any_case: bool) -> Self {
        let (mut rest, end) = match pattern.strip_suffix('$') {
            Some(rest) => (rest, "$"),
            None => (pattern, ""),
        };
        let (mut regex, mut parts) = (String::new(), Vec::new());
        while let Some((at, (name, stands_for, part))) = first_part(rest) {
            regex += &regex::escape(&rest[..at]);
            regex += stands_for;
            parts.push(part);
            rest = &rest[at + name.len()..];
        }
        regex += &regex::escape(rest);
        let regex = RegexBuilder::new(&(regex + end)).case_insensitive(any_case).build();
        Self { regex: regex.expect("escaped text and known parts are a pattern"), parts }
    }

    fn find<'l>(&self, line: &'l str) -> Option<Found<'l>> {
        let found = self.regex.captures_iter(line).last()?;
        let mut groups = found.iter().skip(1).flatten().map(|group| group.as_str());
        let (mut numbers, mut text) = (Vec::new(), None);
        for part in &self.parts {
            match part {
                Part::Number => numbers.push(number(groups.next()?)?),
                Part::Size => numbers.push(number(groups.next()?)? * gib(groups.next()?)?),
                Part::Text => text = groups.next(),
                Part::Anything => {}
            }
        }
        let last = found.iter().flatten().last()?;
        Some(Found { at: last.start(), numbers, text })
    }
}

/// A number that is not beyond all measure.
fn number(digits: &str) -> Option<f64> {
    digits.replace(',', "").parse().ok().filter(|number: &f64| number.is_finite())
}

/// A unit in GiB.
fn gib(unit: &str) -> Option<f64> {
    const GIB: f64 = (1_u64 << 30) as f64;
    Some(match unit {
        "B" | "bytes" => 1.0 / GIB,
        "KB" | "KiB" => 1024.0 / GIB,
        "MB" | "MiB" => 1.0 / 1024.0,
        "GB" | "GiB" => 1.0,
        "TB" | "TiB" => 1024.0,
        _ => return None,
    })
}

/// The text before the first open part.
fn beginning(pattern: &str) -> &str {
    let open = first_part(pattern).map_or(pattern.len(), |(at, _)| at);
    pattern[..open].trim_end_matches('$')
}

fn first_part(pattern: &str) -> Option<(usize, (&'static str, &'static str, Part))> {
    let parts = PARTS.iter().filter_map(|part| Some((pattern.find(part.0)?, *part)));
    parts.min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &'static str, line: &str) -> Option<(Vec<f64>, Option<String>)> {
        let rows = Box::leak(Box::new([pattern]));
        let table = Table::new(rows.as_slice(), |row| row);
        let (.., found) = table.find(line).next()?;
        Some((found.numbers, found.text.map(str::to_owned)))
    }

    #[test]
    fn patterns_find_numbers_sizes_and_texts() {
        let numbers = |numbers: &[f64]| Some((numbers.to_vec(), None));
        let text = |text: &str| Some((Vec::new(), Some(text.to_owned())));
        for (pattern, line, expected) in [
            ("took {} s", "it took 7.5 s", numbers(&[7.5])),
            ("size: {} tokens", "KV cache size: 1,003,232 tokens", numbers(&[1_003_232.0])),
            ("tokens={},", "tokens=40000, chunk=4096", numbers(&[40_000.0])),
            ("K {size}, V {size}", "K 1.50 GB, V 512.00 MiB", numbers(&[1.5, 0.5])),
            ("is {size}.", "for KV Cache is 5.50GiB.", numbers(&[5.5])),
            ("Allocating {size}", "Allocating 5033164800 bytes.", numbers(&[4.6875])),
            ("from {*} to {}", "from 3 or 4 to 5", numbers(&[5.0])),
            ("{}%", "10% 20% 30%", numbers(&[30.0])),
            ("version {version}", "version 0.6.6.post1", text("0.6.6.post1")),
            ("version {version}", "version vdev", None),
            ("{version}.", "it is 0.9.", text("0.9")),
            ("size={text},", "size=16, ", text("16")),
            ("type = {text}$", "type = Q4_K - Medium", text("Q4_K - Medium")),
            ("backend='{text}'", "backend=None", None),
            ("took {} s", "it took -7.5 s", None),
            ("took {} s", "it took s", None),
            ("took {} s", "it took 1e9 s", None),
            ("usage={size}", "usage=0.05 tokens", None),
            ("(a) [b] {}", "(a) [b] 3", numbers(&[3.0])),
        ] {
            assert_eq!(found(pattern, line), expected, "{pattern} in {line}");
        }
        assert_eq!(found("took {} s", &format!("took {} s", "9".repeat(400))), None);
    }

    #[test]
    fn every_row_that_a_line_fits_is_found() {
        const ROWS: [&str; 3] = ["took {} s", "nothing", "took {*} s"];
        let table = Table::new(&ROWS, |row| row);
        let found: Vec<_> = table.find("it took 3 s").map(|(_, row, _)| *row).collect();
        assert_eq!(found, ["took {} s", "took {*} s"]);
    }
}
