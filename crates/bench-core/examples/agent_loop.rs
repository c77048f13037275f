//! An agent: the model is given a tool, its calls are carried out, and what came of them goes back to it, until it
//! answers in words; and a grader that knows what these should be.
//!
//! `docs/custom-workloads.md` goes through it.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::{error::Error, sync::Arc, time::Duration};

use bench_core::{
    Answer, ArrivalKind, Expected, Grade, Grader, Load, Message, Plan, Point, Prepared, Prompt,
    Provider, ProviderError, Request, Role, Session, Stamp, Stop, Tool, ToolCall, ToolChoice, Turn,
    Until, Usage, async_trait, call_id, run,
};

/// Turns after which a task is given up.
const MOST_TURNS: usize = 8;

/// One task, and the conversation about it so far.
struct Task {
    provider: Arc<dyn Provider>,
    prompt: Prompt,
    turns: usize,
}

impl Task {
    /// The task to add up `numbers`.
    fn new(provider: Arc<dyn Provider>, numbers: &[u32]) -> Self {
        let words = numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let add = Tool {
            name: "add".to_owned(),
            description: "Adds two numbers".to_owned(),
            parameters:
                r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}"#
                    .to_owned(),
        };
        let prompt = Prompt {
            id: Some(format!("sum of {words}").into()),
            tools: [add].into(),
            tool_choice: ToolChoice::Auto,
            // Grades every answer of the task that is in words: the last one alone.
            expected: Some(Expected::text(numbers.iter().sum::<u32>().to_string())),
            ..Prompt::user(format!("Add up {words}"))
        };
        Self { provider, prompt, turns: 0 }
    }

    /// What the model called for, carried out. Between two turns, on a load thread: it should be quick.
    fn carry_out(&mut self, calls: &[ToolCall]) {
        self.prompt
            .messages
            .push(Message { tool_calls: calls.to_vec(), ..Message::new(Role::Assistant, "") });
        for (place, call) in calls.iter().enumerate() {
            let sum: u32 = numbers(&call.arguments).iter().sum();
            self.prompt.messages.push(Message::tool(place, sum.to_string()));
        }
    }
}

impl Session for Task {
    fn next_turn(&mut self, previous: Option<&Answer>) -> Option<Turn> {
        if let Some(answer) = previous {
            let failed = !answer.outcome().is_some_and(bench_core::Outcome::is_ok);
            let has_answered = answer.tool_calls().is_empty();
            if failed || has_answered || self.turns == MOST_TURNS {
                return None;
            }
            self.carry_out(answer.tool_calls());
        }
        self.turns += 1;
        let request = self.provider.encode(&self.prompt).ok()?;
        // As long as the tool would have taken.
        let delay = Duration::from_millis(if previous.is_some() { 2 } else { 0 });
        Some(Turn { request, delay })
    }
}

/// An answer in words has to be the number; a call on the way is no answer yet, and not wrong.
struct IsTheNumber;

impl Grader for IsTheNumber {
    fn grade(&self, expected: &Expected, answer: &Answer) -> Grade {
        let Expected::Text { text, .. } = expected else { return Grade::of(false) };
        Grade::of(!answer.tool_calls().is_empty() || answer.text() == text)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Another server: `bench_providers::HttpProvider::new(Config::new(endpoint, model))`.
    let provider: Arc<dyn Provider> = Arc::new(Model);
    let task = |n: u32| {
        let numbers: Vec<u32> = (n..n + 2 + n % 3).collect();
        Box::new(Task::new(Arc::new(Model), &numbers)) as Box<dyn Session>
    };
    let prepared = || Prepared {
        grader: Some(Arc::new(IsTheNumber)),
        ..Prepared::new(Arc::clone(&provider), Box::new((0..30).map(task)))
    };
    let plan = Plan::of(Point::new(Load::closed(4.try_into()?), Until::default()));
    let outcome = run(&plan, &mut |_| Ok(prepared()), &mut (), &Stop::new())?;
    let summary = &outcome.points[0].summary;
    for turn in &summary.turns {
        let ttft = turn.distribution("ttft_ms").map_or(f64::NAN, |ttft| ttft.median());
        println!("turn {}: {} requests, TTFT {ttft:.1} ms", turn.turn + 1, turn.succeeded);
    }
    let right = summary.distribution("accuracy").map_or(f64::NAN, |accuracy| accuracy.mean);
    println!("{:.0} % of the answers were right", right * 100.0);
    assert!(right > 0.99, "the model can add");
    Ok(())
}

/// The numbers in a text.
fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// A model that adds two numbers at a time, by its tool, and then says the sum.
#[derive(Debug)]
struct Model;

#[async_trait]
impl Provider for Model {
    fn name(&self) -> &str {
        "adder"
    }

    /// A line for each message. A real dialect is JSON, and names a call by [`call_id`].
    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> {
        let line = |m: &Message| match m.answers_call {
            Some(call) => format!("{} {}: {}\n", m.role.as_str(), call_id(call), m.content),
            None => format!("{}: {}\n", m.role.as_str(), m.content),
        };
        Ok(Request::new(prompt, prompt.messages.iter().map(line).collect::<String>()))
    }

    async fn send(&self, request: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
        let clock = answer.clock();
        answer.sent(clock.now());
        tokio::time::sleep(Duration::from_millis(3)).await;
        let body = String::from_utf8_lossy(&request.body);
        let asked = numbers(body.lines().next().unwrap_or_default());
        let sums: Vec<&str> = body.lines().filter(|line| line.starts_with("tool ")).collect();
        let sum = match sums.last().and_then(|line| line.rsplit_once(": ")) {
            Some((_, sum)) => sum.parse().unwrap_or(0),
            None => asked[0],
        };
        let stamp = Stamp::of_read(clock.now());
        match asked.get(sums.len() + 1) {
            Some(next) => {
                let arguments = format!("{{\"a\":{sum},\"b\":{next}}}");
                answer.tool_call(stamp, 0, "add", &arguments);
            }
            None => answer.generated(stamp, ArrivalKind::Content, &sum.to_string(), Some(1)),
        }
        answer.usage(Usage { prompt: 1, completion: 1, ..Usage::default() });
        answer.done(clock.now());
        Ok(())
    }
}
