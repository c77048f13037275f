use bench_core::{FinishReason, Message, Outcome, Prompt, Provider, Role};
use serde_json::{Value, json};

use super::{Template, TemplateFile};
use crate::{
    Api, Config, Endpoint, Engine, HttpProvider,
    played::{Played, played, played_whole},
};

fn read(file: &Value) -> Result<Template, Vec<String>> {
    let file: TemplateFile =
        serde_json::from_value(file.clone()).map_err(|e| vec![e.to_string()])?;
    let words =
        |errors: Vec<super::TemplateError>| errors.iter().map(ToString::to_string).collect();
    Template::new(file).map_err(words)
}

/// A server with these answers, asked in the shortest way.
fn answering(answer: &Value) -> Engine {
    let file = json!({"path": "/", "request": {"p": "{{prompt}}"}, "answer": answer});
    Engine::Custom(read(&file).unwrap())
}

fn body(request: &Value, config: impl FnOnce(Config) -> Config, prompt: &Prompt) -> Value {
    let answer = json!({"framing": "sse", "text": "/t", "ends": "close"});
    let file = json!({"path": "/{{model}}/x", "request": request, "answer": answer});
    let engine = Engine::Custom(read(&file).unwrap());
    let endpoint = Endpoint::parse(":1").unwrap();
    let usual = Config { engine, api: Api::Generate, ..Config::new(endpoint, "a/b") };
    let provider = HttpProvider::new(config(usual)).unwrap();
    assert_eq!(provider.path(), "/a/b/x");
    serde_json::from_slice(&provider.encode(prompt).unwrap().body).unwrap()
}

#[test]
fn a_placeholder_becomes_a_value_and_within_a_text_its_words() {
    let request = json!({
        "whole": "{{prompt}}",
        "within": "<{{model}}> {{prompt}} {{max_tokens}}",
        "list": ["{{messages}}", 1, null],
        "deep": {"tokens": "{{max_tokens}}", "least": "{{min_tokens}}", "on": "{{ignore_eos}}"},
        "stream": "{{stream}}",
        "odd": "}} { {",
        "braces": "{{prompt}}}",
    });
    // What would break out of its quotes, were it put into a text of JSON.
    let text = "say \"}], \\ {{model}} \n\u{1}";
    let prompt = Prompt::user(text).with_output_tokens(7);
    let expected = |fixed: bool| {
        let deep = match fixed {
            true => json!({"tokens": 7, "least": 7, "on": true}),
            false => json!({"tokens": 7}),
        };
        json!({
            "whole": text,
            "within": format!("<a/b> {text} 7"),
            "list": [[{"role": "user", "content": text}], 1, null],
            "deep": deep,
            "stream": true,
            "odd": "}} { {",
            "braces": format!("{text}}}"),
        })
    };
    for fixed_length in [true, false] {
        let config = |config| Config { fixed_length, ..config };
        assert_eq!(body(&request, config, &prompt), expected(fixed_length));
    }
}

#[test]
fn what_there_is_none_of_is_left_out() {
    let request = json!({"p": "{{prompt}}", "n": "{{max_tokens}}", "l": ["{{max_tokens}}"]});
    let fixed = |config| Config { fixed_length: true, ..config };
    assert_eq!(body(&request, fixed, &Prompt::user("hi")), json!({"p": "hi", "l": []}));
    let answer = json!({"framing": "json", "text": "/t"});
    let file =
        json!({"path": "/", "request": {"p": "{{prompt}} in {{max_tokens}}"}, "answer": answer});
    let engine = Engine::Custom(read(&file).unwrap());
    let config =
        Config { engine, api: Api::Generate, ..Config::new(Endpoint::parse(":1").unwrap(), "m") };
    let refused = HttpProvider::new(config).unwrap().encode(&Prompt::user("hi")).unwrap_err();
    assert_eq!(refused.outcome, Outcome::Client);
    assert!(refused.said.contains("{{max_tokens}} stands within a text"), "{}", refused.said);
}

#[test]
fn a_conversation_is_a_list_or_joined() {
    let messages = vec![Message::new(Role::System, "be brief"), Message::user("hi")];
    let prompt = Prompt { messages, ..Prompt::default() };
    let request = json!({"input": {"text": "{{prompt}}"}, "chat": "{{messages}}"});
    let chat =
        json!([{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]);
    let expected = json!({"input": {"text": "be brief\nhi"}, "chat": chat});
    assert_eq!(body(&request, |config| config, &prompt), expected);
}

#[test]
fn what_is_wrong_is_said_by_its_key() {
    let right = json!({
        "path": "/generate",
        "request": {"inputs": "{{prompt}}"},
        "answer": {"framing": "sse", "text": "/token/text", "finish": "/details/finish_reason"},
    });
    assert!(read(&right).is_ok());
    for (pointer, value, said) in [
        ("/path", json!("generate"), "path: is no path"),
        ("/path", json!("/a b"), "path: is no path"),
        ("/path", json!("/{{prompt}}"), "path: may have the placeholder {{model}}"),
        ("/path", json!("/{{model"), "path: may have the placeholder {{model}}"),
        ("/request/inputs", json!("hello"), "request: says nowhere what is asked"),
        ("/request/inputs", json!(["{{promt}}"]), "request.inputs[0]: {{promt}} is no placeholder"),
        ("/request/inputs", json!("{{prompt"), "request.inputs: has a placeholder without its end"),
        ("/request/inputs", json!("a {{messages}}"), "request.inputs: {{messages}} is a list"),
        (
            "/request/inputs",
            json!("a {{ignore_eos}}"),
            "request.inputs: {{ignore_eos}} is a list, or may",
        ),
        ("/answer/framing", Value::Null, "answer.framing: is missing"),
        ("/answer/text", Value::Null, "answer.text: is missing"),
        ("/answer/text", json!("token.text"), "answer.text: `token.text` is no JSON Pointer"),
        ("/answer/text", json!("/a~2"), "answer.text: has a ~"),
        ("/answer/text", json!("/details"), "answer.finish: points into"),
        ("/answer/text", json!("/details/finish_reason/x"), "answer.finish: points into"),
        ("/answer/text", json!("/details/finish_reason"), "answer.finish: points into"),
        ("/answer/text", json!(""), "answer.finish: points into"),
        ("/answer/finish", Value::Null, "answer: does not say what ends an answer"),
        ("/answer/marker", json!(" "), "answer.marker: is empty"),
        ("/answer/ends", json!("close"), "answer.ends: means nothing beside a finish"),
        ("/answer/ends", json!("never"), "unknown variant"),
        ("/answer/txt", json!("/a"), "unknown field `txt`"),
    ] {
        let mut wrong = right.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent =
            if parent.is_empty() { &mut wrong } else { wrong.pointer_mut(parent).unwrap() };
        parent[key] = value;
        let errors = read(&wrong).unwrap_err();
        assert!(
            errors.iter().any(|error| error.starts_with(said)
                || error.contains(said) && said.starts_with("unknown")),
            "{said}: {errors:?}"
        );
    }
    let mut whole = right;
    whole["answer"] = json!({"framing": "json", "text": "/t", "marker": "x", "cumulative": true, "ends": "close"});
    assert_eq!(read(&whole).unwrap_err().len(), 4);
}

const EVENTS: &str = "data: {\"token\":{\"text\":\"he\"},\"details\":null}\n\n\
                      data: {\"token\":{\"text\":\"llo\"},\"details\":{\"finish_reason\":\"length\",\"n\":2}}\n\n";

#[test]
fn a_finish_and_a_clean_end_complete_an_answer() {
    let engine = answering(&json!({
        "framing": "sse", "text": "/token/text", "finish": "/details/finish_reason",
        "output_tokens": "/details/n", "error": "/error",
    }));
    let play = |stream: &str| played(&engine, Api::Generate, [stream.as_bytes()]);
    let Played { result, sample, text } = play(EVENTS);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!((text.as_str(), sample.finish), ("hello", Some(FinishReason::Length)));
    assert_eq!(sample.usage.map(|usage| (usage.prompt, usage.completion)), Some((0, 2)));
    // The count that came with the last event is not that of its own text.
    assert!(sample.arrivals.iter().all(|arrival| arrival.known_tokens().is_none()));
    let first = &EVENTS[..EVENTS.find("\n\n").unwrap() + 2];
    assert_eq!(play(first).sample.outcome, Outcome::Truncated);
    assert_eq!(play("").sample.outcome, Outcome::Truncated);
    let error =
        format!("{first}data: {{\"error\":\"out of memory\",\"error_type\":\"generation\"}}\n\n");
    let Played { result, sample, .. } = play(&error);
    assert_eq!(
        (sample.outcome, result.unwrap_err().said.as_str()),
        (Outcome::InBandError, "out of memory")
    );
    assert_eq!(sample.generated().count(), 1, "what came before is kept");
    let empty = EVENTS.replace("\"he\"", "\"\"").replace("\"llo\"", "null");
    assert_eq!(play(&empty).sample.outcome, Outcome::Empty);
    for malformed in ["{", "[1,", "{\"token\":{\"text\":5}}", "{\"details\":{\"n\":-1}}", "hello"] {
        let stream = format!("{EVENTS}data: {malformed}\n\n");
        assert_eq!(play(&stream).sample.outcome, Outcome::Malformed, "{malformed}");
    }
    let done = play(&format!("{EVENTS}data: [DONE]\n\n")).result.unwrap_err();
    assert!(done.said.ends_with("it is the template's `marker`"), "{}", done.said);
    // What is something else than where the template looks has nothing there.
    for other in ["5", "[]", "\"x\"", "{\"token\":[1],\"details\":7}", "{\"details\":{\"n\":null}}"]
    {
        let stream = format!("{EVENTS}data: {other}\n\n");
        assert_eq!(play(&stream).text, "hello", "{other}");
    }
}

#[test]
fn a_marker_is_the_end_and_nothing_else_where_it_stands_alone() {
    let engine = answering(&json!({"framing": "sse", "text": "/0", "marker": "bye"}));
    let play = |stream: &str| played(&engine, Api::Generate, [stream.as_bytes()]);
    let Played { result, text, .. } = play("data: [\"a\"]\n\ndata: bye\n\ndata: nonsense\n\n");
    assert!(result.is_ok() && text == "a", "{result:?}");
    assert_eq!(play("data: [\"a\"]\n\n").sample.outcome, Outcome::Truncated);
    assert_eq!(play("data: bye\n\n").sample.outcome, Outcome::Empty);
}

#[test]
fn the_clean_end_is_the_end_where_that_is_said() {
    let engine = answering(&json!({"framing": "ndjson", "text": "", "ends": "close"}));
    for size in [1, 3, 100] {
        let pieces = "\"he\"\n\"l\\u006co\"".as_bytes().chunks(size);
        let Played { result, text, sample } = played(&engine, Api::Generate, pieces);
        assert!(result.is_ok(), "{result:?}");
        assert_eq!((text.as_str(), sample.generated().count()), ("hello", 2));
    }
    let nothing = played(&engine, Api::Generate, [&b""[..]]);
    assert_eq!(nothing.sample.outcome, Outcome::Truncated);
}

#[test]
fn a_document_is_complete_by_itself_unless_it_has_a_finish() {
    let whole =
        |answer: &Value, document: &str| played_whole(&answering(answer), Api::Generate, document);
    let list = json!({"framing": "json", "text": "/0/generated_text", "error": "/error"});
    let Played { result, text, .. } = whole(&list, r#"[{"generated_text":"hello"}]"#);
    assert!(result.is_ok() && text == "hello", "{result:?}");
    for (document, outcome) in [
        ("[]", Outcome::Empty),
        (r#"{"error":{"message":"no"}}"#, Outcome::InBandError),
        (r#"{"error":false}"#, Outcome::Empty),
        (r#"[{"generated_text":"#, Outcome::Malformed),
    ] {
        assert_eq!(whole(&list, document).sample.outcome, outcome, "{document}");
    }
    let finish = json!({"framing": "json", "text": "/t", "finish": "/done"});
    let outcome = |document| whole(&finish, document).sample.outcome;
    assert_eq!(outcome(r#"{"t":"a","done":true}"#), Outcome::Ok);
    assert_eq!(outcome(r#"{"t":"a","done":false}"#), Outcome::Truncated);
}

#[test]
fn running_counts_tell_the_tokens_of_each_event() {
    let engine = answering(&json!({
        "framing": "ndjson", "text": "/t", "reasoning": "/r", "cumulative": true,
        "output_tokens": "/n", "prompt_tokens": "/p", "finish": "/f",
    }));
    let lines = [
        json!({"r": "h", "n": 1, "p": 9}),
        json!({"r": "hm", "n": 3}),
        // The first bytes of a character.
        json!({"r": "hm", "t": "", "n": 4}),
        json!({"t": "a\u{e9}", "n": 5}),
        json!({"t": "a\u{e9}b", "n": 6, "f": "stop"}),
    ];
    let stream: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    let Played { result, sample, text } =
        played(&engine, Api::Generate, stream.iter().map(String::as_bytes));
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(text, "hma\u{e9}b");
    let tokens: Vec<_> = sample.generated().map(|arrival| arrival.tokens).collect();
    assert_eq!(tokens, [1, 2, 2, 1]);
    assert_eq!(sample.usage.map(|usage| (usage.prompt, usage.completion)), Some((9, 6)));
}

/// `cumulative`, said of a server that sends what is new alone.
#[test]
fn a_text_that_is_not_repeated_is_told() {
    let engine = answering(&json!({
        "framing": "ndjson", "text": "/t", "cumulative": true, "finish": "/f",
    }));
    let lines = ["{\"t\":\"w0\"}\n", "{\"t\":\" w1\"}\n", "{\"f\":\"stop\"}\n"];
    let Played { result, sample, .. } =
        played(&engine, Api::Generate, lines.iter().map(|line| line.as_bytes()));
    assert_eq!(sample.outcome, Outcome::Malformed);
    assert!(result.unwrap_err().said.contains("`cumulative` is wrong"));
}

fn example(file: &str) -> Engine {
    let file: TemplateFile = toml::from_str(file).unwrap();
    Engine::Custom(Template::new(file).unwrap())
}

/// As text-generation-inference 3 writes it.
#[test]
fn the_example_of_a_stream_reads_one() {
    let engine = example(include_str!("../../../../docs/templates/tgi.toml"));
    let token = |text: &str, last: &str| {
        format!(
            "data:{{\"index\":1,\"token\":{{\"id\":7,\"text\":\"{text}\",\"logprob\":-0.5,\"special\":false}},{last}}}\n\n"
        )
    };
    let none = r#""generated_text":null,"details":null"#;
    let end = r#""generated_text":"hello","details":{"finish_reason":"length","generated_tokens":2,"input_length":9,"seed":null}"#;
    let stream = [token("he", none), token("llo", end)].concat();
    for size in [1, 11, 1_000] {
        let pieces = stream.as_bytes().chunks(size);
        let Played { result, text, sample } = played(&engine, Api::Generate, pieces);
        assert!(result.is_ok(), "{result:?} in pieces of {size}");
        assert_eq!((text.as_str(), sample.generated().count()), ("hello", 2));
        assert_eq!(sample.usage.map(|usage| (usage.prompt, usage.completion)), Some((9, 2)));
        assert_eq!(sample.finish, Some(FinishReason::Length));
    }
    let play = |stream: String| played(&engine, Api::Generate, [stream.as_bytes()]);
    assert_eq!(play(token("he", none)).sample.outcome, Outcome::Truncated);
    let error = r#"data:{"error":"Request failed during generation","error_type":"generation"}"#;
    let failed = play([token("he", none), format!("{error}\n\n")].concat());
    assert_eq!(failed.sample.outcome, Outcome::InBandError);
    assert_eq!(failed.result.unwrap_err().said, "Request failed during generation");
}

#[test]
fn the_example_of_a_document_reads_one() {
    let engine = example(include_str!("../../../../docs/templates/inference-endpoint.toml"));
    let whole = |document| played_whole(&engine, Api::Generate, document);
    let Played { result, text, sample } = whole(r#"[{"generated_text":"hello there"}]"#);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!((text.as_str(), sample.usage), ("hello there", None));
    assert_eq!(whole(r#"[{"generated_text":""}]"#).sample.outcome, Outcome::Empty);
    assert_eq!(whole(r#"{"error":"CUDA out of memory"}"#).sample.outcome, Outcome::InBandError);
}
