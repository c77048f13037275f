//! What a server says of its memory: in its log, and in its metrics.

use std::{fs::File, io::Read, path::Path};

use bench_containers::log::{self, Fact};
use serde_json::{Map, Value, json};

/// What is known of a server's memory, and why the rest is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// Each fact's name, and what it came to or why it is unknown.
    facts: Vec<(&'static str, Result<f64, String>)>,
}

const FACTS: [&str; 3] = ["model_memory_gib", "kv_cache_gib", "kv_cache_tokens"];

/// Why a fact is unknown of which there is a log.
const UNSAID: &str = "the server's log does not say";

/// A log is read up to here: what is looked for stands in the start.
const MOST_LOG: u64 = 64 << 20;

impl Memory {
    /// What the log and the metrics of a server say, as far as there are any.
    pub(crate) fn of(log: Option<&Path>, metrics: Option<&str>) -> Self {
        let (text, why) = match log.map(read) {
            Some(Ok(text)) => (text, UNSAID.to_owned()),
            Some(Err(why)) => (String::new(), why),
            None => (String::new(), "no server log was given (--server-log)".to_owned()),
        };
        Self::told(&log::facts(None, text.lines()), metrics, &why)
    }

    /// The same, of lines that are here already.
    pub(crate) fn of_lines(lines: &[String], metrics: Option<&str>) -> Self {
        Self::told(&log::facts(None, lines.iter().map(String::as_str)), metrics, UNSAID)
    }

    fn told(told: &[Fact], metrics: Option<&str>, why: &str) -> Self {
        let found = |name: &'static str| {
            let in_log = told.iter().find(|fact| fact.name == name).and_then(Fact::number);
            let value = in_log.or_else(|| in_metrics(metrics?, name));
            (name, value.ok_or_else(|| why.to_owned()))
        };
        Self { facts: FACTS.map(found).to_vec() }
    }

    /// As it stands in the record of a run: numbers by their names, and under `unknown` why others are not
    /// there.
    pub(crate) fn to_json(&self) -> Value {
        let mut facts = Map::new();
        let mut unknown = Map::new();
        for (name, fact) in &self.facts {
            match fact {
                Ok(value) => facts.insert((*name).to_owned(), json!(value)),
                Err(why) => unknown.insert((*name).to_owned(), json!(why)),
            };
        }
        facts.insert("unknown".to_owned(), Value::Object(unknown));
        Value::Object(facts)
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_LOG).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(format!("the server's log cannot be read: {error}")),
    }
}

/// vLLM's `cache_config_info` tells the size of the KV cache by its labels.
fn in_metrics(metrics: &str, fact: &str) -> Option<f64> {
    if fact != "kv_cache_tokens" {
        return None;
    }
    let line = metrics.lines().find(|line| line.starts_with("vllm:cache_config_info{"))?;
    let label = |name: &str| -> Option<f64> {
        let rest = &line[line.find(&format!("{name}=\""))? + name.len() + 2..];
        rest[..rest.find('"')?].parse().ok()
    };
    label("kv_cache_size_tokens")
        .or_else(|| Some(label("num_gpu_blocks")? * label("block_size")?))
        .filter(|tokens| *tokens > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_more_than_metrics_do() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("server.log");
        let said = "Model loading took 14.99 GiB memory and 2.1 seconds\n\
                    Available KV cache memory: 51.25 GiB\nGPU KV cache size: 524,288 tokens\n";
        std::fs::write(&log, said).unwrap();
        let metrics = "vllm:cache_config_info{kv_cache_size_tokens=\"4224\"} 1.0\n";
        let facts = Memory::of(Some(&log), Some(metrics)).to_json();
        let expected = json!({
            "model_memory_gib": 14.99,
            "kv_cache_gib": 51.25,
            "kv_cache_tokens": 524_288.0,
            "unknown": {},
        });
        assert_eq!(facts, expected);
    }

    #[test]
    fn what_is_not_said_is_unknown_and_says_why() {
        let said = |log: Option<&Path>| Memory::of(log, None).to_json();
        assert_eq!(said(None)["unknown"]["kv_cache_gib"], "no server log was given (--server-log)");
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("server.log");
        let missing = said(Some(&log))["unknown"]["kv_cache_gib"].to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
        std::fs::write(&log, "Model loading took GiB\nKV cache size: , tokens\n\u{fffd}").unwrap();
        let unsaid = said(Some(&log));
        assert_eq!(unsaid["unknown"].as_object().unwrap().len(), 3, "{unsaid}");
    }

    #[test]
    fn metrics_tell_the_size_of_the_cache() {
        let metrics = "# TYPE vllm:cache_config_info gauge\n\
                       vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"8192\"} 1.0\n";
        let facts = Memory::of(None, Some(metrics)).to_json();
        assert_eq!(facts["kv_cache_tokens"], 131_072.0);
        assert!(facts["unknown"].get("kv_cache_tokens").is_none());
    }
}
