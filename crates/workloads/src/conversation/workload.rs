//! Conversations as a workload: which comes next.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bench_core::{Message, Prompt, ProviderError, Request, Session, Workload};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use super::{Conversation, History, session::Talk};
use crate::{PrepareError, parallel::in_parallel};

/// Turns a prompt into a request: a provider's `encode`. Called between the turns of a conversation, too.
pub type Encode = Arc<dyn Fn(&Prompt) -> Result<Request, ProviderError> + Send + Sync>;

/// In which order conversations, or the lines of a dataset, are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// As they stand.
    #[default]
    Sequential,
    /// In an order drawn at random, anew for each pass.
    Shuffle,
    /// Any, each time: some may come twice before others come once. Has no end.
    Random,
}

/// How conversations are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// Whose answers they go on with.
    pub history: History,
    /// In which order they are taken.
    pub sampling: Sampling,
    /// Whether they begin again when all have been held.
    pub loops: bool,
    /// Whether the first turn of each comes first, as a session of its own, so that a warm-up of as many
    /// requests leaves the measured phase the turns that go on from there.
    pub first_turns_apart: bool,
    /// What the order is drawn from.
    pub seed: u64,
}

impl Default for Course {
    /// The server's answers, in the order that they stand in, once.
    fn default() -> Self {
        let (history, sampling) = (History::default(), Sampling::default());
        Self { history, sampling, loops: false, first_turns_apart: false, seed: 42 }
    }
}

/// Conversations to hold with a server.
pub struct Conversations {
    list: Arc<[Opened]>,
    encode: Encode,
    course: Course,
    /// Places in the list that are still to come in this pass, the next one last.
    left: Vec<usize>,
    random: ChaCha8Rng,
    /// First turns that are still to come apart from the others, the next one last.
    apart: Vec<usize>,
}

/// A conversation, and its first request.
struct Opened {
    conversation: Arc<Conversation>,
    first: Request,
    /// What the server answered to a first turn that was asked apart.
    answered: Answered,
}

/// The answer to a first turn, and its tokens, once it is there.
pub(super) type Answered = Arc<Mutex<Option<(Message, Option<u32>)>>>;

impl Conversations {
    /// Makes the first request of each, on all processors.
    ///
    /// # Errors
    ///
    /// If there are none, or if one cannot be encoded: with the first of them.
    pub fn new(
        conversations: Vec<Conversation>,
        encode: Encode,
        course: Course,
    ) -> Result<Self, PrepareError> {
        let count = NonZeroUsize::new(conversations.len()).ok_or(PrepareError::Empty)?;
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let conversations: Vec<Arc<Conversation>> =
            conversations.into_iter().map(Arc::new).collect();
        let list = in_parallel(count, threads, |index| {
            let conversation = Arc::clone(&conversations[index]);
            let first = Talk::new(Arc::clone(&conversation), Arc::clone(&encode), course.history)
                .first()
                .map_err(|source| PrepareError::Encode { index, source })?;
            Ok(Opened { conversation, first, answered: Answered::default() })
        })?;
        let apart = if course.first_turns_apart { (0..list.len()).rev().collect() } else { vec![] };
        let random = ChaCha8Rng::seed_from_u64(course.seed);
        let mut this = Self { list: list.into(), encode, course, left: Vec::new(), random, apart };
        this.begin_pass();
        Ok(this)
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The requests that they begin with, in the order of the list.
    pub fn first_requests(&self) -> impl Iterator<Item = &Request> {
        self.list.iter().map(|opened| &opened.first)
    }

    fn begin_pass(&mut self) {
        self.left = (0..self.list.len()).rev().collect();
        if self.course.sampling == Sampling::Shuffle {
            self.left.shuffle(&mut self.random);
        }
    }

    /// The place of the next one.
    fn next(&mut self) -> Option<usize> {
        if self.course.sampling == Sampling::Random {
            return Some(self.random.random_range(0..self.list.len()));
        }
        if self.left.is_empty() && self.course.loops {
            self.begin_pass();
        }
        self.left.pop()
    }
}

impl Workload for Conversations {
    fn next_session(&mut self) -> Option<Box<dyn Session>> {
        let (encode, history) = (Arc::clone(&self.encode), self.course.history);
        let talk = |opened: &Opened| {
            Talk::new(Arc::clone(&opened.conversation), Arc::clone(&encode), history)
        };
        if let Some(place) = self.apart.pop() {
            let opened = &self.list[place];
            let first = opened.first.clone();
            return Some(Box::new(talk(opened).only_first(first, Arc::clone(&opened.answered))));
        }
        loop {
            let place = self.next()?;
            let opened = &self.list[place];
            if !self.course.first_turns_apart {
                return Some(Box::new(talk(opened).beginning_with(opened.first.clone())));
            }
            // Of a single turn, nothing is left after it.
            if opened.conversation.turns.len() > 1 {
                return Some(Box::new(talk(opened).after_first(Arc::clone(&opened.answered))));
            }
            if self.list.iter().all(|opened| opened.conversation.turns.len() == 1) {
                return None;
            }
        }
    }
}

impl fmt::Debug for Conversations {
    /// Their number, not what is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").field("count", &self.len()).finish_non_exhaustive()
    }
}

/// What was answered, whoever panicked meanwhile.
pub(super) fn locked(
    answered: &Answered,
) -> std::sync::MutexGuard<'_, Option<(Message, Option<u32>)>> {
    answered.lock().unwrap_or_else(PoisonError::into_inner)
}
