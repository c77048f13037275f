//! Whether a point's numbers can be trusted, and why not.

mod explained;
mod limits;
mod reason;
#[cfg(test)]
mod tests;

use std::fmt;

pub use explained::REASONS;
pub(crate) use limits::LEAST_DRIFT;
use limits::{
    LEAST_OUTPUT, MOST_CACHED, MOST_COALESCED, MOST_CPU, MOST_CUT_OFF, MOST_DISAGREEING,
    MOST_ENERGY_DIFFERENCE, MOST_ERRORS, MOST_OTHERS, MOST_OUTPUT, MOST_SERVER_DIFFERENCE,
    MOST_THROTTLED, MOST_UNSENT, MOST_UNSTAMPED, floor_of_p90, most_lag_ms, most_late_ms,
};
pub use reason::Reason;

use crate::{EarlyEnd, Summary, TokenSource, metrics::SharedFigure};

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
    let (lost, early_end) = match facts.early_end {
        Some(because) if because.is_loss() => {
            let after_s = facts.ended.since(facts.began).as_secs_f64();
            let refuses_key = because == EarlyEnd::KeyRefused;
            (Some(Reason::TargetLost { after_s, refuses_key }), None)
        }
        because => (None, because.map(|because| Reason::EndedEarly { because })),
    };
    if have == 0 {
        let nothing = Reason::NoSuccess { requests: summary.requests() };
        return [nothing]
            .into_iter()
            .chain(lost)
            .chain(cut_off(summary))
            .chain(early_end)
            .collect();
    }
    let median = |id| summary.distribution(id).map(crate::stats::Distribution::median);
    // It explains the failures, and comes before them.
    let mut reasons = Vec::from_iter(lost);

    reasons.extend(
        over(summary.value("error_ratio"), MOST_ERRORS).map(|ratio| Reason::Errors { ratio }),
    );
    reasons.extend((have < floor_of_p90()).then_some(Reason::FewSamples { have }));
    // Without streams there is no first token: the whole answer stands for it.
    let answered = median("ttft_ms").or_else(|| median("e2e_ms"));
    if facts.open_loop
        && let (Some(p99_ms), Some(answered_ms)) = (facts.late_ms_p99, answered)
        && p99_ms > most_late_ms(answered_ms)
    {
        reasons.push(Reason::LateSends { p99_ms, answered_ms });
    }
    let unsent = share(facts.unsent, facts.unsent + summary.requests());
    reasons.extend(
        over(unsent, MOST_UNSENT).map(|ratio| Reason::Unsent { requests: facts.unsent, ratio }),
    );
    reasons.extend(cut_off(summary));
    let lag = summary.distribution("client_lag_ms").and_then(|lag| lag.percentile(99.0));
    // Where all chunks came together there is no gap: the time per token stands for it.
    let gap = median("icl_ms").or_else(|| median("tpot_ms"));
    let late = lag.zip(gap).filter(|(lag, gap)| *lag > most_lag_ms(*gap));
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
        over(facts.delivered_output_ratio, MOST_OUTPUT).map(|ratio| Reason::LongOutput { ratio }),
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
    let requests = summary.unsendable();
    reasons.extend(
        over(share(requests, summary.requests()), 0.0)
            .map(|ratio| Reason::LocalLimits { requests, ratio }),
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
    reasons.extend(
        over(facts.energy_difference, MOST_ENERGY_DIFFERENCE).map(|ratio| Reason::Energy { ratio }),
    );
    let (lost, times) = (facts.gpus_lost, facts.server_restarts);
    reasons.extend((lost > 0).then_some(Reason::GpuLost { lost }));
    reasons.extend((times > 0).then_some(Reason::ServerRestarted { times }));
    reasons.extend(server_disagrees(summary));
    reasons.extend(early_end);
    reasons
}

/// What the server counted otherwise: one thing, for the other follows from it.
fn server_disagrees(summary: &Summary) -> Option<Reason> {
    let facts = &summary.facts;
    let counted = [
        (SharedFigure::Requests, facts.server_requests_difference),
        (SharedFigure::OutputTokens, facts.server_output_difference),
    ];
    counted.into_iter().find_map(|(what, ratio)| {
        let ratio = ratio.filter(|ratio| ratio.abs() > MOST_SERVER_DIFFERENCE)?;
        Some(Reason::ServerDisagrees { what, ratio })
    })
}

/// Requests that were given up while in flight: it is the slowest that are missing.
fn cut_off(summary: &Summary) -> Option<Reason> {
    let requests = summary.facts.cut_off;
    let ratio = over(share(requests, summary.requests()), MOST_CUT_OFF)?;
    Some(Reason::CutOff { requests, ratio })
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn over(value: Option<f64>, limit: f64) -> Option<f64> {
    value.filter(|value| *value > limit)
}
