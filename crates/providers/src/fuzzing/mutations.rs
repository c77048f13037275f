//! Every target on what real servers sent, damaged: the same damage each time.
//!
//! `INFERBENCH_MUTATED_BYTES` says how many bytes each target gets; without, a few, so that this takes a
//! second. `cargo test --profile checked -p bench-providers mutations` is the fast way to many.

use std::{fs, panic::catch_unwind, path::PathBuf, time::Duration};

use memchr::memchr;
use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};
use serde_json::Value;
use tokio::time::Instant;

use crate::{Api, fuzzing, http};

const FEW_BYTES: usize = 300_000;
/// No input is longer.
const MOST_OF_INPUT: usize = 64 << 10;
/// What no input may take, on however slow a machine.
const HANG: Duration = Duration::from_secs(10);

/// A recorded response.
struct Capture {
    api: Option<Api>,
    wire: Vec<u8>,
}

/// Answers of engines that no capture is of.
const UNRECORDED: [(Api, &str); 6] = [
    (
        Api::NativeChat,
        "{\"message\":{\"content\":\"\",\"thinking\":\"h\"},\"done\":false}\n\
         {\"message\":{\"content\":\"hi\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]}}\n\
         {\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":2}\n",
    ),
    (
        Api::Generate,
        "{\"response\":\"Hel\",\"done\":false}\n{\"response\":\"lo\",\"done\":false}\n\
         {\"response\":\"\",\"done\":true,\"done_reason\":\"length\",\"prompt_eval_count\":3,\"eval_count\":2}\n",
    ),
    (
        Api::Generate,
        "data: {\"model_name\":\"m\",\"text_output\":\"Hel\"}\n\ndata: {\"text_output\":\"lo\"}\n\n",
    ),
    (
        Api::Embeddings,
        "{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0.5,-1e-3]},{\"embedding\":\"zczMPQ==\"}],\
         \"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}",
    ),
    (
        Api::Rerank,
        "{\"results\":[{\"index\":1,\"relevance_score\":0.9},{\"index\":0,\"relevance_score\":-2}],\
         \"usage\":{\"total_tokens\":9}}",
    ),
    (Api::Rerank, "[{\"score\":0.5,\"index\":0,\"meta_info\":{}},{\"logit\":1}]"),
];

fn captures() -> Vec<Capture> {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut captures = Vec::new();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The order of a folder is the machine's.
    folders.sort();
    for folder in folders.iter().filter(|path| path.is_dir()) {
        let index = fs::read(folder.join("index.json")).unwrap();
        let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
        for case in &index {
            let api = match case["path"].as_str().unwrap_or_default() {
                "/v1/chat/completions" => Some(Api::Chat),
                "/v1/completions" => Some(Api::Completions),
                "/v1/responses" => Some(Api::Responses),
                "/v1/messages" => Some(Api::Messages),
                "/generate" | "/completion" => Some(Api::Generate),
                _ => None,
            };
            let name = format!("{}.http", case["case"].as_str().unwrap());
            captures.push(Capture { api, wire: fs::read(folder.join(name)).unwrap() });
        }
    }
    for (api, body) in UNRECORDED {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        captures
            .push(Capture { api: Some(api), wire: [head.as_bytes(), body.as_bytes()].concat() });
    }
    captures
}

/// What has a meaning somewhere.
const TOKENS: [&[u8]; 48] = [
    b"data:",
    b"data: ",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b"event:",
    b": ping\n\n",
    b"id: 1\n",
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff\xfe",
    b"\xe2\x82",
    b"\xf0\x9f\x98\x80",
    b"\\ud83d",
    b"\\ud83d\\ude00",
    b"\\u0000",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"4294967295",
    b"18446744073709551616",
    b"1e999",
    b"{\"error\":{\"message\":\"no\"}}",
    b"data: {\"choices\":[],\"usage\":{\"completion_tokens\":4294967295}}\n\n",
    b"data: {\"choices\":[{}],\"usage\":{\"completion_tokens\":4294967295}}\n\n",
    b"data: {\"choices\":[{}],\"usage\":{\"completion_tokens\":0}}\n\n",
    b"data: {\"meta_info\":{\"completion_tokens\":4294967295}}\n\n",
    b"data: {\"tokens_predicted\":4294967295}\n\n",
    b"\"content\":\"x\",",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"1\r\nx\r\n",
    b"\r\nfffffffffffffff\r\n",
];

/// Numbers at the edges of types.
const NUMBERS: [u64; 6] = [0, 1, 65_536, 4_294_967_295, 4_294_967_296, u64::MAX];

/// Where the line after `at` begins; the end, if there is none.
fn next_line(bytes: &[u8], at: usize) -> usize {
    memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1)
}

struct Mutator(TestRng);

impl Mutator {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() % bound.max(1) as u64).unwrap()
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A piece of `bytes`: mostly a short one.
    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let most = if self.below(4) == 0 { bytes.len() } else { bytes.len().min(80) };
        let length = self.below(most + 1);
        let start = self.below(bytes.len() - length + 1);
        if self.below(3) == 0 {
            return start..start + length;
        }
        // Whole lines, which leave a stream that can be read on.
        next_line(bytes, start)..next_line(bytes, start + length)
    }

    /// A place in `bytes`, mostly the beginning of a line.
    fn place(&mut self, bytes: &[u8]) -> usize {
        let at = self.below(bytes.len() + 1);
        if self.below(3) == 0 { at } else { next_line(bytes, at) }
    }

    /// Damages `bytes` in one way; `other` is something else to take from.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        match self.below(12) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.0.next_u32().to_le_bytes()[0],
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(self.range(bytes))),
            4 => {
                let (at, piece) = (self.place(bytes), bytes[self.range(bytes)].to_vec());
                bytes.splice(at..at, piece);
            }
            5 => {
                let (gone, come) = (self.range(bytes), self.range(other));
                bytes.splice(gone, other[come].iter().copied());
            }
            6 => {
                // The end of another.
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.below(other.len())..]);
            }
            7 if self.below(40) == 0 => {
                let token = *self.one_of(&TOKENS);
                let times = self.below(MOST_OF_INPUT / token.len());
                bytes.splice(at..at, token.repeat(times));
            }
            8 if self.below(40) == 0 => {
                let opening =
                    *self.one_of(&[&b"["[..], b"{\"a\":", b"[{\"choices\":", b"{\"error\":"]);
                let times = self.below(MOST_OF_INPUT / opening.len());
                bytes.splice(at..at, opening.repeat(times));
            }
            9 | 10 => {
                let is_digit = |byte: &u8| byte.is_ascii_digit();
                if let Some(start) = bytes[at..].iter().position(is_digit).map(|i| at + i) {
                    let length = bytes[start..].iter().take_while(|byte| is_digit(byte)).count();
                    let number = match self.below(2) {
                        0 => *self.one_of(&NUMBERS),
                        _ => self.0.next_u64() >> self.below(64),
                    };
                    bytes.splice(start..start + length, number.to_string().into_bytes());
                }
            }
            _ => {
                let (at, token) = (self.place(bytes), *self.one_of(&TOKENS));
                bytes.splice(at..at, token.iter().copied());
            }
        }
        bytes.truncate(MOST_OF_INPUT);
    }
}

/// Runs `target` on damaged seeds, each with the byte before it that chooses what reads it.
fn run(target: fn(&[u8]), seeds: &[(Vec<u8>, Vec<u8>)]) {
    let bytes = std::env::var("INFERBENCH_MUTATED_BYTES");
    let bytes = bytes.map_or(FEW_BYTES, |bytes| bytes.parse().unwrap());
    let mut mutator = Mutator(TestRng::from_seed(RngAlgorithm::XorShift, &[7; 16]));
    let (mut fed, mut inputs) = (0, 0);
    while fed < bytes {
        let (choices, seed) = mutator.one_of(seeds);
        let mut input = seed.clone();
        // Many events of a stream are the same to a reader.
        if mutator.below(4) > 0 {
            input = input[mutator.range(&input)].to_vec();
        }
        for _ in 0..mutator.below(8) {
            let (_, other) = mutator.one_of(seeds);
            mutator.mutate(&mut input, other);
        }
        let any = mutator.0.next_u32().to_le_bytes()[0];
        let choice = if choices.is_empty() || any < 16 { any } else { *mutator.one_of(choices) };
        input.insert(0, choice);
        let began = Instant::now();
        if catch_unwind(|| target(&input)).is_err() {
            panic!("input {inputs}: b\"{}\"", input.escape_ascii());
        }
        let took = began.elapsed();
        assert!(took < HANG, "{took:?} for input {inputs}: b\"{}\"", input.escape_ascii());
        fed += input.len();
        inputs += 1;
    }
}

/// The bytes that choose a reader for `api`.
fn readers_of(api: Option<Api>) -> Vec<u8> {
    let readers = fuzzing::read::readers().enumerate();
    let fitting = readers.filter(|(_, (_, its))| api.is_none_or(|api| api == *its));
    fitting.map(|(choice, _)| u8::try_from(choice).unwrap()).collect()
}

fn run_on_bodies(target: fn(&[u8])) {
    let seed = |capture: Capture| (readers_of(capture.api), http::fuzzing::content(&capture.wire));
    run(target, &captures().into_iter().map(seed).collect::<Vec<_>>());
}

#[test]
fn sse() {
    run_on_bodies(fuzzing::sse);
}

#[test]
fn ndjson() {
    run_on_bodies(fuzzing::ndjson);
}

#[test]
fn answers() {
    run_on_bodies(fuzzing::answers);
}

#[test]
fn whole() {
    run_on_bodies(fuzzing::whole);
}

#[test]
fn head() {
    let seed = |Capture { mut wire, .. }: Capture| {
        wire.truncate(2 << 10);
        (vec![b'H'], wire.split_off(1))
    };
    run(fuzzing::head, &captures().into_iter().map(seed).collect::<Vec<_>>());
}

#[test]
fn body() {
    let seed = |capture: Capture| {
        let start = capture.wire.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        (vec![0, 32, 255, 255, 255], capture.wire[start..].to_vec())
    };
    run(fuzzing::body, &captures().into_iter().map(seed).collect::<Vec<_>>());
}

#[test]
fn exchange() {
    let seed = |capture: Capture| {
        let mut choices = readers_of(capture.api);
        choices.extend(choices.clone().iter().map(|choice| choice | 0x80));
        (choices, capture.wire)
    };
    run(fuzzing::exchange, &captures().into_iter().map(seed).collect::<Vec<_>>());
}

/// The template is damaged, or the answer, or both.
#[test]
fn template() {
    let seeds = captures().into_iter().flat_map(|capture| {
        let body = http::fuzzing::content(&capture.wire);
        let seed = |file: &&str| (vec![b'{'], [&file.as_bytes()[1..], b"\n", &body].concat());
        fuzzing::read::FILES.iter().map(seed).collect::<Vec<_>>()
    });
    run(fuzzing::template, &seeds.collect::<Vec<_>>());
}
