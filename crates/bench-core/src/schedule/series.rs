//! A rate that changes in steps, as written in a file.

use std::{fmt, str::FromStr, time::Duration};

use super::{Rate, curve::after, nanoseconds};

/// Rates, each from a moment on. The last one lasts; before the first nothing is due.
///
/// As text, each line has seconds and requests per second, with a comma, semicolon or white space
/// between; the first line may name the columns, and `#` begins a comment:
///
/// ```
/// # use bench_core::RateSeries;
/// let series: RateSeries = "seconds,rate\n0,5\n60,20 # rush hour\n90,5".parse()?;
/// assert_eq!(series.to_string(), "series of 3 steps, 5 to 20/s");
/// # Ok::<(), bench_core::InvalidSeries>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSeries {
    // Not empty, and each later than the one before it.
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    ns: u64,
    rate: Rate,
    /// The integrated rate of all steps before.
    before: u128,
}

/// Steps, or a text, that are no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeries {
    /// There is nothing in it.
    #[error("a rate series needs at least one step of seconds and requests per second")]
    Empty,
    /// A step does not begin after the one before it.
    #[error("step {step} does not begin after the one before it")]
    NotLater {
        /// Which step, from 1.
        step: usize,
    },
    /// A line is no step.
    #[error("line {line}: {problem}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

impl RateSeries {
    /// A series of steps: when each begins, and its rate.
    ///
    /// # Errors
    ///
    /// If there is no step, or one does not begin after the one before it.
    pub fn new(steps: impl IntoIterator<Item = (Duration, Rate)>) -> Result<Self, InvalidSeries> {
        let mut series = Self { steps: Vec::new() };
        for (begin, rate) in steps {
            let ns = nanoseconds(begin);
            let last = series.steps.last();
            if last.is_some_and(|last| last.ns >= ns) {
                return Err(InvalidSeries::NotLater { step: series.steps.len() + 1 });
            }
            series.steps.push(Step { ns, rate, before: series.integral(ns) });
        }
        if series.steps.is_empty() { Err(InvalidSeries::Empty) } else { Ok(series) }
    }

    pub(super) fn peak(&self) -> Rate {
        self.steps.iter().map(|step| step.rate).max().expect("a series has a step")
    }

    /// When the last step begins.
    pub(super) fn last_step(&self) -> Duration {
        Duration::from_nanos(self.steps.last().expect("a series has a step").ns)
    }

    fn least(&self) -> Rate {
        self.steps.iter().map(|step| step.rate).min().expect("a series has a step")
    }

    pub(super) fn time_of(&self, integral: u128) -> Option<u64> {
        let at = self.steps.partition_point(|step| step.before <= integral);
        let step = self.steps[at - 1]; // Nothing is due before the first one.
        after(step.ns, integral - step.before, step.rate)
    }

    pub(super) fn integral(&self, ns: u64) -> u128 {
        let at = self.steps.partition_point(|step| step.ns <= ns);
        let Some(step) = at.checked_sub(1).map(|last| self.steps[last]) else { return 0 };
        step.before + u128::from(step.rate.per_million_seconds) * u128::from(ns - step.ns)
    }
}

impl FromStr for RateSeries {
    type Err = InvalidSeries;

    fn from_str(text: &str) -> Result<Self, InvalidSeries> {
        let (mut steps, mut lines) = (Vec::new(), Vec::new());
        let mut header_may_follow = true;
        for (text, line) in text.lines().zip(1..) {
            let fields = fields(text);
            if fields.is_empty() {
                continue;
            }
            let is_header =
                header_may_follow && fields.iter().all(|field| field.parse::<f64>().is_err());
            header_may_follow = false;
            if !is_header {
                let step = step(&fields);
                steps.push(step.map_err(|problem| InvalidSeries::Line { line, problem })?);
                lines.push(line);
            }
        }
        Self::new(steps).map_err(|error| match error {
            InvalidSeries::NotLater { step } => {
                let problem = "does not begin after the step before it".to_owned();
                InvalidSeries::Line { line: lines[step - 1], problem }
            }
            other => other,
        })
    }
}

fn fields(line: &str) -> Vec<&str> {
    let line = line.trim_start_matches('\u{feff}');
    let content = line.split_once('#').map_or(line, |(content, _)| content);
    let separator = |c: char| c.is_whitespace() || c == ',' || c == ';';
    content.split(separator).filter(|field| !field.is_empty()).collect()
}

fn step(fields: &[&str]) -> Result<(Duration, Rate), String> {
    let [seconds, rate] = fields else {
        return Err(format!("has {} fields, not seconds and a rate", fields.len()));
    };
    let begin = seconds.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let begin = begin.ok_or_else(|| format!("`{seconds}` is no number of seconds"))?;
    let rate: f64 = rate.parse().map_err(|_| format!("`{rate}` is no rate"))?;
    Ok((begin, Rate::per_second(rate).map_err(|error| error.to_string())?))
}

/// In words: `series of 5 steps, 1 to 50/s`.
impl fmt::Display for RateSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.len();
        let plural = if steps == 1 { "" } else { "s" };
        write!(f, "series of {steps} step{plural}, ")?;
        if self.least() != self.peak() {
            write!(f, "{} to ", self.least().as_f64())?;
        }
        self.peak().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn steps(text: &str) -> Vec<(u64, f64)> {
        let series: RateSeries = text.parse().unwrap();
        series.steps.iter().map(|step| (step.ns, step.rate.as_f64())).collect()
    }

    #[test]
    fn a_file_is_read_with_or_without_a_header_and_comments() {
        for text in [
            "0,5\n1.5,20\n",
            "seconds,rate\r\n0,5\r\n1.5,20",
            "# made by hand\n\nt\trate\n  0\t5 # begin\n1.5 20",
            "\u{feff}0; 5\n1.5; 2e1",
        ] {
            assert_eq!(steps(text), [(0, 5.0), (SECOND * 3 / 2, 20.0)], "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expected) in [
            ("", "a rate series needs at least one step of seconds and requests per second"),
            (
                "t rate\n# nothing",
                "a rate series needs at least one step of seconds and requests per second",
            ),
            ("0,5\n1", "line 2: has 1 fields, not seconds and a rate"),
            ("0,5\n1,2,3", "line 2: has 3 fields, not seconds and a rate"),
            ("0,5\n\none,6", "line 3: `one` is no number of seconds"),
            ("-1,5", "line 1: `-1` is no number of seconds"),
            ("NaN 5", "line 1: `NaN` is no number of seconds"),
            ("0,fast", "line 1: `fast` is no rate"),
            ("t,r\nt,r", "line 2: `t` is no number of seconds"),
            ("0,0", "line 1: 0 is no rate: give requests per second, from 0.000001 to 1000000000"),
            ("0,5\n# again\n0,6", "line 3: does not begin after the step before it"),
            ("5,5\n4,6", "line 2: does not begin after the step before it"),
        ] {
            let error = text.parse::<RateSeries>().unwrap_err();
            assert_eq!(error.to_string(), expected, "{text:?}");
        }
        let rate = Rate::per_second(1.0).unwrap();
        let error = RateSeries::new([(Duration::MAX, rate), (Duration::MAX, rate)]).unwrap_err();
        assert_eq!(error.to_string(), "step 2 does not begin after the one before it");
    }

    #[test]
    fn nothing_is_due_before_the_first_step() {
        let series: RateSeries = "2 1\n4 1000".parse().unwrap();
        assert_eq!((series.integral(SECOND), series.time_of(0)), (0, Some(2 * SECOND)));
        assert_eq!(series.to_string(), "series of 2 steps, 1 to 1000/s");
        assert_eq!("0 3".parse::<RateSeries>().unwrap().to_string(), "series of 1 step, 3/s");
    }
}
