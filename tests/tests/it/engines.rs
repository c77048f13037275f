//! Servers of each kind: what they are is found out, and they are asked in their own words.

use std::{io, io::Write};

use serde_json::{Value, json};

use crate::{
    program::Place,
    server::{Answer, Request, Server, document, models, refusal, whole},
};

/// A server that speaks as Ollama does, and always says two tokens.
fn ollama() -> Server {
    Server::answering(|request, to| match request.what.as_str() {
        "GET /v1/models" => write!(to, "{}", models(&["m:latest"])),
        "GET /api/version" => write!(to, "{}", document(200, &json!({"version": "0.13.5"}))),
        "GET /api/tags" => {
            write!(to, "{}", document(200, &json!({"models": [{"name": "m:latest"}]})))
        }
        "POST /api/chat" => answered(request, to, |text| json!({"message": {"content": text}})),
        "POST /api/generate" => answered(request, to, |text| json!({"response": text})),
        _ => write!(to, "{}", refusal(404, "no such path")),
    })
}

fn answered(request: &Request, to: Answer<'_>, said: impl Fn(&str) -> Value) -> io::Result<()> {
    let mut last = said("");
    let end = json!({"done": true, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2});
    last.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
    if request.body["stream"] == false {
        let whole = last.to_string().replace(r#":"""#, r#":"hello""#);
        return write!(to, "{}", document(200, &serde_json::from_str(&whole)?));
    }
    write!(
        to,
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
    )?;
    for line in [said("he"), said("llo"), last] {
        let line = format!("{line}\n");
        write!(to, "{:x}\r\n{line}\r\n", line.len())?;
    }
    write!(to, "0\r\n\r\n")
}

#[test]
fn ollama_is_asked_in_its_own_words() {
    for (kind, path) in [("native_chat", "/api/chat"), ("generate", "/api/generate")] {
        for how in ["", "--no-streaming"] {
            let server = ollama();
            let place = Place::new();
            let words = format!("-u {} -n 10 --osl 8 --endpoint-type {kind} {how}", server.url);
            let ended = place.run(&words).arg("--extra-inputs").arg("temperature:0").measures();
            let said = format!("ollama ends answers of `{kind}` where the model does");
            assert!(ended.stderr.contains(&said), "{}", ended.stderr);
            let asked = server.completions();
            assert!(asked.iter().all(|request| request.what == format!("POST {path}")));
            let options = json!({"num_predict": 8, "temperature": 0});
            assert_eq!(asked[0].body["options"], options);
            let point = place.point();
            assert_eq!((point.outcomes["ok"], point.outcomes.len()), (10, 1));
            assert!(place.measured().iter().all(|sample| {
                sample.usage.is_some_and(|usage| (usage.prompt, usage.completion) == (9, 2))
            }));
            // Shorter than asked for, as was to be expected.
            assert!(point.reasons.iter().any(|reason| reason.code == "osl"), "{point:?}");
        }
    }
}

#[test]
fn a_server_without_the_usual_api_is_measured_by_its_own() {
    let server = Server::answering(|request, to| match request.what.as_str() {
        "GET /v2" => {
            write!(
                to,
                "{}",
                document(200, &json!({"name": "triton", "version": "2.6", "extensions": []}))
            )
        }
        "POST /v2/repository/index" => {
            write!(to, "{}", document(200, &json!([{"name": "ensemble", "state": "READY"}])))
        }
        "POST /v2/models/ensemble/generate" => {
            write!(to, "{}", document(200, &json!({"text_output": "hello"})))
        }
        _ => write!(to, "{}", refusal(404, "no such path")),
    });
    let place = Place::new();
    let ended = place.run(&format!("-u {} -n 5 --no-streaming", server.url)).measures();
    let said = "triton has no API `chat`: `generate` is measured";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert_eq!(place.point().outcomes["ok"], 5);
    // Whoever asks for an API gets that, or nothing.
    let ended = place.run(&format!("-u {} -n 5 --engine triton", server.url)).exits(2);
    assert!(ended.stderr.contains("triton has no API `chat`: it has generate"), "{}", ended.stderr);
}

#[test]
fn replicas_share_the_sessions_and_must_be_alike() {
    let servers =
        [(); 2].map(|()| Server::completing(|request, to| write!(to, "{}", whole(request))));
    let place = Place::new();
    let words = format!("-u {} --replica {} -n 20 -c 2", servers[0].url, servers[1].url);
    place.run(&format!("{words} --warmup-request-count 0")).measures();
    assert_eq!(place.point().outcomes["ok"], 20);
    assert_eq!(servers.each_ref().map(|server| server.completions().len()), [10, 10]);
    let run = place.run_directory().read_run().unwrap();
    let recorded = &run.environment["targets"][0]["replicas"];
    assert_eq!(recorded, &json!([servers[1].url]));

    let other = ollama();
    let words = format!("-u {} --replica {} -n 20", servers[0].url, other.url);
    let ended = Place::new().run(&words).exits(2);
    assert!(ended.stderr.contains("it is ollama, not openai"), "{}", ended.stderr);
    let words = format!("-u {} --replica http://127.0.0.1:1 -n 20", servers[0].url);
    Place::new().run(&words).exits(5);
}
