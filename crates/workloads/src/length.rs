//! How many tokens a prompt or an answer has.

use std::fmt;

use rand::Rng;
use rand_distr::{Distribution, Normal};

/// The number of tokens of a prompt or an answer: always the same, or drawn from a normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Fixed(u32),
    Normal(Normal<f64>),
}

/// A number that describes no length.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLength {
    /// The number of tokens, or its mean, is out of range.
    #[error("{0} is no length: give tokens, from 1 to {most}", most = Length::MOST)]
    Tokens(f64),
    /// The standard deviation is negative or no number.
    #[error("{0} is no standard deviation of a length: give tokens, 0 or more")]
    Deviation(f64),
}

impl Length {
    /// The most tokens there can be: the longest context known when this was written.
    pub const MOST: u32 = 10_000_000;

    /// Always `tokens`.
    ///
    /// # Errors
    ///
    /// Unless `tokens` is in 1 to [`MOST`](Self::MOST).
    pub fn fixed(tokens: u32) -> Result<Self, InvalidLength> {
        if !(1..=Self::MOST).contains(&tokens) {
            return Err(InvalidLength::Tokens(f64::from(tokens)));
        }
        Ok(Self(Kind::Fixed(tokens)))
    }

    /// The mean that it was given.
    pub fn mean(&self) -> f64 {
        match &self.0 {
            Kind::Fixed(tokens) => f64::from(*tokens),
            Kind::Normal(normal) => normal.mean(),
        }
    }

    /// Normally distributed with mean `mean` and standard deviation `deviation`, both in tokens.
    ///
    /// What is drawn is cut to an integer, as genai-perf does, and kept within 1 to
    /// [`MOST`](Self::MOST): the lengths are half a token shorter on average than `mean`, and longer where
    /// much of the distribution lies below 1.
    ///
    /// # Errors
    ///
    /// Unless `mean` is in 1 to [`MOST`](Self::MOST) and `deviation` is finite and not negative.
    pub fn normal(mean: f64, deviation: f64) -> Result<Self, InvalidLength> {
        if !(1.0..=f64::from(Self::MOST)).contains(&mean) {
            return Err(InvalidLength::Tokens(mean));
        }
        if !(0.0..f64::INFINITY).contains(&deviation) {
            return Err(InvalidLength::Deviation(deviation));
        }
        let normal =
            Normal::new(mean, deviation).map_err(|_| InvalidLength::Deviation(deviation))?;
        Ok(Self(Kind::Normal(normal)))
    }

    /// Draws a number of tokens.
    pub fn sample(&self, random: &mut impl Rng) -> u32 {
        match self.0 {
            Kind::Fixed(tokens) => tokens,
            Kind::Normal(normal) => {
                let drawn = normal.sample(random).clamp(1.0, f64::from(Self::MOST));
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "within 1..=MOST by the clamp; the fraction is to be cut off"
                )]
                let tokens = drawn as u32;
                tokens
            }
        }
    }
}

impl fmt::Display for Length {
    /// `1024`, or `1024±64` with a deviation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Fixed(tokens) => write!(f, "{tokens}"),
            Kind::Normal(normal) if normal.std_dev() > 0.0 => {
                write!(f, "{}±{}", normal.mean(), normal.std_dev())
            }
            Kind::Normal(normal) => write!(f, "{}", normal.mean()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bench_core::stats;
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    use super::*;

    fn draw(length: Length, n: usize) -> Vec<u32> {
        let mut random = ChaCha8Rng::seed_from_u64(42);
        (0..n).map(|_| length.sample(&mut random)).collect()
    }

    #[test]
    fn a_length_is_at_least_one_token() {
        assert!(Length::fixed(1).is_ok() && Length::fixed(Length::MOST).is_ok());
        for bad in [0, Length::MOST + 1] {
            assert_eq!(Length::fixed(bad), Err(InvalidLength::Tokens(f64::from(bad))));
        }
        for mean in [0.0, 0.99, -5.0, 1e8, f64::NAN, f64::INFINITY] {
            assert!(Length::normal(mean, 1.0).is_err(), "mean {mean}");
        }
        for deviation in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(Length::normal(100.0, deviation).is_err(), "deviation {deviation}");
        }
    }

    #[test]
    fn lengths_are_distributed_as_asked() {
        const N: usize = 20_000;
        let lengths = draw(Length::normal(1_000.0, 50.0).unwrap(), N);
        let mut values: Vec<f64> = lengths.into_iter().map(f64::from).collect();
        let found = stats::Distribution::of(&mut values).unwrap();
        // Cut to integers, so half a token below; within four standard errors.
        let error = 50.0 / (N as f64).sqrt();
        assert!((found.mean - 999.5).abs() < 4.0 * error, "mean {}", found.mean);
        assert!((found.std - 50.0).abs() < 4.0 * error, "deviation {}", found.std);
    }

    #[test]
    fn what_would_be_shorter_than_a_token_is_one_token() {
        let lengths = draw(Length::normal(1.0, 1_000.0).unwrap(), 1_000);
        assert!(lengths.iter().all(|n| *n >= 1));
        assert!(lengths.iter().filter(|n| **n == 1).count() > 400);
    }

    #[test]
    fn without_deviation_all_are_alike() {
        let cases = [
            (Length::fixed(7).unwrap(), 7, "7"),
            (Length::normal(7.0, 0.0).unwrap(), 7, "7"),
            (Length::normal(7.9, 0.0).unwrap(), 7, "7.9"),
        ];
        for (length, tokens, display) in cases {
            assert!(draw(length, 10).iter().all(|n| *n == tokens));
            assert_eq!(length.to_string(), display);
        }
        assert_eq!(Length::normal(1024.0, 64.0).unwrap().to_string(), "1024±64");
    }
}
