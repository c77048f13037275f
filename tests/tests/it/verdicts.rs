//! Every reason of a verdict that can be provoked from outside: it is found, told with its figure and a
//! remedy, and explained; and whoever follows the remedy, or asks a healthy server, is rid of it.
//!
//! Left to unit tests are those that need a machine which is starved, or whose clock is set: `lag`,
//! `client_cpu`, `delayed_samples`, `starved`, `unstamped` and `clock`. On a machine that is busy with other
//! tests `lag` and `coalesced` come by themselves, so no run here is asked to be free of all doubt, most
//! have answers of one token, which have no gaps, and times are compared with each other. `local_limits` is
//! in [`exit_codes`](crate::exit_codes).

use std::{io, io::Write, ops::RangeInclusive, path::Path};

use bench_store::{PointSummary, ReasonLine};
use serde_json::{Value, json};

use crate::{
    program::{Call, Ended, Place, statistic},
    server::{Answer, STREAM, Server, event, token, whole},
    simulator::Simulator,
};

/// A run that came to its end.
pub(crate) struct Judged {
    pub(crate) place: Place,
    said: String,
    points: Vec<PointSummary>,
}

impl Judged {
    pub(crate) fn new(place: Place, ended: &Ended) -> Self {
        let points = place.summary().points;
        Self { place, said: in_a_line(&ended.stdout), points }
    }

    fn reason(&self, code: &str) -> Option<&ReasonLine> {
        self.points.iter().flat_map(|point| &point.reasons).find(|reason| reason.code == code)
    }

    /// Checks that there is this reason, that it is shown, and that it is explained.
    #[track_caller]
    pub(crate) fn has(&self, code: &str, trust: &str) -> &ReasonLine {
        let reason = self.reason(code);
        let reason = reason.unwrap_or_else(|| panic!("no {code} among {:?}", self.points));
        assert_eq!(reason.trust, trust, "{reason:?}");
        assert!(!reason.remedy.is_empty(), "{reason:?}");
        for text in [&reason.text, &reason.remedy] {
            assert!(self.said.contains(&in_a_line(text)), "{text}: {}", self.said);
        }
        assert_explained(code);
        reason
    }

    /// Checks that there is this reason, and that its figure is among these.
    #[track_caller]
    fn has_figure(&self, code: &str, trust: &str, figures: RangeInclusive<f64>) {
        let reason = self.has(code, trust);
        assert!(figures.contains(&figure(&reason.text)), "{figures:?}: {reason:?}");
    }

    #[track_caller]
    fn lacks(&self, code: &str) {
        assert_eq!(self.reason(code), None);
    }

    fn point(&self) -> &PointSummary {
        &self.points[0]
    }
}

/// Text as it was before it was broken into lines.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first number in a text.
fn figure(text: &str) -> f64 {
    let number = text.split_whitespace().find_map(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no number in `{text}`"))
}

#[track_caller]
fn assert_explained(code: &str) {
    let ended = Place::new().inferbench(&format!("explain {code}")).exits(0);
    let title = format!("{code}  a reason of a verdict\n\n");
    assert!(ended.stdout.contains(&title), "{}", ended.stdout);
}

/// A run against the server at `url`, about to be started.
fn run(place: &Place, url: &str, words: &str) -> Call {
    place.run(&format!("--ui none --cooldown 0s -u {url} {words}"))
}

/// What came of a run in which something was measured.
#[track_caller]
fn judged(url: &str, words: &str) -> Judged {
    let place = Place::new();
    let ended = run(&place, url, words).measures();
    Judged::new(place, &ended)
}

/// What came of a run with this exit code.
#[track_caller]
fn judged_with(code: i32, url: &str, words: &str) -> Judged {
    let place = Place::new();
    let ended = run(&place, url, words).exits(code);
    Judged::new(place, &ended)
}

#[test]
fn no_success() {
    let simulator = Simulator::start("--status 500");
    let run = judged_with(6, &simulator.url, "-n 5 --warmup-request-count 0");
    run.has_figure("no_success", "void", 5.0..=5.0);
    run.lacks("ended_early");
}

#[test]
fn errors() {
    let simulator = Simulator::start("--ttft-ms 1 --fail-ratio 0.3");
    let run = judged_with(6, &simulator.url, "-n 100 --osl 1");
    let ratio = statistic(run.point(), "error_ratio", "value") * 100.0;
    run.has_figure("errors", "doubtful", ratio - 0.1..=ratio + 0.1);
    assert!((10.0..50.0).contains(&ratio), "{ratio}");

    let simulator = Simulator::start("--ttft-ms 1");
    judged(&simulator.url, "-n 100 --osl 1").lacks("errors");
}

#[test]
fn n_small() {
    let simulator = Simulator::start("--ttft-ms 1");
    let run = judged(&simulator.url, "-n 63 --osl 1");
    run.has_figure("n_small", "doubtful", 63.0..=63.0);
    judged(&simulator.url, "-n 64 --osl 1").lacks("n_small");
}

/// One request at a time takes 20 ms: of 200 a second, most are late.
#[test]
fn late_sends() {
    let simulator = Simulator::start("--ttft-ms 20");
    let of = |words: &str| {
        let words = format!("--osl 1 --max-in-flight 1 --arrival-pattern constant {words}");
        judged(&simulator.url, &words)
    };
    let run = of("-n 50 -r 200");
    run.has_figure("late_sends", "void", 250.0..=1e5);
    let in_time = of("-n 25 -r 20").point().facts.late_ms_p99.unwrap();
    assert!(in_time < run.point().facts.late_ms_p99.unwrap() / 2.0, "{in_time}");

    // In a closed loop nothing is late.
    judged(&simulator.url, "-n 20 --osl 1 -c 4").lacks("late_sends");
}

/// One request at a time takes 50 ms: of the hundred that are due within a second, a fifth can be sent.
#[test]
fn unsent() {
    let simulator = Simulator::start("--ttft-ms 50");
    let of = |words: &str| {
        let words = format!("-r 100 -d 1s --osl 1 --arrival-pattern constant {words}");
        judged(&simulator.url, &words)
    };
    let run = of("--max-in-flight 1 --benchmark-grace-period 0s");
    run.has_figure("unsent", "void", 75.0..=99.0);
    let sent: u64 = run.point().outcomes.values().sum();
    assert_eq!(run.point().facts.unsent + sent, 100);
    of("--max-in-flight 1 --benchmark-grace-period 30s").lacks("unsent");
    of("").lacks("unsent");
}

/// Requests of half a second are in flight when the time is over.
#[test]
fn cut_off() {
    let simulator = Simulator::start("--ttft-ms 500");
    let of = |words: &str| judged(&simulator.url, &format!("-c 4 -d 700ms --osl 1 {words}"));
    let run = of("--benchmark-grace-period 0s");
    run.has_figure("cut_off", "doubtful", 4.0..=4.0);
    of("--benchmark-grace-period 30s").lacks("cut_off");
    // Given up on purpose is not cut off.
    of("--request-cancellation-rate 50 --request-cancellation-delay 10ms").lacks("cut_off");
}

/// Eight tokens in two writes, 40 ms apart.
#[test]
fn coalesced() {
    let of = |flags: &str| {
        let simulator = Simulator::start(&format!("--ttft-ms 2 --itl-ms 10 {flags}"));
        judged(&simulator.url, "-n 40 -c 4")
    };
    let run = of("--events-per-write 4");
    // A machine that also reads late cannot tell that it was the server.
    let is_void = run.reason("coalesced").unwrap().trust == "void";
    run.has_figure("coalesced", if is_void { "void" } else { "doubtful" }, 80.0..=100.0);
    let blamed = run.reason("coalesced").unwrap().text.contains("were read late together");
    assert!(blamed || !is_void);
    let apart = statistic(of("").point(), "coalesced_ratio", "value");
    assert!(apart < 0.5, "{apart}");
}

#[test]
fn osl() {
    let of = |flags: &str| {
        let simulator = Simulator::start(&format!("--ttft-ms 1 --itl-ms 1 {flags}"));
        judged(&simulator.url, "-n 20")
    };
    of("--osl-ratio 0.5").has_figure("osl", "doubtful", 50.0..=50.0);
    of("").lacks("osl");
}

#[test]
fn osl_long() {
    let server = saying(Some(8));
    judged(&server.url, "-n 20 --osl 4").has_figure("osl_long", "doubtful", 200.0..=200.0);
    judged(&server.url, "-n 20 --osl 8").lacks("osl_long");
}

/// Answers eight tokens, and says how many they are.
fn counting(to: Answer<'_>, usage: Option<u32>) -> io::Result<()> {
    let why = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]});
    write!(to, "{STREAM}{}{}", token().repeat(8), event(&why.to_string()))?;
    if let Some(tokens) = usage {
        let usage = json!({"prompt_tokens": 5, "completion_tokens": tokens});
        write!(to, "{}", event(&json!({"choices": [], "usage": usage}).to_string()))?;
    }
    write!(to, "{}0\r\n\r\n", event("[DONE]"))
}

/// A server whose answers are of as many tokens as it says.
fn saying(usage: Option<u32>) -> Server {
    Server::completing(move |_, to| counting(to, usage))
}

/// A small tokenizer of a model that nobody serves.
fn tokenizer() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    path.join("../crates/workloads/tests/data/byte_level.json").display().to_string()
}

#[test]
fn tokens_estimated() {
    let server = saying(None);
    let run = judged(&server.url, "-n 20");
    let reason = run.has("tokens_estimated", "doubtful");
    assert_eq!(reason.text, "output tokens are guessed by an approximate tokenizer");
    judged(&server.url, &format!("-n 20 --tokenizer {}", tokenizer())).lacks("tokens_estimated");
    judged(&saying(Some(8)).url, "-n 20").lacks("tokens_estimated");
}

#[test]
fn usage_conflict() {
    let words = format!("-n 20 --tokenizer {}", tokenizer());
    let alone = judged(&saying(None).url, &words);
    alone.lacks("usage_conflict");
    let counted = alone.place.measured()[0].counted_tokens.unwrap();
    judged(&saying(Some(counted)).url, &words).lacks("usage_conflict");
    let run = judged(&saying(Some(counted * 2)).url, &words);
    run.has_figure("usage_conflict", "doubtful", 100.0..=100.0);
    judged(&saying(Some(counted * 2)).url, "-n 20").lacks("usage_conflict");
}

/// Within its two seconds or so, all times double.
#[test]
fn drift() {
    let of = |flags: &str| {
        let simulator = Simulator::start(&format!("--ttft-ms 25 {flags}"));
        judged(&simulator.url, "-n 200 --osl 1 -c 4")
    };
    let run = of("--drift 30");
    run.has_figure("drift", "doubtful", 15.0..=1e3);
    assert!(run.reason("drift").unwrap().text.contains(" slower (limit 10 %; median "));
    let slower = |run: &Judged| {
        let drift = run.point().facts.drift;
        drift.map_or(0.0, |drift| drift.second_ms / drift.first_ms - 1.0)
    };
    assert!(slower(&of("")) < slower(&run) / 2.0);
}

#[test]
fn cold_start() {
    let of = |words: &str| {
        let simulator = Simulator::start("--ttft-ms 20 --cold-requests 40 --cold-factor 5");
        judged(&simulator.url, &format!("-n 160 --osl 1 -c 4 {words}"))
    };
    let run = of("");
    run.has_figure("cold_start", "doubtful", 100.0..=1e4);
    run.lacks("drift");
    let warmed_up = of("--warmup-request-count 40");
    let left = warmed_up.reason("cold_start").map_or(0.0, |reason| figure(&reason.text));
    assert!(left < 100.0, "{left}");
}

#[test]
fn cached() {
    let simulator = Simulator::start("--ttft-ms 1 --prefix-cache");
    let of = |words: &str| {
        judged(&simulator.url, &format!("-n 70 --isl 64 --osl 1 --random-seed {words}"))
    };
    of("1").lacks("cached");
    of("1").has_figure("cached", "doubtful", 50.0..=100.0);
    of("2").lacks("cached");
    of("1 --flush-cache").lacks("cached");
    // What forgets nothing is not measured as if it had.
    let other = Server::completing(|request, to| write!(to, "{}", whole(request)));
    let refused = Place::new().run(&format!("-u {} -n 5 --flush-cache", other.url)).exits(2);
    assert!(
        refused.stderr.contains("m cannot be told to forget its prompts"),
        "{}",
        refused.stderr
    );
}

#[test]
fn ended_early_for_nothing_works() {
    let simulator = Simulator::start("--status 500");
    let run = judged_with(6, &simulator.url, "-n 1000");
    let reason = run.has("ended_early", "doubtful");
    assert_eq!(reason.text, "ended early: the first requests all failed");
    run.has("no_success", "void");
    assert!(run.place.measured().len() < 100);
}

#[test]
fn ended_early_for_a_goal_that_is_missed() {
    let simulator = Simulator::start("--ttft-ms 20");
    let of = |slo: &str| {
        let place = Place::new();
        let words = format!("-n 50 --osl 1 --slo p50(ttft)<{slo} --slo-abort=100ms");
        let ended = run(&place, &simulator.url, &words);
        Judged::new(place, &ended.exits(if slo == "5ms" { 99 } else { 0 }))
    };
    let run = of("5ms");
    assert_eq!(run.has("ended_early", "doubtful").text, "ended early: a goal was missed");
    assert!(run.place.measured().len() < 50);
    let met = of("100s");
    met.lacks("ended_early");
    assert_eq!(met.place.measured().len(), 50);
}

/// Ten seconds are the least in which saturation is seen: twice as many come as can be answered.
#[test]
fn ended_early_for_saturation() {
    let simulator = Simulator::start("--ttft-ms 20 --max-running 1");
    let words = "-r 100 -d 60s --osl 1 --stop-on-saturation --benchmark-grace-period 0s";
    let run = judged(&simulator.url, words);
    let text = &run.has("ended_early", "doubtful").text;
    assert_eq!(text, "ended early: requests came in faster than they were answered");
    assert!(run.place.measured().len() < 6_000);
}

#[test]
fn not_measured() {
    let simulator = Simulator::start("--ttft-ms 1");
    let place = Place::new();
    let words = format!("--target there={} --target away=http://127.0.0.1:1", simulator.url);
    let ended = place.run("--ui none --cooldown 0s -n 70 --osl 1").words(&words).exits(9);
    let run = Judged::new(place, &ended);
    assert_eq!(run.has("not_measured", "void").text, "it could not be measured");
    let [there, away] = &run.points[..] else { panic!("{:?}", run.points) };
    assert!(there.reasons.iter().all(|reason| reason.code != "not_measured"), "{there:?}");
    assert!(away.failure.as_ref().unwrap().contains("IB201"), "{away:?}");
    assert!(!away.metrics.contains_key("ttft_ms"), "{away:?}");
}

/// How it is shown, and what has happened: another tool measured it.
#[test]
fn imported() {
    let place = Place::new();
    let file = "../crates/store/tests/data/import/vllm/plain.json";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    place.inferbench("runs import").arg(file).exits(0);
    let shown = place.inferbench("runs show @last --json").exits(0).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let point = &shown["summary"]["points"][0];
    let reason: ReasonLine = serde_json::from_value(point["reasons"][0].clone()).unwrap();
    assert_eq!((reason.code.as_str(), reason.trust.as_str()), ("imported", "doubtful"));
    assert_eq!(
        (&point["trust"], reason.text.contains("by vllm bench serve")),
        (&"doubtful".into(), true)
    );
    assert!(reason.remedy.starts_with("measure with inferbench"), "{reason:?}");
    let shown = in_a_line(&place.inferbench("runs show @last").exits(0).stdout);
    assert!(shown.contains(&reason.text), "{shown}");
    assert_explained("imported");
}

#[cfg(unix)]
#[test]
fn interrupted() {
    use nix::sys::signal::Signal;

    use crate::server::{Gate, whole};

    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::completing(move |request, to| {
        if request.number >= 20 {
            held.wait();
        }
        write!(to, "{}", whole(request))
    });
    let place = Place::new();
    let started = place.run("-n 30 --osl 1 --warmup-request-count 0 -u").arg(&server.url).start();
    server.wait_for(21);
    started.signal(Signal::SIGINT);
    started.stderr.wait_for("stopping");
    gate.open();
    let run = Judged::new(place, &started.exits(130));
    assert_eq!(run.has("interrupted", "doubtful").text, "stopped before its end: partial");

    let directory = run.place.run_directory();
    run.place.inferbench("resume").arg(directory.path()).measures();
    let resumed = directory.read_summary().unwrap().unwrap();
    let mut reasons = resumed.points.iter().flat_map(|point| &point.reasons);
    assert!(reasons.all(|reason| reason.code != "interrupted"), "{resumed:?}");
}
