//! How arrivals scatter around an even pace.

use std::{fmt, num::NonZeroU32};

use rand::{SeedableRng, rngs::ChaCha8Rng};
use rand_distr::{Distribution, Exp1, Gamma};

use super::curve::REQUEST;

/// How arrivals scatter, whatever their rate: a process of one arrival per unit of time, on average.
///
/// Those drawn at random are renewal processes: gaps are independent, with mean 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Arrivals {
    /// Every gap is 1: nothing scatters.
    Constant,
    /// Gaps are exponential: independent users, a Poisson process.
    #[default]
    Poisson,
    /// Gaps are gamma distributed with shape k = smoothness and scale 1/k. With k = 1 this is a Poisson
    /// process; below arrivals cluster, above they even out. AIPerf calls k arrival smoothness, vLLM
    /// burstiness.
    Gamma {
        /// The shape k.
        smoothness: Smoothness,
    },
    /// Groups of `size` at once, every `size` units of time, so that the mean rate holds.
    Burst {
        /// Arrivals of a group.
        size: NonZeroU32,
    },
}

/// The shape k of gamma distributed gaps: from 0.001 to a million. Their variance is 1/k.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Smoothness(f64);

/// A number that is no smoothness.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "{0} is no smoothness: give a number from 0.001 (clusters) to 1000000 (even); 1 is Poisson"
)]
pub struct InvalidSmoothness(pub f64);

impl Smoothness {
    /// The shape `k`.
    ///
    /// # Errors
    ///
    /// If it is out of range or not a number.
    pub fn new(k: f64) -> Result<Self, InvalidSmoothness> {
        if (1e-3..=1e6).contains(&k) { Ok(Self(k)) } else { Err(InvalidSmoothness(k)) }
    }

    /// The shape k.
    pub fn as_f64(self) -> f64 {
        self.0
    }
}

impl Arrivals {
    /// The moment of arrival `n`, in [`REQUEST`]s; `None` where it depends on those before.
    pub(super) fn even(self, n: u64) -> Option<u128> {
        let units = match self {
            Self::Constant => n,
            Self::Burst { size } => n - n % u64::from(size.get()),
            Self::Poisson | Self::Gamma { .. } => return None,
        };
        Some(u128::from(units) * REQUEST)
    }

    /// The moments of random arrivals, in [`REQUEST`]s, without end; `None` where nothing is random.
    pub(super) fn drawn(self, seed: u64) -> Option<Box<dyn Iterator<Item = u128>>> {
        match self {
            Self::Constant | Self::Burst { .. } => None,
            Self::Poisson => Some(Box::new(sums(Exp1, seed))),
            Self::Gamma { smoothness: Smoothness(k) } => {
                let gaps = Gamma::new(k, 1.0 / k).expect("a smoothness is positive and finite");
                Some(Box::new(sums(gaps, seed)))
            }
        }
    }

    /// Arrivals that reach beyond `mean` units of time, but for one schedule in a billion.
    ///
    /// The sum of m gaps of shape k is itself gamma distributed, with shape mk: it falls short of `mean`
    /// as a gamma variable of that shape falls short of k·mean, whose deviation is √(k·mean). Six of them
    /// and a bit are enough for small means, too.
    pub(super) fn reaching(self, mean: f64) -> u64 {
        let count = match self {
            Self::Constant => mean.ceil(),
            Self::Burst { size } => (mean / f64::from(size.get())).ceil() * f64::from(size.get()),
            Self::Poisson => mean + 6.0 * mean.sqrt() + 16.0,
            Self::Gamma { smoothness: Smoothness(k) } => mean + 6.0 * (mean / k).sqrt() + 16.0 / k,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, and the mean is not negative"
        )]
        let count = count.ceil() as u64;
        // The first arrival of an even pace is at 0.
        count.saturating_add(1)
    }
}

/// The sums of independent gaps. They are summed as integers, so that no rounding adds up.
fn sums(gaps: impl Distribution<f64>, seed: u64) -> impl Iterator<Item = u128> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut at = 0_u128;
    std::iter::repeat_with(move || {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, and a gap is not negative"
        )]
        let gap = (gaps.sample(&mut random) * REQUEST as f64).round() as u128;
        at = at.saturating_add(gap);
        at
    })
}

/// In words: `poisson`, `gamma (smoothness 2)`, `bursts of 8`.
impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Poisson => f.write_str("poisson"),
            Self::Gamma { smoothness } => write!(f, "gamma (smoothness {})", smoothness.0),
            Self::Burst { size } => write!(f, "bursts of {size}"),
        }
    }
}
