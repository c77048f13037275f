//! A distribution as it is written.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{Distribution, InvalidDistribution, Kind};

/// How much the median of a lognormal distribution of a given average lies below it, by default.
const MEDIAN_RATIO: f64 = 0.85;

/// The fields of all of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    distribution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    median_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma: Option<f64>,
}

impl TryFrom<Fields> for Distribution {
    type Error = InvalidDistribution;

    fn try_from(fields: Fields) -> Result<Self, InvalidDistribution> {
        let name = fields.distribution.clone().ok_or_else(|| missing("distribution"))?;
        let allowed: &[&str] = match &*name {
            "constant" => &["value"],
            "uniform" => &["min", "max"],
            "zipf" | "poisson" => &["alpha", "max"],
            "lognormal" if fields.average.is_some() => &["average", "median_ratio", "max"],
            "lognormal" => &["mean", "sigma", "max"],
            _ => {
                return Err(InvalidDistribution(format!(
                    "there is no distribution `{name}`: use `constant`, `uniform`, `zipf`, `poisson` or `lognormal`"
                )));
            }
        };
        if let Some(other) = fields.given().find(|given| !allowed.contains(given)) {
            let what = format!("`{name}` takes no `{other}` there, but `{}`", allowed.join("`, `"));
            return Err(InvalidDistribution(what));
        }
        let kind = match &*name {
            "constant" => {
                Kind::Constant { value: within("value", number(&fields.value), 0.0..=MOST)? }
            }
            "uniform" => fields.uniform()?,
            "zipf" => {
                // Beyond, every number is 1.
                let alpha = within("alpha", fields.alpha, 1.0..=1e3)?;
                if alpha <= 1.0 {
                    return Err(InvalidDistribution("`alpha` is 1: give more than 1".into()));
                }
                Kind::Zipf { alpha, max: fields.cap()? }
            }
            "poisson" => Kind::Poisson {
                alpha: within("alpha", fields.alpha, 0.0..=MOST)?,
                max: fields.cap()?,
            },
            _ => fields.lognormal()?,
        };
        Ok(Self(kind))
    }
}

/// More than any length can be.
const MOST: f64 = 1e9;

impl Fields {
    /// Those that are there, but for the name.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("value", self.value.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("alpha", self.alpha.is_some()),
            ("average", self.average.is_some()),
            ("median_ratio", self.median_ratio.is_some()),
            ("mean", self.mean.is_some()),
            ("sigma", self.sigma.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
    }

    fn cap(&self) -> Result<Option<f64>, InvalidDistribution> {
        match number(&self.max) {
            None => Ok(None),
            // As in the original, where 0 is none.
            Some(0.0) => Ok(None),
            max => within("max", max, 1.0..=MOST).map(Some),
        }
    }

    fn uniform(&self) -> Result<Kind, InvalidDistribution> {
        let min = within("min", number(&self.min), f64::MIN_POSITIVE..=MOST)?;
        let max = within("max", number(&self.max), f64::MIN_POSITIVE..=MOST)?;
        if min > max {
            return Err(InvalidDistribution(format!("`min` is {min}, more than `max`, {max}")));
        }
        let integer = |number: &Option<Number>| number.as_ref()?.as_i64();
        Ok(match (integer(&self.min), integer(&self.max)) {
            (Some(min), Some(max)) => Kind::Integers { min, max },
            _ => Kind::Uniform { min, max },
        })
    }

    fn lognormal(&self) -> Result<Kind, InvalidDistribution> {
        let max = self.cap()?;
        if self.average.is_none() {
            // e^700 is about all that a number can be.
            let mean = within("mean", self.mean, f64::MIN_POSITIVE..=700.0)?;
            return Ok(Kind::Lognormal {
                mean,
                sigma: within("sigma", self.sigma, 0.0..=100.0)?,
                max,
            });
        }
        let average = within("average", self.average, 1.0..=MOST)?;
        let median_ratio = self.median_ratio.unwrap_or(MEDIAN_RATIO);
        if !(1e-9..1.0).contains(&median_ratio) {
            return Err(InvalidDistribution(format!(
                "`median_ratio` is {median_ratio}: give more than 0 and less than 1"
            )));
        }
        Ok(Kind::Average { average, median_ratio, max })
    }
}

fn number(field: &Option<Number>) -> Option<f64> {
    field.as_ref().and_then(Number::as_f64)
}

fn missing(name: &str) -> InvalidDistribution {
    InvalidDistribution(format!("`{name}` is missing"))
}

fn within(
    name: &str,
    value: Option<f64>,
    range: RangeInclusive<f64>,
) -> Result<f64, InvalidDistribution> {
    let value = value.ok_or_else(|| missing(name))?;
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    let least = if *least <= f64::MIN_POSITIVE && *least > 0.0 {
        "more than 0".to_owned()
    } else {
        format!("{least} or more")
    };
    Err(InvalidDistribution(format!("`{name}` is {value}: give {least}, up to {most}")))
}

impl From<Distribution> for Fields {
    fn from(distribution: Distribution) -> Self {
        let named = |name: &str| Self { distribution: Some(name.to_owned()), ..Self::default() };
        match distribution.0 {
            Kind::Constant { value } => Self { value: whole(value), ..named("constant") },
            Kind::Integers { min, max } => {
                Self { min: Some(min.into()), max: Some(max.into()), ..named("uniform") }
            }
            Kind::Uniform { min, max } => {
                let float = Number::from_f64;
                Self { min: float(min), max: float(max), ..named("uniform") }
            }
            Kind::Zipf { alpha, max } => {
                Self { alpha: Some(alpha), max: max.and_then(whole), ..named("zipf") }
            }
            Kind::Poisson { alpha, max } => {
                Self { alpha: Some(alpha), max: max.and_then(whole), ..named("poisson") }
            }
            Kind::Lognormal { mean, sigma, max } => {
                let (mean, sigma) = (Some(mean), Some(sigma));
                Self { mean, sigma, max: max.and_then(whole), ..named("lognormal") }
            }
            Kind::Average { average, median_ratio, max } => {
                let (average, median_ratio) = (Some(average), Some(median_ratio));
                Self { average, median_ratio, max: max.and_then(whole), ..named("lognormal") }
            }
        }
    }
}

/// A number without a fraction if it has none.
fn whole(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() <= MOST {
        #[expect(clippy::cast_possible_truncation, reason = "within 1e9, without a fraction")]
        let whole = value as i64;
        return Some(whole.into());
    }
    Number::from_f64(value)
}
