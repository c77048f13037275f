//! What an answer consists of, and when each part of it is due.

use std::time::Duration;

use crate::{
    conditions::Stretch,
    config::Role,
    delays::Delays,
    events::{self, EventWriter, Position},
    fault::Fault,
    generation::{Delivery, Endpoint, Generation, Usage},
    request::Persistence,
    response::{ApiError, Response},
    simulation::Simulation,
};

/// Bytes that are due together, and the content events among them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    /// Tokens of each content event.
    pub(crate) events: Vec<u32>,
}

/// A request that will be answered.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) generation: Generation,
    /// How many requests for completion came before, on any connection.
    pub(crate) number: u64,
    pub(crate) fault: Fault,
    pub(crate) request_id: String,
    pub(crate) persistence: Persistence,
}

/// The batches of one answer in order, each with its delay after the one before.
///
/// A stream is a head, batches of tokens and an end; another answer is the end alone, after empty batches
/// where each token's delay depends on when it begins. The end is what it should be or the fault.
#[derive(Debug)]
pub(crate) struct Script {
    order: Order,
    writer: EventWriter,
    delays: Delays,
    role: Role,
    tokens_per_chunk: u32,
    events_per_write: u32,
    /// Tokens before the end: all of them, or those before the fault.
    tokens: u32,
    ending: Ending,
    /// Whether each batch of tokens has a delay of its own, or all have one together.
    steps: bool,
    stage: Stage,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    Error,
    Close,
    Stall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    /// So many tokens have been written.
    Tokens(u32),
    End,
    Over,
}

impl Script {
    pub(crate) fn new(simulation: &Simulation, order: Order) -> Self {
        let config = &simulation.config;
        let (ending, tokens) = ending(order.fault, order.generation.output_tokens);
        let is_stream = order.generation.delivery != Delivery::Whole;
        let mut script = Self {
            writer: EventWriter::new(simulation, &order.generation, &order.request_id),
            delays: Delays::new(config, order.number, &order.generation),
            role: config.role,
            tokens_per_chunk: config.tokens_per_chunk,
            events_per_write: config.events_per_write,
            tokens,
            ending,
            steps: is_stream || simulation.conditions.vary(),
            stage: Stage::Head,
            order,
        };
        if !is_stream {
            script.stage = if script.steps { script.after(0) } else { Stage::End };
        }
        script
    }

    pub(crate) fn generation(&self) -> &Generation {
        &self.order.generation
    }

    /// From when the batch before was due, or from the admission, to when the next one is, `stretch`
    /// being that of now; `None` after the end. Each delay is asked for once.
    pub(crate) fn next_delay(&mut self, stretch: Option<Stretch>) -> Option<Duration> {
        Some(match self.stage {
            Stage::Head => Duration::ZERO,
            Stage::Tokens(0) => self.delays.first(stretch),
            Stage::Tokens(written) => {
                self.delays.further(self.batch_end(written) - written, stretch)
            }
            Stage::End => self.delay_of_end(stretch),
            Stage::Over => return None,
        })
    }

    /// A fault strikes when the token after the last would have come.
    fn delay_of_end(&mut self, stretch: Option<Stretch>) -> Duration {
        let complete = self.ending == Ending::Complete;
        if !self.steps {
            let further = if complete { self.tokens - 1 } else { self.tokens };
            let first = self.delays.first(stretch);
            return first.saturating_add(self.delays.further(further, stretch));
        }
        match self.tokens {
            _ if complete => Duration::ZERO,
            0 => self.delays.first(stretch),
            _ => self.delays.further(1, stretch),
        }
    }

    /// Appends the head to an empty batch, if that is what comes next: it need not wait for admission.
    pub(crate) fn write_head_only(&mut self, batch: &mut Batch) {
        if self.stage == Stage::Head {
            self.write_next(batch);
        }
    }

    /// Appends the next batch to an empty one.
    pub(crate) fn write_next(&mut self, batch: &mut Batch) {
        self.stage = match self.stage {
            Stage::Head => self.write_head(batch),
            Stage::Tokens(written) => self.write_tokens(batch, written),
            Stage::End => self.write_end(batch),
            Stage::Over => Stage::Over,
        };
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    fn write_head(&self, batch: &mut Batch) -> Stage {
        batch.bytes = self.response(Response::event_stream());
        if self.role == Role::Early {
            self.write_role(batch);
        }
        self.after(0)
    }

    fn write_tokens(&self, batch: &mut Batch, written: u32) -> Stage {
        let end = self.batch_end(written);
        if self.order.generation.delivery == Delivery::Whole {
            return self.after(end);
        }
        if written == 0 && self.role == Role::WithFirstToken {
            self.write_role(batch);
        }
        let mut from = written;
        while from < end {
            let to = from.saturating_add(self.tokens_per_chunk).min(end);
            let last = to == self.order.generation.output_tokens;
            let position = if last { Position::Last } else { Position::Within };
            self.writer.tokens(&mut batch.bytes, from..to, position, self.usage(to));
            batch.events.push(to - from);
            from = to;
        }
        self.after(end)
    }

    fn write_role(&self, batch: &mut Batch) {
        if self.order.generation.endpoint == Endpoint::Chat {
            self.writer.role(&mut batch.bytes, self.usage(0));
        }
    }

    fn write_end(&self, batch: &mut Batch) -> Stage {
        let out = &mut batch.bytes;
        match (self.ending, self.order.generation.delivery) {
            (Ending::Complete, Delivery::Stream(usage)) => {
                if usage != Usage::Nowhere {
                    self.writer.final_usage(out, self.tokens);
                }
                end_stream(out);
            }
            (Ending::Complete, Delivery::Whole) if !self.order.generation.endpoint.generates() => {
                let results = self.writer.results(&self.order.generation.results);
                *out = self.response(Response::json(200, results));
                batch.events.push(0);
            }
            (Ending::Complete, Delivery::Whole) => {
                *out = self.response(Response::json(200, self.writer.document(self.tokens)));
                batch.events.push(self.tokens);
            }
            // As vLLM does: the error is an event, and the stream ends as if all were well.
            (Ending::Error, Delivery::Stream(_)) => {
                events::data(out, &simulated_error().to_json());
                end_stream(out);
            }
            (Ending::Error, Delivery::Whole) => *out = self.response(simulated_error().into()),
            (Ending::Close | Ending::Stall, _) => {}
        }
        Stage::Over
    }

    fn response(&self, response: Response) -> Vec<u8> {
        response.header("x-request-id", &self.order.request_id).into_bytes(self.order.persistence)
    }

    fn after(&self, written: u32) -> Stage {
        if written < self.tokens { Stage::Tokens(written) } else { Stage::End }
    }

    /// Tokens written after the batch that follows the first `written`.
    fn batch_end(&self, written: u32) -> u32 {
        let batch = self.tokens_per_chunk.saturating_mul(self.events_per_write);
        written.saturating_add(batch).min(self.tokens)
    }

    fn usage(&self, completion_tokens: u32) -> Option<u32> {
        let in_each_event = self.order.generation.delivery == Delivery::Stream(Usage::InEachEvent);
        in_each_event.then_some(completion_tokens)
    }
}

/// How an answer of `output_tokens` ends that `fault` strikes, and after how many.
fn ending(fault: Fault, output_tokens: u32) -> (Ending, u32) {
    let (fault, tokens) = match fault {
        Fault::CloseAfter { tokens } => (Ending::Close, tokens),
        Fault::ErrorAfter { tokens } => (Ending::Error, tokens),
        Fault::StallAfter { tokens } => (Ending::Stall, tokens),
        Fault::None | Fault::NeverAnswer | Fault::Status(_) => (Ending::Complete, output_tokens),
    };
    if tokens < output_tokens { (fault, tokens) } else { (Ending::Complete, output_tokens) }
}

fn end_stream(out: &mut Vec<u8>) {
    events::data(out, b"[DONE]");
    events::last_chunk(out);
}

fn simulated_error() -> ApiError {
    ApiError::new(500, "simulated fault")
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{config::Config, generation::Finish};

    const ITL: Duration = Duration::from_millis(10);

    fn config(tokens_per_chunk: u32, events_per_write: u32, fault: Fault) -> Config {
        Config { tokens_per_chunk, events_per_write, fault, itl: ITL, ..Config::default() }
    }

    fn script(config: Config, endpoint: Endpoint, delivery: Delivery, tokens: u32) -> Script {
        let generation = Generation {
            endpoint,
            results: Box::default(),
            prompt_tokens: 3,
            cached_tokens: None,
            output_tokens: tokens,
            says: None,
            finish: Finish::Length,
            delivery,
        };
        script_of(config, generation)
    }

    fn script_of(config: Config, generation: Generation) -> Script {
        let order = Order {
            generation,
            number: 0,
            fault: config.fault,
            request_id: "r\"1".to_owned(),
            persistence: Persistence::KeepAlive,
        };
        Script::new(&Simulation::new(config), order)
    }

    /// Each batch as milliseconds from the request and the tokens of its events.
    fn schedule(mut script: Script) -> Vec<(u128, Vec<u32>)> {
        let mut due = Duration::ZERO;
        let mut schedule = Vec::new();
        while let Some(delay) = script.next_delay(None) {
            due += delay;
            let mut batch = Batch::default();
            script.write_next(&mut batch);
            schedule.push((due.as_millis(), batch.events));
        }
        schedule
    }

    fn check(config: &Config, delivery: Delivery, tokens: u32, expected: &[(u128, &[u32])]) {
        let schedule = schedule(script(config.clone(), Endpoint::Chat, delivery, tokens));
        let schedule: Vec<_> =
            schedule.iter().map(|(ms, events)| (*ms, events.as_slice())).collect();
        assert_eq!(schedule, expected, "{tokens} tokens, {config:?}");
    }

    #[test]
    fn streams_keep_their_pace_per_token() {
        let check = |per_chunk, per_write, tokens, expected: &[(u128, &[u32])]| {
            let config = config(per_chunk, per_write, Fault::None);
            check(&config, Delivery::Stream(Usage::Nowhere), tokens, expected);
        };
        // Head, tokens, end.
        check(1, 1, 1, &[(0, &[]), (50, &[1]), (50, &[])]);
        check(1, 1, 3, &[(0, &[]), (50, &[1]), (60, &[1]), (70, &[1]), (70, &[])]);
        check(4, 1, 9, &[(0, &[]), (50, &[4]), (90, &[4]), (100, &[1]), (100, &[])]);
        check(1, 2, 5, &[(0, &[]), (50, &[1, 1]), (70, &[1, 1]), (80, &[1]), (80, &[])]);
        check(2, 2, 7, &[(0, &[]), (50, &[2, 2]), (80, &[2, 1]), (80, &[])]);
        check(u32::MAX, u32::MAX, 2, &[(0, &[]), (50, &[2]), (50, &[])]);
    }

    #[test]
    fn an_answer_in_one_piece_takes_as_long_as_a_stream() {
        let check = |fault, tokens, expected| {
            check(&config(4, 1, fault), Delivery::Whole, tokens, expected);
        };
        check(Fault::None, 1, &[(50, &[1])]);
        check(Fault::None, 5, &[(90, &[5])]);
        check(Fault::ErrorAfter { tokens: 0 }, 5, &[(50, &[])]);
        check(Fault::ErrorAfter { tokens: 2 }, 5, &[(70, &[])]);
        check(Fault::ErrorAfter { tokens: 5 }, 5, &[(90, &[5])]);
    }

    #[test]
    fn where_delays_vary_an_answer_in_one_piece_waits_for_each_token() {
        let check = |fault, tokens, expected: &[(u128, &[u32])]| {
            let config = Config { slowdown: 0.1, ..config(1, 2, fault) };
            check(&config, Delivery::Whole, tokens, expected);
        };
        check(Fault::None, 1, &[(50, &[]), (50, &[1])]);
        check(Fault::None, 5, &[(50, &[]), (70, &[]), (80, &[]), (80, &[5])]);
        check(Fault::ErrorAfter { tokens: 0 }, 5, &[(50, &[])]);
        check(Fault::ErrorAfter { tokens: 2 }, 5, &[(50, &[]), (60, &[])]);
    }

    #[test]
    fn faults_strike_in_place_of_the_next_token() {
        let check = |tokens_before, per_chunk, expected: &[(u128, &[u32])]| {
            let config = config(per_chunk, 1, Fault::CloseAfter { tokens: tokens_before });
            check(&config, Delivery::Stream(Usage::Nowhere), 4, expected);
        };
        check(0, 1, &[(0, &[]), (50, &[])]);
        check(2, 1, &[(0, &[]), (50, &[1]), (60, &[1]), (70, &[])]);
        check(3, 2, &[(0, &[]), (50, &[2]), (60, &[1]), (70, &[])]);
        check(4, 4, &[(0, &[]), (50, &[4]), (50, &[])]);
    }

    /// All that a script writes, the second of its creation replaced.
    fn wire(mut script: Script) -> String {
        let mut bytes = Vec::new();
        while script.next_delay(None).is_some() {
            let mut batch = Batch::default();
            script.write_next(&mut batch);
            bytes.append(&mut batch.bytes);
        }
        let wire = String::from_utf8(bytes).unwrap();
        let start = wire.find("\"created\":").unwrap() + "\"created\":".len();
        let digits = wire[start..].find(',').unwrap();
        wire.replace(&wire[start..start + digits], "1234567890")
    }

    #[test]
    fn streams_look_like_those_of_vllm() {
        let stream = script(
            config(1, 1, Fault::None),
            Endpoint::Chat,
            Delivery::Stream(Usage::InEachEvent),
            2,
        );
        let event = |rest: &str| {
            let event = format!(
                "data: {}{rest}\n\n",
                r#"{"id":"chatcmpl-r\"1","object":"chat.completion.chunk","created":1234567890,"model":"simulated","choices":["#
            );
            format!("{:x}\r\n{event}\r\n", event.len())
        };
        let expected = [
            concat!(
                "HTTP/1.1 200 OK\r\nserver: inferbench-sim/",
                env!("CARGO_PKG_VERSION"),
                "\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: r\"1\r\n",
                "transfer-encoding: chunked\r\n\r\n",
            ),
            &event(
                r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":3,"total_tokens":3,"completion_tokens":0}}"#,
            ),
            &event(
                r#"{"index":0,"delta":{"content":" the"},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":3,"total_tokens":4,"completion_tokens":1}}"#,
            ),
            &event(
                r#"{"index":0,"delta":{"content":" river"},"logprobs":null,"finish_reason":"length","stop_reason":null}],"usage":{"prompt_tokens":3,"total_tokens":5,"completion_tokens":2}}"#,
            ),
            &event(r#"],"usage":{"prompt_tokens":3,"total_tokens":5,"completion_tokens":2}}"#),
            "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
        ];
        assert_eq!(wire(stream), expected.concat());
    }

    #[test]
    fn completions_look_like_those_of_vllm() {
        let whole = script(config(1, 1, Fault::None), Endpoint::Completions, Delivery::Whole, 2);
        let wire = wire(whole);
        let (_, body) = wire.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body,
            r#"{"id":"cmpl-r\"1","object":"text_completion","created":1234567890,"model":"simulated","choices":[{"index":0,"text":" the river","logprobs":null,"finish_reason":"length","stop_reason":null}],"usage":{"prompt_tokens":3,"total_tokens":5,"completion_tokens":2}}"#
        );
    }
}
