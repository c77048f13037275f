//! Limits that conversations are kept within, and what they have.

use std::{num::NonZeroUsize, ops::RangeInclusive, thread};

use super::{Ask, Conversation};
use crate::{Tokenizer, parallel::in_parallel};

/// Counts the tokens of what is said, and of the recorded answers, where that was not done.
///
/// Those of a turn with images stay unknown: the model counts these in its own way.
pub fn count_tokens(conversations: &mut [Conversation], tokenizer: &dyn Tokenizer) {
    let Some(count) = NonZeroUsize::new(conversations.len()) else { return };
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let counts = in_parallel(count, threads, |at| {
        let turns: &[Ask] = &conversations[at].turns;
        Ok::<_, std::convert::Infallible>(turns.iter().map(|ask| counted(ask, tokenizer)).collect())
    });
    let Ok(counts): Result<Vec<Vec<_>>, _> = counts;
    for (conversation, counts) in conversations.iter_mut().zip(counts) {
        for (ask, (tokens, answer_tokens)) in conversation.turns.iter_mut().zip(counts) {
            (ask.tokens, ask.answer_tokens) = (tokens, answer_tokens);
        }
    }
}

fn counted(ask: &Ask, tokenizer: &dyn Tokenizer) -> (Option<u32>, Option<u32>) {
    let tokens = || {
        let has_images = ask.messages.iter().any(|message| !message.images.is_empty());
        let mut counts = ask.messages.iter().map(|message| tokenizer.count(&message.content));
        counts.try_fold(0_u32, u32::checked_add).filter(|_| !has_images)
    };
    let answer_tokens = || ask.answer.as_ref().map(|answer| tokenizer.count(&answer.content));
    (ask.tokens.or_else(tokens), ask.answer_tokens.or_else(answer_tokens))
}

/// Keeps the first `messages` messages of each conversation; a question and its answer are two.
///
/// The turn whose answer comes over the limit is asked all the same.
pub fn limit_turns(conversations: &mut [Conversation], messages: NonZeroUsize) {
    for conversation in conversations {
        conversation.turns.truncate(messages.get().div_ceil(2));
    }
}

/// Asks for a number of tokens within `tokens`: that which was asked for, or the nearest one. Where none was,
/// for the most.
pub fn limit_output_tokens(conversations: &mut [Conversation], tokens: RangeInclusive<u32>) {
    let (least, most) = tokens.into_inner();
    for ask in conversations.iter_mut().flat_map(|conversation| &mut conversation.turns) {
        ask.output_tokens = Some(ask.output_tokens.unwrap_or(most).max(least).min(most));
    }
}

#[cfg(test)]
mod tests {
    use bench_core::Message;

    use super::*;
    use crate::Approximate;

    fn conversation(turns: usize) -> Conversation {
        let ask = |n| Ask {
            answer: Some(Message::assistant("Yes.")),
            ..Ask::user(format!("Is {n} odd?"))
        };
        Conversation { turns: (0..turns).map(ask).collect(), ..Conversation::default() }
    }

    #[test]
    fn tokens_are_counted_where_they_are_known() {
        let mut conversations = [conversation(2)];
        conversations[0].turns[1].messages[0].images.push("data:,".into());
        count_tokens(&mut conversations, &Approximate);
        let [first, second] = &conversations[0].turns[..] else { panic!() };
        assert_eq!((first.tokens, first.answer_tokens), (Some(4), Some(2)));
        assert_eq!((second.tokens, second.answer_tokens), (None, Some(2)));
        count_tokens(&mut [], &Approximate);
    }

    #[test]
    fn turns_are_limited_by_messages() {
        for (messages, turns) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 3)] {
            let mut conversations = [conversation(3)];
            limit_turns(&mut conversations, NonZeroUsize::new(messages).unwrap());
            assert_eq!(conversations[0].turns.len(), turns, "{messages} messages");
        }
    }

    #[test]
    fn output_is_limited_to_both_sides() {
        for (asked, expected) in
            [(None, 20), (Some(5), 10), (Some(10), 10), (Some(15), 15), (Some(30), 20)]
        {
            let mut conversations = [conversation(1)];
            conversations[0].turns[0].output_tokens = asked;
            limit_output_tokens(&mut conversations, 10..=20);
            assert_eq!(conversations[0].turns[0].output_tokens, Some(expected));
        }
    }
}
