//! Lengths as people write them.

use std::{fmt, str::FromStr};

use super::{InvalidLength, Kind, Length};

/// `1024`, `1024±64`, or a distribution such as `uniform(100,500)`.
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Fixed(tokens) => return write!(f, "{tokens}"),
            Kind::Normal(normal) if self.least.is_none() && self.most.is_none() => {
                return write!(f, "{}±{}", normal.mean(), normal.std_dev());
            }
            Kind::Uniform(least, most) => write!(f, "uniform({least},{most}")?,
            Kind::Normal(normal) => write!(f, "normal({},{}", normal.mean(), normal.std_dev())?,
            Kind::LogNormal { mean, deviation, .. } => write!(f, "lognormal({mean},{deviation}")?,
            Kind::Zipf { exponent, most, .. } => write!(f, "zipf({exponent},{most}")?,
            Kind::Poisson { mean, .. } => write!(f, "poisson({mean}")?,
        }
        for (name, bound) in [("min", self.least), ("max", self.most)] {
            if let Some(bound) = bound {
                write!(f, ",{name}={bound}")?;
            }
        }
        f.write_str(")")
    }
}

impl FromStr for Length {
    type Err = InvalidLength;

    fn from_str(text: &str) -> Result<Self, InvalidLength> {
        let text = text.trim().replace("+-", "±");
        if let Some((name, rest)) = text.split_once('(') {
            let inside = rest.strip_suffix(')').ok_or(InvalidLength::Open)?;
            return distribution(name.trim(), inside);
        }
        match text.split_once('±') {
            Some((mean, deviation)) => {
                let both = number(mean).zip(number(deviation));
                both.ok_or(InvalidLength::Unknown).and_then(|(mean, d)| Self::normal(mean, d))
            }
            None => Self::fixed(whole(&text).ok_or(InvalidLength::Unknown)??),
        }
    }
}

fn distribution(name: &str, inside: &str) -> Result<Length, InvalidLength> {
    let form = match name {
        "uniform" => "uniform(100,500)",
        "normal" => "normal(1024,100)",
        "lognormal" => "lognormal(1000,500)",
        "zipf" => "zipf(1.2,4096)",
        "poisson" => "poisson(300)",
        _ => return Err(InvalidLength::Unknown),
    };
    let wrong = InvalidLength::Form(form);
    let (mut values, mut least, mut most) = (Vec::new(), None, None);
    for argument in inside.split(',') {
        let (name, value) = argument.split_once('=').map_or(("", argument), |(n, v)| (n.trim(), v));
        let bound = match name {
            "min" => &mut least,
            "max" => &mut most,
            "" => {
                values.push(value);
                continue;
            }
            _ => return Err(wrong),
        };
        let is_twice = bound.replace(whole(value).ok_or_else(|| wrong.clone())??).is_some();
        if is_twice {
            return Err(wrong);
        }
    }
    let number = |at: usize| number(values[at]).ok_or_else(|| wrong.clone());
    let whole = |at: usize| whole(values[at]).ok_or_else(|| wrong.clone())?;
    let length = match (name, values.len()) {
        ("uniform", 2) => Length::uniform(whole(0)?, whole(1)?),
        ("normal", 2) => Length::normal(number(0)?, number(1)?),
        ("lognormal", 2) => Length::lognormal(number(0)?, number(1)?),
        ("zipf", 2) => Length::zipf(number(0)?, whole(1)?),
        ("poisson", 1) => Length::poisson(number(0)?),
        _ => return Err(wrong),
    };
    length?.within(least, most)
}

/// `250`, `10k` or `1.5m`.
fn number(text: &str) -> Option<f64> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, factor) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1e3),
        (_, Some(digits)) => (digits, 1e6),
        _ => (lower.as_str(), 1.0),
    };
    let number = digits.parse::<f64>().ok()? * factor;
    number.is_finite().then_some(number)
}

/// A whole number of tokens; a problem, if it is one that no length can have.
fn whole(text: &str) -> Option<Result<u32, InvalidLength>> {
    let number = number(text).filter(|number| number.fract() == 0.0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just before"
    )]
    let tokens = |number: f64| number as u32;
    let is_length = (1.0..=f64::from(Length::MOST)).contains(&number);
    Some(if is_length { Ok(tokens(number)) } else { Err(InvalidLength::Tokens(number)) })
}
