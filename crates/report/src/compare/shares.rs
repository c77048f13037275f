//! By how much a share of requests differs.

use bench_core::stats::Interval;

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) count: f64,
    pub(super) of: f64,
}

impl Share {
    pub(super) fn ratio(self) -> f64 {
        self.count / self.of
    }

    /// Wilson's interval of 95 %, which also holds where nothing or everything is counted.
    fn interval(self) -> Interval {
        // The 97.5th percentile of the normal distribution.
        const Z: f64 = 1.959_963_984_540_054;
        let (p, n) = (self.ratio(), self.of);
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + Z * Z / n;
        Interval { low: (middle - half) / whole, high: (middle + half) / whole }
    }
}

/// Where b − a lies, at 95 %: Newcombe's hybrid score interval.
///
/// ```text
/// d − √((p_b − l_b)² + (u_a − p_a)²)  to  d + √((u_b − p_b)² + (p_a − l_a)²)
/// ```
///
/// d = p_b − p_a; l and u the ends of Wilson's interval of each. Source: Newcombe, "Interval estimation for
/// the difference between independent proportions", 1998, method 10.
pub(super) fn difference(a: Share, b: Share) -> Option<Interval> {
    let is_share = |s: Share| s.of > 0.0 && (0.0..=s.of).contains(&s.count) && s.of.is_finite();
    if !is_share(a) || !is_share(b) {
        return None;
    }
    let (of_a, of_b) = (a.interval(), b.interval());
    let (p, q) = (a.ratio(), b.ratio());
    Some(Interval {
        low: q - p - (q - of_b.low).hypot(of_a.high - p),
        high: q - p + (of_b.high - q).hypot(p - of_a.low),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Newcombe's table II, method 10.
    #[test]
    fn intervals_are_newcombes() {
        for ([count_b, of_b, count_a, of_a], [low, high]) in [
            ([56.0, 70.0, 48.0, 80.0], [0.0524, 0.3339]),
            ([9.0, 10.0, 3.0, 10.0], [0.1705, 0.8090]),
            ([6.0, 7.0, 2.0, 7.0], [0.0582, 0.8062]),
            ([5.0, 56.0, 0.0, 29.0], [-0.0381, 0.1926]),
            ([0.0, 10.0, 0.0, 20.0], [-0.1611, 0.2775]),
        ] {
            let (a, b) = (Share { count: count_a, of: of_a }, Share { count: count_b, of: of_b });
            let found = difference(a, b).unwrap();
            assert!(
                (found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4,
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_share_of_nothing_has_no_difference() {
        let half = Share { count: 1.0, of: 2.0 };
        for bad in [Share { count: 0.0, of: 0.0 }, Share { count: 3.0, of: 2.0 }] {
            assert_eq!(difference(half, bad), None);
            assert_eq!(difference(bad, half), None);
        }
    }
}
