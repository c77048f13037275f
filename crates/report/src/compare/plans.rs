//! How two plans differ, and whether their numbers can still be set side by side.

use bench_store::{CountsLine, LoadLine};

use super::{Difference, align::Groups, view::View};
use crate::{
    cells::{Cell, Group},
    environment::words,
};

/// What a difference in the limits of good requests is called.
pub(super) const GOODPUT: &str = "limits of good requests";

/// All differences that are known of. Where only one side is known, that is no difference but for what makes
/// numbers comparable, where it is said.
pub(super) fn differences(
    baseline: &View<'_>,
    candidate: &View<'_>,
    pairs: &[Groups<'_, '_>],
) -> Vec<Difference> {
    let mut differences = Differences(Vec::new());
    for groups in pairs {
        differences.of_targets(baseline, candidate, groups);
        differences.of_requests(baseline, candidate, groups);
        differences.of_workloads(baseline, candidate, groups);
        differences.of_loads(groups);
    }
    if !baseline.is_same_run(candidate) {
        differences.of_runs(baseline, candidate);
    }
    differences.0
}

struct Differences(Vec<Difference>);

/// What a difference means.
#[derive(Clone, Copy, PartialEq)]
enum Weight {
    /// It may be the point of the comparison.
    Listed,
    /// Numbers mean something else.
    Unlike,
}

use Weight::{Listed, Unlike};

impl Differences {
    fn add(&mut self, what: &str, a: Option<String>, b: Option<String>, weight: Weight) {
        let known = a.is_some() && b.is_some();
        if a == b || (!known && weight == Listed) {
            return;
        }
        let word = |side: Option<String>| side.unwrap_or_else(|| "not known".to_owned());
        let difference = Difference {
            what: what.to_owned(),
            baseline: word(a),
            candidate: word(b),
            unlike: known && weight == Unlike,
        };
        if !self.0.contains(&difference) {
            self.0.push(difference);
        }
    }

    fn of_targets(&mut self, a: &View<'_>, b: &View<'_>, groups: &Groups<'_, '_>) {
        let records = [(a, groups[0]), (b, groups[1])];
        let [Some(a), Some(b)] = records.map(|(view, group)| view.environment.target(group.target))
        else {
            return;
        };
        let both = |name: &str| [a, b].map(|target| target.get(name).map(words));
        let [of_a, of_b] = both("model");
        self.add("model", of_a, of_b, Unlike);
        for (name, what) in LISTED {
            let [of_a, of_b] = both(name);
            self.add(what, of_a, of_b, Listed);
        }
        let labels = [a, b].map(|target| target.labels());
        let names = labels.iter().flatten().map(|(name, _)| *name);
        let names: std::collections::BTreeSet<&str> = names.collect();
        for name in names {
            let of = |side: usize| {
                let label = labels[side].iter().find(|(known, _)| *known == name);
                Some(label.map_or_else(|| "none".to_owned(), |(_, value)| value.clone()))
            };
            self.add(&format!("label {name}"), of(0), of(1), Listed);
        }
    }

    fn of_requests(&mut self, a: &View<'_>, b: &View<'_>, groups: &Groups<'_, '_>) {
        let of = |names: &[&str]| {
            [(a, groups[0]), (b, groups[1])].map(|(view, group)| {
                let position = view.position(group.target);
                view.environment.of_requests(position, names).map(words)
            })
        };
        let [streamed_a, streamed_b] = of(&["streaming"]);
        self.add("streaming", streamed_a, streamed_b, Unlike);
        let [api_a, api_b] = of(&["path", "endpoint_type", "api"]).map(|api| api.map(api_name));
        self.add("API", api_a, api_b, Unlike);
        let [fields_a, fields_b] = of(&["extra_body", "extra_inputs"]);
        self.add("request fields", fields_a, fields_b, Listed);
        for (name, what) in [
            ("force_osl", "forced output length"),
            ("http2", "HTTP/2"),
            ("connection_reuse", "connection reuse"),
            ("flush_cache", "caches flushed"),
        ] {
            let [of_a, of_b] = of(&[name]);
            self.add(what, of_a, of_b, Listed);
        }
        let source = |group: usize| {
            let mut points = groups[group].cells.iter().flat_map(Cell::measured);
            points.find_map(|point| point.facts.output_token_source.clone())
        };
        self.add("tokens from", source(0), source(1), Unlike);
    }

    /// Lengths as asked for; where these are not known, as measured.
    fn of_workloads(&mut self, a: &View<'_>, b: &View<'_>, groups: &Groups<'_, '_>) {
        let records = [(a, groups[0]), (b, groups[1])]
            .map(|(view, group)| view.environment.workload(group.workload));
        for (name, what) in [("isl", "ISL"), ("osl", "OSL")] {
            let asked = [0, 1].map(|side| records[side].and_then(|record| record.tokens(name)));
            let is_asked = asked.iter().all(Option::is_some);
            if is_asked {
                let [of_a, of_b] = asked;
                self.add(what, of_a, of_b, Unlike);
            }
            let Some([of_a, of_b]) = measured(groups, name) else { continue };
            // What the server counts varies with its chat template and its stop tokens.
            if (of_a - of_b).abs() > 0.02 * of_a.max(of_b) {
                let [of_a, of_b] = [of_a, of_b].map(|tokens| Some(format!("{tokens:.1}")));
                // Where answers are graded, how much is answered is a part of the answer.
                let is_free = name == "osl" && groups.iter().all(|group| is_graded(group));
                let weight = if is_asked || is_free { Listed } else { Unlike };
                self.add(&format!("{what} as measured"), of_a, of_b, weight);
            }
        }
        // Records of earlier versions lack these.
        for (name, what, weight) in [
            ("texts", "texts a request", Unlike),
            ("query", "query tokens", Unlike),
            ("images", "images", Unlike),
            ("token_ids", "prompts as token ids", Listed),
        ] {
            let [of_a, of_b] =
                [0, 1].map(|side| records[side].and_then(|record| record.tokens(name)));
            if of_a.is_some() && of_b.is_some() {
                self.add(what, of_a, of_b, weight);
            }
        }
        if records.iter().all(Option::is_none) {
            let names = groups.map(|group| Some(group.workload.to_owned()));
            let [of_a, of_b] = names;
            self.add("workload", of_a, of_b, Listed);
        }
    }

    /// The shape of loads of the same size.
    fn of_loads(&mut self, groups: &Groups<'_, '_>) {
        let kind = |group: usize| {
            let loads = || groups[group].cells.iter().map(Cell::load);
            let closed = loads().all(|load| matches!(load, LoadLine::Closed { .. }));
            let open = loads().all(|load| matches!(load, LoadLine::Open { .. }));
            match (closed, open) {
                _ if loads().any(is_unknown) => None,
                (true, false) => Some("closed loop"),
                (false, true) => Some("open loop"),
                _ => Some("both loops"),
            }
        };
        self.add("load", kind(0).map(str::to_owned), kind(1).map(str::to_owned), Unlike);
        for cell in &groups[0].cells {
            let is_same = |other: &&Cell<'_>| cell.load().place() == other.load().place();
            if let Some(other) = groups[1].cells.iter().find(is_same) {
                let [a, b] = [cell, other].map(Cell::load);
                self.add("load", shape(a), shape(b), Unlike);
                self.add("most in flight", most_in_flight(a), most_in_flight(b), Unlike);
            }
        }
    }

    fn of_runs(&mut self, a: &View<'_>, b: &View<'_>) {
        let [run_a, run_b] = [a, b].map(|view| &view.loaded.run);
        let is_imported =
            |view: &View<'_>| view.environment.imported().map(|(tool, _)| tool.to_owned());
        let measured_by = |view| Some(is_imported(view).unwrap_or_else(|| "inferbench".to_owned()));
        self.add("measured by", measured_by(a), measured_by(b), Listed);
        if is_imported(a).is_some() || is_imported(b).is_some() {
            return;
        }
        let both = |of: fn(&bench_store::RunFile) -> String| [Some(of(run_a)), Some(of(run_b))];
        let retries = |run: &bench_store::RunFile| {
            run.points.iter().map(|point| point.retries).max().unwrap_or(0).to_string()
        };
        let rows: [(&str, [Option<String>; 2]); 5] = [
            ("seed", both(|run| run.seed.to_string())),
            ("inferbench", both(|run| run.inferbench.clone())),
            ("retries", both(retries)),
            ("load threads", both(|run| run.threads.to_string())),
            ("goals", both(|run| list(&run.goals))),
        ];
        for (what, [of_a, of_b]) in rows {
            self.add(what, of_a, of_b, Listed);
        }
        let goodput = |run: &bench_store::RunFile| {
            let mut limits = run.points.iter().map(|point| point.goodput.clone());
            Some(limits.find_map(|limits| limits).unwrap_or_else(|| "none".to_owned()))
        };
        self.add(GOODPUT, goodput(run_a), goodput(run_b), Listed);
        let until = |run: &bench_store::RunFile| {
            let until = run.points.first()?.until;
            let requests = until.requests.map(|n| format!("{n} requests"));
            let seconds = until.duration_s.map(|s| format!("{s} s"));
            Some(requests.into_iter().chain(seconds).collect::<Vec<_>>().join(" or "))
        };
        self.add("length", until(run_a), until(run_b), Listed);
        for name in ["host", "cpu", "cores", "kernel", "memory_kib"] {
            let of = |view: &View<'_>| {
                let value = view.environment.machine().get(name).filter(|value| !value.is_null());
                value.map(words)
            };
            self.add(&format!("machine, {name}"), of(a), of(b), Listed);
        }
    }
}

/// What of a target is often the point of a comparison: its name in files, and on screen.
const LISTED: [(&str, &str); 13] = [
    ("engine", "engine"),
    ("version", "engine version"),
    ("profile", "profile"),
    ("context_length", "context length"),
    ("gpu_memory_utilization", "GPU memory utilization"),
    ("image", "image"),
    ("image_digest", "image digest"),
    ("digest", "image digest"),
    ("gpu", "GPU"),
    ("gpus", "GPUs"),
    ("quantization", "quantization"),
    ("simulated", "simulated"),
    ("url", "address"),
];

/// `/v1/chat/completions` is the chat API, wherever it is.
fn api_name(path: String) -> String {
    match path.as_str() {
        path if path.ends_with("/chat/completions") => "chat".to_owned(),
        path if path.ends_with("/completions") => "completions".to_owned(),
        _ => path,
    }
}

/// The mean over all points of each side, at whatever load, of the means of their requests; `None` where a
/// side has none.
fn measured(groups: &Groups<'_, '_>, metric: &str) -> Option<[f64; 2]> {
    let mean = |group: usize| {
        let cells = groups[group].cells.iter();
        let values: Vec<f64> = cells.flat_map(|cell| cell.values(metric, Some("mean"))).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Some([mean(0)?, mean(1)?])
}

/// Whether answers were judged.
fn is_graded(group: &Group<'_>) -> bool {
    let metrics = ["accuracy", "tool_call_accuracy"];
    group.cells.iter().any(|cell| metrics.iter().any(|m| !cell.values(m, Some("mean")).is_empty()))
}

/// What of a load is not its size; `None` where it is not known.
fn shape(load: &LoadLine) -> Option<String> {
    match load {
        LoadLine::Closed { counts, open_sessions, ramp, .. } => {
            let of = match (counts, open_sessions) {
                (CountsLine::Requests, _) => "closed loop of requests".to_owned(),
                (CountsLine::Sessions, _) => "closed loop of sessions".to_owned(),
                (CountsLine::Turns, open) => {
                    format!("closed loop of {} open sessions", open.unwrap_or_default())
                }
            };
            Some(ramp.as_ref().map_or(of.clone(), |ramp| format!("{of}, {ramp}")))
        }
        LoadLine::Open { schedule, .. } => Some(format!("open loop, {}", arrivals(schedule)?)),
    }
}

/// How requests arrive, in our words whoever measured it, without the rate, which is the load's size. `None`
/// where an importer found nothing of it.
fn arrivals(schedule: &str) -> Option<String> {
    let words = schedule.to_lowercase();
    if words == "not told" {
        return None;
    }
    let is_rate = |text: &str| {
        text.strip_suffix("/s").is_some_and(|rate| rate.parse::<f64>().is_ok_and(f64::is_finite))
    };
    let words = match words.rsplit_once(", ") {
        Some((words, rate)) if is_rate(rate) => words,
        _ => &words,
    };
    // The shape k of a gamma distribution is what we call its smoothness.
    Some(match words.strip_prefix("gamma, shape ") {
        Some(shape) => format!("gamma (smoothness {shape})"),
        None => words.to_owned(),
    })
}

/// Whether nothing of a load is known: what an importer found none of stands as an open loop.
fn is_unknown(load: &LoadLine) -> bool {
    matches!(load, LoadLine::Open { schedule, requests_per_s: None, .. } if arrivals(schedule).is_none())
}

/// How many an open loop has in flight at most.
fn most_in_flight(load: &LoadLine) -> Option<String> {
    match load {
        LoadLine::Closed { .. } => None,
        LoadLine::Open { max_in_flight: None, .. } => Some("any number".to_owned()),
        LoadLine::Open { max_in_flight: Some(most), .. } => Some(most.to_string()),
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_known_by_their_paths() {
        for (path, expected) in [
            ("/v1/chat/completions", "chat"),
            ("https://x/openai/chat/completions", "chat"),
            ("/v1/completions", "completions"),
            ("chat", "chat"),
            ("/api/generate", "/api/generate"),
        ] {
            assert_eq!(api_name(path.to_owned()), expected);
        }
    }

    #[test]
    fn arrivals_have_one_name_whoever_measured() {
        for (schedule, expected) in [
            ("poisson, 10/s", Some("poisson")),
            ("Poisson", Some("poisson")),
            ("constant, 0.5/s", Some("constant")),
            ("gamma (smoothness 2), 10/s", Some("gamma (smoothness 2)")),
            ("gamma, shape 2", Some("gamma (smoothness 2)")),
            ("bursts of 8, 16/s", Some("bursts of 8")),
            (
                "linear ramp 1 to 50/s over 60 s, then 50/s, poisson",
                Some("linear ramp 1 to 50/s over 60 s, then 50/s, poisson"),
            ),
            ("all at once", Some("all at once")),
            ("not told", None),
        ] {
            assert_eq!(arrivals(schedule).as_deref(), expected, "{schedule}");
        }
    }

    #[test]
    fn what_only_one_side_knows_is_said_where_it_matters_and_refuses_nothing() {
        let mut differences = Differences(Vec::new());
        differences.add("engine", Some("vllm".into()), None, Listed);
        assert!(differences.0.is_empty());
        differences.add("model", Some("m".into()), None, Unlike);
        assert_eq!(differences.0[0].candidate, "not known");
        assert!(!differences.0[0].unlike);
        differences.add("model", Some("m".into()), Some("n".into()), Unlike);
        differences.add("model", Some("m".into()), Some("n".into()), Unlike);
        assert!(differences.0.len() == 2 && differences.0[1].unlike, "once");
    }
}
