//! Whether the numbers are right, against servers of which it is known what they did.

use std::{io::Write, net::Ipv4Addr, time::Duration};

use bench_core::{Outcome, Sample};
use bench_sim::Config;
use bench_store::LoadLine;

use crate::{
    program::{Place, statistic},
    server::{Gate, STREAM, Server, token, whole},
    simulator::Simulator,
};

#[test]
fn no_time_is_shorter_than_it_was() {
    let simulator = Simulator::start("--ttft-ms 30 --itl-ms 2");
    let place = Place::new();
    place.run(&format!("-u {} -n 20 --osl 10 -c 2", simulator.url)).measures();
    let point = place.point();
    // Stamps of two clocks are compared: a tenth of a millisecond is more than they may differ by.
    let at_least = |metric, ms: f64| {
        let min = statistic(&point, metric, "min");
        assert!(min > ms - 0.1, "{metric}: {min}");
    };
    at_least("ttft_ms", 30.0);
    at_least("e2e_ms", 30.0 + 9.0 * 2.0);
    for (metric, expected) in [("osl", "10"), ("ttft_ms", "20")] {
        let name = if metric == "osl" { "min" } else { "count" };
        assert_eq!(statistic(&point, metric, name).to_string(), expected, "{metric}");
    }
    assert_eq!(point.outcomes, [("ok".to_owned(), 20)].into());
    assert_eq!(point.load, LoadLine::closed(2));
    assert!(statistic(&point, "concurrency", "value") <= 2.0);
}

/// The simulator knows when it sent each token, on the clock that `run.json` is anchored to.
#[cfg(target_os = "linux")]
#[test]
fn every_moment_fits_with_when_the_server_sent() {
    const SLACK_NS: u64 = 100_000;
    let config = Config {
        ttft: Duration::from_millis(10),
        itl: Duration::from_millis(3),
        ..Config::default()
    };
    let server = bench_sim::Server::start(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let place = Place::new();
    place.run(&format!("-u {} -n 30 --osl 12 -c 3", server.url())).measures();
    let start_ns = place.run_directory().read_run().unwrap().anchor.monotonic_ns.unwrap();
    for sample in place.measured() {
        let truth = server.truth(&sample.request_id).unwrap();
        assert_eq!(sample.generated().count(), truth.sends.len());
        let sent_ns = start_ns + sample.sent.unwrap().as_nanos();
        assert!(sent_ns <= truth.received_ns + SLACK_NS, "{sample:?}\n{truth:?}");
        for (arrival, sent) in sample.generated().zip(&truth.sends) {
            let at_ns = start_ns + arrival.at.as_nanos();
            assert!(at_ns + SLACK_NS >= sent.at_ns, "{sample:?}\n{truth:?}");
        }
    }
}

#[test]
fn completions_are_measured_as_chats_are() {
    let simulator = Simulator::start("--ttft-ms 5 --itl-ms 1");
    let place = Place::new();
    let run = format!("-u {} -n 10 --endpoint-type completions", simulator.url);
    place.run(&run).measures();
    let point = place.point();
    assert_eq!(point.outcomes, [("ok".to_owned(), 10)].into());
    assert_eq!(statistic(&point, "osl", "max").to_string(), "8");
    assert!(statistic(&point, "ttft_ms", "min") > 4.9);
    assert!(place.measured().iter().all(|sample| sample.generated().count() == 8));
}

#[test]
fn an_answer_that_comes_whole_has_its_time_and_its_tokens() {
    let simulator = Simulator::start("--ttft-ms 5 --itl-ms 1");
    let place = Place::new();
    place.run(&format!("-u {} -n 10 --no-streaming", simulator.url)).measures();
    let point = place.point();
    assert_eq!(point.outcomes, [("ok".to_owned(), 10)].into());
    assert_eq!(statistic(&point, "osl", "max").to_string(), "8");
    assert!(statistic(&point, "e2e_ms", "min") > 5.0 + 7.0 - 0.1);
    for metric in ["tpot_ms", "itl_ms", "icl_ms", "ttst_ms"] {
        assert!(!point.metrics.contains_key(metric), "{metric}");
    }
}

/// When requests were due, from the first one on.
fn due_ns(samples: &[Sample]) -> Vec<u64> {
    let mut due: Vec<u64> = samples.iter().map(|sample| sample.due.as_nanos()).collect();
    due.sort_unstable();
    due.iter().map(|at| at - due[0]).collect()
}

#[test]
fn a_constant_rate_is_kept_to_the_nanosecond() {
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 0");
    let place = Place::new();
    let run = format!("-u {} -n 40 -r 200 --arrival-pattern constant", simulator.url);
    place.run(&run).measures();
    let samples = place.measured();
    let expected: Vec<u64> = (0..40).map(|n| n * 5_000_000).collect();
    assert_eq!(due_ns(&samples), expected);
    assert!(samples.iter().all(|sample| sample.sent.unwrap() >= sample.due));

    let point = place.point();
    let shown = matches!(&point.load, LoadLine::Open { requests_per_s: Some(rate), .. } if rate.to_string() == "200");
    assert!(shown, "{:?}", point.load);
    for (from_sent, from_due) in [("ttft_ms", "ttft_due_ms"), ("e2e_ms", "e2e_due_ms")] {
        let [sent, due] = [from_sent, from_due].map(|metric| statistic(&point, metric, "mean"));
        assert!(due >= sent, "{from_due}: {due} < {sent}");
    }
}

#[test]
fn a_poisson_rate_is_uneven_and_follows_from_the_seed() {
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 0");
    let due = |seed: &str| {
        let place = Place::new();
        place.run(&format!("-u {} -n 30 -r 200 --seed {seed}", simulator.url)).measures();
        due_ns(&place.measured())
    };
    let first = due("7");
    assert_eq!(first, due("7"));
    assert_ne!(first, due("8"));
    let gaps: std::collections::BTreeSet<u64> = first.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(first.is_sorted() && gaps.len() > 20, "{first:?}");
}

#[test]
fn a_slow_server_does_not_slow_a_rate() {
    // No request is answered before all have come.
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::completing(move |request, to| {
        held.wait();
        write!(to, "{}", whole(request))
    });
    let place = Place::new();
    let run = format!("-u {} -n 50 -r 500 --warmup-request-count 0", server.url);
    let run = place.run(&run).start();
    server.wait_for(50);
    gate.open();
    run.measures();
    assert_eq!(place.point().outcomes, [("ok".to_owned(), 50)].into());
}

#[test]
fn a_duration_ends_the_sending_and_grace_lets_answers_end() {
    let simulator = Simulator::start("--ttft-ms 5 --itl-ms 5");
    let place = Place::new();
    place.run(&format!("-u {} -d 400ms -c 4", simulator.url)).measures();
    let samples = place.measured();
    let end = samples[0].due + Duration::from_millis(400);
    assert!(samples.iter().all(|sample| sample.due <= end && sample.outcome.is_ok()));
    assert!(!samples.is_empty());
}

#[test]
fn without_grace_answers_are_cut_and_that_is_no_failure_of_theirs() {
    let server = Server::completing(|request, to| match request.number {
        0..10 => write!(to, "{}", whole(request)),
        _ => {
            write!(to, "{STREAM}{}", token())?;
            Gate::default().wait();
            Ok(())
        }
    });
    let place = Place::new();
    let run = "-d 1s --benchmark-grace-period 0s -c 2 --warmup-request-count 0";
    place.run(&format!("-u {} {run}", server.url)).measures();
    let counts = [("cancelled".to_owned(), 2), ("ok".to_owned(), 10)];
    assert_eq!(place.point().outcomes, counts.into());
    let samples = place.measured();
    let cut = samples.iter().filter(|sample| sample.outcome == Outcome::Cancelled);
    for sample in cut {
        assert_eq!(sample.generated().count(), 1, "{sample:?}");
        assert!(sample.done >= Some(samples[0].due + Duration::from_millis(500)));
    }
    assert!(statistic(&place.point(), "error_ratio", "value") <= 0.0);
}

#[test]
fn doctor_compares_every_token_with_the_truth() {
    let ended =
        Place::new().inferbench("doctor --self-test -c 4 --rounds 2 --osl 20 --itl-ms 2").exits(0);
    let numbers = |line: &str| -> Vec<f64> {
        let row = ended.stdout.lines().find(|row| row.starts_with(line)).unwrap();
        row[line.len()..].split_whitespace().map(|number| number.parse().unwrap()).collect()
    };
    let ttft = numbers("time to first token, as reported");
    assert_eq!(ttft[0].to_string(), "8", "answers");
    assert!(ttft[1..].is_sorted() && ttft[1] >= 0.0, "p50, p99, max: {ttft:?}");
    let shared = ended.stdout.lines().find(|line| line.contains("shared a read")).unwrap();
    let shared: f64 = shared.split(' ').next().unwrap().parse().unwrap();
    let gaps = numbers("chunk gaps, as reported");
    assert_eq!((gaps[0] + shared).to_string(), (8 * 19).to_string(), "{}", ended.stdout);
}
