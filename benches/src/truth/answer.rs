//! One answer: its bytes, when each of its pieces is due, and what became of it.

use std::io::Write;

use super::{
    log::RequestTruth,
    request::{Request, Wish},
};
use crate::clock::realtime_ns;

/// How fast the answers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the reading of the request to the first content event.
    pub ttft_ns: u64,
    /// Between content events; 0 writes the next as soon as the socket takes it.
    pub itl_ns: u64,
}

/// What content events carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Carrying {
    /// A word.
    #[default]
    Content,
    /// A word, and the count of tokens so far, as vLLM does when asked for `continuous_usage_stats`.
    Usage,
    /// A piece of a tool call's arguments.
    ToolCalls,
    /// A word, its log probability, and those of two others.
    Logprobs,
}

/// An answer on its way: head and role event, content events, and the tail.
#[derive(Debug)]
pub(super) struct Answer {
    number: u64,
    pace: Pace,
    tokens: u32,
    piece: Piece,
    /// Planned moment of the piece.
    due_ns: u64,
    head: String,
    event: ContentEvent,
    tail: String,
    truth: RequestTruth,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece {
    Head,
    Content(u32),
    Tail,
}

/// What comes after a piece that was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// The next piece, not before this moment.
    At(u64),
    /// Nothing: the answer is complete.
    End,
}

/// What the server makes of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Tells its answer from all others; it makes the `id`.
    pub(super) number: u64,
    pub(super) pace: Pace,
    pub(super) carrying: Carrying,
    /// Where the request does not say how many.
    pub(super) tokens: u32,
}

/// When a request came in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival {
    /// By the kernel's stamp.
    pub(super) stamp_ns: Option<u64>,
    /// By the clock, after the read.
    pub(super) read_ns: u64,
}

/// Around the `write(2)` that took the last byte of a piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) before_ns: u64,
    pub(super) after_ns: u64,
}

impl Answer {
    /// The answer to a request that came at `arrival`.
    pub(super) fn new(
        request: &Request<'_>,
        arrival: Arrival,
        terms: Terms,
    ) -> serde_json::Result<Self> {
        let Terms { number, pace, carrying, tokens } = terms;
        let wish = Wish::parse(request.body)?;
        let tokens = wish.tokens().unwrap_or(tokens).max(1);
        let writer = ChunkWriter { number, created: realtime_ns() / 1_000_000_000 };
        let head = HEAD.to_owned() + &writer.chunk(r#"{"role":"assistant","content":""}"#, "null");
        let mut tail = writer.chunk("{}", r#""length""#);
        if wish.wants_usage() {
            tail.push_str(&writer.usage(request.body.len() / 4, tokens));
        }
        tail.push_str(&framed("[DONE]"));
        tail.push_str("0\r\n\r\n");
        let room = || Vec::with_capacity(tokens.min(MOST_ROOM) as usize);
        let truth = RequestTruth {
            id: request.id.map(str::to_owned),
            arrived_ns: arrival.stamp_ns,
            received_ns: arrival.read_ns,
            headers_ns: 0,
            due_ns: room(),
            sends_ns: room(),
            sent_ns: room(),
            complete: false,
        };
        Ok(Self {
            number,
            pace,
            tokens,
            piece: Piece::Head,
            due_ns: arrival.read_ns,
            head,
            event: ContentEvent::new(&writer, carrying),
            tail,
            truth,
        })
    }

    /// Tells this answer from all others.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Appends the bytes of the piece that comes next.
    pub(super) fn compose(&mut self, out: &mut Vec<u8>) {
        match self.piece {
            Piece::Head => out.extend_from_slice(self.head.as_bytes()),
            Piece::Content(index) => out.extend_from_slice(self.event.numbered(index)),
            Piece::Tail => out.extend_from_slice(self.tail.as_bytes()),
        }
    }

    /// Notes when the piece was written, and says what comes next.
    pub(super) fn written(&mut self, written: Written) -> Next {
        let last = self.tokens - 1;
        (self.piece, self.due_ns) = match self.piece {
            Piece::Head => {
                self.truth.headers_ns = written.before_ns;
                (Piece::Content(0), self.first_due_ns())
            }
            Piece::Content(index) => {
                self.truth.due_ns.push(self.due_ns);
                self.truth.sends_ns.push(written.before_ns);
                self.truth.sent_ns.push(written.after_ns);
                if index == last {
                    (Piece::Tail, written.after_ns)
                } else {
                    (Piece::Content(index + 1), self.next_due_ns(index + 1, written))
                }
            }
            Piece::Tail => {
                self.truth.complete = true;
                return Next::End;
            }
        };
        Next::At(self.due_ns)
    }

    /// What happened, as far as it got.
    pub(super) fn into_truth(self) -> RequestTruth {
        self.truth
    }

    fn first_due_ns(&self) -> u64 {
        self.truth.received_ns + self.pace.ttft_ns
    }

    fn next_due_ns(&self, index: u32, written: Written) -> u64 {
        match self.pace.itl_ns {
            0 => written.after_ns,
            itl_ns => self.first_due_ns() + u64::from(index) * itl_ns,
        }
    }
}

/// Moments to make room for before an answer starts.
const MOST_ROOM: u32 = 4096;

const HEAD: &str = "HTTP/1.1 200 OK\r\nserver: truth\r\n\
    content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

/// A content event of which only the five digits of its number change.
#[derive(Debug)]
struct ContentEvent {
    bytes: Vec<u8>,
    digits: usize,
}

impl ContentEvent {
    fn new(writer: &ChunkWriter, carrying: Carrying) -> Self {
        let content = r#"{"content":" t00000"}"#;
        let event = match carrying {
            Carrying::Content => writer.chunk(content, "null"),
            Carrying::Usage => writer.chunk_with(content, "null", "null", USAGE),
            Carrying::ToolCalls => writer.chunk(CALL, "null"),
            Carrying::Logprobs => writer.chunk_with(content, LOGPROBS, "null", ""),
        };
        let bytes = event.into_bytes();
        let digits = memchr::memmem::find(&bytes, b" t00000").expect("just written") + 2;
        Self { bytes, digits }
    }

    fn numbered(&mut self, index: u32) -> &[u8] {
        let mut digits = &mut self.bytes[self.digits..][..5];
        write!(digits, "{:05}", index % 100_000).expect("five digits fit into five bytes");
        &self.bytes
    }
}

const USAGE: &str =
    r#","usage":{"prompt_tokens":1024,"total_tokens":1152,"completion_tokens":128}"#;
const CALL: &str =
    r#"{"content":null,"tool_calls":[{"index":0,"function":{"arguments":" t00000"}}]}"#;
const LOGPROBS: &str = r#"{"content":[{"token":" t00000","logprob":-5.980545997619629,"bytes":[32,116,48,48,48,48,48],"top_logprobs":[{"token":" t00000","logprob":-5.980545997619629,"bytes":[32,116,48,48,48,48,48]},{"token":" kw","logprob":-6.386795997619629,"bytes":[32,107,119]}]}]}"#;

/// Writes chunks in the shape of vLLM 0.32.
struct ChunkWriter {
    number: u64,
    created: u64,
}

impl ChunkWriter {
    fn chunk(&self, delta: &str, finish_reason: &str) -> String {
        self.chunk_with(delta, "null", finish_reason, "")
    }

    /// `more` follows the choices.
    fn chunk_with(&self, delta: &str, logprobs: &str, finish_reason: &str, more: &str) -> String {
        let start = self.start();
        framed(&format!(
            r#"{start}"choices":[{{"index":0,"delta":{delta},"logprobs":{logprobs},"finish_reason":{finish_reason},"token_ids":null}}]{more}}}"#
        ))
    }

    fn usage(&self, prompt_tokens: usize, completion_tokens: u32) -> String {
        let start = self.start();
        let total_tokens = prompt_tokens + completion_tokens as usize;
        framed(&format!(
            r#"{start}"choices":[],"usage":{{"prompt_tokens":{prompt_tokens},"total_tokens":{total_tokens},"completion_tokens":{completion_tokens}}}}}"#
        ))
    }

    fn start(&self) -> String {
        let Self { number, created } = self;
        format!(
            r#"{{"id":"chatcmpl-{number:032x}","object":"chat.completion.chunk","created":{created},"model":"truth","#
        )
    }
}

/// One SSE event in one HTTP chunk.
fn framed(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn answer(body: &str, pace: Pace) -> Answer {
        let (method, path) = ("POST", "/v1/chat/completions");
        let (body, length, keep_alive) = (body.as_bytes(), body.len(), true);
        let request = Request { method, path, id: Some("r"), keep_alive, body, length };
        let arrival = Arrival { stamp_ns: Some(90), read_ns: 100 };
        let terms = Terms { number: 1, pace, carrying: Carrying::Content, tokens: 2 };
        Answer::new(&request, arrival, terms).unwrap()
    }

    #[test]
    fn events_carry_what_they_are_to_carry() {
        let writer = ChunkWriter { number: 1, created: 1 };
        for (carrying, place) in [
            (Carrying::Content, "/choices/0/delta/content"),
            (Carrying::Usage, "/usage/completion_tokens"),
            (Carrying::ToolCalls, "/choices/0/delta/tool_calls/0/function/arguments"),
            (Carrying::Logprobs, "/choices/0/logprobs/content/0/top_logprobs/1/logprob"),
        ] {
            let mut event = ContentEvent::new(&writer, carrying);
            let event = std::str::from_utf8(event.numbered(7)).unwrap();
            let data = event.split_once("data: ").unwrap().1.trim();
            let chunk: serde_json::Value = serde_json::from_str(data).unwrap();
            assert!(chunk.pointer(place).is_some(), "{carrying:?}: {chunk}");
            assert!(data.contains(" t00007"), "{data}");
        }
    }

    /// Writes all pieces, each one millisecond after it was due.
    fn play(mut answer: Answer) -> (Vec<String>, RequestTruth) {
        let mut pieces = Vec::new();
        loop {
            let mut bytes = Vec::new();
            answer.compose(&mut bytes);
            pieces.push(String::from_utf8(bytes).unwrap());
            let (before_ns, after_ns) = (answer.due_ns + MS, answer.due_ns + MS + 7);
            if answer.written(Written { before_ns, after_ns }) == Next::End {
                return (pieces, answer.into_truth());
            }
        }
    }

    #[test]
    fn content_is_due_by_the_plan_however_late_it_was_written() {
        let pace = Pace { ttft_ns: 50 * MS, itl_ns: 10 * MS };
        let (_, truth) = play(answer(r#"{"max_tokens":3}"#, pace));
        let due_ns = vec![50 * MS + 100, 60 * MS + 100, 70 * MS + 100];
        assert_eq!(
            truth,
            RequestTruth {
                id: Some("r".to_owned()),
                arrived_ns: Some(90),
                received_ns: 100,
                headers_ns: MS + 100,
                sends_ns: due_ns.iter().map(|due| due + MS).collect(),
                sent_ns: due_ns.iter().map(|due| due + MS + 7).collect(),
                due_ns,
                complete: true,
            }
        );
    }

    #[test]
    fn at_full_speed_each_event_is_due_when_the_one_before_is_written() {
        let (_, truth) = play(answer("{}", Pace { ttft_ns: 0, itl_ns: 0 }));
        assert_eq!(truth.due_ns, [100, truth.sent_ns[0]]);
    }

    #[test]
    fn every_content_event_is_a_piece_of_its_own() {
        let body = r#"{"max_tokens":2,"stream_options":{"include_usage":true}}"#;
        let (pieces, _) = play(answer(body, Pace { ttft_ns: 0, itl_ns: 0 }));
        let [head, first, second, tail] = &pieces[..] else { panic!("{pieces:?}") };
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(r#""role""#));
        assert!(first.contains(r#""content":" t00000""#) && second.contains(" t00001"));
        assert_eq!([first, second].map(|event| event.matches("data: ").count()), [1, 1]);
        assert!(tail.contains(r#""finish_reason":"length""#));
        assert!(tail.contains(r#""completion_tokens":2"#));
        assert!(tail.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
        assert!((230..=270).contains(&first.len()), "{}", first.len());
    }

    #[test]
    fn chunk_sizes_and_json_are_right() {
        let (pieces, _) = play(answer("{}", Pace { ttft_ns: 0, itl_ns: 0 }));
        let stream = pieces.concat();
        let mut rest = stream.split_once("\r\n\r\n").unwrap().1;
        loop {
            let (size, after) = rest.split_once("\r\n").unwrap();
            let (chunk, after) = after.split_at(usize::from_str_radix(size, 16).unwrap());
            rest = after.strip_prefix("\r\n").unwrap();
            if size == "0" {
                break;
            }
            let data = chunk.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
            if data != "[DONE]" {
                serde_json::from_str::<serde_json::Value>(data).unwrap();
            }
        }
        assert!(rest.is_empty() && !stream.contains("usage"));
    }
}
