//! How many tokens a prompt or an answer has.

use rand::{Rng, RngExt as _};
use rand_distr::{Distribution, LogNormal, Normal, Poisson, Zipf};

mod mean;
mod text;

/// The number of tokens of a prompt or an answer: always the same, or drawn from a distribution.
///
/// It is read from a text and written as one: `1024`, `1024±100` or `normal(1024,100)`, `uniform(100,500)`,
/// `lognormal(1000,500)`, `zipf(1.2,4096)`, `poisson(300)`, each distribution with `min=` and `max=` if need be:
/// `lognormal(1000,500,max=8000)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    kind: Kind,
    least: Option<u32>,
    most: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Fixed(u32),
    /// Both included.
    Uniform(u32, u32),
    Normal(Normal<f64>),
    LogNormal {
        mean: f64,
        deviation: f64,
        drawn: LogNormal<f64>,
    },
    Zipf {
        exponent: f64,
        most: u32,
        drawn: Zipf<f64>,
    },
    Poisson {
        mean: f64,
        drawn: Poisson<f64>,
    },
}

/// What describes no length.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLength {
    /// The number of tokens, or its mean, is out of range.
    #[error("{0} is no length: give tokens, from 1 to {most}", most = Length::MOST)]
    Tokens(f64),
    /// The standard deviation is negative or no number.
    #[error("{0} is no standard deviation of a length: give tokens, 0 or more")]
    Deviation(f64),
    /// The exponent of a Zipf distribution is negative or no number.
    #[error("{0} is no exponent of zipf: give 0 or more")]
    Exponent(f64),
    /// There is nothing between the least and the most.
    #[error("{least} to {most} goes down: give the smaller one first")]
    Down {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// The least or the most leaves nothing of a distribution.
    #[error("its min and max leave nothing of it")]
    Nothing,
    /// A distribution is not written as it should be.
    #[error("write {0}, with min= and max= after the numbers if need be")]
    Form(&'static str),
    /// A distribution's bracket is not closed.
    #[error(
        "has no closing bracket; in a list or section of a plan on one line, write it in quotes"
    )]
    Open,
    /// The text is no length at all.
    #[error(
        "is no length; give tokens: 1024, 8k, 1024±100, uniform(100,500), normal(1024,100), lognormal(1000,500), zipf(1.2,4096) or poisson(300)"
    )]
    Unknown,
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
        Ok(Self::of(Kind::Fixed(tokens)))
    }

    /// Each number of tokens from `least` to `most`, both included, as likely as any other.
    ///
    /// # Errors
    ///
    /// Unless both are in 1 to [`MOST`](Self::MOST) and in this order.
    pub fn uniform(least: u32, most: u32) -> Result<Self, InvalidLength> {
        Self::fixed(least).and_then(|_| Self::fixed(most))?;
        match least.cmp(&most) {
            std::cmp::Ordering::Less => Ok(Self::of(Kind::Uniform(least, most))),
            std::cmp::Ordering::Equal => Self::fixed(least),
            std::cmp::Ordering::Greater => Err(InvalidLength::Down { least, most }),
        }
    }

    /// Normally distributed with mean `mean` and standard deviation `deviation`, both in tokens.
    ///
    /// What is drawn is cut to an integer, as genai-perf does: the lengths are half a token shorter on average
    /// than `mean`.
    ///
    /// # Errors
    ///
    /// Unless `mean` is in 1 to [`MOST`](Self::MOST) and `deviation` is finite and not negative.
    pub fn normal(mean: f64, deviation: f64) -> Result<Self, InvalidLength> {
        check(mean, deviation)?;
        let normal =
            Normal::new(mean, deviation).map_err(|_| InvalidLength::Deviation(deviation))?;
        if deviation > 0.0 { Ok(Self::of(Kind::Normal(normal))) } else { Self::fixed(cut(mean)) }
    }

    /// Log-normally distributed: many are short, few are very long. `mean` and `deviation` are those of the
    /// tokens themselves, not of their logarithm. What is drawn is rounded to the nearest integer.
    ///
    /// # Errors
    ///
    /// As of [`normal`](Self::normal).
    pub fn lognormal(mean: f64, deviation: f64) -> Result<Self, InvalidLength> {
        check(mean, deviation)?;
        let drawn = LogNormal::from_mean_cv(mean, deviation / mean)
            .map_err(|_| InvalidLength::Deviation(deviation))?;
        if deviation > 0.0 {
            Ok(Self::of(Kind::LogNormal { mean, deviation, drawn }))
        } else {
            Self::fixed(cut(mean.round()))
        }
    }

    /// From 1 to `most` tokens, k of them with a probability proportional to k to the power of −`exponent`: 0
    /// is uniform, and the more, the shorter they mostly are.
    ///
    /// # Errors
    ///
    /// Unless `exponent` is finite and not negative, and `most` in 1 to [`MOST`](Self::MOST).
    pub fn zipf(exponent: f64, most: u32) -> Result<Self, InvalidLength> {
        Self::fixed(most)?;
        if !(0.0..f64::INFINITY).contains(&exponent) {
            return Err(InvalidLength::Exponent(exponent));
        }
        let drawn =
            Zipf::new(f64::from(most), exponent).map_err(|_| InvalidLength::Exponent(exponent))?;
        Ok(Self::of(Kind::Zipf { exponent, most, drawn }))
    }

    /// Poisson distributed with mean `mean`, in tokens.
    ///
    /// # Errors
    ///
    /// Unless `mean` is in 1 to [`MOST`](Self::MOST).
    pub fn poisson(mean: f64) -> Result<Self, InvalidLength> {
        check(mean, 0.0)?;
        let drawn = Poisson::new(mean).map_err(|_| InvalidLength::Tokens(mean))?;
        Ok(Self::of(Kind::Poisson { mean, drawn }))
    }

    /// The same, with what is shorter than `least` made `least` long, and what is longer than `most` made
    /// `most`, as AIPerf does: nothing is drawn anew. Without these, 1 and [`MOST`](Self::MOST) hold.
    ///
    /// # Errors
    ///
    /// Unless both are in 1 to [`MOST`](Self::MOST) and in this order, or if they leave nothing of it.
    pub fn within(self, least: Option<u32>, most: Option<u32>) -> Result<Self, InvalidLength> {
        [least, most].into_iter().flatten().try_for_each(|n| Self::fixed(n).map(drop))?;
        let bounded = Self { least, most, ..self };
        let (least, most) = bounded.bounds();
        if least > most {
            return Err(InvalidLength::Down { least, most });
        }
        let (shortest, longest) = self.kind.range();
        if least > longest || most < shortest {
            return Err(InvalidLength::Nothing);
        }
        Ok(bounded)
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, least: None, most: None }
    }

    /// Whether it is always the same.
    pub const fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Fixed(_))
    }

    /// The most tokens that are drawn, unless only [`MOST`](Self::MOST) bounds them.
    pub fn longest(&self) -> Option<u32> {
        let (_, longest) = self.kind.range();
        Some(longest.min(self.bounds().1)).filter(|longest| *longest < Self::MOST)
    }

    /// Draws a number of tokens.
    pub fn sample(&self, random: &mut impl Rng) -> u32 {
        let (least, most) = self.bounds();
        let tokens = match &self.kind {
            Kind::Fixed(tokens) => *tokens,
            Kind::Uniform(least, most) => random.random_range(*least..=*most),
            Kind::Normal(normal) => cut(normal.sample(random)),
            Kind::LogNormal { drawn, .. } => cut(drawn.sample(random).round()),
            Kind::Zipf { drawn, .. } => cut(drawn.sample(random)),
            Kind::Poisson { drawn, .. } => cut(drawn.sample(random)),
        };
        tokens.clamp(least, most)
    }

    /// What is drawn is kept within these.
    fn bounds(&self) -> (u32, u32) {
        (self.least.unwrap_or(1), self.most.unwrap_or(Self::MOST))
    }
}

impl Kind {
    /// The least and the most that it has by itself.
    const fn range(&self) -> (u32, u32) {
        match *self {
            Self::Fixed(tokens) => (tokens, tokens),
            Self::Uniform(least, most) => (least, most),
            Self::Zipf { most, .. } => (1, most),
            Self::Normal(_) | Self::LogNormal { .. } | Self::Poisson { .. } => (1, Length::MOST),
        }
    }
}

fn check(mean: f64, deviation: f64) -> Result<(), InvalidLength> {
    if !(1.0..=f64::from(Length::MOST)).contains(&mean) {
        return Err(InvalidLength::Tokens(mean));
    }
    if !(0.0..f64::INFINITY).contains(&deviation) {
        return Err(InvalidLength::Deviation(deviation));
    }
    Ok(())
}

/// Without its fraction, and within what there can be.
fn cut(drawn: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 1..=MOST by the clamp; the fraction is to be cut off"
    )]
    let tokens = drawn.clamp(1.0, f64::from(Length::MOST)) as u32;
    tokens
}

#[cfg(test)]
mod tests;
