//! By how much two means differ, as a share of the first: Welch's test and Fieller's interval.

use super::{
    Interval, Repeats,
    student::{critical_t, two_sided_p},
};

/// Repeats of an old and a new thing, at least two of each.
pub(super) struct Welch {
    pub(super) old: Repeats,
    pub(super) new: Repeats,
}

impl Welch {
    /// How probable means this far apart are, or further, if there is no difference: two-sided.
    pub(super) fn p_value(&self) -> Option<f64> {
        let [u, v] = self.variances()?;
        let difference = self.new.mean - self.old.mean;
        if u + v == 0.0 {
            // What does not vary at all differs if it differs at all.
            return Some(if difference == 0.0 { 1.0 } else { 0.0 });
        }
        two_sided_p(difference / (u + v).sqrt(), self.freedom()?)
    }

    /// Where (new − old) / |old| lies. Unbounded if the old mean cannot be told from 0, `None` if it is 0.
    pub(super) fn ratio_interval(&self, level: f64) -> Option<Interval> {
        let [u, v] = self.variances()?;
        let t = if u + v == 0.0 { 0.0 } else { critical_t(level, self.freedom()?)? };
        // In units of the old mean: (ȳ − ρ)² = t²(v + ρ²u), that is (1 − g)ρ² − 2ȳρ + ȳ² − h = 0.
        let unit = self.old.mean;
        let new = self.new.mean / unit;
        let (g, h) = (u * (t / unit).powi(2), v * (t / unit).powi(2));
        if !(new.is_finite() && g.is_finite() && h.is_finite()) {
            return None;
        }
        if g >= 1.0 {
            return Some(Interval { low: f64::NEG_INFINITY, high: f64::INFINITY });
        }
        let root = (g * new * new + h * (1.0 - g)).sqrt();
        let ends = [-root, root].map(|root| ((new + root) / (1.0 - g) - 1.0) * unit.signum());
        let interval = Interval { low: ends[0].min(ends[1]), high: ends[0].max(ends[1]) };
        (interval.low.is_finite() && interval.high.is_finite()).then_some(interval)
    }

    /// The squares of the standard errors.
    fn variances(&self) -> Option<[f64; 2]> {
        Some([self.old.standard_error?.powi(2), self.new.standard_error?.powi(2)])
    }

    /// Welch and Satterthwaite's degrees of freedom, of variances that are not both 0.
    fn freedom(&self) -> Option<f64> {
        let [u, v] = self.variances()?;
        // As shares, of which the squares do not vanish.
        let (u, v) = (u / (u + v), v / (u + v));
        let of = |share: f64, n: u64| share * share / (n as f64 - 1.0);
        let freedom = 1.0 / (of(u, self.old.n) + of(v, self.new.n));
        freedom.is_finite().then_some(freedom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn welch(old: &[f64], new: &[f64]) -> Welch {
        Welch { old: Repeats::of(old).unwrap(), new: Repeats::of(new).unwrap() }
    }

    /// scipy 1.17.1: `scipy.stats.ttest_ind(new, old, equal_var=False).pvalue`.
    #[test]
    fn p_is_scipys() {
        let cases: [(&[f64], &[f64], f64); 2] = [
            (&[512.0, 498.5, 505.25, 530.0, 501.75], &[521.0, 540.5, 533.25], 0.037291936689342),
            (&[10.0, 10.1, 10.2, 9.7], &[10.3, 10.9, 10.0, 10.4, 10.6, 10.2], 0.044973835369095),
        ];
        for (old, new, expected) in cases {
            let found = welch(old, new).p_value().unwrap();
            assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
        }
    }

    #[test]
    fn what_does_not_vary_has_no_width() {
        let ratio = |old: f64, new: f64| welch(&[old; 3], &[new; 3]).ratio_interval(0.95);
        let only = |ratio: f64| Some(Interval { low: ratio, high: ratio });
        assert_eq!((ratio(4.0, 5.0), ratio(-4.0, -5.0)), (only(0.25), only(-0.25)));
        assert_eq!((ratio(4.0, 4.0), ratio(0.0, 4.0)), (only(0.0), None));
        assert_eq!(welch(&[4.0; 3], &[5.0; 3]).p_value(), Some(0.0));
        assert_eq!(welch(&[4.0; 3], &[4.0; 3]).p_value(), Some(1.0));
        let unbounded = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
        let around_zero = welch(&[-1.0, 0.5, 1.0], &[5.0, 5.1, 5.2]);
        assert_eq!(around_zero.ratio_interval(0.95), Some(unbounded));
    }

    proptest! {
        #[test]
        fn the_ends_are_the_ratios_that_are_just_not_ruled_out(
            old in prop::collection::vec(80.0_f64..120.0, 3..8),
            new in prop::collection::vec(60.0_f64..150.0, 3..8),
            sign in prop::bool::ANY,
        ) {
            let sign = if sign { 1.0 } else { -1.0 };
            let signed = |values: &[f64]| values.iter().map(|v| v * sign).collect::<Vec<f64>>();
            let welch = welch(&signed(&old), &signed(&new));
            let interval = welch.ratio_interval(0.95).unwrap();
            prop_assert!(interval.low <= interval.high);
            let [u, v] = welch.variances().unwrap();
            let t = critical_t(0.95, welch.freedom().unwrap()).unwrap();
            for end in [interval.low, interval.high] {
                let rho = 1.0 + end * sign;
                let distance = (welch.new.mean - rho * welch.old.mean).abs();
                prop_assert!((distance / (v + rho * rho * u).sqrt() - t).abs() < 1e-6);
            }
            let is_shown = welch.p_value().unwrap() < 0.05;
            prop_assert_eq!(!interval.contains(0.0), is_shown);
        }
    }
}
