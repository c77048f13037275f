//! A simulated inference server that knows when it sent each token.
//!
//! It speaks the OpenAI API as vLLM does, over real sockets, and answers on a schedule instead of
//! from a model: the first token after [`Config::ttft`], each further one after [`Config::itl`].
//! What a client measures can then be laid beside the [`Truth`]: the moment at which each event
//! was handed to the kernel, on `CLOCK_MONOTONIC`.
//!
//! ```
//! use std::time::Duration;
//!
//! use bench_sim::{Config, Server};
//!
//! # fn main() -> std::io::Result<()> {
//! let config = Config { itl: Duration::from_millis(5), ..Config::default() };
//! let server = Server::start(config, ([127, 0, 0, 1], 0).into())?;
//! println!("measure {}", server.url());
//! # Ok(())
//! # }
//! ```
//!
//! It must not be the bottleneck of what is measured against it. Each of its threads therefore has
//! one *pacer*: a heap of answers by due time, one fine timer, and a plain `write` per batch of
//! events. A task and a timer for each stream would be simpler, but tokio's timers move in steps
//! of 1 ms, and 20 000 of them cost more than the writes. The price is that a thread which falls
//! behind delays all of its streams alike; the truth shows it, because it is taken at the write.
//!
//! As it is, its pace does not depend on its load. It can be given a capacity that is known in closed form
//! ([`Config::max_running`], [`Config::slowdown`]), a cache of prefixes, and moods: a cold start, a
//! freeze, heat. Then `/metrics` tells of it as vLLM's does.
//!
//! What it does not do: it models no hardware; its KV cache fills but never refuses; every answer is the
//! same text, cut to length, but to questions that it was told the answers of ([`Config::answers`]); one prompt and one choice a request; no TLS. One word is one token, in prompts
//! as in answers.

mod answer;
mod api;
mod clock;
mod conditions;
mod config;
mod connection;
mod delays;
mod events;
mod fault;
mod generation;
mod metrics;
mod pacer;
mod prefix_cache;
mod queue;
mod request;
mod response;
mod results;
mod said;
mod script;
mod server;
mod simulation;
mod startup_log;
mod truth;

pub use config::{Config, Freeze, Role};
pub use fault::Fault;
pub use said::{Answers, Call, Said};
pub use server::Server;
pub use truth::{Sent, Truth};
