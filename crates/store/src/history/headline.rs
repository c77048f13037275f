//! The few numbers by which people know a run.

use bench_core::stats::Repeats;
use serde::{Deserialize, Serialize};

use crate::PointSummary;

/// Numbers of the load with the most output tokens per second, void ones last: means over its repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the metrics', with their statistics")]
pub struct Headline {
    /// The target that was under it.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub j_per_output_token: Option<f64>,
}

impl Headline {
    /// That of a run whose points came to these.
    pub(super) fn of(ended: &[PointSummary]) -> Option<Self> {
        let mut cells: Vec<Vec<&PointSummary>> = Vec::new();
        for point in ended {
            match cells.iter_mut().find(|cell| cell[0].is_repeat_of(point)) {
                Some(cell) => cell.push(point),
                None => cells.push(vec![point]),
            }
        }
        let is_void = |cell: &[&PointSummary]| cell.iter().any(|p| badness(&p.trust) > 1);
        let speed = |cell: &[&PointSummary]| mean(cell, "output_tps", None).unwrap_or(-1.0);
        // Of equals the first: the later ones must be better.
        let best = cells.iter().reduce(|best, cell| {
            let better = match (is_void(best), is_void(cell)) {
                (true, false) => true,
                (false, true) => false,
                _ => speed(cell) > speed(best),
            };
            if better { cell } else { best }
        })?;
        Some(Self {
            target: best[0].target.clone(),
            load: best[0].load.to_string(),
            output_tps: mean(best, "output_tps", None),
            ttft_ms_p50: mean(best, "ttft_ms", Some("p50")),
            ttft_ms_p95: mean(best, "ttft_ms", Some("p95")),
            tpot_ms_p50: mean(best, "tpot_ms", Some("p50")),
            error_ratio: mean(best, "error_ratio", None),
            j_per_output_token: mean(best, "j_per_output_token", None),
        })
    }
}

/// The mean of a statistic over the points that have it.
fn mean(points: &[&PointSummary], metric: &str, statistic: Option<&str>) -> Option<f64> {
    let values = points.iter().filter_map(|point| point.number_of(metric, statistic));
    let values: Vec<f64> = values.collect();
    Repeats::of(&values).map(|repeats| repeats.mean)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{FactsLine, LoadLine, MetricLine};

    fn point(cell: u32, repeat: u32, trust: &str, output_tps: f64) -> PointSummary {
        let line = MetricLine::Value { unit: "tokens/s".to_owned(), value: output_tps };
        PointSummary {
            number: 0,
            cell,
            repeat,
            target: "vllm".to_owned(),
            workload: "chat".to_owned(),
            load: LoadLine::closed(cell as usize + 1),
            trust: trust.to_owned(),
            reasons: vec![],
            failure: None,
            goals: vec![],
            outcomes: BTreeMap::new(),
            errors: vec![],
            facts: FactsLine::default(),
            metrics: BTreeMap::from([("output_tps".to_owned(), line)]),
            turns: Vec::new(),
            telemetry: None,
        }
    }

    #[test]
    fn the_best_load_is_the_one_whose_repeats_are_best_on_average() {
        let points = [
            point(0, 0, "trusted", 300.0),
            point(1, 0, "trusted", 250.0),
            point(0, 1, "trusted", 100.0),
            point(1, 1, "doubtful", 260.0),
            point(2, 0, "trusted", 900.0),
            point(2, 1, "void", 900.0),
        ];
        let headline = Headline::of(&points).unwrap();
        assert_eq!(headline.load, "closed loop, 2 users");
        assert_eq!(headline.output_tps, Some(255.0));
        assert_eq!(headline.ttft_ms_p95, None);
        let void = Headline::of(&points[4..]).unwrap();
        assert_eq!(void.output_tps, Some(900.0), "where there is nothing else");
    }
}
