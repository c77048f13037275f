//! Two GPUs, a server and a host, as they were watched while requests were sent.

use bench_core::{Moment, Reading, Said, SourceNote, Watched, reading};
use bench_report::console::{self, Style};
use bench_store::PointSummary;

use crate::fixture::{Measured, closed, sample};

/// All that is read, in memory and one by one.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) watched: Watched,
    pub(crate) readings: Vec<Reading>,
}

/// What is read of one device of a source: a value of each second, from the second.
struct Device<'a> {
    log: &'a mut Log,
    source: &'static str,
    instance: Option<&'static str>,
    every_ms: u64,
}

/// When the last request ends, and a little more.
const END_MS: u64 = 14_000;

impl Device<'_> {
    fn read(&mut self, name: &'static str, value: impl Fn(f64) -> f64) {
        self.read_to(END_MS, name, value);
    }

    fn read_to(&mut self, end_ms: u64, name: &'static str, value: impl Fn(f64) -> f64) {
        for ms in (0..=end_ms).step_by(usize::try_from(self.every_ms).unwrap()) {
            let at = Moment::from_nanos(ms * 1_000_000);
            let (source, instance) = (self.source.into(), self.instance.map(Into::into));
            let value = value(ms as f64 / 1e3);
            let reading = Reading { source, name: name.into(), instance, at, value };
            self.log.watched.add(&reading);
            self.log.readings.push(reading);
        }
    }

    fn say(&mut self, said: Said) {
        let (source, instance) = (self.source.into(), self.instance.map(Into::into));
        let at = Moment::from_nanos(1_000_000_000);
        self.log.watched.note(&SourceNote { source, instance, at, said });
    }

    fn is(&mut self, what: &'static str, text: &str) {
        self.say(Said::Is { what: what.into(), text: text.into() });
    }
}

fn gpu(log: &mut Log, number: &'static str, watts: f64, counts: bool) {
    let mut gpu = Device { log, source: "nvml", instance: Some(number), every_ms: 100 };
    gpu.is("gpu_name", "NVIDIA H200");
    gpu.is("gpu_uuid", &format!("GPU-{number}"));
    gpu.read(reading::GPU_UTILIZATION_RATIO, |_| 0.97);
    gpu.read(reading::GPU_MEMORY_USED_BYTES, |_| 121.0 * 1_073_741_824.0);
    gpu.read(reading::GPU_MEMORY_TOTAL_BYTES, |_| 141.0 * 1_073_741_824.0);
    // A saw between 20 W below and 20 W above.
    gpu.read(reading::GPU_POWER_W, |s| watts - 20.0 + 40.0 * (s * 5.0).rem_euclid(1.0).round());
    gpu.read(reading::GPU_POWER_LIMIT_W, |_| 700.0);
    gpu.read(reading::GPU_TEMPERATURE_C, |s| 60.0 + s.floor() / 2.0);
    gpu.read(reading::GPU_SM_CLOCK_MHZ, |_| 1_755.0);
    gpu.read(reading::GPU_SM_CLOCK_MAX_MHZ, |_| 1_980.0);
    gpu.read(reading::GPU_THROTTLED, |_| 0.0);
    if counts {
        gpu.read(reading::GPU_ENERGY_J, |s| 5e6 + s * watts * 1.02);
    } else {
        let why = "not supported by this GPU".to_owned();
        gpu.say(Said::Absent { name: reading::GPU_ENERGY_J.into(), why });
    }
}

fn server(log: &mut Log) {
    let mut server = Device { log, source: "vllm", instance: None, every_ms: 1_000 };
    server.read(reading::SERVER_RUNNING, |s| 32.0 - (s.floor() % 2.0));
    server.read(reading::SERVER_WAITING, |s| s.floor() % 2.0);
    server.read(reading::SERVER_KV_CACHE_RATIO, |s| 0.3 + s / 100.0);
    server.read(reading::SERVER_PREFIX_QUERIED_TOKENS, |s| s * 50_000.0);
    server.read(reading::SERVER_PREFIX_HIT_TOKENS, |s| s * 6_000.0);
    server.read(reading::SERVER_PREEMPTIONS, |s| (s / 5.0).floor());
    server.read(reading::SERVER_DRAFTS, |s| s * 100.0);
    server.read(reading::SERVER_DRAFT_TOKENS, |s| s * 300.0);
    server.read(reading::SERVER_ACCEPTED_TOKENS, |s| s * 130.0);
    // 53 requests a second, up to 700.
    let requests = |s: f64| (s * 53.0).min(700.0);
    server.read(reading::SERVER_REQUESTS, requests);
    server.read(reading::SERVER_PROMPT_TOKENS, |s| requests(s) * 1_024.0);
    server.read(reading::SERVER_OUTPUT_TOKENS, |s| requests(s) * 32.0 * 1.001);
    server.read("server_queue_s_sum", |s| s * 0.1);
    server.read("server_queue_s_count", |s| s * 50.0);
    server.read("server_ttft_s_sum", |s| s * 5.0);
    server.read("server_ttft_s_count", |s| s * 50.0);
    for (bound, share) in [("0.05", 0.0), ("0.1", 25.0), ("0.2", 50.0), ("+Inf", 50.0)] {
        server.instance = Some(bound);
        server.read("server_ttft_s_bucket", |s| s * share);
    }
}

fn host(log: &mut Log) {
    let mut host = Device { log, source: "host", instance: None, every_ms: 1_000 };
    host.read(reading::HOST_CPU_RATIO, |s| 0.1 + s / 100.0);
    host.read(reading::HOST_MEMORY_USED_BYTES, |_| 31.0 * 1_073_741_824.0);
    host.read(reading::HOST_MEMORY_TOTAL_BYTES, |_| 128.0 * 1_073_741_824.0);
    host.instance = Some("eth0");
    host.read(reading::HOST_NETWORK_SENT_BYTES, |s| s * 4e6);
    host.read(reading::HOST_NETWORK_RECEIVED_BYTES, |s| s * 1e6);
    let mut client = Device { log, source: "client", instance: None, every_ms: 1_000 };
    client.read(reading::CLIENT_CPU_S, |s| s * 0.2);
    client.read(reading::CLIENT_MEMORY_BYTES, |_| 1_073_741_824.0 / 8.0);
    client.read(reading::CLIENT_FILES, |_| 45.0);
}

/// All of it; idle, GPU 0 draws 78 W, and GPU 1 98 W.
pub(crate) fn everything() -> Log {
    let mut idle = Log::default();
    gpu(&mut idle, "0", 78.0, true);
    gpu(&mut idle, "1", 98.0, false);
    idle.watched.mark_idle();
    let mut log = Log::default();
    log.watched.set_idle_w(idle.watched.idle_w().clone());
    gpu(&mut log, "0", 612.0, true);
    gpu(&mut log, "1", 580.0, false);
    server(&mut log);
    host(&mut log);
    // As they come.
    log.readings.sort_by_key(|reading| reading.at);
    log
}

pub(crate) fn measured() -> Measured {
    let samples: Vec<_> = (0..700).map(sample).collect();
    Measured::watched(closed(32), &samples, everything().watched)
}

const PLAIN: Style = Style { color: false, ascii: false };

/// The sections that telemetry has in a page.
fn sections(page: &str) -> String {
    let begins = ["GPU & energy", "Server", "Telemetry"];
    let its = |section: &&str| begins.iter().any(|begin| section.starts_with(begin));
    page.split("\n\n").filter(its).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn telemetry_is_told_at_usual_narrow_and_wide_terminals() {
    let measured = measured();
    insta::assert_snapshot!("telemetry_80", sections(&measured.render(80, PLAIN)));
    insta::assert_snapshot!("telemetry_120", sections(&measured.render(120, PLAIN)));
    let ascii = Style { color: false, ascii: true };
    let narrow = measured.render(50, ascii);
    insta::assert_snapshot!("telemetry_50_ascii", sections(&narrow));
    assert!(narrow.lines().all(|line| line.len() <= 50) && narrow.is_ascii());
}

#[test]
fn a_gpu_that_was_lost_has_no_energy_and_neither_have_all() {
    let mut log = Log::default();
    gpu(&mut log, "0", 612.0, true);
    let mut lost = Device { log: &mut log, source: "nvml", instance: Some("1"), every_ms: 100 };
    lost.read(reading::GPU_UTILIZATION_RATIO, |_| 0.5);
    lost.read_to(END_MS / 2, reading::GPU_POWER_W, |_| 580.0);
    let samples: Vec<_> = (0..700).map(sample).collect();
    let text = Measured::watched(closed(32), &samples, log.watched).render(80, PLAIN);
    let row = |gpu: &str| text.lines().find(|line| line.starts_with(gpu)).unwrap();
    assert!(row("0 NVIDIA H200").contains("612/700   8\u{2009}094"), "{text}");
    assert!(row("1  ").contains("580       –"), "what was watched of it is not all: {text}");
    assert!(text.contains("not every GPU was watched throughout"), "{text}");
    assert!(!text.contains("ok energy"), "{text}");
}

#[test]
fn energy_can_be_a_goal() {
    let mut measured = measured();
    let goals = ["j_per_output_token<0.5", "tps_per_w>=1"];
    measured.plan.goals = goals.iter().map(|goal| goal.parse().unwrap()).collect();
    let text = measured.render(80, PLAIN);
    assert!(text.contains("j_per_output_token < 0.5 is missed: 0.704"), "{text}");
    let goals = measured.plan.goals.iter().map(|goal| goal.check(&measured.outcome.summary));
    let met: Vec<bool> = goals.map(|result| result.unwrap().met).collect();
    assert_eq!(met, [false, true]);
}

#[test]
fn a_stored_point_tells_the_same_as_one_just_measured() {
    let measured = measured();
    let point = PointSummary::new(&measured.outcome, &[]);
    let stored = console::telemetry::render(&point, 80, PLAIN, false);
    let just_measured = sections(&measured.render(80, PLAIN));
    assert_eq!(stored.trim_end(), just_measured.trim_end());
    let without = PointSummary { telemetry: None, ..point };
    assert_eq!(console::telemetry::render(&without, 80, PLAIN, true), "");
}

#[test]
fn what_sources_say_cannot_write_on_the_terminal() {
    let evil = "\u{1b}[2J\u{202e}evil\r\nTRUSTED";
    let mut log = Log::default();
    let mut gpu = Device { log: &mut log, source: "nvml", instance: Some(evil), every_ms: 100 };
    gpu.is("gpu_name", evil);
    gpu.read(reading::GPU_POWER_W, |_| 100.0);
    gpu.read(evil, |_| 1.0);
    gpu.say(Said::Absent { name: evil.into(), why: evil.into() });
    gpu.say(Said::Failed { why: evil.into(), fatal: true });
    let mut measured = Measured::watched(closed(32), &[sample(0)], log.watched);
    measured.verbose = true;
    let text = measured.render(80, PLAIN);
    assert!(text.contains("nvml evil TRUSTED: given up: evil TRUSTED"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'));
}

#[test]
fn what_is_not_known_is_a_dash() {
    let mut log = Log::default();
    for (number, watts) in [("0", Some(300.0)), ("1", None)] {
        let instance = Some(number);
        let mut gpu = Device { log: &mut log, source: "nvml", instance, every_ms: 100 };
        gpu.is("gpu_memory_kind", "unified");
        gpu.read(reading::GPU_UTILIZATION_RATIO, |_| 0.5);
        gpu.read(reading::GPU_MEMORY_USED_BYTES, |_| 107_374_182_400.0);
        if let Some(watts) = watts {
            gpu.read(reading::GPU_POWER_W, move |_| watts);
        }
    }
    let text = Measured::watched(closed(32), &[sample(0)], log.watched).render(80, PLAIN);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("100 unified")).collect();
    assert!(
        rows[0].starts_with("0    50.0    300") && rows[1].starts_with("1    50.0      –"),
        "{text}"
    );
    assert!(text.contains("not checked: no counter of energy"), "{text}");
    assert!(!text.contains("Server\n") && !text.contains("°C"), "nothing is known of it: {text}");
}

#[test]
fn everything_is_shown_to_who_asks_for_it() {
    let mut measured = measured();
    measured.verbose = true;
    insta::assert_snapshot!("telemetry_verbose_120", sections(&measured.render(120, PLAIN)));
}

#[test]
fn a_count_that_differs_is_shown_in_a_table() {
    // The server counted those of somebody else, too.
    let samples: Vec<_> = (0..400).map(sample).collect();
    let text = Measured::watched(closed(32), &samples, everything().watched).render(80, PLAIN);
    assert!(text.contains("both know") && !text.contains("Agrees"), "{text}");
    let agreed = measured().render(80, PLAIN);
    assert!(agreed.contains("Agrees") && !agreed.contains("both know"), "{agreed}");
}

#[test]
fn a_source_that_was_not_read_for_a_while_is_shown_by_itself() {
    let mut log = Log::default();
    for (source, gap_ms) in [("even", 0), ("late", 900)] {
        for ms in (0..=END_MS).step_by(100).filter(|ms| !(5_000..5_000 + gap_ms).contains(ms)) {
            log.watched.add(&Reading {
                source: source.into(),
                name: reading::GPU_POWER_W.into(),
                instance: None,
                at: Moment::from_nanos(ms * 1_000_000),
                value: 100.0,
            });
        }
    }
    let text = Measured::watched(closed(32), &[sample(0)], log.watched).render(80, PLAIN);
    assert!(text.contains("even every 100 ms\n"), "{text}");
    assert!(text.contains("late   every 100 ms, "), "{text}");
}
