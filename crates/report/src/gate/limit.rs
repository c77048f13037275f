//! How much a metric may change.

use std::{fmt, str::FromStr};

use bench_core::{Better, InvalidQuantity, Quantity};

/// The change of a metric that is too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Which number.
    pub metric: Quantity,
    /// The change: of the baseline, or a difference where the metric is a share. Below 0 no decrease beyond
    /// it passes, above 0 no increase.
    pub change: f64,
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
    /// The metric improves neither way, and the change has no sign.
    #[error("`{0}` needs a sign: the metric is better neither higher nor lower")]
    Sign(String),
}

impl Limit {
    /// What is too much where nothing is asked for: output_tps -5 %, p95(ttft_ms) +10 %, p50(tpot_ms) +5 %,
    /// error_ratio +1 point.
    pub fn defaults() -> Vec<Self> {
        ["output_tps:-5%", "p95(ttft_ms):+10%", "p50(tpot_ms):+5%", "error_ratio:+1%"]
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect()
    }

    pub(super) fn is_share(&self) -> bool {
        self.metric.metric().unit == "ratio"
    }

    /// Whether `change` goes beyond `bound`, in the limit's direction.
    pub(super) fn is_beyond(&self, change: f64, bound: f64) -> bool {
        if self.change < 0.0 { change < -bound } else { change > bound }
    }
}

/// `output_tps:-3%`; a change without a sign is one for the worse. Of a share, `%` and `pt` are points.
impl FromStr for Limit {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let form = || InvalidLimit::Form(text.to_owned());
        let (metric, change) = text.rsplit_once([':', '=']).ok_or_else(form)?;
        let metric: Quantity = metric.parse()?;
        let change = change.trim();
        let digits = change.trim_end_matches(['%', 'p', 't']).trim();
        let factor = if digits.len() < change.len() { 0.01 } else { 1.0 };
        let number: f64 = digits.parse().map_err(|_| form())?;
        if !number.is_finite() || number.abs() * factor > 100.0 {
            return Err(form());
        }
        let has_sign = digits.starts_with(['+', '-']);
        let change = match (has_sign, metric.metric().better) {
            (true, _) => number * factor,
            (false, Better::Lower) => number * factor,
            (false, Better::Higher) => -number * factor,
            (false, Better::Neither) => return Err(InvalidLimit::Sign(text.to_owned())),
        };
        // A limit of 0 has a direction too.
        Ok(Self { metric, change: if change.abs() > 0.0 { change } else { least(change) } })
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
            ("p95(ttft)=0.05", Some("p95(ttft_ms) +5 %")),
            ("error_ratio:+1pt", Some("error_ratio +1 pt")),
            ("error_ratio:1%", Some("error_ratio +1 pt")),
            ("good_ratio:2.5%", Some("good_ratio -2.5 pt")),
            ("p50(osl):5%", None),
            ("p50(osl):-5%", Some("p50(osl) -5 %")),
            ("output_tps", None),
            ("output_tps:", None),
            ("output_tps:NaN%", None),
            ("nonsense:5%", None),
            ("", None),
        ] {
            let found = text.parse::<Limit>().ok().map(|limit| limit.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(Limit::defaults().len(), 4);
    }
}
