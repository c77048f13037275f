//! Values as people write them: `10k`, `500ms`, `2%`, `1..64`, `128/128`. Each is read from a text or a
//! number, and written in one way.

use std::{borrow::Cow, fmt, marker::PhantomData, num::NonZeroU64};

use bench_core::Rate;
use bench_providers::Endpoint;
use bench_report::gate::{Bound, InvalidLimit, Limit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::typed::shown;

mod several;
mod starting;
mod time;
mod tokens;
mod watching;
mod words;

pub use several::Several;
pub use starting::{GpuRequest, Size};
pub use time::{Period, Time};
pub use tokens::{Deviation, Pair, TokenLimit, Tokens};
pub use watching::{GpuDevices, GpuTelemetry, ServerMetrics};
pub use words::Words;

/// A value that has one text, and is read from it.
pub trait Value: Sized + fmt::Display {
    /// Its name in the schema.
    const NAME: &'static str;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// Says why `text` is none.
    fn parse(text: &str) -> Result<Self, String>;

    /// What it may be.
    fn schema() -> Schema;
}

/// Reads it from a number or a text; writes a number where its text is one.
macro_rules! as_text {
    ($($type:ty),* $(,)?) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextVisitor(PhantomData))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_text(&self.to_string(), serializer)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                <Self as Value>::NAME.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                <Self as Value>::schema()
            }

            // Each is short, and its field says what it is for.
            fn inline_schema() -> bool {
                true
            }
        }
    )*};
}

as_text!(
    Count,
    Positive,
    Time,
    Period,
    Percent,
    Change,
    PerSecond,
    Tokens,
    TokenLimit,
    Deviation,
    Pair,
    Address,
    GpuTelemetry,
    ServerMetrics,
    GpuDevices,
    GpuRequest,
    Size
);

struct TextVisitor<T>(PhantomData<T>);

impl<T: Value> de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

fn serialize_text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(whole) = text.parse::<u64>() {
        return serializer.serialize_u64(whole);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => serializer.serialize_f64(number),
        _ => serializer.serialize_str(text),
    }
}

fn number_or(pattern: &str, description: &str) -> Schema {
    json_schema!({"description": description, "anyOf": [{"type": "number"}, {"type": "string", "pattern": pattern}]})
}

/// A text with a variable of the environment in it, which may stand for anything.
pub(super) const OR_VARIABLE: &str = r"\$\{[^}]+\}";

/// A number of things: `250`, `10k`, `1.5m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for Count {
    const NAME: &'static str = "Count";

    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(whole) = text.trim().parse() {
            return Ok(Self(whole));
        }
        let lower = text.trim().to_ascii_lowercase();
        let (digits, factor) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
            (Some(digits), _) => (digits, 1e3),
            (_, Some(digits)) => (digits, 1e6),
            _ => (lower.as_str(), 1.0),
        };
        let none = || format!("`{}` is no number such as 250, 10k or 1.5m", shown(text));
        let number = digits.parse::<f64>().map_err(|_| none())? * factor;
        if !(0.0..1e15).contains(&number) || number.fract() != 0.0 {
            return Err(format!("`{}` is no whole number of things", shown(text)));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just before"
        )]
        let number = number as u64;
        Ok(Self(number))
    }

    fn schema() -> Schema {
        let pattern = format!(r"^[0-9.]+ ?[kKmM]?$|{OR_VARIABLE}");
        number_or(&pattern, "A whole number: 250, 10k, 1.5m.")
    }
}

/// A number of things, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positive(pub NonZeroU64);

impl fmt::Display for Positive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for Positive {
    const NAME: &'static str = "Positive";

    fn parse(text: &str) -> Result<Self, String> {
        let Count(count) = Count::parse(text)?;
        NonZeroU64::new(count).map(Self).ok_or_else(|| "it must be at least 1".to_owned())
    }

    fn schema() -> Schema {
        let pattern = format!(r"^[0-9.]+ ?[kKmM]?$|{OR_VARIABLE}");
        number_or(&pattern, "A whole number of at least 1: 250, 10k, 1.5m.")
    }
}

/// A share, `2%`, or a change, `-3%`; as a bare number a ratio, 0.02.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

impl Percent {
    /// As a ratio: 0.02 for 2 %.
    pub fn ratio(self) -> f64 {
        self.0 / 100.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Value for Percent {
    const NAME: &'static str = "Percent";

    fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let (number, factor) = match trimmed.strip_suffix('%') {
            Some(number) => (number.trim(), 1.0),
            None => (trimmed, 100.0),
        };
        match number.parse::<f64>() {
            Ok(number) if (number * factor).abs() <= 1e9 => Ok(Self(number * factor)),
            _ => Err(format!("`{}` is no share such as 2% or 0.02", shown(text))),
        }
    }

    fn schema() -> Schema {
        let pattern = format!(r"^[+-]?[0-9.]+ ?%?$|{OR_VARIABLE}");
        number_or(&pattern, "A share or a change: 2%, -3%; as a bare number a ratio, 0.02.")
    }
}

/// How much of a change is too much: `-3%`, `+5%`, or `5%` for the worse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change(pub Bound);

impl Change {
    /// So much of a change of `metric`.
    pub(crate) fn limit(self, metric: &str) -> Result<Limit, InvalidLimit> {
        Limit::of(metric.parse()?, self.0)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for Change {
    const NAME: &'static str = "Change";

    fn parse(text: &str) -> Result<Self, String> {
        // What is too long to be shown is too long for a number.
        let bound: Result<Bound, _> = shown(text).parse();
        bound.map(Self).map_err(|error| error.to_string())
    }

    fn schema() -> Schema {
        let pattern = format!(r"^[+-]?[0-9.]+ ?(%|pt)$|{OR_VARIABLE}");
        let description = "A change: -3%, +5%; without a sign one for the worse.";
        json_schema!({"description": description, "type": "string", "pattern": pattern})
    }
}

/// Requests per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerSecond(pub f64);

impl fmt::Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for PerSecond {
    const NAME: &'static str = "PerSecond";

    fn parse(text: &str) -> Result<Self, String> {
        let none = |_| format!("`{}` is no number of requests per second", shown(text));
        let rate: f64 = text.trim().parse().map_err(none)?;
        Rate::per_second(rate).map_err(|error| error.to_string())?;
        Ok(Self(rate))
    }

    fn schema() -> Schema {
        number_or(&format!(r"^[0-9.]+$|{OR_VARIABLE}"), "Requests per second, above 0.")
    }
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    endpoint: Endpoint,
}

impl Address {
    /// What it means.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Value for Address {
    const NAME: &'static str = "Address";

    fn parse(text: &str) -> Result<Self, String> {
        let endpoint = Endpoint::parse(text).map_err(|error| {
            // What stands before an `@` is a password or a key.
            let host = text.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
            let url = shown(host.as_deref().unwrap_or(text));
            format!("`{url}` is no server address: {}", error.why)
        })?;
        Ok(Self { text: text.to_owned(), endpoint })
    }

    fn schema() -> Schema {
        json_schema!({"description": "An http or https URL: http://localhost:8000.", "type": "string"})
    }
}

/// What the tool chooses, or a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auto<T> {
    /// What suits the load.
    #[default]
    Auto,
    /// This.
    Exactly(T),
}

impl<T> Auto<T> {
    /// The value, if it is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Auto => None,
            Self::Exactly(value) => Some(value),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Auto<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Exactly(value) => value.fmt(f),
        }
    }
}

impl<T: Value> Value for Auto<T> {
    const NAME: &'static str = "Auto";

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "auto" { Ok(Self::Auto) } else { T::parse(text).map(Self::Exactly) }
    }

    fn schema() -> Schema {
        json_schema!({"anyOf": [{"const": "auto"}, T::schema()]})
    }
}

as_text!(Auto<Count>, Auto<Positive>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them_and_written_in_one_way() {
        fn check<T: Value>(text: &str, written: &str) {
            let value = T::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(value.to_string(), written, "{text}");
            assert_eq!(T::parse(written).unwrap().to_string(), written);
        }
        check::<Count>("1.5m", "1500000");
        check::<Count>("18446744073709551615", "18446744073709551615");
        check::<Time>("20", "20s");
        check::<Time>("1.5m", "90s");
        check::<Time>("0.25s", "250ms");
        check::<Time>("1.5 us", "1500ns");
        check::<Percent>("2%", "2%");
        check::<Percent>("0.05", "5%");
        check::<Percent>("+5 %", "5%");
        check::<Change>("+5 %", "+5%");
        check::<Change>("1pt", "1%");
        check::<PerSecond>("0.50", "0.5");
        check::<Tokens>("8k", "8000");
        check::<Tokens>("1024+-100", "1024±100");
        check::<Tokens>("normal(1k,100,max=2k)", "normal(1000,100,max=2000)");
        check::<Tokens>("uniform(100,500)", "uniform(100,500)");
        check::<Pair>("128/1k", "128/1000");
        check::<Pair>("zipf(1.2,4096)/poisson(300)", "zipf(1.2,4096)/poisson(300)");
        check::<Auto<Positive>>("auto", "auto");
        check::<Address>(":8000", ":8000");
        check::<Size>("16GiB", "16g");
        check::<Size>("1.5k", "1536");
        check::<GpuRequest>("device=0, GPU-1", "device=0,GPU-1");
        check::<GpuRequest>("2", "2");
    }

    #[test]
    fn what_is_no_value_is_said_to_be_none() {
        fn check<T: Value>(texts: &[&str]) {
            for text in texts {
                assert!(T::parse(text).is_err(), "{} {text}", T::NAME);
            }
        }
        check::<Count>(&["", "k", "-1", "1.5", "ten", "1e99", "NaN"]);
        check::<Time>(&["", "ms", "-1s", "5 parsecs", "1e99s", "NaN", "inf"]);
        check::<Period>(&["0", "0s", "0.1ns"]);
        check::<Percent>(&["", "%", "many", "NaN%", "1e300"]);
        check::<Change>(&["", "%", "many", "NaN%", "-3", "-0.03", "1e300%"]);
        check::<PerSecond>(&["0", "-1", "NaN", "fast"]);
        check::<Tokens>(&["0", "1024±", "1024±-1", "20m", "100..500", "unifrm(1,2)", "uniform(1"]);
        check::<Pair>(&["128", "128/", "/", "1/0"]);
        check::<Size>(&["", "g", "0", "-1g", "16q", "NaN", "1e30t"]);
        check::<GpuRequest>(&["", "-1", "some", "device=", "device=0,", "device=$(x)", "x=1"]);
        check::<Address>(&["ftp://x", "http://h:port"]);
    }
}
