//! Ctrl-C and worse: what was measured is kept, and said to be partial.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use bench_core::{Clock, Moment, Outcome};
use bench_store::{State, read_samples, summarize};
use nix::sys::signal::Signal;

use crate::{
    program::{Call, Ended, Place, Started, unread, until},
    server::{Gate, STREAM, Server, end, token, whole},
};

const DRAINING: &str = "stopping: waiting for requests in flight; once more gives them up";
const ABORTING: &str = "aborting: what was measured is kept; once more leaves at once";

/// A run whose first six requests were answered, and whose next two have got one token each.
struct Midway {
    place: Place,
    server: Server,
    gate: Gate,
    run: Started,
}

impl Midway {
    fn of(words: &str) -> Self {
        Self::started(words, Call::start)
    }

    fn started(words: &str, start: impl FnOnce(Call) -> Started) -> Self {
        let gate = Gate::default();
        let held = gate.clone();
        let server = Server::completing(move |request, to| match request.number {
            0..6 => write!(to, "{}", whole(request)),
            _ => {
                write!(to, "{STREAM}{}", token())?;
                held.wait();
                write!(to, "{}{}", token().repeat(7), end(8))
            }
        });
        let place = Place::new();
        let run = format!("-u {} -n 1000 -c 2 --warmup-request-count 0", server.url);
        let run = start(place.run(&run).words(words));
        server.wait_for(8);
        Self { place, server, gate, run }
    }

    /// Interrupts it, and waits until it has noticed.
    fn signal(&self, signal: Signal, said: &str) {
        self.run.signal(signal);
        self.run.stderr.wait_for(said);
    }

    /// Checks that it ends with `code`, and what became of the requests.
    #[track_caller]
    fn ends(self, code: i32, outcomes: &[(&str, u64)]) -> (Place, Ended) {
        let ended = self.run.exits(code);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_eq!(self.server.completions().len(), 8, "nothing more was sent");
        let summary = self.place.summary();
        assert_eq!(summary.state, State::Interrupted);
        let point = &summary.points[0];
        let expected = outcomes.iter().map(|(name, count)| ((*name).to_owned(), *count));
        assert_eq!(point.outcomes, expected.collect());
        assert!(point.reasons.iter().any(|reason| reason.code == "interrupted"));
        assert_eq!(self.place.measured().len(), 8);
        (self.place, ended)
    }
}

#[test]
fn ctrl_c_lets_requests_in_flight_end() {
    let midway = Midway::of("");
    midway.signal(Signal::SIGINT, DRAINING);
    midway.gate.open();
    let (place, ended) = midway.ends(130, &[("ok", 8)]);
    assert!(ended.stdout.contains("Requests     8 ok   0 failed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("stopped before its end: partial"), "{}", ended.stdout);
    assert!(place.measured().iter().all(|sample| sample.generated().count() == 8));
}

#[test]
fn ctrl_c_twice_gives_them_up_and_keeps_what_came() {
    let midway = Midway::of("");
    midway.signal(Signal::SIGINT, DRAINING);
    midway.signal(Signal::SIGINT, ABORTING);
    let (place, ended) = midway.ends(130, &[("cancelled", 2), ("ok", 6)]);
    assert!(ended.stdout.contains("partial"), "{}", ended.stdout);
    let samples = place.measured();
    let cancelled: Vec<_> =
        samples.iter().filter(|sample| sample.outcome == Outcome::Cancelled).collect();
    assert_eq!(cancelled.len(), 2);
    for sample in cancelled {
        assert_eq!(sample.generated().count(), 1, "{sample:?}");
        assert!(sample.done.is_some(), "{sample:?}");
    }
}

#[test]
fn grace_ends_what_does_not_end() {
    let midway = Midway::of("--benchmark-grace-period 100ms");
    midway.signal(Signal::SIGINT, DRAINING);
    midway.ends(130, &[("cancelled", 2), ("ok", 6)]);
}

#[test]
fn being_terminated_is_being_stopped_with_another_code() {
    let midway = Midway::of("--json");
    midway.signal(Signal::SIGTERM, DRAINING);
    midway.gate.open();
    let (place, ended) = midway.ends(143, &[("ok", 8)]);
    let printed: bench_store::SummaryFile = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(printed, place.summary());
}

#[test]
fn a_reader_that_has_gone_away_changes_nothing() {
    let midway = Midway::started("", |call| call.stdout(unread()));
    midway.signal(Signal::SIGINT, DRAINING);
    midway.gate.open();
    midway.ends(130, &[("ok", 8)]);
}

#[test]
fn a_warm_up_that_is_interrupted_says_that_nothing_was_measured() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::completing(move |request, to| {
        held.wait();
        write!(to, "{}", whole(request))
    });
    let place = Place::new();
    let run = place.run(&format!("-u {} -n 10 --warmup-request-count 5", server.url)).start();
    server.wait_for(1);
    run.signal(Signal::SIGINT);
    run.stderr.wait_for(DRAINING);
    gate.open();
    let ended = run.exits(130);
    assert!(ended.stdout.contains("VOID"), "{}", ended.stdout);
    assert!(ended.stdout.contains("partial"), "{}", ended.stdout);
    assert_eq!((server.completions().len(), place.measured().len()), (1, 0));
    assert_eq!(place.summary().state, State::Interrupted);
}

/// What is in memory is written down after a second; a busy machine may take two more.
const MOST_LOST: Duration = Duration::from_secs(3);

#[test]
fn what_is_killed_loses_no_more_than_its_last_moments() {
    let clock = Clock::start();
    let answered: Arc<Mutex<Vec<Moment>>> = Arc::default();
    let noted = Arc::clone(&answered);
    let server = Server::completing(move |request, to| {
        write!(to, "{}", whole(request))?;
        noted.lock().unwrap().push(clock.now());
        Ok(())
    });
    let place = Place::new();
    let run = format!("-u {} -d 10m --warmup-request-count 0", server.url);
    let mut run = place.run(&run).start();
    until("the run has lasted", || {
        answered
            .lock()
            .unwrap()
            .first()
            .is_some_and(|first| clock.now() > *first + MOST_LOST + Duration::from_millis(500))
    });
    let killed = clock.now();
    run.signal(Signal::SIGKILL);
    assert!(run.wait().code().is_none(), "it could not help it");

    let directory = place.run_directory();
    assert_eq!(directory.read_summary().unwrap(), None);
    let mut records = read_samples(&directory.samples_path()).unwrap();
    let samples: Vec<_> = records.by_ref().map(Result::unwrap).collect();
    let numbers: Vec<u64> = samples.iter().map(|sample| sample.number).collect();
    assert_eq!(
        numbers,
        (0..samples.len() as u64).collect::<Vec<_>>(),
        "the first ones, all of them"
    );
    let old = answered.lock().unwrap().iter().filter(|at| **at + MOST_LOST < killed).count();
    assert!(samples.len() >= old && old > 0, "{} of {old}", samples.len());

    let recomputed = summarize(&directory).unwrap();
    assert_eq!(recomputed.points[&0].succeeded(), samples.len() as u64);
    assert_eq!(recomputed.torn, records.torn());
}
