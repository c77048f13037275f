//! `inferbench watch`: GPUs, hosts, this process and a server, live and without any load.

mod gpus;
mod host;
mod json;
mod live;
mod page;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod troubles;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use bench_core::{Clock, Level, Polling, Stop, TelemetrySource};
use bench_harness::{
    Code, Exit, Failure, Local, Settings, agent_source, client_source,
    plan::{GpuTelemetry, Node, Origin, Value, resolve},
    server_address, server_source, sources_of,
};
use bench_providers::Secret;
use bench_report::text::clean;
use clap::Args;

use self::{page::View, state::State};
use crate::{
    args::{Color, TokenArgs},
    flags::{PartFlags, Polled},
    output, plan,
    signals::Signals,
    term::Marks,
    values,
};

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// The server, as with --url; without, the one that is found on this machine's well-known ports, if any
    #[arg(value_name = "URL", conflicts_with = "url")]
    address: Option<String>,

    #[command(flatten)]
    server: PartFlags<Polled>,

    /// The agent of another host, which `inferbench agent` is there; may be given several times
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    agent: Vec<String>,

    #[command(flatten, next_help_heading = "Sources")]
    token: TokenArgs,

    /// What reads the GPUs: auto, nvml, nvidia-smi, dcgm=URL, agent=URL or off
    #[arg(long, value_name = "SOURCE", value_parser = <GpuTelemetry as Value>::parse, default_value_t, help_heading = "Sources")]
    gpu_telemetry: GpuTelemetry,

    /// Time from one read of the GPUs to the next
    #[arg(long, value_name = "TIME", value_parser = values::interval, default_value = "250ms", help_heading = "Sources")]
    interval: Duration,

    /// Print the page once and end, as where standard output is no terminal
    #[arg(long, help_heading = "Output")]
    once: bool,

    /// Print readings and notes as JSON, one a line, until interrupted
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    color: Color,

    /// Print ASCII only
    #[arg(long, help_heading = "Output")]
    ascii: bool,
}

/// How long is read before a page is printed once: shares and rates take two reads.
const READ_FOR: Duration = Duration::from_millis(1_200);
/// How long the slowest source is waited for then.
const WAITED_FOR: Duration = Duration::from_secs(5);

pub(crate) fn watch(args: &WatchArgs) -> Result<Exit, Failure> {
    let mut server = args.server.clone();
    if let Some(address) = &args.address {
        *server.0.typed.at_path(&["target", "url"]) =
            Node::text(Origin::Flag("URL".to_owned()), address);
    }
    let settings = resolve(&plan::over(None, &server.0)?, &plan::environment)?;
    let (view, sources) = sources(args, &settings)?;
    let clock = Clock::start();
    let polling = Polling::start(sources, clock).map_err(|error| {
        Failure::new(Code::Resource, "the system gives no thread").said(error.to_string())
    })?;
    let Some(mut polling) = polling else {
        let why = view.missing.join("; ");
        return Err(Failure::new(Code::Setting, "there is nothing to watch").said(why));
    };
    let stop = Stop::new();
    let signals = Signals::leave(&stop);
    let ended = if args.json {
        json::lines(&mut polling, &stop, args.once).map(|()| Exit::Ok)
    } else if args.once || !io::stdout().is_terminal() {
        once(&mut polling, clock, &view, &stop).map(|()| Exit::Ok)
    } else {
        live::live(&polling, clock, view, &stop)
    }?;
    Ok(match signals.exit() {
        // Being stopped is how it ends.
        Some(Exit::Interrupted) | None => ended,
        Some(exit) => exit,
    })
}

type Sources = Vec<Box<dyn TelemetrySource>>;

/// All that is asked for, and how it is looked at.
fn sources(args: &WatchArgs, settings: &Settings) -> Result<(View, Sources), Failure> {
    let token = args.token.token()?.as_deref().map(Secret::new);
    let transport = &settings.targets[0].transport;
    let local = sources_of(&args.gpu_telemetry, token.clone(), transport.clone(), args.interval)?;
    let Local { mut sources, missing } = local;
    sources.push(client_source());
    for url in &args.agent {
        sources.push(agent_source(url, token.clone(), transport.clone(), args.interval)?);
    }
    let server = server_address(settings)?;
    if let Some(endpoint) = &server {
        sources.push(server_source(endpoint, settings)?);
    }
    let mut watched: Vec<String> = server.iter().map(ToString::to_string).collect();
    watched.extend(args.agent.iter().map(|url| format!("agent {url}")));
    let view = View {
        marks: Marks { look: output::style(args.color, args.ascii) },
        title: watched.join("  "),
        // It may hold what a program said.
        missing: missing.iter().map(|why| clean(why)).collect(),
        has_server: server.is_some(),
        is_frozen: false,
        is_help: false,
        scrolled: 0,
    };
    Ok((view, sources))
}

/// The page once, as text.
fn once(polling: &mut Polling, clock: Clock, view: &View, stop: &Stop) -> Result<(), Failure> {
    let mut state = State::default();
    wait(stop, READ_FOR);
    polling.read_now(WAITED_FOR);
    polling.take().for_each(|batch| state.add(batch));
    state.now = clock.now();
    let width = output::width().max(80);
    let lines = page::lines(&state, view, width, None);
    let lines: Vec<String> =
        lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect();
    output::result(&lines.join("\n"))
}

/// Waits for `time`, or for a signal.
fn wait(stop: &Stop, time: Duration) {
    let step = Duration::from_millis(20);
    for _ in 0..time.as_millis() / step.as_millis() {
        if stop.level() > Level::Go {
            return;
        }
        std::thread::park_timeout(step);
    }
}
