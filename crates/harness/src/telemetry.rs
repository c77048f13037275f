//! What is watched while a target is measured.

use std::{sync::Arc, time::Duration};

use bench_core::TelemetrySource;
use bench_providers::{Endpoint, Transport};
use bench_telemetry::{
    Client, ClientConfig, Dcgm, DcgmConfig, Host, HostConfig, ServerMetrics, ServerMetricsConfig,
    agent::{self, Remote},
    gpu, listening_on,
};

use crate::{
    Code, Failure, Fetcher, Settings, TargetSettings,
    lab::Known,
    plan::{Address, GpuDevices, GpuTelemetry, ServerMetrics as MetricsFrom},
};

/// The sources of a target.
pub(crate) struct Watching {
    pub(crate) sources: Vec<Box<dyn TelemetrySource>>,
    /// Whether GPUs are among what is watched.
    pub(crate) gpus: bool,
    /// What is not watched although it usually is, and why.
    pub(crate) absent: Vec<String>,
}

impl Watching {
    /// What `asked` has watched of the target that was found for it.
    ///
    /// # Errors
    ///
    /// When a source that was asked for by its name is not there. What is but looked for may be absent.
    pub(crate) fn of(
        known: &Known,
        asked: &TargetSettings,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let mut watching = Self { sources: Vec::new(), gpus: false, absent: Vec::new() };
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
        let endpoint = &known.target.endpoint;
        let sources = match &asked.gpu_telemetry {
            GpuTelemetry::Off => return Ok(()),
            GpuTelemetry::Auto if known.target.is_simulated() => return Ok(()),
            GpuTelemetry::Auto if !is_local(endpoint) => {
                let what = "GPUs: the server is on another machine; run inferbench agent there, and name it with \
                            --gpu-telemetry agent=URL";
                self.absent.push(what.to_owned());
                return Ok(());
            }
            GpuTelemetry::Auto => match local_gpus(endpoint, asked, interval, gpu::sources) {
                Ok(sources) => sources,
                Err(error) => {
                    self.absent.push(format!("GPUs: {error}"));
                    return Ok(());
                }
            },
            GpuTelemetry::Nvml => {
                local_gpus(endpoint, asked, interval, gpu::nvml).map_err(|e| not_there("nvml", &e))?
            }
            GpuTelemetry::NvidiaSmi => local_gpus(endpoint, asked, interval, gpu::nvidia_smi)
                .map_err(|error| not_there("nvidia-smi", &error))?,
            GpuTelemetry::Dcgm(url) => vec![dcgm(url)?],
            GpuTelemetry::Agent(url) => vec![remote(url, asked, interval)?],
        };
        self.gpus = true;
        self.sources.extend(sources);
        Ok(())
    }
}
