//! How fast requests come at each moment.

use std::{fmt, time::Duration};

use super::{Rate, RateSeries, nanoseconds};

/// One request, in the unit that curves are integrated in: what one request in a million seconds comes
/// to in a nanosecond. Rates and times are integers, so most integrals are, too, and nothing drifts.
pub(super) const REQUEST: u128 = 1_000_000_000_000_000;

/// How fast requests come at each moment of a phase.
#[derive(Clone, Debug, PartialEq)]
pub enum RateCurve {
    /// Always as fast.
    Constant(Rate),
    /// From one rate to another; then it stays.
    Ramp(Ramp),
    /// In steps.
    Series(RateSeries),
}

/// A rate that changes for a while, and then stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// The rate at the start.
    pub from: Rate,
    /// The rate at the end and ever after.
    pub to: Rate,
    /// How long it takes; nothing at all is a ramp, too.
    pub over: Duration,
    /// The way between.
    pub shape: RampShape,
}

/// The way from one rate, or number of requests in flight, to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RampShape {
    /// In equal time by an equal amount: from + (to − from)·t/T.
    #[default]
    Linear,
    /// In equal time by an equal factor: from·(to/from)^(t/T).
    Exponential,
}

impl RateCurve {
    /// The highest rate it comes to.
    pub fn peak(&self) -> Rate {
        match self {
            Self::Constant(rate) => *rate,
            Self::Ramp(ramp) => ramp.from.max(ramp.to),
            Self::Series(series) => series.peak(),
        }
    }

    /// From when on it stays as it is.
    pub fn settles_at(&self) -> Duration {
        match self {
            Self::Constant(_) => Duration::ZERO,
            Self::Ramp(ramp) => ramp.over,
            Self::Series(series) => series.last_step(),
        }
    }

    /// When so much of [`REQUEST`]s is due: the inverse of the integrated rate, in nanoseconds. It never
    /// falls as `integral` grows; `None` beyond 584 years.
    pub(super) fn time_of(&self, integral: u128) -> Option<u64> {
        match self {
            Self::Constant(rate) => after(0, integral, *rate),
            Self::Ramp(ramp) => ramp.time_of(integral),
            Self::Series(series) => series.time_of(integral),
        }
    }

    /// The integrated rate: requests that are due within `duration`, on average.
    pub(super) fn requests_in(&self, duration: Duration) -> f64 {
        let ns = nanoseconds(duration);
        let integral = match self {
            Self::Constant(rate) => (rate.per_million_seconds as f64) * ns as f64,
            Self::Ramp(ramp) => ramp.integral(ns),
            Self::Series(series) => series.integral(ns) as f64,
        };
        integral / REQUEST as f64
    }
}

impl From<Rate> for RateCurve {
    fn from(rate: Rate) -> Self {
        Self::Constant(rate)
    }
}

/// In words: `10/s`, `linear ramp 1 to 50/s over 60 s, then 50/s`.
impl fmt::Display for RateCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(rate) => rate.fmt(f),
            Self::Ramp(ramp) => ramp.fmt(f),
            Self::Series(series) => series.fmt(f),
        }
    }
}

/// When so much more than at `ns` is due at a rate that stays, from the integral itself: a rounded
/// interval would drift.
pub(super) fn after(ns: u64, integral: u128, rate: Rate) -> Option<u64> {
    let later = u64::try_from(integral / u128::from(rate.per_million_seconds)).ok()?;
    ns.checked_add(later)
}

impl Ramp {
    fn time_of(&self, integral: u128) -> Option<u64> {
        let end = nanoseconds(self.over);
        match integral.checked_sub(self.whole()) {
            Some(rest) => after(end, rest, self.to),
            None => Some(self.time_within(integral as f64)),
        }
    }

    /// The last nanosecond of the ramp by which no more than `integral` is due.
    ///
    /// Found by halving, not by a formula: two searches go the same way until one turns left where the
    /// other, for more, turns right, so that a later request is never due earlier, however the integral
    /// is rounded.
    fn time_within(&self, integral: f64) -> u64 {
        let (mut low, mut high) = (0, nanoseconds(self.over));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.integral_within(middle) <= integral {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }

    fn integral(&self, ns: u64) -> f64 {
        let end = nanoseconds(self.over);
        if ns < end {
            return self.integral_within(ns);
        }
        self.whole() as f64 + self.to.per_million_seconds as f64 * (ns - end) as f64
    }

    /// The integral over the whole ramp; exact where it is linear.
    fn whole(&self) -> u128 {
        let end = nanoseconds(self.over);
        match self.shape {
            RampShape::Linear => {
                let sum = self.from.per_million_seconds + self.to.per_million_seconds;
                u128::from(sum) * u128::from(end) / 2
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a float cast saturates, and no rate is negative"
            )]
            RampShape::Exponential => self.integral_within(end).round() as u128,
        }
    }

    /// The integral up to t, which is within the ramp of length T. With rates a and b it is
    ///
    /// - linear: Λ(t) = t·(a + (b − a)/2 · t/T),
    /// - exponential: Λ(t) = a·T·(e^(c·t/T) − 1)/c, where c = ln(b/a).
    fn integral_within(&self, t: u64) -> f64 {
        let (a, b) = (self.from.per_million_seconds as f64, self.to.per_million_seconds as f64);
        let (t, whole) = (t as f64, (nanoseconds(self.over) as f64).max(1.0));
        match self.shape {
            RampShape::Exponential if self.from != self.to => {
                let c = (b / a).ln();
                a * whole * (c * t / whole).exp_m1() / c
            }
            RampShape::Linear | RampShape::Exponential => t * (a + (b - a) / 2.0 * (t / whole)),
        }
    }
}

/// In words: `linear ramp 1 to 50/s over 60 s, then 50/s`.
impl fmt::Display for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, over, shape } = self;
        let (from, seconds) = (from.as_f64(), over.as_secs_f64());
        write!(f, "{shape} ramp {from} to {to} over {seconds} s, then {to}")
    }
}

impl fmt::Display for RampShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Exponential => "exponential",
        })
    }
}
