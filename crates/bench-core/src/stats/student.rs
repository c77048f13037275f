//! Student's t.

use std::f64::consts::SQRT_2;

use statrs::{
    distribution::{Continuous, ContinuousCDF, StudentsT},
    function::erf::{erfc, erfc_inv},
};

/// With more freedom than this, t is computed from the normal distribution, as an expansion whose next term
/// is below 1e-9: statrs loses digits there, and from 10⁷ on gives 1.94 for 1.96.
const MUCH_FREEDOM: f64 = 1e5;

/// The t that a variable with `freedom` degrees of freedom stays within, on either side of 0, with a
/// probability of `level`: t such that P(|T| ≤ t) = level.
///
/// With much freedom z + (z³ + z)/(4ν): Abramowitz & Stegun, 26.7.5. `None` if there is no freedom, or the t
/// is too large for a number.
pub(super) fn critical_t(level: f64, freedom: f64) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    if freedom > MUCH_FREEDOM {
        let z = SQRT_2 * erfc_inv(1.0 - level);
        return Some(z + (z.powi(3) + z) / (4.0 * freedom)).filter(|t| t.is_finite());
    }
    let near = Some(student.inverse_cdf(0.5 + level / 2.0)).filter(|t| t.is_finite())?;
    // statrs' inverse is right to five digits only, its distribution to ten: one of Newton's steps mends it.
    let t = near + (2.0 * student.sf(near) - (1.0 - level)) / (2.0 * student.pdf(near));
    Some(if t.is_finite() { t } else { near })
}

/// The probability that a variable with `freedom` degrees of freedom is as far from 0 as `t`, or further:
/// P(|T| ≥ |t|). `None` if there is no freedom, or `t` is no number.
///
/// With much freedom that of z = t·(1 − 1/(4ν)) / √(1 + t²/(2ν)): Abramowitz & Stegun, 26.7.8.
pub(super) fn two_sided_p(t: f64, freedom: f64) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, freedom).ok().filter(|_| !t.is_nan())?;
    if freedom > MUCH_FREEDOM {
        let t = t.abs().min(1e9);
        let z = t * (1.0 - 0.25 / freedom) / (1.0 + t * t / (2.0 * freedom)).sqrt();
        return Some(erfc(z / SQRT_2));
    }
    Some(2.0 * student.sf(t.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `scipy.stats.t.ppf(0.5 + level / 2, freedom)`.
    #[test]
    fn critical_values_are_scipys() {
        let cases = [
            (0.95, 1.0, 12.706204736175),
            (0.95, 2.0, 4.3026527297495),
            (0.99, 4.5, 4.2728239930113),
            (0.5, 7.0, 0.71114177808179),
            (0.95, 29.0, 2.0452296421327),
            (0.999, 63.25, 3.4511039703799),
            (0.95, 999.0, 1.9623414611334),
            (0.9999, 5.0, 11.177710070279),
            (0.95, 100000.0, 1.9599877075346),
            (0.95, 99999.0, 1.9599877077718),
            (0.95, 100001.0, 1.9599877072974),
            (0.99, 1000000.0, 2.5758342201053),
            (0.95, 10000000.0, 1.9599642217672),
            (0.95, 1000000000000.0, 1.9599639845424),
        ];
        for (level, freedom, expected) in cases {
            let found = critical_t(level, freedom).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-8, "{level}, {freedom}: {found}");
            let p = two_sided_p(-found, freedom).unwrap();
            assert!((p / (1.0 - level) - 1.0).abs() < 1e-6, "{level}, {freedom}: p = {p}");
        }
    }

    #[test]
    fn no_freedom_no_t() {
        for freedom in [0.0, -1.0, f64::NAN] {
            assert_eq!((critical_t(0.95, freedom), two_sided_p(1.0, freedom)), (None, None));
        }
        for freedom in [3.0, 1e6, f64::INFINITY] {
            assert_eq!(two_sided_p(f64::INFINITY, freedom), Some(0.0));
            assert_eq!(two_sided_p(f64::MAX, freedom), Some(0.0));
        }
        assert_eq!(two_sided_p(f64::NAN, 3.0), None);
        assert_eq!(critical_t(1.0 - f64::EPSILON / 2.0, 3.0), None, "rounds to certainty");
    }
}
