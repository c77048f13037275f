//! When requests were in flight, and how they fared in the order of sending: what tells whether a phase was
//! steady.

use std::time::Duration;

use super::formulas;
use crate::{
    Load, Moment, Sample,
    stats::{self, DRIFT_ALPHA, Drift, SteadyWindow},
    verdict::LEAST_DRIFT,
};

/// What of a load decides when it is steady.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadShape {
    /// So many requests in flight.
    Concurrency(u64),
    /// An open loop at one rate.
    Rate,
    /// An open loop whose rate changes on purpose, or is not known: nothing is steady, and no change a drift.
    Varying,
}

impl LoadShape {
    /// The shape of `load`.
    pub fn of(load: &Load) -> Self {
        match load {
            Load::Closed { concurrency, .. } => Self::Concurrency(concurrency.get() as u64),
            Load::Open { schedule, .. } if schedule.rate().is_some() => Self::Rate,
            Load::Open { .. } => Self::Varying,
        }
    }
}

/// The requests of a phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    spans: Vec<Span>,
    paces: Vec<Pace>,
}

/// From when to when a request was in flight, in nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug)]
struct Span {
    sent: u64,
    done: u64,
    ok: bool,
}

/// How a successful request fared, to be compared with those sent before and after it.
#[derive(Clone, Copy, Debug)]
struct Pace {
    sent: u64,
    /// Until the first token; until all of it, of a result.
    answered_ms: Option<f64>,
    tpot_ms: Option<f64>,
}

impl Timeline {
    /// Takes in a sample; one that was never sent is not of it.
    pub(super) fn add(&mut self, sample: &Sample) {
        let Some(sent) = sample.sent.map(Moment::as_nanos) else { return };
        let ok = sample.outcome.is_ok();
        self.spans.extend(sample.done.map(|done| Span { sent, done: done.as_nanos(), ok }));
        if ok {
            let answered_ms = match sample.is_result() {
                true => formulas::e2e_ms(sample),
                false => formulas::ttft_ms(sample),
            };
            self.paces.push(Pace { sent, answered_ms, tpot_ms: formulas::tpot_ms(sample) });
        }
    }

    /// Puts it into the order of sending, which what follows needs.
    pub(super) fn sort(&mut self) {
        self.paces.sort_unstable_by_key(|pace| pace.sent);
    }

    /// How long requests were in flight between two moments, all together.
    pub(super) fn in_flight(&self, from: Moment, to: Moment) -> Duration {
        let (from, to) = (from.as_nanos(), to.as_nanos());
        let within = |span: &Span| span.done.min(to).saturating_sub(span.sent.max(from));
        Duration::from_nanos(self.spans.iter().map(within).sum())
    }

    /// The steady window, if a load of this shape has one.
    pub(super) fn steady(&self, shape: LoadShape) -> Option<SteadyWindow> {
        let spans: Vec<_> = self.spans.iter().map(|span| (span.sent, span.done)).collect();
        match shape {
            LoadShape::Concurrency(n) => {
                SteadyWindow::of_closed(&spans, usize::try_from(n).unwrap_or(usize::MAX))
            }
            LoadShape::Rate => SteadyWindow::of_open(&spans),
            LoadShape::Varying => None,
        }
    }

    /// How the second half of the steady window went otherwise than the first.
    pub(super) fn drift(&self, steady: SteadyWindow) -> Option<Drift> {
        let within = |pace: &&Pace| (steady.from_ns..=steady.to_ns).contains(&pace.sent);
        let paces: Vec<Pace> = self.paces.iter().filter(within).copied().collect();
        strongest(&paces, stats::drift)
    }

    /// How much slower the first requests were than the later ones, beyond those that were sent together
    /// at the start.
    pub(super) fn cold_start(&self, shape: LoadShape) -> Option<Drift> {
        let together = match shape {
            LoadShape::Concurrency(n) => usize::try_from(n).unwrap_or(usize::MAX),
            LoadShape::Rate => 0,
            LoadShape::Varying => return None,
        };
        strongest(self.paces.get(together..)?, stats::warm_up_too_short)
    }

    /// Successful requests that ended within the steady window.
    pub(super) fn ended_within(&self, steady: SteadyWindow) -> usize {
        let within = |span: &&Span| (steady.from_ns..steady.to_ns).contains(&span.done);
        self.spans.iter().filter(|span| span.ok).filter(within).count()
    }
}

/// What `test` finds in the times to an answer or in the times per token, whichever is more; `None` where
/// it finds nothing that matters.
fn strongest(paces: &[Pace], test: fn(&[f64]) -> Option<Drift>) -> Option<Drift> {
    let of = |value: fn(&Pace) -> Option<f64>| {
        let values: Vec<f64> = paces.iter().filter_map(value).collect();
        test(&values).filter(|drift| drift.is_significant(LEAST_DRIFT, DRIFT_ALPHA))
    };
    let found = [of(|pace| pace.answered_ms), of(|pace| pace.tpot_ms)];
    found.into_iter().flatten().max_by(|a, b| a.ratio.abs().total_cmp(&b.ratio.abs()))
}
