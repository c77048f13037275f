//! The values of one name over time, in bounded memory.

use crate::{Moment, ReadingKind};

/// Points that are kept of a series; of more, every second one is left out, and again. 13 minutes at ten a
/// second lose nothing.
const MOST_POINTS: usize = 8_192;

/// One reading, and what its series had come to with it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at: Moment,
    value: f64,
    /// Of a gauge: the integral over time up to here, in its unit times seconds. Of a counter: how much it had
    /// grown. What was left out between two points is in it.
    total: f64,
    /// How often a counter had begun anew.
    resets: u32,
    /// Whether it lies at the edge of a phase, and is never left out.
    is_edge: bool,
}

/// The values of one name of one source and instance.
#[derive(Clone, Debug)]
pub(super) struct Series {
    kind: ReadingKind,
    points: Vec<Point>,
    /// The latest reading, which may not be among the points.
    last: Option<Point>,
    /// Of so many readings one is kept.
    stride: u32,
    seen: u32,
}

/// How much a counter grew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Increase {
    /// By how much; what it counted before it began anew, and after it was read last, is not in it.
    pub by: f64,
    /// How often it began anew meanwhile.
    pub resets: u32,
    /// Whether it was read right before the window and after it, so that nothing within is missing, and nothing of a
    /// phase before is in it.
    pub whole: bool,
}

/// The mean of a gauge over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    pub(super) value: f64,
    /// Share of the window that lies between the first reading and the last.
    pub(super) coverage: f64,
}

impl Series {
    pub(super) fn new(kind: ReadingKind) -> Self {
        Self { kind, points: Vec::new(), last: None, stride: 1, seen: 0 }
    }

    /// Takes a reading in. One that is not finite, or not later than the one before, says nothing.
    pub(super) fn add(&mut self, at: Moment, value: f64) {
        if !value.is_finite() || self.last.is_some_and(|last| at <= last.at) {
            return;
        }
        let start = Point { at, value, total: 0.0, resets: 0, is_edge: false };
        let point = self.last.map_or(start, |last| match self.kind {
            ReadingKind::Gauge => Point { total: last.total + area(last, at, value), ..start },
            ReadingKind::Counter if value < last.value => {
                Point { total: last.total + value.max(0.0), resets: last.resets + 1, ..start }
            }
            ReadingKind::Counter => {
                Point { total: last.total + (value - last.value), resets: last.resets, ..start }
            }
        });
        self.last = Some(point);
        if self.seen.is_multiple_of(self.stride) {
            self.keep(point);
        }
        self.seen = self.seen.wrapping_add(1);
    }

    fn keep(&mut self, point: Point) {
        self.points.push(point);
        if self.points.len() < MOST_POINTS {
            return;
        }
        self.stride = self.stride.saturating_mul(2);
        let mut every_second = false;
        self.points.retain(|point| {
            every_second = !every_second;
            every_second || point.is_edge
        });
    }

    /// Keeps the latest reading whatever comes after it: a phase begins or ends here.
    pub(super) fn mark_edge(&mut self) {
        let Some(last) = self.last else { return };
        match self.points.last_mut() {
            Some(kept) if kept.at == last.at => kept.is_edge = true,
            _ => self.points.push(Point { is_edge: true, ..last }),
        }
    }

    /// The values read from `from` to `to`.
    pub(super) fn values(&self, from: Moment, to: Moment) -> impl Iterator<Item = f64> {
        let within = self.all().filter(move |point| (from..=to).contains(&point.at));
        within.map(|point| point.value)
    }

    /// Whether it was read from `from` to `to`.
    pub(super) fn was_read(&self, from: Moment, to: Moment) -> bool {
        self.all().any(|point| (from..=to).contains(&point.at))
    }

    /// The mean of a gauge from `from` to `to`, weighted by time, straight lines between readings; `None`
    /// where no two readings span any of it.
    pub(super) fn mean(&self, from: Moment, to: Moment) -> Option<Mean> {
        let (begins, ends) = self.span(from, to)?;
        let covered = ends.since(begins).as_secs_f64();
        let all = to.since(from).as_secs_f64();
        let area = self.total_at(ends)? - self.total_at(begins)?;
        Some(Mean { value: area / covered, coverage: covered / all })
    }

    /// How much a counter grew from the last reading before `from` to the first one after `to`, or to the one that
    /// was made when the phase ended: a server may count its last answer only after it was read.
    pub(super) fn increase(&self, from: Moment, to: Moment) -> Option<Increase> {
        let before = self.all().take_while(|point| point.at <= from).last();
        let edge = self.points.iter().find(|point| point.is_edge && point.at >= to);
        let after = edge.copied().or_else(|| self.all().find(|point| point.at >= to));
        let (base, end) = (before.or(self.points.first().copied())?, after.or(self.last)?);
        Some(Increase {
            by: end.total - base.total,
            resets: end.resets - base.resets,
            whole: before.is_some() && after.is_some(),
        })
    }

    /// How much a counter grew from `from` to `to`, straight lines between readings; `None` where these do not
    /// span all of it.
    pub(super) fn increase_between(&self, from: Moment, to: Moment) -> Option<Increase> {
        let whole = self.increase(from, to).filter(|increase| increase.whole)?;
        Some(Increase { by: self.total_at(to)? - self.total_at(from)?, ..whole })
    }

    /// The part of the time from `from` to `to` that readings span.
    pub(super) fn span(&self, from: Moment, to: Moment) -> Option<(Moment, Moment)> {
        let (first, last) = (self.points.first()?.at, self.last?.at);
        let (begins, ends) = (from.max(first), to.min(last));
        (begins < ends).then_some((begins, ends))
    }

    /// Seconds of the time from `from` to `to` that lie between two readings which are too far apart to say what was
    /// between them: by more than both `seconds` and this share of the time.
    pub(super) fn unknown_s(&self, from: Moment, to: Moment, seconds: f64, share: f64) -> f64 {
        let most = seconds.max(to.since(from).as_secs_f64() * share);
        let within = |at: Moment| at.clamp(from, to);
        let moments: Vec<Moment> = self.all().map(|point| point.at).collect();
        let gaps = moments.windows(2).filter(|gap| gap[1].since(gap[0]).as_secs_f64() > most);
        gaps.map(|gap| within(gap[1]).since(within(gap[0])).as_secs_f64()).sum()
    }

    /// How often the value changed from `from` to `to`.
    pub(super) fn changes(&self, from: Moment, to: Moment) -> usize {
        let values: Vec<f64> = self.values(from, to).collect();
        values.windows(2).filter(|pair| pair[0].total_cmp(&pair[1]).is_ne()).count()
    }

    /// The points and the latest reading.
    fn all(&self) -> impl Iterator<Item = Point> {
        let kept = self.points.last().map(|point| point.at);
        self.points.iter().copied().chain(self.last.filter(|last| Some(last.at) != kept))
    }

    /// What the series had come to at `at`, which lies within it.
    fn total_at(&self, at: Moment) -> Option<f64> {
        let before = self.all().take_while(|point| point.at <= at).last()?;
        let Some(after) = self.all().find(|point| point.at > at) else { return Some(before.total) };
        let share = at.since(before.at).as_secs_f64() / after.at.since(before.at).as_secs_f64();
        Some(match self.kind {
            ReadingKind::Counter => before.total + (after.total - before.total) * share,
            ReadingKind::Gauge => {
                let value = before.value + (after.value - before.value) * share;
                before.total + area(before, at, value)
            }
        })
    }
}

/// The area under the straight line from `from` to `value` at `at`.
fn area(from: Point, at: Moment, value: f64) -> f64 {
    f64::midpoint(from.value, value) * at.since(from.at).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn series(kind: ReadingKind, readings: &[(u64, f64)]) -> Series {
        let mut series = Series::new(kind);
        for (ms, value) in readings {
            series.add(at(*ms), *value);
        }
        series
    }

    fn gauge(readings: &[(u64, f64)]) -> Series {
        series(ReadingKind::Gauge, readings)
    }

    fn counter(readings: &[(u64, f64)]) -> Series {
        series(ReadingKind::Counter, readings)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn a_mean_is_weighted_by_time_and_cut_at_the_window() {
        // 100 W for a second, a ramp to 300 W in the next one, 300 W for two.
        let power = gauge(&[(0, 100.0), (1_000, 100.0), (2_000, 300.0), (4_000, 300.0)]);
        let mean = |from, to| power.mean(at(from), at(to)).unwrap();
        assert!(close(mean(0, 4_000).value, (100.0 + 200.0 + 600.0) / 4.0));
        assert!(close(mean(1_500, 2_000).value, 250.0));
        assert!(close(mean(1_250, 1_750).value, 200.0));
        assert!(close(mean(0, 4_000).coverage, 1.0));
        assert!(close(mean(2_000, 8_000).coverage, 1.0 / 3.0), "nothing is known of the rest");
        assert!(close(mean(2_000, 8_000).value, 300.0));
        assert_eq!(power.mean(at(4_000), at(5_000)), None);
        assert_eq!(gauge(&[(0, 1.0)]).mean(at(0), at(1)), None, "one reading spans nothing");
    }

    #[test]
    fn a_counter_tells_what_was_counted_between_the_readings_around_a_window() {
        let tokens =
            counter(&[(0, 50.0), (900, 70.0), (1_500, 100.0), (2_100, 130.0), (3_000, 130.0)]);
        let increase = |from, to| tokens.increase(at(from), at(to)).unwrap();
        assert_eq!(increase(1_000, 2_000), Increase { by: 60.0, resets: 0, whole: true });
        assert_eq!(increase(900, 2_100), Increase { by: 60.0, resets: 0, whole: true });
        assert!(!increase(1_000, 5_000).whole, "it may have grown since");
        assert_eq!(counter(&[]).increase(at(0), at(1)), None);
        let between = tokens.increase_between(at(1_200), at(1_800)).unwrap();
        assert!(close(between.by, 15.0 + 15.0), "{between:?}");
        assert_eq!(tokens.increase_between(at(1_200), at(9_000)), None);
    }

    #[test]
    fn a_counter_is_read_to_the_end_of_the_phase_where_that_is_known() {
        let mut tokens = counter(&[(0, 0.0), (900, 10.0), (2_001, 90.0)]);
        let by = |tokens: &Series| tokens.increase(at(900), at(2_000)).unwrap().by;
        assert!(close(by(&tokens), 80.0));
        tokens.add(at(2_050), 100.0);
        tokens.mark_edge();
        tokens.add(at(3_000), 120.0);
        assert!(close(by(&tokens), 90.0), "the last answer counts");
    }

    #[test]
    fn a_counter_that_begins_anew_loses_only_what_nobody_read() {
        let energy = counter(&[(0, 1_000.0), (100, 1_010.0), (200, 4.0), (300, 14.0)]);
        let increase = energy.increase(at(0), at(300)).unwrap();
        assert_eq!(increase, Increase { by: 24.0, resets: 1, whole: true });
        assert_eq!(energy.increase(at(200), at(300)).unwrap().resets, 0);
    }

    #[test]
    fn what_is_left_out_is_still_in_the_totals() {
        let mut power = Series::new(ReadingKind::Gauge);
        let mut tokens = Series::new(ReadingKind::Counter);
        let n = 50_000_u64;
        for i in 0..n {
            // 0 W and 200 W in turns.
            power.add(at(i * 100), if i % 2 == 0 { 0.0 } else { 200.0 });
            tokens.add(at(i * 100), (i * 3) as f64);
            if i == 777 {
                tokens.mark_edge();
            }
        }
        assert!(power.points.len() < MOST_POINTS && power.stride > 1);
        let end = at((n - 1) * 100);
        let mean = power.mean(at(0), end).unwrap().value;
        assert!((mean - 100.0).abs() < 0.1, "{mean}");
        let increase = tokens.increase(at(77_700), end).unwrap();
        assert_eq!(increase, Increase { by: (n - 1 - 777) as f64 * 3.0, resets: 0, whole: true });
    }

    #[test]
    fn readings_that_say_nothing_are_left_out() {
        let values =
            gauge(&[(0, 1.0), (0, 2.0), (5, f64::NAN), (6, f64::INFINITY), (4, 3.0), (3, 9.0)]);
        assert_eq!(values.values(at(0), at(10)).collect::<Vec<_>>(), [1.0, 3.0]);
        assert_eq!(values.changes(at(0), at(10)), 1);
    }
}
