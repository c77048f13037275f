//! What happens to one request. This is the hot path: from `send` to its end nothing here runs.

use std::{fmt::Write, sync::Arc};

use tokio::{sync::OwnedSemaphorePermit, time::sleep_until};

use super::{feed::Fed, order::Order, stop::Level};
use crate::{Answer, Moment, Outcome, Phase, ProviderError, Request, Sample};

/// A place on a load thread that holds one session at a time, and so one request.
pub(super) struct Slot {
    order: Arc<Order>,
    thread: usize,
    answer: Answer,
}

impl Slot {
    pub(super) fn new(order: Arc<Order>, thread: usize) -> Self {
        let answer = Answer::new(order.parts().clock);
        Self { order, thread, answer }
    }

    /// Closed loop: takes sessions one after the other until the phase is over.
    pub(super) async fn keep_busy(mut self) {
        let order = Arc::clone(&self.order);
        let feed = order.parts().feeds.of_thread(self.thread);
        while let Some(fed) = feed.next(|| order.is_over()).await {
            let free = order.parts().clock.now();
            self.session(fed, free).await;
        }
    }

    /// Open loop: one session, due at its time.
    pub(super) async fn once(
        mut self,
        fed: Fed,
        due: Moment,
        _permit: Option<OwnedSemaphorePermit>,
    ) {
        self.session(fed, due).await;
    }

    /// Sends the turns of a session; the first is due at `due`, each later one when its delay is over.
    async fn session(&mut self, mut fed: Fed, mut due: Moment) {
        for number in 0_u32.. {
            let Some(turn) = fed.session.next_turn((number > 0).then_some(&self.answer)) else {
                return;
            };
            if number > 0 {
                due = self.order.parts().clock.now() + turn.delay;
                if !turn.delay.is_zero() && !self.wait_until(due).await {
                    return;
                }
            }
            let Some(claimed) = self.order.claim() else { return };
            let mut sample = Sample::due(due);
            (sample.session, sample.turn, sample.number) = (fed.number, number, claimed);
            self.request(sample, &turn.request).await;
        }
    }

    /// Waits for a turn; false if the phase ends before.
    async fn wait_until(&self, due: Moment) -> bool {
        let parts = self.order.parts();
        if self.order.deadline().is_some_and(|deadline| due >= deadline) {
            return false;
        }
        tokio::select! {
            () = sleep_until(parts.clock.instant(due)) => !self.order.is_over(),
            () = parts.stop.reached(Level::Drain) => false,
        }
    }

    /// Sends one request and makes a sample of what comes of it.
    async fn request(&mut self, mut sample: Sample, request: &Request) {
        let parts = self.order.parts();
        (sample.point, sample.phase) = (parts.point, parts.phase);
        sample.request_id = request_id(&parts.run, &sample);
        self.answer.begin(sample, request);
        self.order.begin(self.thread);
        let exchange = Exchange { slot: self, request, ended: false };
        let sent =
            exchange.slot.order.parts().provider.send(request, &mut exchange.slot.answer).await;
        exchange.end(sent);
    }
}

/// A request in flight. Dropping it, as when the phase gives it up, keeps what is known so far.
struct Exchange<'a> {
    slot: &'a mut Slot,
    request: &'a Request,
    ended: bool,
}

impl Exchange<'_> {
    fn end(mut self, sent: Result<(), ProviderError>) {
        match sent {
            Ok(()) => self.record(Outcome::Ok, None),
            Err(error) => {
                debug_assert!(error.outcome != Outcome::Ok, "an error is no success: {error}");
                self.record(error.outcome, Some(error.said));
            }
        }
    }

    fn record(&mut self, outcome: Outcome, error: Option<String>) {
        self.ended = true;
        let Slot { order, thread, answer } = self.slot;
        let mut sample = answer.take_sample(outcome, error);
        if let (Some(grader), Some(expected)) = (&order.parts().grader, &self.request.expected)
            && sample.outcome.is_ok()
        {
            sample.grade = Some(grader.grade(expected, answer));
        }
        order.end(*thread, sample, answer);
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.record(Outcome::Cancelled, None);
        }
    }
}

/// The id of a request: run, point, `w` or `m` for the phase, session and turn. The same plan gives the
/// same ids.
fn request_id(run: &str, sample: &Sample) -> String {
    let phase = match sample.phase {
        Phase::WarmUp => 'w',
        Phase::Measure => 'm',
    };
    let mut id = String::with_capacity(run.len() + 24);
    let _ = write!(id, "{run}-{}{phase}-{}.{}", sample.point, sample.session, sample.turn);
    id
}
