//! What the load threads are to do in a phase, and what they share while they do it.

use std::{
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, bounded};
use tokio::{
    sync::{Notify, Semaphore},
    time::sleep_until,
};

use super::{
    feed::Feeds,
    outbox::{CAPACITY, Message, Outbox},
    parking::Parking,
    stop::{Level, Stop},
};
use crate::{
    Answer, Cancellation, Clock, Counts, Grader, Load, Moment, Phase, Pick, Progress, Provider,
    Sample, TokenCounter, Until,
};

/// When a sample takes the generated text along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeepText {
    Never,
    /// To count its tokens, where the server did not.
    Uncounted,
    /// To count its tokens in any case.
    ToCount,
    /// For good.
    Always,
}

impl KeepText {
    pub(super) fn new(keep: bool, counter: Option<&dyn TokenCounter>) -> Self {
        match counter {
            _ if keep => Self::Always,
            Some(counter) if counter.is_exact() => Self::ToCount,
            Some(_) => Self::Uncounted,
            None => Self::Never,
        }
    }

    fn wants(self, sample: &Sample) -> bool {
        match self {
            Self::Never => false,
            Self::Uncounted => sample.usage.is_none(),
            Self::ToCount | Self::Always => true,
        }
    }
}

/// What an order is made of.
pub(super) struct Parts {
    pub(super) run: String,
    pub(super) seed: u64,
    pub(super) point: u32,
    pub(super) phase: Phase,
    pub(super) load: Load,
    pub(super) until: Until,
    pub(super) grace: Duration,
    pub(super) retries: u32,
    pub(super) cancellation: Option<Cancellation>,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) grader: Option<Arc<dyn Grader>>,
    pub(super) keep_text: KeepText,
    pub(super) feeds: Feeds,
    pub(super) stop: Stop,
    pub(super) clock: Clock,
    pub(super) threads: usize,
}

/// What the load threads are to do in a phase.
pub(super) struct Order {
    parts: Parts,
    start: OnceLock<Moment>,
    /// Requests begun in the phase, over all threads: touched once a request.
    claimed: AtomicU64,
    /// Wakes sessions that wait for a turn, once the last request is claimed.
    all_claimed: Notify,
    threads: Vec<PerThread>,
    delayed: AtomicU64,
    cut_off: AtomicU64,
    unsent: AtomicU64,
    /// The cap on sessions in flight, over all threads: touched once a session.
    places: Option<Arc<Semaphore>>,
}

/// What one load thread writes and the run reads; on cache lines of its own.
#[repr(align(128))]
struct PerThread {
    sent: AtomicU64,
    ended: AtomicU64,
    outbox: Outbox,
    parking: Parking,
    /// Sessions that have begun and not ended.
    open: AtomicUsize,
}

/// Between an order and its start: time for every load thread to wake up.
const LEAD: Duration = Duration::from_millis(5);

impl Order {
    pub(super) fn new(parts: Parts) -> (Self, Receiver<Message>) {
        let (sender, messages) = bounded(CAPACITY);
        let threads = (0..parts.threads)
            .map(|thread| PerThread {
                sent: AtomicU64::new(0),
                ended: AtomicU64::new(0),
                outbox: Outbox::new(sender.clone()),
                parking: Parking::new(parts.seed.wrapping_add(thread as u64)),
                open: AtomicUsize::new(0),
            })
            .collect();
        let places = match parts.load {
            Load::Open { max_in_flight: Some(most), .. } => {
                Some(Arc::new(Semaphore::new(most.get())))
            }
            _ => None,
        };
        let order = Self {
            places,
            parts,
            start: OnceLock::new(),
            claimed: AtomicU64::new(0),
            all_claimed: Notify::new(),
            threads,
            delayed: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
        };
        (order, messages)
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The start of the phase, the same for all threads: the first that asks sets it. Only a load thread
    /// may, since on paused time only its clock is right.
    pub(super) fn start(&self) -> Moment {
        *self.start.get_or_init(|| self.parts.clock.now() + LEAD)
    }

    /// The places for sessions in flight, if they are capped.
    pub(super) fn places(&self) -> Option<&Arc<Semaphore>> {
        self.places.as_ref()
    }

    /// The sessions that wait between two turns on `thread`.
    pub(super) fn parking(&self, thread: usize) -> &Parking {
        &self.threads[thread].parking
    }

    /// Whether a session leaves its place between two turns, of which the second one waits for so long.
    pub(super) fn parks(&self, delay: Duration) -> bool {
        match self.parts.load {
            Load::Closed { counts: Counts::Requests, .. } => !delay.is_zero(),
            Load::Closed { counts: Counts::Turns { .. }, .. } => true,
            _ => false,
        }
    }

    /// Which of the sessions that wait on a thread is next.
    pub(super) fn pick(&self) -> Pick {
        match self.parts.load {
            Load::Closed { counts: Counts::Turns { pick, .. }, .. } => pick,
            _ => Pick::RoundRobin,
        }
    }

    /// Whether sessions share the places of a closed loop.
    pub(super) fn shares_places(&self) -> bool {
        matches!(self.parts.load, Load::Closed { counts: Counts::Turns { .. }, .. })
    }

    /// Whether one more session may begin on `thread`: the threads that have a place for a request share those
    /// that may be open.
    pub(super) fn may_begin(&self, thread: usize) -> bool {
        let Load::Closed { concurrency, counts: Counts::Turns { open, .. }, .. } = self.parts.load
        else {
            return true;
        };
        let sharing = self.parts.threads.min(concurrency.get());
        let most = (thread..open.get()).step_by(sharing).len();
        self.threads[thread].open.load(Ordering::Relaxed) < most
    }

    /// A session begins on `thread`.
    pub(super) fn session_begins(&self, thread: usize) {
        self.threads[thread].open.fetch_add(1, Ordering::Relaxed);
    }

    /// A session is over on `thread`.
    pub(super) fn session_ends(&self, thread: usize) {
        self.threads[thread].open.fetch_sub(1, Ordering::Relaxed);
    }

    /// After how long the request of `sample` is given up on purpose, if it is. Told by its session and
    /// turn, so that the same requests are given up in every run.
    pub(super) fn patience(&self, sample: &Sample) -> Option<Duration> {
        let cancellation = self.parts.cancellation.as_ref()?;
        let request = (sample.session << 16) | u64::from(sample.turn);
        cancellation.cancels(self.parts.seed, request).then_some(cancellation.after())
    }

    /// When sending ends, if it ends at a time.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.parts.until.duration.map(|duration| self.start() + duration)
    }

    /// Whether nothing more is to be sent.
    pub(super) fn is_over(&self) -> bool {
        self.parts.stop.level() != Level::Go
            || self.claimed.load(Ordering::Relaxed) >= self.limit()
            || self.deadline().is_some_and(|deadline| self.parts.clock.now() >= deadline)
    }

    /// Returns at `due`, or as soon as nothing more is to be sent; false in that case.
    pub(super) async fn is_open_at(&self, due: Moment) -> bool {
        let mut all_claimed = pin!(self.all_claimed.notified());
        // Listens from here on, so that the last claim is not missed after the look.
        all_claimed.as_mut().enable();
        if self.is_over() || self.deadline().is_some_and(|deadline| due >= deadline) {
            return false;
        }
        tokio::select! {
            () = sleep_until(self.parts.clock.instant(due)) => !self.is_over(),
            () = self.parts.stop.reached(Level::Drain) => false,
            () = all_claimed => false,
        }
    }

    /// Whether one more request may be sent, counting it. In an open loop the schedule decides that.
    pub(super) fn claim(&self) -> Option<u64> {
        let number = self.claimed.fetch_add(1, Ordering::Relaxed);
        let limit = self.limit();
        if number.checked_add(1) == Some(limit) {
            self.all_claimed.notify_waiters();
        }
        (number < limit).then_some(number)
    }

    /// How many requests may be claimed.
    fn limit(&self) -> u64 {
        match self.parts.load {
            Load::Closed { .. } => self.parts.until.requests.unwrap_or(u64::MAX),
            Load::Open { .. } => u64::MAX,
        }
    }

    /// A request begins on `thread`.
    pub(super) fn begin(&self, thread: usize) {
        self.threads[thread].sent.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt at a request ended on `thread`: its sample goes to the sinks.
    pub(super) fn end(&self, thread: usize, mut sample: Sample, answer: &Answer) {
        if self.parts.keep_text.wants(&sample) {
            sample.text = Some([answer.reasoning(), answer.text()].concat());
            sample.tool_calls = answer.tool_calls().to_vec();
        }
        let thread = &self.threads[thread];
        thread.outbox.send(Box::new(sample));
        thread.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns at `at`, when a failed request may be sent again; false if the run does not go on until then.
    pub(super) async fn may_retry_at(&self, at: Moment) -> bool {
        if self.deadline().is_some_and(|deadline| at >= deadline) {
            return false;
        }
        tokio::select! {
            () = sleep_until(self.parts.clock.instant(at)) => true,
            () = self.parts.stop.reached(Level::Drain) => false,
        }
    }

    /// A request in flight is given up although nobody asked for that.
    pub(super) fn cut_off(&self) {
        self.cut_off.fetch_add(1, Ordering::Relaxed);
    }

    /// `requests` were due and are never sent.
    pub(super) fn leave_unsent(&self, requests: u64) {
        self.unsent.fetch_add(requests, Ordering::Relaxed);
    }

    /// The phase is over on `thread`.
    pub(super) fn thread_ended(&self, thread: usize, panicked: Option<String>) {
        let delayed = self.threads[thread].outbox.end(panicked);
        self.delayed.fetch_add(delayed, Ordering::Relaxed);
    }

    pub(super) fn progress(&self) -> Progress {
        let sum = |count: fn(&PerThread) -> &AtomicU64| {
            self.threads.iter().map(|t| count(t).load(Ordering::Relaxed)).sum()
        };
        // `ended` first: a request that ends in between must not seem to have ended before it began.
        let ended = sum(|t| &t.ended);
        Progress { sent: sum(|t| &t.sent), ended, of: self.parts.until.requests }
    }

    pub(super) fn delayed_samples(&self) -> u64 {
        self.delayed.load(Ordering::Relaxed)
    }

    pub(super) fn requests_cut_off(&self) -> u64 {
        self.cut_off.load(Ordering::Relaxed)
    }

    pub(super) fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }

    pub(super) fn starved(&self) -> u64 {
        self.parts.feeds.starved()
    }

    pub(super) fn keeps_all_text(&self) -> bool {
        self.parts.keep_text == KeepText::Always
    }
}
