//! Whether a point's numbers can be trusted, and why not.

mod explained;
mod limits;
mod reason;
#[cfg(test)]
mod tests;

use std::fmt;

pub use explained::REASONS;
use limits::{
    LAG_MS, LAG_SHARE, LATE_MS, LATE_SHARE, LEAST_OUTPUT, MOST_CACHED, MOST_COALESCED, MOST_CPU,
    MOST_DISAGREEING, MOST_ERRORS, MOST_OTHERS, MOST_THROTTLED, MOST_UNSTAMPED, floor_of_p90,
};
pub use reason::Reason;

use crate::{Summary, TokenSource};

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

/// How far a point's numbers can be trusted, and what speaks against them.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The worst that any reason says.
    pub trust: Trust,
    /// What speaks against them, worst first.
    pub reasons: Vec<Reason>,
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
    // Without streams there is no first token: the whole answer stands for it.
    let answered = median("ttft_ms").or_else(|| median("e2e_ms"));
    if facts.open_loop
        && let (Some(p99_ms), Some(answered_ms)) = (facts.late_ms_p99, answered)
        && p99_ms > LATE_MS.max(answered_ms * LATE_SHARE)
    {
        reasons.push(Reason::LateSends { p99_ms, answered_ms });
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
