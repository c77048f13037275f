//! The mean of what is drawn, in closed form.

use rand_distr::Normal;
use statrs::{
    distribution::{DiscreteCDF, Poisson},
    function::erf::erfc,
};

use super::{Kind, Length};

impl Length {
    /// The mean of what is drawn, the least and the most included: exact but for rounding, which is taken to
    /// cut half a token off a normal distribution and nothing off a log-normal one.
    pub fn mean(&self) -> f64 {
        let (least, most) = self.bounds();
        if let Kind::Fixed(tokens) = self.kind {
            return f64::from(tokens);
        }
        let (below, within) =
            (self.kind.below(least), self.kind.below(most) - self.kind.below(least));
        let partial = self.kind.partial(most) - self.kind.partial(least);
        let cut = if matches!(self.kind, Kind::Normal(_)) { 0.5 * within } else { 0.0 };
        let (least, most) = (f64::from(least), f64::from(most));
        (least * below + partial - cut + most * (1.0 - below - within)).clamp(least, most)
    }
}

impl Kind {
    /// The probability of less than `x`.
    fn below(&self, x: u32) -> f64 {
        let at = f64::from(x);
        match self {
            Self::Fixed(tokens) => f64::from(u8::from(*tokens < x)),
            Self::Uniform(least, most) => {
                f64::from(x.clamp(*least, most + 1) - least) / f64::from(most - least + 1)
            }
            Self::Normal(normal) => phi(standard(normal, at)),
            Self::LogNormal { .. } => {
                let (mu, sigma) = self.logarithm();
                phi((at.ln() - mu) / sigma)
            }
            Self::Zipf { exponent, most, .. } => {
                harmonic(x.min(most + 1) - 1, *exponent) / harmonic(*most, *exponent)
            }
            Self::Poisson { mean, .. } => poisson_below(*mean, u64::from(x)),
        }
    }

    /// The part of the mean that lies below `x`: the sum or integral of k p(k) over k < x.
    fn partial(&self, x: u32) -> f64 {
        let at = f64::from(x);
        match self {
            Self::Fixed(tokens) => f64::from(*tokens) * self.below(x),
            Self::Uniform(least, most) => {
                let last = x.clamp(*least, most + 1) - 1;
                0.5 * (f64::from(*least) + f64::from(last)) * self.below(x)
            }
            // μ Φ(z) − σ φ(z)
            Self::Normal(normal) => {
                let z = standard(normal, at);
                let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
                normal.mean() * phi(z) - normal.std_dev() * density
            }
            // m Φ(z − σ)
            Self::LogNormal { mean, .. } => {
                let (mu, sigma) = self.logarithm();
                mean * phi((at.ln() - mu) / sigma - sigma)
            }
            Self::Zipf { exponent, most, .. } => {
                harmonic(x.min(most + 1) - 1, exponent - 1.0) / harmonic(*most, *exponent)
            }
            // λ P(X < x − 1)
            Self::Poisson { mean, .. } => {
                mean * poisson_below(*mean, u64::from(x).saturating_sub(1))
            }
        }
    }

    /// Mean and standard deviation of the logarithm; of a log-normal distribution.
    fn logarithm(&self) -> (f64, f64) {
        let Self::LogNormal { mean, deviation, .. } = self else { return (0.0, 1.0) };
        let variance = (deviation / mean).powi(2).ln_1p();
        (mean.ln() - 0.5 * variance, variance.sqrt())
    }
}

fn standard(normal: &Normal<f64>, x: f64) -> f64 {
    (x - normal.mean()) / normal.std_dev()
}

/// The standard normal distribution function.
fn phi(z: f64) -> f64 {
    0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

fn poisson_below(mean: f64, x: u64) -> f64 {
    // Beyond 40 standard deviations nothing is left that a float could tell; the incomplete gamma function,
    // which the distribution function is made of, takes its time there.
    let distance = (x as f64 - mean) / mean.sqrt();
    match (x.checked_sub(1), Poisson::new(mean)) {
        (Some(last), Ok(poisson)) if distance.abs() < 40.0 => poisson.cdf(last),
        _ => f64::from(u8::from(distance > 0.0)),
    }
}

/// The sum of k to the power of −s over k from 1 to n: the first terms as they are, the others by the formula
/// of Euler and Maclaurin.
fn harmonic(n: u32, s: f64) -> f64 {
    const TERMS: u32 = 64;
    let term = |k: u32| f64::from(k).powf(-s);
    let first: f64 = (1..=n.min(TERMS)).map(term).sum();
    if n <= TERMS {
        return first;
    }
    let (from, to) = (f64::from(TERMS), f64::from(n));
    let integral = if (s - 1.0).abs() < 1e-12 {
        (to / from).ln()
    } else {
        (to.powf(1.0 - s) - from.powf(1.0 - s)) / (1.0 - s)
    };
    let slopes = s / 12.0 * (from.powf(-s - 1.0) - to.powf(-s - 1.0));
    first + integral + 0.5 * (term(n) - term(TERMS)) + slopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmonic_numbers_are_sums() {
        for s in [-1.0, -0.2, 0.0, 0.5, 1.0, 1.2, 3.0] {
            for n in [0, 1, 64, 65, 1_000, 40_000] {
                let sum: f64 = (1..=n).map(|k| f64::from(k).powf(-s)).sum();
                assert!((harmonic(n, s) - sum).abs() <= 1e-9 * sum, "{n} {s}");
            }
        }
    }
}
