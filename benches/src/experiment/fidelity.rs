//! What the product reports against when the server sent it.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::Child,
};

use serde::Deserialize;

use super::{Product, Programs, Run, Server};

/// Under which conditions.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Streams at once.
    pub streams: u32,
    /// Answers on each stream.
    pub rounds: u32,
    /// Tokens of each answer, one every 10 ms.
    pub tokens: u32,
    /// Whether another process burns both cores.
    pub burn: bool,
}

/// What came of it: errors in microseconds, by the kernel's stamps and by the time of the read.
#[derive(Clone, Debug)]
pub struct FidelityRow {
    /// Under which conditions.
    pub conditions: Conditions,
    /// Share of events that the server sent at their time, and whose sending is known to the fifth of
    /// a millisecond: only these are compared.
    pub kept: f64,
    /// Share of gaps left out because their event shared a read with another. First tokens that did are
    /// left out, too: the product says of them that their moment is an upper bound.
    pub coalesced: f64,
    /// (median, 99th percentile) of |error| of times to first token.
    pub ttft_kernel: (f64, f64),
    /// The same, had arrivals been stamped at the read.
    pub ttft_read: (f64, f64),
    /// The same of gaps between chunks.
    pub gaps_kernel: (f64, f64),
    /// The same of gaps, had arrivals been stamped at the read.
    pub gaps_read: (f64, f64),
}

/// The server kept its time where an event left at most so much after it was due.
const KEPT_NS: u64 = 500_000;
/// The truth is known where the write took at most so long.
const KNOWN_NS: u64 = 200_000;

#[derive(Deserialize)]
struct Truth {
    id: Option<String>,
    due_ns: Vec<u64>,
    sends_ns: Vec<u64>,
    sent_ns: Vec<u64>,
}

/// Measures the truth server with the product, and lays the two records beside each other.
///
/// # Errors
///
/// If one of the programs fails.
pub fn fidelity(programs: &Programs, conditions: Conditions) -> anyhow::Result<FidelityRow> {
    let folder = tempfile::tempdir()?;
    let truth_path = folder.path().join("truth.jsonl");
    let path = truth_path.to_string_lossy();
    let server = Server::start(programs, &["--ttft-ms", "50", "--itl-ms", "10", "--truth", &path])?;
    let burner = conditions.burn.then(|| Burner::start(programs)).transpose()?;
    let product = Product {
        url: &server.url,
        streams: conditions.streams,
        rounds: conditions.rounds,
        tokens: conditions.tokens,
    };
    let run = product.run(programs, folder.path())?;
    drop(burner);
    server.finish()?;
    Ok(compare(conditions, &run, &read_truth(&truth_path)?))
}

struct Burner(Child);

impl Burner {
    fn start(programs: &Programs) -> anyhow::Result<Self> {
        Ok(Self(programs.command("burn").args(["--threads", "2", "--seconds", "120"]).spawn()?))
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_truth(path: &Path) -> anyhow::Result<HashMap<String, Truth>> {
    let mut truths = HashMap::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let truth: Truth = serde_json::from_str(&line?)?;
        truths.extend(truth.id.clone().map(|id| (id, truth)));
    }
    Ok(truths)
}

fn compare(conditions: Conditions, run: &Run, truths: &HashMap<String, Truth>) -> FidelityRow {
    let mut errors: [Vec<f64>; 4] = Default::default();
    let (mut events, mut kept, mut gaps, mut coalesced) = (0_u64, 0_u64, 0_u64, 0_u64);
    for sample in run.samples.iter().filter(|s| s.phase == "measure" && s.outcome == "ok") {
        let Some(truth) = truths.get(&sample.request_id) else { continue };
        let arrivals = &sample.arrivals;
        let content = (0..arrivals.at_ns.len()).filter(|i| arrivals.kind[*i] == "content");
        // (error by kernel, error by read) of the event before, if that is known.
        let mut before: Option<(f64, f64)> = None;
        for (n, i) in content.enumerate() {
            let (due, send, sent) = (truth.due_ns[n], truth.sends_ns[n], truth.sent_ns[n]);
            let known = send.saturating_sub(due) <= KEPT_NS && sent - send <= KNOWN_NS;
            events += 1;
            kept += u64::from(known);
            let at = |lag: u64| (run.start_ns + arrivals.at_ns[i] + lag) as f64 - send as f64;
            let now = (at(0), at(arrivals.lag_ns[i].unwrap_or(0)));
            if n == 0 && known && !arrivals.is_coalesced(i) {
                errors[0].push(now.0);
                errors[1].push(now.1);
            }
            if n > 0 {
                gaps += 1;
                coalesced += u64::from(arrivals.is_coalesced(i));
            }
            if let (Some(before), true, false) = (before, known, arrivals.is_coalesced(i)) {
                errors[2].push(now.0 - before.0);
                errors[3].push(now.1 - before.1);
            }
            before = known.then_some(now);
        }
    }
    let [ttft_kernel, ttft_read, gaps_kernel, gaps_read] = errors.map(quantiles_us);
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    FidelityRow {
        conditions,
        kept: share(kept, events),
        coalesced: share(coalesced, gaps),
        ttft_kernel,
        ttft_read,
        gaps_kernel,
        gaps_read,
    }
}

/// Median and 99th percentile of the sizes of `errors`, which are nanoseconds; NaN of none.
fn quantiles_us(mut errors: Vec<f64>) -> (f64, f64) {
    for error in &mut errors {
        *error = error.abs() / 1e3;
    }
    errors.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| {
        let last = errors.len().saturating_sub(1);
        errors.get(last * percent / 100).copied().unwrap_or(f64::NAN)
    };
    (at(50), at(99))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::ProductSample;

    #[test]
    fn errors_are_those_of_the_events_that_can_be_compared() {
        let line = r#"{"request_id":"a","phase":"measure","outcome":"ok","due_ns":0,"arrivals":{
            "at_ns":[900,1100000,11130000,21130000,21130000],"kind":["role","content","content","content","content"],
            "lag_ns":[0,5000,1000000,0,0],"coalesced":[3,4]}}"#;
        let sample: ProductSample = serde_json::from_str(line).unwrap();
        let run = Run { samples: vec![sample], start_ns: 1_000, cpu_s: 0.0 };
        let sends = vec![1_001_000, 11_001_000, 21_001_000, 31_001_000];
        let truth =
            Truth { id: None, due_ns: sends.clone(), sent_ns: sends.clone(), sends_ns: sends };
        let conditions = Conditions { streams: 1, rounds: 1, tokens: 4, burn: false };
        let row = compare(conditions, &run, &HashMap::from([("a".to_owned(), truth)]));
        assert_eq!((row.ttft_kernel.0, row.ttft_read.0), (100.0, 105.0));
        assert_eq!((row.gaps_kernel.0, row.gaps_read.0), (30.0, 1_025.0));
        assert!((row.kept - 1.0).abs() < 1e-9 && (row.coalesced - 2.0 / 3.0).abs() < 1e-9);
    }
}
