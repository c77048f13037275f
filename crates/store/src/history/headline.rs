//! The few numbers by which people know a run.

use serde::{Deserialize, Serialize};

use crate::PointSummary;

/// Numbers of the point with the most output tokens per second, void ones last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the metrics', with their statistics")]
pub struct Headline {
    /// The target of that point.
    pub target: String,
    /// When its requests were sent, in words.
    pub load: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tps: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms_p50: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms_p95: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_ms_p50: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_ratio: Option<f64>,
}

impl Headline {
    /// That of a run whose points came to these.
    pub(super) fn of(ended: &[PointSummary]) -> Option<Self> {
        let statistic = |point: &PointSummary, metric: &str, name: &str| {
            point.metrics.get(metric).and_then(|line| line.statistic(name))
        };
        let speed = |point: &PointSummary| statistic(point, "output_tps", "value").unwrap_or(-1.0);
        // Of equals the first: the later ones must be better.
        let best = ended.iter().reduce(|best, point| {
            let (is_void, best_is_void) = (badness(&point.trust) > 1, badness(&best.trust) > 1);
            let better = match (best_is_void, is_void) {
                (true, false) => true,
                (false, true) => false,
                _ => speed(point) > speed(best),
            };
            if better { point } else { best }
        })?;
        Some(Self {
            target: best.target.clone(),
            load: best.load.to_string(),
            output_tps: statistic(best, "output_tps", "value"),
            ttft_ms_p50: statistic(best, "ttft_ms", "p50"),
            ttft_ms_p95: statistic(best, "ttft_ms", "p95"),
            tpot_ms_p50: statistic(best, "tpot_ms", "p50"),
            error_ratio: statistic(best, "error_ratio", "value"),
        })
    }
}

/// The word of the point that can be trusted least.
pub(super) fn worst_trust(ended: &[PointSummary]) -> Option<String> {
    let worst = ended.iter().max_by_key(|point| badness(&point.trust))?;
    Some(worst.trust.clone())
}

/// Words that this program does not know are the worst.
fn badness(trust: &str) -> u8 {
    match trust {
        "trusted" => 0,
        "doubtful" => 1,
        "void" => 2,
        _ => 3,
    }
}
