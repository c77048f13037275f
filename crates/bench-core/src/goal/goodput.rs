//! Which requests were good for their users.

use std::{fmt, str::FromStr};

use super::name::{self, InvalidLimit, UnknownMetric};
use crate::{Better, Metric, Sample, Source};

/// Limits that a request must meet to be a good one: `ttft:500 tpot:50 e2e:2s`, as AIPerf's and vLLM's
/// `--goodput`.
///
/// A bare number is in the metric's own unit, which is ms for times. Where more is better, a limit is
/// the least. `itl` and `inter_token_latency` are a request's mean, `tpot_ms`, as they are there.
///
/// ```
/// # use bench_core::Goodput;
/// let goodput: Goodput = "ttft:500 itl:50 e2e:2s".parse()?;
/// assert_eq!(goodput.to_string(), "ttft_ms:500 tpot_ms:50 e2e_ms:2000");
/// # Ok::<(), bench_core::InvalidGoodput>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Goodput {
    // Not empty, and no metric twice.
    limits: Vec<(&'static Metric, f64)>,
}

/// A text that says no limits for requests.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidGoodput {
    /// There is no limit in it.
    #[error("goodput needs a limit for requests, such as `ttft:500 tpot:50`")]
    Empty,
    /// A word of it is no limit.
    #[error("`{0}` is no limit for requests: write it as `ttft:500` or `e2e:2s`")]
    Form(String),
    /// A metric is none.
    #[error(transparent)]
    Metric(#[from] UnknownMetric),
    /// A metric has no value for each request.
    #[error(
        "`{metric}` has no value for each request: goodput takes those that do, such as ttft, tpot and e2e"
    )]
    NotPerRequest {
        /// The metric's id.
        metric: &'static str,
    },
    /// A metric does not say whether less or more of it is good.
    #[error("`{metric}` is neither good nor bad: goodput has no use for it")]
    NoDirection {
        /// The metric's id.
        metric: &'static str,
    },
    /// A metric has two limits.
    #[error("`{metric}` has two limits")]
    Twice {
        /// The metric's id.
        metric: &'static str,
    },
    /// A limit is none.
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
}

impl Goodput {
    /// Whether a request was good: it succeeded, and every metric is within its limit. One that a sample
    /// does not have is not.
    pub fn is_good(&self, sample: &Sample) -> bool {
        sample.outcome.is_ok()
            && self.limits.iter().all(|(metric, limit)| is_within(metric, *limit, sample))
    }
}

fn is_within(metric: &Metric, limit: f64, sample: &Sample) -> bool {
    metric.of(sample).is_some_and(|value| match metric.better {
        Better::Higher => value >= limit,
        Better::Lower | Better::Neither => value <= limit,
    })
}

impl FromStr for Goodput {
    type Err = InvalidGoodput;

    fn from_str(text: &str) -> Result<Self, InvalidGoodput> {
        let mut limits: Vec<(&'static Metric, f64)> = Vec::new();
        let words = text.split(|c: char| c.is_whitespace() || c == ',');
        for word in words.filter(|word| !word.is_empty()) {
            let (metric, limit) = limit_of(word)?;
            if limits.iter().any(|(other, _)| *other == metric) {
                return Err(InvalidGoodput::Twice { metric: metric.id });
            }
            limits.push((metric, limit));
        }
        if limits.is_empty() { Err(InvalidGoodput::Empty) } else { Ok(Self { limits }) }
    }
}

fn limit_of(word: &str) -> Result<(&'static Metric, f64), InvalidGoodput> {
    let form = || InvalidGoodput::Form(word.to_owned());
    let (name, limit) = word.split_once(':').ok_or_else(form)?;
    if name.is_empty() || limit.is_empty() {
        return Err(form());
    }
    // Our inter token latency is pooled over requests: for each, there is only their mean.
    let name = if name.eq_ignore_ascii_case("itl") { "tpot_ms" } else { name };
    let metric = name::named(name)?;
    if !matches!(metric.source, Source::Request(_)) {
        return Err(InvalidGoodput::NotPerRequest { metric: metric.id });
    }
    if metric.better == Better::Neither {
        return Err(InvalidGoodput::NoDirection { metric: metric.id });
    }
    Ok((metric, name::limit(limit, metric)?))
}

/// The form that reads back as the same limits: `ttft_ms:500 tpot_ms:50`.
impl fmt::Display for Goodput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (metric, limit)) in self.limits.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}{}:{limit}", metric.id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;
    use crate::{Answer, ArrivalKind, Clock, Moment, Outcome, Request, Stamp, Usage, registry};

    fn goodput(text: &str) -> Goodput {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn limits_are_read_and_shown_in_one_form() {
        for (text, expected) in [
            ("ttft:500 itl:50 e2e:2s", "ttft_ms:500 tpot_ms:50 e2e_ms:2000"),
            ("time_to_first_token:100 inter_token_latency:3.40", "ttft_ms:100 tpot_ms:3.4"),
            ("ttft:200,tpot:30,e2el:4000", "ttft_ms:200 tpot_ms:30 e2e_ms:4000"),
            (" output_token_throughput_per_user:60\n", "tps_user:60"),
            ("accuracy:100%", "accuracy:1"),
            ("TTFT:500us", "ttft_ms:0.5"),
        ] {
            assert_eq!(goodput(text).to_string(), expected, "{text}");
            assert_eq!(goodput(expected), goodput(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_limit_is_said() {
        for (text, expected) in [
            (" ", "goodput needs a limit for requests, such as `ttft:500 tpot:50`"),
            ("ttft", "`ttft` is no limit for requests: write it as `ttft:500` or `e2e:2s`"),
            ("ttft:", "`ttft:` is no limit for requests: write it as `ttft:500` or `e2e:2s`"),
            (":5", "`:5` is no limit for requests: write it as `ttft:500` or `e2e:2s`"),
            ("ttft:500 tpto:5", "`tpto` names no metric; near it are `tpot`, `ttfo` and `ttft`"),
            (
                "icl:5",
                "`icl_ms` has no value for each request: goodput takes those that do, such as ttft, tpot and e2e",
            ),
            ("osl:5", "`osl` is neither good nor bad: goodput has no use for it"),
            ("itl:5 tpot:6", "`tpot_ms` has two limits"),
            (
                "ttft:5%",
                "`5%` is no limit for `ttft_ms`: give a number, with us, ms or s if not in ms",
            ),
        ] {
            assert_eq!(text.parse::<Goodput>().unwrap_err().to_string(), expected, "{text}");
        }
    }

    /// Sent at 0, with a token at each of these milliseconds.
    fn sample(tokens: &[u64], outcome: Outcome) -> Sample {
        let at = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(at(0)), &Request::default());
        answer.sent(at(0));
        for ms in tokens {
            answer.generated(Stamp::of_read(at(*ms)), ArrivalKind::Content, "x", None);
        }
        let completion = u32::try_from(tokens.len()).unwrap();
        answer.usage(Usage { prompt: 1, completion, ..Usage::default() });
        answer.done(at(1_000));
        answer.take_sample(outcome, None)
    }

    #[test]
    fn a_request_is_good_if_it_succeeds_and_meets_every_limit() {
        // First token after 50 ms, then one each 20 ms: 50 tokens/s for its user.
        let tokens = &[50, 70, 90][..];
        for (limits, tokens, outcome, good) in [
            ("ttft:50", tokens, Outcome::Ok, true),
            ("ttft:49", tokens, Outcome::Ok, false),
            ("ttft:50 itl:20 e2e:90", tokens, Outcome::Ok, true),
            ("ttft:50 itl:19 e2e:90", tokens, Outcome::Ok, false),
            ("ttft:50 itl:20 e2e:89ms", tokens, Outcome::Ok, false),
            ("tps_user:50", tokens, Outcome::Ok, true),
            ("tps_user:51", tokens, Outcome::Ok, false),
            ("ttft:50", tokens, Outcome::Truncated, false),
            ("ttft:50", tokens, Outcome::Cancelled, false),
            // One token has no time per output token after the first.
            ("tpot:1000", &tokens[..1], Outcome::Ok, false),
            ("ttft:50", &tokens[..1], Outcome::Ok, true),
            ("accuracy:0", tokens, Outcome::Ok, false),
        ] {
            let sample = sample(tokens, outcome);
            assert_eq!(goodput(limits).is_good(&sample), good, "{limits}, {tokens:?}, {outcome}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(limits in prop::collection::vec(any::<f64>(), 1..12)) {
            let metrics = registry().iter().filter(|metric| {
                matches!(metric.source, Source::Request(_))
                    && metric.better != Better::Neither
                    && metric.unit != "ratio"
            });
            let goodput = Goodput { limits: metrics.zip(limits).collect() };
            prop_assert_eq!(goodput.to_string().parse(), Ok(goodput));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Goodput>();
            let _ = format!("ttft:{text}").parse::<Goodput>();
        }
    }
}
