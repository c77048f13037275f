//! The random numbers of Python's `random` (3.11; the same since 3.2), as far as they are needed.

#![expect(clippy::cast_possible_truncation, reason = "a generator takes numbers apart")]

use super::numpy::MersenneTwister;

/// What `random.seed(seed)` makes.
pub(super) struct Random(MersenneTwister);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let (upper, lower) = ((seed >> 32) as u32, seed as u32);
        let words: &[u32] = if upper == 0 { &[lower] } else { &[lower, upper] };
        Self(MersenneTwister::from_words(words))
    }

    /// `random.shuffle`.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A number below `end`, which is above 0 and less than 2³².
    fn below(&mut self, end: usize) -> usize {
        let bits = usize::BITS - end.leading_zeros();
        loop {
            let number = (self.0.next_u32() >> (32 - bits)) as usize;
            if number < end {
                return number;
            }
        }
    }
}
