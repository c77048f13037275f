//! What the server under test tells Prometheus.

mod dialect;
mod gather;
mod tables;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bench_core::{
    Moment, ReadingKind, Readings, Said, ServerTime, SourceError, TelemetrySource, async_trait,
    reading, reading_name,
};

use self::{
    dialect::Dialect,
    gather::{Gathered, Histogram, gather},
};
use crate::{
    Fetch,
    prometheus::{Exposition, ParseError},
    scrape::{ScrapeError, Why, scrape},
};

/// The source's name.
const NAME: &str = "server";
/// What is read.
const ENGINES: &str = "vLLM, SGLang, TensorRT-LLM, llama.cpp, NIM or Triton";
/// What readings have to hold for client and server to be compared.
const COMPARED: [&str; 3] =
    [reading::SERVER_REQUESTS, reading::SERVER_PROMPT_TOKENS, reading::SERVER_OUTPUT_TOKENS];

/// Where a server's metrics are, and how they are read.
#[derive(Clone, Debug)]
pub struct ServerMetricsConfig {
    /// The paths at which they may be; the first that has metrics of a known engine counts.
    pub paths: Vec<String>,
    /// The model under test: where the server tells of several and this is one of them, only it counts.
    pub model: Option<String>,
    /// Time from one read to the next.
    pub period: Duration,
    /// How long one answer may take.
    pub time_out: Duration,
}

impl Default for ServerMetricsConfig {
    /// Every 500 ms, with 2 s for an answer, where vLLM, SGLang, llama.cpp, TensorRT-LLM and NIM have them.
    fn default() -> Self {
        Self {
            paths: ["/metrics", "/prometheus/metrics", "/v1/metrics"].map(String::from).into(),
            model: None,
            period: Duration::from_millis(500),
            time_out: Duration::from_secs(2),
        }
    }
}

/// A server's own metrics, of vLLM, SGLang, TensorRT-LLM, llama.cpp, NIM or Triton, which the text itself tells.
///
/// Counters and histograms are what the server says, since it began to count. One that begins anew, as when the
/// server was restarted, reads 0 once, at the moment at which it is first seen to have. The buckets of a histogram
/// are read when they have changed, and all of them at the first read: one that is missing is as it was.
#[derive(Debug)]
pub struct ServerMetrics {
    fetch: Arc<dyn Fetch>,
    config: ServerMetricsConfig,
    /// The path that answered.
    found: Option<String>,
    /// Since when the server counts, as of the last read.
    since: Option<f64>,
    /// When it was read last.
    read: Option<Moment>,
    /// Counters that were read so far.
    counters: BTreeSet<&'static str>,
    buckets: BTreeMap<(ServerTime, u64), Bucket>,
}

/// A bucket as of the last read.
#[derive(Debug)]
struct Bucket {
    bound: Arc<str>,
    count: f64,
}

impl ServerMetrics {
    /// Reads what `fetch` answers with.
    pub fn new(fetch: Arc<dyn Fetch>, config: ServerMetricsConfig) -> Self {
        Self {
            fetch,
            config,
            found: None,
            since: None,
            read: None,
            counters: BTreeSet::new(),
            buckets: BTreeMap::new(),
        }
    }

    /// The path that answered, or the first of which another is not wrong.
    async fn read_any(&self) -> Result<(String, &'static Dialect, Gathered), ScrapeError> {
        if let Some(path) = &self.found {
            let (dialect, gathered) = self.read_at(path).await?;
            return Ok((path.clone(), dialect, gathered));
        }
        let mut first = None;
        for path in &self.config.paths {
            match self.read_at(path).await {
                Ok((dialect, gathered)) => return Ok((path.clone(), dialect, gathered)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(no_path))
    }

    async fn read_at(&self, path: &str) -> Result<(&'static Dialect, Gathered), ScrapeError> {
        let read = async {
            let body = scrape(&*self.fetch, path, self.config.time_out).await.map_err(hinted)?;
            let text = Exposition::parse(&body).map_err(|error| not_text(&body, error))?;
            let dialect = Dialect::of(&text).ok_or(Why::Nothing(ENGINES))?;
            let gathered = gather(&text, dialect, self.config.model.as_deref());
            Ok((dialect, gathered.map_err(Why::Garbled)?))
        };
        read.await.map_err(|why| ScrapeError { path: path.to_owned(), why })
    }

    /// What is to be said of a server that is read for the first time.
    fn introduce(&self, dialect: &Dialect, gathered: &Gathered, into: &mut Readings) {
        let is = |what: &'static str, text: &str| Said::Is { what: what.into(), text: text.into() };
        into.note(None, is("server_engine", dialect.engine));
        if let Some(model) = &self.config.model
            && gathered.models.len() > 1
            && !gathered.models.contains(model)
        {
            let models: Vec<_> = gathered.models.iter().map(String::as_str).collect();
            into.note(None, is("server_models_together", &models.join(", ")));
        }
        for name in COMPARED {
            if gathered.values.iter().all(|(there, _)| *there != name) {
                let why = format!("{} does not count it", dialect.engine);
                into.note(None, Said::Absent { name: name.into(), why });
            }
        }
    }

    fn push(&mut self, gathered: &Gathered, into: &mut Readings) {
        let anew = self.since.zip(gathered.since).is_some_and(|(before, now)| before < now);
        if anew {
            let what = "the server was restarted, or its counters were reset".to_owned();
            into.note(None, Said::Happened { what });
        }
        let zero = Zero { read: self.read, anew: anew.then(|| into.at() - NEXT_TO) };
        for &(name, value) in &gathered.values {
            let is_counter =
                reading_name(name).is_some_and(|name| name.kind == ReadingKind::Counter);
            if is_counter {
                self.push_counter(name, value, zero, into);
            } else {
                into.push(name, value);
            }
        }
        for histogram in &gathered.histograms {
            self.push_histogram(histogram, zero, into);
        }
        self.since = gathered.since.or(self.since);
        self.read = Some(into.at());
    }

    fn push_counter(&mut self, name: &'static str, value: f64, zero: Zero, into: &mut Readings) {
        let is_new = self.counters.insert(name);
        if let Some(at) = zero.at(is_new) {
            into.push_at(at, None, name.into(), 0.0);
        }
        into.push(name, value);
    }

    fn push_histogram(&mut self, histogram: &Histogram, zero: Zero, into: &mut Readings) {
        let [sum, count, bucket] = histogram.time.names();
        self.push_counter(sum, histogram.sum, zero, into);
        self.push_counter(count, histogram.count, zero, into);
        for &(bound, count) in &histogram.buckets {
            let key = (histogram.time, bound.to_bits());
            let is_new = !self.buckets.contains_key(&key);
            let before = self
                .buckets
                .entry(key)
                .or_insert_with(|| Bucket { bound: bound_text(bound).into(), count });
            let zero = zero.at(is_new);
            if let Some(at) = zero {
                into.push_at(at, Some(&before.bound), bucket.into(), 0.0);
            }
            if is_new || zero.is_some() || before.count.to_bits() != count.to_bits() {
                into.push_of(&before.bound, bucket, count);
                before.count = count;
            }
        }
    }
}

/// A moment right before another one: of two values of one moment the second would say nothing.
const NEXT_TO: Duration = Duration::from_nanos(1);

/// When counters are known to have been 0.
#[derive(Clone, Copy, Debug)]
struct Zero {
    /// When the server was read last, if it was: counters that it did not have then it had not counted, for
    /// servers make some of them when they first count.
    read: Option<Moment>,
    /// When they began anew, if they have since.
    anew: Option<Moment>,
}

impl Zero {
    /// When a counter was 0, one that was not there before `is_new`.
    fn at(self, is_new: bool) -> Option<Moment> {
        if is_new { self.read } else { self.anew }
    }
}

fn no_path() -> ScrapeError {
    ScrapeError { path: String::new(), why: Why::NoPath }
}

/// TensorRT-LLM's `/metrics` is another thing.
fn not_text(body: &[u8], error: ParseError) -> Why {
    match body.trim_ascii_start().first() {
        Some(b'[' | b'{') => Why::Json,
        _ => Why::Text(error),
    }
}

/// Says what may help with a status.
fn hinted(why: Why) -> Why {
    let Why::Fetch(mut error) = why else { return why };
    error.said.push_str(match error.status {
        Some(401 | 403) => ": metrics may need an API key of their own",
        Some(404 | 501) => {
            ": Ollama has no metrics; llama.cpp has them with --metrics, SGLang with --enable-metrics"
        }
        _ => "",
    });
    Why::Fetch(error)
}

/// As in `le`.
fn bound_text(bound: f64) -> String {
    if bound == f64::INFINITY { "+Inf".to_owned() } else { bound.to_string() }
}

#[async_trait]
impl TelemetrySource for ServerMetrics {
    fn name(&self) -> &str {
        NAME
    }

    fn period(&self) -> Duration {
        self.config.period
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        let (path, dialect, gathered) = self.read_any().await.map_err(|error| SourceError {
            source_name: NAME.to_owned(),
            // A server that has had metrics may be restarting, or be behind something that is.
            fatal: self.found.is_none() && error.is_for_good(),
            cause: Box::new(error),
        })?;
        if self.found.is_none() {
            self.introduce(dialect, &gathered, into);
        }
        self.push(&gathered, into);
        self.found = Some(path);
        Ok(())
    }
}
