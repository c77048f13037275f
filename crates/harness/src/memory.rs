//! What a server says of its memory: in its log, and in its metrics.

use std::{fs::File, io::Read, path::Path};

use serde_json::{Map, Value, json};

/// What is known of a server's memory, and why the rest is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// Each fact's name, and what it came to or why it is unknown.
    facts: Vec<(&'static str, Result<f64, String>)>,
}

/// A fact, as a line of a log tells it.
struct Line {
    fact: &'static str,
    /// What stands before the number.
    before: &'static str,
    /// What stands after it: the unit, by which lines that only look alike are told apart.
    after: &'static str,
    /// The number's unit in that of the fact.
    unit: f64,
}

const fn line(fact: &'static str, before: &'static str, after: &'static str, unit: f64) -> Line {
    Line { fact, before, after, unit }
}

const FACTS: [&str; 3] = ["model_memory_gib", "kv_cache_gib", "kv_cache_tokens"];

/// GB, as 10⁹ bytes, in GiB.
const GB: f64 = 1e9 / (1_u64 << 30) as f64;

/// Lines of vLLM 0.6 to 0.33, SGLang 0.5 and TensorRT-LLM 0.21 to 1.0, as their sources have them.
const LINES: [Line; 9] = [
    line("model_memory_gib", "Model loading took ", " GiB", 1.0),
    line("model_memory_gib", "Loading model weights took ", " GB", GB),
    line("model_memory_gib", "Memory usage when loading weights: ", " GiB", 1.0),
    line("kv_cache_gib", "Available KV cache memory: ", " GiB", 1.0),
    line("kv_cache_gib", "reserved for KV Cache is ", "GiB", 1.0),
    line(
        "kv_cache_gib",
        "[MemUsageChange] Allocated ",
        " GiB for max tokens in paged KV cache",
        1.0,
    ),
    line("kv_cache_tokens", "KV cache size: ", " tokens", 1.0),
    line("kv_cache_tokens", "GiB for max tokens in paged KV cache (", ")", 1.0),
    line("kv_cache_tokens", "max_total_num_tokens=", ",", 1.0),
];

/// A log is read up to here: what is looked for stands in the start-up.
const MOST_LOG: u64 = 64 << 20;

impl Memory {
    /// What the log and the metrics of a server say, as far as there are any.
    pub(crate) fn of(log: Option<&Path>, metrics: Option<&str>) -> Self {
        let (text, why) = match log.map(read) {
            Some(Ok(text)) => (text, "the server's log does not say".to_owned()),
            Some(Err(why)) => (String::new(), why),
            None => (String::new(), "no server log was given (--server-log)".to_owned()),
        };
        let found = |fact: &'static str| {
            let in_log = in_log(&text, fact);
            let value = in_log.or_else(|| in_metrics(metrics?, fact));
            (fact, value.ok_or_else(|| why.clone()))
        };
        Self { facts: FACTS.map(found).to_vec() }
    }

    /// The same, of lines that are here already.
    pub(crate) fn of_lines(lines: &[String], metrics: Option<&str>) -> Self {
        let text = lines.join("\n");
        let found = |fact: &'static str| {
            let value = in_log(&text, fact).or_else(|| in_metrics(metrics?, fact));
            (fact, value.ok_or_else(|| "the server's log does not say".to_owned()))
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

/// The first line that tells `fact`: the ranks of a server say the same.
fn in_log(text: &str, fact: &str) -> Option<f64> {
    let lines = || LINES.iter().filter(|line| line.fact == fact);
    text.lines().find_map(|text| lines().find_map(|line| line.read(text)))
}

impl Line {
    fn read(&self, text: &str) -> Option<f64> {
        let rest = &text[text.find(self.before)? + self.before.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".,".contains(c)))?;
        let (number, rest) = match rest[..end].strip_suffix(',') {
            // The comma after a number is not of it.
            Some(number) => (number, &rest[end - 1..]),
            None => (&rest[..end], &rest[end..]),
        };
        let number: f64 = number.replace(',', "").parse().ok()?;
        rest.starts_with(self.after).then_some(number * self.unit)
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
    fn lines_of_engines_are_read() {
        for (fact, text, expected) in [
            (
                "model_memory_gib",
                "INFO 08-01 [gpu.py:1] Model loading took 14.99 GiB and 2.1 seconds",
                14.99,
            ),
            ("model_memory_gib", "Model loading took 0.0116 GiB memory and 0.42 seconds", 0.0116),
            ("model_memory_gib", "Loading model weights took 10.0000 GB", 10.0 * GB),
            ("kv_cache_gib", "(EngineCore pid=7) Available KV cache memory: 51.25 GiB", 51.25),
            ("kv_cache_gib", "the rest of the memory reserved for KV Cache is 5.50GiB.", 5.5),
            ("kv_cache_tokens", "GPU KV cache size: 524,288 tokens", 524_288.0),
            (
                "kv_cache_tokens",
                "CPU KV cache size: 4,224 tokens, Maximum concurrency for 2,048 tokens per request: 2.06x",
                4_224.0,
            ),
            (
                "kv_cache_tokens",
                "[MemUsageChange] Allocated 5.95 GiB for max tokens in paged KV cache (86720).",
                86_720.0,
            ),
            ("kv_cache_tokens", "max_total_num_tokens=40000, chunked_prefill_size=8192", 40_000.0),
        ] {
            let found = in_log(&format!("first line\n{text}\nlast line\n"), fact).expect(text);
            assert!((found - expected).abs() < 1e-9, "{text}: {found}");
        }
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
