//! `compare` and `gate` on runs that were measured.

use std::{fs, io::Write};

use serde_json::Value;

use crate::{
    program::Place,
    server::{Server, refusal, whole},
    simulator::Simulator,
};

/// A run against a simulator that takes so long for each token.
fn measure(place: &Place, itl_ms: u32, words: &str) {
    let simulator = Simulator::start(&format!("--ttft-ms 20 --itl-ms {itl_ms}"));
    place.run(&format!("-u {} -n 60 -c 8 --ui none {words}", simulator.url)).measures();
}

/// A place with a baseline, and after it a run that is four times slower from token to token.
fn fast_and_slow() -> Place {
    let place = Place::new();
    measure(&place, 10, "");
    measure(&place, 40, "");
    place
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The change of a metric at the first point.
fn change<'a>(report: &'a Value, metric: &str, statistic: Option<&str>) -> &'a Value {
    let metrics = report["candidates"][0]["points"][0]["metrics"].as_array().unwrap();
    let is_it = |m: &&Value| m["metric"] == metric && m["statistic"].as_str() == statistic;
    metrics.iter().find(is_it).unwrap_or_else(|| panic!("no {metric}: {report:#}"))
}

#[test]
fn what_is_slower_has_regressed_and_does_not_pass() {
    let place = fast_and_slow();
    let report = json(&place.inferbench("compare @prev @last --output json").exits(0).stdout);
    let tpot = change(&report, "tpot_ms", Some("p50"));
    assert_eq!((&tpot["word"], &tpot["basis"]), (&"regressed".into(), &"requests".into()));
    // 10 to 40 ms, on a machine that may be busy.
    let ratio = tpot["change"].as_f64().unwrap();
    assert!(ratio > 1.0 && tpot["change_low"].as_f64().unwrap() <= ratio, "{tpot:#}");
    assert_eq!(change(&report, "output_tps", None)["basis"], "single");
    let back = json(&place.inferbench("compare @last @prev --output json").exits(0).stdout);
    assert_eq!(change(&back, "tpot_ms", Some("p50"))["word"], "improved");

    let said = place.inferbench("gate @last --baseline @prev").exits(98);
    assert!(said.stdout.starts_with("REGRESSED  simulated: "), "{}", said.stdout);
    let comment = place.inferbench("gate @last --baseline @prev -o md").exits(98).stdout;
    assert!(comment.starts_with("**REGRESSED** ") && comment.lines().count() <= 12, "{comment}");
    let report = json(&place.inferbench("gate @last --baseline @prev -o json").exits(98).stdout);
    assert_eq!(report["verdict"], "regressed");
    // What got slower in this way is not among what is asked for.
    let limits = "--limit error_ratio:+1pt --limit p50(ttft):+900%";
    place.inferbench("gate @last --baseline @prev").words(limits).exits(0);
    place.inferbench("gate @prev --baseline @last").exits(0);
}

#[test]
fn a_run_passes_beside_itself() {
    let place = Place::new();
    place.run("--simulate -n 60 --osl 1").exits(0);
    let ended = place.inferbench("gate @last --baseline @last").exits(0);
    assert!(ended.stdout.starts_with("PASS  simulated: "), "{}", ended.stdout);
    // No number of requests tells how far extremes scatter.
    let limit = "--limit max(ttft_ms):+10%";
    place.inferbench("gate @last --baseline @last").words(limit).exits(0);
    let ended = place.inferbench("compare @last @last --ascii").exits(0);
    assert!(ended.stdout.is_ascii() && !ended.stdout.contains("regressed"), "{}", ended.stdout);
    for line in ended.stdout.lines() {
        assert!(line.len() <= 80, "{line}");
    }
}

/// In CI the older run would pass in place of the one that was killed.
#[test]
fn an_older_run_does_not_pass_for_a_newer_one_without_a_result() {
    let place = Place::new();
    place.run("--simulate -n 60 --osl 1 --name whole").measures();
    place.run("--simulate -n 60 --osl 1 --name killed").measures();
    let runs: Vec<_> = place.run_directories().iter().map(|run| run.path().to_owned()).collect();
    let called = |end: &str| runs.iter().find(|run| run.to_string_lossy().ends_with(end)).unwrap();
    let (whole, killed) = (called("-whole"), called("-killed"));
    fs::remove_file(killed.join("summary.json")).unwrap();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let said = format!(
        "\"@last\" is {}: the newer {} (unfinished) has no result",
        name(whole),
        name(killed)
    );
    let ended = place.inferbench("gate @last").words(&format!("--baseline {}", name(whole)));
    let ended = ended.exits(2);
    assert!(ended.stderr.contains(&format!("error[IB104] {said}")), "{}", ended.stderr);
    let ended = place.inferbench(&format!("gate {0} --baseline @last", name(whole))).exits(0);
    assert!(ended.stderr.contains(&format!("note: {said}")), "{}", ended.stderr);
    let ended = place.inferbench("compare @last @last").exits(0);
    assert!(ended.stderr.contains(&format!("note: {said}")), "{}", ended.stderr);
}

#[test]
fn repeats_judge_what_requests_cannot() {
    let place = Place::new();
    measure(&place, 5, "--repeat 3");
    measure(&place, 20, "--repeat 3");
    let report = json(&place.inferbench("compare @prev @last -o json").exits(0).stdout);
    for (metric, statistic) in [("output_tps", None), ("tpot_ms", Some("p50"))] {
        let change = change(&report, metric, statistic);
        assert_eq!((&change["word"], &change["basis"]), (&"regressed".into(), &"repeats".into()));
    }
}

#[test]
fn targets_of_one_run_are_compared_with_each_other() {
    let [fast, slow] = [10, 40].map(|ms| Simulator::start(&format!("--ttft-ms 20 --itl-ms {ms}")));
    let place = Place::new();
    let targets = format!("--target fast={} --target slow={}", fast.url, slow.url);
    place.run(&format!("{targets} -n 60 -c 8 --ui none")).measures();
    let words = "compare @last --targets fast,slow -o json";
    let report = json(&place.inferbench(words).exits(0).stdout);
    assert_eq!(change(&report, "tpot_ms", Some("p50"))["word"], "regressed");
    assert_eq!(report["candidates"][0]["run"]["target"], "simulated slow");
}

#[test]
fn unlike_runs_are_refused() {
    let place = Place::new();
    place.run("--simulate -n 20 --osl 1").exits(0);
    place.run("--simulate -n 20 --osl 2").measures();
    let ended = place.inferbench("compare @prev @last").exits(2);
    assert!(ended.stderr.contains("is not like the baseline: OSL: 1"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--allow-unlike"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let ended = place.inferbench("compare @prev @last --allow-unlike").exits(0);
    assert!(ended.stdout.contains("UNLIKE OSL"), "{}", ended.stdout);
    let ended = place.inferbench("gate @last --baseline @prev").exits(2);
    assert!(ended.stderr.contains("is not like the baseline: OSL"), "{}", ended.stderr);
}

#[test]
fn void_numbers_are_not_judged() {
    let good = Server::completing(|request, to| write!(to, "{}", whole(request)));
    let bad = Server::completing(|_, to| write!(to, "{}", refusal(500, "no")));
    let place = Place::new();
    place.run(&format!("-u {} -n 30 --osl 1", good.url)).measures();
    place.run(&format!("-u {} -n 30 --osl 1", bad.url)).exits(6);
    let ended = place.inferbench("gate @last --baseline @prev").exits(3);
    assert!(ended.stdout.starts_with("VOID  "), "{}", ended.stdout);
    let ended = place.inferbench("compare @prev @last").exits(0);
    assert!(ended.stdout.contains("\nVOID  "), "{}", ended.stdout);
}

#[test]
fn what_others_measured_stands_beside() {
    let place = Place::new();
    place.run("--simulate -n 20 --osl 8").measures();
    let table = "configuration,decode tok/s,notes\n\"paper, FP8\",38.2,warm\n";
    fs::write(place.path().join("table.csv"), table).unwrap();
    let ended = place.inferbench("compare @last --baseline-data table.csv").exits(0);
    assert!(ended.stdout.contains("\npaper, FP8 "), "{}", ended.stdout);
    fs::write(place.path().join("table.csv"), "nothing").unwrap();
    let ended = place.inferbench("compare @last --baseline-data table.csv").exits(2);
    assert!(ended.stderr.contains("the table table.csv cannot be used"), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_compared_is_a_mistake_of_the_command() {
    let place = Place::new();
    place.inferbench("compare @last @prev").exits(2);
    place.run("--simulate -n 5 --osl 1").exits(0);
    let ended = place.inferbench("compare @last").exits(2);
    assert!(ended.stderr.contains("there is nothing to compare with"), "{}", ended.stderr);
    let ended = place.inferbench("compare @last --targets a,b").exits(2);
    assert!(ended.stderr.contains("has no target a"), "{}", ended.stderr);
    place.inferbench("compare @last nosuch").exits(2);
    place.inferbench("compare").exits(2);
    place.inferbench("compare @last @last --metric nonsense").exits(2);
    place.inferbench("compare @last @last --threshold many").exits(2);
    place.inferbench("gate @last").exits(2);
    place.inferbench("gate @last --baseline @last --limit output_tps").exits(2);
    // It was a fall of 300 %, which nothing is ever beyond.
    let said = [
        place.inferbench("gate @last --baseline @last --limit output_tps:-3").exits(2).stderr,
        place.run("--simulate --baseline @last --fail-if output_tps=-3").exits(2).stderr,
    ];
    for stderr in said {
        assert!(stderr.contains("write -3% or -300%"), "{stderr}");
    }
    place.inferbench("gate @last --baseline @last --noise -1").exits(2);
}
