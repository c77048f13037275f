use std::collections::BTreeSet;

use bench_harness::plan::{Format, PlanFile, layer, schema};
use bench_workloads::{Length, Preset};
use clap::Command as Clap;
use proptest::{collection, option, prelude::*};
use serde_json::json;

use super::*;

fn parse(words: &[String]) -> Result<Node, String> {
    let command = PlanFlags::augment_args(Clap::new("run").no_binary_name(true));
    let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
    Ok(PlanFlags::from_arg_matches(&matches).map_err(|error| error.to_string())?.typed)
}

/// What `words` say as a plan of its own.
fn plan(words: &[String]) -> Result<PlanFile, String> {
    let document = document(&PlanFlags { typed: parse(words)? }).map_err(|p| p.to_string())?;
    document.plan(&|_| None).map_err(|problems| format!("{problems}"))
}

/// The flags that say what `plan` says, values and all.
fn of_plan(plan: &PlanFile) -> Vec<String> {
    let text = plan.to_text(Format::Yaml).unwrap();
    of_tree(&Document::parse("plan", &text, Format::Yaml).unwrap().root).unwrap()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// A plan, there and back.
fn check(yaml: &str, flags: &str) {
    let document = Document::parse("plan.yaml", yaml, Format::Yaml).unwrap();
    let mut expected = document.plan(&|_| None).unwrap_or_else(|p| panic!("{p}"));
    let words = of_tree(&document.root).unwrap();
    assert_eq!(quoted(&words), flags);
    expected.version = Some(1);
    assert_eq!(plan(&words).unwrap_or_else(|e| panic!("{flags}: {e}")), expected);
}

#[test]
fn plans_become_flags_and_flags_become_plans() {
    check(
        "load: {concurrency: 8, request_rate: [5, 10], cancel: {ratio: 0.05}}",
        "--concurrency 8 --request-rate 5,10 --request-cancellation-rate 5%",
    );
    check(
        "targets: [{url: ':1', headers: {X-A: b c}, extra_inputs: {a: [1, x]}, labels: {b: c=d}}]",
        "--url :1 --header 'X-A: b c' --label b=c=d --extra-inputs 'a:[1,\"x\"]'",
    );
    check(
        "targets: [{name: a, url: ':1', passes: [{q: 1}]}, {name: 'b,c', labels: {model: x}}]",
        "--target a=:1 --pass target=a,q=1 --target '\"b,c\"=,url=,labels.model=x'",
    );
    check(
        "goals: {goodput: {ttft: 500ms, e2e: 2s}, slo: ['p95(ttft)<1s'], slo_abort: 5}",
        "--slo 'p95(ttft)<1s' --goodput 'ttft:500ms e2e:2s' --slo-abort=5",
    );
    check(
        "workload: {isl: ['uniform(100,500)', 8], osl: 'poisson(9,max=20)'}",
        "--isl 'uniform(100,500),8' --osl 'poisson(9,max=20)'",
    );
    check("workload: {pairs: ['uniform(1,5)/8', 9/1]}", "--pairs 'uniform(1,5)/8,9/1'");
    check("workload: {preset: [chat, rag]}", "--workload chat,rag");
    check("workload: {preset: summarize}", "--workload summarize");
    check("workload: {preset: 'chat:3,rag:1'}", "--workload chat:3,rag:1");
    check("workload: {mix: '256|10,128:40;512,256:60'}", "--seq-dist '256|10,128:40;512,256:60'");
    check(
        "workload: {mix: [{name: a, isl: 'uniform(1,5)', osl: 8}, {isl: 9, isl_stddev: 2, osl: 8, prob: 0.5}]}",
        "--seq-dist 'a=uniform(1,5),8:1;9|2,8:0.5'",
    );
    check(
        "workload: {scenario: ['D(100,1000)', 'N(480,240)/(300,150)']}",
        "--traffic-scenario 'D(100,1000),N(480,240)/(300,150)'",
    );
    check("workload: {images: {width: 64, count: 2}}", "--image-count 2 --image-width 64");
    check("workload: {matrix: core}\nname: -x", "--matrix core --name=-x");
    check(
        "workload: {input: {file: a.json, max_turns: 4, min_tokens: -1, max_tokens: -1, columns: {prompt: q}}}\n\
         load: {active_conversations: 6, conversation_sampling: random, warmup_step: true}\n\
         output: {export: [multi-turn], warmup_percentages: [0%, 50%]}",
        "--max-active-conversations 6 --conversation-sampling random --warmup-step=true --input-file a.json \
         --max-turns 4 --limit-min-tokens=-1 --limit-max-tokens=-1 --prompt-column q --export multi-turn \
         --warmup-percentages 0%,50%",
    );
}

#[test]
fn each_key_of_a_plan_has_a_flag() {
    let schema = schema();
    let known: BTreeSet<&str> = FLAGS.iter().map(|flag| flag.path).collect();
    let sections = [
        ("", &schema["properties"]),
        ("target.", &schema["$defs"]["TargetFile"]["properties"]),
        ("workload.", &schema["$defs"]["WorkloadFile"]["properties"]),
        ("workload.prefix.", &schema["$defs"]["PrefixFile"]["properties"]),
        ("workload.images.", &schema["$defs"]["ImagesFile"]["properties"]),
        ("workload.input.", &schema["$defs"]["InputFile"]["properties"]),
        ("workload.input.columns.", &schema["$defs"]["ColumnsFile"]["properties"]),
        ("load.", &schema["$defs"]["LoadFile"]["properties"]),
        ("goals.", &schema["$defs"]["GoalsFile"]["properties"]),
        ("find.", &schema["$defs"]["FindFile"]["properties"]),
        ("limits.", &schema["$defs"]["LimitsFile"]["properties"]),
        ("telemetry.", &schema["$defs"]["TelemetryFile"]["properties"]),
        ("gate.", &schema["$defs"]["GateFile"]["properties"]),
        ("output.", &schema["$defs"]["OutputFile"]["properties"]),
        ("load.rate_ramp.", &schema["$defs"]["RateRampFile"]["properties"]),
        ("load.concurrency_ramp.", &schema["$defs"]["ConcurrencyRampFile"]["properties"]),
        ("load.cancel.", &schema["$defs"]["CancelFile"]["properties"]),
    ];
    for (section, keys) in sections {
        for key in keys.as_object().expect(section).keys() {
            let path = format!("{section}{key}");
            let is_section = sections.iter().any(|(other, _)| *other == format!("{path}."));
            let has_flag = known.contains(path.as_str()) || is_section;
            // The name of a target comes with --target; the version is that of the program.
            assert!(has_flag || ["version", "target.name"].contains(&path.as_str()), "{path}");
        }
    }
}

#[test]
fn flags_of_a_sweep_of_targets_become_a_plan() {
    let line = "--target vllm=http://localhost:8000,model=m,gpus=1,quantization=fp8 --target :8001 \
                --pass quantization=default --pass target=vllm,quantization=nvfp4,model=m4 -c 1..8 -m n \
                --slo p95(ttft)<500ms --slo error_rate<1% --request-cancellation-rate 5 --no-streaming \
                --endpoint-type openai-chat --extra-inputs temperature:0 --baseline @last --fail-if p95(ttft)=+5%";
    let typed = parse(&words(line)).unwrap();
    let layered = layer(None, typed, &|_| None).unwrap();
    let [vllm, other] = &layered.plan().targets[..] else { panic!() };
    assert_eq!((vllm.model.as_deref(), other.model.as_deref()), (Some("m"), Some("n")));
    assert_eq!((vllm.passes.len(), other.passes.len()), (2, 1));
    assert_eq!(vllm.labels.0["quantization"].0, "fp8");
    assert_eq!((vllm.streaming, other.streaming), (Some(false), Some(false)));
    assert_eq!(layered.plan().load.cancel.ratio.unwrap().to_string(), "5%");
    assert_eq!(layered.plan().goals.slo.len(), 2);
    assert_eq!(layered.plan().gate.fail_if["p95(ttft)"].to_string(), "+5%");
}

#[test]
fn help_lists_each_workload_with_its_lengths() {
    let help = FLAGS.iter().find(|flag| flag.path == "workload.preset").unwrap().help;
    for preset in Preset::ALL {
        let tokens = |length: Length| {
            let text = length.to_string();
            let range = text.strip_prefix("uniform(").and_then(|text| text.strip_suffix(')'));
            range.map_or_else(|| text.clone(), |range| range.replace(',', "-"))
        };
        let words = format!("{} {}/{}", preset.name, tokens(preset.isl()), tokens(preset.osl()));
        assert!(help.contains(&words), "{words}");
    }
}

/// As where a variable of the shell is not set: another server would be measured than is meant.
#[test]
fn what_is_empty_or_said_twice_is_a_mistake() {
    for (line, said) in [
        ("--target a=", "there is no address; write NAME=URL"),
        ("--target=", "there is no address; write NAME=URL"),
        ("--target a=,model=m", "there is no address; write NAME=URL"),
        ("--target =:1", "--target: name: is empty"),
        ("--model=", "--model: is empty"),
        ("--artifact-dir=", "--artifact-dir: is empty"),
        ("--url=", "it names neither a host nor a port"),
        ("--target a=:1 --url :2", "--url: cannot be beside --target"),
        ("--pairs 1/2,3/4,1/2", "1/2 is in the list twice"),
    ] {
        let error = match parse(&words(line)) {
            Ok(typed) => layer(None, typed, &|_| None).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(said), "{line}: {error}");
    }
    assert!(plan(&words("--target a=,url=")).is_ok(), "the server that is found");
}

#[test]
fn words_are_quoted_for_a_shell() {
    assert_eq!(quoted(&["-c", "8", "a b", "it's", "", "${X}"]), r"-c 8 'a b' 'it'\''s' '' '${X}'");
}

fn word() -> impl Strategy<Value = String> {
    let odd = ["true", "null", "1", "-1", "--x", "a: b", "'", "\"", "a,b=c", "{", "]", "é", "a\\b"];
    prop_oneof![
        "[!-~]([ -~]{0,8}[!-~])?".prop_filter("a variable", |text| !text.contains('$')),
        proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,8}"
}

fn some<T: std::fmt::Debug + Clone>(
    key: &'static str,
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<(&'static str, Json)>>
where
    Json: From<T>,
{
    option::of(value).prop_map(move |value| value.map(|value| (key, Json::from(value))))
}

fn object(entries: Vec<Option<(&'static str, Json)>>) -> Json {
    entries.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn target() -> impl Strategy<Value = Json> {
    let texts = (
        some("model", word()),
        some("endpoint", word()),
        some("server_log", word()),
        some("api_key_env", "[A-Z]{1,5}"),
        some("streaming", any::<bool>()),
        some("force_osl", any::<bool>()),
        some("gpus", 1..9_u32),
        some("wait_ready", proptest::sample::select(vec!["10m", "0s", "1500us"])),
    );
    let maps = (
        some("labels", collection::btree_map(name(), word(), 1..3).prop_map(|m| json!(m))),
        some("headers", collection::btree_map("X-[A-Z]", word(), 1..3).prop_map(|m| json!(m))),
        some("extra_inputs", collection::btree_map(word(), word(), 1..3).prop_map(|m| json!(m))),
        some("passes", collection::btree_map("q[a-z]{2,6}", word(), 1..3).prop_map(|m| json!([m]))),
        prop_oneof![
            some("url", proptest::sample::select(vec![":8000", "https://h/v1"])),
            some("simulate", Just(json!(true))),
            some("simulate", Just(json!({"ttft": "20ms", "jitter": "5%"}))),
            some("up", Just(json!({"recipe": "vllm", "model": "a/b"}))),
            some("up", up()),
        ],
    );
    (texts, maps).prop_map(|((a, b, c, d, e, f, g, h), (i, j, k, l, m))| {
        object(vec![a, b, c, d, e, f, g, h, i, j, k, l, m])
    })
}

fn up() -> impl Strategy<Value = Json> {
    let parts = (
        some("recipe", proptest::sample::select(vec!["ollama", "own.toml"])),
        "[a-z]{1,6}(:[a-z0-9]{1,3})?".prop_map(|model| Some(("model", json!(model)))),
        some("args", collection::vec(word(), 1..4).prop_map(|words| json!(words))),
        some("env", collection::btree_map("[A-Z_]{1,5}", word(), 1..3).prop_map(|m| json!(m))),
        some("vary", Just(json!({"max-num-seqs": ["64", "128"], "-c": ["1"]}))),
        some("gpus", proptest::sample::select(vec!["all", "device=0,1"])),
        some("shm_size", Just(json!("16g"))),
        some("with", proptest::sample::select(vec!["podman", "process"])),
        some("port", 1..u16::MAX),
    );
    parts.prop_map(|(a, b, c, d, e, f, g, h, i)| object(vec![a, b, c, d, e, f, g, h, i]))
}

fn any_plan() -> impl Strategy<Value = Json> {
    let targets = collection::vec((word(), target()), 0..3).prop_map(|targets| {
        let named = |(index, (name, mut target)): (usize, (String, Json))| {
            target["name"] = json!(format!("{name}{index}"));
            target
        };
        json!(targets.into_iter().enumerate().map(named).collect::<Vec<_>>())
    });
    let one = target().prop_map(|target| json!([target]));
    let load = (
        some(
            "concurrency",
            proptest::sample::select(vec![json!(8), json!([1, 8]), json!("1..64")]),
        ),
        some("requests", prop_oneof![Just(json!("auto")), (1..u64::MAX).prop_map(|n| json!(n))]),
        some("warmup", prop_oneof![Just(json!("auto")), any::<u64>().prop_map(|n| json!(n))]),
        some("cancel", Just(json!({"ratio": 0.07, "after": "2s"}))),
        some("order", proptest::sample::select(vec!["in_order", "interleaved"])),
        some("concurrency_ramp", Just(json!({"over": "30s", "shape": "exponential"}))),
    );
    let goals = (
        some("slo", Just(json!(["p95(ttft)<500ms", "error_rate < 1%"]))),
        some("goodput", Just(json!({"ttft": 500, "e2e": "2s"}))),
        some("stop_on_saturation", any::<bool>()),
    );
    (prop_oneof![targets, one], option::of(word()), any::<u64>(), load, goals).prop_map(
        |(targets, name, seed, (a, b, c, d, e, f), (g, h, i))| {
            let mut plan =
                json!({"version": 1, "seed": seed, "load": object(vec![a, b, c, d, e, f])});
            plan["workload"] = json!({"pairs": ["128/128", "1024±10/uniform(1,5)"]});
            plan["gate"] =
                json!({"baseline": "@last", "fail_if": {"output_tps": "-3%"}, "noise": "2%"});
            plan["goals"] = object(vec![g, h, i]);
            plan["output"] = json!({"export": ["csv", "genai-perf"]});
            if let Some(name) = name {
                plan["name"] = json!(name);
            }
            if targets.as_array().is_some_and(|t| t.iter().any(|t| *t != json!({}))) {
                plan["targets"] = targets;
            }
            plan
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_plan_survives_the_command_line(json in any_plan()) {
        // A target that says nothing has no flag.
        let is_said = |target: &Json| *target != json!({});
        prop_assume!(json["targets"].as_array().is_none_or(|all| all.iter().all(is_said)));
        let document = Document::parse("plan", &json.to_string(), Format::Yaml).unwrap();
        let expected = document.plan(&|_| None).unwrap_or_else(|p| panic!("{p}\n{json}"));
        let words = of_plan(&expected);
        let again = plan(&words).unwrap_or_else(|e| panic!("{}: {e}", quoted(&words)));
        prop_assert_eq!(&again, &expected, "{}", quoted(&words));
    }

    #[test]
    fn no_words_are_a_panic(flag in 0..FLAGS.len(), text in "\\PC{0,20}|[a-z=,.\"{}:\\[\\]$<>()0-9]{0,24}") {
        let words = [format!("--{}={text}", FLAGS[flag].long)];
        if let Ok(typed) = parse(&words) {
            let _ = document_of(typed.clone()).map(|document| of_tree(&document.root));
            let _ = layer(None, typed, &|_| None).map(|layered| layered.to_json());
        }
    }
}
