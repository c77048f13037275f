//! `inferbench agent`: gives what this host's sources read to a run elsewhere.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bench_core::{Level, Stop};
use bench_harness::{Code, Exit, Failure, host_name, local_sources};
use bench_telemetry::agent::{Config, PORT, Server, StartError, Tls, Token};
use clap::Args;

use crate::{args::TokenArgs, output, signals::Signals, values};

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Where to listen; at another address than this machine's own a token is needed, and TLS or --plain-http
    #[arg(long, value_name = "ADDR:PORT", value_parser = address, default_value = "127.0.0.1:9467")]
    listen: SocketAddr,

    #[command(flatten)]
    token: TokenArgs,

    /// The certificate to show, and those that vouch for it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Its key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Let the token be sent without TLS, on a network where nobody listens
    #[arg(long, conflicts_with = "tls_cert")]
    plain_http: bool,

    /// Time from one read of the GPUs to the next, while somebody asks
    #[arg(long, value_name = "TIME", value_parser = values::interval, default_value = "100ms")]
    interval: Duration,
}

/// An address, with a port or without.
fn address(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse().or_else(|_| text.parse().map(|ip| SocketAddr::new(ip, PORT)));
    with_port.map_err(|_| "an address is such as 0.0.0.0:9467 or [::1]:9467".to_owned())
}

pub(crate) fn agent(args: &AgentArgs) -> Result<Exit, Failure> {
    let token = args.token.token()?;
    let token = token.map(|token| Token::new(&token)).transpose();
    let token = token.map_err(|error| {
        Failure::new(Code::Setting, error.to_string()).fix("openssl rand -hex 16 makes one")
    })?;
    let config = Config {
        listen: args.listen,
        token,
        tls: tls(args)?,
        plain_http: args.plain_http,
        host: host_name().unwrap_or_else(|| "unknown".to_owned()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let interval = args.interval;
    let server = Server::start(config, Arc::new(move || local_sources(interval).sources))
        .map_err(|error| refused(&error))?;
    // Whoever has read the address may also end it.
    let stop = Stop::new();
    let signals = Signals::end(&stop);
    let sources = match server.sources() {
        [] => "nothing that could be read".to_owned(),
        sources => sources.join(", "),
    };
    output::result(&format!("agent at {} for {sources}", server.url()))?;
    stop.wait(Level::Drain);
    Ok(match signals.exit() {
        // Being stopped is how it ends.
        Some(Exit::Interrupted) | None => Exit::Ok,
        Some(exit) => exit,
    })
}

fn tls(args: &AgentArgs) -> Result<Option<Tls>, Failure> {
    let Some((cert, key)) = args.tls_cert.as_ref().zip(args.tls_key.as_ref()) else {
        return Ok(None);
    };
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| {
            Failure::new(Code::Setting, path.display().to_string()).said(error.to_string())
        })
    };
    Tls::from_pem(&read(cert)?, &read(key)?).map(Some).map_err(|error| refused(&error))
}

fn refused(error: &StartError) -> Failure {
    match error {
        StartError::NoToken(_) => Failure::new(Code::Setting, error.to_string()).fix(
            "--agent-token-file FILE or INFERBENCH_AGENT_TOKEN; openssl rand -hex 16 makes one",
        ),
        StartError::NoTls(_) => Failure::new(Code::Setting, error.to_string()).fix(
            "--tls-cert FILE --tls-key FILE; --plain-http where nobody else is on the network",
        ),
        StartError::Listen { source, .. } => {
            Failure::new(Code::Resource, error.to_string()).said(source.to_string())
        }
        _ => Failure::new(Code::Setting, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_the_port_out() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1:9467"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("::1", "[::1]:9467"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        for text in ["", "localhost", "1.2.3", "0.0.0.0:", "0.0.0.0:70000"] {
            address(text).unwrap_err();
        }
    }
}
