//! Arrivals at the pace of a rate curve.

use std::{fmt, time::Duration};

use super::{Arrivals, Rate, RateCurve, Schedule};

/// Arrivals that scatter in one way, at a rate that may change.
///
/// Request n is due at Λ⁻¹(uₙ): Λ(t) is the rate integrated up to t, and uₙ the n-th arrival of a process
/// of rate 1. Such a process has rate λ(t) at t, and seen through Λ its gaps are again those of the
/// process of rate 1: the time-rescaling theorem (Brown, Barbieri, Ventura, Kass and Frank, Neural
/// Computation 14, 2002). Arrivals are never rescaled to a total: k of them come near the curve's k-th
/// request, not at it.
#[derive(Clone, PartialEq)]
pub struct Paced {
    curve: RateCurve,
    arrivals: Arrivals,
    count: u64,
    /// Nanoseconds of each, where they are random: a pure function of n needs the sums of all gaps.
    drawn: Option<Vec<u64>>,
}

impl Paced {
    /// The first `count` arrivals; the same `seed` gives the same ones.
    ///
    /// Random ones are drawn here and take eight bytes each, so that `count` has to be bounded. The others
    /// are computed when asked for and need no seed: with `u64::MAX` they go on without end.
    pub fn new(curve: impl Into<RateCurve>, arrivals: Arrivals, seed: u64, count: u64) -> Self {
        let curve = curve.into();
        let drawn = arrivals.drawn(seed).map(|moments| {
            let moments = moments.zip(0..count);
            moments.map_while(|(integral, _)| curve.time_of(integral)).collect()
        });
        Self { curve, arrivals, count, drawn }
    }

    /// One request every 1/rate seconds, without end: request n is due at n/rate.
    pub fn constant(rate: Rate) -> Self {
        Self::new(rate, Arrivals::Constant, 0, u64::MAX)
    }

    /// Arrivals that last at least `duration`, but for one schedule in a billion: the mean, and six
    /// deviations more.
    pub fn arrivals_in(curve: &RateCurve, arrivals: Arrivals, duration: Duration) -> u64 {
        arrivals.reaching(curve.requests_in(duration))
    }
}

impl Schedule for Paced {
    fn due(&self, n: u64) -> Option<Duration> {
        let ns = match &self.drawn {
            Some(drawn) => *drawn.get(usize::try_from(n).ok()?)?,
            None if n >= self.count => return None,
            None => self.curve.time_of(self.arrivals.even(n)?)?,
        };
        Some(Duration::from_nanos(ns))
    }

    fn describe(&self) -> String {
        let Self { curve, arrivals, .. } = self;
        match curve {
            RateCurve::Constant(rate) => format!("{arrivals}, {rate}"),
            RateCurve::Ramp(_) | RateCurve::Series(_) => format!("{curve}, {arrivals}"),
        }
    }

    fn rate(&self) -> Option<Rate> {
        match self.curve {
            RateCurve::Constant(rate) => Some(rate),
            RateCurve::Ramp(_) | RateCurve::Series(_) => None,
        }
    }
}

impl fmt::Debug for Paced {
    /// The number of arrivals, not each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced")
            .field("curve", &self.curve)
            .field("arrivals", &self.arrivals)
            .field("count", &self.drawn.as_ref().map_or(self.count, |drawn| drawn.len() as u64))
            .finish_non_exhaustive()
    }
}
