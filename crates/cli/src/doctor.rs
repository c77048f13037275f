//! `inferbench doctor`: how wrong this machine's measurements are.

use std::{num::NonZeroUsize, time::Duration};

use bench_core::Stop;
use bench_harness::{Errors, Exit, Failure, SelfTest, SelfTestResult, self_test};

use crate::{args::DoctorArgs, output, signals::Signals};

pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let test = SelfTest {
        streams: NonZeroUsize::new(args.concurrency).unwrap_or(NonZeroUsize::MIN),
        ttft: Duration::from_millis(50),
        itl: args.itl_ms,
        tokens: args.osl,
        rounds: args.rounds,
    };
    let stop = Stop::new();
    let signals = Signals::stop(&stop);
    let result = self_test(test, &stop)?;
    output::result(&render(&test, &result))?;
    Ok(signals.exit().unwrap_or(Exit::Ok))
}

fn render(test: &SelfTest, result: &SelfTestResult) -> String {
    let mut lines = vec![
        format!(
            "self-test: {} streams, a token every {} ms, {} tokens, {} rounds, against the simulator's own moments",
            test.streams,
            test.itl.as_secs_f64() * 1e3,
            test.tokens,
            test.rounds
        ),
        String::new(),
        format!(
            "{:<34} {:>9} {:>9} {:>9} {:>9}",
            "error in microseconds", "n", "p50", "p99", "max"
        ),
    ];
    for (name, errors) in [
        ("time to first token, as reported", result.ttft),
        ("chunk gaps, as reported", result.gaps),
        ("time to first token, by read time", result.ttft_by_read),
        ("chunk gaps, by read time", result.gaps_by_read),
    ] {
        lines.push(row(name, errors));
    }
    lines.push(String::new());
    let total = result.gaps.map_or(0, |g| g.count as u64) + result.coalesced;
    let share = if total > 0 { result.coalesced as f64 / total as f64 * 100.0 } else { 0.0 };
    lines.push(format!("{} chunks ({share:.1} %) shared a read and have no gap", result.coalesced));
    if result.failed > 0 {
        lines.push(format!("{} requests failed or were given up", result.failed));
    }
    lines.push(
        "An arrival can only be later than its sending: the way through the kernel is part of each error."
            .to_owned(),
    );
    lines.join("\n")
}

fn row(name: &str, errors: Option<Errors>) -> String {
    match errors {
        Some(Errors { count, p50_us, p99_us, max_us }) => {
            format!("{name:<34} {count:>9} {p50_us:>9.1} {p99_us:>9.1} {max_us:>9.1}")
        }
        None => format!("{name:<34} {:>9}", 0),
    }
}
