//! Reading telemetry sources while a point is measured, on one thread of their own.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::processor::thread_time;
use crate::{Clock, Moment, Reading, Readings, Said, SourceError, SourceNote, TelemetrySource};

/// Reads that may wait for the sinks at a time.
const CAPACITY: usize = 1_024;
/// The shortest period: tokio's timer is no finer.
const SHORTEST: Duration = Duration::from_millis(1);
/// After how long a read that hangs is abandoned.
const HANGS: Duration = Duration::from_secs(10);
/// A read that fails after so long is none that anybody should wait for.
const SLOW: Duration = Duration::from_secs(1);
/// How long the end of a point waits for a source that blocks its thread.
const GIVE_UP: Duration = Duration::from_secs(1);

/// Sources that are read, each once a period and in a task of its own, until this is dropped: those of a point, or
/// of whoever watches without one.
#[derive(Debug)]
pub struct Polling {
    batches: Receiver<Batch>,
    lost: Arc<Lost>,
    /// The thread, which ends once the sender is gone.
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    asks: Vec<Ask>,
}

/// Tells a source to read at once.
#[derive(Debug)]
struct Ask {
    /// The source drops what it was sent when it has read.
    to: mpsc::UnboundedSender<Sender<()>>,
    /// What it has still not dropped although it was waited for.
    late: Option<Receiver<()>>,
}

/// What one read came to.
#[derive(Debug)]
pub struct Batch {
    /// What was read.
    pub readings: Vec<Reading>,
    /// What the source had to say.
    pub notes: Vec<SourceNote>,
}

/// What does not go through the channel.
#[derive(Debug, Default)]
struct Lost {
    /// Readings that did not fit it.
    dropped: AtomicU64,
    /// Processor time in nanoseconds, of the thread and of what the sources have elsewhere.
    thread_ns: AtomicU64,
    elsewhere_ns: AtomicU64,
}

impl Polling {
    /// Begins to read `sources`; `None` if there are none.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start(sources: Vec<Box<dyn TelemetrySource>>, clock: Clock) -> io::Result<Option<Self>> {
        if sources.is_empty() {
            return Ok(None);
        }
        let (out, batches) = Outlet::new(CAPACITY);
        let lost = Arc::clone(&out.lost);
        let (running, ended) = oneshot::channel();
        let (asks, asked): (Vec<_>, Vec<_>) = sources
            .iter()
            .map(|_| {
                let (to, asked) = mpsc::unbounded_channel();
                (Ask { to, late: None }, asked)
            })
            .unzip();
        let sources = sources.into_iter().zip(asked).collect();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            runtime.block_on(poll_all(sources, clock, out, ended));
            // What a source left to `spawn_blocking` may hang: nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Some(Self { batches, lost, thread: Some((running, thread)), asks }))
    }

    /// What was read since this was called last. Some thousand reads are kept until it is.
    pub fn take(&self) -> impl Iterator<Item = Batch> {
        // Not what comes in meanwhile: a slow sink would never get to the end of it.
        self.batches.try_iter().take(self.batches.len())
    }

    /// Has every source read, and waits until they have, but no longer than `at_most`. One that took longer is not
    /// waited for again before it has read: what hangs would hold up each phase.
    pub fn read_now(&mut self, at_most: Duration) {
        let give_up = (Instant::now() + at_most).into_std();
        let asked: Vec<&mut Ask> = self.asks.iter_mut().filter_map(Ask::again).collect();
        for Ask { late, .. } in asked {
            // Nothing is ever sent: the channel closes when the source has read.
            late.take_if(|read| read.recv_deadline(give_up) == Err(RecvTimeoutError::Disconnected));
        }
    }

    /// How many readings were dropped since this was called last, because too many waited.
    pub fn take_dropped(&self) -> u64 {
        self.lost.dropped.swap(0, Ordering::Relaxed)
    }

    /// Processor time that reading has taken so far.
    pub(super) fn processor_time(&self) -> Duration {
        let ns = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Duration::from_nanos(ns(&self.lost.thread_ns) + ns(&self.lost.elsewhere_ns))
    }
}

impl Ask {
    /// Asks, unless what was asked before has come to nothing so far.
    fn again(&mut self) -> Option<&mut Self> {
        if self.late.as_ref().is_some_and(|read| read.try_recv() == Err(TryRecvError::Empty)) {
            return None;
        }
        let (read, is_read) = bounded(0);
        // One that has ended has nothing to read any more.
        let _ = self.to.send(read);
        self.late = Some(is_read);
        Some(self)
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        let Some((running, thread)) = self.thread.take() else { return };
        drop(running);
        let give_up = Instant::now() + GIVE_UP;
        let ended = loop {
            match self.batches.recv_deadline(give_up.into_std()) {
                Ok(_) => {}
                Err(error) => break error == RecvTimeoutError::Disconnected,
            }
        };
        // A thread that a source blocks is left alone, and ends when the source lets it.
        if ended {
            let _ = thread.join();
        }
    }
}

type Asked = mpsc::UnboundedReceiver<Sender<()>>;

/// Reads each source in a task of its own, until `ended`. A panic ends the task, and no other.
async fn poll_all(
    sources: Vec<(Box<dyn TelemetrySource>, Asked)>,
    clock: Clock,
    out: Outlet,
    ended: oneshot::Receiver<()>,
) {
    let mut tasks = JoinSet::new();
    for (source, asked) in sources {
        tasks.spawn(poll(source, asked, clock, out.clone()));
    }
    drop(out);
    tokio::select! {
        _ = ended => {}
        () = async { while tasks.join_next().await.is_some() {} } => {}
    }
}

/// Reads `source` at once and then once a period, and whenever it is asked to, until an error is fatal.
async fn poll(mut source: Box<dyn TelemetrySource>, mut asked: Asked, clock: Clock, out: Outlet) {
    let name: Arc<str> = source.name().into();
    let period = source.period().max(SHORTEST);
    let began = Instant::now();
    let mut failing = Failing::default();
    let mut asking = Vec::new();
    loop {
        let (mut readings, reading) =
            (Readings::new(Arc::clone(&name), clock.now()), Instant::now());
        let read = match timeout(HANGS, source.read(&mut readings)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err((why(&error), error.fatal)),
            Err(_) => Err((format!("no answer within {} s", HANGS.as_secs()), false)),
        };
        let is_over = matches!(read, Err((_, true)));
        // Who asked one that fails slowly is left waiting: the next one then does not wait for it.
        let is_answer = read.is_ok() || reading.elapsed() < SLOW;
        if let Some(said) = failing.note(read, clock.now()) {
            readings.note(None, said);
        }
        out.send(readings);
        if is_answer {
            asking.clear();
        }
        if is_over {
            return;
        }
        let Some(next) = began.checked_add(to_next(period, began.elapsed())) else { return };
        tokio::select! {
            biased;
            ask = asked.recv() => asking.extend(ask),
            () = sleep_until(next) => {}
        }
        // One read answers all who asked meanwhile.
        asking.extend(std::iter::from_fn(|| asked.try_recv().ok()));
    }
}

/// Since when a source cannot be read.
#[derive(Default)]
struct Failing(Option<Moment>);

impl Failing {
    /// What is to be said of a read at `at`: only what has changed.
    fn note(&mut self, read: Result<(), (String, bool)>, at: Moment) -> Option<Said> {
        match (read, self.0) {
            (Ok(()), Some(since)) => {
                self.0 = None;
                Some(Said::Recovered { failed_for: at.since(since) })
            }
            (Err((why, fatal)), since) if since.is_none() || fatal => {
                self.0 = Some(since.unwrap_or(at));
                Some(Said::Failed { why, fatal })
            }
            _ => None,
        }
    }
}

/// Why `error` is one: what its cause says, and what that says of its own.
fn why(error: &SourceError) -> String {
    super::with_causes(&*error.cause)
}

/// The first multiple of `period` after `passed`: those that were missed are not made up.
fn to_next(period: Duration, passed: Duration) -> Duration {
    let next = (passed.as_nanos() / period.as_nanos() + 1).saturating_mul(period.as_nanos());
    u64::try_from(next).map_or(Duration::MAX, Duration::from_nanos)
}

/// The sources' way to the sinks. It never waits: what does not fit is dropped and counted.
#[derive(Clone)]
struct Outlet {
    batches: Sender<Batch>,
    lost: Arc<Lost>,
}

impl Outlet {
    fn new(capacity: usize) -> (Self, Receiver<Batch>) {
        let (batches, receiver) = bounded(capacity);
        (Self { batches, lost: Arc::default() }, receiver)
    }

    fn send(&self, readings: Readings) {
        let (readings, notes, elsewhere) = readings.into_parts();
        if let Some(used) = thread_time() {
            self.lost.thread_ns.store(nanos(used), Ordering::Relaxed);
        }
        self.lost.elsewhere_ns.fetch_add(nanos(elsewhere), Ordering::Relaxed);
        let is_empty = readings.is_empty() && notes.is_empty();
        if !is_empty && let Err(refused) = self.batches.try_send(Batch { readings, notes }) {
            let dropped = refused.into_inner().readings.len() as u64;
            self.lost.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ScriptedRead, ScriptedSource};

    const MS: Duration = Duration::from_millis(1);
    const PERIOD: Duration = Duration::from_millis(100);

    fn value(n: u64) -> ScriptedRead {
        ScriptedRead::of("n", n as f64)
    }

    /// When a source of 100 ms was read within `span`, in milliseconds, and how often before.
    async fn reads_within(
        span: Duration,
        mut script: impl FnMut(u64) -> ScriptedRead + Send + 'static,
    ) -> Vec<(u128, f64)> {
        let (out, readings) = Outlet::new(CAPACITY);
        let clock = Clock::start();
        let began = clock.now();
        let mut n = 0;
        let source = ScriptedSource::new(PERIOD, move |reads| {
            assert_eq!(reads, n, "each read is told once");
            n += 1;
            script(reads)
        });
        let (_ask, asked) = mpsc::unbounded_channel();
        let _ = timeout(span, poll(Box::new(source), asked, clock, out)).await;
        let read = readings.try_iter().flat_map(|batch| batch.readings);
        read.map(|r| (r.at.since(began).as_millis(), r.value)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_is_read_at_once_and_then_once_a_period() {
        let reads = reads_within(MS * 350, value).await;
        assert_eq!(reads, [(0, 0.0), (100, 1.0), (200, 2.0), (300, 3.0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_slow_read_misses_is_not_made_up() {
        let takes = |n| MS * if n == 1 { 250 } else { 10 };
        let script = move |n| ScriptedRead { takes: takes(n), ..value(n) };
        let reads = reads_within(MS * 550, script).await;
        assert_eq!(reads, [(0, 0.0), (100, 1.0), (400, 2.0), (500, 3.0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_abandoned_and_what_it_read_counts() {
        let takes = |n| if n == 0 { Duration::from_secs(3_600) } else { Duration::ZERO };
        let script = move |n| ScriptedRead { takes: takes(n), ..value(n) };
        let reads = reads_within(HANGS + MS * 250, script).await;
        assert_eq!(reads, [(0, 0.0), (10_100, 1.0), (10_200, 2.0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_tried_again_unless_it_is_fatal() {
        let fails = |n| match n {
            0 => Some(false),
            1 => None,
            _ => Some(true),
        };
        let script = move |n| ScriptedRead { fails: fails(n), ..value(n) };
        let reads = reads_within(MS * 10_000, script).await;
        assert_eq!(reads, [(0, 0.0), (100, 1.0), (200, 2.0)], "what could be read before counts");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_dropped_and_counted() {
        let (out, readings) = Outlet::new(2);
        let lost = Arc::clone(&out.lost);
        let (_ask, asked) = mpsc::unbounded_channel();
        let two =
            |n| ScriptedRead { values: [value(n).values, value(n).values].concat(), ..value(n) };
        let source = Box::new(ScriptedSource::new(PERIOD, two));
        let _ = timeout(MS * 450, poll(source, asked, Clock::start(), out)).await;
        assert_eq!(
            readings
                .try_iter()
                .flat_map(|batch| batch.readings)
                .map(|r| r.value)
                .collect::<Vec<_>>(),
            [0.0, 0.0, 1.0, 1.0]
        );
        assert_eq!(lost.dropped.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn any_period_has_a_next_time() {
        let cases = [
            (MS, Duration::ZERO, MS),
            (MS * 100, MS * 99, MS * 100),
            (MS * 100, MS * 100, MS * 200),
            (MS * 100, MS * 350, MS * 400),
            (Duration::MAX, MS, Duration::MAX),
        ];
        for (period, passed, next) in cases {
            assert_eq!(to_next(period, passed), next, "{period:?} after {passed:?}");
        }
    }

    fn start(sources: Vec<Box<dyn TelemetrySource>>) -> Option<Polling> {
        Polling::start(sources, Clock::start()).unwrap()
    }

    /// Waits for the next reading of a source that is read.
    fn next(polling: &Polling) -> Reading {
        let read = polling.batches.recv_timeout(Duration::from_secs(30)).unwrap();
        read.readings.into_iter().next().unwrap()
    }

    #[test]
    fn without_sources_there_is_no_thread() {
        assert!(start(vec![]).is_none());
    }

    #[test]
    fn a_source_that_panics_or_hangs_does_not_end_the_others() {
        let fine = ScriptedSource::new(MS, value);
        let panics = ScriptedSource::new(MS, |_| panic!("the driver is gone"));
        let hangs = |n| ScriptedRead { takes: Duration::from_secs(3_600), ..value(n) };
        let hangs = ScriptedSource::new(MS, hangs);
        let polling = start(vec![Box::new(panics), Box::new(hangs), Box::new(fine)]).unwrap();
        let read: Vec<_> = (0..20).map(|_| next(&polling).value).collect();
        let expected: Vec<_> = (0..20).map(f64::from).collect();
        assert_eq!(read, expected, "what hangs has told nothing");
        let before = Instant::now();
        drop(polling);
        assert!(before.elapsed() < GIVE_UP, "a read in flight is given up at once");
    }

    #[test]
    fn a_source_that_blocks_its_thread_does_not_hold_up_the_end() {
        let (free, held) = bounded::<()>(0);
        let (blocked, is_blocked) = bounded(1);
        let blocks = ScriptedSource::new(MS, move |n| {
            if n == 1 {
                blocked.send(()).unwrap();
                let _ = held.recv();
            }
            value(n)
        });
        let polling = start(vec![Box::new(blocks)]).unwrap();
        is_blocked.recv_timeout(Duration::from_secs(30)).unwrap();
        let before = Instant::now();
        drop(polling);
        assert!(before.elapsed() >= GIVE_UP, "it was waited for, and in vain");
        drop(free);
    }

    #[test]
    fn sources_are_read_at_once_when_asked_and_nobody_waits_for_one_that_is_slow() {
        const LONG: Duration = Duration::from_secs(3_600);
        let reads = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&reads);
        let quick = ScriptedSource::new(LONG, move |n| {
            counted.fetch_add(1, Ordering::Relaxed);
            value(n)
        });
        let ends = ScriptedSource::new(LONG, |n| ScriptedRead { fails: Some(true), ..value(n) });
        let mut polling = start(vec![Box::new(quick), Box::new(ends)]).unwrap();
        for asked in 1..=3 {
            polling.read_now(Duration::from_secs(30));
            assert!(reads.load(Ordering::Relaxed) >= asked, "it was read since");
        }
        let hangs = |n| ScriptedRead { takes: LONG, ..value(n) };
        let mut polling = start(vec![Box::new(ScriptedSource::new(MS, hangs))]).unwrap();
        let before = Instant::now();
        polling.read_now(MS * 20);
        // Whoever waited for it again would wait for an hour.
        polling.read_now(LONG);
        assert!(before.elapsed() < HANGS, "it was given up, and not waited for again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_fails_slowly_answers_nobody_and_one_that_succeeds_answers_all() {
        let script = |n| ScriptedRead {
            takes: if n < 3 { SLOW * 2 } else { Duration::ZERO },
            fails: (n < 3).then_some(false),
            ..value(n)
        };
        let (out, _batches) = Outlet::new(CAPACITY);
        let (ask, asked) = mpsc::unbounded_channel();
        let (read, is_read) = bounded(0);
        ask.send(read).unwrap();
        let source = Box::new(ScriptedSource::new(PERIOD, script));
        let polled = poll(source, asked, Clock::start(), out);
        tokio::pin!(polled);
        let _ = timeout(SLOW * 5, &mut polled).await;
        assert_eq!(is_read.try_recv(), Err(TryRecvError::Empty), "it was read twice, in vain");
        let _ = timeout(SLOW * 5, &mut polled).await;
        assert_eq!(is_read.try_recv(), Err(TryRecvError::Disconnected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_says_once_that_it_fails_and_once_that_it_does_not_any_more() {
        let (out, batches) = Outlet::new(CAPACITY);
        let script = |n| ScriptedRead { fails: matches!(n, 2..=4).then_some(false), ..value(n) };
        let source = Box::new(ScriptedSource::new(PERIOD, script));
        let (_ask, asked) = mpsc::unbounded_channel();
        let _ = timeout(MS * 950, poll(source, asked, Clock::start(), out)).await;
        let notes: Vec<_> = batches.try_iter().flat_map(|batch| batch.notes).collect();
        let said: Vec<_> = notes.into_iter().map(|note| note.said).collect();
        let why = "as scripted".to_owned();
        assert_eq!(
            said,
            [Said::Failed { why, fatal: false }, Said::Recovered { failed_for: MS * 300 }]
        );
    }
}
