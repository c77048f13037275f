//! Answers are graded as right as they are, against a simulator that is told what to answer.

use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use bench_core::{
    Answer, Clock, Expected, Load, Message, Outcome, Plan, Point, Prepared, Prompt, Provider,
    Sample, Stop, ToolCall, ToolChoice, Until, run,
};
use bench_providers::{Api, Config, Endpoint, Engine, HttpProvider};
use bench_sim::{Answers, Call, Said, Server};
use bench_store::{PointSummary, RunDirectory, RunLog};
use bench_workloads::{
    Conversation, Conversations, Course, Rule, Rules, ToolUse, canary, tool_suite,
};
use serde_json::{Value, json};

use crate::{
    llama_server::LlamaServer,
    program::{Place, samples, statistic},
};

/// What the simulator answers to all questions if it has them right.
fn right(conversations: &[Conversation]) -> Answers {
    let answer = |conversation: &Conversation| {
        let turn = &conversation.turns[0];
        let said = match turn.expected.as_ref()? {
            Expected::Text { text, .. } if text.contains("seven") => Said::Text("7".into()),
            Expected::Text { text, .. } if text.contains("eight") => Said::Text("8".into()),
            Expected::Text { text, .. } => Said::Text(format!("It is {text}.")),
            Expected::ToolCalls(calls) if calls.is_empty() => Said::Text("With pleasure.".into()),
            Expected::ToolCalls(calls) => Said::Calls(calls.iter().map(call).collect()),
            _ => return None,
        };
        Some((turn.messages.last()?.content.clone(), said))
    };
    conversations.iter().filter_map(answer).collect()
}

fn call(call: &ToolCall) -> Call {
    Call { name: call.name.clone(), arguments: call.arguments.clone() }
}

/// Asks the questions of a simulator that answers so, and keeps the run under `id`.
fn ask(
    place: &Path,
    id: &str,
    conversations: &[Conversation],
    simulated: bench_sim::Config,
    streaming: bool,
) -> RunDirectory {
    let server = Server::start(simulated, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = Config {
        engine: Engine::Vllm,
        streaming,
        ..Config::new(Endpoint::parse(&server.url()).unwrap(), "simulated")
    };
    let provider = Arc::new(HttpProvider::new(config).unwrap());
    let rules = Arc::new(Rules::new(Rule::default(), conversations).unwrap());
    let until = Until::requests(conversations.len() as u64);
    let point = Point {
        target: "simulated vllm".into(),
        workload: "questions".into(),
        ..Point::new(Load::closed(4.try_into().unwrap()), until)
    };
    let plan = Plan { id: id.into(), name: "questions".into(), ..Plan::of(point) };
    let directory = RunDirectory::create(place, id, "questions").unwrap();
    let mut log = RunLog::new(directory.clone(), Value::Null, json!({}));
    let mut prepare = |_: &Point| {
        let encode = {
            let provider = Arc::clone(&provider);
            Arc::new(move |prompt: &_| provider.encode(prompt))
        };
        let conversations: Vec<_> = conversations.iter().cloned().map(Arc::new).collect();
        let workload = Conversations::new(&conversations, encode, Course::default())?;
        let mut prepared = Prepared::new(Arc::clone(&provider) as _, Box::new(workload));
        prepared.grader = Some(Arc::clone(&rules) as _);
        prepared.keep_text = true;
        Ok(prepared)
    };
    run(&plan, &mut prepare, &mut log, &Stop::new()).unwrap();
    directory
}

fn simulated(answers: Answers) -> bench_sim::Config {
    let ttft = Duration::from_millis(2);
    let itl = Duration::from_millis(1);
    bench_sim::Config { ttft, itl, answers, default_max_tokens: 200, ..Default::default() }
}

fn point(directory: &RunDirectory) -> PointSummary {
    directory.read_summary().unwrap().unwrap().points.remove(0)
}

/// The samples by what they were asked.
fn by_question(directory: &RunDirectory) -> BTreeMap<String, Sample> {
    let samples = samples(directory).into_iter();
    samples.map(|sample| (sample.id.as_deref().unwrap().to_owned(), sample)).collect()
}

#[test]
fn what_is_answered_wrong_is_wrong_and_nothing_else() {
    let place = Place::new();
    let questions = canary();
    let mut answers = right(&questions);
    for question in [0, 4, 10] {
        let asked = &questions[question].turns[0].messages[1].content;
        answers.insert(asked.clone(), Said::Text("It is 17.".into()));
    }
    let directory = ask(place.path(), "AAAA", &questions, simulated(answers), true);
    let wrong: Vec<String> = by_question(&directory)
        .into_iter()
        .filter(|(_, sample)| !sample.grade.unwrap().correct)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(wrong, ["canary-01", "canary-05", "canary-11"]);
    let accuracy = serde_json::to_value(&point(&directory).metrics["accuracy"]).unwrap();
    assert_eq!((&accuracy["mean"], &accuracy["count"]), (&json!(0.85), &json!(20)));
    // Wilson's interval of 17 in 20.
    for (end, expected) in [(0, 0.6396), (1, 0.9476)] {
        let found = accuracy["ci95"][end].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-4, "{accuracy}");
    }
}

#[test]
fn what_fails_is_not_answered_and_raises_no_accuracy() {
    let place = Place::new();
    let questions = canary();
    let failing = bench_sim::Config { fail_ratio: 0.3, seed: 3, ..simulated(right(&questions)) };
    let directory = ask(place.path(), "AAAA", &questions, failing, true);
    let point = point(&directory);
    let (ok, failed) = (point.succeeded(), point.failed());
    assert!(ok > 0 && failed > 0 && ok + failed == 20, "{:?}", point.outcomes);
    assert_eq!(
        (point.facts.unanswered, statistic(&point, "accuracy", "count").to_string()),
        (failed, ok.to_string())
    );
    let mean = statistic(&point, "accuracy", "mean");
    assert!((mean - 1.0).abs() < 1e-12, "{mean}");
}

#[test]
fn tool_calls_are_right_in_every_way_that_they_are_asked_for() {
    for (tool_use, streaming) in [
        (ToolUse::Free, true),
        (ToolUse::Required, true),
        (ToolUse::Named, true),
        (ToolUse::Free, false),
    ] {
        let place = Place::new();
        let questions = tool_suite(tool_use);
        let (count, answers) = (questions.len().to_string(), right(&questions));
        let directory = ask(place.path(), "AAAA", &questions, simulated(answers), streaming);
        let point = point(&directory);
        for metric in ["tool_call_accuracy", "tool_name_accuracy"] {
            assert_eq!(
                statistic(&point, metric, "count").to_string(),
                count,
                "{:?}",
                point.outcomes
            );
            let mean = statistic(&point, metric, "mean");
            assert!((mean - 1.0).abs() < 1e-12, "{metric}: {mean}");
        }
        assert!(!point.metrics.contains_key("accuracy"), "no text was expected");
        assert_eq!(point.metrics.contains_key("tool_call_ms"), streaming);
        for (question, sample) in questions.iter().zip(by_question(&directory).into_values()) {
            let Some(Expected::ToolCalls(expected)) = &question.turns[0].expected else { panic!() };
            assert_eq!(&sample.tool_calls, expected);
            assert_eq!(sample.tool_call.is_some(), !expected.is_empty(), "{sample:?}");
            // That which ends the first call: its name, and then six letters of its arguments at a time.
            if let (Some(first), true) = (expected.first(), streaming) {
                let events = 1 + first.arguments.len().div_ceil(6);
                let last = sample.generated().nth(events - 1).unwrap();
                assert_eq!(sample.tool_call, Some(last.at), "{sample:?}");
            }
        }
    }
}

#[test]
fn a_wrong_argument_is_told_from_a_wrong_function() {
    let place = Place::new();
    let questions = tool_suite(ToolUse::Free);
    let mut answers = right(&questions);
    let calls = |names: &[(&str, &str)]| {
        let call = |(name, arguments): &(&str, &str)| Call {
            name: (*name).into(),
            arguments: (*arguments).into(),
        };
        Said::Calls(names.iter().map(call).collect())
    };
    let weather = r#"{"city":"Rome","unit":"celsius"}"#;
    for (place, said) in [
        // Oslo is asked for.
        (0, calls(&[("get_weather", weather)])),
        // A timer.
        (7, calls(&[("create_event", "{}")])),
        // One of two.
        (15, calls(&[("get_weather", weather)])),
        // None is needed.
        (20, calls(&[("get_weather", weather)])),
        // What was begun and not ended.
        (8, calls(&[("search_web", "{\"query\":")])),
    ] {
        let asked = &questions[place].turns[0].messages[1].content;
        answers.insert(asked.clone(), said);
    }
    let directory = ask(place.path(), "AAAA", &questions, simulated(answers), true);
    let grades = by_question(&directory).into_iter();
    let wrong: Vec<(String, Option<bool>)> = grades
        .map(|(id, sample)| (id, sample.grade.unwrap()))
        .filter(|(_, grade)| !grade.correct)
        .map(|(id, grade)| (id, grade.name_correct))
        .collect();
    let expected = [
        ("tools-01", Some(true)),
        ("tools-08", Some(false)),
        ("tools-09", Some(true)),
        ("tools-16", Some(false)),
        ("tools-21", Some(false)),
    ];
    assert_eq!(wrong, expected.map(|(id, name)| (id.to_owned(), name)));
}

#[test]
fn a_server_that_answers_worse_has_regressed_and_does_not_pass() {
    let place = Place::new();
    let questions = canary();
    let mut worse = right(&questions);
    for question in &questions[..8] {
        let asked = &question.turns[0].messages[1].content;
        worse.insert(asked.clone(), Said::Text("I do not know.".into()));
    }
    let artifacts = place.path().join("artifacts");
    std::fs::create_dir(&artifacts).unwrap();
    ask(&artifacts, "AAAA", &questions, simulated(right(&questions)), true);
    ask(&artifacts, "BBBB", &questions, simulated(worse), true);
    let compared = place.inferbench("compare AAAA BBBB").exits(0).stdout;
    let row = ["accuracy ", "100 %", "60 %", "-40.00 pt", "regressed"];
    let is_row = |line: &str| row.iter().all(|said| line.contains(said));
    assert!(compared.lines().any(is_row), "{compared}");
    let words: Vec<&str> = compared.split_whitespace().collect();
    let said =
        "of 20 questions that both answered the baseline alone has 8 right, this run alone 0";
    assert!(words.join(" ").contains(said), "{compared}");
    let report = place.inferbench("compare AAAA BBBB -o json").exits(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let metrics = report["candidates"][0]["points"][0]["metrics"].as_array().unwrap();
    let accuracy = metrics.iter().find(|change| change["metric"] == "accuracy").unwrap();
    assert_eq!(accuracy["basis"], "questions");
    // Of eight that differ, all are one side's: 2 / 2^8.
    let p = accuracy["p_value"].as_f64().unwrap();
    assert!((p - 2.0 / 256.0).abs() < 1e-9, "{accuracy:#}");
    let limit = "--limit accuracy:-1%";
    place.inferbench("gate BBBB --baseline AAAA").words(limit).exits(98);
    place.inferbench("gate AAAA --baseline BBBB").words(limit).exits(0);
}

/// A server that nobody of this project wrote takes what is sent in the words of each of its APIs.
#[test]
fn a_real_server_takes_tools_calls_and_what_came_of_them() {
    let Some(server) = LlamaServer::start() else { return };
    let suite = tool_suite(ToolUse::Required);
    let calls = |sample: &[ToolCall]| Message {
        tool_calls: sample.to_vec(),
        ..Message::assistant("I look.")
    };
    let weather = |city: &str| ToolCall {
        name: "get_weather".into(),
        arguments: json!({"city": city, "unit": "celsius"}).to_string(),
    };
    let messages = vec![
        Message::user("Which of the two is warmer?"),
        calls(&[weather("Rome"), weather("Oslo")]),
        Message::tool(0, "31"),
        Message::tool(1, "4"),
        calls(&[weather("Lima")]),
        Message::tool(0, "19"),
        Message::user("And which is the coldest?"),
    ];
    for (api, tool_choice) in [
        (Api::Chat, ToolChoice::Auto),
        (Api::Chat, ToolChoice::Required),
        (Api::Chat, ToolChoice::None),
        (Api::Responses, ToolChoice::Auto),
        (Api::Messages, ToolChoice::Auto),
        (Api::Messages, ToolChoice::Required),
    ] {
        let endpoint = Endpoint::parse(&server.url).unwrap();
        let config = Config { engine: Engine::LlamaCpp, api, ..Config::new(endpoint, "tiny") };
        let provider = HttpProvider::new(config).unwrap();
        let (tools, messages) = (Arc::clone(&suite[0].tools), messages.clone());
        let prompt =
            Prompt { messages, tools, tool_choice: tool_choice.clone(), ..Prompt::default() };
        let request = provider.encode(&prompt.with_output_tokens(64)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut answer = Answer::new(Clock::start());
        answer.begin(Sample::due(answer.clock().now()), &request);
        let sent = runtime.block_on(provider.send(&request, &mut answer));
        assert!(sent.is_ok(), "{api} {tool_choice:?}: {sent:?}");
        let sample = answer.take_sample(Outcome::Ok, None);
        assert!(sample.generated().next().is_some(), "{api} {tool_choice:?}: {sample:?}");
    }
}
