//! What every provider promises ([`conformance`]), and stand-ins for tests: a provider and a telemetry source
//! that follow a script, a workload of equal requests, a sink that keeps what it hears.

pub mod conformance;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use tokio::time::sleep;

use crate::{
    Answer, ArrivalKind, FinishReason, MetricSink, Model, Outcome, Prompt, Provider, ProviderError,
    Readiness, Readings, Request, RunEvent, Sample, ServerInfo, Session, Single, SinkError,
    SourceError, Stamp, TelemetrySource, Usage,
};

/// How a scripted server answers one request.
#[derive(Clone, Debug)]
pub struct Script {
    /// Time from sending to the first token.
    pub ttft: Duration,
    /// Time from each token to the next.
    pub itl: Duration,
    /// Tokens to send.
    pub tokens: u32,
    /// How it ends after them; before everything, where it is that nobody could be reached.
    pub end: Outcome,
    /// Whether it says how many tokens there were.
    pub usage: bool,
}

impl Script {
    /// `tokens` tokens, the first after 50 ms, each further one after 10 ms.
    pub fn tokens(tokens: u32) -> Self {
        let (ttft, itl) = (Duration::from_millis(50), Duration::from_millis(10));
        Self { ttft, itl, tokens, end: Outcome::Ok, usage: true }
    }

    /// The same answer with its first token after `ttft`.
    pub fn after(mut self, ttft: Duration) -> Self {
        self.ttft = ttft;
        self
    }

    /// The same answer with another end.
    pub fn ending(mut self, end: Outcome) -> Self {
        self.end = end;
        self
    }
}

/// A server that answers each request by a script, told by the request's id.
pub struct Scripted {
    script: Box<dyn Fn(&str) -> Script + Send + Sync>,
}

impl Scripted {
    /// A server that answers every request alike.
    pub fn always(script: Script) -> Self {
        Self::by(move |_| script.clone())
    }

    /// A server that answers by request id.
    pub fn by(script: impl Fn(&str) -> Script + Send + Sync + 'static) -> Self {
        Self { script: Box::new(script) }
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl Provider for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> {
        Ok(Request::new(prompt, ""))
    }

    async fn describe(&self) -> Result<ServerInfo, ProviderError> {
        let models = vec![Model { id: "scripted".to_owned(), context_length: None }];
        Ok(ServerInfo { models, ..ServerInfo::default() })
    }

    async fn ready(&self) -> Readiness {
        match (self.script)("").end {
            end if end.is_unreachable() => Readiness::Down("as scripted".to_owned()),
            _ => Readiness::Up,
        }
    }

    async fn send(&self, _request: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
        let script = (self.script)(answer.request_id());
        let clock = answer.clock();
        if script.end.is_unreachable() {
            return Err(ProviderError::new(script.end, "as scripted"));
        }
        answer.sent(clock.now());
        for token in 0..script.tokens {
            sleep(if token == 0 { script.ttft } else { script.itl }).await;
            answer.generated(Stamp::of_read(clock.now()), ArrivalKind::Content, " word", Some(1));
        }
        if script.end != Outcome::Ok {
            return Err(ProviderError::new(script.end, "as scripted"));
        }
        if script.usage {
            answer.usage(Usage { prompt: 8, completion: script.tokens, ..Usage::default() });
        }
        answer.finish(FinishReason::Length);
        answer.done(clock.now());
        Ok(())
    }
}

/// How a scripted source behaves when it is read.
#[derive(Clone, Debug, Default)]
pub struct ScriptedRead {
    /// Name, instance and value of each reading.
    pub values: Vec<(&'static str, Option<&'static str>, f64)>,
    /// How long the read goes on after them.
    pub takes: Duration,
    /// Whether it fails then: `Some(true)` for good.
    pub fails: Option<bool>,
}

impl ScriptedRead {
    /// One value, at once.
    pub fn of(name: &'static str, value: f64) -> Self {
        Self { values: vec![(name, None, value)], ..Self::default() }
    }
}

/// A telemetry source that behaves by a script, told how often it was read before.
pub struct ScriptedSource {
    period: Duration,
    reads: u64,
    script: Box<dyn FnMut(u64) -> ScriptedRead + Send>,
}

impl ScriptedSource {
    /// A source that is read once a `period`.
    pub fn new(period: Duration, script: impl FnMut(u64) -> ScriptedRead + Send + 'static) -> Self {
        Self { period, reads: 0, script: Box::new(script) }
    }
}

impl fmt::Debug for ScriptedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedSource")
    }
}

#[async_trait]
impl TelemetrySource for ScriptedSource {
    fn name(&self) -> &str {
        "scripted"
    }

    fn period(&self) -> Duration {
        self.period
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        let read = (self.script)(self.reads);
        self.reads += 1;
        for (name, instance, value) in read.values {
            match instance {
                Some(instance) => into.push_of(&instance.into(), name, value),
                None => into.push(name, value),
            }
        }
        sleep(read.takes).await;
        read.fails.map_or(Ok(()), |fatal| {
            let source_name = self.name().to_owned();
            Err(SourceError { source_name, fatal, cause: "as scripted".into() })
        })
    }
}

/// Sessions of one empty request each, without end.
pub fn endless() -> impl Iterator<Item = Box<dyn Session>> + Send {
    std::iter::repeat_with(|| Box::new(Single::new(Request::default())) as Box<dyn Session>)
}

/// Keeps every event it hears.
#[derive(Debug, Default)]
pub struct Collected {
    /// The events, in order.
    pub events: Vec<RunEvent>,
}

impl Collected {
    /// The samples among the events.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.events.iter().filter_map(|event| match event {
            RunEvent::Sample(sample) => Some(sample),
            _ => None,
        })
    }
}

impl MetricSink for Collected {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        self.events.push(event.clone());
        Ok(())
    }
}
