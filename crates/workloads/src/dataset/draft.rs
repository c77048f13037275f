//! Conversations while they are read.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use bench_core::{Message, Role};

use super::{columns::Columns, error::Wrong, trace_text::Wanted};
use crate::{Ask, Conversation};

/// Conversations while they are read, and what has to be known from entry to entry.
pub(super) struct Draft<'d> {
    pub(super) conversations: Vec<Conversation>,
    /// Where in the list, and in which line.
    places: HashMap<Arc<str>, (usize, u64)>,
    /// Texts that are still to be made, for traces.
    pub(super) wanted: Vec<Wanted>,
    /// The columns that are read, once the first entry is known.
    pub(super) columns: Option<Columns>,
    /// Those that the user named.
    pub(super) named: &'d Columns,
    /// Tokens of a block of a trace.
    pub(super) block_tokens: u32,
    /// When a trace begins, and how far it has come.
    clock: Option<(f64, f64)>,
    notes: BTreeMap<&'static str, u64>,
}

impl<'d> Draft<'d> {
    pub(super) fn new(named: &'d Columns, block_tokens: NonZeroU32) -> Self {
        Self {
            conversations: vec![],
            places: HashMap::new(),
            wanted: vec![],
            columns: None,
            named,
            block_tokens: block_tokens.get(),
            clock: None,
            notes: BTreeMap::new(),
        }
    }

    /// Takes in a conversation from line `line`. One without an id gets its number.
    pub(super) fn add(&mut self, mut conversation: Conversation, line: u64) -> Result<(), Wrong> {
        if conversation.id.is_empty() {
            conversation.id = self.number();
        }
        let id = Arc::clone(&conversation.id);
        if let Some((_, before)) =
            self.places.insert(Arc::clone(&id), (self.conversations.len(), line))
        {
            return Err(Wrong::new(
                format!("the id `{}` is that of line {before}, too", super::record::short(&id)),
                "give each conversation an id of its own",
            ));
        }
        self.conversations.push(conversation);
        Ok(())
    }

    /// What the next conversation is called, if nothing else.
    pub(super) fn number(&self) -> Arc<str> {
        format!("#{}", self.conversations.len() + 1).into()
    }

    /// The conversation of that id, where it has begun.
    pub(super) fn begun(&self, id: &str) -> Option<usize> {
        self.places.get(id).map(|(place, _)| *place)
    }

    /// How long after the first entry of a trace the moment `at` is, which is in seconds.
    pub(super) fn since_first(&mut self, at: f64) -> Result<Duration, Wrong> {
        let (first, latest) = *self.clock.get_or_insert((at, at));
        if at < latest {
            return Err(Wrong::new(
                format!("its time lies {:.3} s before that of the entry above", latest - at),
                "sort the file by time",
            ));
        }
        self.clock = Some((first, at));
        Duration::try_from_secs_f64(at - first).map_err(|_| {
            Wrong::new("its time lies too far from the first", "check the unit of the times")
        })
    }

    /// Leaves out all conversations but the first `most`.
    pub(super) fn keep(&mut self, most: usize) {
        self.conversations.truncate(most);
        self.wanted.retain(|wanted| wanted.conversation < most);
    }

    /// Counts something to say in the end.
    pub(super) fn note(&mut self, what: &'static str) {
        *self.notes.entry(what).or_default() += 1;
    }

    /// What was counted, a sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.iter().map(|(what, count)| format!("{what}: {count}")).collect()
    }
}

/// What of `messages` is new in a conversation that has come as far as `turns`: they may repeat all of it.
/// What was answered to the last turn is taken for its answer.
pub(super) fn newly_said(turns: &mut [Ask], mut messages: Vec<Message>) -> Vec<Message> {
    let said = turns.iter().flat_map(|ask| ask.messages.iter().chain(&ask.answer));
    let count = said.clone().count();
    if messages.len() >= count && said.zip(&messages).all(|(a, b)| a == b) {
        messages.drain(..count);
    }
    if let Some(last) = turns.last_mut()
        && last.answer.is_none()
        && messages.first().is_some_and(|message| message.role == Role::Assistant)
    {
        last.answer = Some(messages.remove(0));
    }
    messages
}
