//! A server that answers as it is told to.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use bench_core::{
    Clock, Moment, Reading, Readings, Said, SourceError, TelemetrySource, async_trait,
};

use crate::{Fetch, FetchError};

/// One answer of a server.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Body(Vec<u8>),
    Status(u16),
    Unreachable,
    Late(Duration, Vec<u8>),
}

/// Answers what it is told to in turn, and the last of it for ever; notes what it was asked for.
#[derive(Debug)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect());
        Self { answers, asked: Mutex::default() }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Fetch for Scripted {
    async fn get(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        self.asked.lock().unwrap().push(path.to_owned());
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            let next = answers.front().cloned().expect("it has an answer");
            if answers.len() > 1 {
                answers.pop_front();
            }
            next
        };
        let said = |status: Option<u16>, said: &str| FetchError { status, said: said.to_owned() };
        match answer {
            Answer::Body(body) => Ok(body),
            Answer::Status(status) => Err(said(Some(status), &format!("HTTP {status}"))),
            Answer::Unreachable => Err(said(None, "connection refused")),
            Answer::Late(after, body) => {
                tokio::time::sleep(after).await;
                Ok(body)
            }
        }
    }
}

/// A text, as a body.
pub(crate) fn body(text: &str) -> Answer {
    Answer::Body(text.as_bytes().to_vec())
}

/// Reads `source` once.
pub(crate) async fn read(source: &mut impl TelemetrySource) -> (Readings, Result<(), SourceError>) {
    read_at(source, Clock::start().now()).await
}

/// Reads `source` once, as if it were `at`.
pub(crate) async fn read_at(
    source: &mut impl TelemetrySource,
    at: Moment,
) -> (Readings, Result<(), SourceError>) {
    let mut into = Readings::new(source.name().to_owned(), at);
    let read = source.read(&mut into).await;
    (into, read)
}

/// The last value of `name`, of `instance` or of the only one.
pub(crate) fn value(readings: &Readings, name: &str, instance: Option<&str>) -> Option<f64> {
    let is_it = |r: &&Reading| r.name == name && r.instance.as_deref() == instance;
    readings.readings().iter().rev().find(is_it).map(|r| r.value)
}

/// What was said.
pub(crate) fn said(readings: &Readings) -> Vec<Said> {
    readings.notes().iter().map(|note| note.said.clone()).collect()
}

/// What `error` says, with its causes.
pub(crate) fn told(error: &SourceError) -> String {
    let mut parts = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(&*error.cause);
    while let Some(error) = next {
        parts.push(error.to_string());
        next = error.source();
    }
    parts.join(": ")
}
