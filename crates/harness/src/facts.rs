//! What a server says of itself: in its log, and in its metrics.

use std::{fs::File, io::Read, path::Path};

use bench_containers::log::{self, Fact};
use serde_json::{Map, Value, json};

/// What a server tells of itself, and why the rest of what is looked for is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// By their names: numbers, whose unit is the last word of the name, and texts.
    told: Map<String, Value>,
    /// Why those that every report asks for are not there.
    unknown: Map<String, Value>,
}

/// What every report asks for.
const ASKED_FOR: [&str; 3] = ["model_memory_gib", "kv_cache_gib", "kv_cache_tokens"];

/// A log is read up to here: what is looked for stands in the start.
const MOST_LOG: u64 = 64 << 20;

impl Facts {
    /// What the log file and the metrics of a server say, as far as there are any.
    pub(crate) fn of(log: Option<&Path>, metrics: Option<&str>) -> Self {
        match log.map(read) {
            Some(Ok(text)) => Self::told(&log::facts(None, text.lines()), metrics),
            Some(Err(why)) => Self::new(&[], metrics, &why),
            None => Self::new(&[], metrics, "no server log was given (--server-log)"),
        }
    }

    /// What a log told, and what its server's metrics say.
    pub(crate) fn told(facts: &[Fact], metrics: Option<&str>) -> Self {
        Self::new(facts, metrics, "the server's log does not say")
    }

    fn new(facts: &[Fact], metrics: Option<&str>, why: &str) -> Self {
        let value = |fact: &Fact| match &fact.value {
            log::Value::Number(number) => json!(number),
            log::Value::Text(text) => json!(text),
        };
        let mut told: Map<String, Value> =
            facts.iter().map(|fact| (fact.name.to_owned(), value(fact))).collect();
        let mut unknown = Map::new();
        for name in ASKED_FOR.iter().filter(|name| !facts.iter().any(|fact| fact.name == **name)) {
            match metrics.and_then(|metrics| in_metrics(metrics, name)) {
                Some(value) => told.insert((*name).to_owned(), json!(value)),
                None => unknown.insert((*name).to_owned(), json!(why)),
            };
        }
        Self { told, unknown }
    }

    /// As it stands in the record of a run: all by their names, and under `unknown` why others are not there.
    pub(crate) fn to_json(&self) -> Value {
        let mut facts = self.told.clone();
        facts.insert("unknown".to_owned(), Value::Object(self.unknown.clone()));
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
        // Other labels end as this one does.
        let at = ["{", ","].iter().find_map(|before| line.find(&format!("{before}{name}=\"")))?;
        let rest = &line[at + 1 + name.len() + 2..];
        rest[..rest.find('"')?].parse().ok().filter(|number: &f64| number.is_finite())
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
        let facts = Facts::of(Some(&log), Some(metrics)).to_json();
        let expected = json!({
            "model_load_s": 2.1,
            "model_memory_gib": 14.99,
            "kv_cache_gib": 51.25,
            "kv_cache_tokens": 524_288.0,
            "unknown": {},
        });
        assert_eq!(facts, expected);
    }

    #[test]
    fn what_is_not_said_is_unknown_and_says_why() {
        let said = |log: Option<&Path>| Facts::of(log, None).to_json();
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
        let facts = Facts::of(None, Some(metrics)).to_json();
        assert_eq!(facts["kv_cache_tokens"], 131_072.0);
        assert!(facts["unknown"].get("kv_cache_tokens").is_none());
        for none in ["kv_cache_size_tokens=\"inf\"", "hash_block_size=\"16\",num_gpu_blocks=\"8\""]
        {
            let metrics = format!("vllm:cache_config_info{{{none}}} 1.0\n");
            assert!(Facts::of(None, Some(&metrics)).to_json().get("kv_cache_tokens").is_none());
        }
    }
}
