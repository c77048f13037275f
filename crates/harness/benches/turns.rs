//! What a long conversation costs between two of its turns: `cargo bench -p bench-harness`.
//!
//! A live conversation of 50 000 tokens (200 KB in 40 messages) is put into OpenAI's words, beside a bare copy of
//! the body that comes of it.

#![expect(clippy::print_stdout, reason = "a benchmark says what it found")]
#![expect(clippy::disallowed_types, reason = "nobody moves the clock here")]

use std::{error::Error, hint::black_box, sync::Arc, time::Instant};

use bench_core::{
    Answer, ArrivalKind, Clock, Moment, Outcome, Provider, Request, Sample, Stamp, Workload,
};
use bench_providers::{Config, Endpoint, HttpProvider};
use bench_workloads::{Ask, Conversation, Conversations, Course};

const TURNS: usize = 20;
/// Of a question and of an answer: 40 of them are 200 KB, four to a token.
const BYTES: usize = 5_000;
const ROUNDS: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let provider = HttpProvider::new(Config::new(Endpoint::parse(":1")?, "model"))?;
    let text = "It was a bright cold day in April, \"and\" the clocks were striking.\n".repeat(80);
    let text = &text[..BYTES];
    let turns = (0..=TURNS).map(|_| Ask::user(text)).collect();
    let talk = Arc::new(Conversation { id: "a".into(), turns, ..Conversation::default() });
    let encode = Arc::new(move |prompt: &_| provider.encode(prompt));
    let course = Course { loops: true, ..Course::default() };
    let mut workload = Conversations::new(&[talk], encode, course)?;
    let answer = answer(text);

    let (mut last, mut copies) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut session = workload.next_session().ok_or("the workload has an end")?;
        let mut previous = None;
        for turn in 0..=TURNS {
            let began = Instant::now();
            let next = session.next_turn(previous).ok_or("the session has an end")?;
            let took = began.elapsed().as_secs_f64() * 1e6;
            previous = Some(&answer);
            if turn == TURNS {
                last.push(took);
                let began = Instant::now();
                black_box(next.request.body.to_vec());
                copies.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    let [turn, copy] = [&mut last, &mut copies].map(|values| median(values));
    println!(
        "between two turns, 50 000 tokens of history: {turn:.0} us; a bare copy {copy:.0} us; ratio {:.1}",
        turn / copy
    );
    Ok(())
}

/// The record of an answer that says `text`.
fn answer(text: &str) -> Answer {
    let mut answer = Answer::new(Clock::start());
    answer.begin(Sample::due(Moment::default()), &Request::default());
    answer.generated(Stamp::of_read(Moment::from_nanos(1)), ArrivalKind::Content, text, None);
    answer.take_sample(Outcome::Ok, None);
    answer
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
