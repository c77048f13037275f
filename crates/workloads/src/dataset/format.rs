//! What an entry of a file means.

use std::{fmt, str::FromStr};

use super::{
    aiperf, batch, chats,
    columns::{self, Columns},
    draft::Draft,
    error::{Wrong, list},
    inputs,
    record::{Fields, Record},
    sharegpt, trace,
};

/// What an entry of a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// ShareGPT: `conversations`, a list of `{"from", "value"}`.
    ShareGpt,
    /// Conversations in OpenAI's words: `messages`, a list of `{"role", "content"}`. The list of conversations
    /// that vLLM's multi-turn benchmark reads is one of these.
    Messages,
    /// A prompt in a column, and other things in others.
    Columns,
    /// Requests of OpenAI's batch API: `custom_id`, `method`, `url`, `body`.
    OpenAiBatch,
    /// The requests that AIPerf and genai-perf write to `inputs.json`: `session_id`, `payloads`.
    AiperfInputs,
    /// AIPerf's `single_turn`, `multi_turn` and `random_pool`.
    Aiperf,
    /// A trace of the Mooncake paper, as AIPerf extends it: `timestamp` in ms, `input_length`,
    /// `output_length`, `hash_ids`.
    Mooncake,
    /// A trace of BurstGPT: `Timestamp` in s, `Request tokens`, `Response tokens`.
    BurstGpt,
    /// A trace of Azure's LLM inference service: `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`.
    Azure,
    /// No conversations, but how vLLM's multi-turn benchmark generates them.
    Generate,
}

impl Format {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::ShareGpt,
        Self::Messages,
        Self::Columns,
        Self::OpenAiBatch,
        Self::AiperfInputs,
        Self::Aiperf,
        Self::Mooncake,
        Self::BurstGpt,
        Self::Azure,
        Self::Generate,
    ];

    /// What it goes by, for users to type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShareGpt => "sharegpt",
            Self::Messages => "messages",
            Self::Columns => "columns",
            Self::OpenAiBatch => "openai-batch",
            Self::AiperfInputs => "aiperf-inputs",
            Self::Aiperf => "aiperf",
            Self::Mooncake => "mooncake",
            Self::BurstGpt => "burstgpt",
            Self::Azure => "azure",
            Self::Generate => "generate",
        }
    }

    /// What the first entry of a file says. `columns` are those that the user named.
    pub(super) fn of(fields: &Fields<'_>, columns: &Columns) -> Result<Self, Wrong> {
        if columns.are_named() {
            return Ok(Self::Columns);
        }
        let likely: Vec<Self> =
            Self::ALL.into_iter().filter(|format| format.is_likely(fields)).collect();
        match likely[..] {
            [only] => Ok(only),
            [] if columns::guess(fields).prompt.is_some() => Ok(Self::Columns),
            [] => Err(Wrong::new(
                format!("is of no known format; there is {}", list(fields.names())),
                format!("name the column of the prompts, or the format: {}", list(Self::ALL)),
            )),
            _ => Err(Wrong::new(format!("may be one of {}", list(&likely)), "name the format")),
        }
    }

    /// Whether an entry has what only this format has.
    fn is_likely(self, fields: &Fields<'_>) -> bool {
        let all = |names: &[&str]| names.iter().all(|name| fields.has(name));
        let any = |names: &[&str]| names.iter().any(|name| fields.has(name));
        match self {
            Self::ShareGpt => all(&["conversations"]),
            Self::Messages => all(&["messages"]) && !any(&["payload", "timestamp", "message_mode"]),
            Self::Columns => false,
            Self::OpenAiBatch => all(&["custom_id", "body"]),
            Self::AiperfInputs => {
                any(&["payloads", "payload"]) && !any(&["timestamp", "output_length"])
            }
            Self::Aiperf => {
                any(&["turns", "texts", "images", "image", "audio", "audios", "video", "videos"])
                    || all(&["text"]) && any(&["timestamp", "delay", "session_id", "extra", "role"])
            }
            Self::Mooncake => {
                any(&["input_length", "text_input", "hash_ids"])
                    || any(&["messages", "payload"])
                        && any(&["timestamp", "message_mode", "output_length"])
            }
            Self::BurstGpt => all(&["Timestamp", "Request tokens", "Response tokens"]),
            Self::Azure => all(&["TIMESTAMP", "ContextTokens", "GeneratedTokens"]),
            Self::Generate => all(&["filetype"]),
        }
    }

    /// Whether each entry is a conversation, so that reading can end when there are enough.
    pub(super) const fn is_one_each(self) -> bool {
        !matches!(self, Self::Mooncake)
    }

    /// Takes an entry in.
    pub(super) fn read(self, record: &Record, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        match self {
            Self::ShareGpt => sharegpt::read(record, draft),
            Self::Messages => chats::read(record, draft),
            Self::Columns => columns::read(record, draft),
            Self::OpenAiBatch => batch::read(record, draft),
            Self::AiperfInputs => inputs::read(record, draft),
            Self::Aiperf => aiperf::read(record, draft),
            Self::Mooncake => trace::mooncake(record, draft),
            Self::BurstGpt => trace::burstgpt(record, draft),
            Self::Azure => trace::azure(record, draft),
            Self::Generate => Err(Wrong::new(
                "says how to generate conversations, and holds none",
                "give it as a file of its own, by its path",
            )),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no format goes by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no format of datasets: there is {}", list(Format::ALL))]
pub struct UnknownFormat {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}
