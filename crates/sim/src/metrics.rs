//! What `/metrics` tells, by vLLM's names.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    config::{BLOCK_TOKENS, Config},
    generation::Generation,
    queue::Queue,
};

/// What is counted from the start of the server.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    prompt_tokens: AtomicU64,
    generation_tokens: AtomicU64,
    prefix_queries: AtomicU64,
    prefix_hits: AtomicU64,
}

impl Counters {
    /// Counts the prompt of a request that was admitted.
    pub(crate) fn count_prompt(&self, generation: &Generation) {
        let tokens = generation.prompt_tokens.into();
        self.prompt_tokens.fetch_add(tokens, Ordering::Relaxed);
        if let Some(cached) = generation.cached_tokens {
            self.prefix_queries.fetch_add(tokens, Ordering::Relaxed);
            self.prefix_hits.fetch_add(cached.into(), Ordering::Relaxed);
        }
    }

    /// Counts tokens that were sent.
    pub(crate) fn count_generated(&self, tokens: u32) {
        self.generation_tokens.fetch_add(tokens.into(), Ordering::Relaxed);
    }
}

/// What `/metrics` tells at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Readings {
    model: String,
    running: u32,
    waiting: usize,
    /// Share of the KV cache in 0..=1: requests count with the whole of their answer from the beginning.
    kv_usage: f64,
    prompt_tokens: u64,
    generation_tokens: u64,
    prefix_queries: u64,
    prefix_hits: u64,
    prefix_cache: bool,
    kv_blocks: u32,
}

impl Readings {
    pub(crate) fn new(config: &Config, queue: &Queue, counters: &Counters) -> Self {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            model: config.model.clone(),
            running: queue.running(),
            waiting: queue.waiting_count(),
            // No count of blocks is beyond 2^53.
            kv_usage: (queue.blocks() as f64 / f64::from(config.kv_blocks)).min(1.0),
            prompt_tokens: count(&counters.prompt_tokens),
            generation_tokens: count(&counters.generation_tokens),
            prefix_queries: count(&counters.prefix_queries),
            prefix_hits: count(&counters.prefix_hits),
            prefix_cache: config.prefix_cache,
            kv_blocks: config.kv_blocks,
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn to_text(&self) -> String {
        let mut page = Page::of_model(&self.model);
        page.metric(
            "num_requests_running",
            "gauge",
            "Number of requests in model execution batches.",
            f64::from(self.running),
        );
        page.metric(
            "num_requests_waiting",
            "gauge",
            "Number of requests waiting to be processed.",
            self.waiting as f64,
        );
        page.metric(
            "kv_cache_usage_perc",
            "gauge",
            "KV-cache usage. 1 means 100 percent usage.",
            self.kv_usage,
        );
        page.metric(
            "prefix_cache_queries_total",
            "counter",
            "Prefix cache queries, in terms of number of queried tokens.",
            self.prefix_queries as f64,
        );
        page.metric(
            "prefix_cache_hits_total",
            "counter",
            "Prefix cache hits, in terms of number of cached tokens.",
            self.prefix_hits as f64,
        );
        page.metric(
            "prompt_tokens_total",
            "counter",
            "Number of prefill tokens processed.",
            self.prompt_tokens as f64,
        );
        page.metric(
            "generation_tokens_total",
            "counter",
            "Number of generation tokens processed.",
            self.generation_tokens as f64,
        );
        page.cache_config(self.prefix_cache, self.kv_blocks);
        page.text
    }
}

struct Page {
    text: String,
    /// The labels of each metric.
    labels: String,
}

impl Page {
    fn of_model(model: &str) -> Self {
        let model = model.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
        Self { text: String::new(), labels: format!(r#"engine="0",model_name="{model}""#) }
    }

    fn metric(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.begin(name, kind, help);
        let labels = &self.labels;
        // With `?` a whole number has a decimal point, as in vLLM.
        writeln!(self.text, "vllm:{name}{{{labels}}} {value:?}").expect("a string takes all text");
    }

    fn cache_config(&mut self, prefix_cache: bool, kv_blocks: u32) {
        let name = "cache_config_info";
        self.begin(name, "gauge", "Information of the LLMEngine CacheConfig");
        let caching = if prefix_cache { "True" } else { "False" };
        let tokens = u64::from(kv_blocks) * u64::from(BLOCK_TOKENS);
        self.text += &format!(
            "vllm:{name}{{block_size=\"{BLOCK_TOKENS}\",cache_dtype=\"auto\",\
             enable_prefix_caching=\"{caching}\",engine=\"0\",kv_cache_size_tokens=\"{tokens}\",\
             num_cpu_blocks=\"None\",num_gpu_blocks=\"{kv_blocks}\"}} 1.0\n"
        );
    }

    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        self.text += &format!("# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_vllm() {
        let readings = Readings {
            model: "a \"b\"\\\nc".to_owned(),
            running: 16,
            waiting: 8,
            kv_usage: 0.0078125,
            prompt_tokens: 39_776,
            generation_tokens: 41_054,
            prefix_queries: 39_774,
            prefix_hits: 4_096,
            prefix_cache: true,
            kv_blocks: 4_096,
        };
        insta::assert_snapshot!(readings.to_text());
    }

    #[test]
    fn usage_does_not_go_beyond_the_cache() {
        let config = Config { kv_blocks: 10, ..Config::default() };
        let queue = Queue::new(None);
        let usage = || Readings::new(&config, &queue, &Counters::default()).kv_usage;
        let _five = queue.enter(5, 0);
        assert!((usage() - 0.5).abs() < 1e-12);
        let _more = queue.enter(50, 0);
        assert!((usage() - 1.0).abs() < 1e-12);
    }
}
