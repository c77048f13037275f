//! The section of a plan for a file of what to send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::values::{Positive, TokenLimit},
    is_default,
};

/// A file of conversations, single questions or recorded times, instead of synthetic prompts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InputFile {
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Built-in questions, instead of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<SuiteName>,
    /// Whether the questions about tools leave it to the model to call them. `auto` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoiceName>,
    /// How answers are compared with what is expected: exact, normalised, contains, regex, numeric, choice, json or f1,
    /// the last and numeric with a parameter, `numeric:0.01`. What the file says, else `normalised` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grader: Option<String>,
    /// What it holds. Found out by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Conversations, lines or rows to read, the first ones. All by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Positive>,
    /// In which order they are taken. `sequential` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingName>,
    /// Begin again at the end of the file. By default where a number of requests or a time is given, and nothing in
    /// it has several turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loops: Option<bool>,
    /// Begin each conversation with a few characters of its own, so that no server has its beginning in a cache. No by
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_bust: Option<bool>,
    /// Whose answers conversations go on with. `live` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryName>,
    /// Messages of a conversation, those of the assistant included; longer ones are cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<Positive>,
    /// The least tokens of an answer, with max_tokens; 0 is what the file says, less is no limit. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tokens: Option<TokenLimit>,
    /// The most tokens of an answer, with min_tokens; 0 is what the file says, less is no limit. 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<TokenLimit>,
    /// Which column holds what, in a file of columns. Those that are not named are guessed.
    #[serde(skip_serializing_if = "is_default")]
    pub columns: ColumnsFile,
    /// Tokens of a block that the hash ids of a trace name. 512 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_tokens: Option<Positive>,
}

impl InputFile {
    /// Whether it says what to send.
    pub fn is_given(&self) -> bool {
        self.file.is_some() || self.suite.is_some()
    }
}

/// The columns of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnsFile {
    /// What the user asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What it is about: put below the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Instructions that frame it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The answer that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What the answer should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Tokens to ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<String>,
    /// What the entry is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Built-in questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuiteName {
    /// Questions that are answered by calling functions.
    Tools,
    /// Questions with short answers that are known.
    Canary,
}

/// Whether tools are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoiceName {
    /// As the model thinks best.
    Auto,
    /// At least one, whichever.
    Required,
    /// The one that is expected, by its name.
    Named,
}

/// In which order the entries of a file are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplingName {
    /// As they stand.
    Sequential,
    /// In an order that is drawn anew for each pass.
    Shuffle,
    /// Any, each time.
    Random,
}

/// Whose answers conversations go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryName {
    /// The server's.
    Live,
    /// Those in the file.
    Recorded,
}

/// How think times scatter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThinkTimePattern {
    /// Always the same.
    Constant,
    /// Exponentially, as between the requests of many users.
    Exponential,
}
