//! The median of all differences between two sets, without keeping them.

/// All differences bⱼ − aᵢ, of which there are too many to keep.
pub(super) struct Shifts<'a> {
    /// Ascending, and at least one.
    pub(super) a: &'a [f64],
    /// Ascending, and at least one.
    pub(super) b: &'a [f64],
}

impl Shifts<'_> {
    /// Their median.
    pub(super) fn median(&self) -> f64 {
        let pairs = self.a.len() as u64 * self.b.len() as u64;
        let (low, high) = (self.at(pairs.div_ceil(2)), self.at(pairs / 2 + 1));
        low + (high - low) / 2.0
    }

    /// The `k`-th least of them, from 1: the least number that has k differences at or below it. It is looked
    /// for by halving among all floats, in 64 steps of n + m each.
    fn at(&self, k: u64) -> f64 {
        let (mut low, mut high) = (key(f64::NEG_INFINITY), key(f64::INFINITY));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.up_to(of_key(middle)) < k {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        of_key(low)
    }

    /// How many differences are at most `bound`. The greater aᵢ, the more bⱼ are near enough to it.
    fn up_to(&self, bound: f64) -> u64 {
        let mut near = 0;
        let mut count = 0;
        for a in self.a {
            while near < self.b.len() && self.b[near] - a <= bound {
                near += 1;
            }
            count += near as u64;
        }
        count
    }
}

const SIGN: u64 = 1 << 63;

/// An integer for each float, in the same order.
fn key(float: f64) -> u64 {
    let bits = float.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn of_key(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::stats::distribution::{ascending, median};

    proptest! {
        #[test]
        fn the_median_is_that_of_all_differences(
            a in prop::collection::vec(-1e6_f64..1e6, 1..30), b in prop::collection::vec(-9_i8..9, 1..30),
        ) {
            let (a, b) = (ascending(&a).unwrap(), ascending(&b.into_iter().map(f64::from).collect::<Vec<_>>()).unwrap());
            let all: Vec<f64> = b.iter().flat_map(|b| a.iter().map(move |a| b - a)).collect();
            let expected = median(&ascending(&all).unwrap());
            let found = Shifts { a: &a, b: &b }.median();
            prop_assert!((found - expected).abs() <= 1e-9, "{found}, not {expected}");
        }

        #[test]
        fn keys_are_in_the_order_of_their_floats(a: f64, b: f64) {
            prop_assert_eq!(key(a).cmp(&key(b)), a.total_cmp(&b));
            prop_assert_eq!(of_key(key(a)).to_bits(), a.to_bits());
        }
    }

    #[test]
    fn differences_too_large_for_a_number_are_no_trouble() {
        let extremes = [f64::MIN, f64::MAX];
        assert!(!Shifts { a: &extremes, b: &[f64::MAX; 2] }.median().is_nan());
    }
}
