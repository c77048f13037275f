//! Whether a change may pass: a regression is one beyond the noise *and* beyond a limit.

mod limit;
pub(crate) mod tables;

use serde::Serialize;

pub use limit::{Bound, InvalidBound, InvalidLimit, Limit};

use crate::compare::{Basis, CompareReport, MetricChange, Side};

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateReport {
    /// The version of this format.
    pub format_version: u32,
    /// All of it in a word.
    pub verdict: GateVerdict,
    /// Changes that are not larger are noise, as a share of the baseline.
    pub noise: f64,
    /// What is compared with.
    pub baseline: Side,
    /// What is judged.
    pub candidates: Vec<Side>,
    /// Each limit.
    pub checks: Vec<Check>,
    /// Void points, by what they have in common with the baseline's, such as `32 users`.
    pub void: Vec<String>,
    /// Points of the baseline that were not measured again.
    pub missing: Vec<String>,
    /// Points of one side alone, and of which.
    pub unmatched: Vec<String>,
}

/// Whether the candidate may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// No limit is broken.
    Passed,
    /// A limit is broken beyond the noise.
    Regressed,
    /// Points are void or missing, or no limit could be judged: nothing can be said.
    Void,
}

/// What came of a limit, over all points.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The limit in words.
    pub limit: String,
    /// The change that is too much.
    pub limit_change: f64,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// At how many points it was judged.
    pub judged: usize,
    /// At how many it was broken.
    pub broken: usize,
    /// Where the change is worst, such as `32 users`; absent where no point has the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// That change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<MetricChange>,
}

/// What came of a limit, in order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// There is nothing to judge it by: no such metric, or too few requests.
    NotJudged,
    /// It is kept everywhere.
    Kept,
    /// The change is beyond it, and cannot be told from noise.
    WithinNoise,
    /// The change is beyond it and beyond the noise.
    Broken,
}

impl Check {
    /// Whether it was broken with no more to go by than the limit: one run each has no interval.
    pub fn is_broken_by_limit_alone(&self) -> bool {
        let is_single = |worst: &MetricChange| worst.basis == Basis::Single;
        self.outcome == CheckOutcome::Broken && self.worst.as_ref().is_some_and(is_single)
    }
}

impl CheckOutcome {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::WithinNoise => "within noise",
            Self::Broken => "REGRESSED",
            Self::NotJudged => "not judged",
        }
    }
}

/// Judges each candidate of `report`, which compares the metrics of `limits`, by these. Changes up to `noise`,
/// a share of the baseline, are noise whatever is known of them; so are those whose interval holds 0. Where
/// one run each gives no interval, `noise` and the limit are all there is to go by. What the baseline measured
/// and a candidate did not may be worse than any limit, so that nothing passes without it.
pub fn judge(report: &CompareReport, limits: &[Limit], noise: f64) -> GateReport {
    let points = || report.candidates.iter().flat_map(|candidate| &candidate.points);
    let checks: Vec<Check> = limits
        .iter()
        .map(|limit| {
            let (id, statistic) = (limit.metric.metric().id, limit.metric.statistic());
            let is_limited = |change: &&MetricChange| {
                (change.metric.as_str(), change.statistic.as_deref()) == (id, statistic)
            };
            let changes = points().filter(|point| !point.is_void()).flat_map(|point| {
                let metrics = point.metrics.iter().filter(is_limited);
                metrics.map(|metric| (point.at.as_str(), metric))
            });
            check(limit, changes, noise)
        })
        .collect();
    let void: Vec<String> = points().filter(|p| p.is_void()).map(|p| p.at.clone()).collect();
    let missing: Vec<String> = report.candidates.iter().flat_map(|c| c.missing.clone()).collect();
    let any = |outcome| checks.iter().any(|check| check.outcome == outcome);
    let is_judged = checks.iter().any(|check| check.judged > 0);
    let verdict = match () {
        () if !void.is_empty() || !missing.is_empty() || !is_judged => GateVerdict::Void,
        () if any(CheckOutcome::Broken) => GateVerdict::Regressed,
        () => GateVerdict::Passed,
    };
    GateReport {
        format_version: 1,
        verdict,
        noise,
        baseline: report.baseline.clone(),
        candidates: report.candidates.iter().map(|candidate| candidate.run.clone()).collect(),
        checks,
        void,
        missing,
        unmatched: report.candidates.iter().flat_map(|c| c.unmatched.clone()).collect(),
    }
}

fn check<'a>(
    limit: &Limit,
    changes: impl Iterator<Item = (&'a str, &'a MetricChange)>,
    noise: f64,
) -> Check {
    let mut check = Check {
        limit: limit.to_string(),
        limit_change: limit.change,
        outcome: CheckOutcome::NotJudged,
        judged: 0,
        broken: 0,
        at: None,
        worst: None,
    };
    let mut worst: Option<(CheckOutcome, f64)> = None;
    for (at, change) in changes {
        let outcome = outcome(limit, change, noise);
        check.judged += usize::from(outcome != CheckOutcome::NotJudged);
        check.broken += usize::from(outcome == CheckOutcome::Broken);
        // The worse the outcome and the larger the change for the worse, the sooner it is shown.
        let size = change.change.map_or(f64::NEG_INFINITY, |c| c.change * limit.change.signum());
        let rank = (outcome, size);
        if worst.is_none_or(|worst| rank.0 > worst.0 || (rank.0 == worst.0 && rank.1 > worst.1)) {
            worst = Some(rank);
            check.outcome = outcome;
            (check.at, check.worst) = (Some(at.to_owned()), Some(change.clone()));
        }
    }
    check
}

fn outcome(limit: &Limit, change: &MetricChange, noise: f64) -> CheckOutcome {
    let Some(amount) = change.change else {
        // What is more than nothing has no ratio, and is beyond any.
        return match (change.baseline, change.candidate) {
            (Some(_), Some(candidate)) if limit.is_beyond(candidate, 0.0) => CheckOutcome::Broken,
            _ => CheckOutcome::NotJudged,
        };
    };
    if matches!(change.basis, Basis::TooFew | Basis::Void) {
        return CheckOutcome::NotJudged;
    }
    if !limit.is_beyond(amount.change, limit.change.abs()) {
        return CheckOutcome::Kept;
    }
    // Noise is a share of the baseline, and a share is none: its interval alone says.
    let is_beyond_noise = limit.is_share() || limit.is_beyond(amount.change, noise);
    let is_shown = match (amount.change_low, amount.change_high) {
        _ if matches!(change.basis, Basis::Single) => true,
        (low, high) => {
            let end = if limit.change < 0.0 { high } else { low };
            let is_likely = amount.p_value.is_none_or(|p| p < 0.05);
            is_likely && end.is_some_and(|end| limit.is_beyond(end, 0.0))
        }
    };
    match is_beyond_noise && is_shown {
        true => CheckOutcome::Broken,
        false => CheckOutcome::WithinNoise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Amount;

    fn change(change: f64, interval: Option<(f64, f64)>, p: f64, basis: Basis) -> MetricChange {
        MetricChange {
            metric: "output_tps".into(),
            statistic: None,
            unit: "tokens/s".into(),
            better: "higher",
            baseline: Some(100.0),
            candidate: Some(100.0 * (1.0 + change)),
            change: Some(Amount {
                change,
                change_low: interval.map(|(low, _)| low),
                change_high: interval.map(|(_, high)| high),
                p_value: interval.map(|_| p),
            }),
            word: None,
            basis,
            questions: None,
        }
    }

    #[test]
    fn a_limit_is_broken_beyond_the_noise_and_beyond_the_limit() {
        use CheckOutcome::{Broken, Kept, NotJudged, WithinNoise};
        let limit: Limit = "output_tps:-3%".parse().unwrap();
        let (repeats, single) = (Basis::Repeats, Basis::Single);
        for (what, change, noise, expected) in [
            ("better", change(0.5, Some((0.4, 0.6)), 0.001, repeats), 0.02, Kept),
            ("within the limit", change(-0.02, Some((-0.03, -0.01)), 0.001, repeats), 0.0, Kept),
            ("shown", change(-0.10, Some((-0.12, -0.08)), 0.001, repeats), 0.02, Broken),
            ("not shown", change(-0.10, Some((-0.25, 0.05)), 0.2, repeats), 0.02, WithinNoise),
            ("unlikely", change(-0.10, Some((-0.12, -0.08)), 0.2, repeats), 0.02, WithinNoise),
            ("loud noise", change(-0.10, Some((-0.12, -0.08)), 0.001, repeats), 0.15, WithinNoise),
            ("one run each", change(-0.10, None, 1.0, single), 0.02, Broken),
            ("one run each, noisy", change(-0.04, None, 1.0, single), 0.05, WithinNoise),
            ("no interval", change(-0.10, None, 1.0, repeats), 0.02, WithinNoise),
            ("too few", change(-0.10, None, 1.0, Basis::TooFew), 0.02, NotJudged),
        ] {
            assert_eq!(outcome(&limit, &change, noise), expected, "{what}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_broken_by_anything() {
        let limit: Limit = "output_tps:-0%".parse().unwrap();
        let less = change(-0.01, Some((-0.02, -0.005)), 0.001, Basis::Repeats);
        assert_eq!(outcome(&limit, &less, 0.0), CheckOutcome::Broken);
        let more = change(0.01, Some((0.005, 0.02)), 0.001, Basis::Repeats);
        assert_eq!(outcome(&limit, &more, 0.0), CheckOutcome::Kept);
    }
}
