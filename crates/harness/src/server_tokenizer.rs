//! The server's own tokenizer, asked over the wire.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bench_core::{Provider, TokenCounter};
use bench_providers::HttpProvider;
use bench_workloads::{Approximate, Tokenizer};
use tokio::runtime::Runtime;

use crate::{Code, Failure};

/// Counts as the server does, by asking it. Slow, and for prompts alone: never asked while requests are timed.
///
/// It does not say where tokens end, so a text is cut by approximation and counted again until it fits.
#[derive(Debug)]
pub(crate) struct ServerTokenizer {
    provider: Arc<HttpProvider>,
    /// The counts of words, which are asked for again and again.
    words: Mutex<HashMap<String, u32>>,
    /// A text was not counted, so that the next counts are approximations.
    failed: AtomicBool,
}

thread_local! {
    /// Texts are counted on several threads at once.
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

impl ServerTokenizer {
    /// The tokenizer of the server that `provider` talks to.
    ///
    /// # Errors
    ///
    /// If it has none that could be asked.
    pub(crate) fn new(provider: Arc<HttpProvider>) -> Result<Self, Failure> {
        let (words, failed) = (Mutex::default(), AtomicBool::new(false));
        let this = Self { provider, words, failed };
        match this.ask("Is there anybody?") {
            Some(_) => Ok(this),
            None => Err(this.failure("does not say how many tokens a text has")),
        }
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::new(Code::Tokenizer, format!("{} {what}", self.provider.name())).fix(
            "--tokenizer with the model's file or name, or none for an approximate one; vLLM, SGLang and \
             llama.cpp have /tokenize",
        )
    }

    fn ask(&self, text: &str) -> Option<u32> {
        RUNTIME.with_borrow_mut(|runtime| {
            if runtime.is_none() {
                let new = tokio::runtime::Builder::new_current_thread().enable_all().build();
                *runtime = new.ok();
            }
            let count = runtime.as_ref()?.block_on(self.provider.count_tokens(text))?;
            u32::try_from(count).ok()
        })
    }
}

/// Who counts the tokens of prompts.
#[derive(Debug)]
pub(crate) enum Counter {
    /// A tokenizer of ours.
    Own(Arc<dyn Tokenizer>),
    /// The server itself.
    Server(ServerTokenizer),
}

impl Counter {
    /// Says if it failed to count.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Server(server) if server.failed.load(Ordering::Relaxed) => {
                Err(server.failure("left off to say how many tokens a text has"))
            }
            _ => Ok(()),
        }
    }

    fn tokenizer(&self) -> &dyn Tokenizer {
        match self {
            Self::Own(tokenizer) => &**tokenizer,
            Self::Server(server) => server,
        }
    }
}

impl TokenCounter for Counter {
    fn count(&self, text: &str) -> u32 {
        self.tokenizer().count(text)
    }

    fn is_exact(&self) -> bool {
        self.tokenizer().is_exact()
    }
}

impl Tokenizer for Counter {
    fn ends(&self, text: &str) -> Vec<usize> {
        self.tokenizer().ends(text)
    }

    fn ids(&self, text: &str) -> Option<Vec<u32>> {
        self.tokenizer().ids(text)
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.tokenizer(), f)
    }
}

/// Bytes of a text that may be a word.
const LONGEST_WORD: usize = 32;

impl TokenCounter for ServerTokenizer {
    fn count(&self, text: &str) -> u32 {
        let words = || self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = words().get(text) {
            return *known;
        }
        let count = self.ask(text).unwrap_or_else(|| {
            self.failed.store(true, Ordering::Relaxed);
            Approximate.count(text)
        });
        if text.len() <= LONGEST_WORD {
            words().insert(text.to_owned(), count);
        }
        count
    }

    fn is_exact(&self) -> bool {
        true
    }
}

impl Tokenizer for ServerTokenizer {
    /// As many as the server counts, spread over the ends that the approximation finds.
    fn ends(&self, text: &str) -> Vec<usize> {
        let (ends, count) = (Approximate.ends(text), self.count(text) as usize);
        if ends.is_empty() {
            return vec![text.len(); count];
        }
        (1..=count).map(|n| ends[(n * ends.len()).div_ceil(count) - 1]).collect()
    }
}

impl fmt::Display for ServerTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("the server's tokenizer")
    }
}
