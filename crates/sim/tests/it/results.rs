//! Answers that are no text: embeddings and rankings.

use bench_sim::Config;
use serde_json::{Value, json};

use crate::client::{Client, fast, metric, ns, post, start};

const EMBEDDINGS: &str = "/v1/embeddings";
const RERANK: &str = "/v1/rerank";

fn ask(client: &mut Client, path: &str, id: &str, body: &Value) -> (u16, Value) {
    let response = client.ask(&post(path, id, &body.to_string()));
    (response.status, response.json())
}

#[test]
fn the_same_text_has_the_same_vector() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    let body = json!({"model": "simulated", "input": ["one two", "three", "one two"]});
    let (status, answer) = ask(&mut client, EMBEDDINGS, "a", &body);
    assert_eq!((status, &answer["object"]), (200, &json!("list")));
    assert_eq!(answer["usage"], json!({"prompt_tokens": 5, "total_tokens": 5}));
    let vector = |item: &Value| -> Vec<f64> {
        item["embedding"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
    };
    let data = answer["data"].as_array().unwrap();
    let vectors: Vec<Vec<f64>> = data.iter().map(vector).collect();
    assert_eq!((vectors.len(), vectors[0].len()), (3, 384));
    assert!(vectors[0] == vectors[2] && vectors[0] != vectors[1]);
    for vector in &vectors {
        let length = vector.iter().map(|n| n * n).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
    }
    // Alone, and of another server.
    let other = start(fast());
    let alone = json!({"input": "three"});
    let (_, again) = ask(&mut Client::connect(&other), EMBEDDINGS, "b", &alone);
    assert_eq!(vector(&again["data"][0]), vectors[1]);
}

#[test]
fn documents_are_ranked_the_best_first() {
    let server = start(fast());
    let mut client = Client::connect(&server);
    let body = json!({"model": "simulated", "query": "a b", "documents": ["c", "d e", "f", "g"]});
    let (status, answer) = ask(&mut client, RERANK, "a", &body);
    assert_eq!(status, 200);
    // Each document is read beside the query.
    assert_eq!(answer["usage"]["prompt_tokens"], 5 + 4 * 2);
    let results = answer["results"].as_array().unwrap();
    let scores: Vec<f64> = results.iter().map(|r| r["relevance_score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let mut places: Vec<u64> = results.iter().map(|r| r["index"].as_u64().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2, 3]);
    assert_eq!(ask(&mut client, RERANK, "b", &body).1["results"], answer["results"]);
}

#[test]
fn a_result_is_there_after_its_prefill_and_has_no_token() {
    let config = Config { prefill_per_token: std::time::Duration::from_millis(1), ..fast() };
    let server = start(config.clone());
    let mut client = Client::connect(&server);
    for (id, words) in [("short", 1), ("long", 20)] {
        let body = json!({"input": "word ".repeat(words)});
        assert_eq!(ask(&mut client, EMBEDDINGS, id, &body).0, 200);
        let truth = server.truth(id).unwrap();
        assert_eq!((truth.sends.len(), truth.sends[0].tokens), (1, 0));
        let least = config.ttft + config.prefill_per_token * u32::try_from(words).unwrap();
        assert!(truth.sends[0].at_ns - truth.received_ns >= ns(least), "{id}");
    }
    assert_eq!(metric(&server, "generation_tokens_total"), "0.0");
    assert_eq!(metric(&server, "prompt_tokens_total"), "21.0");
}

#[test]
fn what_is_missing_is_said() {
    let server = start(Config { context_length: 4, ..fast() });
    let mut client = Client::connect(&server);
    for (path, body, status, param) in [
        (EMBEDDINGS, json!({}), 400, json!("input")),
        (EMBEDDINGS, json!({"input": ["a", "1 2 3 4 5"]}), 400, json!("input")),
        (EMBEDDINGS, json!({"input": 5}), 400, Value::Null),
        (EMBEDDINGS, json!({"model": "other", "input": "a"}), 404, json!("model")),
        (RERANK, json!({"documents": ["a"]}), 400, json!("query")),
        (RERANK, json!({"query": "a"}), 400, json!("documents")),
        (RERANK, json!({"query": "1 2 3", "documents": ["4 5"]}), 400, json!("input")),
    ] {
        let (found, answer) = ask(&mut client, path, "a", &body);
        assert_eq!((found, &answer["error"]["param"]), (status, &param), "{body}");
    }
}
