//! HTTP/2: the moments of what comes, which connections requests take, and servers that misbehave.

mod connections;
mod faults;
mod moments;
mod wire;

use std::sync::Arc;

use bench_core::{Answer, Clock, Moment, Outcome, Prompt, Provider, Sample};
use bench_providers::{Config, HttpProvider, Transport};
use tokio::task::JoinHandle;

use crate::server::config;

fn http2() -> Transport {
    Transport { http2: true, ..Transport::default() }
}

fn provider(url: &str) -> Arc<HttpProvider> {
    Arc::new(HttpProvider::new(Config { transport: http2(), ..config(url) }).unwrap())
}

/// One request, as a task of its own: as the run loop sends it.
fn ask(provider: &Arc<HttpProvider>, clock: Clock) -> JoinHandle<Sample> {
    let provider = Arc::clone(provider);
    tokio::spawn(async move { ask_for(&provider, clock, &Prompt::user("hi"), 0).await })
}

async fn ask_for(provider: &HttpProvider, clock: Clock, prompt: &Prompt, session: u64) -> Sample {
    let request = provider.encode(prompt).unwrap();
    let mut answer = Answer::new(clock);
    let mut sample = Sample::due(Moment::default());
    (sample.request_id, sample.session) = ("TEST-0m-7.0".to_owned(), session);
    answer.begin(sample, &request);
    let (outcome, error) = match provider.send(&request, &mut answer).await {
        Ok(()) => (Outcome::Ok, None),
        Err(error) => (error.outcome, Some(error.said)),
    };
    answer.take_sample(outcome, error)
}

/// What comes of so many requests at once.
async fn ask_at_once(provider: &Arc<HttpProvider>, requests: usize) -> Vec<Sample> {
    let clock = Clock::start();
    let asked: Vec<_> = (0..requests).map(|_| ask(provider, clock)).collect();
    let mut samples = Vec::new();
    for task in asked {
        samples.push(task.await.unwrap());
    }
    samples
}

/// What comes of one request.
async fn ask_once(provider: &Arc<HttpProvider>) -> Sample {
    ask(provider, Clock::start()).await.unwrap()
}
