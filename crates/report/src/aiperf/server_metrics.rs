//! What servers told of themselves: [`CSV_FILE`] and [`JSON_FILE`].
//!
//! AIPerf keeps each engine's own names; here the names are those of inferbench's readings, which are one word for
//! one thing whatever the engine. Percentiles of histograms are estimated as Prometheus does, by straight lines within
//! a bucket. Rates are empty: a counter grew between the readings around the window, and over what time is not kept.
//!
//! Source: `server_metrics/csv_exporter.py`, `server_metrics/json_exporter.py`,
//! `common/models/server_metrics_models.py`.

use bench_core::{ServerTime, reading_name};
use bench_store::SeriesLine;
use serde::Serialize;
use serde_json::{Value, json};

use super::Watched;
use crate::{
    csv::{neutral, table},
    json::InOrder,
    telemetry::{Seen, statistic},
    text::escaped_json,
};

/// The name of the CSV file.
pub const CSV_FILE: &str = "server_metrics_export.csv";

/// The name of the JSON file.
pub const JSON_FILE: &str = "server_metrics_export.json";

const GAUGE: [&str; 13] =
    ["avg", "min", "max", "std", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99"];

const COUNTER: [&str; 6] = ["total", "rate", "rate_avg", "rate_min", "rate_max", "rate_std"];

const HISTOGRAM: [&str; 14] = [
    "count",
    "count_rate",
    "sum",
    "sum_rate",
    "avg",
    "p1_estimate",
    "p5_estimate",
    "p10_estimate",
    "p25_estimate",
    "p50_estimate",
    "p75_estimate",
    "p90_estimate",
    "p95_estimate",
    "p99_estimate",
];

/// The percentiles that are estimated, in order.
const PERCENTILES: [f64; 9] = [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0];

/// A metric of a source: what kind it is of, and its statistics as far as they are known.
struct Metric {
    endpoint: String,
    kind: &'static str,
    name: String,
    unit: &'static str,
    description: &'static str,
    statistics: Vec<(&'static str, f64)>,
    /// Upper bounds, and how many values were not above them.
    buckets: Vec<(String, f64)>,
}

/// The CSV file; `None` where no server told of itself.
pub fn csv(watched: &Watched<'_>) -> Option<String> {
    let metrics = metrics(watched);
    let mut text = format!(
        "# AIPerf Server Metrics Export (CSV)\n# schema_version: 1.0\n# benchmark_id: {}\n\
         # Note: Same benchmark_id and version appear in JSON and Parquet exports\n#\n",
        neutral(watched.run_id)
    );
    let kinds = [("gauge", &GAUGE[..]), ("counter", &COUNTER), ("histogram", &HISTOGRAM)];
    let mut is_first = true;
    for (kind, columns) in kinds {
        let its: Vec<&Metric> = metrics.iter().filter(|metric| metric.kind == kind).collect();
        if its.is_empty() {
            continue;
        }
        text += if is_first { "" } else { "\r\n" };
        is_first = false;
        let mut header =
            [&["Endpoint", "Type", "Metric", "Unit"], columns, &["Description"]].concat();
        header.extend((kind == "histogram").then_some("buckets"));
        let header = header.into_iter().map(str::to_owned).collect();
        let rows = its.into_iter().map(|metric| row(metric, columns));
        text += &table(std::iter::once(header).chain(rows));
    }
    (!is_first).then_some(text)
}

fn row(metric: &Metric, columns: &[&str]) -> Vec<String> {
    let names = [neutral(&metric.endpoint), metric.kind.to_owned(), neutral(&metric.name)];
    let cell = |column: &&str| {
        let known = metric.statistics.iter().find(|(name, _)| name == column);
        known.map_or_else(String::new, |(name, value)| match *name {
            "count" => format!("{value:.0}"),
            _ => format!("{value:.4}"),
        })
    };
    let mut row: Vec<String> = names.into_iter().chain([metric.unit.to_owned()]).collect();
    row.extend(columns.iter().map(cell));
    row.push(metric.description.to_owned());
    if metric.kind == "histogram" {
        let buckets = metric.buckets.iter().map(|(bound, count)| format!("{bound}={count:.0}"));
        row.push(neutral(&buckets.collect::<Vec<_>>().join(";")));
    }
    row
}

/// The JSON file; `None` where no server told of itself.
pub fn json(watched: &Watched<'_>) -> Option<String> {
    let metrics = metrics(watched);
    let mut endpoints: Vec<&str> = metrics.iter().map(|metric| &*metric.endpoint).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    let [start_time, end_time] = watched.window_text();
    let [start_ns, end_ns] = watched.window_ns();
    let document = Document {
        schema_version: "1.0",
        benchmark_id: watched.run_id,
        summary: Summary {
            endpoints_configured: &endpoints,
            endpoints_successful: &endpoints,
            start_time,
            end_time,
            phase_time_ranges: Phases { profiling: Range { start_ns, end_ns } },
        },
        metrics_phase: "profiling",
        metrics: InOrder(by_name(&metrics)),
        input_config: InOrder(Vec::new()),
    };
    let text = serde_json::to_string_pretty(&document).expect("every key is a string");
    (!metrics.is_empty()).then(|| escaped_json(&text))
}

fn by_name(metrics: &[Metric]) -> Vec<(String, Told<'_>)> {
    let mut told: Vec<(String, Told<'_>)> = Vec::new();
    for metric in metrics {
        let number = |(name, value): &(&str, f64)| {
            let value = if *name == "count" { json!(whole(*value)) } else { json!(value) };
            ((*name).to_owned(), value)
        };
        let buckets = metric.buckets.iter().map(|(bound, count)| (bound.clone(), whole(*count)));
        let series = Series {
            endpoint_url: &metric.endpoint,
            stats: InOrder(metric.statistics.iter().map(number).collect()),
            buckets: (!metric.buckets.is_empty()).then(|| InOrder(buckets.collect())),
        };
        match told.iter_mut().find(|(known, _)| *known == metric.name) {
            Some((_, known)) => known.series.push(series),
            None => told.push((metric.name.clone(), Told::new(metric, series))),
        }
    }
    told.sort_by(|(a, _), (b, _)| a.cmp(b));
    told
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    benchmark_id: &'a str,
    summary: Summary<'a>,
    metrics_phase: &'static str,
    metrics: InOrder<Told<'a>>,
    input_config: InOrder<()>,
}

#[derive(Serialize)]
struct Summary<'a> {
    endpoints_configured: &'a [&'a str],
    endpoints_successful: &'a [&'a str],
    start_time: String,
    end_time: String,
    phase_time_ranges: Phases,
}

#[derive(Serialize)]
struct Phases {
    profiling: Range,
}

#[derive(Serialize)]
struct Range {
    start_ns: u64,
    end_ns: u64,
}

#[derive(Serialize)]
struct Told<'a> {
    r#type: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'static str,
    series: Vec<Series<'a>>,
}

impl<'a> Told<'a> {
    fn new(metric: &Metric, series: Series<'a>) -> Self {
        let Metric { kind, description, unit, .. } = *metric;
        Self { r#type: kind, description, unit, series: vec![series] }
    }
}

#[derive(Serialize)]
struct Series<'a> {
    endpoint_url: &'a str,
    stats: InOrder<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buckets: Option<InOrder<u64>>,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it was a count before it was a reading"
)]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

/// All that servers told, by name.
fn metrics(watched: &Watched<'_>) -> Vec<Metric> {
    let Some(telemetry) = &watched.point.telemetry else { return Vec::new() };
    let seen = Seen(telemetry);
    let is_of_histogram = |series: &&SeriesLine| {
        ServerTime::ALL.iter().any(|time| time.names().contains(&&*series.name))
    };
    let servers = telemetry.series.iter().filter(|series| series.name.starts_with("server_"));
    let single = servers.clone().filter(|series| !is_of_histogram(series));
    let mut metrics: Vec<Metric> = single.filter_map(of_series).collect();
    let counts = |time: ServerTime| seen.named(time.names()[1]).map(move |series| (time, series));
    let histograms = ServerTime::ALL.into_iter().flat_map(counts);
    metrics.extend(histograms.filter_map(|(time, count)| histogram(time, count, seen)));
    metrics.sort_by(|a, b| (&a.name, &a.endpoint).cmp(&(&b.name, &b.endpoint)));
    metrics
}

/// `None` of a counter of which something may be missing: its total would be another one's.
fn of_series(series: &SeriesLine) -> Option<Metric> {
    let known = reading_name(&series.name);
    let gauge = |name: &&'static str| {
        let own = if *name == "avg" { "mean" } else { name };
        Some((*name, statistic(series, own)?))
    };
    let (kind, statistics) = match series.increase {
        Some(_) if series.partial => return None,
        Some(total) => ("counter", vec![("total", total)]),
        None => ("gauge", GAUGE.iter().filter_map(gauge).collect()),
    };
    Some(Metric {
        endpoint: series.source.clone(),
        kind,
        name: series.name.clone(),
        unit: known.map_or("", |name| unit(name.unit)),
        description: known.map_or("", |name| name.definition),
        statistics,
        buckets: Vec::new(),
    })
}

fn histogram(time: ServerTime, count: &SeriesLine, seen: Seen<'_>) -> Option<Metric> {
    let [sum_name, _, bucket_name] = time.names();
    let n = count.increase.filter(|_| !count.partial)?;
    let sum = seen.of((&count.source, count.instance.as_deref()), sum_name)?.increase?;
    let buckets = seen.named(bucket_name).filter(|bucket| bucket.source == count.source);
    let mut buckets: Vec<(f64, String, f64)> = buckets
        .filter_map(|bucket| {
            let bound = bucket.instance.clone()?;
            Some((bound.parse().ok()?, bound, bucket.increase?))
        })
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut statistics = vec![("count", n), ("sum", sum)];
    statistics.extend((n > 0.0).then(|| ("avg", sum / n)));
    let bounds: Vec<(f64, f64)> =
        buckets.iter().map(|(bound, _, count)| (*bound, *count)).collect();
    let estimates = PERCENTILES.iter().zip(&HISTOGRAM[5..]);
    statistics.extend(estimates.filter_map(|(p, name)| Some((*name, estimate(&bounds, *p)?))));
    Some(Metric {
        endpoint: count.source.clone(),
        kind: "histogram",
        name: sum_name.trim_end_matches("_sum").to_owned(),
        unit: "seconds",
        description: describe(time),
        statistics,
        buckets: buckets.into_iter().map(|(_, bound, count)| (bound, count)).collect(),
    })
}

/// Where percentile `p` lies among values of which so many are not above each bound; `None` if there are none, or
/// if it lies above the highest bound that is a number.
fn estimate(bounds: &[(f64, f64)], p: f64) -> Option<f64> {
    let all = bounds.last()?.1;
    let rank = all * p / 100.0;
    let place = bounds.iter().position(|(_, count)| *count >= rank && *count > 0.0)?;
    let (bound, count) = bounds[place];
    let (below, before) = place.checked_sub(1).map_or((0.0, 0.0), |place| bounds[place]);
    let share = if count > before { (rank - before) / (count - before) } else { 1.0 };
    bound.is_finite().then_some(below + (bound - below) * share)
}

fn describe(time: ServerTime) -> &'static str {
    match time {
        ServerTime::Ttft => "From arrival to the first token.",
        ServerTime::Itl => "Between tokens.",
        ServerTime::Tpot => "Mean time between the tokens of a request.",
        ServerTime::E2e => "From arrival to the last token.",
        ServerTime::Queue => "Waiting for a place.",
        ServerTime::Prefill => "From a place to the first token.",
        ServerTime::Decode => "From the first token to the last.",
    }
}

/// AIPerf's name for a unit.
fn unit(unit: &'static str) -> &'static str {
    match unit {
        "s" => "seconds",
        unit => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_on_straight_lines_within_their_buckets() {
        let bounds = [(0.1, 25.0), (0.2, 50.0), (f64::INFINITY, 100.0)];
        for (p, expected) in
            [(1.0, Some(0.004)), (25.0, Some(0.1)), (40.0, Some(0.16)), (60.0, None)]
        {
            let found = estimate(&bounds, p);
            let is_close = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
                (found, expected) => found == expected,
            };
            assert!(is_close, "p{p}: {found:?}");
        }
        assert_eq!(estimate(&[(0.1, 0.0), (f64::INFINITY, 0.0)], 50.0), None);
        assert_eq!(estimate(&[], 50.0), None);
    }
}
