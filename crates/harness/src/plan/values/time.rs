//! Lengths of time.

use std::{fmt, time::Duration};

use schemars::Schema;

use super::{super::typed::shown, OR_VARIABLE, Value, number_or};

/// A length of time: `500ms`, `20s`, `1.5m`, `2h`; without unit in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time(pub Duration);

/// Units of time, in nanoseconds.
const UNITS: [(&str, f64); 9] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("sec", 1e9),
    ("m", 6e10),
    ("min", 6e10),
    ("h", 3.6e12),
];

fn time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "" => 1e9,
        unit => {
            let known = UNITS.iter().find(|(name, _)| *name == unit);
            let unknown =
                || format!("`{}` has no unit that is known: us, ms, s, m, h", shown(text));
            known.ok_or_else(unknown)?.1
        }
    };
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| format!("`{}` is no time such as 500ms or 20s", shown(text)))?;
    // Whole units stay exact, which seconds as a float would not be.
    let nanoseconds = (number * factor).round();
    if !(0.0..1.8e19).contains(&nanoseconds) {
        return Err(format!("`{}` is no time from 0 to 500 years", shown(text)));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just before"
    )]
    let nanoseconds = nanoseconds as u64;
    Ok(Duration::from_nanos(nanoseconds))
}

fn write_time(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let nanoseconds = time.as_nanos();
    match nanoseconds {
        n if n % 1_000_000_000 == 0 => write!(f, "{}s", n / 1_000_000_000),
        n if n % 1_000_000 == 0 => write!(f, "{}ms", n / 1_000_000),
        n if n % 1_000 == 0 => write!(f, "{}us", n / 1_000),
        n => write!(f, "{n}ns"),
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(f, self.0)
    }
}

impl Value for Time {
    const NAME: &'static str = "Time";

    fn parse(text: &str) -> Result<Self, String> {
        time(text).map(Self)
    }

    fn schema() -> Schema {
        number_or(
            &time_pattern(),
            "A length of time: 500ms, 20s, 1.5m, 2h; without unit in seconds.",
        )
    }
}

fn time_pattern() -> String {
    format!(r"^[0-9.]+ ?(ns|us|µs|ms|s|sec|m|min|h)?$|{OR_VARIABLE}")
}

/// A length of time above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_time(f, self.0)
    }
}

impl Value for Period {
    const NAME: &'static str = "Period";

    fn parse(text: &str) -> Result<Self, String> {
        match time(text)? {
            Duration::ZERO => Err("it must be more than 0".to_owned()),
            time => Ok(Self(time)),
        }
    }

    fn schema() -> Schema {
        number_or(
            &time_pattern(),
            "A length of time above 0: 500ms, 20s, 1.5m, 2h; without unit in seconds.",
        )
    }
}
