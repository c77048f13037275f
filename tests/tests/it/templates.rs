//! Servers that a template describes: the worked examples, and what is wrong with a template.

use std::{fs, io::Write};

use serde_json::{Value, json};

use crate::{
    program::{Place, name, samples, statistic, until},
    server::{Request, STREAM, Server, document, event, refusal},
    simulator::Simulator,
};

/// A worked example.
fn example(name: &str) -> String {
    format!("{}/../docs/templates/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What text-generation-inference says of each token, and of the last one besides.
fn token(text: &str, details: &Value) -> String {
    let token = json!({"id": 7, "text": text, "logprob": -0.5, "special": false});
    event(
        &json!({"index": 1, "token": token, "generated_text": null, "details": details})
            .to_string(),
    )
}

/// As many tokens as are asked for.
fn tgi(request: &Request) -> String {
    let tokens = request.body["parameters"]["max_new_tokens"].as_u64().unwrap();
    let end = json!({"finish_reason": "length", "generated_tokens": tokens, "input_length": 9});
    let rest = token(" word", &Value::Null).repeat(usize::try_from(tokens).unwrap() - 1);
    format!("{STREAM}{rest}{}0\r\n\r\n", token(" word", &end))
}

fn serving(answer: impl Fn(&Request) -> String + Send + Sync + 'static) -> Server {
    Server::answering(move |request, to| match request.what.as_str() {
        what if what.starts_with("POST ") => write!(to, "{}", answer(request)),
        _ => write!(to, "{}", refusal(404, "no such path")),
    })
}

#[test]
fn a_stream_is_measured() {
    let server = serving(tgi);
    let place = Place::new();
    let flags = format!("--engine custom --template {}", example("tgi.toml"));
    place.run(&format!("-u {} -n 20 -c 4 {flags}", server.url)).measures();
    let point = place.point();
    assert_eq!(point.outcomes, [("ok".to_owned(), 20)].into());
    assert!(point.metrics.contains_key("ttft_ms"));
    assert!((statistic(&point, "osl", "mean") - 8.0).abs() < 1e-9);
    assert!((statistic(&point, "isl", "mean") - 9.0).abs() < 1e-9);
    for request in server.completions() {
        assert_eq!(request.what, "POST /generate_stream");
        let parameters = json!({"max_new_tokens": 8, "details": true, "do_sample": false});
        assert_eq!(request.body["parameters"], parameters);
        assert!(request.body["inputs"].as_str().is_some_and(|inputs| inputs.len() > 8));
        assert_eq!(request.header("accept"), Some("text/event-stream"));
    }
    let run = place.run_directory().read_run().unwrap();
    let target = &run.environment["targets"][0];
    assert_eq!((&target["dialect"], &target["model"]), (&json!("custom"), &json!("custom")));
    assert_eq!(target["template"]["answer"]["text"], json!("/token/text"));

    let probe = format!("probe {} --json {flags}", server.url);
    let json: Value = serde_json::from_str(&place.inferbench(&probe).exits(0).stdout).unwrap();
    assert_eq!((&json["outcome"], &json["engine"]), (&json!("ok"), &json!("custom")), "{json}");
    assert_eq!(json["usage"], json!({"prompt": 9, "completion": 32}));
    let ended = place.inferbench(&format!("chat hello -u {} --osl 3 {flags}", server.url)).exits(0);
    assert_eq!(ended.stdout, " word word word\n");
}

#[test]
fn a_document_is_measured() {
    let server = serving(|request| {
        let tokens = request.body["parameters"]["max_new_tokens"].as_u64().unwrap();
        let text = " word".repeat(usize::try_from(tokens).unwrap());
        document(200, &json!([{"generated_text": text}]))
    });
    let place = Place::new();
    fs::copy(example("inference-endpoint.toml"), place.path().join("service.toml")).unwrap();
    let plan = format!(
        "targets: [{{url: '{}', engine: custom, template: service.toml}}]\nload: {{requests: 12}}\nworkload: {{isl: 16, osl: 8}}\n",
        server.url
    );
    fs::write(place.path().join("plan.yaml"), plan).unwrap();
    place.inferbench("run plan.yaml").measures();
    let point = place.point();
    assert_eq!(point.outcomes, [("ok".to_owned(), 12)].into());
    assert!(point.metrics.contains_key("e2e_ms") && !point.metrics.contains_key("ttft_ms"));
    // It states no counts: what was guessed is told.
    assert!(point.reasons.iter().any(|reason| reason.code == "tokens_estimated"), "{point:?}");
    for request in server.completions() {
        let parameters =
            json!({"max_new_tokens": 8, "min_new_tokens": 8, "return_full_text": false});
        assert_eq!(
            (request.what.as_str(), &request.body["parameters"]),
            ("POST /invocations", &parameters)
        );
        assert_eq!(request.header("accept"), Some("application/json"));
    }
}

#[test]
fn what_is_no_answer_is_no_success() {
    let error =
        r#"{"error":"Request failed during generation: out of memory","error_type":"generation"}"#;
    let first = token(" word", &Value::Null);
    for (stream, outcome) in [
        (format!("{first}{}0\r\n\r\n", event(error)), "in_band_error"),
        (format!("{first}0\r\n\r\n"), "truncated"),
        (format!("{first}{}0\r\n\r\n", event("nonsense")), "malformed"),
        (format!("{}0\r\n\r\n", token("", &json!({"finish_reason": "length"}))), "empty"),
    ] {
        let server = serving(move |_| format!("{STREAM}{stream}"));
        let place = Place::new();
        let template = example("tgi.toml");
        let words = format!("-u {} -n 5 --engine custom --template {template}", server.url);
        place.run(&words).exits(6);
        assert_eq!(place.point().outcomes.keys().collect::<Vec<_>>(), [outcome]);
    }
    // Nobody is there.
    let words = format!("-u http://127.0.0.1:1 --engine custom --template {}", example("tgi.toml"));
    Place::new().run(&words).exits(5);
}

/// What a template finds in the answers of a server that there is a dialect of.
#[test]
fn the_simulator_is_the_same_by_template_and_by_dialect() {
    let simulator = Simulator::start("--ttft-ms 20 --itl-ms 2");
    let place = Place::new();
    let template = r#"
        path = "/v1/chat/completions"
        [request]
        model = "{{model}}"
        messages = "{{messages}}"
        max_tokens = "{{max_tokens}}"
        stream = "{{stream}}"
        stream_options = { include_usage = true, continuous_usage_stats = true }
        [answer]
        framing = "sse"
        text = "/choices/0/delta/content"
        finish = "/choices/0/finish_reason"
        marker = "[DONE]"
        error = "/error"
        prompt_tokens = "/usage/prompt_tokens"
        output_tokens = "/usage/completion_tokens"
    "#;
    fs::write(place.path().join("chat.toml"), template).unwrap();
    let words = format!("-u {} -n 30 -c 1 -m simulated", simulator.url);
    place.run(&format!("{words} --engine custom --template chat.toml")).measures();
    let by_template = place.measured();
    let other = Place::new();
    other.run(&words).measures();
    let told = |samples: &[bench_core::Sample]| -> Vec<_> {
        let told = samples.iter().map(|sample| {
            let tokens: Vec<u16> = sample.generated().map(|arrival| arrival.tokens).collect();
            (sample.usage, sample.finish.clone(), sample.outcome, tokens, sample.input_tokens)
        });
        told.collect()
    };
    assert_eq!(told(&by_template), told(&other.measured()));
    // However it is asked, nobody takes it for a server.
    assert!(place.point().target.starts_with("simulated"), "{}", place.point().target);
    for (metric, least) in [("ttft_ms", 20.0), ("itl_ms", 0.0)] {
        assert!(statistic(&place.point(), metric, "p50") >= least, "{metric}");
    }
}

#[test]
fn what_is_wrong_with_a_template_is_said_by_its_line() {
    let place = Place::new();
    let write = |text: &str| fs::write(place.path().join("t.toml"), text).unwrap();
    let refused = |words: &str, said: &[&str]| {
        let ended = place.run(&format!("-u :1 {words}")).exits(2);
        for said in said {
            assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        }
    };
    let custom = "--engine custom --template t.toml";
    refused(custom, &["t.toml: cannot be read"]);
    refused("--engine custom", &["custom needs a template that describes it"]);
    refused("--engine custom --endpoint-type chat", &["custom needs a template"]);
    write("path = \"/x\"\n[request]\np = \"{{promt}}\"\n[answer]\ntext = \"a/b\"\ntxt = 1\n");
    refused("--template t.toml", &["--template: is of the engine custom alone"]);
    refused(custom, &["t.toml:6: answer.txt: unknown key; did you mean text?"]);
    write("path = \"/x\"\n[request]\np = \"{{promt}}\"\n[answer]\ntext = \"a/b\"\n");
    refused(
        custom,
        &[
            "t.toml:3: request.p: {{promt}} is no placeholder",
            "request: says nowhere what is asked",
            "t.toml:5: answer.text: `a/b` is no JSON Pointer",
            "answer.framing: is missing: sse, ndjson, or json",
            "answer: does not say what ends an answer",
        ],
    );
    write("path = [");
    refused(custom, &["t.toml:1: "]);
    fs::copy(example("tgi.toml"), place.path().join("t.toml")).unwrap();
    refused(&format!("{custom} --no-streaming"), &["cannot be beside a template"]);
    refused(
        &format!("{custom} --endpoint-type chat"),
        &["custom has no API `chat`: it has generate"],
    );
}

#[test]
fn a_run_goes_on_with_the_same_template_only() {
    let server = serving(tgi);
    let place = Place::new();
    let (template, path) = (example("tgi.toml"), place.path().join("t.toml"));
    fs::copy(&template, &path).unwrap();
    let words = format!("-u {} --engine custom --template t.toml --ui none", server.url);
    let mut run = place.run(&format!("{words} -n 100000 -c 2")).start();
    server.wait_for(100);
    run.kill();
    drop(run);
    until("something of it is kept", || !samples(&place.run_directory()).is_empty());
    let resume = format!("resume artifacts/{} --ui none", name(&place.run_directory()));
    let other = fs::read_to_string(&template).unwrap().replace("/token/text", "/generated_text");
    fs::write(&path, other).unwrap();
    let ended = place.inferbench(&resume).exits(2);
    assert!(ended.stderr.contains("template of custom is another one"), "{}", ended.stderr);
    fs::copy(&template, &path).unwrap();
    let asked = server.completions().len();
    let mut run = place.inferbench(&resume).start();
    server.wait_for(asked + 100);
    run.kill();
}
