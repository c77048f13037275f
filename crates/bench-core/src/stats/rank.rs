//! Whether values of one set tend to be greater than those of another: Mann and Whitney's test.

use statrs::function::erf::erfc;

use super::distribution::ascending;

/// Up to so many pairs, p is exact.
const EXACT_PAIRS: usize = 400;

/// How values b₁…bₘ compare with values a₁…aₙ by rank.
///
/// Source: Mann & Whitney, "On a test of whether one of two random variables is stochastically larger than
/// the other", 1947.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankTest {
    /// Pairs (aᵢ, bⱼ) in which b is the greater, and half of those in which they are equal: U.
    pub u: f64,
    /// How probable a U as far from n·m/2 as this one is, or further, if both sets are drawn from one
    /// distribution: two-sided.
    pub p_value: f64,
    /// The common-language effect size: P(b > a) + P(b = a)/2 = U / (n·m). One half if neither set tends to
    /// be greater. Source: McGraw & Wong, 1992; Vargha & Delaney, 2000, for ties.
    pub effect: f64,
}

/// Compares the values `b` with the values `a` by rank; `None` if either are none, or if one is not finite.
///
/// With no more than 400 pairs p is exact, that of the permutation test of the ranks, ties included: the
/// share of all ways to call n of the values a that give a U as far from n·m/2. With more it is that of the
/// normal distribution, with the correction for ties and for continuity:
///
/// ```text
/// z  = (|U − n·m/2| − ½) / σ
/// σ² = n·m/12 · ((N + 1) − Σ(t³ − t) / (N·(N − 1)))     N = n + m; t values in each tie
/// ```
///
/// Values that depend on their neighbours, as those of a queue do, make p too small: with a correlation of ρ
/// between neighbours σ² should be some (1 + ρ)/(1 − ρ) times as large.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<RankTest> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (a, b) = (ascending(a)?, ascending(b)?);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let ranks = Ranks::of(&a, &b);
    let u = ranks.of_b as f64 / 2.0 - m * (m + 1.0) / 2.0;
    let p_value = if a.len().saturating_mul(b.len()) <= EXACT_PAIRS {
        ranks.exact_p(b.len())
    } else {
        ranks.normal_p(u, n, m)
    };
    Some(RankTest { u, p_value, effect: u / (n * m) })
}

/// The ranks, from 1, of two sets put together; equal values share the mean of their ranks. Doubled, so that
/// they are integers.
struct Ranks {
    /// Of each value, ascending.
    doubled: Vec<u64>,
    /// The sum of those of b.
    of_b: u64,
    /// Σ(t³ − t).
    ties: f64,
}

impl Ranks {
    fn of(a: &[f64], b: &[f64]) -> Self {
        let mut values: Vec<(f64, bool)> = a.iter().map(|v| (*v, false)).collect();
        values.extend(b.iter().map(|v| (*v, true)));
        values.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
        let mut ranks = Self { doubled: Vec::with_capacity(values.len()), of_b: 0, ties: 0.0 };
        for tie in values.chunk_by(|x, y| x.0 >= y.0) {
            let (before, size) = (ranks.doubled.len() as u64, tie.len() as u64);
            // The ranks are before + 1 to before + size: twice their mean is the sum of these two.
            let doubled = 2 * before + size + 1;
            ranks.doubled.extend(tie.iter().map(|_| doubled));
            ranks.of_b += doubled * tie.iter().filter(|(_, is_b)| *is_b).count() as u64;
            ranks.ties += (size as f64).powi(3) - size as f64;
        }
        ranks
    }

    /// The share of all choices of m ranks whose sum is as far from the mean as that of b, or further.
    ///
    /// Counts the choices for each sum, one rank after the other. There are no more than C(40, 20), which a
    /// float holds exactly.
    fn exact_p(&self, m: usize) -> f64 {
        let n = self.doubled.len() - m;
        // The sums of those not chosen mirror the others: the smaller set has fewer.
        let chosen = m.min(n);
        let total: u64 = self.doubled.iter().sum();
        let sum = if m <= n { self.of_b } else { total - self.of_b };
        let greatest: u64 = self.doubled.iter().rev().take(chosen).sum();
        let mut ways = vec![vec![0.0; index(greatest) + 1]; chosen + 1];
        ways[0][0] = 1.0;
        for rank in self.doubled.iter().map(|rank| index(*rank)) {
            for size in (1..=chosen).rev() {
                let (fewer, more) = ways.split_at_mut(size);
                for (after, before) in more[0].iter_mut().skip(rank).zip(&fewer[size - 1]) {
                    *after += before;
                }
            }
        }
        // The mean of the sums is total · chosen / N; times N, so that all are integers.
        let all = self.doubled.len() as u64;
        let distance = |sum: u64| (sum * all).abs_diff(total * chosen as u64);
        let ways = &ways[chosen];
        let far: f64 = ways
            .iter()
            .zip(0..)
            .filter(|(_, s)| distance(*s) >= distance(sum))
            .map(|(w, _)| w)
            .sum();
        far / ways.iter().sum::<f64>()
    }

    fn normal_p(&self, u: f64, n: f64, m: f64) -> f64 {
        let all = n + m;
        let variance = n * m / 12.0 * (all + 1.0 - self.ties / (all * (all - 1.0)));
        let distance = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
        // Without variance all values are equal: nothing speaks for a difference.
        if variance > 0.0 { erfc(distance / (2.0 * variance).sqrt()) } else { 1.0 }
    }
}

fn index(sum: u64) -> usize {
    usize::try_from(sum).expect("a sum of at most 401 ranks")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, proptest};

    use super::*;

    /// U and p: `scipy.stats.mannwhitneyu(b, a, method=…)` of scipy 1.17.1.
    fn check(a: &[f64], b: &[f64], [u, p]: [f64; 2]) {
        let found = mann_whitney(a, b).unwrap();
        assert!((found.u - u).abs() < 1e-9, "U = {}, not {u}", found.u);
        assert!((found.p_value / p - 1.0).abs() < 1e-9, "p = {}, not {p}", found.p_value);
        assert!((found.effect - u / (a.len() * b.len()) as f64).abs() < 1e-12);
    }

    #[test]
    fn few_values_are_judged_as_by_scipys_exact_method() {
        check(&[1.0, 2.0, 3.5], &[4.0, 5.0, 6.0], [9.0, 0.1]);
        let (a, b) = ([12.1, 14.3, 11.8, 13.0, 15.2], [13.5, 16.1, 14.9, 17.0, 12.9, 18.4]);
        check(&a, &b, [24.0, 0.125_541_125_541_13]);
        let a = [0.3, -1.2, 2.2, 0.9, 4.4, -0.1, 1.7, 3.1];
        check(&a, &[0.5, 1.1, -2.0, 2.5, 0.2, -0.7, 1.3], [20.0, 0.396_891_996_892]);
    }

    #[test]
    fn many_values_are_judged_as_by_scipys_asymptotic_method() {
        // [i * step % modulus / divisor + offset for i in range(n)]
        let saw = |n: u32, step: u32, modulus: u32, divisor: f64, offset: f64| -> Vec<f64> {
            (0..n).map(|i| f64::from(i * step % modulus) / divisor + offset).collect()
        };
        let (a, b) = (saw(30, 37, 101, 10.0, 0.0), saw(25, 53, 97, 10.0, 1.5));
        check(&a, &b, [440.0, 0.275_534_187_778_68]);
        let (a, b) = (saw(60, 7, 13, 1.0, 0.0), saw(50, 11, 17, 1.0, 0.0));
        check(&a, &b, [1884.0, 0.021_050_278_760_992]);
        let (a, b) = (saw(200, 7_919, 1_009, 3.0, 100.0), saw(300, 104_729, 1_013, 3.0, 110.0));
        check(&a, &b, [31_358.0, 0.391_056_889_136_37]);
        let (a, b) = (saw(25, 3, 4, 1.0, 0.0), saw(25, 5, 3, 1.0, 0.0));
        check(&a, &b, [239.5, 0.14291374024416]);
    }

    #[test]
    fn equal_values_do_not_differ() {
        for n in [1, 3, 500] {
            let found = mann_whitney(&vec![7.0; n], &vec![7.0; n]).unwrap();
            assert_eq!((found.p_value, found.effect), (1.0, 0.5), "{n} values");
        }
    }

    #[test]
    fn nothing_is_said_of_what_is_no_number() {
        let some = [1.0];
        for bad in [&[][..], &[f64::NAN], &[1.0, f64::INFINITY]] {
            assert_eq!((mann_whitney(bad, &some), mann_whitney(&some, bad)), (None, None));
        }
    }

    /// The same p by going through every way to call values a or b.
    fn permutation_p(a: &[f64], b: &[f64]) -> f64 {
        let all = [a, b].concat();
        let u = |is_b: u32| {
            let is_b = |i: usize| is_b >> i & 1 == 1;
            let pairs = (0..all.len()).flat_map(|i| (0..all.len()).map(move |j| (i, j)));
            let mut doubled = 0_i64;
            for (i, j) in pairs.filter(|(i, j)| !is_b(*i) && is_b(*j)) {
                doubled += all[j].total_cmp(&all[i]) as i64 + 1;
            }
            (doubled - (a.len() * b.len()) as i64).abs()
        };
        let found = u(((1 << b.len()) - 1) << a.len());
        let ways = (0..1_u32 << all.len()).filter(|way| way.count_ones() as usize == b.len());
        let (mut far, mut total) = (0.0, 0.0);
        for way in ways {
            total += 1.0;
            far += f64::from(u8::from(u(way) >= found));
        }
        far / total
    }

    proptest! {
        #[test]
        fn exact_p_is_the_share_of_permutations(
            a in prop::collection::vec(0_u8..8, 1..6), b in prop::collection::vec(0_u8..8, 1..6),
        ) {
            let floats = |values: &[u8]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let (a, b) = (floats(&a), floats(&b));
            let found = mann_whitney(&a, &b).unwrap();
            let expected = permutation_p(&a, &b);
            prop_assert!((found.p_value - expected).abs() < 1e-12, "{}, not {expected}", found.p_value);
        }

        #[test]
        fn to_swap_the_sets_mirrors_the_result(
            a in prop::collection::vec(0.0_f64..10.0, 1..40), b in prop::collection::vec(0.0_f64..12.0, 1..40),
        ) {
            let (there, back) = (mann_whitney(&a, &b).unwrap(), mann_whitney(&b, &a).unwrap());
            prop_assert!((there.effect + back.effect - 1.0).abs() < 1e-12);
            prop_assert!((there.p_value - back.p_value).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&there.p_value));
        }
    }

    /// Where both can be had, they nearly agree.
    #[test]
    fn the_normal_approximation_is_near_the_exact_p() {
        let a: Vec<f64> = (0..20).map(f64::from).collect();
        for shift in [0.5, 2.5, 4.5, 6.5] {
            let b: Vec<f64> = a.iter().map(|v| v + shift).collect();
            let ranks = Ranks::of(&a, &b);
            let u = ranks.of_b as f64 / 2.0 - 210.0;
            let (exact, normal) = (ranks.exact_p(20), ranks.normal_p(u, 20.0, 20.0));
            assert!((exact - normal).abs() < 0.005, "{exact} and {normal}");
        }
    }
}
