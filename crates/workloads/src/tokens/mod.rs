//! Who counts tokens, and where a tokenizer is found.

mod approximate;
#[cfg(feature = "tokenizers")]
mod config;
#[cfg(feature = "tokenizers")]
mod hf;
mod hub;
#[cfg(feature = "tokenizers")]
mod layouts;
#[cfg(feature = "tiktoken")]
mod ranks;
#[cfg(feature = "tokenizers")]
mod sentencepiece;
mod source;
mod tokenizer;
#[cfg(feature = "tokenizers")]
mod words;

pub use approximate::Approximate;
#[cfg(feature = "tokenizers")]
pub use hf::HfTokenizer;
pub use hub::downloaded_model;
#[cfg(feature = "tiktoken")]
pub use ranks::TiktokenTokenizer;
#[cfg(feature = "templates")]
pub use source::load_chat_template;
pub use source::{TokenizerError, load_tokenizer};
pub use tokenizer::{Cut, Tokenizer, Vocabulary, cut};
