//! The reader against hand-made streams: what counts as a token, what ends an answer, what fails one.

use bench_core::{ArrivalKind, FinishReason, Moment, Outcome, Prompt, Provider, Sample};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use serde_json::{Value, json};

use crate::{
    Api, Config, ConfigError, Endpoint, Engine, HttpProvider, Secret,
    played::{Played, played},
};

/// What comes of a stream's body that arrives in `pieces`, a millisecond apart.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Played {
    played(&Engine::OpenAi, Api::Chat, pieces)
}

fn events(events: &[&str]) -> Played {
    let framed: Vec<String> = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    read(framed.iter().map(String::as_bytes))
}

const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
const HELLO: &str = r#"{"choices":[{"index":0,"delta":{"content":"hello"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const DONE: &str = "[DONE]";

fn kinds(sample: &Sample) -> Vec<ArrivalKind> {
    sample.arrivals.iter().map(|a| a.kind).collect()
}

#[test]
fn only_text_starts_the_clock() {
    let Played { result, sample, text } = events(&[ROLE, HELLO, STOP, DONE]);
    assert!(result.is_ok());
    assert_eq!(text, "hello");
    assert_eq!(kinds(&sample), [ArrivalKind::Role, ArrivalKind::Content, ArrivalKind::Other]);
    assert_eq!(sample.first_generated().map(|a| a.at), Some(Moment::from_nanos(2_000_000)));
    assert_eq!(sample.done, Some(Moment::from_nanos(4_000_000)));
    assert_eq!(sample.finish, Some(FinishReason::Stop));
}

#[test]
fn null_is_no_text() {
    let Played { sample, .. } = events(&[
        r#"{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":null}}],"usage":null}"#,
        HELLO,
        STOP,
        DONE,
    ]);
    assert_eq!(kinds(&sample)[0], ArrivalKind::Role);
}

#[test]
fn both_names_of_reasoning_count_once() {
    for delta in [
        r#"{"reasoning":"hm"}"#,
        r#"{"reasoning_content":"hm"}"#,
        r#"{"reasoning":"hm","reasoning_content":"hm","content":null}"#,
    ] {
        let Played { result, sample, text } =
            events(&[&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#), STOP, DONE]);
        assert!(result.is_ok());
        assert_eq!((kinds(&sample)[0], text.as_str()), (ArrivalKind::Reasoning, "hm"), "{delta}");
    }
}

#[test]
fn a_running_total_gives_the_tokens_of_each_event() {
    let event = |text: &str, total: u32| {
        json!({"choices": [{"index": 0, "delta": {"content": text}}], "usage": {"prompt_tokens": 5, "completion_tokens": total}}).to_string()
    };
    // The third event holds the first bytes of a character: no text yet, but a token.
    let all = [event("", 0), event("a", 3), event("", 4), event("é", 5), STOP.into(), DONE.into()];
    let Played { sample, .. } = events(&all.each_ref().map(String::as_str));
    let tokens: Vec<_> = sample.generated().map(|a| a.tokens).collect();
    assert_eq!(tokens, [3, 2]);
    assert_eq!(sample.usage.map(|u| u.completion), Some(5));
}

#[test]
fn a_total_at_the_end_says_nothing_of_the_last_event() {
    let last = r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":24}}"#;
    let Played { sample, .. } = events(&[HELLO, last, DONE]);
    assert!(sample.generated().all(|a| a.tokens == 0));
    assert_eq!(sample.usage.map(|u| u.completion), Some(24));
}

#[test]
fn a_stream_without_a_terminal_event_is_truncated() {
    assert_eq!(events(&[ROLE, HELLO]).sample.outcome, Outcome::Truncated);
    assert_eq!(events(&[]).sample.outcome, Outcome::Truncated);
    assert_eq!(
        events(&[ROLE, HELLO, STOP]).sample.outcome,
        Outcome::Ok,
        "transformers sends no [DONE]"
    );
    assert_eq!(events(&[HELLO, DONE]).sample.outcome, Outcome::Ok);
    assert_eq!(events(&[ROLE, STOP, DONE]).sample.outcome, Outcome::Empty);
}

#[test]
fn an_error_in_the_stream_fails_it_wherever_it_comes() {
    for error in [
        r#"{"error":{"message":"out of memory","code":500}}"#,
        r#"{"error":"out of memory"}"#,
        r#"{"object":"error","message":"out of memory"}"#,
    ] {
        for stream in [vec![error, DONE], vec![HELLO, error, DONE], vec![HELLO, STOP, error, DONE]]
        {
            let Played { result, sample, .. } = events(&stream);
            assert_eq!(
                (sample.outcome, result.unwrap_err().said.as_str()),
                (Outcome::InBandError, "out of memory")
            );
        }
    }
    assert!(
        events(&[r#"{"error":null,"choices":[{"delta":{"content":"x"}}]}"#, DONE]).result.is_ok()
    );
}

#[test]
fn what_does_not_parse_fails_the_answer_and_keeps_what_came_before() {
    for bad in [
        "{",
        "[]x",
        "{\"choices\":7}",
        "{\"choices\":[{\"delta\":{\"content\":7}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}",
    ] {
        let Played { result, sample, text } = events(&[HELLO, bad, DONE]);
        assert_eq!(sample.outcome, Outcome::Malformed, "{bad}");
        assert!(result.unwrap_err().said.len() < 400);
        assert_eq!((sample.generated().count(), text.as_str()), (1, "hello"));
    }
}

#[test]
fn what_follows_the_end_is_not_read() {
    assert!(events(&[HELLO, DONE, "{not json", r#"{"error":"late"}"#]).result.is_ok());
}

#[test]
fn tool_calls_are_generated_and_put_together() {
    let call = |json: &str| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{json}]}}}}]}}"#);
    let pieces = [
        call(
            r#"{"index":0,"id":"x","type":"function","function":{"name":"weather","arguments":""}}"#,
        ),
        call(r#"{"index":0,"function":{"arguments":"{\"city\":"}}"#),
        call(r#"{"index":0,"function":{"name":null,"arguments":"\"Oslo\"}"}}"#),
    ];
    let Played { sample, .. } = events(&[&pieces[0], &pieces[1], &pieces[2], STOP, DONE]);
    assert_eq!(kinds(&sample)[..3], [ArrivalKind::ToolCall; 3]);
}

proptest! {
    #[test]
    fn the_record_does_not_depend_on_where_the_bytes_are_cut(
        cuts in prop::collection::vec(0_usize..4_000, 0..8),
        crlf in any::<bool>(),
    ) {
        let escaped = r#"{"choices":[{"index":0,"delta":{"content":"a \"b\" \n \u00e9 é 😀"}}]}"#;
        let usage = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        let mut stream: String = [ROLE, HELLO, escaped, STOP, usage, DONE].iter().map(|d| format!(": ping\ndata: {d}\n\n")).collect();
        if crlf {
            stream = stream.replace('\n', "\r\n");
        }
        let stream = stream.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let Played { result, sample, text } = read(cuts.windows(2).map(|w| &stream[w[0]..w[1]]));
        prop_assert_eq!(result.map_err(|e| e.to_string()), Ok(()));
        prop_assert_eq!(text, "helloa \"b\" \n é é 😀");
        prop_assert_eq!(sample.generated().map(|a| a.bytes).collect::<Vec<_>>(), [5, 18]);
        prop_assert_eq!(sample.usage.map(|u| u.completion), Some(2));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read([bytes.as_slice()]);
    }
}

fn body(config: Config, prompt: &Prompt) -> Value {
    serde_json::from_slice(&HttpProvider::new(config).unwrap().encode(prompt).unwrap().body)
        .unwrap()
}

fn config() -> Config {
    Config::new(Endpoint::parse(":8000").unwrap(), "tiny")
}

#[test]
fn a_prompt_is_put_into_the_words_of_the_api() {
    let prompt = Prompt::user("hi").with_output_tokens(16);
    assert_eq!(
        body(config(), &prompt),
        json!({
            "model": "tiny",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 16,
        })
    );
    let completions =
        Config { api: Api::Completions, streaming: false, fixed_length: true, ..config() };
    assert_eq!(
        body(completions, &prompt),
        json!({"model": "tiny", "prompt": "hi", "stream": false, "max_tokens": 16, "ignore_eos": true})
    );
}

#[test]
fn extra_fields_win_and_null_takes_away() {
    let extra =
        json!({"temperature": 0, "max_tokens": null, "max_completion_tokens": 4, "model": "other"});
    let extra_body = extra.as_object().unwrap().clone();
    let body = body(Config { extra_body, ..config() }, &Prompt::user("hi").with_output_tokens(16));
    assert_eq!((&body["model"], &body["temperature"]), (&json!("other"), &json!(0)));
    assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(4)));
}

#[test]
fn what_cannot_be_sent_is_refused_before() {
    let header =
        |name: &str, value: &str| Config { headers: vec![(name.into(), value.into())], ..config() };
    for (config, error) in [
        (header("x y", "1"), ConfigError::Header("x y".into())),
        (header("x", "1\r\ny: 2"), ConfigError::Header("x".into())),
        (Config { path: Some("v1".into()), ..config() }, ConfigError::Path("v1".into())),
        (Config { api_key: Some(Secret::new("a\nb")), ..config() }, ConfigError::ApiKey),
    ] {
        assert_eq!(HttpProvider::new(config).unwrap_err(), error);
    }
}

#[test]
fn a_total_that_falls_and_grows_again_counts_what_it_can() {
    let total = |tokens: u32| {
        format!(r#"{{"choices":[{{"delta":{{}}}}],"usage":{{"completion_tokens":{tokens}}}}}"#)
    };
    let (most, least) = (total(u32::MAX), total(0));
    let Played { result, sample, .. } = events(&[&most, &least, &most, HELLO, STOP, DONE]);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(sample.generated().count(), 1);
}
