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
    /// Whether each begins with words of its own, also when it comes again: no server then has its beginning in a
    /// cache.
    pub cache_bust: bool,
    /// What the order is drawn from.
    pub seed: u64,
}

impl Default for Course {
    /// The server's answers, in the order that they stand in, once.
    fn default() -> Self {
        let (history, sampling) = (History::default(), Sampling::default());
        Self { history, sampling, loops: false, cache_bust: false, seed: 42 }
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
    part: Part,
    /// Sessions so far.
    begun: u64,
}

/// What of conversations is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    FirstTurns,
    /// What follows them.
    LaterTurns,
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
        conversations: &[Arc<Conversation>],
        encode: Encode,
        course: Course,
    ) -> Result<Self, PrepareError> {
        let count = NonZeroUsize::new(conversations.len()).ok_or(PrepareError::Empty)?;
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let list = in_parallel(count, threads, |index| {
            let conversation = Arc::clone(&conversations[index]);
            let first = Talk::new(Arc::clone(&conversation), Arc::clone(&encode), course.history)
                .first()
                .map_err(|source| PrepareError::Encode { index, source })?;
            Ok::<_, PrepareError>(Opened { conversation, first, answered: Answered::default() })
        })?;
        let random = ChaCha8Rng::seed_from_u64(course.seed);
        let mut this = Self {
            list: list.into(),
            encode,
            course,
            left: Vec::new(),
            random,
            part: Part::All,
            begun: 0,
        };
        this.begin_pass();
        Ok(this)
    }

    /// The first turns of all, once and in order, and what follows them: for a warm-up that reads the prompts
    /// which the measured conversations go on from.
    pub fn split(self) -> (Self, Self) {
        let course = Course { sampling: Sampling::Sequential, loops: false, ..self.course };
        let mut first = Self {
            list: Arc::clone(&self.list),
            encode: Arc::clone(&self.encode),
            course,
            left: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(course.seed),
            part: Part::FirstTurns,
            begun: 0,
        };
        first.begin_pass();
        (first, Self { part: Part::LaterTurns, ..self })
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
        // Of a single turn, nothing is left after it.
        let has_more = |opened: &Opened| opened.conversation.turns.len() > 1;
        if self.part == Part::LaterTurns && !self.list.iter().any(has_more) {
            return None;
        }
        loop {
            let place = self.next()?;
            let opened = &self.list[place];
            let (conversation, encode) = (&opened.conversation, &self.encode);
            let mut talk =
                Talk::new(Arc::clone(conversation), Arc::clone(encode), self.course.history);
            if self.course.cache_bust && self.part == Part::All {
                talk = talk.beginning_anew(self.begun, self.course.seed);
                self.begun += 1;
                return Some(Box::new(talk));
            }
            let (first, answered) = (opened.first.clone(), Arc::clone(&opened.answered));
            return Some(Box::new(match self.part {
                Part::All => talk.beginning_with(first),
                Part::FirstTurns => talk.only_first(first, answered),
                Part::LaterTurns if !has_more(opened) => continue,
                Part::LaterTurns => talk.after_first(answered),
            }));
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
