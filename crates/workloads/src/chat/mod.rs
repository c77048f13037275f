//! The prompt as a model sees it: messages put into its chat template.

#[cfg(feature = "templates")]
mod python;
#[cfg(feature = "templates")]
mod template;

#[cfg(feature = "templates")]
pub use template::{ChatTemplate, ChatTemplateError};

/// What the length of a prompt counts.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Counting {
    /// The text alone: what a chat template adds is the server's.
    #[default]
    Text,
    /// The text in the model's chat template, with what asks for an answer: what the server's own count of a chat
    /// says. For prompts of one text.
    #[cfg(feature = "templates")]
    Templated(ChatTemplate),
}
