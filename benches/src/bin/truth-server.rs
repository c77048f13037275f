//! Serves chat completions at a known pace, and writes down when it really sent each event.
//!
//! The reference of the fidelity experiment: what a client reports is compared with the file that
//! `--truth` names, one line of JSON per request (see `RequestTruth`).

#![expect(clippy::print_stdout, reason = "the port is told on stdout")]

use std::path::PathBuf;

use clap::{Parser, value_parser};
use inferbench_benches::{
    load::raise_open_files,
    truth::{Carrying, Config, Pace, Server},
};

/// A server of OpenAI chat completions that knows when it sent each event.
///
/// Prints `port N` first, then serves on 127.0.0.1 until SIGTERM, SIGINT, or --requests.
#[derive(Debug, Parser)]
struct Cli {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// From the request to the first content event.
    #[arg(long, default_value_t = 50.0, value_parser = milliseconds)]
    ttft_ms: f64,
    /// Between content events; 0 is full speed: the next when the socket takes it, round robin.
    #[arg(long, default_value_t = 10.0, value_parser = milliseconds)]
    itl_ms: f64,
    /// What content events carry.
    #[arg(long, value_enum, default_value_t)]
    carrying: Carrying,
    /// Content events of an answer, where the request has no max_tokens.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    tokens: u32,
    /// Write one line of JSON per request to FILE, at the end and when all clients are gone for 1 s.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Stop after this many answers.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    requests: Option<u64>,
}

impl Cli {
    fn config(self) -> Config {
        Config {
            port: self.port,
            pace: Pace { ttft_ns: nanos(self.ttft_ms), itl_ns: nanos(self.itl_ms) },
            carrying: self.carrying,
            tokens: self.tokens,
            truth: self.truth,
            requests: self.requests,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    raise_open_files()?;
    let server = Server::bind(cli.config())?;
    println!("port {}", server.port()?);
    server.run()
}

fn milliseconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ms) if (0.0..=3_600_000.0).contains(&ms) => Ok(ms),
        _ => Err("not a number of milliseconds between 0 and an hour".to_owned()),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to an hour")]
fn nanos(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        Cli::try_parse_from([&["truth-server"], args].concat()).map(Cli::config)
    }

    #[test]
    fn the_defaults_are_those_of_the_experiment() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.pace, Pace { ttft_ns: 50_000_000, itl_ns: 10_000_000 });
        assert_eq!((config.port, config.tokens, config.requests), (0, 100, None));
    }

    #[test]
    fn fractions_and_full_speed_are_possible_and_the_past_is_not() {
        let config = parse(&["--ttft-ms", "0.5", "--itl-ms", "0"]).unwrap();
        assert_eq!(config.pace, Pace { ttft_ns: 500_000, itl_ns: 0 });
        for bad in ["--itl-ms=-1", "--ttft-ms=NaN", "--tokens=0", "--requests=0"] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }
}
