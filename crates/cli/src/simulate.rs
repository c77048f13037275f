//! `inferbench sim`: the simulator as a server of its own.

use std::net::{Ipv4Addr, SocketAddr};

use bench_core::{Level, Stop};
use bench_harness::{Code, Exit, Failure};
use bench_sim::{Config, Fault, Role, Server};

use crate::{args::SimArgs, output, signals::Signals};

pub(crate) fn simulate(args: &SimArgs) -> Result<Exit, Failure> {
    let config = Config {
        ttft: args.ttft_ms,
        itl: args.itl_ms,
        jitter: args.jitter,
        seed: args.seed,
        model: args.model.clone(),
        context_length: args.context_length,
        role: if args.early_role { Role::Early } else { Role::WithFirstToken },
        tokens_per_chunk: args.tokens_per_chunk,
        events_per_write: args.events_per_write,
        threads: args.threads.get(),
        fault: fault(args),
        // Nobody could ask for it from outside.
        record: false,
        ..Config::default()
    };
    bench_harness::raise_file_limit();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let server = Server::start(config, addr).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidInput => Failure::new(Code::Setting, error.to_string()),
        _ => Failure::new(Code::Simulator, format!("the simulator cannot listen on {addr}"))
            .said(error.to_string())
            .fix("--port 0 takes any port that is free"),
    })?;
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

fn fault(args: &SimArgs) -> Fault {
    match args {
        SimArgs { close_after: Some(tokens), .. } => Fault::CloseAfter { tokens: *tokens },
        SimArgs { error_after: Some(tokens), .. } => Fault::ErrorAfter { tokens: *tokens },
        SimArgs { stall_after: Some(tokens), .. } => Fault::StallAfter { tokens: *tokens },
        SimArgs { status: Some(status), .. } => Fault::Status(*status),
        _ => Fault::None,
    }
}
