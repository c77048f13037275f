//! One value, or several to be measured one after the other: `8`, `1,8,32`, `1..64`, `8..64:8`.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    typed::shown,
    values::{PerSecond, Positive, Tokens, Value},
};

/// One value or several.
#[derive(Clone, Debug, PartialEq)]
pub enum Sweep<T> {
    /// One.
    One(T),
    /// Several, in this order.
    List(Vec<T>),
    /// From one to another: by doubling, or at the multiples of a step.
    Range {
        /// The first.
        from: T,
        /// The last.
        to: T,
        /// What those between are multiples of; doubling if `None`.
        step: Option<T>,
    },
}

/// Values of a sweep; beyond, nobody waits for the end.
const MOST: usize = 1_000;

/// A value that has others between it and another.
pub trait Stepped: Value + Clone + PartialEq {
    /// As a number.
    fn number(&self) -> f64;

    /// The value that is `number`.
    ///
    /// # Errors
    ///
    /// If there is none.
    fn of(number: f64) -> Result<Self, String>;

    /// Whether it is a number and nothing else, which can be the end of a range.
    fn is_number(&self) -> bool {
        true
    }
}

impl Stepped for Positive {
    fn number(&self) -> f64 {
        self.0.get() as f64
    }

    fn of(number: f64) -> Result<Self, String> {
        Self::parse(&number.to_string())
    }
}

impl Stepped for PerSecond {
    fn number(&self) -> f64 {
        self.0
    }

    fn of(number: f64) -> Result<Self, String> {
        Self::parse(&number.to_string())
    }
}

impl Stepped for Tokens {
    fn number(&self) -> f64 {
        self.0.mean()
    }

    fn is_number(&self) -> bool {
        self.0.is_fixed()
    }

    fn of(number: f64) -> Result<Self, String> {
        Self::parse(&number.to_string())
    }
}

impl<T: Stepped> Sweep<T> {
    /// All values, in order. `1..64` is 1, 2, 4, … 64; `1..64:8` is 1, 8, 16, … 64: the ends, and what
    /// lies between them.
    pub fn values(&self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value.clone()],
            Self::List(values) => values.clone(),
            // They were counted and made once when they were read.
            Self::Range { from, to, step } => range(from, to, step.as_ref()).unwrap_or_default(),
        }
    }
}

fn range<T: Stepped>(from: &T, to: &T, step: Option<&T>) -> Result<Vec<T>, String> {
    let (first, last) = (from.number(), to.number());
    if first > last {
        return Err(format!("{from}..{to} goes down; write the smaller one first"));
    }
    let mut values = vec![from.clone()];
    let mut multiple = step.map_or(0.0, |step| (first / step.number()).floor());
    loop {
        let next = match step {
            None => first * 2_f64.powi(i32::try_from(values.len()).unwrap_or(i32::MAX)),
            Some(step) => {
                multiple += 1.0;
                multiple * step.number()
            }
        };
        if next >= last {
            break;
        }
        values.push(T::of(next)?);
        if values.len() >= MOST {
            return Err(format!("{from}..{to} has more than {MOST} values"));
        }
    }
    if first < last {
        values.push(to.clone());
    }
    Ok(values)
}

impl<T: Value> fmt::Display for Sweep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(value) => value.fmt(f),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(T::to_string).collect();
                f.write_str(&values.join(","))
            }
            Self::Range { from, to, step: None } => write!(f, "{from}..{to}"),
            Self::Range { from, to, step: Some(step) } => write!(f, "{from}..{to}:{step}"),
        }
    }
}

impl<T: Stepped> Value for Sweep<T> {
    const NAME: &'static str = T::NAME;

    fn parse(text: &str) -> Result<Self, String> {
        let Some((from, rest)) = text.split_once("..") else {
            return match split(text, ',').as_slice() {
                [_] => T::parse(text).map(Self::One),
                items => several(items.iter().map(|item| T::parse(item))),
            };
        };
        let (to, step) = rest.split_once(':').map_or((rest, None), |(to, step)| (to, Some(step)));
        let (from, to) = (T::parse(from)?, T::parse(to)?);
        let step = step.map(T::parse).transpose()?;
        if let Some(other) = [&from, &to].into_iter().chain(&step).find(|value| !value.is_number())
        {
            return Err(format!("a range is from one number to another; {other} is none"));
        }
        range(&from, &to, step.as_ref())?;
        Ok(Self::Range { from, to, step })
    }

    fn schema() -> Schema {
        let several = json_schema!({"type": "array", "items": T::schema(), "minItems": 1});
        let pattern = r"^[^.]+(\.[0-9]+)?\.\.[^:]+(:.+)?$|,|\$\{[^}]+\}";
        json_schema!({
            "description": "One value, or several to be measured one after the other: a list, `1..64` for 1, 2, 4, … 64, or `1..64:8` for 1, 8, 16, … 64.",
            "anyOf": [T::schema(), several, {"type": "string", "pattern": pattern}],
        })
    }
}

/// The parts of `text` between `at`, where it is in no brackets: `uniform(1,5),8` is two.
pub fn split(text: &str, at: char) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_between = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == at && depth == 0
    };
    text.split(is_between).collect()
}

fn several<T: Stepped>(
    values: impl Iterator<Item = Result<T, String>>,
) -> Result<Sweep<T>, String> {
    let values = values.collect::<Result<Vec<T>, String>>()?;
    checked(values)
}

/// A list that can be measured: no more than can be waited for, nothing twice.
fn checked<T: Stepped>(values: Vec<T>) -> Result<Sweep<T>, String> {
    if values.len() > MOST {
        return Err(format!("{} values are too many for a sweep: at most {MOST}", values.len()));
    }
    let mut seen = values.iter().enumerate();
    match seen.find(|(index, value)| values[..*index].contains(value)) {
        Some((_, twice)) => Err(format!("{} is in the list twice", shown(&twice.to_string()))),
        None => Ok(Sweep::List(values)),
    }
}

impl<'de, T: Stepped + Deserialize<'de>> Deserialize<'de> for Sweep<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SweepVisitor(PhantomData))
    }
}

struct SweepVisitor<T>(PhantomData<T>);

impl<'de, T: Stepped + Deserialize<'de>> de::Visitor<'de> for SweepVisitor<T> {
    type Value = Sweep<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list, or a range such as 1..64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Sweep<T>, E> {
        Sweep::parse(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Sweep<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Sweep<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Sweep<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Sweep<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        if values.is_empty() {
            return Err(de::Error::custom("the list is empty; leave the key out"));
        }
        checked(values).map_err(de::Error::custom)
    }
}

/// A list of one is one value with brackets; both are the same to whoever measures.
impl<T: Value + Serialize> Serialize for Sweep<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(value) => value.serialize(serializer),
            Self::List(values) => serializer.collect_seq(values),
            Self::Range { .. } => serializer.serialize_str(&self.to_string()),
        }
    }
}

impl<T: Stepped> JsonSchema for Sweep<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("SweepOf{}", T::NAME).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Self::schema()
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<f64> {
        let sweep = Sweep::<PerSecond>::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        sweep.values().iter().map(Stepped::number).collect()
    }

    #[test]
    fn ranges_have_both_ends_and_what_lies_between() {
        for (text, expected) in [
            ("8", vec![8.0]),
            ("1,8,4", vec![1.0, 8.0, 4.0]),
            ("1..64", vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            ("1..48", vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 48.0]),
            ("3..3", vec![3.0]),
            ("1..20:8", vec![1.0, 8.0, 16.0, 20.0]),
            ("8..24:8", vec![8.0, 16.0, 24.0]),
            ("0.5..2", vec![0.5, 1.0, 2.0]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for text in ["", ",", "1,", "1,2,1", "8..1", "1..", "..8", "1..100000:1", "1..8:0", "0..8"]
        {
            assert!(Sweep::<Positive>::parse(text).is_err(), "{text}");
        }
        assert!(Sweep::<PerSecond>::parse("0.000001..1000000000:0.000001").is_err());
        let range = Sweep::<Tokens>::parse("uniform(1,5)..8").unwrap_err();
        assert_eq!(range, "a range is from one number to another; uniform(1,5) is none");
    }

    #[test]
    fn commas_in_brackets_are_no_ends_of_values() {
        let text = "uniform(100,500),8,lognormal(1000,500,max=8000)";
        let sweep = Sweep::<Tokens>::parse(text).unwrap();
        assert_eq!(sweep.values().len(), 3);
        assert_eq!(sweep.to_string(), text);
        assert!(matches!(Sweep::<Tokens>::parse("uniform(1,5)"), Ok(Sweep::One(_))));
        assert_eq!(split("a,(b,c),,d)", ','), ["a", "(b,c)", "", "d)"]);
    }
}
