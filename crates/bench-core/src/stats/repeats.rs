//! Repeated measurements of one cell: what they say together, and whether there are enough of them.

use super::{Interval, distribution::mean, interval::is_level, student::critical_t};

/// The level of confidence where none is asked for.
pub const LEVEL: f64 = 0.95;

/// What repeats x₁…xₙ of one measurement say together.
///
/// A repeat is one value: what a whole run gave, not one of its requests. Repeats are taken as independent
/// and roughly normal, which a mean over many requests is. Source: Georges, Buytaert & Eeckhout,
/// "Statistically rigorous Java performance evaluation", OOPSLA 2007, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    /// How many: n.
    pub n: u64,
    /// Their mean: x̄ = Σxᵢ / n.
    pub mean: f64,
    /// The sample's standard deviation: s = √(Σ(xᵢ − x̄)² / (n − 1)). `None` of one repeat.
    pub std: Option<f64>,
    /// The standard error of the mean: s / √n. `None` of one repeat.
    pub standard_error: Option<f64>,
    /// The coefficient of variation: s / |x̄|, and 0 if the repeats are equal. `None` of one repeat, and of
    /// repeats around 0.
    pub cv: Option<f64>,
}

impl Repeats {
    /// What `values` say; `None` if there are none, if one is not finite, or if they are too large to be
    /// squared.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let (count, mean) = (values.len() as f64, mean(values));
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let std = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        (mean.is_finite() && squares.is_finite()).then(|| Self {
            n: values.len() as u64,
            mean,
            std,
            standard_error: std.map(|s| s / count.sqrt()),
            cv: std.and_then(|s| share_of(s, mean)),
        })
    }

    /// Where the mean of all repeats that could be made lies: x̄ ± t · s / √n, where t is such that Student's
    /// distribution with n − 1 degrees of freedom has `level` of its mass within ± t.
    ///
    /// `None` of one repeat, or if `level` is not between 0 and 1.
    pub fn interval(&self, level: f64) -> Option<Interval> {
        let half = self.half_width(level)?;
        Some(Interval { low: self.mean - half, high: self.mean + half })
    }

    /// Half the width of [`interval`](Self::interval) as a share of the mean: t · s / (√n · |x̄|), and 0 if
    /// the repeats are equal.
    ///
    /// `None` where there is no interval, and of repeats around 0.
    pub fn half_width_ratio(&self, level: f64) -> Option<f64> {
        share_of(self.half_width(level)?, self.mean)
    }

    fn half_width(&self, level: f64) -> Option<f64> {
        let error = self.standard_error.filter(|_| is_level(level))?;
        Some(critical_t(level, self.n as f64 - 1.0)? * error)
    }
}

/// `spread` as a share of `mean`.
fn share_of(spread: f64, mean: f64) -> Option<f64> {
    let share = if spread == 0.0 { 0.0 } else { spread / mean.abs() };
    share.is_finite().then_some(share)
}

/// When repeats suffice: when the interval of their mean at [`LEVEL`] is narrow.
///
/// To look after every repeat, and to stop when the values happen to lie close together, makes the interval
/// somewhat too narrow: `least` keeps that small, and should not be below 5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Converge {
    /// The greatest half width, as a share of the mean.
    pub ratio: f64,
    /// The least number of repeats.
    pub least: u32,
}

impl Converge {
    /// Whether `values` suffice.
    pub fn reached(&self, values: &[f64]) -> bool {
        let half_width = || Repeats::of(values)?.half_width_ratio(LEVEL);
        values.len() as u64 >= u64::from(self.least)
            && half_width().is_some_and(|ratio| ratio <= self.ratio)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assume, proptest};

    use super::*;

    /// scipy 1.17.1: `m, s = numpy.mean(x), scipy.stats.sem(x)`, `scipy.stats.t.interval(level, len(x) - 1,
    /// m, s)`.
    #[test]
    fn intervals_are_scipys() {
        let cases: [(&[f64], f64, [f64; 2]); 4] = [
            (&[10.1, 9.8, 10.4], 0.95, [9.3547586864749, 10.8452413135251]),
            (&[512.0, 498.5, 505.25, 530.0, 501.75], 0.99, [483.749461611226, 535.250538388774]),
            (
                &[0.012, 0.013, 0.011, 0.0125, 0.0119, 0.0131, 0.0122],
                0.9,
                [0.011715179045173, 0.0127705352405413],
            ),
            (&[1.0, 2.0], 0.95, [-4.85310236808735, 7.85310236808735]),
        ];
        for (values, level, expected) in cases {
            let found = Repeats::of(values).unwrap().interval(level).unwrap();
            for (found, expected) in [found.low, found.high].into_iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
            }
        }
    }

    #[test]
    fn one_repeat_has_a_mean_and_nothing_else() {
        let one = Repeats::of(&[3.0]).unwrap();
        assert_eq!(one, Repeats { n: 1, mean: 3.0, std: None, standard_error: None, cv: None });
        assert_eq!((one.interval(LEVEL), one.half_width_ratio(LEVEL)), (None, None));
    }

    #[test]
    fn equal_repeats_have_no_width_even_at_zero() {
        for value in [0.0, 0.1, -7.0] {
            let equal = Repeats::of(&[value; 10]).unwrap();
            assert_eq!((equal.cv, equal.half_width_ratio(LEVEL)), (Some(0.0), Some(0.0)));
            assert_eq!(equal.interval(LEVEL), Some(Interval { low: value, high: value }));
        }
        let around_zero = Repeats::of(&[-1.0, 1.0]).unwrap();
        assert_eq!((around_zero.cv, around_zero.half_width_ratio(LEVEL)), (None, None));
    }

    #[test]
    fn nothing_is_said_of_what_is_no_number() {
        for bad in [&[][..], &[f64::NAN, 1.0], &[f64::INFINITY; 2], &[1e300, -1e300]] {
            assert_eq!(Repeats::of(bad), None, "{bad:?}");
        }
        let two = Repeats::of(&[1.0, 2.0]).unwrap();
        for level in [0.0, 1.0, -1.0, 2.0, f64::NAN] {
            assert_eq!(two.interval(level), None, "{level}");
        }
    }

    #[test]
    fn repeats_converge_when_they_are_enough_and_close() {
        let converge = Converge { ratio: 0.05, least: 3 };
        // x̄ = 100, s = 1, t = 4.303: a half width of 2.5 %.
        assert!(converge.reached(&[99.0, 100.0, 101.0]));
        assert!(!converge.reached(&[97.0, 100.0, 103.0]), "7.5 %");
        assert!(!converge.reached(&[100.0, 100.0]), "too few");
        assert!(!Converge { ratio: 0.05, least: 0 }.reached(&[]));
        assert!(!Converge { ratio: f64::NAN, least: 0 }.reached(&[1.0, 1.0]));
    }

    /// P(|T| ≤ t) by Simpson's rule, the density's constant by the same rule: T = √ν · tan θ, and its density
    /// over θ is in proportion to cos^(ν−1) θ.
    fn mass_within(t: f64, freedom: i32) -> f64 {
        let integral = |to: f64| -> f64 {
            let step = to / 2_000.0;
            let weight = |i: i32| if i == 0 || i == 2_000 { 1.0 } else { f64::from(2 + i % 2 * 2) };
            (0..=2_000)
                .map(|i| weight(i) * (f64::from(i) * step).cos().powi(freedom - 1))
                .sum::<f64>()
                * step
        };
        integral((t / f64::from(freedom).sqrt()).atan()) / integral(std::f64::consts::FRAC_PI_2)
    }

    proptest! {
        #[test]
        fn repeats_agree_with_their_definitions(
            values in prop::collection::vec(0.1_f64..1e3, 2..40), level in 0.5_f64..0.999,
        ) {
            let found = Repeats::of(&values).unwrap();
            let n = values.len() as f64;
            // The variance is half the mean square of all differences.
            let differences = values.iter().flat_map(|a| values.iter().map(move |b| (a - b).powi(2)));
            let std = (differences.sum::<f64>() / (2.0 * n * (n - 1.0))).sqrt();
            prop_assert!((found.std.unwrap() - std).abs() <= 1e-9 * found.mean);
            prop_assume!(std > 1e-6);
            let interval = found.interval(level).unwrap();
            let t = (interval.high - found.mean) / (std / n.sqrt());
            let mass = mass_within(t, i32::try_from(values.len()).unwrap() - 1);
            prop_assert!((mass - level).abs() < 1e-6, "{mass}, not {level}");
            prop_assert!((interval.low + interval.high - 2.0 * found.mean).abs() <= 1e-9 * found.mean);
        }
    }
}
