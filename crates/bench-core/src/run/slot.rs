//! What happens to one request. This is the hot path: from `send` to its end nothing here runs.

use std::{fmt::Write, sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{feed::Fed, order::Order};
use crate::{Answer, Moment, Outcome, Phase, ProviderError, Request, Sample, Session};

/// A place on a load thread that holds one session at a time, and so one request.
pub(super) struct Slot {
    order: Arc<Order>,
    thread: usize,
    /// Which of a closed loop's places it is.
    place: Option<u32>,
    answer: Answer,
    /// Requests in a row that could not be sent.
    unsent: u32,
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A session on its way: its next turn, and when that is due.
pub(super) struct Talk {
    pub(super) number: u64,
    pub(super) due: Moment,
    session: Box<dyn Session>,
    turn: u32,
    next: Request,
}

impl Talk {
    /// A session at its first turn, if it has one.
    fn begin(fed: Fed, due: Moment) -> Option<Self> {
        let Fed { number, mut session } = fed;
        let next = session.next_turn(None)?.request;
        let turn = session.first_turn();
        Some(Self { number, due, session, turn, next })
    }
}

impl Slot {
    pub(super) fn new(order: Arc<Order>, thread: usize, place: Option<u32>) -> Self {
        let answer = Answer::new(order.parts().clock);
        Self { order, thread, place, answer, unsent: 0 }
    }

    /// Closed loop: takes sessions one after the other, from `begins` on, until the phase is over.
    pub(super) async fn keep_busy(mut self, begins: Duration) {
        if !begins.is_zero() && !self.order.is_open_at(self.order.start() + begins).await {
            return;
        }
        while let Some(talk) = self.next_talk().await {
            self.session(talk).await;
            if !self.pause().is_zero()
                && !self.order.is_open_at(self.order.parts().clock.now() + self.pause()).await
            {
                return;
            }
        }
    }

    /// How long to leave a server alone that took no connection twice in a row or more often. A closed loop
    /// would ask again at once, thousands of times a second, and keep a server that is down from coming up.
    fn pause(&self) -> Duration {
        match self.unsent {
            0 | 1 => Duration::ZERO,
            n => (FIRST_PAUSE * 2_u32.saturating_pow(n - 2)).min(LONGEST_PAUSE),
        }
    }

    /// Open loop: one session, due at its time. It may be given up before it was begun.
    pub(super) fn once(
        mut self,
        fed: Fed,
        due: Moment,
        permit: Option<OwnedSemaphorePermit>,
    ) -> impl Future<Output = ()> {
        let unbegun = Unbegun(Some(Arc::clone(&self.order)));
        async move {
            let _permit = permit;
            unbegun.begin();
            if let Some(talk) = Talk::begin(fed, due) {
                self.order.session_begins(self.thread);
                self.session(talk).await;
            }
        }
    }

    /// The session to go on with: one whose wait is over, else a new one, else the next whose wait ends. Where
    /// sessions share the places, as many begin as may be open before any goes on.
    async fn next_talk(&self) -> Option<Talk> {
        let order = &*self.order;
        let (parking, feed) =
            (order.parking(self.thread), order.parts().feeds.of_thread(self.thread));
        let now = || order.parts().clock.now();
        while !order.is_over() {
            let may_begin = order.may_begin(self.thread);
            let new_first = may_begin && order.shares_places();
            if !new_first && let Some(talk) = self.parked_talk() {
                return Some(talk);
            }
            let goes_on = || !new_first && parking.earliest().is_some_and(|due| due <= now());
            let fed = match may_begin {
                true => feed.next(|| order.is_over() || goes_on()).await,
                false => None,
            };
            if let Some(fed) = fed {
                let Some(talk) = Talk::begin(fed, now()) else { continue };
                order.session_begins(self.thread);
                return Some(talk);
            }
            if let Some(talk) = self.parked_talk() {
                return Some(talk);
            }
            if !order.is_open_at(parking.earliest()?).await {
                return None;
            }
        }
        None
    }

    /// A session whose wait is over.
    fn parked_talk(&self) -> Option<Talk> {
        let (order, now) = (&*self.order, self.order.parts().clock.now());
        let mut talk = order.parking(self.thread).take_due(now, order.pick())?;
        if order.shares_places() {
            // It stood back for the others on purpose.
            talk.due = now;
        }
        Some(talk)
    }

    /// Sends the turns of a session, each later one when its delay is over; until then the session keeps
    /// this place, or is parked.
    async fn session(&mut self, mut talk: Talk) {
        while self.turn(&mut talk).await {
            let Some(turn) = talk.session.next_turn(Some(&self.answer)) else { break };
            talk.turn += 1;
            talk.next = turn.request;
            talk.due = self.order.parts().clock.now() + turn.delay;
            if self.order.parks(turn.delay) {
                self.order.parking(self.thread).park(talk);
                return;
            }
            let goes_on = match turn.delay.is_zero() {
                // No timer: the finest that tokio has would cost up to a millisecond.
                true => !self.order.is_over(),
                false => self.order.is_open_at(talk.due).await,
            };
            if !goes_on {
                break;
            }
        }
        self.order.session_ends(self.thread);
    }

    /// Sends the next turn of a session; false if no more may be sent.
    async fn turn(&mut self, talk: &mut Talk) -> bool {
        let Some(claimed) = self.order.claim() else { return false };
        let mut sample = Sample::due(talk.due);
        (sample.session, sample.turn, sample.number) = (talk.number, talk.turn, claimed);
        sample.place = self.place;
        self.request(sample, &talk.next).await;
        true
    }

    /// Sends one request until an attempt is not worth repeating. Each makes a sample.
    async fn request(&mut self, mut sample: Sample, request: &Request) {
        let parts = self.order.parts();
        (sample.point, sample.phase) = (parts.point, parts.phase);
        let (clock, retries) = (parts.clock, parts.retries);
        for attempt in 0..=retries {
            sample.attempt = attempt;
            let ended = self.attempt(sample.clone(), request).await;
            let Some(pause) = ended.pause(attempt).filter(|_| attempt < retries) else { return };
            if !self.order.may_retry_at(clock.now() + pause).await {
                return;
            }
        }
    }

    /// Sends a request once and makes a sample of what comes of it.
    async fn attempt(&mut self, mut sample: Sample, request: &Request) -> Ended {
        sample.request_id = request_id(&self.order.parts().run, &sample);
        let patience = self.order.patience(&sample);
        self.answer.begin(sample, request);
        self.order.begin(self.thread);
        let exchange = Exchange { slot: self, request, ended: false };
        let sending = exchange.slot.order.parts().provider.send(request, &mut exchange.slot.answer);
        let sent = match patience {
            None => sending.await,
            // Given up on purpose, as users do.
            Some(patience) => match timeout(patience, sending).await {
                Ok(sent) => sent,
                Err(_) => return exchange.give_up(),
            },
        };
        exchange.end(sent)
    }
}

/// How an attempt at a request ended, as far as it matters for another one.
struct Ended {
    outcome: Outcome,
    /// Whether any of an answer had come: what the server has begun, it need not begin twice.
    had_begun: bool,
    /// When the server wants to be asked again.
    retry_after: Option<Duration>,
}

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LATEST_RETRY: Duration = Duration::from_secs(60);

impl Ended {
    /// How long to wait before the next attempt, if one is worth it: as the server says, if that is not too
    /// long, else twice as long each time.
    fn pause(&self, attempt: u32) -> Option<Duration> {
        let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(attempt)).min(LATEST_RETRY);
        let pause = self.retry_after.unwrap_or(doubled);
        let is_worth_it = self.outcome.is_transient() && !self.had_begun && pause <= LATEST_RETRY;
        is_worth_it.then_some(pause)
    }
}

/// A request that is due: dropping it leaves it unsent.
struct Unbegun(Option<Arc<Order>>);

impl Unbegun {
    fn begin(mut self) {
        self.0 = None;
    }
}

impl Drop for Unbegun {
    fn drop(&mut self) {
        if let Some(order) = &self.0 {
            order.leave_unsent(1);
        }
    }
}

/// A request in flight. Dropping it, as when the phase gives it up, keeps what is known so far.
struct Exchange<'a> {
    slot: &'a mut Slot,
    request: &'a Request,
    ended: bool,
}

impl Exchange<'_> {
    fn end(mut self, sent: Result<(), ProviderError>) -> Ended {
        match sent {
            Ok(()) => self.record(Outcome::Ok, None),
            Err(ProviderError { outcome, said, retry_after, .. }) => {
                debug_assert!(outcome != Outcome::Ok, "an error is no success: {said}");
                Ended { retry_after, ..self.record(outcome, Some(said)) }
            }
        }
    }

    fn give_up(mut self) -> Ended {
        self.record(Outcome::Cancelled, None)
    }

    fn record(&mut self, outcome: Outcome, error: Option<String>) -> Ended {
        self.ended = true;
        let Slot { order, thread, answer, unsent, .. } = self.slot;
        let mut sample = answer.take_sample(outcome, error);
        let is_unsent = sample.sent.is_none() && outcome.is_failure();
        *unsent = if is_unsent { unsent.saturating_add(1) } else { 0 };
        if let (Some(grader), Some(expected)) = (&order.parts().grader, &self.request.expected)
            && sample.outcome.is_ok()
        {
            sample.grade = Some(grader.grade(expected, answer));
        }
        // A head without a refusal is the beginning of an answer.
        let had_begun = !sample.arrivals.is_empty()
            || (sample.outcome == Outcome::Reset && sample.headers.is_some());
        let ended = Ended { outcome: sample.outcome, had_begun, retry_after: None };
        order.end(*thread, sample, answer);
        ended
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.slot.order.cut_off();
            self.record(Outcome::Cancelled, None);
        }
    }
}

/// The id of a request: run, point, `w` or `m` for the phase, session and turn, and the attempt after the first
/// one. The same plan gives the same ids.
fn request_id(run: &str, sample: &Sample) -> String {
    let phase = match sample.phase {
        Phase::WarmUp => 'w',
        Phase::Measure => 'm',
    };
    let mut id = String::with_capacity(run.len() + 24);
    let _ = write!(id, "{run}-{}{phase}-{}.{}", sample.point, sample.session, sample.turn);
    if sample.attempt > 0 {
        let _ = write!(id, "r{}", sample.attempt);
    }
    id
}
