//! When requests are sent: at the times asked for, whatever the server does, and it is seen when they
//! are not.

use std::{fs, io::Write, time::Duration};

use bench_core::{Clock, Moment, Outcome, Sample};
use bench_store::{EventKind, PhaseLine, PointSummary};

use crate::{
    program::{Ended, Place, statistic, until},
    server::{Gate, Server, whole},
    simulator::Simulator,
};

const MS: u64 = 1_000_000;
/// The arrivals that a test can say beforehand.
const EVENLY: &str = "--arrival-pattern constant --warmup-request-count 0 --ui none";

/// When requests were due, in nanoseconds after the first.
fn due_ns(samples: &[Sample]) -> Vec<u64> {
    let mut due: Vec<u64> = samples.iter().map(|sample| sample.due.as_nanos()).collect();
    due.sort_unstable();
    due.iter().map(|at| at - due[0]).collect()
}

/// When requests were sent, in order.
fn sent(samples: &[Sample]) -> Vec<Moment> {
    let mut sent: Vec<Moment> = samples.iter().map(|sample| sample.sent.unwrap()).collect();
    sent.sort_unstable();
    sent
}

#[test]
fn five_hundred_a_second_are_all_sent_and_each_is_due_at_its_time() {
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 0");
    let place = Place::new();
    place.run(&format!("-u {} -r 500 -d 4s {EVENLY}", simulator.url)).measures();
    let samples = place.measured();
    assert_eq!(due_ns(&samples), (0..2_000).map(|n| n * 2 * MS).collect::<Vec<_>>());
    assert_eq!(place.point().outcomes, [("ok".to_owned(), 2_000)].into());
    let mut sessions: Vec<u64> = samples.iter().map(|sample| sample.session).collect();
    sessions.sort_unstable();
    assert_eq!(sessions, (0..2_000).collect::<Vec<_>>());
    assert!(samples.iter().all(|sample| sample.sent.unwrap() >= sample.due));
}

/// A server that stands still for two seconds, and what is seen of it at 150 requests a second.
///
/// A request that is due t seconds before the server goes on has its first token t seconds later: of 750
/// requests 300 wait, evenly between 0 and 2 s, and 7 for more than 1.95 s.
struct Frozen {
    place: Place,
    ended: Ended,
    _simulator: Simulator,
}

impl Frozen {
    fn meanwhile(words: &str) -> Self {
        let frozen = "--freeze-at 1s --freeze-for 2s";
        let simulator = Simulator::start(&format!("--ttft-ms 1 --itl-ms 0 {frozen}"));
        let place = Place::new();
        let run = format!("-u {} -r 150 -n 750 {EVENLY} {words}", simulator.url);
        let ended = place.run(&run).measures();
        let frozen = Self { place, ended, _simulator: simulator };
        let due: Vec<u64> = (0..750).map(|n| n * 1_000 * MS / 150).collect();
        assert_eq!(due_ns(&frozen.place.measured()), due, "nothing moves the schedule");
        assert_eq!(frozen.place.point().outcomes, [("ok".to_owned(), 750)].into());
        frozen
    }

    fn ms(&self, metric: &str, name: &str) -> f64 {
        statistic(&self.place.point(), metric, name)
    }
}

#[test]
fn requests_go_on_while_a_server_stands_still() {
    let frozen = Frozen::meanwhile("");
    let sent = sent(&frozen.place.measured());
    // Two thirds of a second would hide a hundred of them; a machine at work may lose a part of it.
    let hole = sent.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
    assert!(hole < Duration::from_millis(660), "nothing was sent for {hole:?}");
    let middle = |at: &&Moment| (1_100..2_900).contains(&at.since(sent[0]).as_millis());
    let meanwhile = sent.iter().filter(middle).count();
    assert!(meanwhile > 150, "{meanwhile} of 270");

    for metric in ["ttft_ms", "ttft_due_ms"] {
        let p99 = frozen.ms(metric, "p99");
        assert!((1_800.0..2_600.0).contains(&p99), "{metric}: {p99}");
    }
    for row in ["TTFT due ms", "E2E due ms"] {
        assert!(frozen.ended.stdout.contains(row), "{row}: {}", frozen.ended.stdout);
    }
}

#[test]
fn a_cap_in_flight_hides_the_wait_from_all_but_the_times_from_due() {
    let frozen = Frozen::meanwhile("--max-in-flight 2");
    // Two stand still with the server; those that come meanwhile are not sent before it goes on.
    let [p95, max] = ["p95", "max"].map(|name| frozen.ms("ttft_ms", name));
    assert!(p95 < 500.0 && max > 1_800.0, "sent: {p95}, {max}");
    let [p90, p99] = ["p90", "p99"].map(|name| frozen.ms("ttft_due_ms", name));
    assert!(p90 > 1_300.0 && p99 > 1_800.0, "due: {p90}, {p99}");
    let late =
        |sample: &&Sample| sample.sent.unwrap().since(sample.due) > Duration::from_millis(100);
    let late = frozen.place.measured().iter().filter(late).count();
    assert!(late > 200, "{late} of 300");
    let PointSummary { reasons, trust, .. } = frozen.place.point();
    assert!(reasons.iter().any(|reason| reason.code == "late_sends"), "{reasons:?}");
    assert_eq!(trust, "void", "this is not the load that was asked for");
    assert!(frozen.ended.stdout.contains("TTFT due ms"), "{}", frozen.ended.stdout);
}

/// A load that leaves out what it could not send in time leaves out the longest waits.
#[test]
fn what_was_due_in_time_is_sent_though_the_time_is_over() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::completing(move |request, to| {
        held.wait();
        write!(to, "{}", whole(request))
    });
    let place = Place::new();
    let run = format!("-u {} -r 100 -d 1s --max-in-flight 1 {EVENLY}", server.url);
    let clock = Clock::start();
    let run = place.run(&run).start();
    server.wait_for(1);
    let sent = clock.now();
    until("its time is over", || clock.now().since(sent) > Duration::from_millis(1_200));
    gate.open();
    run.measures();
    assert_eq!(place.point().outcomes, [("ok".to_owned(), 100)].into());
    assert_eq!(due_ns(&place.measured()), (0..100).map(|n| n * 10 * MS).collect::<Vec<_>>());
    assert!(statistic(&place.point(), "ttft_due_ms", "max") > 1_100.0);
}

/// The due times of a run with the file `name` in its place.
fn due_by(name: &str, text: &str, words: &str) -> Vec<u64> {
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 0");
    let place = Place::new();
    fs::write(place.path().join(name), text).unwrap();
    let run = format!("-u {} --warmup-request-count 0 --ui none {words}", simulator.url);
    place.run(&run).measures();
    let samples = place.measured();
    assert!(samples.iter().all(|sample| sample.outcome.is_ok()));
    due_ns(&samples)
}

#[test]
fn a_trace_is_played_as_it_was_and_faster() {
    let seconds = "# from a log\n10.0\n10.05\n10.05\n10.2\n10.7\n";
    let json = "{\"timestamp\": 10000, \"input_length\": 7}\n{\"timestamp\": 10050}\n\
                {\"timestamp\": 10050}\n{\"timestamp\": 10200}\n{\"timestamp\": 10700}\n";
    let as_it_was = [0, 50, 50, 200, 700].map(|ms| ms * MS);
    assert_eq!(due_by("t", seconds, "--trace t"), as_it_was);
    assert_eq!(due_by("t", json, "--trace t"), as_it_was);
    let twice_as_fast = as_it_was.map(|ns| ns / 2);
    assert_eq!(due_by("t", seconds, "--trace t --speed-up 2"), twice_as_fast);
    assert_eq!(due_by("t", json, "--trace t --speed-up 2 -n 3"), twice_as_fast[..3]);
}

#[test]
fn a_rate_series_is_followed_step_by_step() {
    let series = "seconds,rate\n0,50\n0.4,200 # rush hour\n0.6,10\n";
    let words = "--rate-series s --arrival-pattern constant -n 63";
    let quiet = (0..20).map(|n| n * 20 * MS);
    let busy = (0..40).map(|n| (400 + n * 5) * MS);
    let again = (0..3).map(|n| (600 + n * 100) * MS);
    let expected: Vec<u64> = quiet.chain(busy).chain(again).collect();
    assert_eq!(due_by("s", series, words), expected);
}

/// When each of the first `N` requests was sent, counted from the beginning of the measured phase, with
/// answers that come only after all of them.
fn sent_in_a_ramp<const N: usize>(words: &str) -> [Duration; N] {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::completing(move |request, to| {
        held.wait();
        write!(to, "{}", whole(request))
    });
    let place = Place::new();
    let run = format!("-u {} -c {N} -n {N} --warmup-request-count 0 {words}", server.url);
    let run = place.run(&run).start();
    server.wait_for(N);
    gate.open();
    run.measures();
    let events = place.run_directory().read_events().unwrap();
    let began = events.into_iter().find_map(|event| match event.kind {
        EventKind::PhaseBegan { phase: PhaseLine::Measure, .. } => Some(event.at_ns),
        _ => None,
    });
    let began = Moment::from_nanos(began.unwrap());
    let sent: Vec<Duration> =
        sent(&place.measured()).into_iter().map(|at| at.since(began)).collect();
    sent.try_into().unwrap()
}

#[test]
fn places_of_a_concurrency_ramp_begin_one_after_another() {
    let ramp = "--concurrency-ramp-duration 1200ms";
    for (shape, earliest_ms) in [
        ("linear", [0, 300, 600, 900]),
        // 1200·ln(i + 1)/ln 4
        ("exponential", [0, 600, 951, 1200]),
    ] {
        let sent: [_; 4] = sent_in_a_ramp(&format!("{ramp} --concurrency-ramp-shape {shape}"));
        let earliest = earliest_ms.map(Duration::from_millis);
        let pairs = sent.iter().zip(&earliest);
        assert!(pairs.clone().all(|(sent, earliest)| sent >= earliest), "{shape}: {sent:?}");
        // At once, rather than in one's turn, is far from any of them.
        let late = pairs.map(|(sent, earliest)| *sent - *earliest).min().unwrap();
        assert!(late < Duration::from_millis(250), "{shape}: {sent:?}");
    }
}

#[test]
fn a_share_of_requests_is_given_up_always_the_same() {
    let simulator = Simulator::start("--ttft-ms 300 --itl-ms 0");
    let given_up = || {
        let place = Place::new();
        let cancel = "--request-cancellation-rate 25 --request-cancellation-delay 20ms";
        let run = format!("-u {} -n 240 -c 60 --warmup-request-count 0 {cancel}", simulator.url);
        place.run(&run).measures();
        let samples = place.measured();
        assert!(statistic(&place.point(), "error_ratio", "value") <= 0.0, "they are no failures");
        let mut sessions = Vec::new();
        for sample in samples {
            // Patience begins with the connection, where there has to be one.
            let began = sample.connect.map_or(sample.sent.unwrap(), |connect| connect.began);
            let lasted = sample.done.unwrap().since(began);
            if sample.outcome == Outcome::Cancelled {
                assert!(lasted >= Duration::from_millis(19), "{sample:?}");
                assert!(sample.arrivals.is_empty(), "{sample:?}");
                sessions.push(sample.session);
            } else {
                assert!(sample.outcome.is_ok(), "{sample:?}");
            }
        }
        sessions.sort_unstable();
        sessions
    };
    let sessions = given_up();
    // 60 of 240 on average; the deviation is √(240·¼·¾), 6.7.
    assert!((40..=80).contains(&sessions.len()), "{}", sessions.len());
    assert_eq!(sessions, given_up());
}
