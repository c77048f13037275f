//! The source that asks an agent.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use bench_core::{
    Moment, Reading, Readings, Said, SourceError, SourceNote, TelemetrySource, async_trait,
    reading, reading_name,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    offset::{Offset, OwnClock},
    wire::{ABOUT, About, CLOCK, Note, PROTOCOL, READINGS, Time, Told, Value},
};
use crate::{Fetch, FetchError};

/// How often the agent is asked for its time, of which the quickest answer counts.
const ASKED_FOR_TIME: usize = 16;
/// How long that may take in all, and each of them.
const ASKING_FOR: Duration = Duration::from_secs(3);
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// How often that is done anew.
const SYNCHRONIZED_EVERY: Duration = Duration::from_secs(30);
/// Uncertainty of the agent's clock from which on it is said.
const UNSURE_MS: f64 = 50.0;
/// Answers taken one after the other where more is to be had.
const MOST_PARTS: usize = 16;
/// Bytes of an answer: an agent's have less than 2 MiB.
const MOST_OF_ANSWER: usize = 4 << 20;
/// Series of readings that one agent may have: sixteen GPUs have some 400. A point keeps twice as many, so that an agent
/// that makes them up leaves room for this host's and the server's.
const MOST_SERIES: usize = 2_048;

/// What another host's agent reads, as a source of this one's.
///
/// Its readings keep their source's name, with the agent's behind it: `nvml@gpu2`. It adds how sure their moments
/// are, as `agent@gpu2`. An agent that ends, hangs or says nonsense is asked again once a period; one that wants
/// another token, or speaks another version, is not.
#[derive(Debug)]
pub struct Remote {
    /// What the host is called.
    host: String,
    name: Arc<str>,
    fetch: Arc<dyn Fetch>,
    period: Duration,
    clock: OwnClock,
    life: Option<Life>,
    /// Whether this is not the first of the agent's lives, so that all that it read in it is news.
    began_anew: bool,
    series: HashMap<Key, Series>,
    sources: HashMap<String, Arc<str>>,
    /// What was said once, and not again.
    complained: Complaints,
}

/// What has been complained of since it was in order.
#[derive(Debug, Default)]
struct Complaints {
    unsure: bool,
    missed: bool,
    odd: bool,
    many: bool,
}

/// What is known of an agent until it is started anew.
#[derive(Debug)]
struct Life {
    id: String,
    next: Option<u64>,
    offset: Offset,
    first: Offset,
}

/// Source, name and instance, as the agent has them.
type Key = (String, String, Option<String>);

#[derive(Debug)]
struct Series {
    source: Arc<str>,
    name: Cow<'static, str>,
    instance: Option<Arc<str>>,
    /// When its last value was.
    last: Moment,
}

/// Why an agent could not be read.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the agent wants another token, in INFERBENCH_AGENT_TOKEN or a token file")]
    Token,
    #[error(
        "the agent speaks version {0} of its protocol, this is version {PROTOCOL}: have the same inferbench on both"
    )]
    Version(u32),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the agent's answer to {0} is none: {1}")]
    Garbage(&'static str, String),
    #[error("the agent did not say its time within {} s", ANSWERED_WITHIN.as_secs())]
    Slow,
}

impl Trouble {
    fn is_fatal(&self) -> bool {
        matches!(self, Self::Token | Self::Version(_))
    }
}

impl Remote {
    /// What the agent of `host` reads, asked for through `fetch` once a `period`.
    pub fn new(host: &str, fetch: Arc<dyn Fetch>, period: Duration) -> Self {
        Self {
            host: host.to_owned(),
            name: format!("agent@{host}").into(),
            fetch,
            period,
            clock: OwnClock::default(),
            life: None,
            began_anew: false,
            series: HashMap::new(),
            sources: HashMap::new(),
            complained: Complaints::default(),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, what: &'static str, path: &str) -> Result<T, Trouble> {
        let body = match self.fetch.get(path).await {
            Ok(body) if body.len() > MOST_OF_ANSWER => {
                let why = format!("{} bytes are too many", body.len());
                return Err(Trouble::Garbage(what, why));
            }
            Ok(body) => body,
            Err(FetchError { status: Some(401 | 403), .. }) => return Err(Trouble::Token),
            Err(error) => return Err(error.into()),
        };
        // What serde says may quote it; where it broke is enough.
        serde_json::from_slice(&body).map_err(|error| {
            let at = format!("line {} column {}", error.line(), error.column());
            Trouble::Garbage(what, format!("no such JSON at {at}"))
        })
    }

    /// Asks for the agent's time, several times; the quickest answer tells most.
    async fn synchronize(&mut self, into: &mut Readings) -> Result<(), Trouble> {
        let began_ns = self.clock.now_ns();
        let mut best: Option<(String, Offset)> = None;
        for _ in 0..ASKED_FOR_TIME {
            let sent_ns = self.clock.now_ns();
            let asked = timeout(ANSWERED_WITHIN, self.ask::<Time>("its time", CLOCK)).await;
            let got_ns = self.clock.now_ns();
            match asked {
                Ok(Ok(time)) => {
                    let offset = Offset::new(sent_ns, time.ns, got_ns);
                    best = Some(match best {
                        Some((life, known)) if life == time.life => {
                            (life, known.or_tighter(offset))
                        }
                        _ => (time.life, offset),
                    });
                }
                Ok(Err(trouble)) => return Err(trouble),
                Err(_) => {}
            }
            if got_ns.saturating_sub(began_ns) > nanos(ASKING_FOR) {
                break;
            }
        }
        let (id, offset) = best.ok_or(Trouble::Slow)?;
        match &mut self.life {
            Some(life) if life.id == id => life.offset = offset,
            life => {
                let next = (life.is_some() || self.began_anew).then_some(0);
                *life = Some(Life { id, next, offset, first: offset });
            }
        }
        self.tell_clock(into);
        Ok(())
    }

    fn tell_clock(&mut self, into: &mut Readings) {
        let Some(Life { offset, first, .. }) = &self.life else { return };
        into.push(reading::AGENT_CLOCK_OFFSET_MS, offset.ms());
        into.push(reading::AGENT_CLOCK_BOUND_MS, offset.bound_ms());
        if let Some(drift) = offset.drift_ppm(first) {
            into.push(reading::AGENT_CLOCK_DRIFT_PPM, drift);
        }
        let bound = offset.bound_ms();
        if say_once(&mut self.complained.unsure, bound > UNSURE_MS) {
            let what = format!("its moments may be {bound:.0} ms off: its answers take that long");
            into.note(None, Said::Happened { what });
        }
    }

    /// Finds out who it is and what time it has; once a life.
    async fn meet(&mut self, into: &mut Readings) -> Result<(), Trouble> {
        let about: About = self.ask("who it is", ABOUT).await?;
        check_version(about.protocol)?;
        self.synchronize(into).await?;
        let text = format!("{} of inferbench {}", about.sources.join(", "), about.version);
        let text = text.chars().filter(|c| !c.is_control()).take(200).collect();
        into.note(None, Said::Is { what: "agent".into(), text });
        Ok(())
    }

    async fn tell(&mut self, into: &mut Readings) -> Result<(), Trouble> {
        match &self.life {
            None => self.meet(into).await?,
            Some(life) if self.clock.now_ns() >= life.offset.at_ns + nanos(SYNCHRONIZED_EVERY) => {
                self.synchronize(into).await?;
            }
            Some(_) => {}
        }
        for _ in 0..MOST_PARTS {
            let Some(life) = &self.life else { return Ok(()) };
            let path = life.next.map_or(READINGS.to_owned(), |n| format!("{READINGS}?since={n}"));
            let told: Told = self.ask("what was read", &path).await?;
            check_version(told.protocol)?;
            if told.life != life.id {
                // Numbers and moments of its former life mean nothing now.
                self.life = None;
                self.began_anew = true;
                into.note(None, Said::Happened { what: "the agent was started anew".to_owned() });
                return Ok(());
            }
            let more = told.more;
            self.take(told, into);
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, told: Told, into: &mut Readings) {
        let Some(life) = &mut self.life else { return };
        let offset = life.offset;
        let was_asked_before = life.next.replace(told.next).is_some();
        if say_once(&mut self.complained.missed, was_asked_before && told.missed > 0) {
            let what = format!("{} readings were gone before they were asked for", told.missed);
            into.note(None, Said::Happened { what });
        }
        let now = Moment::from_nanos(self.clock.now_ns()).max(into.at());
        for note in told.notes {
            let at = offset.moment(note.ns).min(now);
            self.relay_note(note, at, into);
        }
        let (mut odd, mut many) = (false, false);
        for value in told.readings {
            let at = offset.moment(value.ns).min(now);
            match self.series(value) {
                Ok((series, value)) => {
                    // Moments of a better offset may lie before those of the one before.
                    series.last = series.last.max(at);
                    into.relay(Reading {
                        source: Arc::clone(&series.source),
                        name: series.name.clone(),
                        instance: series.instance.clone(),
                        at: series.last,
                        value,
                    });
                }
                Err(Refused::Odd) => odd = true,
                Err(Refused::Many) => many = true,
            }
        }
        // Once and for all: they come with each answer.
        if odd && !std::mem::replace(&mut self.complained.odd, true) {
            let what = "readings whose names are none were left out".to_owned();
            into.note(None, Said::Happened { what });
        }
        if many && !std::mem::replace(&mut self.complained.many, true) {
            let what = format!("readings of more than {MOST_SERIES} kinds were left out");
            into.note(None, Said::Happened { what });
        }
    }

    fn relay_note(&mut self, note: Note, at: Moment, into: &mut Readings) {
        if !is_word(&note.source) || !note.instance.as_deref().is_none_or(is_instance) {
            return;
        }
        let Some(said) = note.said.said() else { return };
        let source = self.source(&note.source);
        let instance = note.instance.map(Arc::from);
        into.relay_note(SourceNote { source, instance, at, said });
    }

    /// The series of `value`, and its value.
    fn series(&mut self, value: Value) -> Result<(&mut Series, f64), Refused> {
        let Value { source, name, instance, value, .. } = value;
        if !is_word(&source) || !is_name(&name) || !instance.as_deref().is_none_or(is_instance) {
            return Err(Refused::Odd);
        }
        let is_full = self.series.len() >= MOST_SERIES;
        let shown = self.source(&source);
        match self.series.entry((source, name, instance)) {
            Entry::Occupied(series) => Ok((series.into_mut(), value)),
            Entry::Vacant(_) if is_full => Err(Refused::Many),
            Entry::Vacant(place) => {
                let (_, name, instance) = place.key();
                let name = match reading_name(name) {
                    Some(known) => known.id.into(),
                    None => name.clone().into(),
                };
                let instance = instance.as_deref().map(Arc::from);
                let last = Moment::default();
                Ok((place.insert(Series { source: shown, name, instance, last }), value))
            }
        }
    }

    /// The name that a source of the agent has here.
    fn source(&mut self, source: &str) -> Arc<str> {
        if let Some(known) = self.sources.get(source) {
            return Arc::clone(known);
        }
        let shown: Arc<str> = format!("{source}@{}", self.host).into();
        if self.sources.len() < MOST_SERIES {
            self.sources.insert(source.to_owned(), Arc::clone(&shown));
        }
        shown
    }
}

/// Why a reading is left out.
enum Refused {
    Odd,
    Many,
}

#[async_trait]
impl TelemetrySource for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn period(&self) -> Duration {
        self.period
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        self.clock.read_at(into.at());
        self.tell(into).await.map_err(|trouble| SourceError {
            source_name: self.name.to_string(),
            fatal: trouble.is_fatal(),
            cause: trouble.into(),
        })
    }
}

fn check_version(protocol: u32) -> Result<(), Trouble> {
    if protocol == PROTOCOL { Ok(()) } else { Err(Trouble::Version(protocol)) }
}

/// Whether it is time to say something that `holds`: once, until it has not held.
fn say_once(said: &mut bool, holds: bool) -> bool {
    let before = std::mem::replace(said, holds);
    holds && !before
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    is_word(text) && text.bytes().all(plain)
}

fn is_instance(text: &str) -> bool {
    text.len() <= 128 && !text.chars().any(char::is_control)
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
