//! Burns CPU: the other process that a client under measurement has to live with.

use std::{hint, thread};

use clap::{Parser, value_parser};
use inferbench_benches::clock::monotonic_ns;

/// Spins on a number of threads at ordinary priority.
#[derive(Debug, Parser)]
struct Cli {
    /// Threads to spin on.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// How long.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(..=86_400))]
    seconds: u64,
}

fn main() {
    let cli = Cli::parse();
    let end_ns = monotonic_ns() + cli.seconds * 1_000_000_000;
    thread::scope(|scope| {
        for _ in 0..cli.threads {
            scope.spawn(|| spin_until(end_ns));
        }
    });
}

fn spin_until(end_ns: u64) {
    while monotonic_ns() < end_ns {
        hint::spin_loop();
    }
}
