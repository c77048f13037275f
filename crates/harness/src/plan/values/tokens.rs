//! Numbers of tokens.

use std::fmt;

use bench_workloads::{InvalidLength, Length};
use schemars::{Schema, json_schema};

use super::{super::typed::shown, OR_VARIABLE, Positive, Value, number_or};

/// A number of tokens: `1024`, or what it is drawn from, `1024±100` or `uniform(100,500)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tokens(pub Length);

impl Tokens {
    /// As a length; `deviation` holds where it has no distribution of its own.
    pub(crate) fn length(self, deviation: f64) -> Result<Length, String> {
        if !self.0.is_fixed() || deviation <= 0.0 {
            return Ok(self.0);
        }
        Length::normal(self.0.mean(), deviation).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for Tokens {
    const NAME: &'static str = "Tokens";

    fn parse(text: &str) -> Result<Self, String> {
        let length: Result<Length, InvalidLength> = text.parse();
        length.map(Self).map_err(|error| match error {
            InvalidLength::Unknown | InvalidLength::Open => format!("`{}` {error}", shown(text)),
            error => error.to_string(),
        })
    }

    fn schema() -> Schema {
        let pattern = format!(
            r"^[0-9.]+[kKmM]?( ?(±|\+-) ?[0-9.]+)?$|^ ?(uniform|normal|lognormal|zipf|poisson) ?\(.+\) ?$|{OR_VARIABLE}"
        );
        let description = "Tokens: 1024, 8k, or what they are drawn from: 1024±100, uniform(100,500), \
                           normal(1024,100), lognormal(1000,500), zipf(1.2,4096), poisson(300), each with min= and \
                           max= if need be.";
        number_or(&pattern, description)
    }
}

/// A bound of the tokens of an answer: a number, 0 for what a file says, or less for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimit {
    /// What the file says of each answer.
    Recorded,
    /// None.
    Unlimited,
    /// So many.
    Tokens(u32),
}

impl fmt::Display for TokenLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("0"),
            Self::Unlimited => f.write_str("-1"),
            Self::Tokens(tokens) => tokens.fmt(f),
        }
    }
}

impl Value for TokenLimit {
    const NAME: &'static str = "TokenLimit";

    fn parse(text: &str) -> Result<Self, String> {
        let is_negative = text.trim().parse::<f64>().is_ok_and(|number| number < 0.0);
        match text.trim() {
            "0" => Ok(Self::Recorded),
            _ if is_negative => Ok(Self::Unlimited),
            _ => {
                let tokens = Positive::parse(text)?.0.get();
                let tokens = u32::try_from(tokens).map_err(|_| format!("{tokens} is too many"))?;
                Length::fixed(tokens).map_err(|error| error.to_string())?;
                Ok(Self::Tokens(tokens))
            }
        }
    }

    fn schema() -> Schema {
        number_or(
            &format!(r"^-?[0-9.]+[kKmM]?$|{OR_VARIABLE}"),
            "Tokens of an answer; 0 is what the file says, less is no limit.",
        )
    }
}

/// A standard deviation in tokens, 0 or more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deviation(pub f64);

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for Deviation {
    const NAME: &'static str = "Deviation";

    fn parse(text: &str) -> Result<Self, String> {
        let none = |_| format!("`{}` is no number of tokens", shown(text));
        let deviation: f64 = text.trim().parse().map_err(none)?;
        Length::normal(1.0, deviation).map_err(|error| error.to_string())?;
        Ok(Self(deviation))
    }

    fn schema() -> Schema {
        number_or(
            &format!(r"^[0-9.]+$|{OR_VARIABLE}"),
            "A standard deviation in tokens, 0 or more.",
        )
    }
}

/// Input and output tokens, `128/1024`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Input tokens.
    pub isl: Tokens,
    /// Output tokens.
    pub osl: Tokens,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.isl, self.osl)
    }
}

impl Value for Pair {
    const NAME: &'static str = "Pair";

    fn parse(text: &str) -> Result<Self, String> {
        let none =
            || format!("`{}` is no pair of input/output tokens such as 1024/128", shown(text));
        let (isl, osl) = text.split_once('/').ok_or_else(none)?;
        Ok(Self { isl: Tokens::parse(isl)?, osl: Tokens::parse(osl)? })
    }

    fn schema() -> Schema {
        let description = "Input and output tokens: 1024/128.";
        json_schema!({"description": description, "type": "string", "pattern": format!(r"^[^/]+/[^/]+$|{OR_VARIABLE}")})
    }
}
