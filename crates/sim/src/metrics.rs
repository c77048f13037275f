//! What `/metrics` tells, by vLLM's names.

use std::{
    fmt::Write,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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
    finished: Mutex<Finished>,
}

/// Requests that were answered to their end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Finished {
    requests: u64,
    ttft: Histogram<TTFT_BOUNDS>,
    e2e: Histogram<BOUNDS>,
    queue: Histogram<BOUNDS>,
}

/// When an answered request did what, in nanoseconds of one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) received_ns: u64,
    pub(crate) admitted_ns: u64,
    /// Absent where it had no token.
    pub(crate) first_ns: Option<u64>,
    pub(crate) last_ns: u64,
}

/// vLLM's bounds, in seconds.
const TTFT_SECONDS: [f64; TTFT_BOUNDS] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const SECONDS: [f64; BOUNDS] = [
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
const TTFT_BOUNDS: usize = 22;
const BOUNDS: usize = 21;

/// How often values were at most each bound, how many there were, and their sum.
#[derive(Clone, Debug, PartialEq)]
struct Histogram<const N: usize> {
    buckets: [u64; N],
    count: u64,
    sum: f64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { buckets: [0; N], count: 0, sum: 0.0 }
    }
}

impl<const N: usize> Histogram<N> {
    fn add(&mut self, bounds: &[f64; N], from_ns: u64, to_ns: u64) {
        let seconds = to_ns.saturating_sub(from_ns) as f64 / 1e9;
        for (bucket, bound) in self.buckets.iter_mut().zip(bounds) {
            *bucket += u64::from(seconds <= *bound);
        }
        self.count += 1;
        self.sum += seconds;
    }
}

impl Counters {
    /// Counts a request that was answered to its end.
    pub(crate) fn count_finished(&self, times: Times) {
        let Times { received_ns, admitted_ns, first_ns, last_ns } = times;
        let mut finished = self.finished();
        finished.requests += 1;
        if let Some(first_ns) = first_ns {
            finished.ttft.add(&TTFT_SECONDS, received_ns, first_ns);
        }
        finished.e2e.add(&SECONDS, received_ns, last_ns);
        finished.queue.add(&SECONDS, received_ns, admitted_ns);
    }

    fn finished(&self) -> MutexGuard<'_, Finished> {
        // Nothing panics while it is held.
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    finished: Finished,
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
            finished: counters.finished().clone(),
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
        page.success(self.finished.requests);
        let Finished { ttft, e2e, queue, .. } = &self.finished;
        page.histogram(
            "time_to_first_token_seconds",
            "Histogram of time to first token in seconds.",
            &TTFT_SECONDS,
            ttft,
        );
        page.histogram(
            "e2e_request_latency_seconds",
            "Histogram of e2e request latency in seconds.",
            &SECONDS,
            e2e,
        );
        page.histogram(
            "request_queue_time_seconds",
            "Histogram of time spent in WAITING phase for request.",
            &SECONDS,
            queue,
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

    /// All of them as if they had come to their length: the simulator makes no difference.
    fn success(&mut self, requests: u64) {
        let name = "request_success_total";
        self.begin(name, "counter", "Count of successfully processed requests.");
        let labels = self.labels.replacen(',', r#",finished_reason="length","#, 1);
        writeln!(self.text, "vllm:{name}{{{labels}}} {:?}", requests as f64)
            .expect("a string takes all text");
    }

    fn histogram<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        bounds: &[f64; N],
        of: &Histogram<N>,
    ) {
        self.begin(name, "histogram", help);
        let bounds = bounds.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
        for (bound, n) in bounds.zip(of.buckets.iter().chain([&of.count])) {
            let labels = self.labels.replacen(',', &format!(r#",le="{bound}","#), 1);
            self.text += &format!("vllm:{name}_bucket{{{labels}}} {:?}\n", *n as f64);
        }
        let labels = &self.labels;
        self.text += &format!("vllm:{name}_count{{{labels}}} {:?}\n", of.count as f64);
        self.text += &format!("vllm:{name}_sum{{{labels}}} {:?}\n", of.sum);
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
            finished: Finished::default(),
        };
        insta::assert_snapshot!(readings.to_text());
    }

    #[test]
    fn what_was_answered_is_in_the_buckets_that_it_is_not_beyond() {
        let counters = Counters::default();
        let ms = |ms: u64| ms * 1_000_000;
        counters.count_finished(Times {
            received_ns: ms(1_000),
            admitted_ns: ms(1_400),
            first_ns: Some(ms(1_405)),
            last_ns: ms(3_000),
        });
        counters.count_finished(Times {
            received_ns: ms(1_000),
            admitted_ns: ms(1_000),
            first_ns: None,
            last_ns: ms(1_010),
        });
        let text = Readings::new(&Config::default(), &Queue::new(None), &counters).to_text();
        let said = |name: &str, labels: &str| {
            let mut lines = text.lines().filter(|line| line.starts_with(&format!("vllm:{name}{{")));
            let line = lines.rfind(|line| line.contains(labels)).expect(name);
            line.rsplit_once(' ').map(|(_, value)| value.to_owned()).unwrap()
        };
        assert_eq!(said("request_success_total", "length"), "2.0");
        assert_eq!(said("time_to_first_token_seconds_count", ""), "1.0");
        assert_eq!(said("time_to_first_token_seconds_sum", ""), "0.405");
        assert_eq!(said("time_to_first_token_seconds_bucket", r#"le="0.25""#), "0.0");
        assert_eq!(said("time_to_first_token_seconds_bucket", r#"le="0.5""#), "1.0");
        assert_eq!(said("e2e_request_latency_seconds_bucket", r#"le="1.5""#), "1.0");
        assert_eq!(said("e2e_request_latency_seconds_bucket", r#"le="+Inf""#), "2.0");
        assert_eq!(said("request_queue_time_seconds_bucket", r#"le="0.3""#), "1.0");
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
