//! `inferbench sim`: the simulator as a server of its own.

use std::{net::SocketAddr, path::Path};

use bench_core::{Level, Stop};
use bench_harness::{Code, Exit, Failure};
use bench_sim::{Config, Fault, Freeze, Role, Server};

use crate::{args::SimArgs, output, signals::Signals};

pub(crate) fn simulate(args: &SimArgs) -> Result<Exit, Failure> {
    bench_harness::raise_file_limit();
    let addr = SocketAddr::from((args.host, args.port));
    let server = Server::start(config(args), addr).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => Failure::new(Code::Setting, error.to_string()),
        _ => Failure::new(Code::Simulator, format!("the simulator cannot listen on {addr}"))
            .said(error.to_string())
            .fix("--port 0 takes any port that is free"),
    })?;
    if let Some(path) = &args.log {
        write_log(&server, path)?;
    }
    // Whoever has read the address may also end it.
    let stop = Stop::new();
    let signals = Signals::end(&stop);
    output::result(&format!("simulated server at {}", server.url()))?;
    stop.wait(Level::Drain);
    output::say(&format!("served {} requests", server.requests_served()));
    Ok(match signals.exit() {
        // Being stopped is how it ends.
        Some(Exit::Interrupted) | None => Exit::Ok,
        Some(exit) => exit,
    })
}

fn config(args: &SimArgs) -> Config {
    let SimArgs { capacity, moods, .. } = args;
    Config {
        ttft: args.ttft_ms,
        itl: args.itl_ms,
        jitter: args.jitter,
        seed: args.seed,
        max_running: capacity.max_running,
        slowdown: capacity.slowdown,
        prefill_per_token: capacity.prefill_per_token_ms,
        speed: capacity.speed,
        prefix_cache: capacity.prefix_cache,
        kv_blocks: capacity.kv_blocks,
        freeze: moods.freeze_at.zip(moods.freeze_for).map(|(at, lasts)| Freeze { at, lasts }),
        drift: moods.drift,
        cold_requests: moods.cold_requests.unwrap_or(0),
        cold_factor: moods.cold_factor.unwrap_or(1.0),
        model: args.model.clone(),
        context_length: args.context_length,
        role: if args.early_role { Role::Early } else { Role::WithFirstToken },
        tokens_per_chunk: args.tokens_per_chunk,
        events_per_write: args.events_per_write,
        threads: args.threads.get(),
        osl_ratio: args.osl_ratio,
        usage_ratio: args.usage_ratio,
        // No share is not the same as no share named, which is all.
        fault: if args.fail_ratio == Some(0.0) { Fault::None } else { fault(args) },
        fail_ratio: args.fail_ratio.unwrap_or(0.0),
        // Nobody could ask for it from outside.
        record: false,
        ..Config::default()
    }
}

fn write_log(server: &Server, path: &Path) -> Result<(), Failure> {
    std::fs::write(path, server.startup_log()).map_err(|error| {
        let what = format!("the log cannot be written to {}", path.display());
        Failure::new(Code::Artifacts, what).said(error.to_string())
    })
}

fn fault(args: &SimArgs) -> Fault {
    match args {
        SimArgs { close_after: Some(tokens), .. } => Fault::CloseAfter { tokens: *tokens },
        SimArgs { error_after: Some(tokens), .. } => Fault::ErrorAfter { tokens: *tokens },
        SimArgs { stall_after: Some(tokens), .. } => Fault::StallAfter { tokens: *tokens },
        SimArgs { status: Some(status), .. } => Fault::Status(*status),
        _ => Fault::None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn config_of(words: &str) -> Config {
        let words = ["inferbench", "sim"].into_iter().chain(words.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Sim(args) => config(&args),
            _ => panic!("it is another command"),
        }
    }

    #[test]
    fn without_flags_the_simulator_is_its_default() {
        assert_eq!(config_of(""), Config { record: false, ..Config::default() });
    }

    #[test]
    fn each_flag_has_its_setting() {
        let words = "--ttft-ms 1 --itl-ms 2 --jitter 0.1 --seed 3 --max-running 4 --slowdown 0.2 \
                     --prefill-per-token-ms 0.5 --speed 1.03 --prefix-cache --kv-blocks 5 \
                     --freeze-at 6s --freeze-for 700ms --drift 0.3 --cold-requests 8 --cold-factor 9 \
                     --model m --context-length 10 --early-role --tokens-per-chunk 11 \
                     --events-per-write 12 --threads 13 --osl-ratio 0.4 --usage-ratio 1.5 \
                     --fail-ratio 0.6 --stall-after 14";
        let expected = Config {
            ttft: Duration::from_millis(1),
            itl: Duration::from_millis(2),
            jitter: 0.1,
            seed: 3,
            max_running: Some(4),
            slowdown: 0.2,
            prefill_per_token: Duration::from_micros(500),
            speed: 1.03,
            prefix_cache: true,
            kv_blocks: 5,
            freeze: Some(Freeze { at: Duration::from_secs(6), lasts: Duration::from_millis(700) }),
            drift: 0.3,
            cold_requests: 8,
            cold_factor: 9.0,
            model: "m".to_owned(),
            context_length: 10,
            role: Role::Early,
            tokens_per_chunk: 11,
            events_per_write: 12,
            threads: 13,
            osl_ratio: 0.4,
            usage_ratio: 1.5,
            fail_ratio: 0.6,
            fault: Fault::StallAfter { tokens: 14 },
            record: false,
            ..Config::default()
        };
        assert_eq!(config_of(words), expected);
    }

    #[test]
    fn no_share_of_requests_is_none() {
        assert_eq!(config_of("--status 503").fault, Fault::Status(503));
        assert_eq!(config_of("--status 503 --fail-ratio 0").fault, Fault::None);
    }
}
