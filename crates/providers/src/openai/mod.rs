//! OpenAI's chat and completions, as every engine serves them: the base of the other dialects.
//!
//! Wire facts: the captures under `tests/data` and, for vLLM's stream, its `chat_completion` module. An
//! answer is complete with `data: [DONE]`, or, from servers that never send it (transformers), with a
//! finish reason and a clean end of the body.

mod client;
mod wire;

#[cfg(test)]
mod tests;

pub use client::{Api, Config, ConfigError, OpenAi};
