//! One conversation in the words of every API: pictures, tools, calls and what came of them.

use std::sync::Arc;

use bench_core::{Message, Outcome, Prompt, Provider, Role, Tool, ToolCall, ToolChoice};
use serde_json::{Value, json};

use crate::{Api, Config, Endpoint, Engine, HttpProvider, Template};

const PIXEL: &str = "data:image/png;base64,iVBORw0KGgo=";

fn config(engine: Engine, api: Api) -> Config {
    Config { engine, api, ..Config::new(Endpoint::parse(":8000").unwrap(), "tiny") }
}

fn encoded(config: Config, prompt: &Prompt) -> Result<Value, String> {
    let encoded = HttpProvider::new(config).unwrap().encode(prompt);
    encoded.map(|request| serde_json::from_slice(&request.body).unwrap()).map_err(|error| {
        assert_eq!(error.outcome, Outcome::Client);
        error.said
    })
}

/// The fields of the body that tell of the conversation and its tools.
fn body(engine: Engine, api: Api, prompt: &Prompt) -> Value {
    let mut body = encoded(config(engine, api), prompt).unwrap();
    for name in ["model", "stream", "stream_options", "store", "max_tokens"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

fn weather(city: &str) -> ToolCall {
    ToolCall { name: "weather".into(), arguments: json!({"city": city}).to_string() }
}

fn tools() -> Arc<[Tool]> {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let (name, description) = ("weather".to_owned(), "Tells the weather.".to_owned());
    [Tool { name, description, parameters: parameters.to_string() }].into()
}

/// Two calls at once and what came of both, then another.
fn prompt() -> Prompt {
    let made = |calls: &[ToolCall], said: &str| Message {
        tool_calls: calls.to_vec(),
        ..Message::assistant(said)
    };
    let shown = Message { images: vec![PIXEL.into()], ..Message::user("Which of these is warm?") };
    Prompt {
        messages: vec![
            shown,
            made(&[weather("Oslo"), weather("Rome")], ""),
            Message::tool(0, "4"),
            Message::tool(1, "31"),
            made(&[weather("Lima")], "Rome. And Lima?"),
            Message::tool(0, "19"),
        ],
        tools: tools(),
        tool_choice: ToolChoice::Required,
        ..Prompt::default()
    }
}

#[test]
fn chat_has_it_in_messages() {
    let call = |id: &str, city: &str| {
        let arguments = format!("{{\"city\":\"{city}\"}}");
        json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
    };
    let expected = json!({
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Which of these is warm?"},
                {"type": "image_url", "image_url": {"url": PIXEL}},
            ]},
            {"role": "assistant", "content": null,
                "tool_calls": [call("call00000", "Oslo"), call("call00001", "Rome")]},
            {"role": "tool", "tool_call_id": "call00000", "content": "4"},
            {"role": "tool", "tool_call_id": "call00001", "content": "31"},
            {"role": "assistant", "content": "Rome. And Lima?",
                "tool_calls": [call("call00002", "Lima")]},
            {"role": "tool", "tool_call_id": "call00002", "content": "19"},
        ],
        "tools": [{"type": "function", "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        }}],
        "tool_choice": "required",
    });
    for engine in [Engine::OpenAi, Engine::Vllm, Engine::Sglang, Engine::Nim, Engine::LlamaCpp] {
        assert_eq!(body(engine.clone(), Api::Chat, &prompt()), expected, "{engine}");
    }
    // A template has the same messages wherever it wants them, and no tools.
    let file = json!({
        "path": "/ask",
        "request": {"said": "{{messages}}"},
        "answer": {"text": "/text", "framing": "json"},
    });
    let template = Template::new(serde_json::from_value(file).unwrap()).unwrap();
    let without_tools = Prompt { tools: Arc::default(), ..prompt() };
    let body = body(Engine::Custom(template), Api::Generate, &without_tools);
    assert_eq!(body["said"], expected["messages"]);
}

#[test]
fn responses_have_calls_beside_messages() {
    let call = |id: &str, city: &str| {
        let arguments = format!("{{\"city\":\"{city}\"}}");
        json!({"type": "function_call", "call_id": id, "name": "weather", "arguments": arguments})
    };
    let output = |id: &str, text: &str| json!({"type": "function_call_output", "call_id": id, "output": text});
    assert_eq!(
        body(Engine::Vllm, Api::Responses, &prompt()),
        json!({
            "input": [
                {"role": "user", "content": [
                    {"type": "input_text", "text": "Which of these is warm?"},
                    {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
                ]},
                call("call00000", "Oslo"),
                call("call00001", "Rome"),
                output("call00000", "4"),
                output("call00001", "31"),
                {"type": "message", "role": "assistant", "content": "Rome. And Lima?"},
                call("call00002", "Lima"),
                output("call00002", "19"),
            ],
            "tools": [{
                "type": "function",
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                "strict": false,
            }],
            "tool_choice": "required",
        })
    );
}

#[test]
fn anthropics_messages_have_blocks() {
    let call = |id: &str, city: &str| json!({"type": "tool_use", "id": id, "name": "weather", "input": {"city": city}});
    let result =
        |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    assert_eq!(
        body(Engine::Anthropic, Api::Messages, &prompt()),
        json!({
            "messages": [
                {"role": "user", "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                    {"type": "text", "text": "Which of these is warm?"},
                ]},
                {"role": "assistant", "content": [call("call00000", "Oslo"), call("call00001", "Rome")]},
                {"role": "user", "content": [result("call00000", "4"), result("call00001", "31")]},
                {"role": "assistant", "content": [
                    {"type": "text", "text": "Rome. And Lima?"},
                    call("call00002", "Lima"),
                ]},
                {"role": "user", "content": [result("call00002", "19")]},
            ],
            "tools": [{
                "name": "weather",
                "description": "Tells the weather.",
                "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
            }],
            "tool_choice": {"type": "any"},
        })
    );
    let elsewhere = Message { images: vec!["https://x/y.png".into()], ..Message::user("?") };
    let prompt = Prompt { messages: vec![elsewhere], ..Prompt::default() };
    let body = body(Engine::Anthropic, Api::Messages, &prompt);
    let source = &body["messages"][0]["content"][0]["source"];
    assert_eq!(*source, json!({"type": "url", "url": "https://x/y.png"}));
}

#[test]
fn ollamas_own_chat_has_objects_and_names() {
    let call = |city: &str| json!({"function": {"name": "weather", "arguments": {"city": city}}});
    let asked = Prompt { tool_choice: ToolChoice::Auto, ..prompt() };
    assert_eq!(
        body(Engine::Ollama, Api::NativeChat, &asked),
        json!({
            "messages": [
                {"role": "user", "content": "Which of these is warm?", "images": ["iVBORw0KGgo="]},
                {"role": "assistant", "content": "", "tool_calls": [call("Oslo"), call("Rome")]},
                {"role": "tool", "content": "4", "tool_name": "weather"},
                {"role": "tool", "content": "31", "tool_name": "weather"},
                {"role": "assistant", "content": "Rome. And Lima?", "tool_calls": [call("Lima")]},
                {"role": "tool", "content": "19", "tool_name": "weather"},
            ],
            "tools": [{"type": "function", "function": {
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            }}],
        })
    );
}

#[test]
fn each_api_has_its_words_for_the_choice() {
    let function = || ToolChoice::Function("weather".into());
    for (engine, api, choice, expected) in [
        (Engine::Vllm, Api::Chat, ToolChoice::Auto, json!("auto")),
        (Engine::Vllm, Api::Chat, ToolChoice::None, json!("none")),
        (
            Engine::Vllm,
            Api::Chat,
            function(),
            json!({"type": "function", "function": {"name": "weather"}}),
        ),
        (Engine::Vllm, Api::Responses, function(), json!({"type": "function", "name": "weather"})),
        (Engine::Vllm, Api::Messages, ToolChoice::Auto, json!({"type": "auto"})),
        (Engine::Vllm, Api::Messages, ToolChoice::None, json!({"type": "none"})),
        (Engine::Vllm, Api::Messages, function(), json!({"type": "tool", "name": "weather"})),
    ] {
        let prompt = Prompt { tool_choice: choice, ..prompt() };
        assert_eq!(body(engine, api, &prompt)["tool_choice"], expected);
        // Servers refuse a choice among no tools.
        let without = Prompt { tools: Arc::default(), ..prompt };
        assert_eq!(body(Engine::Vllm, api, &without).get("tool_choice"), None);
    }
}

#[test]
fn what_an_api_cannot_express_is_refused_with_what_could() {
    let refused = |engine, api, prompt: &Prompt| encoded(config(engine, api), prompt).unwrap_err();
    let user = || Prompt::user("hi");
    let shown = Message { images: vec![PIXEL.into()], ..Message::user("hi") };
    let shown = Prompt { messages: vec![shown], ..Prompt::default() };
    let with_tools = Prompt { tools: tools(), ..user() };
    let forced = Prompt { tool_choice: ToolChoice::Required, ..with_tools.clone() };
    let answered = Prompt { messages: vec![Message::tool(0, "4")], ..Prompt::default() };
    let ids = Prompt { token_ids: Some(vec![1]), ..user() };
    for (engine, api, prompt, said) in [
        (
            Engine::Vllm,
            Api::Chat,
            &ids,
            "`chat` of vllm takes no token ids: its `completions` does",
        ),
        (
            Engine::Vllm,
            Api::Completions,
            &with_tools,
            "`completions` of vllm takes no tools: its `chat` does",
        ),
        (
            Engine::Vllm,
            Api::Rerank,
            &answered,
            "`rerank` of vllm takes no tool calls: its `chat` does",
        ),
        (
            Engine::Sglang,
            Api::Generate,
            &shown,
            "`generate` of sglang takes no images: its `chat` does",
        ),
        (
            Engine::Ollama,
            Api::NativeChat,
            &forced,
            "`native_chat` of ollama takes no choice of tools: its `chat` does",
        ),
        (
            Engine::Triton,
            Api::Generate,
            &with_tools,
            "`generate` of triton takes no tools: no API of triton does",
        ),
    ] {
        assert_eq!(refused(engine, api, prompt), said);
    }
    let elsewhere = Message { images: vec!["https://x/y.png".into()], ..Message::user("?") };
    let elsewhere = Prompt { messages: vec![elsewhere], ..Prompt::default() };
    let said = refused(Engine::Ollama, Api::NativeChat, &elsewhere);
    assert!(said.contains("`data:` URLs"), "{said}");
    let broken = Tool { name: "x".into(), description: String::new(), parameters: "{".into() };
    let broken = Prompt { tools: [broken].into(), ..user() };
    let said = refused(Engine::Vllm, Api::Chat, &broken);
    assert_eq!(said, "the parameters of the tool `x` should be JSON");
    for (arguments, said) in [
        ("{\"a\":", "the arguments of the call of `f` should be JSON"),
        ("[1]", "the arguments of the call of `f` are no JSON object"),
    ] {
        let call = ToolCall { name: "f".into(), arguments: arguments.into() };
        let made = Message { tool_calls: vec![call], ..Message::new(Role::Assistant, "") };
        let prompt = Prompt { messages: vec![made], ..Prompt::default() };
        assert_eq!(refused(Engine::Anthropic, Api::Messages, &prompt), said);
        assert!(encoded(config(Engine::Vllm, Api::Chat), &prompt).is_ok(), "it is a text there");
    }
}

#[test]
fn fields_of_a_prompt_stand_over_ours_and_under_the_plans() {
    let extra = vec![
        ("temperature".to_owned(), "0.5".to_owned()),
        ("top_p".to_owned(), "0.9".to_owned()),
        ("stream_options".to_owned(), "null".to_owned()),
    ];
    let prompt = Prompt { extra, ..Prompt::user("hi") };
    let mut of_plan = config(Engine::Vllm, Api::Chat);
    of_plan.extra_body.insert("temperature".to_owned(), json!(0));
    let body = encoded(of_plan, &prompt).unwrap();
    assert_eq!(
        body,
        json!({
            "model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": true,
            "temperature": 0, "top_p": 0.9,
        })
    );
    let native = encoded(config(Engine::Ollama, Api::NativeChat), &prompt).unwrap();
    assert_eq!(native["options"], json!({"temperature": 0.5, "top_p": 0.9}));
    let broken = Prompt { extra: vec![("seed".to_owned(), "x".to_owned())], ..Prompt::user("hi") };
    let said = encoded(config(Engine::Vllm, Api::Chat), &broken).unwrap_err();
    assert_eq!(said, "`seed` should be JSON");
}
