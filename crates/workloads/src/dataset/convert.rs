//! ShareGPT's conversations as a list of those in OpenAI's words.

use std::{collections::HashMap, path::Path};

use bench_core::Role;
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use super::{
    container::Container,
    error::{DatasetError, Wrong},
    input::Input,
    message::turns,
    record::Record,
    sharegpt::{self, Said},
};
use crate::Conversation;

/// Which of ShareGPT's conversations to take.
///
/// As `convert_sharegpt_to_openai.py` of vLLM's multi-turn benchmark, but for two things: it takes texts in any
/// language, where that one takes those alone that are not ASCII; and its random numbers are others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Convert {
    /// The most conversations, drawn at random from those that pass.
    pub max_items: Option<usize>,
    /// The fewest messages that a conversation has as it was recorded.
    pub min_turns: Option<usize>,
    /// Messages after which a conversation is cut off.
    pub max_turns: Option<usize>,
    /// The fewest characters of each message.
    pub min_content_len: Option<usize>,
    /// The most characters of each message.
    pub max_content_len: Option<usize>,
    /// What the order, and what is drawn, follow from.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The conversations that passed, in random order. Their tokens are not counted.
    pub conversations: Vec<Conversation>,
    /// How many entries the file has.
    pub entries: usize,
    /// How many conversations they are parts of.
    pub found: usize,
}

/// A conversation, put together from its parts.
struct Whole {
    id: String,
    said: Vec<Said>,
}

impl Convert {
    /// Takes conversations from the file at `path`.
    ///
    /// Its entries may be parts of conversations, named `<id>_0`, `<id>_1` and so on, in order.
    ///
    /// # Errors
    ///
    /// If the file is not what it should be, or if no conversation passes.
    pub fn read(&self, path: &Path) -> Result<Converted, DatasetError> {
        let wrong = |wrong: Wrong| wrong.within(path, None);
        self.check().map_err(wrong)?;
        let (mut parts, mut entries) = (Parts::default(), 0);
        let input = Input::open(path).map_err(wrong)?;
        let container = Container::of(&input, path).map_err(wrong)?;
        container
            .each(input, &mut |record| {
                entries += 1;
                parts.add(record).map(|()| true)
            })
            .map_err(|(wrong, line)| wrong.within(path, line))?;
        let found = parts.whole.len();
        let passing = parts.whole.into_iter().filter_map(|whole| self.passed(whole).transpose());
        let mut conversations = passing.collect::<Result<Vec<_>, Wrong>>().map_err(wrong)?;
        if conversations.is_empty() {
            let what = format!("none of {found} conversations passes");
            return Err(wrong(Wrong::new(what, "widen the limits of turns and contents")));
        }
        conversations.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        conversations.truncate(self.max_items.unwrap_or(usize::MAX));
        Ok(Converted { conversations, entries, found })
    }

    fn check(&self) -> Result<(), Wrong> {
        let pairs = [
            ("turns", self.min_turns, self.max_turns),
            ("characters of a message", self.min_content_len, self.max_content_len),
        ];
        for (what, min, max) in pairs {
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                let what = format!("at least {min} and at most {max} {what} are asked for");
                return Err(Wrong::new(what, "let the least be no more than the most"));
            }
        }
        match self.max_items {
            Some(0) => Err(Wrong::new("0 conversations are asked for", "ask for 1 or more")),
            _ => Ok(()),
        }
    }

    /// The conversation, if it is as asked for.
    fn passed(&self, whole: Whole) -> Result<Option<Conversation>, Wrong> {
        if self.min_turns.is_some_and(|least| whole.said.len() < least) {
            return Ok(None);
        }
        let mut messages = sharegpt::messages(whole.said)?;
        messages.truncate(self.max_turns.unwrap_or(usize::MAX));
        if messages.first().is_some_and(|message| message.role != Role::User) {
            messages.remove(0);
        }
        let lengths =
            self.min_content_len.unwrap_or(1).max(1)..=self.max_content_len.unwrap_or(usize::MAX);
        let is_in_turn = messages.iter().enumerate().all(|(place, message)| {
            let role = if place % 2 == 0 { Role::User } else { Role::Assistant };
            message.role == role && lengths.contains(&message.content.chars().count())
        });
        if !is_in_turn {
            return Ok(None);
        }
        let Ok(turns) = turns(messages) else { return Ok(None) };
        Ok(Some(Conversation { id: whole.id.into(), turns, ..Conversation::default() }))
    }
}

/// Conversations while their parts come in.
#[derive(Default)]
struct Parts {
    whole: Vec<Whole>,
    places: HashMap<String, usize>,
}

impl Parts {
    fn add(&mut self, record: &Record) -> Result<(), Wrong> {
        let fields = record.fields()?;
        let mut said: Vec<Said> = fields.required("conversations")?;
        let id = fields.text("id")?.unwrap_or_else(|| format!("#{}", self.whole.len() + 1));
        let id = id.rsplit_once('_').map_or(&*id, |(id, _)| id).to_owned();
        let Some(place) = self.places.get(&id) else {
            self.places.insert(id.clone(), self.whole.len());
            self.whole.push(Whole { id, said });
            return Ok(());
        };
        let whole = &mut self.whole[*place].said;
        // A part may repeat what the one before ends with.
        let repeats =
            matches!((whole.last(), said.first()), (Some(a), Some(b)) if a.from == b.from);
        if repeats {
            said.remove(0);
        }
        whole.append(&mut said);
        Ok(())
    }
}
