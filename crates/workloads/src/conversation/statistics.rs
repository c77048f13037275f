//! How long conversations are, as vLLM's multi-turn benchmark tells it.

use bench_core::stats;

use super::Conversation;

/// How long conversations are.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationStatistics {
    /// Messages of a conversation: questions and answers.
    pub turns: Option<Spread>,
    /// Tokens of what is asked in a turn; the mean of each conversation.
    pub user_tokens: Option<Spread>,
    /// Tokens of a recorded answer; the mean of each conversation that has some.
    pub assistant_tokens: Option<Spread>,
    /// Tokens of a request with all that was said before, as far as they are counted.
    pub request_tokens: Option<Spread>,
}

/// How a set of numbers is spread; percentiles interpolate linearly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation with divisor n − 1, as pandas has it; `None` of a single one.
    pub std: Option<f64>,
    /// The least.
    pub min: f64,
    /// A quarter of them is no greater.
    pub p25: f64,
    /// The median.
    pub p50: f64,
    /// Three quarters of them are no greater.
    pub p75: f64,
    /// Nine tenths of them are no greater.
    pub p90: f64,
    /// All but a hundredth of them are no greater.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
}

impl ConversationStatistics {
    /// Of `conversations`, whose tokens are counted.
    pub fn of(conversations: &[Conversation]) -> Self {
        let messages = |c: &Conversation| {
            c.turns.iter().map(|ask| ask.messages.len() + usize::from(ask.answer.is_some())).sum()
        };
        let turns = conversations.iter().map(|c| {
            let n: usize = messages(c);
            n as f64
        });
        let mean = |tokens: Vec<u32>| {
            let sum: f64 = tokens.iter().map(|n| f64::from(*n)).sum();
            (!tokens.is_empty()).then(|| sum / tokens.len() as f64)
        };
        let user = |c: &Conversation| mean(c.turns.iter().filter_map(|ask| ask.tokens).collect());
        let assistant =
            |c: &Conversation| mean(c.turns.iter().filter_map(|ask| ask.answer_tokens).collect());
        Self {
            turns: Spread::of(turns.collect()),
            user_tokens: Spread::of(conversations.iter().filter_map(user).collect()),
            assistant_tokens: Spread::of(conversations.iter().filter_map(assistant).collect()),
            request_tokens: Spread::of(conversations.iter().flat_map(requests).collect()),
        }
    }
}

/// The tokens of the requests of a conversation, until one is not known.
fn requests(conversation: &Conversation) -> Vec<f64> {
    let mut said = 0.0;
    let mut requests = Vec::new();
    for ask in &conversation.turns {
        let Some(tokens) = ask.tokens else { break };
        said += f64::from(tokens);
        requests.push(said);
        // An answer that was not recorded is that of the server.
        said += ask.answer_tokens.or(ask.output_tokens).map_or(0.0, f64::from);
    }
    requests
}

impl Spread {
    /// Of `values`; `None` if there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        let all = stats::Distribution::of(&mut values)?;
        let n = all.count as f64;
        let at = |p| stats::percentile(&values, p);
        Some(Self {
            count: all.count,
            mean: all.mean,
            std: (all.count > 1).then(|| all.std * (n / (n - 1.0)).sqrt()),
            min: all.min,
            p25: at(25.0)?,
            p50: at(50.0)?,
            p75: at(75.0)?,
            p90: at(90.0)?,
            p99: at(99.0)?,
            max: all.max,
        })
    }
}

#[cfg(test)]
mod tests {
    use bench_core::Message;

    use super::*;
    use crate::Ask;

    #[test]
    fn a_conversation_is_told_as_the_benchmark_tells_it() {
        let ask = |tokens, answer_tokens| Ask {
            tokens: Some(tokens),
            answer: Some(Message::assistant("…")),
            answer_tokens: Some(answer_tokens),
            ..Ask::user("…")
        };
        let long = Conversation { turns: vec![ask(10, 4), ask(20, 6)], ..Conversation::default() };
        let short = Conversation { turns: vec![ask(5, 1)], ..Conversation::default() };
        let found = ConversationStatistics::of(&[long, short]);
        let turns = found.turns.unwrap();
        assert_eq!((turns.count, turns.mean, turns.min, turns.max), (2, 3.0, 2.0, 4.0));
        // pandas: std of [4, 2] is √2, and its quarters are 2.5, 3 and 3.5.
        assert!((turns.std.unwrap() - 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!((turns.p25, turns.p50, turns.p75), (2.5, 3.0, 3.5));
        let user = found.user_tokens.unwrap();
        assert_eq!((user.mean, user.max), (10.0, 15.0));
        let assistant = found.assistant_tokens.unwrap();
        assert_eq!((assistant.count, assistant.mean), (2, 3.0));
        // 10, 10 + 4 + 20, and 5.
        let requests = found.request_tokens.unwrap();
        assert_eq!((requests.count, requests.min, requests.max), (3, 5.0, 34.0));
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let found = ConversationStatistics::of(&[Conversation::single("a", Ask::user("?"))]);
        assert_eq!(found.turns.unwrap().std, None);
        assert_eq!((found.user_tokens, found.assistant_tokens), (None, None));
        assert_eq!(found.request_tokens, None);
        assert_eq!(ConversationStatistics::of(&[]).turns, None);
    }
}
