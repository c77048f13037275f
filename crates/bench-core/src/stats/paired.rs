//! Whether two sides differ that answered the same questions: McNemar's test.

use statrs::function::beta::beta_reg;

use super::{Interval, share::Z};

/// How many questions two sides, a and b, answered right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paired {
    /// Both.
    pub both: u64,
    /// a alone.
    pub only_a: u64,
    /// b alone.
    pub only_b: u64,
    /// Neither.
    pub neither: u64,
}

impl Paired {
    /// Takes in a question that a and b answered right, or not.
    pub fn add(&mut self, a: bool, b: bool) {
        *match (a, b) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.only_a,
            (false, true) => &mut self.only_b,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// How many questions there are.
    pub fn questions(self) -> u64 {
        self.both + self.only_a + self.only_b + self.neither
    }

    /// The share that each side answered right; `None` without questions.
    pub fn ratios(self) -> Option<[f64; 2]> {
        let n = self.questions() as f64;
        let ratio = |right: u64| right as f64 / n;
        (n > 0.0).then(|| [ratio(self.both + self.only_a), ratio(self.both + self.only_b)])
    }

    /// How probable it is that of the questions which one side alone answered right, so many or more are one side's,
    /// if each is as likely the one's as the other's: two-sided and exact.
    ///
    /// ```text
    /// p = min(1, 2 · Σ_{i ≤ k} C(m, i) / 2ᵐ)     m = only_a + only_b, k the lesser of them
    /// ```
    ///
    /// Source: McNemar, "Note on the sampling error of the difference between correlated proportions or
    /// percentages", 1947; the exact form is the sign test's.
    pub fn p_value(self) -> f64 {
        let (least, most) =
            (self.only_a.min(self.only_b) as f64, self.only_a.max(self.only_b) as f64);
        if most <= least {
            return 1.0;
        }
        // The distribution function of the binomial: P(X ≤ k) = I_½(m − k, k + 1).
        (2.0 * beta_reg(most, least + 1.0, 0.5)).min(1.0)
    }

    /// Where the share of b less that of a lies, at 95 %: half a question is added to each of the four counts.
    ///
    /// ```text
    /// d ± z · √((b + c) − (c − b)²/N) / N     d = (c − b)/N, b = only_a + ½, c = only_b + ½, N = n + 2
    /// ```
    ///
    /// Source: Agresti & Min, "Simple improved confidence intervals for comparing matched proportions", 2005.
    pub fn difference(self) -> Interval {
        let (b, c) = (self.only_a as f64 + 0.5, self.only_b as f64 + 0.5);
        let n = self.questions() as f64 + 2.0;
        let middle = (c - b) / n;
        let half = Z * ((b + c) - (c - b).powi(2) / n).sqrt() / n;
        Interval { low: (middle - half).max(-1.0), high: (middle + half).min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `scipy.stats.binomtest(only_b, only_a + only_b).pvalue`.
    #[test]
    fn p_is_the_binomial_tests() {
        for (only_a, only_b, p) in [
            (0, 0, 1.0),
            (3, 3, 1.0),
            (1, 0, 1.0),
            (5, 0, 0.0625),
            (6, 0, 0.03125),
            (10, 2, 0.038_574_218_75),
            (2, 10, 0.038_574_218_75),
            (4, 3, 1.0),
        ] {
            let found = Paired { only_a, only_b, both: 7, neither: 9 }.p_value();
            assert!((found - p).abs() < 1e-12, "{only_a} and {only_b}: {found}, not {p}");
        }
    }

    /// The binomial's probabilities of 0 to m, one after the other.
    fn binomial(m: u64, share: f64) -> Vec<f64> {
        let mut all = vec![1.0];
        for _ in 0..m {
            let mut next = vec![0.0; all.len() + 1];
            for (i, p) in all.iter().enumerate() {
                next[i] += p * (1.0 - share);
                next[i + 1] += p * share;
            }
            all = next;
        }
        all
    }

    #[test]
    fn p_is_the_sum_of_what_is_as_uneven() {
        for m in [1_u64, 2, 7, 40, 151] {
            let all = binomial(m, 0.5);
            for only_a in 0..=m {
                let far = |i: u64| i.abs_diff(m - i) >= only_a.abs_diff(m - only_a);
                let p: f64 = all.iter().zip(0..).filter(|(_, i)| far(*i)).map(|(p, _)| p).sum();
                let found = Paired { only_a, only_b: m - only_a, ..Paired::default() }.p_value();
                assert!((found - p).abs() < 1e-9, "{only_a} of {m}: {found}, not {p}");
            }
        }
    }

    /// With every outcome of 40 questions, by its probability.
    #[test]
    fn the_interval_holds_the_difference_in_some_95_of_100_cases() {
        const N: u64 = 40;
        for (a, b) in [(0.1, 0.1), (0.2, 0.05), (0.02, 0.02), (0.3, 0.25)] {
            let differing = binomial(N, a + b);
            let mut held = 0.0;
            for (m, p) in (0..).zip(&differing) {
                for (only_b, q) in (0..).zip(binomial(m, b / (a + b))) {
                    let counts = Paired { only_a: m - only_b, only_b, both: N - m, neither: 0 };
                    if counts.difference().contains(b - a) {
                        held += p * q;
                    }
                }
            }
            assert!(held > 0.93, "{a} and {b}: {held}");
        }
    }

    #[test]
    fn what_is_counted_comes_to_shares() {
        let mut paired = Paired::default();
        assert_eq!(paired.ratios(), None);
        for (a, b) in [(true, true), (true, false), (true, false), (false, false)] {
            paired.add(a, b);
        }
        assert_eq!(paired.ratios(), Some([0.75, 0.25]));
        assert_eq!(paired.questions(), 4);
        assert!(paired.difference().low < -0.5);
    }
}
