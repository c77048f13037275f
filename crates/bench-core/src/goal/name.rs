//! Metrics and limits, as people write them.

use std::fmt;

use crate::{Metric, metric, registry};

/// Names that neither the registry nor its notes on other tools have.
const ALIASES: [(&str, &str); 3] = [
    ("e2e_latency", "e2e_ms"),
    ("error_rate", "error_ratio"),
    ("time_per_output_token", "tpot_ms"),
];

/// A word that names no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` names no metric; near it are {}", Listed(.nearest))]
pub struct UnknownMetric {
    /// What was written.
    pub word: String,
    /// The names that are most like it, the nearest first.
    pub nearest: Vec<&'static str>,
}

/// A text that is no limit for a metric.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{word}` is no limit for `{}`: give {}", .metric.id, expected(.metric))]
pub struct InvalidLimit {
    /// What was written.
    pub word: String,
    /// The metric that it was to limit.
    pub metric: &'static Metric,
}

/// The metric that `word` names: by its id, its id without the unit, or its name in another tool.
pub(super) fn named(word: &str) -> Result<&'static Metric, UnknownMetric> {
    let lower = word.trim().to_ascii_lowercase();
    let known = names().find(|(name, _)| *name == lower).map(|(_, metric)| metric);
    known.ok_or_else(|| UnknownMetric { word: word.trim().to_owned(), nearest: nearest(&lower) })
}

/// All names; where tools differ in what they call by one name, ours comes first.
fn names() -> impl Iterator<Item = (&'static str, &'static Metric)> {
    let stems = registry().iter().map(|m| (stem(m), m));
    let ids = registry().iter().map(|m| (m.id, m));
    let aliases = ALIASES.iter().filter_map(|(alias, id)| Some((*alias, metric(id)?)));
    let elsewhere =
        registry().iter().flat_map(|m| m.elsewhere.iter().map(move |(_, name)| (*name, m)));
    // What another tool counts in percent would be misread as a ratio.
    let elsewhere = elsewhere.filter(|(name, _)| !name.ends_with("(percent)"));
    let elsewhere = elsewhere.map(|(name, m)| (name.split_once(" (").map_or(name, |(n, _)| n), m));
    stems.chain(ids).chain(aliases).chain(elsewhere)
}

/// The id without its unit.
fn stem(metric: &'static Metric) -> &'static str {
    let id = metric.id.strip_suffix(metric.unit);
    id.and_then(|id| id.strip_suffix('_')).unwrap_or(metric.id)
}

/// The three names that are most like `word`; one name a metric.
fn nearest(word: &str) -> Vec<&'static str> {
    let mut near: Vec<_> = names().map(|(name, m)| (distance(word, name), name, m.id)).collect();
    near.sort_by_key(|(distance, ..)| *distance); // Stable: of equals, the registry's first.
    let mut metrics = Vec::new();
    near.retain(|(.., id)| {
        !metrics.contains(id) && {
            metrics.push(*id);
            true
        }
    });
    near.into_iter().take(3).map(|(_, name, _)| name).collect()
}

/// Letters to insert, delete or replace to turn one word into the other (Levenshtein); swapped
/// neighbours count once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=b.len()).collect()];
    for i in 1..=a.len() {
        rows.rotate_left(1);
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[0][j - 2] + 1);
            }
            row.push(least);
        }
        rows[2] = row;
    }
    rows[2][b.len()]
}

/// Times, and how many nanoseconds they have. The third is another letter that looks like the second's.
const TIMES: [(&str, f64); 5] = [("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9)];

/// The limit that `word` says, in the unit of `metric`.
pub(super) fn limit(word: &str, metric: &'static Metric) -> Result<f64, InvalidLimit> {
    let word = word.trim();
    let of_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
    let (number, unit) = word.split_at(word.find(|c| !of_number(c)).unwrap_or(word.len()));
    let unit = unit.trim().to_lowercase();
    let limit = number.parse().ok().and_then(|number: f64| in_unit_of(metric, number, &unit));
    let fits =
        |limit: &f64| limit.is_finite() && (metric.unit != "ratio" || (0.0..=1.0).contains(limit));
    limit.filter(fits).ok_or_else(|| InvalidLimit { word: word.to_owned(), metric })
}

fn in_unit_of(metric: &Metric, number: f64, unit: &str) -> Option<f64> {
    let nanoseconds = |unit: &str| TIMES.iter().find(|(name, _)| *name == unit).map(|(_, ns)| *ns);
    match unit {
        "" => Some(number),
        "%" => (metric.unit == "ratio").then_some(number / 100.0),
        _ if unit == metric.unit => Some(number),
        _ => Some(number * nanoseconds(unit)? / nanoseconds(metric.unit)?),
    }
}

fn expected(metric: &Metric) -> String {
    match metric.unit {
        unit @ ("ms" | "s") => format!("a number, with us, ms or s if not in {unit}"),
        "ratio" => "a number from 0 to 1, or from 0% to 100%".to_owned(),
        unit => format!("a number in {unit}"),
    }
}

/// `` `a`, `b` and `c` ``.
struct Listed<'a>(&'a [&'static str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.0.iter().enumerate() {
            let between = if i == 0 {
                ""
            } else if i + 1 == self.0.len() {
                " and "
            } else {
                ", "
            };
            write!(f, "{between}`{word}`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_goes_by_many_names() {
        for (word, id) in [
            ("ttft_ms", "ttft_ms"),
            ("ttft", "ttft_ms"),
            (" TTFT ", "ttft_ms"),
            ("time_to_first_token", "ttft_ms"),
            ("time_to_first_output_token", "ttfo_ms"),
            ("inter_token_latency", "tpot_ms"),
            ("tpot", "tpot_ms"),
            ("itl", "itl_ms"),
            ("e2el", "e2e_ms"),
            ("request_latency", "e2e_ms"),
            ("error_rate", "error_ratio"),
            ("request_throughput", "rps"),
            ("output_token_throughput", "output_tps"),
            ("output_token_throughput_per_user", "tps_user"),
            ("window", "window_s"),
            ("osl", "osl"),
        ] {
            assert_eq!(named(word).map(|metric| metric.id), Ok(id), "{word}");
        }
        assert!(named("request_error_rate").is_err(), "it is in percent");
        for (alias, id) in ALIASES {
            assert_eq!(named(alias).map(|metric| metric.id), Ok(id), "{alias}");
        }
        for metric in registry() {
            assert_eq!((named(metric.id), named(stem(metric))), (Ok(metric), Ok(metric)));
        }
    }

    #[test]
    fn the_nearest_names_are_told() {
        for (word, first) in [
            ("ttf", "ttft"),
            ("tfft", "ttft"),
            ("time_to_first_tokn", "time_to_first_token"),
            ("eror_rate", "error_rate"),
            ("output_tsp", "output_tps"),
            ("e2e_latencies", "e2e_latency"),
        ] {
            let UnknownMetric { nearest, .. } = named(word).unwrap_err();
            assert_eq!((nearest.len(), nearest[0]), (3, first), "{word}: {nearest:?}");
        }
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn limits_are_in_the_unit_of_their_metric() {
        for (word, id, expected) in [
            ("500", "ttft_ms", Some(500.0)),
            ("500ms", "ttft_ms", Some(500.0)),
            ("500 us", "ttft_ms", Some(0.5)),
            ("500μs", "ttft_ms", Some(0.5)),
            ("2s", "ttft_ms", Some(2_000.0)),
            ("2s", "window_s", Some(2.0)),
            ("2500ms", "window_s", Some(2.5)),
            ("-3", "queue_ms", Some(-3.0)),
            ("1e3", "rps", Some(1_000.0)),
            ("10 Requests/s", "rps", Some(10.0)),
            ("95%", "error_ratio", Some(0.95)),
            ("100%", "error_ratio", Some(1.0)),
            ("1.1", "error_ratio", None),
            ("-1%", "error_ratio", None),
            ("5 s", "error_ratio", None),
            ("5 tokens/s", "rps", None),
            ("1e999", "rps", None),
            ("nan", "rps", None),
            ("", "rps", None),
            ("ms", "ttft_ms", None),
            ("5 minutes", "ttft_ms", None),
        ] {
            let found = limit(word, metric(id).unwrap()).ok();
            assert_eq!(found, expected, "{word} for {id}");
        }
    }
}
