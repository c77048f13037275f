//! What became of each metric of a pair of points.

use bench_core::{
    Better, Quantity,
    stats::{Change, Comparison, Interval, LEVEL, Paired, Share, Statistic, Word},
};

use super::{
    AlignedPoint, Amount, Basis, MetricChange, Options, Questions,
    align::{Curve, Groups, Pair, What},
    requests::Requests,
};
use crate::cells::Cell;

/// The least repeats on either side by which a metric is judged.
const LEAST_REPEATS: usize = 3;

/// The least difference of shares that matters: half a point.
const LEAST_SHARE: f64 = 0.005;

/// Judges metrics.
pub(super) struct Judge<'a> {
    pub(super) options: &'a Options,
    /// The requests of the baseline and of the candidate.
    pub(super) sides: [&'a Requests; 2],
    /// Of the resampling.
    pub(super) seed: u64,
    /// Whether a good request is the same on both sides.
    pub(super) like_goodput: bool,
}

/// The values of a metric on both sides.
type Both = [Vec<f64>; 2];

impl Judge<'_> {
    pub(super) fn point(&self, pair: &Pair<'_, '_>) -> AlignedPoint {
        let mut point = AlignedPoint {
            at: pair.at.clone(),
            baseline: pair.names[0].clone(),
            candidate: pair.names[1].clone(),
            trust: pair.trust.to_owned(),
            metrics: Vec::new(),
        };
        match &pair.what {
            What::Cells(cells) => {
                point.metrics.extend(load_change(*cells));
                let selected = self.options.metrics.iter();
                point.metrics.extend(selected.filter_map(|s| self.of_cells(s, *cells)));
            }
            What::Curves { groups, at } => {
                let selected = self.options.metrics.iter();
                point.metrics.extend(selected.filter_map(|s| self.of_curves(s, *groups, *at)));
            }
        }
        if point.is_void() {
            for metric in &mut point.metrics {
                (metric.basis, metric.word) = (Basis::Void, None);
            }
        }
        point
    }

    /// `None` where neither side has the metric, or where it means two things.
    fn of_cells(&self, selected: &Quantity, cells: [&Cell<'_>; 2]) -> Option<MetricChange> {
        let (metric, statistic) = (selected.metric(), selected.statistic());
        if self.is_unlike_goodput(selected) {
            return None;
        }
        let values = cells.map(|cell| cell.values(metric.id, statistic));
        if values.iter().all(Vec::is_empty) {
            return None;
        }
        if let Some(paired) = self.paired(cells, selected) {
            return Some(of_questions(selected, paired));
        }
        if metric.unit == "ratio" {
            return Some(match cells.map(|cell| share(cell, selected)) {
                [Some(a), Some(b)] => of_shares(selected, a, b),
                _ => unjudged(selected, &values, Basis::Single),
            });
        }
        if values.iter().all(|values| values.len() >= LEAST_REPEATS) {
            let change = self.comparison(selected).of_repeats(&values[0], &values[1]);
            return Some(judged(selected, &values, change, Basis::Repeats));
        }
        // Of requests resampled, extremes and deviations say little of what another run would come to.
        if matches!(statistic, Some("std" | "min" | "max")) {
            return Some(unjudged(selected, &values, Basis::Single));
        }
        let requests = || {
            let [a, b] = [0, 1].map(|side| self.sides[side].values(cells[side], metric));
            Some([a?, b?])
        };
        let Some(requests) = requests() else {
            return Some(unjudged(selected, &values, Basis::Single));
        };
        let how = selected.percentile().map_or(Statistic::Mean, Statistic::Percentile);
        let comparison = self.comparison(selected);
        match comparison.of_requests(&requests[0], &requests[1], how, self.seed) {
            None => Some(unjudged(selected, &values, Basis::TooFew)),
            change => Some(judged(selected, &values, change, Basis::Requests)),
        }
    }

    /// The questions that both sides answered, if they are most of those that one of them did.
    fn paired(&self, cells: [&Cell<'_>; 2], selected: &Quantity) -> Option<Paired> {
        let metric = selected.metric();
        let [a, b] = [0, 1].map(|side| self.sides[side].answers(cells[side], metric));
        let (a, b) = (a?, b?);
        let mut paired = Paired::default();
        for (question, right) in &a {
            if let Some(other) = b.get(question) {
                paired.add(*right, *other);
            }
        }
        let least = a.len().min(b.len()) as u64;
        (least > 0 && 2 * paired.questions() >= least).then_some(paired)
    }

    fn comparison(&self, selected: &Quantity) -> Comparison {
        let threshold = self.options.threshold;
        Comparison { threshold, ..Comparison::of(selected.metric().better) }
    }

    /// A metric where each user gets the same, between the measured points.
    fn of_curves(
        &self,
        selected: &Quantity,
        groups: Groups<'_, '_>,
        at: f64,
    ) -> Option<MetricChange> {
        if self.is_unlike_goodput(selected) {
            return None;
        }
        let values: Both = groups.map(|group| Curve::of(group, selected).at(at));
        if values.iter().any(Vec::is_empty) {
            return None;
        }
        let is_share = selected.metric().unit == "ratio";
        if !is_share && values.iter().all(|values| values.len() >= LEAST_REPEATS) {
            let change = self.comparison(selected).of_repeats(&values[0], &values[1]);
            return Some(judged(selected, &values, change, Basis::Repeats));
        }
        Some(unjudged(selected, &values, Basis::Single))
    }

    /// Whether it counts good requests, which are others on either side.
    fn is_unlike_goodput(&self, selected: &Quantity) -> bool {
        matches!(selected.metric().id, "good_ratio" | "goodput_rps") && !self.like_goodput
    }
}

fn of_shares(selected: &Quantity, a: Share, b: Share) -> MetricChange {
    let values = [vec![a.ratio()], vec![b.ratio()]];
    let mut change = unjudged(selected, &values, Basis::Counts);
    if let (Some(interval), Some(amount)) = (a.difference(b), change.change) {
        let better = selected.metric().better;
        change.word = counts_word(better, amount.change, interval).map(|word| word.to_string());
        change.change = Some(Amount {
            change_low: Some(interval.low),
            change_high: Some(interval.high),
            ..amount
        });
    }
    change
}

fn of_questions(selected: &Quantity, paired: Paired) -> MetricChange {
    let ratios = paired.ratios().unwrap_or_default();
    let mut change = unjudged(selected, &ratios.map(|ratio| vec![ratio]), Basis::Questions);
    let (interval, p_value) = (paired.difference(), paired.p_value());
    if let Some(amount) = change.change {
        let is_shown = !interval.contains(0.0) && p_value < 1.0 - LEVEL;
        let better = selected.metric().better;
        change.word = Some(share_word(better, amount.change, interval, is_shown).to_string());
        change.change = Some(Amount {
            change_low: Some(interval.low),
            change_high: Some(interval.high),
            p_value: Some(p_value),
            ..amount
        });
    }
    change.questions = Some(Questions {
        count: paired.questions(),
        only_baseline: paired.only_a,
        only_candidate: paired.only_b,
    });
    change
}

/// A share that requests can be counted for: of all that ended, or of those that have a value. `None` where
/// the cell does not have it: tools that do not tell how many requests failed list those that did not.
fn share(cell: &Cell<'_>, selected: &Quantity) -> Option<Share> {
    let id = selected.metric().id;
    if cell.values(id, selected.statistic()).is_empty() {
        return None;
    }
    let (ok, failed) = cell.requests();
    let ended = (ok + failed) as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (ratio, of) = match (id, selected.statistic()) {
        ("error_ratio", _) => (failed as f64 / ended, ended),
        ("good_ratio", _) => (mean(&cell.values(id, None)), ended),
        (_, Some("mean")) => {
            let of = cell.values(id, Some("count")).iter().sum();
            (mean(&cell.values(id, Some("mean"))), of)
        }
        _ => return None,
    };
    let count = (ratio * of).round();
    (of > 0.0 && (0.0..=of).contains(&count)).then_some(Share { count, of })
}

/// As the interval alone says; `None` where shares are equal and requests too few to show it.
fn counts_word(better: Better, change: f64, interval: Interval) -> Option<Word> {
    let is_told = interval.is_within(LEAST_SHARE) || change.abs() > 0.0;
    is_told.then(|| share_word(better, change, interval, !interval.contains(0.0)))
}

/// The rules of [`Word`], with a difference for the ratio.
fn share_word(better: Better, change: f64, interval: Interval, is_shown: bool) -> Word {
    match (better, change > 0.0) {
        _ if interval.is_within(LEAST_SHARE) => Word::NoChange,
        _ if !is_shown => Word::WithinNoise,
        _ if change.abs() <= LEAST_SHARE => Word::NoChange,
        (Better::Neither, _) => Word::Changed,
        (Better::Higher, true) | (Better::Lower, false) => Word::Improved,
        (Better::Higher, false) | (Better::Lower, true) => Word::Regressed,
    }
}

/// The loads themselves, where they differ.
fn load_change(cells: [&Cell<'_>; 2]) -> Option<MetricChange> {
    let [(unit, baseline), (same, candidate)] = cells.map(|cell| cell.load().place());
    let differ = unit == same && (candidate - baseline).abs() > f64::EPSILON && baseline > 0.0;
    differ.then(|| MetricChange {
        metric: "load".to_owned(),
        statistic: None,
        unit: unit.to_owned(),
        better: "higher",
        baseline: Some(baseline),
        candidate: Some(candidate),
        change: Some(plain(candidate / baseline - 1.0)),
        word: None,
        basis: Basis::Single,
        questions: None,
    })
}

fn judged(
    selected: &Quantity,
    values: &Both,
    change: Option<Change>,
    basis: Basis,
) -> MetricChange {
    let unjudged = unjudged(selected, values, basis);
    let Some(change) = change else { return unjudged };
    let end = |end: f64| end.is_finite().then_some(end);
    MetricChange {
        baseline: Some(change.baseline),
        candidate: Some(change.candidate),
        change: Some(Amount {
            change: change.ratio,
            change_low: end(change.interval.low),
            change_high: end(change.interval.high),
            p_value: Some(change.p_value),
        }),
        word: Some(change.word.to_string()),
        ..unjudged
    }
}

fn unjudged(selected: &Quantity, values: &Both, basis: Basis) -> MetricChange {
    let (metric, statistic) = (selected.metric(), selected.statistic());
    let mean = |values: &[f64]| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let [baseline, candidate] = [mean(&values[0]), mean(&values[1])];
    let change = baseline.zip(candidate).and_then(|(a, b)| match metric.unit {
        "ratio" => Some(b - a),
        _ if (b - a).abs() <= 0.0 => Some(0.0),
        _ => Some((b - a) / a.abs()).filter(|ratio| ratio.is_finite()),
    });
    MetricChange {
        metric: metric.id.to_owned(),
        statistic: statistic.map(str::to_owned),
        unit: metric.unit.to_owned(),
        better: match metric.better {
            Better::Lower => "lower",
            Better::Higher => "higher",
            Better::Neither => "neither",
        },
        baseline,
        candidate,
        change: change.map(plain),
        word: None,
        basis,
        questions: None,
    }
}

fn plain(change: f64) -> Amount {
    Amount { change, change_low: None, change_high: None, p_value: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_judged_by_points() {
        let of = |better, count_a: f64, count_b: f64, of: f64| {
            let (a, b) = (Share { count: count_a, of }, Share { count: count_b, of });
            let word = counts_word(better, b.ratio() - a.ratio(), a.difference(b).unwrap());
            word.map_or("too few".to_owned(), |word| word.to_string())
        };
        for (a, b, n, expected) in [
            (0.0, 0.0, 10_000.0, "no change"),
            (0.0, 0.0, 764.0, "too few"),
            (0.0, 0.0, 765.0, "no change"),
            (0.0, 1.0, 100.0, "within noise"),
            (0.0, 20.0, 100.0, "regressed"),
            (300.0, 0.0, 10_000.0, "improved"),
            // Shown, and too little to matter.
            (0.0, 30.0, 10_000.0, "no change"),
        ] {
            assert_eq!(of(Better::Lower, a, b, n), expected, "{a} and {b} of {n}");
        }
        assert_eq!(of(Better::Higher, 0.0, 20.0, 100.0), "improved");
        assert_eq!(of(Better::Neither, 0.0, 20.0, 100.0), "changed");
    }

    #[test]
    fn questions_that_both_answered_are_judged_by_those_that_differ() {
        for (only_a, only_b, both, expected) in [
            (0, 0, 20, "within noise"),
            (0, 0, 2_000, "no change"),
            (3, 3, 20, "within noise"),
            (10, 2, 100, "regressed"),
            (2, 10, 100, "improved"),
            (6, 2, 100, "within noise"),
            // Shown, and too little to matter.
            (30, 10, 9_960, "no change"),
        ] {
            let paired = Paired { both, only_a, only_b, neither: 0 };
            let change = of_questions(&"accuracy".parse().unwrap(), paired);
            assert_eq!(change.word.as_deref(), Some(expected), "{paired:?}");
            let p = change.change.and_then(|amount| amount.p_value);
            assert_eq!(p, Some(paired.p_value()));
        }
    }
}
