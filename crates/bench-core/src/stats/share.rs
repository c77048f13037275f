//! Shares: how many of how many, how sure that is, and by how much two differ.

use super::Interval;

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// How many are so.
    pub count: f64,
    /// Of how many: more than 0.
    pub of: f64,
}

/// The 97.5th percentile of the normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;

impl Share {
    /// The share, from 0 to 1.
    pub fn ratio(self) -> f64 {
        self.count / self.of
    }

    /// Wilson's interval of 95 %, which also holds where nothing or everything is counted.
    ///
    /// Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    pub fn interval(self) -> Interval {
        let (p, n) = (self.ratio(), self.of);
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + Z * Z / n;
        Interval {
            low: ((middle - half) / whole).max(0.0),
            high: ((middle + half) / whole).min(1.0),
        }
    }

    /// Where other − self lies, at 95 %: Newcombe's hybrid score interval. `None` if one is no share.
    ///
    /// ```text
    /// d − √((p_b − l_b)² + (u_a − p_a)²)  to  d + √((u_b − p_b)² + (p_a − l_a)²)
    /// ```
    ///
    /// d = p_b − p_a; l and u the ends of Wilson's interval of each. Source: Newcombe, "Interval estimation for
    /// the difference between independent proportions", 1998, method 10.
    pub fn difference(self, other: Self) -> Option<Interval> {
        let is_share = |s: Self| s.of > 0.0 && (0.0..=s.of).contains(&s.count) && s.of.is_finite();
        if !is_share(self) || !is_share(other) {
            return None;
        }
        let (of_a, of_b) = (self.interval(), other.interval());
        let (p, q) = (self.ratio(), other.ratio());
        Some(Interval {
            low: q - p - (q - of_b.low).hypot(of_a.high - p),
            high: q - p + (of_b.high - q).hypot(p - of_a.low),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Newcombe's table I of 1998, "Two-sided confidence intervals for the single proportion", method 3.
    #[test]
    fn an_interval_is_wilsons() {
        for ([count, of], [low, high]) in [
            ([81.0, 263.0], [0.2553, 0.3662]),
            ([15.0, 148.0], [0.0624, 0.1605]),
            ([0.0, 20.0], [0.0, 0.1611]),
            ([1.0, 29.0], [0.0061, 0.1718]),
            ([20.0, 20.0], [0.8389, 1.0]),
        ] {
            let found = Share { count, of }.interval();
            let is_near = (found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4;
            assert!(is_near, "{found:?}");
        }
    }

    /// The examples of Newcombe's table II, method 10.
    #[test]
    fn a_difference_is_newcombes() {
        for ([count_b, of_b, count_a, of_a], [low, high]) in [
            ([56.0, 70.0, 48.0, 80.0], [0.0524, 0.3339]),
            ([9.0, 10.0, 3.0, 10.0], [0.1705, 0.8090]),
            ([6.0, 7.0, 2.0, 7.0], [0.0582, 0.8062]),
            ([5.0, 56.0, 0.0, 29.0], [-0.0381, 0.1926]),
            ([0.0, 10.0, 0.0, 20.0], [-0.1611, 0.2775]),
        ] {
            let (a, b) = (Share { count: count_a, of: of_a }, Share { count: count_b, of: of_b });
            let found = a.difference(b).unwrap();
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
            assert_eq!(half.difference(bad), None);
            assert_eq!(bad.difference(half), None);
        }
    }
}
