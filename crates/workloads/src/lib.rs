//! What to send: synthetic prompts with exact token counts, questions with their answers; and how answers are graded.
//!
//! A [`Synthetic`] configuration becomes a [`SyntheticWorkload`]: a pool of requests whose bodies are
//! ready before the clock starts, cycled through for as long as the plan asks for more. Prompts are
//! windows of a built-in text, so they are language rather than noise, and no two of them begin alike,
//! so a server's prefix cache finds nothing by accident.
//!
//! How long a prompt is depends on who counts. A [`Tokenizer`] marks where tokens end in a text; the
//! model's own, from its `tokenizer.json`, counts exactly, and [`Approximate`] is always at hand and says
//! that it approximates. A prompt is cut from text, counted again as a whole and corrected until the
//! count is right, because tokens merge where texts are joined: tokens cut off and pasted together would
//! be off by one or two. The price is one encoding of each prompt, and a second one of those that need
//! correction.
//!
//! ```
//! use bench_core::{Prompt, Request};
//! use bench_workloads::{Approximate, Counting, Length, Synthetic};
//!
//! let config = Synthetic {
//!     isl: Length::fixed(1024)?,
//!     counting: Counting::Text,
//!     osl: Some(Length::normal(128.0, 16.0)?),
//!     mix: None,
//!     images: None,
//!     texts: 1.try_into()?,
//!     query: None,
//!     token_ids: false,
//!     count: 8.try_into()?,
//!     seed: 42,
//! };
//! // In a run this is the provider's: `|prompt| provider.encode(prompt)`.
//! let encode = |prompt: &Prompt| Ok(Request::new(prompt, prompt.messages[0].content.clone()));
//! let workload = config.prepare(&Approximate, &encode)?;
//!
//! assert!(workload.requests().iter().all(|request| request.input_tokens == Some(1024)));
//! assert_eq!(
//!     workload.describe(),
//!     "synthetic ISL 1024 OSL 128±16, tokens counted by the built-in tokenizer, approximate"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`RandomTokens`] makes the random prompts of other tools instead, the same to the byte, for comparisons
//! with what they measured.
//!
//! What is to be judged is a [`Conversation`] with an expectation: the built-in [`tool_suite()`] and [`canary()`], or what
//! [`read_gsm8k`] and [`read_mmlu`] read. [`Rules`] grade their answers; nothing that no answer could meet is sent.
//!
//! Counted is the bare text, or with [`Counting::Templated`] the text in the model's chat template, as the
//! server counts it. Nothing is ever downloaded, and nothing here knows of dialects or sends anything.

mod canary;
mod chat;
mod conversation;
mod corpus;
mod dataset;
mod dataset_accuracy;
mod dialogues;
mod fitted;
mod grading;
mod images;
mod length;
mod made_up;
mod mix;
mod parallel;
mod presets;
mod random_tokens;
mod synthetic;
mod tokens;
mod tool_suite;
mod writer;

pub use canary::canary;
pub use chat::Counting;
#[cfg(feature = "templates")]
pub use chat::{ChatTemplate, ChatTemplateError};
pub use conversation::{
    Ask, Conversation, ConversationStatistics, Conversations, Course, Distribution, Encode,
    Generate, Generated, History, InvalidDistribution, Sampling, Spread, count_tokens,
    limit_output_tokens, limit_turns,
};
pub use dataset::{
    Columns, Convert, Converted, Dataset, DatasetError, DatasetFile, Format, UnknownFormat,
    WriteError, write_conversations,
};
pub use dataset_accuracy::{AccuracyDataError, read_gsm8k, read_mmlu};
pub use dialogues::{Dialogues, Prefix, ThinkTime};
pub use grading::{InvalidExpected, InvalidRule, Rule, Rules};
pub use images::{Images, InvalidImages};
pub use length::{InvalidLength, Length};
pub use mix::{InvalidMix, Kind, Mix};
pub use presets::Preset;
pub use random_tokens::{RandomCorpus, RandomTokens, RandomTokensError};
pub use synthetic::{PrepareError, Synthetic, SyntheticWorkload};
#[cfg(feature = "tokenizers")]
pub use tokens::HfTokenizer;
#[cfg(feature = "tiktoken")]
pub use tokens::TiktokenTokenizer;
#[cfg(feature = "templates")]
pub use tokens::load_chat_template;
pub use tokens::{
    Approximate, Cut, Tokenizer, TokenizerError, Vocabulary, cut, downloaded_model, load_tokenizer,
};
pub use tool_suite::{ToolUse, tool_suite};
