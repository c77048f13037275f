//! When requests are due: how fast they come ([`RateCurve`]) and how they scatter ([`Arrivals`]).

use std::{fmt, time::Duration};

mod arrivals;
mod cancellation;
mod concurrency_ramp;
mod curve;
mod paced;
mod series;
#[cfg(test)]
mod tests;
mod trace;

pub use arrivals::{Arrivals, InvalidSmoothness, Smoothness};
pub use cancellation::{Cancellation, InvalidRatio};
pub use concurrency_ramp::ConcurrencyRamp;
pub use curve::{Ramp, RampShape, RateCurve};
pub use paced::Paced;
pub use series::{InvalidSeries, RateSeries};
pub use trace::{InvalidTrace, Trace};

/// When requests are due, as offsets from the start of the phase.
///
/// Pure: the same `n` always gives the same answer, and offsets never fall as `n` grows. Every load
/// thread reads the same schedule, each for the numbers that are its own.
pub trait Schedule: fmt::Debug + Send + Sync {
    /// When request `n`, counted from 0, is due; `None` from the end of the schedule on.
    fn due(&self, n: u64) -> Option<Duration>;

    /// What it is, in a few words for people and files: `poisson, 10/s`.
    fn describe(&self) -> String;

    /// The rate that was asked for, if it is one: what drawn arrivals come to is only near it.
    fn rate(&self) -> Option<Rate> {
        None
    }
}

/// Requests per second: finite, from one in a million seconds to a billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate {
    /// Requests in a million seconds: an integer, so that no schedule drifts.
    per_million_seconds: u64,
}

/// A number that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no rate: give requests per second, from 0.000001 to 1000000000")]
pub struct InvalidRate(pub f64);

impl Rate {
    /// `rate` requests per second, to six decimals.
    ///
    /// # Errors
    ///
    /// If it is out of range or not a number.
    pub fn per_second(rate: f64) -> Result<Self, InvalidRate> {
        if !(1e-6..=1e9).contains(&rate) {
            return Err(InvalidRate(rate));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 1..=1e15 by the check above"
        )]
        let per_million_seconds = (rate * 1e6).round() as u64;
        Ok(Self { per_million_seconds })
    }

    /// Requests per second.
    pub fn as_f64(self) -> f64 {
        self.per_million_seconds as f64 / 1e6
    }
}

/// `10/s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.as_f64())
    }
}

/// Whole nanoseconds; 584 years, which nobody waits for, stand for what is longer.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
