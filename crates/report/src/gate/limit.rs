//! How much a metric may change.

use std::{fmt, str::FromStr};

use bench_core::{Better, InvalidQuantity, Quantity};
use bench_store::{PointSummary, SummaryFile};

/// The change of a metric that is too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Which number.
    pub metric: Quantity,
    /// The change: of the baseline, or a difference where the metric is a share. Below 0 no decrease beyond
    /// it passes, above 0 no increase.
    pub change: f64,
}

/// How much of a change is too much, as people write it: `-3%`, `+5%`, or `5%`, which is one for the worse. Of
/// a share, `1%` and `1pt` are a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    percent: f64,
    has_sign: bool,
}

/// A text that is no bound.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidBound {
    /// It has another form.
    #[error("`{0}` is no change such as -3% or +5%")]
    Form(String),
    /// It is a number alone, which some take for percent and some for a ratio.
    #[error("a number alone may be percent or a ratio: write {percent} or {ratio}")]
    Bare {
        /// What it is if it is percent.
        percent: Bound,
        /// What it is if it is a ratio.
        ratio: Bound,
    },
}

/// A text that is no limit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidLimit {
    /// It has another form.
    #[error("`{0}` is no limit such as output_tps:-3% or p95(ttft_ms):+5%")]
    Form(String),
    /// The metric is none.
    #[error(transparent)]
    Metric(#[from] InvalidQuantity),
    /// The change is none.
    #[error(transparent)]
    Bound(#[from] InvalidBound),
    /// The metric improves neither way, and the change has no sign.
    #[error("`{bound}` needs a sign: {metric} is better neither higher nor lower")]
    Sign {
        /// Of what.
        metric: Quantity,
        /// What was written.
        bound: Bound,
    },
    /// No change is beyond it.
    #[error("{metric} never changes by more than {bound}")]
    Never {
        /// Of what.
        metric: Quantity,
        /// What was written.
        bound: Bound,
    },
}

impl Limit {
    /// A change of `metric` beyond `bound`.
    ///
    /// # Errors
    ///
    /// When it would not be known which way, or when no change could be that large.
    pub fn of(metric: Quantity, bound: Bound) -> Result<Self, InvalidLimit> {
        let ratio = bound.percent / 100.0;
        let change = match (bound.has_sign, metric.metric().better) {
            (true, _) | (false, Better::Lower) => ratio,
            (false, Better::Higher) => -ratio,
            (false, Better::Neither) => return Err(InvalidLimit::Sign { metric, bound }),
        };
        // A limit of 0 has a direction too.
        let limit =
            Self { metric, change: if change.abs() > 0.0 { change } else { least(change) } };
        // What is not below 0 falls by no more than all of it.
        match change <= -1.0 || (limit.is_share() && change >= 1.0) {
            true => Err(InvalidLimit::Never { metric, bound }),
            false => Ok(limit),
        }
    }

    /// What is too much where nothing is asked for: output_tps -5 %, p95(ttft_ms) +10 %, p50(tpot_ms) +5 %,
    /// error_ratio +1 point.
    pub fn defaults() -> Vec<Self> {
        read(&["output_tps:-5%", "p95(ttft_ms):+10%", "p50(tpot_ms):+5%", "error_ratio:+1%"])
    }

    /// The same for runs like `baseline`: where answers have no tokens, rps -5 %, p95(e2e_ms) +10 %,
    /// error_ratio +1 point; where some have and some have not, all of these.
    pub fn defaults_for(baseline: &SummaryFile) -> Vec<Self> {
        let has = |point: &PointSummary, metric| point.metrics.contains_key(metric);
        let has_tokens = |point: &PointSummary| has(point, "output_tps");
        let is_of_results = |point: &PointSummary| has(point, "rps") && !has_tokens(point);
        if !baseline.points.iter().any(is_of_results) {
            return Self::defaults();
        }
        let of_results = read(&["rps:-5%", "p95(e2e_ms):+10%", "error_ratio:+1%"]);
        match baseline.points.iter().any(has_tokens) {
            false => of_results,
            true => [Self::defaults(), of_results[..2].to_vec()].concat(),
        }
    }

    pub(super) fn is_share(&self) -> bool {
        self.metric.metric().unit == "ratio"
    }

    /// Whether `change` goes beyond `bound`, in the limit's direction.
    pub(super) fn is_beyond(&self, change: f64, bound: f64) -> bool {
        if self.change < 0.0 { change < -bound } else { change > bound }
    }
}

fn read(limits: &[&str]) -> Vec<Limit> {
    limits.iter().filter_map(|text| text.parse().ok()).collect()
}

/// `output_tps:-3%`
impl FromStr for Limit {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let form = || InvalidLimit::Form(text.to_owned());
        let (metric, bound) = text.rsplit_once([':', '=']).ok_or_else(form)?;
        Self::of(metric.parse()?, bound.parse()?)
    }
}

impl FromStr for Bound {
    type Err = InvalidBound;

    fn from_str(text: &str) -> Result<Self, InvalidBound> {
        let form = || InvalidBound::Form(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed.strip_suffix('%').or_else(|| trimmed.strip_suffix("pt"));
        let number: f64 = digits.unwrap_or(trimmed).trim().parse().map_err(|_| form())?;
        if !(-10_000.0..=10_000.0).contains(&number) {
            return Err(form());
        }
        let bound = Self { percent: number, has_sign: trimmed.starts_with(['+', '-']) };
        match digits {
            Some(_) => Ok(bound),
            None => {
                let ratio = Self { percent: round(number * 100.0), ..bound };
                Err(InvalidBound::Bare { percent: bound, ratio })
            }
        }
    }
}

/// The form that reads back as the same.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_sign {
            write!(f, "{:+}%", self.percent)
        } else {
            write!(f, "{}%", self.percent)
        }
    }
}

/// The least change in the direction of a limit of 0: any change is beyond it.
fn least(zero: f64) -> f64 {
    f64::MIN_POSITIVE.copysign(zero)
}

/// `output_tps -5 %`
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.is_share() { "pt" } else { "%" };
        write!(f, "{} {:+} {unit}", self.metric, round(self.change * 100.0))
    }
}

/// Without what floats add.
fn round(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        for (text, expected) in [
            ("output_tps:-3%", Some("output_tps -3 %")),
            ("output_tps: 3%", Some("output_tps -3 %")),
            ("p95(ttft):+5%", Some("p95(ttft_ms) +5 %")),
            ("p95(ttft)=.5 %", Some("p95(ttft_ms) +0.5 %")),
            ("p95(ttft):+300%", Some("p95(ttft_ms) +300 %")),
            ("error_ratio:+1pt", Some("error_ratio +1 pt")),
            ("error_ratio:1%", Some("error_ratio +1 pt")),
            ("good_ratio:2.5%", Some("good_ratio -2.5 pt")),
            ("p50(osl):5%", None),
            ("p50(osl):-5%", Some("p50(osl) -5 %")),
            ("output_tps", None),
            ("output_tps:", None),
            ("output_tps:NaN%", None),
            ("output_tps:-3%%", None),
            ("output_tps:-3 p", None),
            ("nonsense:5%", None),
            ("", None),
        ] {
            let found = text.parse::<Limit>().ok().map(|limit| limit.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(Limit::defaults().len(), 4);
    }

    /// `-3` was a fall of 300 %, which nothing is ever beyond.
    #[test]
    fn what_could_never_be_broken_is_no_limit() {
        for (text, said) in [
            ("output_tps:-3", "a number alone may be percent or a ratio: write -3% or -300%"),
            ("p95(ttft)=0.07", "a number alone may be percent or a ratio: write 0.07% or 7%"),
            ("error_ratio: +1", "a number alone may be percent or a ratio: write +1% or +100%"),
            ("output_tps:-300%", "output_tps never changes by more than -300%"),
            ("output_tps:100%", "output_tps never changes by more than 100%"),
            ("error_ratio:+100pt", "error_ratio never changes by more than +100%"),
            ("p50(osl):5%", "`5%` needs a sign: p50(osl) is better neither higher nor lower"),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap_err().to_string(), said, "{text}");
        }
    }

    #[test]
    fn a_bound_is_written_as_it_is_read() {
        for (text, written) in
            [("-3%", "-3%"), ("+5 %", "+5%"), (" 5%", "5%"), ("1pt", "1%"), ("-0%", "-0%")]
        {
            let bound: Bound = text.parse().unwrap();
            assert_eq!(bound.to_string(), written);
            assert_eq!(written.parse::<Bound>(), Ok(bound));
        }
    }
}
