//! `inferbench sim`: the simulator as a server of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use bench_core::{Level, Stop};
use bench_harness::{Code, Exit, Failure};
use bench_sim::{Config, Fault, Freeze, Role, Server};

use crate::{args::SimArgs, output, signals::Signals};

pub(crate) fn simulate(args: &SimArgs) -> Result<Exit, Failure> {
    bench_harness::raise_file_limit();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
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
