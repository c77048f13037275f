//! How a number is drawn, in the words of vLLM's multi-turn benchmark.

mod fields;

use std::fmt;

use rand::{Rng, RngExt};
use rand_distr::{Distribution as _, LogNormal, Poisson, Zeta};
use serde::{Deserialize, Serialize};

use self::fields::Fields;

/// How a number is drawn.
///
/// Written as that benchmark writes it: `{"distribution": "uniform", "min": 120, "max": 160}`. Drawn with our
/// own random numbers, not numpy's: the same seed gives other numbers than there.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Distribution(Kind);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Constant {
        value: f64,
    },
    /// Integers, from `min` to `max` and both included.
    Integers {
        min: i64,
        max: i64,
    },
    Uniform {
        min: f64,
        max: f64,
    },
    Zipf {
        alpha: f64,
        max: Option<f64>,
    },
    Poisson {
        alpha: f64,
        max: Option<f64>,
    },
    Lognormal {
        mean: f64,
        sigma: f64,
        max: Option<f64>,
    },
    /// Scaled so that what is drawn together has this mean, before it is capped.
    Average {
        average: f64,
        median_ratio: f64,
        max: Option<f64>,
    },
}

/// What is wrong with a distribution, and which of its fields it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDistribution(String);

impl Distribution {
    /// Always `value`.
    pub const fn constant(value: u32) -> Self {
        Self(Kind::Constant { value: value as f64 })
    }

    /// Draws `n` numbers. What is drawn together matters for a lognormal distribution of a given average.
    pub fn sample(&self, n: usize, random: &mut impl Rng) -> Vec<f64> {
        let cap = |value: f64, max: Option<f64>| value.min(max.unwrap_or(f64::INFINITY));
        match self.0 {
            Kind::Constant { value } => vec![value; n],
            Kind::Integers { min, max } => {
                (0..n).map(|_| random.random_range(min..=max) as f64).collect()
            }
            Kind::Uniform { min, max } => (0..n).map(|_| random.random_range(min..=max)).collect(),
            Kind::Zipf { alpha, max } => {
                let zipf = Zeta::new(alpha).expect("checked when made");
                (0..n).map(|_| cap(zipf.sample(random), max)).collect()
            }
            // Which has no distribution of its own.
            Kind::Poisson { alpha: 0.0, .. } => vec![0.0; n],
            Kind::Poisson { alpha, max } => {
                let poisson = Poisson::new(alpha).expect("checked when made");
                (0..n).map(|_| cap(poisson.sample(random), max)).collect()
            }
            Kind::Lognormal { mean, sigma, max } => {
                let lognormal = LogNormal::new(mean, sigma).expect("checked when made");
                (0..n).map(|_| cap(lognormal.sample(random), max).round()).collect()
            }
            Kind::Average { average, median_ratio, max } => {
                let (mu, sigma) = underlying(average, median_ratio);
                let lognormal = LogNormal::new(mu, sigma).expect("checked when made");
                let drawn: Vec<f64> = (0..n).map(|_| lognormal.sample(random)).collect();
                let scale = average * n as f64 / drawn.iter().sum::<f64>();
                drawn.iter().map(|value| cap(value * scale, max).round()).collect()
            }
        }
    }

    /// The mean of what is drawn; `None` if it is not finite, or if a maximum makes it another one.
    pub fn mean(&self) -> Option<f64> {
        let mean = match self.0 {
            Kind::Constant { value } => value,
            Kind::Integers { min, max } => (min as f64 + max as f64) / 2.0,
            Kind::Uniform { min, max } => f64::midpoint(min, max),
            Kind::Poisson { alpha, max: None } => alpha,
            Kind::Lognormal { mean, sigma, max: None } => (mean + sigma * sigma / 2.0).exp(),
            Kind::Average { average, max: None, .. } => average,
            // E[X] = ζ(α − 1) / ζ(α).
            Kind::Zipf { alpha, max: None } if alpha > 2.0 => zeta(alpha - 1.0) / zeta(alpha),
            _ => return None,
        };
        Some(mean).filter(|mean| mean.is_finite())
    }
}

/// As that benchmark prints it: `UniformDistribution[12, 18]`.
impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lognormal = |f: &mut fmt::Formatter<'_>, a, b, max: Option<f64>| {
            let max = max.map_or_else(|| "None".to_owned(), |max| max.to_string());
            write!(f, "LognormalDistribution[{a}, {b}, {max}]")
        };
        match self.0 {
            Kind::Constant { value } => write!(f, "Constant[{value}]"),
            Kind::Integers { min, max } => write!(f, "UniformDistribution[{min}, {max}]"),
            Kind::Uniform { min, max } => write!(f, "UniformDistribution[{min}, {max}]"),
            Kind::Zipf { alpha, .. } => write!(f, "ZipfDistribution[{alpha}]"),
            Kind::Poisson { alpha, .. } => write!(f, "PoissonDistribution[{alpha}]"),
            Kind::Lognormal { mean, sigma, max } => lognormal(f, mean, sigma, max),
            Kind::Average { average, median_ratio, max } => {
                lognormal(f, average, median_ratio, max)
            }
        }
    }
}

/// μ and σ of the normal distribution below a lognormal one with that mean and that ratio of median to mean:
/// median = e^μ, mean = e^(μ + σ²/2).
fn underlying(average: f64, median_ratio: f64) -> (f64, f64) {
    ((average * median_ratio).ln(), (-2.0 * median_ratio.ln()).sqrt())
}

/// ζ(s) = Σ 1/n^s for s > 1: a sum and Euler and Maclaurin's estimate of its rest.
fn zeta(s: f64) -> f64 {
    const N: f64 = 64.0;
    let sum: f64 = (1..64_i32).map(|n| f64::from(n).powf(-s)).sum();
    sum + N.powf(1.0 - s) / (s - 1.0) + N.powf(-s) / 2.0 + s * N.powf(-s - 1.0) / 12.0
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    use super::*;

    fn parsed(json: &str) -> Result<Distribution, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    fn drawn(json: &str, n: usize) -> Vec<f64> {
        parsed(json).unwrap().sample(n, &mut ChaCha8Rng::seed_from_u64(1))
    }

    #[test]
    fn what_is_drawn_has_the_mean() {
        const N: usize = 40_000;
        for (json, mean, tolerance) in [
            (r#"{"distribution": "constant", "value": 500}"#, 500.0, 0.0),
            (r#"{"distribution": "uniform", "min": 12, "max": 18}"#, 15.0, 0.05),
            (r#"{"distribution": "uniform", "min": 0.5, "max": 1.5}"#, 1.0, 0.01),
            // ζ(3)/ζ(4) = 1.20206/1.08232.
            (r#"{"distribution": "zipf", "alpha": 4}"#, 1.110_63, 0.02),
            (r#"{"distribution": "poisson", "alpha": 40}"#, 40.0, 0.2),
            (r#"{"distribution": "poisson", "alpha": 0}"#, 0.0, 0.0),
            // e^(5 + 0.5²/2) = 168.17.
            (r#"{"distribution": "lognormal", "mean": 5, "sigma": 0.5}"#, 168.174, 2.0),
            (r#"{"distribution": "lognormal", "average": 1000}"#, 1000.0, 0.6),
        ] {
            let said = parsed(json).unwrap().mean().unwrap();
            assert!((said - mean).abs() < 1e-3, "{json}: {said}");
            let found = drawn(json, N).iter().sum::<f64>() / N as f64;
            assert!((found - mean).abs() <= tolerance, "{json}: {found}");
        }
    }

    #[test]
    fn an_average_holds_for_few_numbers_too() {
        let few = drawn(r#"{"distribution": "lognormal", "average": 1000}"#, 5);
        let mean = few.iter().sum::<f64>() / 5.0;
        assert!((mean - 1000.0).abs() <= 0.5, "{few:?}");
        // The median of many is the average times its ratio.
        let json = r#"{"distribution": "lognormal", "average": 1000, "median_ratio": 0.5}"#;
        let mut many = drawn(json, 40_001);
        many.sort_unstable_by(f64::total_cmp);
        assert!((many[20_000] - 500.0).abs() < 15.0, "{}", many[20_000]);
    }

    #[test]
    fn nothing_exceeds_the_maximum() {
        for (json, least) in [
            (r#"{"distribution": "zipf", "alpha": 1.1, "max": 7}"#, 1.0),
            (r#"{"distribution": "poisson", "alpha": 40, "max": 7}"#, 7.0),
            (r#"{"distribution": "lognormal", "mean": 3, "sigma": 2, "max": 7}"#, 0.0),
            (r#"{"distribution": "lognormal", "average": 100, "max": 7}"#, 0.0),
        ] {
            let drawn = drawn(json, 1_000);
            assert!(drawn.contains(&7.0), "{json}");
            assert!(drawn.iter().all(|n| (least..=7.0).contains(n) && n.fract() == 0.0), "{json}");
            assert_eq!(parsed(json).unwrap().mean(), None);
        }
    }

    #[test]
    fn what_cannot_be_drawn_names_its_field() {
        for (json, expected) in [
            (r#"{"value": 1}"#, "`distribution` is missing"),
            (r#"{"distribution": "normal"}"#, "there is no distribution `normal`"),
            (r#"{"distribution": "constant"}"#, "`value` is missing"),
            (r#"{"distribution": "constant", "value": -1}"#, "`value` is -1"),
            (r#"{"distribution": "constant", "value": 1, "max": 2}"#, "takes no `max`"),
            (r#"{"distribution": "uniform", "min": 1}"#, "`max` is missing"),
            (r#"{"distribution": "uniform", "min": 0, "max": 2}"#, "`min` is 0: give more than 0"),
            (r#"{"distribution": "uniform", "min": 3, "max": 2}"#, "more than `max`"),
            (r#"{"distribution": "zipf", "alpha": 1}"#, "more than 1"),
            (r#"{"distribution": "zipf"}"#, "`alpha` is missing"),
            (r#"{"distribution": "poisson", "alpha": -1}"#, "`alpha` is -1"),
            (r#"{"distribution": "lognormal", "average": 0.5}"#, "`average` is 0.5"),
            (r#"{"distribution": "lognormal", "average": 5, "median_ratio": 1}"#, "`median_ratio`"),
            (r#"{"distribution": "lognormal", "average": 5, "mean": 1}"#, "takes no `mean`"),
            (r#"{"distribution": "lognormal", "mean": 5}"#, "`sigma` is missing"),
            (r#"{"distribution": "lognormal", "mean": 0, "sigma": 1}"#, "`mean` is 0"),
            (r#"{"distribution": "uniform", "low": 1}"#, "unknown field `low`"),
        ] {
            let found = parsed(json).unwrap_err();
            assert!(found.contains(expected), "{json}: {found}");
        }
    }

    #[test]
    fn writing_and_reading_gives_the_same() {
        for json in [
            r#"{"distribution":"constant","value":500}"#,
            r#"{"distribution":"uniform","min":12,"max":18}"#,
            r#"{"distribution":"uniform","min":0.5,"max":2.5}"#,
            r#"{"distribution":"zipf","max":9,"alpha":1.5}"#,
            r#"{"distribution":"lognormal","max":5000,"average":1000.0,"median_ratio":0.85}"#,
            r#"{"distribution":"lognormal","mean":5.0,"sigma":0.5}"#,
        ] {
            assert_eq!(serde_json::to_string(&parsed(json).unwrap()).unwrap(), json);
        }
    }
}
