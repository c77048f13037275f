//! Whether a point's numbers can be trusted, and why not.

use std::fmt;

use crate::{
    EarlyEnd, Summary, TokenSource,
    stats::{Drift, sample_floor},
};

/// How far numbers can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Nothing speaks against them.
    Trusted,
    /// They stand, with reservations that are named.
    Doubtful,
    /// They describe something else than the server; never shown without this word.
    Void,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Trusted => "trusted",
            Self::Doubtful => "doubtful",
            Self::Void => "void",
        })
    }
}

/// Something that speaks against the numbers, with its figure.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Not one request succeeded.
    NoSuccess {
        /// Requests that ended.
        requests: u64,
    },
    /// Too many requests failed.
    Errors {
        /// Failed / (failed + successful).
        ratio: f64,
    },
    /// Too few requests succeeded to quote more than the median.
    FewSamples {
        /// Successful requests.
        have: u64,
    },
    /// Requests were sent late.
    LateSends {
        /// How late, at the 99th percentile.
        p99_ms: f64,
        /// The median time to first token, beside which it counts.
        ttft_ms: f64,
    },
    /// This machine read arrivals late. Where the kernel stamped them, the numbers are still right.
    ClientLag {
        /// How late, at the 99th percentile.
        p99_ms: f64,
        /// The median gap between events, beside which it counts.
        gap_ms: f64,
    },
    /// Many events shared a read, so that their gaps are unknown.
    Coalesced {
        /// Share of gaps.
        ratio: f64,
        /// Whether this machine reads late, too: else the server sends several at once.
        read_late: bool,
    },
    /// Arrivals were stamped when read although this platform has kernel stamps: a clock was set, or
    /// the kernel left stamps out.
    UnstampedArrivals {
        /// Share of arrivals.
        ratio: f64,
    },
    /// This process used most of the processor.
    ClientCpu {
        /// Cores used.
        used: f64,
        /// Cores there are.
        of: f64,
    },
    /// Answers were shorter than asked for.
    ShortOutput {
        /// Output tokens received / asked for.
        ratio: f64,
    },
    /// The server's count of output tokens and the tokenizer's differ.
    TokenCounts {
        /// Share of requests where they differ by more than 2 %.
        ratio: f64,
    },
    /// Output tokens were guessed.
    EstimatedTokens {
        /// From what.
        source: TokenSource,
    },
    /// Samples waited for their channel.
    DelayedSamples {
        /// How many.
        samples: u64,
    },
    /// The workload did not keep up.
    Starved {
        /// How often a request could not be sent for that.
        times: u64,
    },
    /// The run was stopped before its end.
    Interrupted,
    /// The point was ended early.
    EndedEarly {
        /// Why.
        because: EarlyEnd,
    },
    /// The point could not even be begun.
    NotMeasured,
    /// This machine could not send requests: no file, port or memory was left.
    LocalLimits {
        /// How many.
        requests: u64,
        /// Share of those that ended.
        ratio: f64,
    },
    /// The server had prompts in its cache.
    CachedPrompts {
        /// Share of the prompt tokens.
        ratio: f64,
    },
    /// The second half of the steady window went otherwise than the first.
    Drift(Drift),
    /// The first requests were slower than the later ones: the server was not warm.
    ColdStart(Drift),
    /// Somebody set this machine's clock.
    ClockStepped {
        /// By how much.
        ms: f64,
    },
    /// The GPU ran slower than it was asked to, as for its heat or its power limit.
    GpuThrottled {
        /// Share of readings.
        ratio: f64,
    },
    /// Others than the server used the GPU.
    GpuShared {
        /// The most that were seen at a time.
        processes: u32,
    },
}

impl Reason {
    /// A stable name, for files and `explain`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuccess { .. } => "no_success",
            Self::Errors { .. } => "errors",
            Self::FewSamples { .. } => "n_small",
            Self::LateSends { .. } => "late_sends",
            Self::ClientLag { .. } => "lag",
            Self::Coalesced { .. } => "coalesced",
            Self::UnstampedArrivals { .. } => "unstamped",
            Self::ClientCpu { .. } => "client_cpu",
            Self::ShortOutput { .. } => "osl",
            Self::TokenCounts { .. } => "usage_conflict",
            Self::EstimatedTokens { .. } => "tokens_estimated",
            Self::DelayedSamples { .. } => "delayed_samples",
            Self::Starved { .. } => "starved",
            Self::Interrupted => "interrupted",
            Self::EndedEarly { .. } => "ended_early",
            Self::NotMeasured => "not_measured",
            Self::LocalLimits { .. } => "local_limits",
            Self::CachedPrompts { .. } => "cached",
            Self::Drift(_) => "drift",
            Self::ColdStart(_) => "cold_start",
            Self::ClockStepped { .. } => "clock",
            Self::GpuThrottled { .. } => "gpu_throttled",
            Self::GpuShared { .. } => "gpu_shared",
        }
    }

    /// How much it speaks against the numbers.
    pub fn trust(&self) -> Trust {
        match self {
            Self::NoSuccess { .. } | Self::NotMeasured => Trust::Void,
            Self::LocalLimits { ratio, .. } if *ratio > VOID_UNSENT => Trust::Void,
            Self::LateSends { p99_ms, ttft_ms }
                if *p99_ms > VOID_LATE_MS.max(ttft_ms * VOID_LATE_SHARE) =>
            {
                Trust::Void
            }
            Self::Coalesced { ratio, read_late: true } if *ratio > VOID_COALESCED => Trust::Void,
            _ => Trust::Doubtful,
        }
    }

    /// What can be done about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoSuccess { .. } | Self::Errors { .. } => {
                "look at the errors and at the server's log"
            }
            Self::FewSamples { .. } => "send more requests: -n, or a longer -d",
            Self::LateSends { .. } => {
                "ask for a lower rate, or give the client more cores (--threads)"
            }
            Self::ClientLag { .. } | Self::ClientCpu { .. } => {
                "give the client cores of its own, or run it on another machine"
            }
            Self::Coalesced { read_late: true, .. } => {
                "give the client cores of its own, or run it on another machine"
            }
            Self::Coalesced { read_late: false, .. } => {
                "nothing on this side: look at latencies of whole requests, and at tpot_ms"
            }
            Self::UnstampedArrivals { .. } => {
                "check that nothing sets this machine's clock during a run"
            }
            Self::ShortOutput { .. } => {
                "have the server ignore the end token: --extra-inputs ignore_eos:true, where it knows that"
            }
            Self::TokenCounts { .. } => "check that --tokenizer is the served model's",
            Self::EstimatedTokens { .. } => "give the model's tokenizer: --tokenizer PATH",
            Self::DelayedSamples { .. } => "write the results to a faster disk",
            Self::Starved { .. } => "prepare more prompts ahead",
            Self::Interrupted => "run it to its end: inferbench resume",
            Self::EndedEarly { .. } => "ask for less load, or let it run to its end",
            Self::NotMeasured => "see why it could not be measured, and resume the run",
            Self::LocalLimits { .. } => "raise ulimit -n, or ask for fewer connections",
            Self::CachedPrompts { .. } => {
                "have the server forget its prefixes, or send other prompts: --random-seed"
            }
            Self::Drift(_) => {
                "measure longer, and see whether the server heats up, fills up or leaks: -d 5m"
            }
            Self::ColdStart(_) => "warm up longer: --warmup-request-count",
            Self::ClockStepped { .. } => {
                "have nothing set the clock during a run; chrony and ntpd slew it by default"
            }
            Self::GpuThrottled { .. } => {
                "see why with nvidia-smi -q -d PERFORMANCE; cool the GPU, or raise its power limit"
            }
            Self::GpuShared { .. } => {
                "stop them, or give the server a GPU of its own; nvidia-smi names them"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuccess { requests } => write!(f, "none of {requests} requests succeeded"),
            Self::Errors { ratio } => {
                write!(
                    f,
                    "{:.1} % of requests failed (limit {:.0} %)",
                    ratio * 100.0,
                    MOST_ERRORS * 100.0
                )
            }
            Self::FewSamples { have } => {
                write!(f, "{have} successful requests: p90 needs {}", floor_of_p90())
            }
            Self::LateSends { p99_ms, ttft_ms } => write!(
                f,
                "requests were sent {p99_ms:.2} ms late (p99), beside a median TTFT of {ttft_ms:.1} ms"
            ),
            Self::ClientLag { p99_ms, gap_ms } => write!(
                f,
                "this machine read {p99_ms:.2} ms late (p99), beside gaps of {gap_ms:.2} ms; kernel stamps \
                 correct for it"
            ),
            Self::Coalesced { ratio, read_late } => {
                let why = if *read_late { "were read late" } else { "were sent" };
                write!(f, "{:.1} % of chunks {why} together: their gaps are unknown", ratio * 100.0)
            }
            Self::UnstampedArrivals { ratio } => {
                write!(f, "{:.1} % of arrivals lack the kernel's stamp", ratio * 100.0)
            }
            Self::ClientCpu { used, of } => write!(f, "the client used {used:.1} of {of:.0} cores"),
            Self::ShortOutput { ratio } => {
                write!(f, "answers hold {:.1} % of the tokens asked for", ratio * 100.0)
            }
            Self::TokenCounts { ratio } => write!(
                f,
                "server and tokenizer count output tokens differently in {:.1} % of requests",
                ratio * 100.0
            ),
            Self::EstimatedTokens { source: TokenSource::Chunks } => {
                write!(f, "output tokens are guessed from the number of chunks")
            }
            Self::EstimatedTokens { .. } => {
                write!(f, "output tokens are guessed by an approximate tokenizer")
            }
            Self::DelayedSamples { samples } => {
                write!(f, "{samples} samples waited for a slow sink")
            }
            Self::Starved { times } => write!(f, "the workload had no request ready {times} times"),
            Self::Interrupted => write!(f, "stopped before its end: partial"),
            Self::EndedEarly { because } => write!(f, "ended early: {because}"),
            Self::NotMeasured => write!(f, "it could not be measured"),
            Self::LocalLimits { requests, ratio } => write!(
                f,
                "this machine could not send {requests} requests ({:.1} %)",
                ratio * 100.0
            ),
            Self::CachedPrompts { ratio } => write!(
                f,
                "the server had {:.1} % of the prompt tokens in its cache (limit {:.0} %)",
                ratio * 100.0,
                MOST_CACHED * 100.0
            ),
            Self::Drift(drift) => write!(
                f,
                "the second half was {} (median {:.2} ms, then {:.2} ms)",
                percent_slower(drift.ratio),
                drift.first,
                drift.second
            ),
            Self::ColdStart(drift) => write!(
                f,
                "the first requests were {} than the rest (median {:.2} ms, then {:.2} ms)",
                percent_slower(drift.first / drift.second - 1.0),
                drift.first,
                drift.second
            ),
            Self::ClockStepped { ms } => {
                write!(f, "this machine's clock was set by {ms:.0} ms")
            }
            Self::GpuThrottled { ratio } => write!(
                f,
                "the GPU was throttled in {:.1} % of readings (limit {:.0} %)",
                ratio * 100.0,
                MOST_THROTTLED * 100.0
            ),
            Self::GpuShared { processes } => {
                let noun = if *processes == 1 { "process" } else { "processes" };
                write!(f, "{processes} other {noun} used the GPU (limit {MOST_OTHERS})")
            }
        }
    }
}

/// `12.5 % slower`, or faster.
fn percent_slower(ratio: f64) -> String {
    let word = if ratio < 0.0 { "faster" } else { "slower" };
    format!("{:.1} % {word}", ratio.abs() * 100.0)
}

/// Every reason's code, and what it means.
pub const REASONS: [(&str, &str); 24] = [
    ("no_success", "Not one request succeeded: there is nothing to measure. Void."),
    (
        "errors",
        "More than 1 % of requests failed. Latencies are those of the others, which may be the lucky ones.",
    ),
    (
        "n_small",
        "Fewer than 64 requests succeeded: not even a 90th percentile can be quoted with 99 % confidence.",
    ),
    (
        "late_sends",
        "Requests at a rate were sent later than max(1 ms, 1 % of the median TTFT), connections aside: the \
         load was not the one asked for. Void beyond max(10 ms, 50 %).",
    ),
    (
        "lag",
        "This machine read arrivals later than half the median gap (p99). The kernel's stamps keep that out \
         of the numbers until reads begin to hold several events.",
    ),
    (
        "coalesced",
        "More than 5 % of chunks came in one read with another: their own moments are unknown, and they \
         give no gaps. The server sends in bursts, or this machine reads too late; in the second case void \
         beyond 90 %.",
    ),
    (
        "unstamped",
        "More than 1 % of arrivals lack the kernel's stamp although others have it: somebody set this \
         machine's clock, or the kernel had not begun to stamp.",
    ),
    ("client_cpu", "This process used more than 85 % of this machine's processors."),
    (
        "osl",
        "Answers hold less than 98 % of the tokens asked for: throughput and latency are those of shorter \
         answers.",
    ),
    (
        "usage_conflict",
        "The server's count of output tokens and the tokenizer's differ by more than 2 % in more than 2 % \
         of requests.",
    ),
    (
        "tokens_estimated",
        "The server does not count tokens and the model's tokenizer did not: the count of an approximate one, or \
         the number of chunks, stands for them.",
    ),
    (
        "delayed_samples",
        "Samples waited because a sink, such as the disk, was slow. None was lost, and no request waited.",
    ),
    (
        "starved",
        "A load thread found no request ready when it wanted to send one: the load was lower than asked for.",
    ),
    (
        "interrupted",
        "The run was stopped before its end; the numbers are those of the part that was measured.",
    ),
    (
        "ended_early",
        "The point was ended before its time, because its first requests all failed, because a goal was missed \
         and --slo-abort says to stop then, or because requests came in faster than they were answered.",
    ),
    (
        "not_measured",
        "The point could not be begun, as when its server could not be reached; the others were measured. Void.",
    ),
    (
        "local_limits",
        "This machine could not send requests, because no file descriptor, port or memory was left: they are \
         failures of the client, not of the server. Void beyond 1 %.",
    ),
    (
        "cached",
        "The server says that it had more than 1 % of the prompt tokens in its prefix cache, although no two \
         prompts begin alike: it has seen them before, and answers sooner than it otherwise would.",
    ),
    (
        "drift",
        "The median time to first token or per token of the second half of the steady window differs from that \
         of the first by more than 10 %, and a Mann-Whitney test says that this is no chance (p < 0.001): the \
         server was not in a steady state.",
    ),
    (
        "cold_start",
        "The first tenth of the measured requests was slower than the rest by more than 10 %, and a Mann-Whitney \
         test says that this is no chance (p < 0.001): the warm-up was too short.",
    ),
    (
        "imported",
        "Another tool measured this, and nothing of how it did can be checked here. Where its definitions differ from \
         ours, the run's notes say how.",
    ),
    (
        "clock",
        "Somebody set this machine's wall clock during the measurement, by more than a clock that is slewed gains. \
         Times are taken from the monotonic clock; kernel stamps are wall time, and were left out around the step.",
    ),
    (
        "gpu_throttled",
        "In more than 1 % of the readings of the measured phase a GPU ran slower than it was asked to, as for its \
         heat or its power limit. Another machine, or this one when cool, may be faster.",
    ),
    (
        "gpu_shared",
        "A process other than the server was seen on the GPU during the measured phase: the server had only a part \
         of it.",
    ),
];

/// How far a point's numbers can be trusted, and what speaks against them.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The worst that any reason says.
    pub trust: Trust,
    /// What speaks against them, worst first.
    pub reasons: Vec<Reason>,
}

const MOST_ERRORS: f64 = 0.01;
const LEAST_OUTPUT: f64 = 0.98;
const MOST_DISAGREEING: f64 = 0.02;
const MOST_COALESCED: f64 = 0.05;
const VOID_COALESCED: f64 = 0.90;
const MOST_UNSTAMPED: f64 = 0.01;
const MOST_CPU: f64 = 0.85;
const VOID_UNSENT: f64 = 0.01;
const MOST_CACHED: f64 = 0.01;
const MOST_THROTTLED: f64 = 0.01;
const MOST_OTHERS: u32 = 0;
/// Late sends p99 ≤ max(1 ms, 1 % of the median TTFT).
const LATE_MS: f64 = 1.0;
const LATE_SHARE: f64 = 0.01;
const VOID_LATE_MS: f64 = 10.0;
const VOID_LATE_SHARE: f64 = 0.5;
/// Client lag p99 ≤ half the median gap: beyond, reads begin to hold several events, whose moments kernel
/// stamps cannot tell apart. Never a doubt below a fifth of a millisecond, which is a scheduler's tick.
const LAG_SHARE: f64 = 0.5;
const LAG_MS: f64 = 0.2;

fn floor_of_p90() -> u64 {
    sample_floor(90.0).expect("the table has p90")
}

impl Verdict {
    /// The verdict on a point that could not be begun.
    pub fn not_measured() -> Self {
        Self { trust: Trust::Void, reasons: vec![Reason::NotMeasured] }
    }

    /// The verdict on `summary`; `interrupted` tells whether the phase was stopped before its end.
    pub fn on(summary: &Summary, interrupted: bool) -> Self {
        let mut reasons = reasons(summary);
        reasons.extend(interrupted.then_some(Reason::Interrupted));
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.trust()));
        let trust = reasons.first().map_or(Trust::Trusted, Reason::trust);
        Self { trust, reasons }
    }
}

fn reasons(summary: &Summary) -> Vec<Reason> {
    let facts = &summary.facts;
    let have = summary.succeeded();
    let early_end = facts.early_end.map(|because| Reason::EndedEarly { because });
    if have == 0 {
        let nothing = Reason::NoSuccess { requests: summary.requests() };
        return std::iter::once(nothing).chain(early_end).collect();
    }
    let median = |id| summary.distribution(id).map(crate::stats::Distribution::median);
    let over = |value: Option<f64>, limit: f64| value.filter(|v| *v > limit);
    let mut reasons = Vec::new();

    reasons.extend(
        over(summary.value("error_ratio"), MOST_ERRORS).map(|ratio| Reason::Errors { ratio }),
    );
    reasons.extend((have < floor_of_p90()).then_some(Reason::FewSamples { have }));
    if facts.open_loop
        && let (Some(p99_ms), Some(ttft_ms)) = (facts.late_ms_p99, median("ttft_ms"))
        && p99_ms > LATE_MS.max(ttft_ms * LATE_SHARE)
    {
        reasons.push(Reason::LateSends { p99_ms, ttft_ms });
    }
    let lag = summary.distribution("client_lag_ms").and_then(|lag| lag.percentile(99.0));
    // Where all chunks came together there is no gap: the time per token stands for it.
    let gap = median("icl_ms").or_else(|| median("tpot_ms"));
    let late = lag.zip(gap).filter(|(lag, gap)| *lag > LAG_MS.max(gap * LAG_SHARE));
    reasons.extend(late.map(|(p99_ms, gap_ms)| Reason::ClientLag { p99_ms, gap_ms }));
    // Without the kernel's stamps nobody knows how late reads were.
    let read_late = late.is_some() || lag.is_none();
    reasons.extend(
        over(summary.value("coalesced_ratio"), MOST_COALESCED)
            .map(|ratio| Reason::Coalesced { ratio, read_late }),
    );
    // Where no arrival has a kernel stamp the platform has none, and the report says so by itself.
    let unstamped =
        facts.kernel_stamped_ratio.filter(|kernel| *kernel > 0.0).map(|kernel| 1.0 - kernel);
    reasons
        .extend(over(unstamped, MOST_UNSTAMPED).map(|ratio| Reason::UnstampedArrivals { ratio }));
    if let (Some(used), Some(of)) = (facts.client_cpu_cores, facts.cores)
        && used > of * MOST_CPU
    {
        reasons.push(Reason::ClientCpu { used, of });
    }
    reasons.extend(
        facts
            .delivered_output_ratio
            .filter(|r| *r < LEAST_OUTPUT)
            .map(|ratio| Reason::ShortOutput { ratio }),
    );
    reasons.extend(
        over(facts.disagreeing_ratio, MOST_DISAGREEING).map(|ratio| Reason::TokenCounts { ratio }),
    );
    reasons.extend(
        facts
            .output_token_source
            .filter(|source| matches!(source, TokenSource::Approximate | TokenSource::Chunks))
            .map(|source| Reason::EstimatedTokens { source }),
    );
    let samples = facts.delayed_samples;
    reasons.extend((samples > 0).then_some(Reason::DelayedSamples { samples }));
    reasons.extend((facts.starved > 0).then_some(Reason::Starved { times: facts.starved }));
    let (unsent, all) = (summary.unsendable(), summary.requests());
    reasons.extend(
        (unsent > 0)
            .then(|| Reason::LocalLimits { requests: unsent, ratio: unsent as f64 / all as f64 }),
    );
    reasons
        .extend(over(facts.cached_ratio, MOST_CACHED).map(|ratio| Reason::CachedPrompts { ratio }));
    reasons.extend(facts.cold_start.map(Reason::ColdStart));
    // What was cold at first has drifted as well: once is enough.
    reasons.extend(facts.drift.filter(|_| facts.cold_start.is_none()).map(Reason::Drift));
    reasons.extend(facts.clock_step_ms.map(|ms| Reason::ClockStepped { ms }));
    reasons.extend(
        over(facts.gpu_throttled_ratio, MOST_THROTTLED).map(|ratio| Reason::GpuThrottled { ratio }),
    );
    let others = facts.gpu_other_processes.filter(|processes| *processes > MOST_OTHERS);
    reasons.extend(others.map(|processes| Reason::GpuShared { processes }));
    reasons.extend(early_end);
    reasons
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        Outcome,
        metrics::{Facts, Figure, metric},
        stats::Distribution,
    };

    fn of(values: &[f64]) -> Figure {
        Figure::Distribution(Distribution::of(&mut values.to_vec()).unwrap())
    }

    /// 1000 good requests with TTFT 50 ms, gaps of 10 ms and no lag to speak of.
    fn good() -> Summary {
        Summary {
            outcomes: BTreeMap::from([(Outcome::Ok, 1_000)]),
            errors: BTreeMap::new(),
            facts: Facts { kernel_stamped_ratio: Some(1.0), ..Facts::default() },
            figures: vec![
                (metric("ttft_ms").unwrap(), of(&[50.0])),
                (metric("icl_ms").unwrap(), of(&[10.0])),
                (metric("client_lag_ms").unwrap(), of(&[0.01])),
                (metric("error_ratio").unwrap(), Figure::Value(0.0)),
            ],
        }
    }

    fn set(summary: &mut Summary, id: &str, figure: Figure) {
        summary.figures.retain(|(m, _)| m.id != id);
        summary.figures.push((metric(id).unwrap(), figure));
    }

    const SLOWER: Drift = Drift { first: 50.0, second: 60.0, ratio: 0.2, p_value: 1e-9 };

    #[test]
    fn a_point_that_could_not_be_measured_is_void() {
        let verdict = Verdict::not_measured();
        assert_eq!((verdict.trust, verdict.reasons[0].code()), (Trust::Void, "not_measured"));
        assert!(REASONS.iter().any(|(known, _)| *known == "not_measured"));
    }

    #[test]
    fn nothing_against_it_is_trusted() {
        assert_eq!(Verdict::on(&good(), false), Verdict { trust: Trust::Trusted, reasons: vec![] });
    }

    #[test]
    fn each_reason_can_be_provoked() {
        type Spoil = fn(&mut Summary);
        let cases: [(&str, Trust, Spoil); 26] = [
            ("no_success", Trust::Void, |s| s.outcomes = BTreeMap::from([(Outcome::Reset, 5)])),
            ("errors", Trust::Doubtful, |s| set(s, "error_ratio", Figure::Value(0.02))),
            ("n_small", Trust::Doubtful, |s| s.outcomes = BTreeMap::from([(Outcome::Ok, 63)])),
            ("late_sends", Trust::Doubtful, |s| {
                (s.facts.open_loop, s.facts.late_ms_p99) = (true, Some(1.5));
            }),
            ("late_sends", Trust::Void, |s| {
                (s.facts.open_loop, s.facts.late_ms_p99) = (true, Some(30.0));
            }),
            ("lag", Trust::Doubtful, |s| set(s, "client_lag_ms", of(&[5.5]))),
            ("coalesced", Trust::Doubtful, |s| set(s, "coalesced_ratio", Figure::Value(0.06))),
            // A server that sends in bursts is no reason to call its numbers void.
            ("coalesced", Trust::Doubtful, |s| set(s, "coalesced_ratio", Figure::Value(0.95))),
            ("coalesced", Trust::Void, |s| {
                set(s, "coalesced_ratio", Figure::Value(0.95));
                s.figures.retain(|(m, _)| m.id != "client_lag_ms");
            }),
            ("unstamped", Trust::Doubtful, |s| s.facts.kernel_stamped_ratio = Some(0.9)),
            ("client_cpu", Trust::Doubtful, |s| {
                (s.facts.client_cpu_cores, s.facts.cores) = (Some(1.9), Some(2.0));
            }),
            ("osl", Trust::Doubtful, |s| s.facts.delivered_output_ratio = Some(0.9)),
            ("usage_conflict", Trust::Doubtful, |s| s.facts.disagreeing_ratio = Some(0.5)),
            ("tokens_estimated", Trust::Doubtful, |s| {
                s.facts.output_token_source = Some(TokenSource::Chunks);
            }),
            ("tokens_estimated", Trust::Doubtful, |s| {
                s.facts.output_token_source = Some(TokenSource::Approximate);
            }),
            ("delayed_samples", Trust::Doubtful, |s| s.facts.delayed_samples = 1),
            ("starved", Trust::Doubtful, |s| s.facts.starved = 1),
            ("local_limits", Trust::Doubtful, |s| {
                s.outcomes.insert(Outcome::Client, 5);
            }),
            ("local_limits", Trust::Void, |s| {
                s.outcomes.insert(Outcome::Client, 50);
            }),
            ("cached", Trust::Doubtful, |s| s.facts.cached_ratio = Some(0.3)),
            ("drift", Trust::Doubtful, |s| s.facts.drift = Some(SLOWER)),
            ("cold_start", Trust::Doubtful, |s| {
                // A cold start is a drift, too.
                (s.facts.cold_start, s.facts.drift) = (Some(SLOWER), Some(SLOWER));
            }),
            ("clock", Trust::Doubtful, |s| s.facts.clock_step_ms = Some(-3_600_000.0)),
            ("gpu_throttled", Trust::Doubtful, |s| s.facts.gpu_throttled_ratio = Some(0.02)),
            ("gpu_shared", Trust::Doubtful, |s| s.facts.gpu_other_processes = Some(1)),
            ("ended_early", Trust::Doubtful, |s| s.facts.early_end = Some(EarlyEnd::Saturated)),
        ];
        for (code, trust, spoil) in cases {
            let mut summary = good();
            spoil(&mut summary);
            let verdict = Verdict::on(&summary, false);
            let codes: Vec<_> = verdict.reasons.iter().map(Reason::code).collect();
            assert_eq!(
                (codes.as_slice(), verdict.trust),
                ([code].as_slice(), trust),
                "{verdict:?}"
            );
            assert!(REASONS.iter().any(|(known, _)| *known == code), "{code} is explained");
            assert!(
                !verdict.reasons[0].to_string().is_empty()
                    && !verdict.reasons[0].remedy().is_empty()
            );
        }
        assert_eq!(Verdict::on(&good(), true).reasons, [Reason::Interrupted]);
    }

    #[test]
    fn a_closed_loop_is_never_late_and_a_platform_without_stamps_is_no_doubt() {
        let mut summary = good();
        summary.facts.late_ms_p99 = Some(40.0);
        summary.facts.kernel_stamped_ratio = Some(0.0);
        assert_eq!(Verdict::on(&summary, false).trust, Trust::Trusted);
    }

    #[test]
    fn a_gpu_of_its_own_that_keeps_its_clocks_is_no_doubt() {
        let mut summary = good();
        summary.facts.gpu_throttled_ratio = Some(0.01);
        summary.facts.gpu_other_processes = Some(0);
        assert_eq!(Verdict::on(&summary, false).trust, Trust::Trusted);
    }

    #[test]
    fn doubts_about_the_gpu_tell_figure_and_limit() {
        let cases = [
            (
                Reason::GpuThrottled { ratio: 0.123 },
                "the GPU was throttled in 12.3 % of readings (limit 1 %)",
            ),
            (Reason::GpuShared { processes: 1 }, "1 other process used the GPU (limit 0)"),
            (Reason::GpuShared { processes: 3 }, "3 other processes used the GPU (limit 0)"),
        ];
        for (reason, text) in cases {
            assert_eq!(reason.to_string(), text);
        }
    }

    #[test]
    fn the_worst_reason_comes_first_and_decides() {
        let mut summary = good();
        set(&mut summary, "client_lag_ms", of(&[9.0]));
        set(&mut summary, "coalesced_ratio", Figure::Value(0.95));
        let verdict = Verdict::on(&summary, true);
        assert_eq!((verdict.trust, verdict.reasons[0].code()), (Trust::Void, "coalesced"));
        assert_eq!(verdict.reasons.len(), 3);
    }
}
