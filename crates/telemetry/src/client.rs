//! This very process: what measuring costs, and whether it is kept from it.

use std::{fs, path::PathBuf, time::Duration};

use bench_core::{Readings, SourceError, TelemetrySource, async_trait, reading};

use crate::{absent::Absences, kernel_file::KernelFile};

/// How to watch this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The directory that the system tells of this process in, `/proc/self` by default.
    pub root: PathBuf,
    /// Time from one read to the next, half a second by default.
    pub period: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { root: PathBuf::from("/proc/self"), period: Duration::from_millis(500) }
    }
}

/// Watches this process. Processor time and involuntary switches are sums over all its threads, those that
/// have ended among them, and known on every Unix; the others Linux alone tells.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    status: KernelFile,
    buffer: Vec<u8>,
    absences: Absences,
}

impl Client {
    /// Watches as `config` says.
    pub fn new(config: ClientConfig) -> Self {
        let status = KernelFile::new(config.root.join("status"));
        Self { config, status, buffer: Vec::new(), absences: Absences::default() }
    }

    fn read_usage(&mut self, into: &mut Readings) {
        match usage() {
            Ok(Usage { cpu, switches }) => {
                into.push(reading::CLIENT_CPU_S, cpu.as_secs_f64());
                into.push(reading::CLIENT_SWITCHES, switches as f64);
            }
            Err(why) => {
                self.absences.say(into, reading::CLIENT_CPU_S, &why);
                self.absences.say(into, reading::CLIENT_SWITCHES, &why);
            }
        }
    }

    fn read_status(&mut self, into: &mut Readings) {
        let (text, why) = match self.status.read(&mut self.buffer) {
            Ok(text) => (text, self.status.is_odd()),
            Err(why) => ("", why),
        };
        let memory = field(text, "VmRSS:").and_then(|kib| kib.checked_mul(1024));
        let values = [
            (reading::CLIENT_MEMORY_BYTES, memory),
            (reading::CLIENT_THREADS, field(text, "Threads:")),
        ];
        for (name, value) in values {
            match value {
                Some(value) => into.push(name, value as f64),
                None => self.absences.say(into, name, &why),
            }
        }
    }

    fn read_files(&mut self, into: &mut Readings) {
        let files = self.config.root.join("fd");
        // Linux tells their number as the directory's length since 6.2; before, that is 0.
        let counted = match fs::metadata(&files) {
            Ok(directory) if directory.len() > 0 && cfg!(target_os = "linux") => {
                Ok(directory.len())
            }
            // One of them is what they are listed through.
            _ => fs::read_dir(&files).map(|files| files.count().saturating_sub(1) as u64),
        };
        match counted {
            Ok(count) => into.push(reading::CLIENT_FILES, count as f64),
            Err(error) => {
                let why = format!("cannot read {}: {error}", files.display());
                self.absences.say(into, reading::CLIENT_FILES, &why);
            }
        }
    }
}

#[async_trait]
impl TelemetrySource for Client {
    fn name(&self) -> &str {
        "client"
    }

    fn period(&self) -> Duration {
        self.config.period
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        self.read_usage(into);
        self.read_status(into);
        self.read_files(into);
        Ok(())
    }
}

/// The number of a line of `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

struct Usage {
    cpu: Duration,
    switches: u64,
}

#[cfg(unix)]
fn usage() -> Result<Usage, String> {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|error| error.to_string())?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let count = |n: i64| u64::try_from(n).map_err(|error| error.to_string());
    let switches = count(usage.involuntary_context_switches())?;
    Ok(Usage { cpu: Duration::from_micros(count(micros)?), switches })
}

#[cfg(not(unix))]
fn usage() -> Result<Usage, String> {
    Err("this system does not tell".to_owned())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use bench_core::{Moment, Said};

    use super::*;

    async fn read(client: &mut Client) -> Readings {
        let mut into = Readings::new("client", Moment::default());
        client.read(&mut into).await.unwrap();
        into
    }

    fn value(readings: &Readings, name: &str) -> f64 {
        readings.readings().iter().find(|r| r.name == name).expect(name).value
    }

    #[tokio::test]
    async fn it_tells_of_this_process() {
        let mut client = Client::new(ClientConfig::default());
        let before = read(&mut client).await;
        assert_eq!(before.notes(), []);
        assert!(value(&before, reading::CLIENT_SWITCHES) >= 0.0);

        const MORE: usize = 200;
        let files: Vec<_> = (0..MORE).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let memory = vec![1_u8; 64 << 20];
        let (stay, stayed) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || stayed.recv());
        let mut sum = 0_u64;
        let after = loop {
            sum = (0..1_000_000).fold(sum, |sum, n| sum ^ std::hint::black_box(n));
            let after = read(&mut client).await;
            if value(&after, reading::CLIENT_CPU_S) > value(&before, reading::CLIENT_CPU_S) {
                break after;
            }
        };
        let more = |name| value(&after, name) - value(&before, name);
        // Other tests begin and end meanwhile.
        assert!(more(reading::CLIENT_FILES) > MORE as f64 / 2.0, "{after:?}");
        assert!(more(reading::CLIENT_MEMORY_BYTES) > memory.len() as f64 / 2.0, "{after:?}");
        assert!(value(&after, reading::CLIENT_THREADS) >= 2.0);
        drop((files, stay));
        assert!(thread.join().unwrap().is_err());
    }

    #[tokio::test]
    async fn what_the_system_does_not_tell_is_absent() {
        let root = tempfile::tempdir().unwrap();
        let config = ClientConfig { root: root.path().join("none"), ..ClientConfig::default() };
        let mut client = Client::new(config);
        let read = read(&mut client).await;
        let absent = |note: &bench_core::SourceNote| match &note.said {
            Said::Absent { name, why } if why.contains("none") => name.to_string(),
            other => panic!("{other:?}"),
        };
        let absent: Vec<_> = read.notes().iter().map(absent).collect();
        let expected =
            [reading::CLIENT_MEMORY_BYTES, reading::CLIENT_THREADS, reading::CLIENT_FILES];
        assert_eq!(absent, expected);
        assert_eq!(read.readings().len(), 2, "processor time and switches need no file");
    }

    #[tokio::test]
    async fn garbage_is_absent() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("status"), "VmRSS:\t99999999999999999999 kB\nThreads:\n")
            .unwrap();
        let config = ClientConfig { root: root.path().to_owned(), ..ClientConfig::default() };
        let read = read(&mut Client::new(config)).await;
        let names = [reading::CLIENT_MEMORY_BYTES, reading::CLIENT_THREADS];
        assert!(read.readings().iter().all(|r| !names.contains(&&*r.name)), "{read:?}");
        assert_eq!(read.notes().len(), 3, "nor are there files");
    }
}
