//! What an agent says, as JSON: who it is, what time it has, what was read.

use bench_core::Said;
#[cfg(feature = "agent")]
use bench_core::{Reading, SourceNote};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of what is said here; it grows when what was said before is not understood any more.
pub(super) const PROTOCOL: u32 = 1;

pub(super) const ABOUT: &str = "/v1/about";
pub(super) const CLOCK: &str = "/v1/clock";
pub(super) const READINGS: &str = "/v1/readings";

/// Who an agent is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) protocol: u32,
    /// The version of inferbench.
    pub(super) version: String,
    pub(super) host: String,
    /// The names of its sources.
    pub(super) sources: Vec<String>,
}

/// What time it has.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Time {
    /// Which of the agent's lives this is: numbers and moments of another one mean nothing.
    pub(super) life: String,
    /// Nanoseconds since the beginning of it.
    pub(super) ns: u64,
}

/// What was read since somebody asked last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) protocol: u32,
    pub(super) life: String,
    /// What to ask for next: `?since=`.
    pub(super) next: u64,
    /// How much was read and is gone.
    pub(super) missed: u64,
    /// Whether there is more to be had at once.
    pub(super) more: bool,
    pub(super) readings: Vec<Value>,
    pub(super) notes: Vec<Note>,
}

/// A reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Value {
    pub(super) source: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
    pub(super) ns: u64,
    pub(super) value: f64,
}

/// What a source has to say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
    pub(super) ns: u64,
    #[serde(flatten)]
    pub(super) said: Saying,
}

/// [`Said`], as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub(super) enum Saying {
    Is {
        what: String,
        text: String,
    },
    Absent {
        name: String,
        why: String,
    },
    Happened {
        what: String,
    },
    Lost {
        why: String,
    },
    Failed {
        why: String,
        fatal: bool,
    },
    Recovered {
        failed_for_ns: u64,
    },
    /// What a later version may say.
    #[serde(other)]
    Unknown,
}

#[cfg(feature = "agent")]
impl Value {
    /// `None` for what is no number.
    pub(super) fn of(reading: &Reading) -> Option<Self> {
        reading.value.is_finite().then(|| Self {
            source: reading.source.to_string(),
            name: reading.name.to_string(),
            instance: reading.instance.as_deref().map(str::to_owned),
            ns: reading.at.as_nanos(),
            value: reading.value,
        })
    }
}

#[cfg(feature = "agent")]
impl Note {
    /// `None` for what this version has no words for.
    pub(super) fn of(note: &SourceNote) -> Option<Self> {
        let said = match note.said.clone() {
            Said::Is { what, text } => Saying::Is { what: what.into_owned(), text },
            Said::Absent { name, why } => Saying::Absent { name: name.into_owned(), why },
            Said::Happened { what } => Saying::Happened { what },
            Said::Lost { why } => Saying::Lost { why },
            Said::Failed { why, fatal } => Saying::Failed { why, fatal },
            Said::Recovered { failed_for } => {
                let ns = u64::try_from(failed_for.as_nanos()).unwrap_or(u64::MAX);
                Saying::Recovered { failed_for_ns: ns }
            }
            _ => return None,
        };
        Some(Self {
            source: note.source.to_string(),
            instance: note.instance.as_deref().map(str::to_owned),
            ns: note.at.as_nanos(),
            said,
        })
    }
}

/// Characters of a text that an agent says; no host's name and no error is longer.
const MOST_OF_TEXT: usize = 300;

/// A text of the agent's, as far as it is shown.
fn text(said: String) -> String {
    let mut shown = said;
    if let Some((end, _)) = shown.char_indices().nth(MOST_OF_TEXT) {
        shown.truncate(end);
        shown.push('…');
    }
    shown.replace(char::is_control, " ")
}

impl Saying {
    /// What it means; `None` for what only a later version knows.
    pub(super) fn said(self) -> Option<Said> {
        Some(match self {
            Self::Is { what, text: is } => Said::Is { what: text(what).into(), text: text(is) },
            Self::Absent { name, why } => Said::Absent { name: text(name).into(), why: text(why) },
            Self::Happened { what } => Said::Happened { what: text(what) },
            Self::Lost { why } => Said::Lost { why: text(why) },
            // It is the agent that reads no more, and the agent that may be asked on.
            Self::Failed { why, fatal } => Said::Failed { why: text(why), fatal },
            Self::Recovered { failed_for_ns } => {
                Said::Recovered { failed_for: Duration::from_nanos(failed_for_ns) }
            }
            Self::Unknown => return None,
        })
    }
}
