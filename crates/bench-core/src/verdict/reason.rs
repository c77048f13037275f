//! What speaks against the numbers, in words.

use std::fmt;

use super::{
    Trust,
    limits::{
        LEAST_DRIFT, LEAST_OUTPUT, MOST_CACHED, MOST_COALESCED, MOST_CPU, MOST_CUT_OFF,
        MOST_DISAGREEING, MOST_ENERGY_DIFFERENCE, MOST_ERRORS, MOST_OTHERS, MOST_OUTPUT,
        MOST_SERVER_DIFFERENCE, MOST_THROTTLED, MOST_UNSENT, MOST_UNSTAMPED, VOID_COALESCED,
        VOID_UNSENDABLE, VOID_UNSENT, floor_of_p90, most_lag_ms, most_late_ms, void_late_ms,
    },
};
use crate::{EarlyEnd, TokenSource, metrics::SharedFigure, stats::Drift};

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
        /// The median time until an answer began, beside which it counts.
        answered_ms: f64,
    },
    /// Requests were due and never sent, because too many others were in flight.
    Unsent {
        /// How many.
        requests: u64,
        /// Share of those that were due.
        ratio: f64,
    },
    /// Requests in flight were given up when the grace period was over.
    CutOff {
        /// How many.
        requests: u64,
        /// Share of those that were sent.
        ratio: f64,
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
    /// Answers were longer than asked for.
    LongOutput {
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
    /// The server was lost on the way.
    TargetLost {
        /// Seconds from the first request to the last token of a success.
        after_s: f64,
        /// Whether it is there, and refuses the key.
        refuses_key: bool,
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
        /// Share of the time.
        ratio: f64,
    },
    /// Others than the server used the GPU.
    GpuShared {
        /// The most that were seen at a time.
        processes: u32,
    },
    /// Power over time and a GPU's own count of its energy differ.
    Energy {
        /// By this share of the count.
        ratio: f64,
    },
    /// What was watched is gone, such as a GPU that fell off the bus.
    GpuLost {
        /// How many.
        lost: u64,
    },
    /// The server's counters began anew.
    ServerRestarted {
        /// How often.
        times: u32,
    },
    /// The server counted otherwise than this client.
    ServerDisagrees {
        /// What it counted.
        what: SharedFigure,
        /// By which share it was more; less is below 0.
        ratio: f64,
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
            Self::Unsent { .. } => "unsent",
            Self::CutOff { .. } => "cut_off",
            Self::ClientLag { .. } => "lag",
            Self::Coalesced { .. } => "coalesced",
            Self::UnstampedArrivals { .. } => "unstamped",
            Self::ClientCpu { .. } => "client_cpu",
            Self::ShortOutput { .. } => "osl",
            Self::LongOutput { .. } => "osl_long",
            Self::TokenCounts { .. } => "usage_conflict",
            Self::EstimatedTokens { .. } => "tokens_estimated",
            Self::DelayedSamples { .. } => "delayed_samples",
            Self::Starved { .. } => "starved",
            Self::Interrupted => "interrupted",
            Self::EndedEarly { .. } => "ended_early",
            Self::TargetLost { .. } => "target_lost",
            Self::NotMeasured => "not_measured",
            Self::LocalLimits { .. } => "local_limits",
            Self::CachedPrompts { .. } => "cached",
            Self::Drift(_) => "drift",
            Self::ColdStart(_) => "cold_start",
            Self::ClockStepped { .. } => "clock",
            Self::GpuThrottled { .. } => "gpu_throttled",
            Self::GpuShared { .. } => "gpu_shared",
            Self::Energy { .. } => "energy",
            Self::GpuLost { .. } => "gpu_lost",
            Self::ServerRestarted { .. } => "server_restarted",
            Self::ServerDisagrees { .. } => "server_disagrees",
        }
    }

    /// How much it speaks against the numbers.
    pub fn trust(&self) -> Trust {
        match self {
            Self::NoSuccess { .. } | Self::NotMeasured => Trust::Void,
            Self::LocalLimits { ratio, .. } if *ratio > VOID_UNSENDABLE => Trust::Void,
            Self::Unsent { ratio, .. } if *ratio > VOID_UNSENT => Trust::Void,
            Self::LateSends { p99_ms, answered_ms } if *p99_ms > void_late_ms(*answered_ms) => {
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
            Self::Unsent { .. } => "raise --max-in-flight, or ask for a lower rate",
            Self::CutOff { .. } => "give requests longer: --benchmark-grace-period, or end by -n",
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
            Self::LongOutput { .. } => {
                "see whether the server heeds max_tokens; some leave the tokens of reasoning out of it"
            }
            Self::TokenCounts { .. } => "check that --tokenizer is the served model's",
            Self::EstimatedTokens { .. } => "give the model's tokenizer: --tokenizer PATH",
            Self::DelayedSamples { .. } => "write the results to a faster disk",
            Self::Starved { .. } => "prepare more prompts ahead",
            Self::Interrupted => "run it to its end: inferbench resume",
            Self::EndedEarly { because: EarlyEnd::NothingWorks } => {
                "look at the errors: inferbench probe --raw shows what the server answers"
            }
            Self::EndedEarly { .. } => "ask for less load, or let it run to its end",
            Self::TargetLost { refuses_key: true, .. } => {
                "give a key that lasts, and measure the rest: inferbench resume"
            }
            Self::TargetLost { refuses_key: false, .. } => {
                "see the server's log, and measure the rest: inferbench resume"
            }
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
            Self::Energy { .. } => {
                "quote energy as uncertain by that much; measure for longer, with --gpu-interval 50ms or less"
            }
            Self::GpuLost { .. } => {
                "see dmesg for the Xid that it ended with, and restart the machine"
            }
            Self::ServerRestarted { .. } => "see the server's log for why it was started again",
            Self::ServerDisagrees { ratio, .. } if *ratio > 0.0 => {
                "have nobody else use the server while it is measured, its own health checks included"
            }
            Self::ServerDisagrees { .. } => {
                "watch the server that answers: behind a load balancer, each of them, or measure one alone"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoSuccess { requests } => write!(f, "none of {requests} requests succeeded"),
            Self::Errors { ratio } => {
                write!(f, "{} of requests failed (limit {})", Share(ratio), Limit(MOST_ERRORS))
            }
            Self::FewSamples { have } => {
                write!(f, "{have} successful requests: p90 needs {}", floor_of_p90())
            }
            Self::LateSends { p99_ms, answered_ms } => write!(
                f,
                "requests were sent {p99_ms:.2} ms late (p99; limit {:.2} ms); the median answer began after \
                 {answered_ms:.1} ms",
                most_late_ms(answered_ms)
            ),
            Self::Unsent { requests, ratio } => write!(
                f,
                "{requests} requests ({}) were due and never sent (limit {})",
                Share(ratio),
                Limit(MOST_UNSENT)
            ),
            Self::CutOff { requests, ratio } => write!(
                f,
                "{requests} requests ({}) were cut off, the slowest ones (limit {})",
                Share(ratio),
                Limit(MOST_CUT_OFF)
            ),
            Self::ClientLag { p99_ms, gap_ms } => write!(
                f,
                "this machine read {p99_ms:.2} ms late (p99; limit {:.2} ms), beside gaps of {gap_ms:.2} ms; \
                 kernel stamps correct for it",
                most_lag_ms(gap_ms)
            ),
            Self::Coalesced { ratio, read_late } => write!(
                f,
                "{} of chunks {} together (limit {}): their gaps are unknown",
                Share(ratio),
                if read_late { "were read late" } else { "were sent" },
                Limit(MOST_COALESCED)
            ),
            Self::UnstampedArrivals { ratio } => write!(
                f,
                "{} of arrivals lack the kernel's stamp (limit {})",
                Share(ratio),
                Limit(MOST_UNSTAMPED)
            ),
            Self::ClientCpu { used, of } => {
                write!(f, "the client used {used:.1} of {of:.0} cores (limit {})", Limit(MOST_CPU))
            }
            Self::ShortOutput { ratio } => write!(
                f,
                "answers hold {} of the tokens asked for (at least {})",
                Share(ratio),
                Limit(LEAST_OUTPUT)
            ),
            Self::LongOutput { ratio } => write!(
                f,
                "answers hold {} of the tokens asked for (limit {})",
                Share(ratio),
                Limit(MOST_OUTPUT)
            ),
            Self::TokenCounts { ratio } => write!(
                f,
                "server and tokenizer count output tokens differently in {} of requests (limit {})",
                Share(ratio),
                Limit(MOST_DISAGREEING)
            ),
            Self::EstimatedTokens { source: TokenSource::Chunks } => {
                f.write_str("output tokens are guessed from the number of chunks")
            }
            Self::EstimatedTokens { .. } => {
                f.write_str("output tokens are guessed by an approximate tokenizer")
            }
            Self::DelayedSamples { samples } => {
                write!(f, "{samples} samples waited for a slow sink (limit 0)")
            }
            Self::Starved { times } => {
                write!(f, "the workload had no request ready {times} times (limit 0)")
            }
            Self::Interrupted => f.write_str("stopped before its end: partial"),
            Self::EndedEarly { because } => write!(f, "ended early: {because}"),
            Self::TargetLost { after_s, refuses_key } => {
                let what = if refuses_key { "refused the key" } else { "was lost" };
                write!(
                    f,
                    "the server {what}: nothing succeeded any more after {after_s:.1} s: partial"
                )
            }
            Self::NotMeasured => f.write_str("it could not be measured"),
            Self::LocalLimits { requests, ratio } => write!(
                f,
                "this machine could not send {requests} requests ({}, limit 0)",
                Share(ratio)
            ),
            Self::CachedPrompts { ratio } => write!(
                f,
                "the server had {} of the prompt tokens in its cache (limit {})",
                Share(ratio),
                Limit(MOST_CACHED)
            ),
            Self::Drift(drift) => write!(
                f,
                "the second half was {} (limit {}; median {:.2} ms, then {:.2} ms)",
                percent_slower(drift.ratio),
                Limit(LEAST_DRIFT),
                drift.first,
                drift.second
            ),
            Self::ColdStart(drift) => write!(
                f,
                "the first requests were {} than the rest (limit {}; median {:.2} ms, then {:.2} ms)",
                percent_slower(drift.first / drift.second - 1.0),
                Limit(LEAST_DRIFT),
                drift.first,
                drift.second
            ),
            Self::ClockStepped { ms } => {
                write!(f, "this machine's clock was set by {ms:.0} ms")
            }
            Self::GpuThrottled { ratio } => write!(
                f,
                "the GPU was throttled for {} of the time (limit {})",
                Share(ratio),
                Limit(MOST_THROTTLED)
            ),
            Self::GpuShared { processes } => {
                let noun = if processes == 1 { "process" } else { "processes" };
                write!(f, "{processes} other {noun} used the GPU (limit {MOST_OTHERS})")
            }
            Self::Energy { ratio } => write!(
                f,
                "power over time and the GPU's own count of energy differ by {} (limit {})",
                Share(ratio),
                Limit(MOST_ENERGY_DIFFERENCE)
            ),
            Self::GpuLost { lost: 1 } => f.write_str("a GPU was lost while it was watched"),
            Self::GpuLost { lost } => write!(f, "{lost} GPUs were lost while they were watched"),
            Self::ServerRestarted { .. } => {
                f.write_str("the server's counters began anew: it was started again meanwhile")
            }
            Self::ServerDisagrees { what, ratio } => {
                let (than, because) = if ratio > 0.0 {
                    ("more", "somebody else may use it")
                } else {
                    ("fewer", "another one may have answered")
                };
                write!(
                    f,
                    "the server counted {} {than} {} than this client (limit {}): {because}",
                    Share(ratio.abs()),
                    what.title(),
                    Limit(MOST_SERVER_DIFFERENCE)
                )
            }
        }
    }
}

/// A share in percent: `12.3 %`.
struct Share(f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} %", self.0 * 100.0)
    }
}

/// A limit in percent, which are all whole ones: `1 %`.
struct Limit(f64);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} %", self.0 * 100.0)
    }
}

/// `12.5 % slower`, or faster.
fn percent_slower(ratio: f64) -> String {
    let word = if ratio < 0.0 { "faster" } else { "slower" };
    format!("{:.1} % {word}", ratio.abs() * 100.0)
}
