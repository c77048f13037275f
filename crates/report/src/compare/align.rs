//! Which points are compared with which.

use std::collections::BTreeMap;

use bench_core::Quantity;

use super::{Align, view::View};
use crate::cells::{Cell, Group, load_words};

/// A group of either side.
pub(super) type Groups<'s, 'a> = [&'s Group<'a>; 2];

/// Points that are compared, and what is left.
pub(super) struct Aligned<'s, 'a> {
    pub(super) points: Vec<Pair<'s, 'a>>,
    /// What was compared with nothing, and why.
    pub(super) unmatched: Vec<String>,
    /// What the baseline has of it and the candidate has not.
    pub(super) missing: Vec<String>,
}

/// A side that has what the other one has not.
#[derive(Clone, Copy)]
enum Only {
    Baseline,
    Candidate,
}

/// What is compared.
pub(super) struct Pair<'s, 'a> {
    pub(super) at: String,
    /// Target and workload of either side.
    pub(super) names: [String; 2],
    pub(super) trust: &'static str,
    pub(super) what: What<'s, 'a>,
}

pub(super) enum What<'s, 'a> {
    /// A cell of either side.
    Cells([&'s Cell<'a>; 2]),
    /// The curves of both sides, where each user gets so many tokens per second.
    Curves { groups: Groups<'s, 'a>, at: f64 },
}

/// A metric of each repeat's points, by tokens per second of each user.
#[derive(Clone, Debug)]
pub(super) struct Curve(Vec<Vec<(f64, f64)>>);

/// The groups that belong together: those of the same target and workload by name, then workloads of the same
/// label, whatever their lengths are, and the others in order.
pub(super) fn pairs<'s, 'a>(
    baseline: &'s View<'a>,
    candidate: &'s View<'a>,
) -> Vec<Groups<'s, 'a>> {
    let names = |view: &'s View<'a>, name: fn(&Group<'a>) -> &'a str| {
        let mut names: Vec<&'a str> = Vec::new();
        for group in &view.groups {
            if !names.contains(&name(group)) {
                names.push(name(group));
            }
        }
        names
    };
    let target = |group: &Group<'a>| group.target;
    let workload = |group: &Group<'a>| group.workload;
    let never = |_: &str, _: &str| false;
    let is_labelled_alike = |a: &str, b: &str| {
        let label = |view: &View<'a>, name: &str| view.environment.workload(name)?.label();
        label(baseline, a).is_some_and(|known| label(candidate, b) == Some(known))
    };
    let targets = matched(&names(baseline, target), &names(candidate, target), never);
    let workloads =
        matched(&names(baseline, workload), &names(candidate, workload), is_labelled_alike);
    let partner = |group: &&'s Group<'a>| {
        let (target, workload) = (*targets.get(group.target)?, *workloads.get(group.workload)?);
        candidate.groups.iter().find(|g| g.target == target && g.workload == workload)
    };
    baseline.groups.iter().filter_map(|group| Some([group, partner(&group)?])).collect()
}

/// Equal names, then those that are alike, then what is left on both sides in order.
fn matched<'a>(
    of_a: &[&'a str],
    of_b: &[&'a str],
    is_alike: impl Fn(&str, &str) -> bool,
) -> BTreeMap<&'a str, &'a str> {
    let in_both = |name: &&&'a str| of_a.contains(name) && of_b.contains(name);
    let mut matched: BTreeMap<&str, &str> =
        of_a.iter().filter(in_both).map(|name| (*name, *name)).collect();
    let only = |names: &[&'a str]| -> Vec<&'a str> {
        names.iter().filter(|name| !in_both(name)).copied().collect()
    };
    let (mut left_of_a, mut left_of_b) = (only(of_a), only(of_b));
    left_of_a.retain(|a| match left_of_b.iter().position(|b| is_alike(a, b)) {
        Some(place) => {
            matched.insert(*a, left_of_b.remove(place));
            false
        }
        None => true,
    });
    matched.extend(left_of_a.into_iter().zip(left_of_b));
    matched
}

/// The points of `pairs`; what `views` have beside these is left.
pub(super) fn points<'s, 'a>(
    pairs: &[Groups<'s, 'a>],
    views: [&'s View<'a>; 2],
    align: Align,
) -> Aligned<'s, 'a> {
    let mut aligned = Aligned { points: Vec::new(), unmatched: Vec::new(), missing: Vec::new() };
    for groups in pairs {
        match align {
            Align::Load => by_load(*groups, &mut aligned),
            Align::Slo => by_goals(*groups, &mut aligned),
            Align::Interactivity => by_interactivity(*groups, &mut aligned),
        }
    }
    for (side, only) in [Only::Baseline, Only::Candidate].into_iter().enumerate() {
        let is_paired = |group: &&Group<'a>| pairs.iter().any(|p| std::ptr::eq(p[side], *group));
        for group in views[side].groups.iter().filter(|group| !is_paired(group)) {
            aligned.alone(name(group), only);
        }
    }
    aligned
}

fn by_load<'s, 'a>(groups: Groups<'s, 'a>, aligned: &mut Aligned<'s, 'a>) {
    let [baseline, candidate] = groups;
    let is_same = |a: &Cell<'_>, b: &Cell<'_>| {
        let ((unit, x), (same, y)) = (a.load().place(), b.load().place());
        unit == same && (x - y).abs() <= 1e-9 * x.abs()
    };
    // Where several have the same load, the first belongs to the first.
    let mut left: Vec<&Cell<'a>> = candidate.cells.iter().collect();
    for cell in &baseline.cells {
        let equal = left.iter().position(|other| cell.load() == other.load());
        match equal.or(left.iter().position(|other| is_same(cell, other))) {
            Some(place) => {
                let at = load_words(cell.load());
                aligned.points.push(pair(at, groups, [cell, left.remove(place)]));
            }
            None => aligned.alone(cell_name(baseline, cell), Only::Baseline),
        }
    }
    for cell in left {
        aligned.alone(cell_name(candidate, cell), Only::Candidate);
    }
}

fn by_goals<'s, 'a>(groups: Groups<'s, 'a>, aligned: &mut Aligned<'s, 'a>) {
    let best = |group: &'s Group<'a>| {
        group.cells.iter().rfind(|cell| !cell.is_void() && cell.met() == Some(true))
    };
    if let [Some(a), Some(b)] = groups.map(best) {
        let [of_a, of_b] = [a, b].map(|cell| load_words(cell.load()));
        let at = match of_a == of_b {
            true => format!("{of_a}, the highest that meets every goal"),
            false => format!("{of_a} against {of_b}, the highest that meet every goal"),
        };
        aligned.points.push(pair(at, groups, [a, b]));
        return;
    }
    for (side, group) in ["the baseline", "the candidate"].iter().zip(groups) {
        let has_goals = group.cells.iter().any(|cell| cell.met().is_some());
        let why = match (has_goals, best(group)) {
            (_, Some(_)) => continue,
            (true, None) => "no load meets every goal",
            (false, None) => "there are no goals",
        };
        aligned.unmatched.push(format!("{} in {side}: {why}", name(group)));
    }
}

fn by_interactivity<'s, 'a>(groups: Groups<'s, 'a>, aligned: &mut Aligned<'s, 'a>) {
    /// Where in the range that both sides reach.
    const PLACES: [f64; 4] = [0.10, 0.25, 0.50, 0.75];
    let Ok(throughput) = "output_tps".parse() else { return };
    let [baseline, candidate] = groups.map(|group| Curve::of(group, &throughput));
    let range = baseline.range().zip(candidate.range());
    let range = range.map(|((low, high), (least, most))| (low.max(least), high.min(most)));
    let Some((low, high)) = range.filter(|(low, high)| low < high) else {
        let why = "users never get the same tokens per second on both sides";
        aligned.unmatched.push(format!("{}: {why}", name(groups[0])));
        return;
    };
    for place in PLACES {
        let at = low + place * (high - low);
        aligned.points.push(Pair {
            at: format!("{:.1} tok/s each user", at),
            names: groups.map(name),
            trust: trust(
                groups.iter().flat_map(|group| &group.cells).filter(|cell| !cell.is_void()),
            ),
            what: What::Curves { groups, at },
        });
    }
}

impl Aligned<'_, '_> {
    fn alone(&mut self, what: String, only: Only) {
        match only {
            Only::Baseline => {
                self.unmatched.push(format!("{what}: only in the baseline"));
                self.missing.push(what);
            }
            Only::Candidate => self.unmatched.push(format!("{what}: only in the candidate")),
        }
    }
}

fn pair<'s, 'a>(at: String, groups: Groups<'s, 'a>, cells: [&'s Cell<'a>; 2]) -> Pair<'s, 'a> {
    let has_failed = cells.iter().any(|cell| cell.measured().next().is_none());
    Pair {
        at,
        names: groups.map(name),
        trust: if has_failed { "void" } else { trust(cells.into_iter()) },
        what: What::Cells(cells),
    }
}

fn name(group: &Group<'_>) -> String {
    match group.workload {
        "" => group.target.to_owned(),
        workload => format!("{}, {workload}", group.target),
    }
}

fn cell_name(group: &Group<'_>, cell: &Cell<'_>) -> String {
    format!("{}, {}", name(group), load_words(cell.load()))
}

/// That of the cell that can be trusted least.
fn trust<'s, 'a: 's>(cells: impl Iterator<Item = &'s Cell<'a>>) -> &'static str {
    let rank = |word: &&'static str| ["void", "doubtful", "trusted"].iter().position(|w| w == word);
    cells.map(Cell::trust).min_by_key(rank).unwrap_or("void")
}

impl Curve {
    pub(super) fn of(group: &Group<'_>, quantity: &Quantity) -> Self {
        let (metric, statistic) = (quantity.metric(), quantity.statistic());
        let mut repeats: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
        for point in group.cells.iter().filter(|cell| !cell.is_void()).flat_map(Cell::measured) {
            let place = point.number_of("tps_user", Some("p50"));
            let place = place.zip(point.number_of(metric.id, statistic));
            let place = place.filter(|(x, y)| x.is_finite() && y.is_finite());
            repeats.entry(point.repeat).or_default().extend(place);
        }
        let mut curves: Vec<Vec<(f64, f64)>> = repeats.into_values().collect();
        curves.iter_mut().for_each(|curve| curve.sort_by(|a, b| a.0.total_cmp(&b.0)));
        curves.retain(|curve| !curve.is_empty());
        Self(curves)
    }

    /// What every repeat reaches.
    fn range(&self) -> Option<(f64, f64)> {
        let ends = || self.0.iter().filter_map(|curve| Some((curve.first()?.0, curve.last()?.0)));
        let low = ends().map(|(low, _)| low).max_by(f64::total_cmp)?;
        Some((low, ends().map(|(_, high)| high).min_by(f64::total_cmp)?))
    }

    /// The metric of each repeat at `x`, on the line between its neighbours.
    pub(super) fn at(&self, x: f64) -> Vec<f64> {
        let between = |curve: &Vec<(f64, f64)>| {
            let next = curve.iter().position(|(place, _)| *place >= x)?;
            let (x1, y1) = curve[next];
            let Some((x0, y0)) = next.checked_sub(1).map(|before| curve[before]) else {
                return (x1 <= x).then_some(y1);
            };
            let share = if x1 > x0 { (x - x0) / (x1 - x0) } else { 0.0 };
            Some(y0 + share * (y1 - y0))
        };
        self.0.iter().filter_map(between).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_first_then_what_is_alike_and_the_rest_in_order() {
        // Alike is what begins alike.
        let is_alike = |a: &str, b: &str| a.as_bytes()[0] == b.as_bytes()[0];
        for (a, b, expected) in [
            (vec!["x"], vec!["y"], vec![("x", "y")]),
            (vec!["a", "b"], vec!["b", "a"], vec![("a", "a"), ("b", "b")]),
            (vec!["a", "b"], vec!["b", "c"], vec![("a", "c"), ("b", "b")]),
            (vec!["a", "b"], vec!["c"], vec![("a", "c")]),
            (vec![], vec!["c"], vec![]),
            (
                vec!["z", "b1", "a"],
                vec!["a", "y", "b2"],
                vec![("a", "a"), ("b1", "b2"), ("z", "y")],
            ),
        ] {
            let found: Vec<_> = matched(&a, &b, is_alike).into_iter().collect();
            assert_eq!(found, expected, "{a:?} and {b:?}");
        }
    }

    #[test]
    fn a_curve_is_a_line_from_point_to_point_and_nothing_beyond() {
        let curve =
            Curve(vec![vec![(10.0, 400.0), (20.0, 300.0), (40.0, 100.0)], vec![(5.0, 9.0)]]);
        for (x, expected) in [
            (10.0, vec![400.0]),
            (15.0, vec![350.0]),
            (20.0, vec![300.0]),
            (35.0, vec![150.0]),
            (41.0, vec![]),
            (9.0, vec![]),
            (5.0, vec![9.0]),
        ] {
            assert_eq!(curve.at(x), expected, "{x}");
        }
        assert_eq!(curve.range(), Some((10.0, 5.0)), "no range that both reach");
    }
}
