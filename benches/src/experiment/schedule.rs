//! When the product sends against when it meant to, and against when the server was asked.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::{ProductSample, Programs, Run, Server};

/// The load that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The product's name for how requests scatter: `constant` or `poisson`.
    pub arrivals: &'static str,
    /// Requests a second.
    pub rate: u32,
    /// For so many seconds.
    pub seconds: u32,
}

/// What came of it. Times are milliseconds: median, 99th percentile, most.
#[derive(Clone, Debug)]
pub struct ScheduleRow {
    /// What was asked for.
    pub asked: Asked,
    /// Requests that were due.
    pub due: u64,
    /// Of these, requests that never came to the server; and those that should have been due, and were not,
    /// where it is known how many these are.
    pub missed: u64,
    /// Requests that came to the server in a second, as it noted, from the first to the last.
    pub delivered: f64,
    /// The same as a share of what its own schedule has in this time: drawn arrivals only come near the rate.
    pub ratio: f64,
    /// Standard deviation of the gaps between due times as a share of their mean: 0 for constant arrivals, 1
    /// for Poisson's.
    pub unevenness: f64,
    /// How far due times lie from n / rate at most, in nanoseconds, where they should lie there.
    pub off_ns: Option<u64>,
    /// Sent minus due, the set-up of new connections aside.
    pub late_ms: [f64; 3],
    /// When the server's kernel had the request, minus due.
    pub arrived_ms: [f64; 3],
}

impl ScheduleRow {
    /// Whether the rate was kept within a thousandth and no request was missed.
    pub fn is_delivered(&self) -> bool {
        self.missed == 0 && (self.ratio - 1.0).abs() <= 0.001
    }

    /// Whether all but one in a hundred requests were sent within a fifth of a millisecond: to be expected of
    /// a core that has nothing else to do.
    pub fn is_prompt(&self) -> bool {
        self.late_ms[1] <= 0.2
    }
}

#[derive(Deserialize)]
struct Truth {
    id: Option<String>,
    arrived_ns: Option<u64>,
    received_ns: u64,
}

/// Asks the product for a load on the truth server, and lays the records of both beside each other.
///
/// # Errors
///
/// If one of the programs fails.
pub fn schedule(programs: &Programs, asked: Asked) -> anyhow::Result<ScheduleRow> {
    let folder = tempfile::tempdir()?;
    let truth_path = folder.path().join("truth.jsonl");
    let path = truth_path.to_string_lossy();
    let server = Server::start(programs, &["--ttft-ms", "1", "--itl-ms", "0", "--truth", &path])?;
    let mut command = programs.command("inferbench");
    command.args(["run", "--json", "--ui", "none", "--isl", "16", "--osl", "1"]);
    command.args(["--url", &server.url, "--arrival-pattern", asked.arrivals]);
    command.args(["-r", &asked.rate.to_string(), "-d", &format!("{}s", asked.seconds)]);
    let run = Run::of(&mut command, folder.path())?;
    server.finish()?;
    compare(asked, &run, &read_truth(&truth_path)?)
}

/// When the server had each request.
fn read_truth(path: &Path) -> anyhow::Result<HashMap<String, u64>> {
    let mut arrived = HashMap::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let truth: Truth = serde_json::from_str(&line?)?;
        let at = truth.arrived_ns.unwrap_or(truth.received_ns);
        arrived.extend(truth.id.map(|id| (id, at)));
    }
    Ok(arrived)
}

fn compare(asked: Asked, run: &Run, arrived: &HashMap<String, u64>) -> anyhow::Result<ScheduleRow> {
    let mut measured: Vec<&ProductSample> =
        run.samples.iter().filter(|sample| sample.phase == "measure").collect();
    measured.sort_unstable_by_key(|sample| sample.due_ns);
    let due: Vec<u64> = measured.iter().map(|sample| sample.due_ns).collect();
    ensure!(due.len() > 2, "only {} requests were due", due.len());

    let at = |sample: &&ProductSample| {
        arrived.get(&sample.request_id).map(|at| *at as f64 - run.start_ns as f64)
    };
    let mut came: Vec<f64> = measured.iter().filter_map(at).collect();
    let missing = (due.len() - came.len()) as u64;
    came.sort_unstable_by(f64::total_cmp);
    let (first, last) = came.first().zip(came.last()).context("no request came to the server")?;
    let came_s = (last - first) / 1e9;
    let due_s = (due[due.len() - 1] - due[0]) as f64 / 1e9;
    let delivered = (came.len() - 1) as f64 / came_s;

    let late = measured.iter().filter_map(|sample| Some(sample.late_ns()? / 1e6));
    let came_late = measured.iter().filter_map(|s| Some((at(s)? - s.due_ns as f64) / 1e6));
    let is_even = asked.arrivals == "constant";
    let wanted = u64::from(asked.rate) * u64::from(asked.seconds);
    let short = if is_even { wanted.saturating_sub(due.len() as u64) } else { 0 };
    Ok(ScheduleRow {
        asked,
        due: due.len() as u64,
        missed: missing + short,
        delivered,
        ratio: delivered * due_s / (due.len() - 1) as f64,
        unevenness: unevenness(&due),
        off_ns: is_even.then(|| off_ns(&due, asked.rate)),
        late_ms: quantiles(late.collect()),
        arrived_ms: quantiles(came_late.collect()),
    })
}

fn unevenness(due: &[u64]) -> f64 {
    let gaps = || due.windows(2).map(|pair| (pair[1] - pair[0]) as f64);
    let count = (due.len() - 1) as f64;
    let mean = gaps().sum::<f64>() / count;
    let variance = gaps().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
    variance.sqrt() / mean
}

fn off_ns(due: &[u64], rate: u32) -> u64 {
    let even = (0..).map(|n: u64| n * 1_000_000_000 / u64::from(rate));
    let off = due.iter().zip(even).map(|(at, even)| (at - due[0]).abs_diff(even));
    off.max().unwrap_or(0)
}

/// Median, 99th percentile and the most of `values`; NaN of none.
fn quantiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |percent: usize| values.get(last * percent / 100).copied().unwrap_or(f64::NAN);
    [at(50), at(99), at(100)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A request that was due at 2 ms times `number`, and sent so much later.
    fn sample(number: u64, late_ns: u64, connect_ns: Option<u64>) -> ProductSample {
        let due_ns = 5 * MS + number * 2 * MS;
        let connect =
            connect_ns.map(|ns| format!(r#"{{"began_ns":{due_ns},"done_ns":{}}}"#, due_ns + ns));
        let line = format!(
            r#"{{"request_id":"r-0m-{number}.0","phase":"measure","outcome":"ok","due_ns":{due_ns},
                "connect":{},"sent_ns":{},"arrivals":{{"at_ns":[],"kind":[],"lag_ns":[]}}}}"#,
            connect.unwrap_or_else(|| "null".to_owned()),
            due_ns + late_ns
        );
        serde_json::from_str(&line).unwrap()
    }

    fn row(samples: Vec<ProductSample>, arrived: impl Fn(u64) -> Option<u64>) -> ScheduleRow {
        let asked = Asked { arrivals: "constant", rate: 500, seconds: 1 };
        let run = Run { samples, start_ns: 7, cpu_s: 0.0 };
        let arrived = (0..500)
            .filter_map(|n| Some((format!("r-0m-{n}.0"), 7 + 5 * MS + n * 2 * MS + arrived(n)?)));
        compare(asked, &run, &arrived.collect()).unwrap()
    }

    fn is(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_load_that_is_kept_is_delivered() {
        let samples = (0..500).map(|n| sample(n, 50_000, None)).collect();
        let row = row(samples, |_| Some(80_000));
        assert_eq!((row.due, row.missed, row.off_ns), (500, 0, Some(0)));
        assert!(row.is_delivered() && row.is_prompt() && is(row.delivered, 500.0));
        assert!(is(row.late_ms[1], 0.05) && is(row.arrived_ms[2], 0.08) && is(row.unevenness, 0.0));
    }

    #[test]
    fn what_is_missed_late_or_slow_is_seen() {
        let all = |late_ns| (0..500).map(move |n| sample(n, late_ns, None)).collect::<Vec<_>>();
        let lost = row(all(0), |n| Some(0).filter(|_| n != 250));
        assert!(lost.missed == 1 && !lost.is_delivered());
        let short = row(all(0).split_off(3), |_| Some(0));
        assert!(short.missed == 3 && !short.is_delivered());
        let late = row(all(300_000), |_| Some(300_000));
        assert!(late.is_delivered() && !late.is_prompt());
        // Each request comes later than the one before it was late.
        let slow = row(all(0), |n| Some(n * 10_000));
        assert!(slow.missed == 0 && !slow.is_delivered(), "{slow:?}");
    }

    #[test]
    fn the_set_up_of_a_connection_is_not_lateness() {
        let samples = (0..500).map(|n| sample(n, 3 * MS, Some(3 * MS - 20_000))).collect();
        assert!(is(row(samples, |_| Some(0)).late_ms[2], 0.02));
    }
}
