//! Conversations from files, held with the simulator, as the multi-turn tool's users know them.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    net::Ipv4Addr,
    time::Duration,
};

use bench_core::{Phase, Sample};
use bench_sim::Config;
use bench_store::LoadLine;
use serde_json::Value;

use crate::program::{Place, samples, statistic};

/// The tool's own sample file, but for the number of conversations, and for tokens: a simulated word is one.
const GENERATE: &str = r#"{
    "filetype": "generate_conversations",
    "num_conversations": 8,
    "text_files": ["pg1184.txt"],
    "print_stats": false,
    "prompt_input": {
        "num_turns": {"distribution": "uniform", "min": 4, "max": 8},
        "common_prefix_num_tokens": {"distribution": "constant", "value": 100},
        "prefix_num_tokens": {"distribution": "lognormal", "average": 60, "max": 500},
        "num_tokens": {"distribution": "uniform", "min": 40, "max": 60}
    },
    "prompt_output": {"num_tokens": {"distribution": "uniform", "min": 8, "max": 12}}
}"#;

/// Three conversations of four, two and six messages.
const TALKS: &str = r#"[
 {"id": "a", "messages": [{"role": "user", "content": "a one"}, {"role": "assistant", "content": "recorded a one"},
   {"role": "user", "content": "a two"}, {"role": "assistant", "content": "recorded a two"}]},
 {"id": "b", "messages": [{"role": "user", "content": "b one"}, {"role": "assistant", "content": "recorded b one"}]},
 {"id": "c", "messages": [{"role": "user", "content": "c one"}, {"role": "assistant", "content": "recorded c one"},
   {"role": "user", "content": "c two"}, {"role": "assistant", "content": "recorded c two"},
   {"role": "user", "content": "c three"}, {"role": "assistant", "content": "recorded c three"}]}
]"#;

fn place_with(file: &str, text: &str) -> Place {
    let place = Place::new();
    fs::write(place.path().join(file), text).unwrap();
    place
}

fn text() -> String {
    (0..20_000).map(|n| format!("word{n} ")).collect()
}

fn quick() -> Config {
    Config { ttft: Duration::from_millis(4), itl: Duration::from_millis(1), ..Config::default() }
}

/// Which turns of which conversations were sent, in order.
fn turns(samples: &[Sample]) -> Vec<(String, u32)> {
    samples.iter().map(|s| (s.id.as_deref().unwrap_or_default().to_owned(), s.turn)).collect()
}

/// The tool's sample runs unchanged, its statistics are those of the samples, and these those of the server.
#[cfg(target_os = "linux")]
#[test]
fn the_tools_configuration_runs_and_its_files_tell_what_the_server_did() {
    let server = bench_sim::Server::start(quick(), (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let place = place_with("generate_multi_turn.json", GENERATE);
    fs::write(place.path().join("pg1184.txt"), text()).unwrap();
    let words = "--num-clients 2 --max-active-conversations 6 --export multi-turn --warmup-percentages 0%,50%";
    let words = format!("run -u {} -i generate_multi_turn.json {words}", server.url());
    place.inferbench(&words).measures();
    let point = place.point();
    assert_eq!(point.load.to_string(), "closed loop, 2 users in 6 conversations");
    assert!(matches!(point.load, LoadLine::Closed { concurrency: 2, open_sessions: Some(6), .. }));
    let measured = place.measured();
    let conversations: BTreeMap<_, _> = measured.iter().map(|s| (s.id.clone(), s.turn)).collect();
    assert_eq!(conversations.len(), 8, "every conversation comes to its end");
    assert_eq!(point.turns.iter().map(|turn| turn.succeeded).sum::<u64>(), measured.len() as u64);
    let answered: u64 = measured.len() as u64;
    assert_eq!(point.outcomes, [("ok".to_owned(), answered)].into());

    let directory = place.run_directory();
    let start_ns = directory.read_run().unwrap().anchor.monotonic_ns.unwrap();
    let stats = fs::read(directory.path().join("multi_turn_stats.json")).unwrap();
    let stats: Vec<Value> = serde_json::from_slice(&stats).unwrap();
    assert_eq!(stats.len(), measured.len());
    // By conversation and turn.
    let key = |of: &Value| {
        (
            of["conversation_id"].as_str().unwrap().to_owned(),
            of["input_num_turns"].as_u64().unwrap(),
        )
    };
    let by_turn: HashMap<(String, u64), &Value> = stats.iter().map(|of| (key(of), of)).collect();
    for sample in &measured {
        let truth = server.truth(&sample.request_id).unwrap();
        let id = sample.id.as_deref().unwrap().to_owned();
        let of = by_turn[&(id, u64::from(2 * sample.turn + 1))];
        let number = |name: &str| of[name].as_f64().unwrap();
        let sent: u32 = truth.sends.iter().map(|sent| sent.tokens).sum();
        assert!((number("output_num_tokens") - f64::from(sent)).abs() < 0.1);
        assert!((number("output_num_chunks") - (truth.sends.len() - 1) as f64).abs() < 0.1);
        let sent_ms = sample.sent.unwrap().as_nanos() as f64 / 1e6;
        assert!((number("start_time_ms") - sent_ms).abs() < 1e-6);
        // From our sending to the server's: less than what we saw, which is at least the server's pace.
        let first_ns = truth.sends[0].at_ns - start_ns;
        let server_ms = (first_ns - sample.sent.unwrap().as_nanos()) as f64 / 1e6;
        assert!(number("ttft_ms") > server_ms - 0.1, "{of} {server_ms}");
        assert!(number("ttft_ms") > 3.9 && number("latency_ms") > number("ttft_ms"));
    }
    let table = fs::read_to_string(directory.path().join("multi_turn_statistics.txt")).unwrap();
    let summaries = table.matches("Statistics summary (assuming ").count();
    assert_eq!(summaries, 2);
    for name in ["ttft_ms", "tpot_ms", "latency_ms", "input_num_turns", "output_num_chunks"] {
        assert!(table.contains(&format!("\n{name}")), "{table}");
    }
    assert!(table.contains("input_num_turns=UniformDistribution[4, 8]"), "{table}");
    let sheets = fs::read_dir(directory.path()).unwrap().flatten();
    let sheets = sheets.filter(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        name.starts_with("statistics_2_clients__") && name.ends_with(".xlsx")
    });
    assert_eq!(sheets.count(), 1);
    let talks = fs::read(directory.path().join("conversations.json")).unwrap();
    let talks: Vec<Value> = serde_json::from_slice(&talks).unwrap();
    assert_eq!(talks.len(), 8);
    for talk in &talks {
        let turns = conversations[&Some(talk["id"].as_str().unwrap().into())] as usize + 1;
        assert_eq!(talk["messages"].as_array().unwrap().len(), 2 * turns);
    }
}

#[test]
fn conversations_take_turns_and_repeat_what_was_said() {
    let place = place_with("talks.json", TALKS);
    let words =
        "run --simulate=ttft=2ms,itl=1ms -i talks.json -c 1 --active-conversations 2 --threads 1";
    let ended = place.inferbench(&format!("{words} --warmup-request-count 0")).measures();
    let measured = place.measured();
    // The second one ends at once, and leaves its place to the third.
    let expected = [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("c", 1), ("c", 2)];
    assert_eq!(turns(&measured), expected.map(|(id, turn)| (id.to_owned(), turn)));
    for sample in &measured {
        // Two tokens a question; what was answered are as many as the simulator says.
        let [all, repeated] = [sample.input_tokens, sample.repeated_tokens].map(Option::unwrap);
        assert_eq!(repeated == 0, sample.turn == 0, "{sample:?}");
        assert!(all > repeated);
    }
    let point = place.point();
    assert_eq!(point.turns.iter().map(|turn| turn.succeeded).collect::<Vec<_>>(), [3, 2, 1]);
    assert!(statistic(&point, "repeated_ratio", "value") > 0.3);
    assert!(ended.stdout.contains("Turn by turn, simulated"), "{}", ended.stdout);
    assert!(ended.stdout.contains("3 conversations, 6 turns"), "{}", ended.stdout);
}

#[test]
fn a_warm_up_of_first_turns_leaves_the_others() {
    let place = place_with("talks.json", TALKS);
    let words = "run --simulate=ttft=2ms,itl=1ms -i talks.json --warmup-step --export multi-turn";
    place.inferbench(words).measures();
    let all = samples(&place.run_directory());
    let of = |phase| all.iter().filter(move |s| s.phase == phase).cloned().collect::<Vec<_>>();
    let first = [("a", 0), ("b", 0), ("c", 0)].map(|(id, turn)| (id.to_owned(), turn));
    assert_eq!(turns(&of(Phase::WarmUp)), first);
    let later = [("a", 1), ("c", 1), ("c", 2)].map(|(id, turn)| (id.to_owned(), turn));
    assert_eq!(turns(&of(Phase::Measure)), later);
    let directory = place.run_directory();
    let table = fs::read_to_string(directory.path().join("multi_turn_statistics.txt")).unwrap();
    assert!(table.contains("\nwarmup_runtime_sec = "), "{table}");
    let talks = fs::read_to_string(directory.path().join("conversations.json")).unwrap();
    assert!(!talks.contains("recorded"), "the server's answers: {talks}");
}

#[test]
fn limits_and_think_time_are_heeded() {
    let place = place_with("talks.json", TALKS);
    let words = "run --simulate=ttft=1ms,itl=1ms -i talks.json --max-turns 4 --limit-min-tokens 3 \
                 --limit-max-tokens 5 --think-time 150ms --warmup-request-count 0 --history recorded";
    place.inferbench(words).measures();
    let measured = place.measured();
    assert!(measured.iter().all(|s| (3..=5).contains(&s.asked_tokens.unwrap())), "{measured:?}");
    assert_eq!(measured.iter().map(|s| s.turn).max(), Some(1), "four messages are two turns");
    assert_eq!(measured.len(), 5);
    for later in measured.iter().filter(|s| s.turn == 1) {
        let before = measured.iter().find(|s| (s.session, s.turn) == (later.session, 0)).unwrap();
        let thought = later.sent.unwrap().since(before.done.unwrap());
        assert!(thought >= Duration::from_millis(150), "{thought:?}");
        // Recorded: three words and two, and the question's two.
        assert_eq!(later.input_tokens.unwrap() - later.repeated_tokens.unwrap(), 2);
    }
}

#[test]
fn a_fixed_schedule_sends_when_the_file_says() {
    let line = |ms: u32| {
        format!(
            "{{\"timestamp\": {ms}, \"input_length\": 20, \"output_length\": 3, \"hash_ids\": [{ms}]}}\n"
        )
    };
    let trace: String = [0, 100, 150, 400].map(line).concat();
    let place = place_with("trace.jsonl", &trace);
    let words = "run --simulate=ttft=1ms,itl=1ms -i trace.jsonl --fixed-schedule --speed-up 2";
    place.inferbench(words).measures();
    let measured = place.measured();
    let first = measured[0].due;
    let due: Vec<_> = measured.iter().map(|s| s.due.since(first).as_millis()).collect();
    assert_eq!(due, [0, 50, 75, 200]);
    assert!(measured.iter().all(|s| (s.input_tokens, s.asked_tokens) == (Some(20), Some(3))));
}

#[test]
fn at_a_rate_conversations_begin_and_each_comes_to_its_end() {
    let place = place_with("talks.json", TALKS);
    let words = "run --simulate=ttft=1ms,itl=1ms -i talks.json -r 50";
    let ended = place.inferbench(words).measures();
    assert_eq!(place.measured().len(), 6);
    assert!(ended.stderr.contains("the rate is that of conversations"), "{}", ended.stderr);
    let ended = place.inferbench(&format!("{words} --dataset-loop")).exits(2);
    assert!(ended.stderr.contains("arrivals are too many"), "{}", ended.stderr);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line_and_what_to_do() {
    let begins = r#"{"messages": [{"role": "assistant", "content": "hi"}]}"#;
    let ok = r#"{"messages": [{"role": "user", "content": "hi"}]}"#;
    for (name, text, said) in [
        ("broken.jsonl", format!("{ok}\n{ok}\n{{\"messages\": [\n"), "line 3"),
        ("assistant.jsonl", format!("{ok}\n{begins}\n"), "line 2"),
        ("empty.jsonl", String::new(), "empty"),
        ("columns.csv", "a,b\n1,2\n".to_owned(), "columns"),
    ] {
        let place = place_with(name, &text);
        let ended = place.inferbench(&format!("run --simulate -i {name}")).exits(2);
        assert!(
            ended.stderr.contains("[IB303]") && ended.stderr.contains(name),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(said), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains("\n  fix "), "{name}: {}", ended.stderr);
        assert!(place.run_directories().is_empty());
    }
    let place = Place::new();
    place.inferbench("run --simulate -i nowhere.json").exits(2);
}

#[test]
fn datasets_are_checked_generated_and_converted() {
    let place = place_with("generate.json", GENERATE);
    fs::write(place.path().join("pg1184.txt"), text()).unwrap();
    let ended = place.inferbench("dataset generate generate.json -o talks.json --seed 7").exits(0);
    assert!(ended.stdout.contains("8 conversations"), "{}", ended.stdout);
    let written = fs::read(place.path().join("talks.json")).unwrap();
    place.inferbench("dataset generate generate.json -o again.json --seed 7").exits(0);
    assert_eq!(written, fs::read(place.path().join("again.json")).unwrap(), "by the seed");
    let ended = place.inferbench("dataset check talks.json").exits(0);
    assert!(ended.stdout.contains("messages, 8 conversations"), "{}", ended.stdout);
    place.inferbench("run --simulate=ttft=1ms,itl=1ms -i talks.json -n 10 -c 2").measures();

    let said =
        |from: &str, value: &str| format!("{{\"from\": \"{from}\", \"value\": \"{value}\"}}");
    let talk = format!("[{}, {}]", said("human", "Plain ASCII?"), said("gpt", "Yes, it is."));
    let sharegpt = format!("[{{\"id\": \"x\", \"conversations\": {talk}}}]");
    fs::write(place.path().join("sharegpt.json"), sharegpt).unwrap();
    place.inferbench("dataset convert sharegpt.json out.json --max-items 5").exits(0);
    let out = fs::read_to_string(place.path().join("out.json")).unwrap();
    assert!(out.contains("Plain ASCII?"), "{out}");
}

#[test]
fn known_answers_are_asked_for_in_any_load() {
    let place = Place::new();
    let words = "run --simulate=ttft=1ms,itl=0ms --canary 25% -n 80 -c 2 --isl 10 --osl 4";
    let ended = place.inferbench(words).measures();
    let asked = place.measured().iter().filter(|sample| sample.expects).count();
    assert!((8..40).contains(&asked), "{asked} of 80");
    assert!(ended.stdout.contains("answers right"), "{}", ended.stdout);
    let place = Place::new();
    let ended = place.inferbench("run --simulate=ttft=1ms,itl=0ms --suite tools").measures();
    assert!(ended.stdout.contains("answers with the right calls"), "{}", ended.stdout);
    let place = place_with("q.csv", "question,answer\nTwo and two?,4\n");
    let words = "run --simulate=ttft=1ms,itl=0ms -i q.csv --grader numeric";
    let ended = place.inferbench(words).measures();
    assert!(ended.stdout.contains("of 1 answers right"), "{}", ended.stdout);
    let ended = place.inferbench("run --simulate -i q.csv --grader nearly").exits(2);
    assert!(ended.stderr.contains("there is no rule `nearly`"), "{}", ended.stderr);
}
