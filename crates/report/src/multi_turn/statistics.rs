//! The tool's statistics: what pandas calls `describe`.

use super::{Parameters, RequestStats};

/// The statistics of the requests that are left when the first ones are taken for a warm-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Share of the requests that is left out, from the beginning.
    pub warm_up_share: f64,
    /// From the first sending to the last end.
    pub runtime_s: f64,
    /// Requests per second of that.
    pub requests_per_s: f64,
    /// How long the first turns took that were asked apart.
    pub warm_up_runtime_s: Option<f64>,
    /// A row for each quantity.
    pub table: Table,
}

/// A row for each quantity, a column for each statistic.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The names of the statistics.
    pub columns: Vec<&'static str>,
    /// The name of each quantity, and its statistics; one that does not exist is no number.
    pub rows: Vec<(&'static str, Vec<f64>)>,
}

/// The quantity of a request that a row is about.
type Quantity = (&'static str, fn(&RequestStats) -> Option<f64>);

/// The rows, in the tool's order.
const ROWS: [Quantity; 7] = [
    ("ttft_ms", |r| Some(r.ttft_ms)),
    ("tpot_ms", |r| Some(r.tpot_ms)),
    ("latency_ms", |r| Some(r.latency_ms)),
    ("input_num_turns", |r| Some(f64::from(r.input_num_turns))),
    ("input_num_tokens", |r| Some(f64::from(r.input_num_tokens))),
    ("output_num_tokens", |r| Some(f64::from(r.output_num_tokens))),
    ("output_num_chunks", |r| Some(f64::from(r.output_num_chunks))),
];

/// The row that is there on demand.
const BETWEEN: Quantity =
    ("time_between_user_turns_sec", |request| request.time_between_user_turns_sec);

impl Statistics {
    /// The statistics for each share that `parameters` ask for, the least share first.
    pub fn all(requests: &[RequestStats], parameters: &Parameters) -> Vec<Self> {
        let mut shares = parameters.warm_up_shares.clone();
        if shares.is_empty() {
            shares.push(0.0);
        }
        shares.sort_by(f64::total_cmp);
        shares.iter().filter_map(|share| Self::new(requests, *share, parameters)).collect()
    }

    fn new(requests: &[RequestStats], share: f64, parameters: &Parameters) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length, cut off as the tool does"
        )]
        let left_out = (share * requests.len() as f64) as usize;
        let left = requests.get(left_out..).filter(|left| !left.is_empty())?;
        let began = left.iter().map(|r| r.start_time_ms).fold(f64::INFINITY, f64::min);
        let ended = left.iter().map(RequestStats::end_time_ms).fold(0.0, f64::max);
        let runtime_s = (ended - began) / 1e3;
        let percentiles = percentiles(requests.len());
        let columns = ["count", "mean", "std", "min"].into_iter();
        let columns = columns.chain(percentiles.iter().map(|(name, _)| *name)).chain(["max"]);
        let rows = ROWS.into_iter().chain(parameters.verbose.then_some(BETWEEN));
        let row = |(name, of): Quantity| (name, describe(left.iter().filter_map(of), &percentiles));
        Some(Self {
            warm_up_share: share,
            runtime_s,
            requests_per_s: left.len() as f64 / runtime_s,
            warm_up_runtime_s: parameters.warm_up_runtime_s,
            table: Table { columns: columns.collect(), rows: rows.map(row).collect() },
        })
    }

    /// What is told above the table: names and values.
    pub fn parameters(&self) -> Vec<(&'static str, f64)> {
        let mut told =
            vec![("runtime_sec", self.runtime_s), ("requests_per_sec", self.requests_per_s)];
        if let Some(warm_up) = self.warm_up_runtime_s {
            told.push(("warmup_runtime_sec", warm_up));
            told.push(("total_runtime_incl_warmup_sec", self.runtime_s + warm_up));
        }
        told
    }
}

/// Those that so many requests are enough for, as the tool has it.
fn percentiles(requests: usize) -> Vec<(&'static str, f64)> {
    let mut percentiles = vec![("25%", 0.25), ("50%", 0.5), ("75%", 0.75), ("90%", 0.9)];
    let more = [(100, "99%", 0.99), (1_000, "99.9%", 0.999), (10_000, "99.99%", 0.9999)];
    let enough = more.into_iter().filter(|(least, ..)| requests >= *least);
    percentiles.extend(enough.map(|(_, name, share)| (name, share)));
    percentiles
}

/// Count, mean, standard deviation of a sample, least, percentiles by linear interpolation, and greatest.
fn describe(values: impl Iterator<Item = f64>, percentiles: &[(&str, f64)]) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let std = if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { f64::NAN };
    let at = |share: f64| quantile(&values, share);
    let inner = percentiles.iter().map(|(_, share)| at(*share));
    [count, mean, std, at(0.0)].into_iter().chain(inner).chain([at(1.0)]).collect()
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last place"
    )]
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn described_as_pandas_does() {
        // pandas.Series([4.0, 1.0, 3.0, 2.0, 10.0]).describe(percentiles=[.25, .5, .75, .9])
        let found = describe([4.0, 1.0, 3.0, 2.0, 10.0].into_iter(), &percentiles(5));
        let expected = [5.0, 4.0, 3.535_533_905_932_737_6, 1.0, 2.0, 3.0, 4.0, 7.6, 10.0];
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn one_value_has_no_deviation_and_none_has_nothing() {
        let one = describe([4.0].into_iter(), &percentiles(1));
        assert!(one[2].is_nan() && one[3..].iter().all(|value| (value - 4.0).abs() < 1e-12));
        let none = describe(std::iter::empty(), &percentiles(0));
        assert!(none[0].abs() < 1e-12 && none[1..].iter().all(|value| value.is_nan()));
    }
}
