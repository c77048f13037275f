//! A server's histogram of a time, over the measured window.

use super::{ServerTime, Telemetry, watched::SeriesFigure};

/// How often a server saw which times, as its buckets tell.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerHistogram {
    /// Seconds, of all together.
    pub sum_s: f64,
    /// How many.
    pub count: f64,
    /// The upper bound of each bucket in seconds, the last of which is infinite, and how many were not above it;
    /// empty where buckets and count do not agree, as when readings were lost.
    pub buckets: Vec<(f64, f64)>,
}

impl ServerHistogram {
    /// What `telemetry` says of `time`; `None` where it was not read before and after, or began anew meanwhile.
    pub fn of(telemetry: &Telemetry, time: ServerTime) -> Option<Self> {
        let [sum, count, bucket] = time.names();
        let sum_s = telemetry.exact_increase(sum)?;
        let count = telemetry.exact_increase(count).filter(|count| *count > 0.0)?;
        Some(Self { sum_s, count, buckets: buckets(telemetry, bucket, count).unwrap_or_default() })
    }

    /// The mean in seconds.
    pub fn mean_s(&self) -> f64 {
        self.sum_s / self.count
    }

    /// The bounds in seconds between which the `p`-th percentile lies: above the first, not above the second,
    /// which is infinite in the last bucket. A bucket tells no more.
    pub fn percentile_s(&self, p: f64) -> Option<(f64, f64)> {
        let rank = (p / 100.0 * self.count).ceil().clamp(1.0, self.count);
        let place = self.buckets.iter().position(|(_, count)| *count >= rank)?;
        let above = place.checked_sub(1).map_or(0.0, |before| self.buckets[before].0);
        Some((above, self.buckets[place].0))
    }
}

/// The buckets over all sources. They are read when they change, so their last reading may lie within the window.
fn buckets(telemetry: &Telemetry, name: &str, count: f64) -> Option<Vec<(f64, f64)>> {
    let mut buckets = Vec::new();
    for series in telemetry.series.iter().filter(|series| series.name == name) {
        let SeriesFigure::Counter(increase) = series.figure else { return None };
        let bound: f64 = series.instance.as_deref()?.parse().ok()?;
        buckets.push((bound, increase.by));
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut together: Vec<(f64, f64)> = Vec::new();
    for (bound, count) in buckets {
        match together.last_mut() {
            Some(last) if last.0.total_cmp(&bound).is_eq() => last.1 += count,
            _ => together.push((bound, count)),
        }
    }
    let is_whole = together.last().is_some_and(|(_, all)| (all - count).abs() < 0.5)
        && together.is_sorted_by(|a, b| a.1 <= b.1);
    is_whole.then_some(together)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, Reading, Watched};

    /// What was watched of TTFTs: sum, count and buckets before and after.
    fn telemetry(readings: &[(&'static str, Option<&str>, f64, f64)]) -> Telemetry {
        let mut watched = Watched::default();
        for (name, instance, before, after) in readings {
            for (s, value) in [(1, before), (3, after)] {
                watched.add(&Reading {
                    source: "server".into(),
                    name: (*name).into(),
                    instance: instance.map(Into::into),
                    at: Moment::from_nanos(s * 1_000_000_000),
                    value: *value,
                });
            }
        }
        watched.telemetry(Moment::from_nanos(1_500_000_000), Moment::from_nanos(2_500_000_000))
    }

    const SUM: (&str, Option<&str>, f64, f64) = ("server_ttft_s_sum", None, 10.0, 30.0);
    const COUNT: (&str, Option<&str>, f64, f64) = ("server_ttft_s_count", None, 100.0, 200.0);

    fn bucket(
        le: &'static str,
        before: f64,
        after: f64,
    ) -> (&'static str, Option<&'static str>, f64, f64) {
        ("server_ttft_s_bucket", Some(le), before, after)
    }

    #[test]
    fn a_percentile_lies_between_the_bounds_of_its_bucket() {
        let buckets = [bucket("0.1", 90.0, 140.0), bucket("+Inf", 100.0, 200.0)];
        let all = [SUM, COUNT, bucket("0.25", 95.0, 194.0), buckets[0], buckets[1]];
        let ttft = ServerHistogram::of(&telemetry(&all), ServerTime::Ttft).unwrap();
        assert_eq!(ttft.buckets, [(0.1, 50.0), (0.25, 99.0), (f64::INFINITY, 100.0)]);
        assert!((ttft.mean_s() - 0.2).abs() < 1e-12);
        assert_eq!(ttft.percentile_s(50.0), Some((0.0, 0.1)));
        assert_eq!(ttft.percentile_s(51.0), Some((0.1, 0.25)));
        assert_eq!(ttft.percentile_s(99.0), Some((0.1, 0.25)));
        assert_eq!(ttft.percentile_s(100.0), Some((0.25, f64::INFINITY)));
        assert_eq!(ttft.percentile_s(0.0), Some((0.0, 0.1)));
    }

    #[test]
    fn buckets_that_do_not_agree_with_the_count_tell_no_percentile() {
        for lost in [bucket("+Inf", 100.0, 190.0), bucket("0.1", 0.0, 100.0)] {
            let ttft =
                ServerHistogram::of(&telemetry(&[SUM, COUNT, lost]), ServerTime::Ttft).unwrap();
            let is_last = lost.1 == Some("0.1");
            assert_eq!(ttft.percentile_s(50.0).is_some(), is_last, "{lost:?}");
        }
        let falls = [SUM, COUNT, bucket("0.1", 0.0, 120.0), bucket("+Inf", 100.0, 200.0)];
        let ttft = ServerHistogram::of(&telemetry(&falls), ServerTime::Ttft).unwrap();
        assert_eq!(ttft.percentile_s(50.0), None);
    }

    #[test]
    fn what_began_anew_or_counted_nothing_is_no_histogram() {
        let anew = ("server_ttft_s_count", None, 100.0, 50.0);
        let nothing = ("server_ttft_s_count", None, 100.0, 100.0);
        for count in [anew, nothing] {
            assert_eq!(ServerHistogram::of(&telemetry(&[SUM, count]), ServerTime::Ttft), None);
        }
        assert_eq!(ServerHistogram::of(&telemetry(&[COUNT]), ServerTime::Ttft), None);
    }
}
