//! The experiments that the README quotes: is the product right, does it keep to its schedule, and what does it
//! cost?

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are the output")]

use std::process::Command;

use anyhow::Context;
use clap::{Parser, Subcommand};
use inferbench_benches::{
    clock::monotonic_ns,
    experiment::{
        Asked, Conditions, FidelityRow, Product, Programs, ScheduleRow, Server, Watched, fidelity,
        schedule, watching,
    },
};
use serde_json::Value;

/// Judges the product's release binary on this machine.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Debug, Subcommand)]
enum Experiment {
    /// Errors of times to first token and of chunk gaps, quiet and with both cores burning
    Fidelity {
        /// Streams at once, one row each
        #[arg(long, value_delimiter = ',', default_value = "1,100,1000")]
        streams: Vec<u32>,
        /// Tokens of each answer
        #[arg(long, default_value_t = 100)]
        tokens: u32,
    },
    /// The delivered rate against the one asked for, and how late requests are sent
    Schedule {
        /// Requests a second
        #[arg(long, default_value_t = 2_000)]
        rate: u32,
        /// For how long
        #[arg(long, default_value_t = 10)]
        seconds: u32,
    },
    /// CPU per SSE event, as a multiple of the bare reader's
    Cost {
        /// Measurements of each, alternating; the medians are compared
        #[arg(long, default_value_t = 5)]
        repeats: usize,
        /// What the events carry, one comparison each
        #[arg(long, value_delimiter = ',', default_value = "content")]
        carrying: Vec<String>,
    },
    /// Times to first token and processor time with and without telemetry
    Watching {
        /// Streams at once
        #[arg(long, default_value_t = 64)]
        streams: u32,
        /// GPUs that are read each 100 ms, of a library that stands for NVIDIA's
        #[arg(long, default_value_t = 8)]
        gpus: u32,
        /// Runs with and without, by turns
        #[arg(long, default_value_t = 6)]
        repeats: usize,
    },
    /// Time to the first request and to `--help`
    Startup {
        /// How often; the median is told
        #[arg(long, default_value_t = 15)]
        repeats: usize,
    },
    /// Memory of each open stream
    Memory {
        /// Streams at once
        #[arg(long, default_value_t = 10_000)]
        streams: u32,
    },
}

fn main() -> anyhow::Result<()> {
    let programs = Programs::beside_this_one()?;
    match Cli::parse().experiment {
        Experiment::Fidelity { streams, tokens } => show_fidelity(&programs, &streams, tokens),
        Experiment::Schedule { rate, seconds } => show_schedule(&programs, rate, seconds),
        Experiment::Cost { repeats, carrying } => show_cost(&programs, repeats, &carrying),
        Experiment::Watching { streams, gpus, repeats } => {
            let watched = Watched { streams, rounds: 5, tokens: 100, gpus, repeats };
            show_watching(&programs, watched)
        }
        Experiment::Startup { repeats } => show_startup(&programs, repeats),
        Experiment::Memory { streams } => show_memory(&programs, streams),
    }
}

fn show_fidelity(programs: &Programs, streams: &[u32], tokens: u32) -> anyhow::Result<()> {
    println!("error in us, p50 / p99; a token every 10 ms, {tokens} tokens");
    println!(
        "{:>7} {:>5} {:>5} {:>5}  {:>15} {:>17}  {:>15} {:>17}",
        "streams",
        "burn",
        "kept",
        "coal.",
        "TTFT kernel",
        "TTFT by read",
        "gaps kernel",
        "gaps by read"
    );
    for burn in [false, true] {
        for streams in streams.iter().copied() {
            // Twenty answers a stream would take the thousand half a minute; three make 300 000 gaps.
            let rounds = (200 / streams).clamp(3, 20);
            let row = fidelity(programs, Conditions { streams, rounds, tokens, burn })?;
            print_row(&row);
        }
    }
    Ok(())
}

fn print_row(row: &FidelityRow) {
    let pair = |(p50, p99): (f64, f64)| format!("{p50:.1} / {p99:.1}");
    println!(
        "{:>7} {:>5} {:>4.0}% {:>4.1}%  {:>15} {:>17}  {:>15} {:>17}",
        row.conditions.streams,
        if row.conditions.burn { "yes" } else { "no" },
        row.kept * 100.0,
        row.coalesced * 100.0,
        pair(row.ttft_kernel),
        pair(row.ttft_read),
        pair(row.gaps_kernel),
        pair(row.gaps_read),
    );
}

fn show_schedule(programs: &Programs, rate: u32, seconds: u32) -> anyhow::Result<()> {
    println!("{rate} requests a second for {seconds} s; late in ms, p50 / p99 / max");
    println!(
        "{:>9} {:>7} {:>7} {:>12} {:>9} {:>7}  {:>24}  {:>24}",
        "arrivals",
        "due",
        "missed",
        "delivered/s",
        "of asked",
        "uneven",
        "sent late",
        "arrived late"
    );
    for arrivals in ["constant", "poisson"] {
        print_schedule_row(&schedule(programs, Asked { arrivals, rate, seconds })?);
    }
    Ok(())
}

fn print_schedule_row(row: &ScheduleRow) {
    let three = |[p50, p99, max]: [f64; 3]| format!("{p50:.3} / {p99:.3} / {max:.3}");
    println!(
        "{:>9} {:>7} {:>7} {:>12.2} {:>8.3}% {:>7.3}  {:>24}  {:>24}",
        row.asked.arrivals,
        row.due,
        row.missed,
        row.delivered,
        row.ratio * 100.0,
        row.unevenness,
        three(row.late_ms),
        three(row.arrived_ms),
    );
    if let Some(off_ns) = row.off_ns {
        println!("{:>9} due times are off by {off_ns} ns at most", "");
    }
    let word = |kept| if kept { "kept" } else { "MISSED" };
    println!(
        "{:>9} within 0.1 % of the rate, none missed: {}; p99 sent within 0.2 ms: {}",
        "",
        word(row.is_delivered()),
        word(row.is_prompt()),
    );
}

/// (name, server's arguments, streams, answers on each stream, tokens of an answer)
const LOADS: [(&str, [&str; 4], u32, u32, u32); 2] = [
    ("1000 streams x 100 tokens/s", ["--ttft-ms", "50", "--itl-ms", "10"], 1_000, 3, 200),
    ("64 streams at full speed", ["--ttft-ms", "0", "--itl-ms", "0"], 64, 10, 1_000),
];

fn show_cost(programs: &Programs, repeats: usize, carrying: &[String]) -> anyhow::Result<()> {
    println!(
        "CPU per SSE event in us, medians of {repeats}; the product with all its sinks, start-up included"
    );
    let loads = carrying.iter().flat_map(|carrying| LOADS.map(|load| (carrying, load)));
    for (carrying, (name, server_args, streams, rounds, tokens)) in loads {
        let name = format!("{name}, {carrying}");
        let server_args = [server_args.as_slice(), &["--carrying", carrying]].concat();
        let server = Server::start(programs, &server_args)?;
        let (mut bare, mut hyper, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..repeats {
            for (reader, figures) in [("bare-reader", &mut bare), ("hyper-reader", &mut hyper)] {
                let output = programs
                    .command(reader)
                    .args(["--url", &server.url, "--streams", &streams.to_string()])
                    .args([
                        "--requests-per-stream",
                        &rounds.to_string(),
                        "--max-tokens",
                        &tokens.to_string(),
                    ])
                    .output()?;
                let json: Value = serde_json::from_slice(&output.stdout).context(reader)?;
                figures.push(json["cpu_us_per_event"].as_f64().context(reader)?);
            }
            let folder = tempfile::tempdir()?;
            // The warm-up is a round of its own, and counted like the others.
            let product = Product { url: &server.url, streams, rounds: rounds - 1, tokens };
            let run = product.run(programs, folder.path())?;
            ours.push(run.cpu_s * 1e6 / run.events() as f64);
        }
        let [bare, hyper, ours] = [bare, hyper, ours].map(median);
        println!("{name}: bare {bare:.2}  inferbench {ours:.2} = {:.2} x bare", ours / bare);
        println!(
            "{:width$}  hyper with SSE, JSON and a record, no sinks {hyper:.2} = {:.2} x bare",
            "",
            hyper / bare,
            width = name.len()
        );
    }
    Ok(())
}

fn show_watching(programs: &Programs, watched: Watched) -> anyhow::Result<()> {
    let row = watching(programs, watched)?;
    let Watched { streams, gpus, repeats, .. } = watched;
    println!(
        "{streams} streams, a token every 10 ms, {gpus} GPUs; {repeats} runs of each kind, by turns"
    );
    let (without, with) = row.ttft_ms;
    let word = if row.is_alike() { "kept" } else { "MISSED" };
    println!(
        "TTFT p50 in ms     without {without:.3}   with {with:.3}   {:+.2} %   within 1 %: {word}",
        (with / without - 1.0) * 100.0
    );
    let (without, with) = row.cpu_s;
    println!("CPU of a run in s  without {without:.2}   with {with:.2}");
    println!(
        "telemetry alone    {:.2} % of a core, as the product says, for {:.0} readings a run",
        row.cost * 100.0,
        row.readings
    );
    Ok(())
}

fn show_startup(programs: &Programs, repeats: usize) -> anyhow::Result<()> {
    let mut to_help = Vec::new();
    let mut to_request = Vec::new();
    for _ in 0..repeats {
        let began = monotonic_ns();
        programs.command("inferbench").arg("--help").output()?;
        to_help.push((monotonic_ns() - began) as f64 / 1e6);

        let folder = tempfile::tempdir()?;
        let truth = folder.path().join("truth.jsonl");
        let server = Server::start(
            programs,
            &["--ttft-ms", "0", "--itl-ms", "0", "--truth", &truth.to_string_lossy()],
        )?;
        let mut command = programs.command("inferbench");
        command.args([
            "run",
            "--json",
            "--ui",
            "none",
            "--url",
            &server.url,
            "--osl",
            "4",
            "--artifact-dir",
        ]);
        let began = monotonic_ns();
        command.arg(folder.path()).output()?;
        server.finish()?;
        let text = std::fs::read_to_string(&truth)?;
        let received = text.lines().filter_map(|line| {
            let truth: Value = serde_json::from_str(line).ok()?;
            truth["received_ns"].as_u64()
        });
        let first = received.min().context("the server was asked")?;
        to_request.push((first - began) as f64 / 1e6);
    }
    println!("exec to the end of --help     {:.1} ms (median of {repeats})", median(to_help));
    println!(
        "exec to the first request     {:.1} ms (median of {repeats}, 100 prompts of 1024 tokens made)",
        median(to_request)
    );
    Ok(())
}

fn show_memory(programs: &Programs, streams: u32) -> anyhow::Result<()> {
    let peak = |streams: u32| -> anyhow::Result<u64> {
        let folder = tempfile::tempdir()?;
        // A token a second: all streams are open at once for a while.
        let server = Server::start(programs, &["--ttft-ms", "3000", "--itl-ms", "400"])?;
        let output = Command::new("/usr/bin/time")
            .args(["-f", "%M"])
            .arg(programs.command("inferbench").get_program())
            .args([
                "run",
                "--json",
                "--ui",
                "none",
                "--isl",
                "16",
                "--osl",
                "20",
                "--warmup-request-count",
                "0",
            ])
            .args(["--url", &server.url, "-c", &streams.to_string(), "-n", &streams.to_string()])
            .arg("--artifact-dir")
            .arg(folder.path())
            .output()
            .context("GNU time is needed: apt-get install time")?;
        let summary: Value = serde_json::from_slice(&output.stdout).context("inferbench")?;
        let outcomes = &summary["points"][0]["outcomes"];
        eprintln!("{streams} streams: {outcomes}");
        let said = String::from_utf8_lossy(&output.stderr);
        said.lines().last().and_then(|kib| kib.trim().parse().ok()).context("peak memory")
    };
    let (few, many) = (peak(100)?, peak(streams)?);
    let each = (many.saturating_sub(few)) as f64 / f64::from(streams - 100);
    println!(
        "peak resident memory: {few} KiB at 100 streams, {many} KiB at {streams}: {each:.1} KiB a stream"
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
