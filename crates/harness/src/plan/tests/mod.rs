//! Whole plans: what they come to, what is said of wrong ones, and that no form of them loses anything.

mod up;

use std::{num::NonZeroU64, time::Duration};

use insta::assert_snapshot;
use proptest::{collection, option, prelude::*};
use serde_json::json;

use super::*;
use crate::{LoadSettings, Server, Settings, WorkloadSettings};

const SAMPLE: &str = include_str!("sample.yaml");

fn variables(name: &str) -> Option<String> {
    (name == "SAMPLE_KEY").then(|| "s3cret".to_owned())
}

fn settings(text: &str) -> Result<Settings, String> {
    let file = Document::parse("plan.yaml", text, Format::Yaml).map_err(|p| p.to_string())?;
    let layered = layer(Some(file), Node::default(), &variables).map_err(|p| p.to_string())?;
    resolve(&layered, &variables).map_err(|problems| problems.to_string())
}

fn mistakes(text: &str) -> String {
    match settings(text) {
        Ok(_) => "none".to_owned(),
        Err(problems) => problems,
    }
}

#[test]
fn the_sample_comes_to_what_it_says() {
    let settings = settings(SAMPLE).unwrap();
    assert_eq!((settings.targets.len(), settings.workloads.len(), settings.loads.len()), (3, 3, 7));
    let [plain, quantized, simulated] = &settings.targets[..] else { panic!() };
    assert_eq!(plain.pass.as_deref(), Some("quantization default"));
    assert_eq!(quantized.model.as_deref(), Some("m-fp4"));
    assert_eq!((quantized.labels["gpu"].as_str(), quantized.labels["tp"].as_str()), ("H200", "1"));
    assert!(matches!(&quantized.server, Server::At(url) if url.port() == 8001));
    assert!(matches!(&simulated.server, Server::Simulator(sim) if sim.tokens_per_chunk == 2));
    assert_eq!(settings.workloads[2].isl.to_string(), "512±100");
    assert_eq!(settings.workloads[2].osl.unwrap().to_string(), "128±10");
    let LoadSettings::Closed { concurrency, ramp, .. } = &settings.loads[6] else { panic!() };
    assert_eq!((concurrency.get(), ramp.unwrap().over), (64, Duration::from_secs(30)));
    assert_eq!((settings.requests, settings.warm_up), (None, Some(8)));
    assert_eq!(settings.goals.slo.len(), 2);
    let fail_if = settings.gate.fail_if.iter().map(ToString::to_string);
    assert_eq!(fail_if.collect::<Vec<_>>(), ["output_tps -3 %", "p95(ttft_ms) +5 %"]);
    assert_eq!(settings.plan["targets"][0]["headers"]["Authorization"], "Bearer ${TOKEN:-none}");
}

#[test]
fn nothing_said_is_what_it_was_before_there_were_plans() {
    let (said, default) = (settings("").unwrap(), Settings::new());
    assert_eq!(said.name, default.name);
    assert_eq!(said.loads, default.loads);
    assert_eq!(said.workloads, default.workloads);
    assert_eq!((said.repeats, said.grace), (default.repeats, default.grace));
    assert_eq!((said.requests, said.warm_up, said.limits), (None, None, default.limits));
    assert!(matches!(said.targets[0].server, Server::Find));
}

#[test]
fn a_matrix_brings_its_own_defaults() {
    let settings = settings("workload: {matrix: core}").unwrap();
    assert_eq!(settings.workloads.len(), 5);
    assert_eq!(settings.workloads[3].category.as_deref(), Some("prefill-heavy"));
    assert_eq!((settings.requests, settings.warm_up), (Some(3), Some(2)));
    assert_eq!(settings.targets[0].extra_body["temperature"], json!(0));
}

#[test]
fn presets_are_measured_one_after_the_other_by_their_names() {
    let settings = settings("workload: {preset: [summarize, chat]}").unwrap();
    let words: Vec<(&str, String)> = settings
        .workloads
        .iter()
        .map(|w| (w.label.as_deref().unwrap(), format!("{} {}", w.isl, w.osl.unwrap())))
        .collect();
    let ranges = "uniform(500,2000) uniform(100,300)".to_owned();
    assert_eq!(words, [("summarization", ranges), ("chat", "1024 128".to_owned())]);
    assert_eq!(settings.plan["workload"]["preset"], json!(["summarization", "chat"]));
    assert!(settings.plan["workload"].get("isl").is_none());
}

#[test]
fn scenarios_are_cells_that_go_by_their_text() {
    let ranked = "{workload: {scenario: 'R(64,8),R(128,8)'}, targets: [{endpoint_type: rerank}]}";
    let settings = settings(ranked).unwrap();
    let cells = settings.workloads.iter();
    let cells: Vec<String> = cells.map(|w| format!("{} {}", w.isl, w.query)).collect();
    assert_eq!(cells, ["64 8", "128 8"]);
    assert_eq!(settings.workloads[1].label.as_deref(), Some("R(128,8)"));
    assert_eq!(settings.plan["workload"]["scenario"], json!(["R(64,8)", "R(128,8)"]));
    assert_eq!(settings.plan["workload"].get("query_tokens"), None);
}

#[test]
fn a_mix_is_one_workload_however_it_is_said() {
    let pair = "75% chat (ISL 1024 OSL 128), 25% rag (ISL 4000 OSL 300)";
    for (plan, label, words) in [
        ("preset: 'chat:3,rag:1'", Some("chat:3,rag:1"), pair),
        ("preset: ['chat:0.75', 'retrieval:0.25']", Some("chat:0.75,rag:0.25"), pair),
        ("mix: 'chat=1024,128:3;rag=4000,300:1'", None, pair),
        (
            "mix: [{isl: 8, isl_stddev: 1, osl: 9}, {isl: 1, osl: 2}]",
            None,
            "50% ISL 8±1 OSL 9, 50% ISL 1 OSL 2",
        ),
        ("mix: {pairs: [{isl: 8, osl: 9, prob: 100}]}", None, "100% ISL 8 OSL 9"),
    ] {
        let settings = settings(&format!("workload: {{{plan}}}")).unwrap();
        let [workload] = &settings.workloads[..] else { panic!("{plan}") };
        assert_eq!(workload.mix.as_ref().unwrap().to_string(), words, "{plan}");
        assert_eq!(workload.label.as_deref(), label, "{plan}");
        // What is recorded is the same plan.
        let again = Document::parse("plan", &settings.plan.to_string(), Format::Yaml).unwrap();
        let again = layer(Some(again), Node::default(), &variables).unwrap();
        assert_eq!(again.to_json(), settings.plan);
    }
}

#[test]
fn images_are_beside_any_text() {
    let all = |plan: &str| -> Vec<String> {
        let settings = settings(&format!("workload: {{{plan}}}")).unwrap();
        let said = |w: &WorkloadSettings| format!("{} {}", w.isl, w.images.unwrap());
        settings.workloads.iter().map(said).collect()
    };
    assert_eq!(all("images: {count: 2}"), ["1024 2 images of 512x512"]);
    assert_eq!(all("preset: agent, images: {width: 64}"), ["2000 1 image of 64x512"]);
    assert_eq!(all("pairs: [8/1], images: {height: 64}"), ["8 1 image of 512x64"]);
    let shown = ["8 1 image of 9x7", "16 1 image of 9x7"];
    assert_eq!(all("scenario: 'I(9,7)', isl: [8, 16]"), shown);
    assert!(settings("").unwrap().workloads[0].images.is_none());
}

#[test]
fn every_mistake_is_named_at_once_with_its_line() {
    let plan = "\
version: 2
nmae: x
seed: -1
targets:
  - {name: a, url: 'ftp://x', labels: {gpu: [1]}}
  - name: a
    strEaming: 1
    simulate: {ttft: fast, titl: 1ms}
    headers: {Authorization: sk-123}
    passes: [{model: b}, {quantization: 4, extra_inputs: {x: {y: 1}}, url: 7x}]
workload: {isl: [0, 1024, x], osl: 128, pairs: [128/128, '1'], matrix: cor}
load:
  concurency: 8
  isl: 4
  concurrency: []
  request_rate: -1
  arrival_pattern: gama
  duration: 5 parsecs
  requests: none
  repeat: {a: 1}
  cancel: {after: 2s}
  speed_up: 2
goals: {slo: ['p95(ttft)<500ms', 'p95(tfft)<1'], goodput: {tttft: 1}, slo_abort: '${NONE}'}
gate: {baseline: x, fail_if: {output_tsp: -3%}, noise: 300%}
limits: 5
output: {export: [pdf]}
";
    assert_snapshot!(mistakes(plan));
}

#[test]
fn what_cannot_be_together_is_said() {
    for (plan, said) in [
        ("workload: {isl: 8, pairs: [1/2]}", "plan.yaml:1: workload.pairs: cannot be beside isl"),
        ("workload: {matrix: all, osl: 1}", "workload.matrix: cannot be beside osl"),
        ("workload: {preset: chat, osl: 1}", "workload.preset: cannot be beside osl"),
        ("workload: {preset: chat, matrix: core}", "workload.preset: cannot be beside matrix"),
        ("workload: {preset: chat, isl_stddev: 5}", "workload.preset: cannot be beside isl_stddev"),
        ("workload: {preset: 'qa,questions'}", "question-answering is in the list twice"),
        ("workload: {preset: []}", "workload.preset: the list is empty"),
        (
            "workload: {preset: [poetry]}",
            "workload.preset[0]: `poetry` is none of chat, short-chat,",
        ),
        ("workload: {preset: summarisaton}", "did you mean summarisation?"),
        (
            "{workload: {preset: rag}, targets: [{endpoint_type: rerank}]}",
            "workload.preset: means nothing for embeddings and rerank",
        ),
        (
            "workload: {scenario: 'D(1,2)', preset: qa}",
            "workload.scenario: cannot be beside preset",
        ),
        ("workload: {scenario: 'D(1,2)', isl: 8}", "workload.scenario: cannot be beside isl"),
        (
            "workload: {scenario: [A(9)]}",
            "workload.scenario[0]: `A(9)` is no traffic scenario: give",
        ),
        (
            "workload: {scenario: E(9)}",
            "workload.scenario: E(9) is for targets asked for embeddings",
        ),
        (
            "{workload: {scenario: 'D(1,2)'}, targets: [{endpoint_type: rerank}]}",
            "workload.scenario: D(1,2) is for targets that generate text",
        ),
        (
            "{workload: {scenario: 'R(9,9)', query_tokens: 5}, targets: [{endpoint_type: rerank}]}",
            "workload.scenario: cannot be beside query_tokens",
        ),
        (
            "workload: {preset: 'chat:3,rag'}",
            "workload.preset: give each a weight, which mixes them",
        ),
        ("workload: {preset: 'chat:3,chat:1'}", "workload.preset: chat is in the list twice"),
        (
            "workload: {preset: 'chat:0,rag:1'}",
            "workload.preset: `0` is no weight such as 3 in chat:3",
        ),
        ("workload: {mix: '1,2:3', preset: chat}", "workload.preset: cannot be beside mix"),
        ("workload: {mix: '1,2:3', pairs: [1/2]}", "workload.mix: cannot be beside pairs"),
        ("workload: {mix: '1,2'}", "workload.mix: `1,2` is no ISL,OSL:WEIGHT"),
        ("workload: {mix: [{isl: 1, osl: 2, wait: 3}]}", "workload.mix[0].wait: unknown key"),
        ("workload: {mix: [{isl: 1, osl: 2, weight: 0}]}", "workload.mix: 0 is no weight"),
        (
            "{workload: {mix: '1,2:3'}, targets: [{endpoint_type: embeddings}]}",
            "workload.mix: embeddings and rerank have no mixes",
        ),
        (
            "workload: {images: {count: 200}}",
            "workload.images: 200 images are no number for a request",
        ),
        ("workload: {images: {width: 9999}}", "workload.images: 9999 x 512 pixels are no size"),
        ("workload: {images: {count: 0}}", "workload.images.count: it must be at least 1"),
        (
            "{workload: {images: {count: 1}}, targets: [{endpoint_type: completions}]}",
            "workload.images.count: is for targets that take images: chat, responses",
        ),
        (
            "{workload: {scenario: 'I(9,9)'}, targets: [{endpoint_type: embeddings}]}",
            "workload.scenario: I(9,9) is for targets that take images",
        ),
        (
            "workload: {scenario: 'I(9,9)', images: {count: 1}}",
            "workload.scenario: cannot be beside images",
        ),
        (
            "workload: {scenario: 'I(9,9),D(1,2)', isl: 9}",
            "workload.scenario: cannot be beside isl",
        ),
        ("workload: {isl: 8±1, isl_stddev: 2}", "isl has a distribution of its own"),
        ("workload: {osl: 'poisson(9)', osl_stddev: 2}", "osl has a distribution of its own"),
        ("workload: {isl: 'uniform(1'}", "workload.isl: `uniform(1` has no closing bracket"),
        ("workload: {isl: 'unifrm(1,2)'}", "workload.isl: `unifrm(1,2)` is no length; give tokens"),
        ("workload: {isl: 'uniform(9,1)'}", "workload.isl: 9 to 1 goes down"),
        (
            "load: {request_rate: 1, rate_series: x}",
            "load.rate_series: cannot be beside request_rate",
        ),
        ("load: {request_rate: 1, concurrency: [1, 2]}", "the most in flight: one number"),
        ("load: {arrival_pattern: constant}", "means nothing without a rate"),
        (
            "load: {request_rate: 1, arrival_pattern: constant, burst_size: 2}",
            "is of arrival_pattern burst",
        ),
        ("load: {max_in_flight: 1}", "load.max_in_flight: means nothing without a rate"),
        ("load: {trace: nowhere}", "load.trace: nowhere cannot be read"),
        ("load: {rate_ramp: {over: 1s}}", "load.rate_ramp: means nothing without a rate"),
        ("load: {concurrency_ramp: {shape: linear}}", "needs to know how long: over"),
        ("load: {converge: 2%, repeat: 1}", "takes two measurements or more"),
        ("load: {converge_on: rps}", "means nothing without converge"),
        (
            "load: {concurrency: '1..1000:1', repeat: 1000}",
            "1000000 points to measure are too many",
        ),
        ("goals: {slo_abort: 1s}", "means nothing without a goal"),
        ("gate: {fail_if: {output_tps: -3%}}", "plan.yaml:1: gate.fail_if: means nothing without"),
        ("gate: {fail_if: {output_tps: -3}}", "output_tps: a number alone may be percent or"),
        ("gate: {fail_if: {output_tps: -300%}}", "output_tps never changes by more than -300%"),
        ("gate: {fail_if: {p50(osl): 3%}}", "`3%` needs a sign: p50(osl) is better neither"),
        ("targets: [{simulate: true, url: ':1'}]", "targets[0].simulate: cannot be beside url"),
        ("targets: [{url: ':1'}, {url: ':2'}]", "targets[0]: needs a name"),
        ("targets: [{name: ' '}]", "targets[0].name: is empty"),
        ("output: {artifact_dir: ''}", "output.artifact_dir: is empty"),
        ("workload: {pairs: [1/2, 3/4, 1/2]}", "workload.pairs: 1/2 is in the list twice"),
        ("targets: [{passes: [{a: 1}, {a: 1}]}]", "has the labels of another pass"),
        ("targets: []", "targets: the list is empty"),
        ("[1]", "plan.yaml:1: a section belongs here, not a list"),
        ("5", "plan.yaml:1: a section belongs here, not 5"),
    ] {
        let problems = mistakes(plan);
        assert!(problems.contains(said), "{plan}: {problems}");
    }
}

#[test]
fn a_change_without_a_sign_is_one_for_the_worse() {
    let gate = "gate: {baseline: x, fail_if: {output_tps: 3%, p95(ttft): 5%, error_rate: 1pt}}";
    let limits = settings(gate).unwrap().gate.fail_if;
    let limits: Vec<String> = limits.iter().map(ToString::to_string).collect();
    assert_eq!(limits, ["error_ratio +1 pt", "output_tps -3 %", "p95(ttft_ms) +5 %"]);
}

#[test]
fn what_the_environment_gives_is_not_repeated() {
    let environment = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
    for plan in [
        "load: {concurrency: '${TOKEN}'}",
        "targets: [{url: '${TOKEN}:x', headers: {a: '${TOKEN}'}}]",
        "targets: [{endpoint_type: '${TOKEN}'}]",
        "goals: {slo: ['${TOKEN}']}",
    ] {
        let file = Document::parse("plan.yaml", plan, Format::Yaml).unwrap();
        let problems = layer(Some(file), Node::default(), &environment).unwrap_err().to_string();
        assert!(problems.contains("plan.yaml:1: ") && !problems.contains("s3cret"), "{problems}");
    }
}

#[test]
fn the_schema_is_that_of_the_sample() {
    assert_snapshot!(serde_json::to_string_pretty(&schema()).unwrap());
}

fn positive() -> impl Strategy<Value = Positive> {
    (1..=u64::from(u32::MAX)).prop_map(|n| Positive(NonZeroU64::new(n).unwrap()))
}

fn rate() -> impl Strategy<Value = PerSecond> {
    (1e-5..1e8).prop_map(PerSecond)
}

fn tokens() -> impl Strategy<Value = Tokens> {
    let text =
        (1..100_000_u32, 0.0..100.0, 1..1_000_u32, 0..7).prop_map(|(n, x, m, kind)| match kind {
            0 => format!("{n}"),
            1 => format!("{n}±{x}"),
            2 => format!("normal({n},{x},max={})", n.max(m)),
            3 => format!("lognormal({n},{x},min=1)"),
            4 => format!("uniform({},{})", n.min(m), n.max(m)),
            5 => format!("zipf({x},{n})"),
            _ => format!("poisson({n})"),
        });
    text.prop_map(|text| Tokens::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn time() -> impl Strategy<Value = Time> {
    let units = prop_oneof![Just(1), Just(1_000), Just(1_000_000), Just(1_000_000_000)];
    (0..100_000_u64, units).prop_map(|(n, unit)| Time(Duration::from_nanos(n * unit)))
}

fn period() -> impl Strategy<Value = Period> {
    time().prop_map(|time| Period(time.0 + Duration::from_nanos(1)))
}

fn sweep<T: Clone + PartialEq + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Sweep<T>> {
    collection::vec(value, 1..5).prop_map(|mut values| {
        let mut known = Vec::new();
        values.retain(|value| {
            !known.contains(value) && {
                known.push(value.clone());
                true
            }
        });
        match <[T; 1]>::try_from(values) {
            Ok([one]) => Sweep::One(one),
            Err(values) => Sweep::List(values),
        }
    })
}

/// Words that a writer must quote, and others.
fn word() -> impl Strategy<Value = String> {
    let odd = [
        "true", "null", "1", "1e3", "~", "- a", "a: b", "#x", "'", "\"", "a,b=c", "é", "no", "0x10",
    ];
    prop_oneof![
        "[ -~]{1,12}".prop_filter("a variable", |text| !text.contains('$')),
        proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
        any::<String>().prop_filter("a variable", |text| !text.contains('$')),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_-]{0,8}"
}

fn target() -> impl Strategy<Value = TargetFile> {
    let words = (option::of(word()), option::of(word()), option::of(word()), option::of(word()));
    let maps = (
        collection::btree_map(name(), word().prop_map(Label), 0..3),
        collection::btree_map(name(), word(), 0..3),
        option::of(any::<bool>()),
        option::of(time()),
    );
    (words, maps).prop_map(|((name, model, endpoint, log), (labels, extra, streaming, wait))| {
        let extra = extra.into_iter().map(|(key, value)| (key, json!([value, {"a": 1.5}])));
        let pass = PassFile { labels: Labels(labels.clone()), ..PassFile::default() };
        TargetFile {
            name,
            model,
            endpoint,
            server_log: log,
            passes: if labels.is_empty() { Vec::new() } else { vec![pass] },
            labels: Labels(labels),
            extra_inputs: extra.collect(),
            streaming,
            wait_ready: wait,
            ..TargetFile::default()
        }
    })
}

fn load() -> impl Strategy<Value = LoadFile> {
    (
        option::of(sweep(positive())),
        option::of(sweep(rate())),
        option::of(period()),
        option::of((-1e6..1e6).prop_map(Percent)),
        option::of(prop_oneof![
            Just(Auto::Auto),
            any::<u64>().prop_map(|n| Auto::Exactly(Count(n)))
        ]),
    )
        .prop_map(|(concurrency, request_rate, duration, converge, warmup)| LoadFile {
            concurrency,
            request_rate,
            duration,
            converge,
            warmup,
            ..LoadFile::default()
        })
}

fn plan() -> impl Strategy<Value = PlanFile> {
    let top = (option::of(any::<u64>()), option::of(word()), collection::vec(target(), 0..3));
    let workload = (option::of(sweep(tokens())), collection::vec((tokens(), tokens()), 0..3));
    (top, workload, load()).prop_map(|((seed, name, targets), (isl, pairs), load)| PlanFile {
        version: Some(1),
        name,
        seed,
        targets,
        workload: WorkloadFile {
            isl,
            pairs: pairs.into_iter().map(|(isl, osl)| Pair { isl, osl }).collect(),
            ..WorkloadFile::default()
        },
        load,
        ..PlanFile::default()
    })
}

fn read_back(text: &str, format: Format) -> PlanFile {
    let document = Document::parse("plan", text, format).unwrap_or_else(|p| panic!("{p}\n{text}"));
    let mut problems = Vec::new();
    let plan = typed::read(&document.root, &mut problems);
    assert_eq!(problems, [], "{text}");
    plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_plan_survives_yaml_and_toml(plan in plan()) {
        for format in [Format::Yaml, Format::Toml] {
            prop_assert_eq!(&read_back(&plan.to_text(format).unwrap(), format), &plan);
        }
    }

    #[test]
    fn no_text_is_a_panic(at in 0..SAMPLE.len(), length in 0..40_usize, with in "\\PC{0,8}|[\\[\\]{}:,&*!%|>'\"#?<$~\\n -]{0,6}") {
        let (start, end) = (floor(at), floor((at + length).min(SAMPLE.len())));
        let text = format!("{}{with}{}", &SAMPLE[..start], &SAMPLE[end..]);
        let _ = settings(&text);
        if let Ok(file) = Document::parse("plan.toml", &text, Format::Toml) {
            let _ = layer(Some(file), Node::default(), &variables);
        }
    }
}

fn floor(at: usize) -> usize {
    (0..=at).rev().find(|at| SAMPLE.is_char_boundary(*at)).unwrap_or(0)
}
