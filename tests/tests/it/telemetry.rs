//! What is watched beside the requests: that it is right, and that nothing it meets with harms a run.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bench_store::{PointSummary, SaidLine, SeriesLine, TelemetryLine, summarize};

use crate::{
    program::{Place, statistic},
    server::{Answer, Request, Server},
    simulator::Simulator,
};

fn series<'t>(telemetry: &'t TelemetryLine, name: &str) -> &'t SeriesLine {
    telemetry
        .series
        .iter()
        .find(|series| series.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

fn telemetry(point: &PointSummary) -> &TelemetryLine {
    point.telemetry.as_ref().expect("something is watched")
}

#[test]
fn a_server_is_seen_to_count_what_was_sent_in_the_measured_phase() {
    let (simulator, place) = (Simulator::start("--ttft-ms 5 --itl-ms 1"), Place::new());
    let words = format!("-u {} -n 60 -c 4 --warmup-request-count 20", simulator.url);
    place.run(&words).measures();
    let point = place.point();
    let told = telemetry(&point);
    for (name, expected) in [
        ("server_requests", 60.0),
        ("server_output_tokens", 60.0 * 8.0),
        ("server_ttft_s_count", 60.0),
        ("server_e2e_s_count", 60.0),
    ] {
        let series = series(told, name);
        assert_eq!((series.increase, series.partial), (Some(expected), false), "{name}");
    }
    // What the client sees of a request is more than what the server does.
    let server_ms = series(told, "server_ttft_s_sum").increase.unwrap() / 60.0 * 1e3;
    let client_ms = statistic(&point, "ttft_ms", "mean");
    assert!(server_ms >= 5.0 && server_ms < client_ms, "{server_ms} of {client_ms} ms");
    assert!(point.reasons.iter().all(|reason| reason.code != "server_disagrees"), "{point:?}");
    let sources: Vec<_> = told.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(sources, ["client", "host", "server"]);
    assert!(series(told, "client_cpu_s").increase.unwrap() > 0.0);
}

#[test]
fn what_was_watched_is_told_again_by_the_readings_alone() {
    let place = Place::new();
    place.run("--simulate -n 200 -c 2").measures();
    let told = telemetry(&place.point()).clone();
    let again = summarize(&place.run_directory()).unwrap().points.remove(&0).unwrap();
    let again = TelemetryLine::from(&again.telemetry);
    let counters = |of: &TelemetryLine| {
        let counters = of.series.iter().filter(|series| series.source == "server");
        counters.map(|series| (series.name.clone(), series.increase)).collect::<Vec<_>>()
    };
    assert_eq!(counters(&again), counters(&told));
    assert_eq!(again.notes, told.notes);
}

#[test]
fn nothing_is_watched_that_nobody_wants_watched() {
    let place = Place::new();
    let off = "--gpu-telemetry off --server-metrics off --host-telemetry false";
    place.run(&format!("--simulate -n 20 {off}")).measures();
    assert_eq!(place.point().telemetry, None);
    assert!(!place.run_directory().readings_path().exists());
}

/// What an exporter does when it is asked the n-th time.
type Exporter = fn(usize, Answer<'_>) -> io::Result<()>;

fn counts(tokens: usize, to: Answer<'_>) -> io::Result<()> {
    let text = format!(
        "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{{engine=\"0\"}} 3.0\n\
         # TYPE vllm:generation_tokens counter\nvllm:generation_tokens_total{{engine=\"0\"}} {tokens}.0\n"
    );
    write!(
        to,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
}

fn gone() -> io::Result<()> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// A run of two seconds beside an exporter that is asked every 50 ms.
fn beside(exporter: Exporter) -> (PointSummary, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = Server::answering(move |_: &Request, to: Answer<'_>| {
        exporter(counted.fetch_add(1, Ordering::Relaxed), to)
    });
    let place = Place::new();
    let words = format!(
        "--simulate -c 4 --benchmark-duration 2s --warmup-request-count 4 --server-metrics {}/metrics \
         --server-metrics-interval 50ms --host-telemetry false",
        server.url
    );
    place.run(&words).measures();
    let point = place.point();
    assert_eq!(point.outcomes.len(), 1, "every request succeeded: {point:?}");
    (point, asked.load(Ordering::Relaxed))
}

#[test]
fn an_exporter_may_die_and_come_back() {
    let (point, _) = beside(|n, to| if (10..20).contains(&n) { gone() } else { counts(n, to) });
    let told = telemetry(&point);
    let said: Vec<_> = told.notes.iter().map(|note| &note.said).collect();
    let failed = said.iter().position(|said| matches!(said, SaidLine::Failed { fatal: false, .. }));
    let back = said.iter().position(
        |said| matches!(said, SaidLine::Recovered { failed_for_ns } if *failed_for_ns > 0),
    );
    assert!(failed.is_some() && failed < back, "{said:?}");
    let gap = told.sources[0].interval.as_ref().unwrap().statistic("max").unwrap();
    assert!(gap >= 400.0, "nothing was made up for ten reads: {gap} ms");
    assert_eq!(series(told, "server_output_tokens").resets, 0);
}

#[test]
fn a_server_that_was_started_again_counts_from_its_start() {
    let (point, _) = beside(|n, to| counts(if n < 15 { 1_000 + n } else { n - 15 }, to));
    assert_eq!(series(telemetry(&point), "server_output_tokens").resets, 1);
    let reason = point.reasons.iter().find(|reason| reason.code == "server_restarted");
    assert_eq!(reason.unwrap().trust, "doubtful");
}

#[test]
fn an_exporter_may_answer_garbage() {
    let (point, asked) = beside(|_, to| {
        write!(to, "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n\u{1b}[2Jgarb{{age")
    });
    let told = telemetry(&point);
    assert!(asked > 5, "it was asked again: {asked}");
    assert!(told.series.is_empty());
    let SaidLine::Failed { why, .. } = &told.notes[0].said else { panic!("{:?}", told.notes) };
    assert!(!why.contains('\u{1b}'), "{why:?}");
}

#[test]
fn an_exporter_may_be_slow_or_never_answer() {
    let (point, asked) = beside(|n, to| {
        if n > 3 {
            thread::sleep(Duration::from_secs(3_600));
        }
        counts(n, to)
    });
    assert!((4..10).contains(&asked), "one question at a time: {asked}");
    assert!(!telemetry(&point).series.is_empty(), "what came counts");
}

#[test]
fn a_source_that_is_asked_for_by_name_and_is_not_there_is_said_before_anything_is_sent() {
    let place = Place::new();
    // No library of a driver is in an empty folder, wherever this runs.
    let ended = place.run("--simulate -n 20 --gpu-telemetry dcgm=ftp://x").exits(2);
    assert!(
        ended.stderr.contains("dcgm=ftp://x") || ended.stderr.contains("ftp"),
        "{}",
        ended.stderr
    );
    assert!(place.run_directories().is_empty());
    let ended = place.run("--simulate -n 20 --gpu-telemetry gpus").exits(2);
    assert!(ended.stderr.contains("dcgm=URL, agent=URL or off"), "{}", ended.stderr);
}

#[test]
fn a_gpu_exporter_that_is_not_there_leaves_a_run_without_energy() {
    let place = Place::new();
    place
        .run("--simulate -n 20 --gpu-telemetry dcgm=http://127.0.0.1:1 --idle-baseline 0s")
        .measures();
    let point = place.point();
    assert!(!point.metrics.contains_key("energy_j"));
    let failed = |said: &SaidLine| matches!(said, SaidLine::Failed { .. });
    assert!(telemetry(&point).notes.iter().any(|n| n.source == "dcgm" && failed(&n.said)));
}
