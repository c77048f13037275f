//! What is watched: the sources of this host, of other hosts' agents, and of a server.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use bench_core::TelemetrySource;
use bench_providers::{Endpoint, Secret, Transport, WELL_KNOWN_PORTS, scan};
use bench_telemetry::{
    ServerMetrics, ServerMetricsConfig, agent,
    client::{Client, ClientConfig},
    gpu::{self, Way},
    host::{Host, HostConfig},
};

use crate::{Code, Failure, Fetcher, Server, Settings, plan::GpuTelemetry, telemetry::dcgm_source};

type Sources = Vec<Box<dyn TelemetrySource>>;

/// The variable that an agent's token is read from, where no file is named.
pub(crate) const TOKEN_VARIABLE: &str = "INFERBENCH_AGENT_TOKEN";

/// What of this host can be watched.
pub struct Local {
    /// The sources.
    pub sources: Vec<Box<dyn TelemetrySource>>,
    /// What cannot be watched, and why.
    pub missing: Vec<String>,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.sources.iter().map(|source| source.name()).collect();
        f.debug_struct("Local").field("sources", &names).field("missing", &self.missing).finish()
    }
}

/// What of this host can be watched: its GPUs, once an `interval`, and the host itself.
pub fn local_sources(interval: Duration) -> Local {
    let (mut sources, missing) = match gpu_sources(Way::Any, interval) {
        Ok(sources) => (sources, Vec::new()),
        Err(why) => (Vec::new(), vec![why]),
    };
    sources.push(host_source());
    Local { sources, missing }
}

/// This host's GPUs, or why there are none to be watched.
fn gpu_sources(way: Way, interval: Duration) -> Result<Sources, String> {
    let config = gpu::Config { way, period: interval, ..gpu::Config::default() };
    gpu::sources(&config).map_err(|error| error.to_string())
}

/// This host without its GPUs.
fn host_source() -> Box<dyn TelemetrySource> {
    Box::new(Host::new(HostConfig::default()))
}

/// The GPUs that `from` reads, once an `interval`, and this host itself.
///
/// # Errors
///
/// When GPUs were asked for by the name of what reads them, and it cannot.
pub fn sources_of(
    from: &GpuTelemetry,
    token: Option<Secret>,
    transport: Transport,
    interval: Duration,
) -> Result<Local, Failure> {
    let named = |way| {
        gpu_sources(way, interval).map_err(|why| {
            let what = format!("--gpu-telemetry {from}: there is nothing to read");
            Failure::new(Code::Setting, what).said(why)
        })
    };
    let gpus: Sources = match from {
        GpuTelemetry::Auto => return Ok(local_sources(interval)),
        GpuTelemetry::Off => vec![],
        GpuTelemetry::Nvml => named(Way::Nvml)?,
        GpuTelemetry::NvidiaSmi => named(Way::NvidiaSmi)?,
        GpuTelemetry::Dcgm(url) => vec![dcgm_source(url)?],
        GpuTelemetry::Agent(url) => {
            vec![agent_source(&url.to_string(), token, transport, interval)?]
        }
    };
    let sources = gpus.into_iter().chain([host_source()]).collect();
    Ok(Local { sources, missing: Vec::new() })
}

/// This very process.
pub fn client_source() -> Box<dyn TelemetrySource> {
    Box::new(Client::new(ClientConfig::default()))
}

/// What the agent at `url` reads there, asked for with `token` once an `interval`. Connects to nothing yet.
///
/// # Errors
///
/// When that is no address, or the token cannot be sent.
pub fn agent_source(
    url: &str,
    token: Option<Secret>,
    transport: Transport,
    interval: Duration,
) -> Result<Box<dyn TelemetrySource>, Failure> {
    let url = with_port(url);
    let endpoint = Endpoint::parse(&url)
        .map_err(|error| Failure::new(Code::Address, format!("--agent: {error}")))?;
    let host = match endpoint.port() {
        agent::PORT => endpoint.host().to_owned(),
        port => format!("{}:{port}", endpoint.host()),
    };
    let fetch = Arc::new(Fetcher::at(endpoint, token, transport)?);
    Ok(Box::new(agent::Remote::new(&host, fetch, interval)))
}

/// `gpu2` is `gpu2:9467`.
fn with_port(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if has_port || rest.contains('/') {
        return url.to_owned();
    }
    match scheme {
        "" => format!("{rest}:{}", agent::PORT),
        scheme => format!("{scheme}://{rest}:{}", agent::PORT),
    }
}

/// What an agent and who asks it share: from `file`, else from the environment, there from `variable`, or one that is
/// usual; `None` if that one is not set.
///
/// # Errors
///
/// When the file cannot be read, or others can read it, too; when `variable` is not set.
pub fn agent_token(file: Option<&Path>, variable: Option<&str>) -> Result<Option<String>, Failure> {
    let Some(path) = file else {
        let token = std::env::var(variable.unwrap_or(TOKEN_VARIABLE)).ok();
        let token = token.filter(|token| !token.trim().is_empty());
        return match variable.filter(|_| token.is_none()) {
            Some(name) => {
                Err(Failure::new(Code::Setting, format!("--agent-token-env: {name} is not set")))
            }
            None => Ok(token),
        };
    };
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        Failure::new(Code::Setting, format!("--agent-token-file: {shown}")).said(error.to_string())
    };
    let is_open = is_open_to_others(path).map_err(unreadable)?;
    if is_open {
        let what =
            format!("--agent-token-file: {shown} can be read by other users of this machine");
        return Err(Failure::new(Code::Setting, what).fix(format!("chmod 600 {shown}")));
    }
    std::fs::read_to_string(path).map(Some).map_err(unreadable)
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(path.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(path: &Path) -> std::io::Result<bool> {
    path.metadata().map(|_| false)
}

/// Where the first of the settings' targets is; `None` where no server is named and none is found on this machine.
///
/// # Errors
///
/// When it is the simulator, which is there for runs alone.
pub fn server_address(settings: &Settings) -> Result<Option<Endpoint>, Failure> {
    match &settings.targets[0].server {
        Server::At(endpoint) => Ok(Some(endpoint.clone())),
        Server::Find => found(),
        Server::Up(_) => {
            let what = "a server that is started for a run is there for its time";
            Err(Failure::new(Code::Setting, what)
                .fix("inferbench up ENGINE MODEL, and its address"))
        }
        Server::Simulator(_) => {
            let what = "the built-in simulator is there for the time of a run";
            Err(Failure::new(Code::Setting, what).fix("inferbench sim, and its address"))
        }
    }
}

/// What the server at `endpoint` tells Prometheus, asked as the first of the settings' targets.
///
/// # Errors
///
/// When it cannot be asked so.
pub fn server_source(
    endpoint: &Endpoint,
    settings: &Settings,
) -> Result<Box<dyn TelemetrySource>, Failure> {
    let asked = &settings.targets[0];
    let fetch = Arc::new(Fetcher::unknown(endpoint, asked, settings)?);
    let config =
        ServerMetricsConfig { model: asked.model.clone(), ..ServerMetricsConfig::default() };
    Ok(Box::new(ServerMetrics::new(fetch, config)))
}

/// The first server on a well-known port of this machine.
fn found() -> Result<Option<Endpoint>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Code::Resource, "the system gives no runtime").said(error.to_string())
    })?;
    let found = runtime.block_on(scan(&WELL_KNOWN_PORTS)).into_iter().next();
    Ok(found.map(|found| found.endpoint))
}

/// What this host is called, where that is known.
pub fn host_name() -> Option<String> {
    #[cfg(unix)]
    return nix::unistd::gethostname().ok()?.into_string().ok();
    #[cfg(not(unix))]
    return std::env::var("COMPUTERNAME").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> String {
        let source = agent_source(url, None, Transport::default(), Duration::from_millis(100));
        source.unwrap().name().to_owned()
    }

    #[test]
    fn an_agent_is_called_by_its_host_and_by_its_port_where_that_is_another() {
        for (url, expected) in [
            ("gpu2", "agent@gpu2"),
            ("http://gpu2", "agent@gpu2"),
            ("https://gpu2", "agent@gpu2"),
            ("gpu2:9467", "agent@gpu2"),
            ("gpu2:9000", "agent@gpu2:9000"),
            ("https://gpu2:9000", "agent@gpu2:9000"),
            ("[::1]", "agent@::1"),
            ("[::1]:9000", "agent@::1:9000"),
        ] {
            assert_eq!(name(url), expected, "{url}");
        }
        let none = agent_source("ftp://x", None, Transport::default(), Duration::from_millis(100));
        assert!(none.is_err_and(|failure| failure.code == Code::Address));
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        let set =
            |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660] {
            set(mode);
            let failure = agent_token(Some(&file), None).unwrap_err();
            assert!(failure.fix.unwrap().starts_with("chmod 600 "));
        }
        set(0o600);
        let token = agent_token(Some(&file), None).unwrap().unwrap();
        assert_eq!(token.trim(), "0123456789abcdef0123456789abcdef");
        let missing = agent_token(Some(&folder.path().join("none")), None).unwrap_err();
        assert!(missing.said.unwrap().contains("No such file"));
    }
}
