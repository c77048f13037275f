//! A source, and what it says.

#![cfg_attr(not(feature = "nvml"), expect(dead_code, reason = "the rest is for NVML"))]

use std::{fs, path::Path, time::Duration};

use bench_core::{
    Clock, Reading, Readings, Said, SourceError, SourceNote, TelemetrySource, reading,
};
use bench_telemetry::gpu::{self, Config};
use fake_nvml::{Installed, Script};
use tempfile::TempDir;

/// A source of GPUs, with a folder that stands for the host's root.
pub(crate) struct Rig {
    pub(crate) source: Box<dyn TelemetrySource>,
    clock: Clock,
    _root: TempDir,
}

/// What one read gave.
pub(crate) struct Read {
    pub(crate) readings: Vec<Reading>,
    pub(crate) notes: Vec<SourceNote>,
    pub(crate) cost: Duration,
    pub(crate) result: Result<(), SourceError>,
}

/// Asks the stub alone, all of it in each round, and has patience with a loaded machine.
pub(crate) fn config(fake: &Installed) -> Config {
    Config {
        library: Some(fake.library()),
        nvidia_smi: fake.folder().join("no-nvidia-smi"),
        slow_period: Duration::ZERO,
        patience: Duration::from_secs(60),
        opening: Duration::from_secs(60),
        ..Config::default()
    }
}

pub(crate) fn installed(script: Script) -> Installed {
    Installed::new(script).unwrap()
}

/// Puts a process into what stands for `/proc`.
pub(crate) fn put_process(proc: &Path, pid: u32, parent: u32) {
    let folder = proc.join(pid.to_string());
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("stat"), format!("{pid} (python3) S {parent} {pid}")).unwrap();
}

impl Rig {
    pub(crate) fn new(fake: &Installed) -> Self {
        Self::with(config(fake))
    }

    /// Of a host with 119 GiB, of which 27 GiB are in use.
    pub(crate) fn with(config: Config) -> Self {
        let root = tempfile::tempdir().unwrap();
        let proc = root.path().join("proc");
        fs::create_dir(&proc).unwrap();
        let meminfo = format!("MemTotal: {} kB\nMemAvailable: {} kB\n", 119 << 20, 92 << 20);
        fs::write(proc.join("meminfo"), meminfo).unwrap();
        put_process(&proc, 1_000_000, 1);
        put_process(&proc, 1_000_001, 1_000_000);
        put_process(&proc, 1_000_002, 1);
        let config = Config { root: root.path().to_owned(), ..config };
        let mut sources = gpu::sources(&config).unwrap();
        assert_eq!(sources.len(), 1);
        Self { source: sources.remove(0), clock: Clock::start(), _root: root }
    }

    pub(crate) async fn read(&mut self) -> Read {
        let mut readings = Readings::new(self.source.name(), self.clock.now());
        let result = self.source.read(&mut readings).await;
        let (readings, notes, cost) = readings.into_parts();
        Read { readings, notes, cost, result }
    }

    /// Reads until `is_it`, which has to come about sooner or later.
    pub(crate) async fn read_until(&mut self, is_it: impl Fn(&Read) -> bool) -> Read {
        let give_up = Duration::from_secs(60);
        tokio::time::timeout(give_up, async {
            loop {
                let read = self.read().await;
                if is_it(&read) {
                    return read;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it did not come about")
    }
}

impl Read {
    pub(crate) fn value(&self, gpu: &str, name: &str) -> Option<f64> {
        let mut found =
            self.readings.iter().filter(|r| r.instance.as_deref() == Some(gpu) && r.name == name);
        let value = found.next().map(|reading| reading.value);
        assert!(found.next().is_none(), "{name} of {gpu} is told once a read");
        value
    }

    pub(crate) fn said(&self, gpu: &str) -> Vec<&Said> {
        let of = self.notes.iter().filter(|note| note.instance.as_deref() == Some(gpu));
        of.map(|note| &note.said).collect()
    }

    /// Which property of `gpu` was said to be what.
    pub(crate) fn is(&self, gpu: &str, property: &str) -> Option<&str> {
        self.said(gpu).into_iter().find_map(|said| match said {
            Said::Is { what, text } if what == property => Some(text.as_str()),
            _ => None,
        })
    }

    /// Why `name` of `gpu` was said to be absent.
    pub(crate) fn absent(&self, gpu: &str, name: &str) -> Option<&str> {
        self.said(gpu).into_iter().find_map(|said| match said {
            Said::Absent { name: absent, why } if absent == name => Some(why.as_str()),
            _ => None,
        })
    }

    pub(crate) fn power(&self, gpu: &str) -> Option<f64> {
        self.value(gpu, reading::GPU_POWER_W)
    }
}

/// An error and its causes in one line.
pub(crate) fn line(error: &SourceError) -> String {
    format!("{error}: {}", error.cause)
}
