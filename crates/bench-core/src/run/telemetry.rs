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

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tokio::{
    runtime,
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{Clock, Reading, Readings, TelemetrySource};

/// Reads that may wait for the sinks at a time.
const CAPACITY: usize = 1_024;
/// The shortest period: tokio's timer is no finer.
const SHORTEST: Duration = Duration::from_millis(1);
/// After how long a read that hangs is abandoned.
const HANGS: Duration = Duration::from_secs(10);
/// How long the end of a point waits for a source that blocks its thread.
const GIVE_UP: Duration = Duration::from_secs(1);

/// The sources of a point, read until this is dropped.
pub(super) struct Polling {
    readings: Receiver<Vec<Reading>>,
    dropped: Arc<AtomicU64>,
    /// The thread, which ends once the sender is gone.
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Polling {
    /// Begins to read `sources`; `None` if there are none.
    pub(super) fn start(
        sources: Vec<Box<dyn TelemetrySource>>,
        clock: Clock,
    ) -> io::Result<Option<Self>> {
        if sources.is_empty() {
            return Ok(None);
        }
        let (out, readings) = Outlet::new(CAPACITY);
        let dropped = Arc::clone(&out.dropped);
        let (running, ended) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            runtime.block_on(poll_all(sources, clock, out, ended));
            // What a source left to `spawn_blocking` may hang: nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Some(Self { readings, dropped, thread: Some((running, thread)) }))
    }

    /// What was read since this was called last.
    pub(super) fn take(&self) -> impl Iterator<Item = Reading> {
        // Not what comes in meanwhile: a slow sink would never get to the end of it.
        self.readings.try_iter().take(self.readings.len()).flatten()
    }

    /// How many readings were dropped since this was called last, because too many waited.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        let Some((running, thread)) = self.thread.take() else { return };
        drop(running);
        let give_up = Instant::now() + GIVE_UP;
        let ended = loop {
            match self.readings.recv_deadline(give_up.into_std()) {
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

/// Reads each source in a task of its own, until `ended`. A panic ends the task, and no other.
async fn poll_all(
    sources: Vec<Box<dyn TelemetrySource>>,
    clock: Clock,
    out: Outlet,
    ended: oneshot::Receiver<()>,
) {
    let mut tasks = JoinSet::new();
    for source in sources {
        tasks.spawn(poll(source, clock, out.clone()));
    }
    drop(out);
    tokio::select! {
        _ = ended => {}
        () = async { while tasks.join_next().await.is_some() {} } => {}
    }
}

/// Reads `source` at once and then once a period, until an error is fatal.
async fn poll(mut source: Box<dyn TelemetrySource>, clock: Clock, out: Outlet) {
    let name = source.name().to_owned();
    let period = source.period().max(SHORTEST);
    let began = Instant::now();
    loop {
        let mut readings = Readings::new(name.as_str(), clock.now());
        let read = timeout(HANGS, source.read(&mut readings)).await;
        out.send(readings.into_vec());
        if matches!(read, Ok(Err(error)) if error.fatal) {
            return;
        }
        match began.checked_add(to_next(period, began.elapsed())) {
            Some(next) => sleep_until(next).await,
            None => return,
        }
    }
}

/// The first multiple of `period` after `passed`: those that were missed are not made up.
fn to_next(period: Duration, passed: Duration) -> Duration {
    let next = (passed.as_nanos() / period.as_nanos() + 1).saturating_mul(period.as_nanos());
    u64::try_from(next).map_or(Duration::MAX, Duration::from_nanos)
}

/// The sources' way to the sinks. It never waits: what does not fit is dropped and counted.
#[derive(Clone)]
struct Outlet {
    readings: Sender<Vec<Reading>>,
    dropped: Arc<AtomicU64>,
}

impl Outlet {
    fn new(capacity: usize) -> (Self, Receiver<Vec<Reading>>) {
        let (readings, receiver) = bounded(capacity);
        (Self { readings, dropped: Arc::default() }, receiver)
    }

    fn send(&self, readings: Vec<Reading>) {
        if !readings.is_empty()
            && let Err(refused) = self.readings.try_send(readings)
        {
            self.dropped.fetch_add(refused.into_inner().len() as u64, Ordering::Relaxed);
        }
    }
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
        let _ = timeout(span, poll(Box::new(source), clock, out)).await;
        let read = readings.try_iter().flatten();
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
        let dropped = Arc::clone(&out.dropped);
        let two =
            |n| ScriptedRead { values: [value(n).values, value(n).values].concat(), ..value(n) };
        let source = Box::new(ScriptedSource::new(PERIOD, two));
        let _ = timeout(MS * 450, poll(source, Clock::start(), out)).await;
        assert_eq!(
            readings.try_iter().flatten().map(|r| r.value).collect::<Vec<_>>(),
            [0.0, 0.0, 1.0, 1.0]
        );
        assert_eq!(dropped.load(Ordering::Relaxed), 6);
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
        let read = polling.readings.recv_timeout(Duration::from_secs(30)).unwrap();
        read.into_iter().next().unwrap()
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
}
