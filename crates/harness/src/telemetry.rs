//! What is watched while a target is measured.

use std::{sync::Arc, time::Duration};

use bench_core::{Clock, Readings, TelemetrySource};
use bench_providers::{Endpoint, Transport};
use bench_telemetry::{
    Dcgm, DcgmConfig, ServerMetrics, ServerMetricsConfig,
    client::{Client, ClientConfig},
    gpu::{self, GpuId, Gpus, Way},
    host::{Host, HostConfig},
    processes::{ProcessesError, listening_on},
};
use tokio::time::timeout;

use crate::{
    Code, Failure, Fetcher, Settings, TargetSettings,
    lab::Known,
    plan::{Address, GpuTelemetry, ServerMetrics as MetricsFrom},
    watching::agent_source,
};

/// What is watched elsewhere answers so soon, or is as good as not there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

type Sources = Vec<Box<dyn TelemetrySource>>;

/// The sources of a target.
#[derive(Default)]
pub(crate) struct Watching {
    pub(crate) sources: Sources,
    /// Whether GPUs are among what is watched.
    pub(crate) has_gpus: bool,
    /// What is not watched although it usually is, and why.
    pub(crate) absent: Vec<String>,
}

impl Watching {
    /// What is watched of a target.
    ///
    /// # Errors
    ///
    /// When a source that was asked for by its name is not there. One that is but looked for may be absent.
    pub(crate) fn of(
        known: &Known,
        asked: &TargetSettings,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let mut watching = Self::default();
        watching.add_gpus(known, asked, settings)?;
        watching.add_server(known, asked, settings)?;
        if settings.telemetry.host {
            watching.sources.push(Box::new(Host::new(HostConfig::default())));
            watching.sources.push(Box::new(Client::new(ClientConfig::default())));
        }
        Ok(watching)
    }

    fn add_gpus(
        &mut self,
        known: &Known,
        asked: &TargetSettings,
        settings: &Settings,
    ) -> Result<(), Failure> {
        let interval = settings.telemetry.interval;
        let sources: Sources = match &asked.gpu_telemetry {
            GpuTelemetry::Off => return Ok(()),
            // It has none.
            GpuTelemetry::Auto if known.target.is_simulated() => return Ok(()),
            GpuTelemetry::Auto if !is_here(&known.target.endpoint) => {
                let what = "GPUs: the server is on another machine; inferbench agent there, and here \
                            --gpu-telemetry agent=HOST";
                self.absent.push(what.to_owned());
                return Ok(());
            }
            GpuTelemetry::Auto => match self.local_gpus(known, asked, interval, Way::Any) {
                Ok(sources) => sources,
                Err(error) => {
                    self.absent.push(format!("GPUs: {error}"));
                    return Ok(());
                }
            },
            GpuTelemetry::Nvml => self.named(known, asked, interval, Way::Nvml)?,
            GpuTelemetry::NvidiaSmi => self.named(known, asked, interval, Way::NvidiaSmi)?,
            GpuTelemetry::Dcgm(url) => vec![dcgm_source(url)?],
            GpuTelemetry::Agent(url) => {
                let token = asked.agent_token.clone();
                vec![agent_source(&url.to_string(), token, asked.transport.clone(), interval)?]
            }
        };
        self.has_gpus = true;
        self.sources.extend(sources);
        Ok(())
    }

    /// The GPUs of this machine that serve a target: those that were named, else those that its processes are on, else
    /// all.
    fn local_gpus(
        &mut self,
        known: &Known,
        asked: &TargetSettings,
        interval: Duration,
        way: Way,
    ) -> Result<Sources, gpu::Unavailable> {
        let mut config = gpu::Config { way, period: interval, ..gpu::Config::default() };
        let pids = match &known.pids {
            // Before a container, something else listens.
            Some(pids) => Ok(Some(pids.clone())),
            None => server_pids(&known.target.endpoint),
        };
        match pids {
            Ok(pids) => config.server_pids = pids,
            Err(why) => {
                self.absent.push(format!("who else is on the GPUs: {why}"));
            }
        }
        config.gpus = match &asked.gpu_devices {
            Some(devices) => devices.gpus(),
            None => used_by(known, &config),
        };
        gpu::sources(&config)
    }

    /// The same, by a way that was asked for by its name.
    fn named(
        &mut self,
        known: &Known,
        asked: &TargetSettings,
        interval: Duration,
        way: Way,
    ) -> Result<Sources, Failure> {
        self.local_gpus(known, asked, interval, way).map_err(|error| {
            let what = format!("--gpu-telemetry {}: there is nothing to read", asked.gpu_telemetry);
            Failure::new(Code::Setting, what)
                .said(error.to_string())
                .fix("leave it out, or --gpu-telemetry off; inferbench doctor says more")
        })
    }

    /// Asks what was named and is elsewhere once: a run of an hour is not to end without its energy for a name that
    /// was mistyped.
    ///
    /// # Errors
    ///
    /// When it does not answer, or not as it should.
    pub(crate) async fn check(&mut self, asked: &TargetSettings) -> Result<(), Failure> {
        let is_elsewhere =
            matches!(asked.gpu_telemetry, GpuTelemetry::Dcgm(_) | GpuTelemetry::Agent(_));
        let Some(source) = self.sources.first_mut().filter(|_| is_elsewhere) else { return Ok(()) };
        let mut readings = Readings::new(source.name(), Clock::start().now());
        let said = match timeout(ANSWERS_WITHIN, source.read(&mut readings)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.cause.to_string(),
            Err(_) => format!("no answer within {} s", ANSWERS_WITHIN.as_secs()),
        };
        let what = format!("--gpu-telemetry {}: it cannot be read", asked.gpu_telemetry);
        Err(Failure::new(Code::Setting, what)
            .said(said)
            .fix("see that it runs there and may be reached, or --gpu-telemetry off"))
    }

    /// The server's own metrics. A replica's are not looked at: sums over some of several servers mislead.
    fn add_server(
        &mut self,
        known: &Known,
        asked: &TargetSettings,
        settings: &Settings,
    ) -> Result<(), Failure> {
        let mut config = ServerMetricsConfig {
            model: Some(known.target.model.clone()),
            period: settings.telemetry.server_interval,
            ..ServerMetricsConfig::default()
        };
        let fetch = match &asked.server_metrics {
            MetricsFrom::Off => return Ok(()),
            MetricsFrom::Auto if !asked.replicas.is_empty() => {
                self.absent.push("the server's metrics: it has several addresses".to_owned());
                return Ok(());
            }
            MetricsFrom::Auto if !known.has_metrics => {
                self.absent
                    .push(format!("the server's metrics: {} tells none", known.target.engine));
                return Ok(());
            }
            MetricsFrom::Auto => Fetcher::of(&known.target, asked, settings)?,
            MetricsFrom::At(url) => {
                let (fetch, path) = place(url)?;
                config.paths = path.map_or(config.paths, |path| vec![path]);
                fetch
            }
        };
        self.sources.push(Box::new(ServerMetrics::new(Arc::new(fetch), config)));
        Ok(())
    }
}

/// The processes of a server of this machine; `None` of one that is elsewhere.
pub(crate) fn server_pids(endpoint: &Endpoint) -> Result<Option<Vec<u32>>, ProcessesError> {
    if !is_here(endpoint) || endpoint.socket().is_some() {
        return Ok(None);
    }
    Ok(Some(listening_on(endpoint.port())?).filter(|pids| !pids.is_empty()))
}

/// The GPUs that processes of the server compute on; all if that is not known of any, as of a server that takes one
/// when it is first asked.
fn used_by(known: &Known, config: &gpu::Config) -> Gpus {
    if let Some(used) = known.gpus.get() {
        return Gpus::These(used.clone());
    }
    let Some(pids) = &config.server_pids else { return Gpus::All };
    let Ok(there_are) = gpu::inventory(config) else { return Gpus::All };
    let is_used = |gpu: &&gpu::InventoryGpu| {
        gpu.processes.iter().flatten().any(|process| pids.contains(&process.pid))
    };
    let used: Vec<GpuId> =
        there_are.gpus.iter().filter(is_used).map(|gpu| GpuId::Index(gpu.index)).collect();
    if used.is_empty() { Gpus::All } else { Gpus::These(known.gpus.get_or_init(|| used).clone()) }
}

/// The GPUs of the DCGM exporter at `url`.
pub(crate) fn dcgm_source(url: &Address) -> Result<Box<dyn TelemetrySource>, Failure> {
    let (fetch, path) = place(url)?;
    let mut config = DcgmConfig::default();
    config.path = path.unwrap_or(config.path);
    Ok(Box::new(Dcgm::new(Arc::new(fetch), config)))
}

/// What asks the server of `url`, and the path of it, where it has one.
fn place(url: &Address) -> Result<(Fetcher, Option<String>), Failure> {
    let endpoint = url.endpoint().clone();
    // The address has it already, and puts it before what it is asked for.
    let path = (!endpoint.path("").is_empty()).then(String::new);
    Ok((Fetcher::at(endpoint, None, Transport::default())?, path))
}

/// Whether a server is on this machine, as far as its address tells.
fn is_here(endpoint: &Endpoint) -> bool {
    let host = endpoint.host();
    let is_loopback = host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let own_name = crate::watching::host_name();
    endpoint.socket().is_some()
        || is_loopback
        || host == "localhost"
        || own_name.is_some_and(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_here_if_its_address_is_this_machines() {
        for here in ["http://localhost:1", "http://127.0.0.2:1", "http://[::1]:1", "unix:/run/s"] {
            assert!(is_here(&Endpoint::parse(here).unwrap()), "{here}");
        }
        for there in ["http://gpu2.example:1", "http://192.0.2.1:1"] {
            assert!(!is_here(&Endpoint::parse(there).unwrap()), "{there}");
        }
    }
}
