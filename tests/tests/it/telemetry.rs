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

#[cfg(target_os = "linux")]
use bench_store::NoteLine;
use bench_store::{PointSummary, SaidLine, SeriesLine, TelemetryLine, read_readings, summarize};

#[cfg(target_os = "linux")]
use crate::{
    program::{Call, until},
    watching::{TOKEN, agent, agent_with},
};
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
    // As after a kill.
    std::fs::remove_file(place.run_directory().summary_path()).unwrap();
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
    let off = "--gpu-telemetry off --server-metrics off --host-telemetry=false";
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
         --server-metrics-interval 50ms --host-telemetry=false",
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
            thread::park_timeout(Duration::from_secs(3_600));
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
fn a_gpu_exporter_that_is_not_there_is_said_before_anything_is_sent() {
    let place = Place::new();
    let nobody = "--simulate -n 20 --gpu-telemetry dcgm=http://127.0.0.1:1";
    let ended = place.run(nobody).exits(2);
    for part in ["dcgm=http://127.0.0.1:1: it cannot be read", "--gpu-telemetry off"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(place.run_directories().is_empty());
    let ended = place.run("--simulate -n 20 --gpu-interval 1ns").exits(2);
    assert!(ended.stderr.contains("at least 10ms"), "{}", ended.stderr);
}

/// A run of `seconds` on a simulator, on a machine whose driver says what `script` has.
#[cfg(target_os = "linux")]
fn on_gpus(script: fake_nvml::Script, seconds: u32, words: &str) -> (PointSummary, String) {
    let driver = fake_nvml::Installed::new(script).unwrap();
    let place = Place::new();
    let run = place.run(&format!(
        "--simulate=ttft=5ms,itl=1ms -c 4 --benchmark-duration {seconds}s --warmup-request-count 4 \
         --gpu-telemetry nvml --idle-baseline 1s {words}"
    ));
    let ended = run.env("LD_LIBRARY_PATH", driver.folder().to_str().unwrap()).measures();
    let point = place.point();
    assert_eq!(point.outcomes.len(), 1, "every request succeeded: {point:?}");
    (point, ended.stdout)
}

/// That `value` is `expected`, give or take a thousandth.
#[track_caller]
fn close(value: f64, expected: f64) {
    assert!((value / expected - 1.0).abs() < 1e-3, "{value} for {expected}");
}

#[cfg(target_os = "linux")]
#[test]
fn energy_is_power_over_time_and_agrees_with_the_gpus_own_count() {
    use fake_nvml::{Device, Energy, Script};
    let counted = |device: Device| device.with_energy(Energy { start_mj: 7, wraps_at_mj: None });
    let mut script = Script::h200(2);
    script.devices = script.devices.into_iter().map(counted).collect();
    let (point, _) = on_gpus(script, 8, "--goodput ttft:10000");
    let value = |id: &str| point.metrics[id].statistic("value").unwrap();
    // 350 W and 400 W, all the time.
    close(value("gpu_power_w"), 750.0);
    close(value("gpu_idle_power_w"), 750.0);
    close(value("energy_j"), 750.0 * value("window_s"));
    let tokens = value("requests_ok") * 8.0;
    close(value("j_per_output_token"), value("energy_j") / tokens);
    close(value("j_per_good_request"), value("energy_j") / value("requests_ok"));
    close(value("tps_per_w"), value("output_tps") / 750.0);
    assert!(value("net_j_per_output_token").abs() < 1e-3 * value("j_per_output_token"));
    for gpu in &telemetry(&point).gpus {
        close(gpu.counted_j.unwrap(), gpu.energy_j.unwrap());
        assert!(gpu.difference.unwrap() < 0.01, "{gpu:?}");
        assert_eq!(gpu.name.as_deref(), Some("NVIDIA H200"));
    }
    assert!(point.reasons.iter().all(|reason| reason.code != "energy"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_sensor_that_contradicts_the_gpus_own_count_is_a_doubt() {
    use fake_nvml::{Script, Value};
    let mut script = Script::h200(1);
    let mut device = script.devices.remove(0);
    device.energy = None;
    // The counter runs at 500 W, and the sensor says 350.
    for ms in (0..60_000).step_by(50) {
        let counted = Value::Numbers(vec![ms * 500]);
        device = device.answers_from(ms, "nvmlDeviceGetTotalEnergyConsumption", counted);
    }
    script.devices.push(device);
    let (point, said) = on_gpus(script, 8, "");
    let gpu = &telemetry(&point).gpus[0];
    let difference = gpu.difference.unwrap_or_else(|| panic!("{gpu:?}"));
    assert!((difference - 0.3).abs() < 0.03, "{gpu:?}");
    let reason = point.reasons.iter().find(|reason| reason.code == "energy").unwrap();
    assert_eq!(reason.trust, "doubtful");
    assert!(said.contains("power over time and the GPU's own count"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_gpu_that_is_lost_while_it_is_watched_leaves_the_others() {
    use fake_nvml::Script;
    let mut script = Script::h200(2);
    script.devices[1].lost_at_ms = Some(2_000);
    let (point, _) = on_gpus(script, 4, "");
    let told = telemetry(&point);
    let lost = told.notes.iter().find(|note| matches!(note.said, SaidLine::Lost { .. })).unwrap();
    assert_eq!(lost.instance.as_deref(), Some("1"));
    let [first, second] = &told.gpus[..] else { panic!("{:?}", told.gpus) };
    assert!(first.coverage > 0.99 && second.coverage < 0.9, "{:?}", told.gpus);
    assert!(first.energy_j.is_some() && second.energy_j.is_none(), "{:?}", told.gpus);
    assert!(!point.metrics.contains_key("energy_j"), "of both it is not known");
    let reason = point.reasons.iter().find(|reason| reason.code == "gpu_lost");
    assert_eq!(reason.unwrap().trust, "doubtful");
}

#[cfg(target_os = "linux")]
#[test]
fn a_counter_of_energy_that_wraps_is_not_believed_and_power_is() {
    use fake_nvml::{Energy, Script};
    let mut script = Script::h200(1);
    script.devices[0].energy = Some(Energy { start_mj: 0, wraps_at_mj: Some(350_000 * 3) });
    let (point, _) = on_gpus(script, 4, "");
    let gpu = &telemetry(&point).gpus[0];
    assert_eq!((gpu.counted_j, gpu.difference), (None, None));
    close(gpu.power_w, 350.0);
    let energy = series(telemetry(&point), "gpu_energy_j");
    assert!(energy.resets >= 1);
    assert!(point.metrics.contains_key("energy_j"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_gb10_has_the_hosts_memory_and_says_what_it_cannot() {
    let (point, _) = on_gpus(fake_nvml::Script::gb10(), 2, "");
    let told = telemetry(&point);
    let total = series(told, "gpu_memory_total_bytes").values.as_ref().unwrap();
    let host = series(told, "host_memory_total_bytes").values.as_ref().unwrap();
    assert_eq!(total.statistic("max"), host.statistic("max"));
    assert_eq!(told.is("nvml", Some("0"), "gpu_memory_kind"), Some("unified"));
    let absent = |wanted: &str| {
        told.notes.iter().any(|note| {
            matches!(&note.said, SaidLine::Absent { name, why } if name == wanted && !why.is_empty())
        })
    };
    assert!(absent("gpu_energy_j") && absent("gpu_power_limit_w"), "{:?}", told.notes);
    assert!(told.series.iter().all(|series| series.name != "gpu_energy_j"));
    close(point.metrics["gpu_power_w"].statistic("value").unwrap(), 35.0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_driver_that_was_asked_for_by_name_and_is_not_there_ends_it_before_anything_is_sent() {
    let place = Place::new();
    let empty = Place::new();
    let run = place.run("--simulate -n 20 --gpu-telemetry nvidia-smi");
    let ended = run.env("PATH", empty.path().to_str().unwrap()).exits(2);
    assert!(ended.stderr.contains("--gpu-telemetry off"), "{}", ended.stderr);
    assert!(place.run_directories().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_watched_is_exported_reading_by_reading() {
    let driver = fake_nvml::Installed::new(fake_nvml::Script::h200(2)).unwrap();
    let place = Place::new();
    let run = place.run(
        "--simulate --benchmark-duration 2s --gpu-telemetry nvml --idle-baseline 0s \
         --export telemetry-csv,aiperf-telemetry",
    );
    run.env("LD_LIBRARY_PATH", driver.folder().to_str().unwrap()).measures();
    let directory = place.run_directory();
    let file = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    let readings = read_readings(&directory.readings_path()).unwrap().count();
    assert_eq!(file("readings.csv").lines().count(), readings + 1, "and the names of the columns");
    let told = telemetry(&place.point()).series.len();
    assert_eq!(file("telemetry.csv").lines().count(), told + 1);
    // A record holds all of a read, as AIPerf's does.
    let records: Vec<serde_json::Value> = file("gpu_telemetry_export.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(records.len() >= 4, "{}", records.len());
    for record in &records {
        let data = &record["telemetry_data"];
        let watts = if record["gpu_index"] == 0 { 350.0 } else { 400.0 };
        assert_eq!(data["nvidia_power_usage"], watts, "{record}");
        assert!(data["nvidia_energy_consumption"].is_number(), "{record}");
    }
    assert!(file("server_metrics_export.csv").contains("server_output_tokens"));
}

/// A run of `seconds` on a simulator that is said to be on the host of the agent at `port`.
#[cfg(target_os = "linux")]
fn beside_an_agent(place: &Place, port: u16, seconds: u32) -> Call {
    let words = format!(
        "--simulate=ttft=5ms,itl=1ms -c 4 --benchmark-duration {seconds}s --warmup-request-count 4 \
         --gpu-telemetry agent=127.0.0.1:{port} --agent-token-env THE_TOKEN --idle-baseline 1s"
    );
    place.run(&words).env("THE_TOKEN", TOKEN)
}

#[cfg(target_os = "linux")]
#[test]
fn the_gpus_of_another_host_are_on_the_runs_clock() {
    let driver = fake_nvml::Installed::new(fake_nvml::Script::h200(2)).unwrap();
    let (there, here) = (Place::new(), Place::new());
    let (_agent, port) = agent_with(&there, driver.folder());
    beside_an_agent(&here, port, 4).measures();
    let point = here.point();
    let gpus = &telemetry(&point).gpus;
    assert_eq!(gpus.len(), 2, "{gpus:?}");
    assert!(gpus.iter().all(|gpu| gpu.source == format!("nvml@127.0.0.1:{port}")), "{gpus:?}");
    close(gpus[0].power_w, 350.0);
    close(gpus[1].power_w, 400.0);
    assert!(gpus.iter().all(|gpu| gpu.coverage > 0.9 && gpu.counted_j.is_some()), "{gpus:?}");
    close(point.metrics["gpu_power_w"].statistic("value").unwrap(), 750.0);
    // This host is read by itself; that of the agent has its name behind it.
    let sources: Vec<_> = telemetry(&point).sources.iter().map(|s| s.name.clone()).collect();
    assert!(sources.contains(&"host".to_owned()), "{sources:?}");
    assert!(sources.contains(&format!("host@127.0.0.1:{port}")), "{sources:?}");
    let plan = std::fs::read_to_string(here.run_directory().run_path()).unwrap();
    assert!(plan.contains("THE_TOKEN") && !plan.contains(TOKEN), "{plan}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_agent_that_is_killed_leaves_a_gap_and_the_run() {
    let driver = fake_nvml::Installed::new(fake_nvml::Script::h200(1)).unwrap();
    let (there, here) = (Place::new(), Place::new());
    let (mut agent, port) = agent_with(&there, driver.folder());
    let run = beside_an_agent(&here, port, 5).start();
    // Its directory is there before it is a run's.
    let directories = || std::fs::read_dir(here.path().join("artifacts")).into_iter().flatten();
    let is_read =
        || directories().flatten().any(|run| run.path().join("readings.jsonl.zst").exists());
    until("the GPUs are read", is_read);
    agent.kill();
    run.measures();
    let point = here.point();
    assert_eq!(point.outcomes.len(), 1, "every request succeeded: {point:?}");
    assert!(!point.metrics.contains_key("energy_j"), "it was not watched throughout");
    let notes = &telemetry(&point).notes;
    let said = |note: &NoteLine| matches!(note.said, SaidLine::Failed { fatal: false, .. });
    assert!(notes.iter().any(|note| note.source.contains("agent@") && said(note)), "{notes:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_agent_that_is_told_the_wrong_token_is_not_asked_again() {
    let (there, here) = (Place::new(), Place::new());
    let (_agent, port) = agent(&there, "");
    let wrong = "fedcba9876543210fedcba9876543210";
    let ended = beside_an_agent(&here, port, 1).env("THE_TOKEN", wrong).exits(2);
    assert!(ended.stderr.contains("it cannot be read") && ended.stderr.contains("token"));
    assert!(!ended.stderr.contains(wrong), "{}", ended.stderr);
    assert!(here.run_directories().is_empty());
    let usual =
        format!("--simulate -n 5 --idle-baseline 0s --gpu-telemetry agent=127.0.0.1:{port}");
    here.run(&usual).env("INFERBENCH_AGENT_TOKEN", TOKEN).measures();
}
