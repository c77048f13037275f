//! What it takes to make a summary of a million requests: `cargo bench -p bench-core`.
//!
//! Prints the time of taking samples in and of summarizing them, beside that of sorting as many numbers
//! once, and the memory that all of it took. Sixteen events a request: more of them cost time when a sample
//! is taken in, while the run goes on, and no memory.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::num::NonZeroUsize;

use bench_core::{
    Aggregate, Arrival, ArrivalKind, Load, Moment, Outcome, Point, Sample, Until, Usage,
};
use nix::sys::resource::{UsageWho, getrusage};
use tokio::time::Instant;

const REQUESTS: u32 = 1_000_000;
const EVENTS: u16 = 16;
const IN_FLIGHT: u64 = 256;

fn main() {
    let concurrency = NonZeroUsize::new(256).expect("256 is not 0");
    let point = Point {
        goodput: "ttft:500 tpot:50".parse().ok(),
        ..Point::new(Load::closed(concurrency), Until::requests(u64::from(REQUESTS)))
    };
    let mut aggregate = Aggregate::of(&point);
    let mut sample = blank();
    let began = Instant::now();
    for number in 0..u64::from(REQUESTS) {
        vary(&mut sample, number);
        aggregate.add(&sample);
    }
    let taken_in = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let summary = aggregate.summarize();
    let summarized = began.elapsed().as_secs_f64();
    assert_eq!(summary.succeeded(), u64::from(REQUESTS));

    let mut numbers: Vec<f64> = (0..u64::from(REQUESTS)).map(noise).collect();
    let began = Instant::now();
    numbers.sort_unstable_by(f64::total_cmp);
    let sorted = began.elapsed().as_secs_f64();

    println!("{REQUESTS} requests of {EVENTS} events:");
    println!(
        "  taken in    {taken_in:.2} s while the run goes on, {:.2} us each",
        taken_in * 1e6 / f64::from(REQUESTS)
    );
    println!(
        "  summarized  {summarized:.2} s, {:.1} x sorting one number of each",
        summarized / sorted
    );
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        println!("  memory      {:.0} MiB at the most", usage.max_rss() as f64 / 1024.0);
    }
}

/// From 0 to 1, the same for the same number.
fn noise(number: u64) -> f64 {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64
        / (1_u64 << 53) as f64
}

fn blank() -> Sample {
    let arrival = Arrival {
        at: Moment::default(),
        lag_ns: 3_000,
        bytes: 4,
        tokens: 1,
        kind: ArrivalKind::Content,
        coalesced: false,
        kernel: true,
    };
    let completion = u32::from(EVENTS);
    Sample {
        outcome: Outcome::Ok,
        arrivals: vec![arrival; usize::from(EVENTS)],
        usage: Some(Usage { prompt: 1_024, completion, ..Usage::default() }),
        asked_tokens: Some(completion),
        ..Sample::due(Moment::default())
    }
}

/// 256 in flight, each some 200 ms long.
fn vary(sample: &mut Sample, number: u64) {
    let at = |ms: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "moments of a run are not negative, and far below 584 years"
        )]
        let ns = (ms * 1e6) as u64;
        Moment::from_nanos(ns)
    };
    let sent = (number / IN_FLIGHT) as f64 * 210.0 + noise(number) * 5.0;
    let first = sent + 40.0 + noise(number + 7) * 20.0;
    (sample.due, sample.sent, sample.number) = (at(sent), Some(at(sent)), number);
    for (place, arrival) in sample.arrivals.iter_mut().enumerate() {
        arrival.at = at(first + place as f64 * (9.0 + noise(number ^ place as u64)));
    }
    sample.done = sample.arrivals.last().map(|last| last.at);
}
