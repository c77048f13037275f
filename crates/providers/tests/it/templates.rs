//! Templates of servers that there are dialects of: what was recorded of these is the same, read by either.

use bench_core::{FinishReason, Outcome, Sample};
use bench_providers::{Api, Engine, Template, TemplateFile};
use serde_json::{Value, json};

use crate::{
    replay::{Case, cases, play},
    server::Got,
};

fn custom(answer: &Value) -> Engine {
    let file = json!({"path": "/", "request": {"p": "{{prompt}}"}, "answer": answer});
    let file: TemplateFile = serde_json::from_value(file).unwrap();
    Engine::Custom(Template::new(file).unwrap())
}

/// OpenAI's chat and completions, streamed or not.
fn openai(case: &Case) -> Value {
    let mut answer = json!({
        "framing": "sse",
        "finish": "/choices/0/finish_reason",
        "error": "/error",
        "prompt_tokens": "/usage/prompt_tokens",
        "output_tokens": "/usage/completion_tokens",
    });
    let message = if case.streaming { "delta" } else { "message" };
    if case.api == Api::Chat {
        answer["text"] = json!(format!("/choices/0/{message}/content"));
        answer["reasoning"] = json!(format!("/choices/0/{message}/reasoning"));
    } else {
        answer["text"] = json!("/choices/0/text");
    }
    match case.streaming {
        true => answer["marker"] = json!("[DONE]"),
        false => answer["framing"] = json!("json"),
    }
    answer
}

/// SGLang's `/generate`, which repeats the text, and llama.cpp's `/completion`.
fn native(engine: &Engine, case: &Case) -> Value {
    let mut answer = match engine {
        Engine::Sglang => json!({
            "text": "/text",
            "finish": "/meta_info/finish_reason/type",
            "prompt_tokens": "/meta_info/prompt_tokens",
            "output_tokens": "/meta_info/completion_tokens",
        }),
        _ => json!({
            "text": "/content",
            "finish": "/stop_type",
            "prompt_tokens": "/tokens_evaluated",
            "output_tokens": "/tokens_predicted",
        }),
    };
    answer["error"] = json!("/error");
    answer["framing"] = if case.streaming { json!("sse") } else { json!("json") };
    if *engine == Engine::Sglang && case.streaming {
        answer["cumulative"] = json!(true);
        answer["marker"] = json!("[DONE]");
    }
    answer
}

/// What both have to make of an answer: its text, outcome, counts and finish, and the tokens of each event.
fn told(Got { sample, text, .. }: &Got) -> (String, Outcome, Option<(u32, u32)>, String, Vec<u16>) {
    let Sample { outcome, usage, finish, .. } = sample;
    // A dialect has one word for what several servers say in their own.
    let finish = match finish.as_ref().map_or("", FinishReason::as_str) {
        "limit" => "length",
        "eos" | "word" => "stop",
        word => word,
    };
    let tokens = sample.generated().map(|arrival| arrival.tokens).collect();
    let usage = usage.map(|usage| (usage.prompt, usage.completion));
    (text.clone(), *outcome, usage, finish.to_owned(), tokens)
}

/// Compares all answers of `server` but those whose name has one of `but` in it; how many there are.
async fn compare(server: &str, engine: Engine, but: &[&str]) -> usize {
    let mut compared = 0;
    for case in cases(server) {
        let answer = match case.api {
            Api::Chat | Api::Completions => openai(&case),
            Api::Generate => native(&engine, &case),
            _ => continue,
        };
        if but.iter().any(|name| case.name.contains(name)) {
            continue;
        }
        let by_dialect = told(&play(engine.clone(), &case).await);
        let by_template = told(&play(custom(&answer), &case).await);
        assert_eq!(by_template, by_dialect, "{server}: {}", case.name);
        compared += 1;
    }
    compared
}

/// Left out is what templates have no place for: tool calls and several choices.
#[tokio::test]
async fn a_template_reads_what_a_dialect_reads() {
    let but = ["tools", "n2", "two-prompts", "token-ids"];
    for (server, engine, least) in [
        ("vllm-0.32.0", Engine::Vllm, 20),
        ("vllm-0.32.0-pressure", Engine::Vllm, 10),
        ("sglang-0.5.23", Engine::Sglang, 20),
        ("llama.cpp-0.5.0-dev", Engine::LlamaCpp, 20),
        ("transformers-5.19.0", Engine::OpenAi, 15),
    ] {
        let compared = compare(server, engine, &but).await;
        assert!(compared >= least, "{compared} of {server}");
    }
}
