//! The GPUs of this machine, as their driver tells of them.

use std::{collections::BTreeSet, path::Path, time::Duration};

use bench_core::{Moment, Reading, Readings, reading};
use bench_telemetry::{
    gpu::{self, GpuProcess, InventoryGpu},
    processes::{Pid, ProcessesError},
};
use tokio::time::timeout;

use super::{Finding, counted, size};

/// What is known of the GPUs, or why nothing is.
#[derive(Debug)]
pub(super) struct Gpus(Result<Driver, String>);

#[derive(Clone, Debug, Default)]
struct Driver {
    version: Option<String>,
    /// The newest version of CUDA that it knows.
    cuda: Option<String>,
    gpus: Vec<Gpu>,
}

#[derive(Clone, Debug, Default)]
struct Gpu {
    /// Its number.
    index: u32,
    name: Option<String>,
    /// Why nothing is known of it, as when it is lost.
    trouble: Option<String>,
    memory_bytes: Option<u64>,
    /// Whether the driver stays loaded while nobody uses it.
    persistence: Option<bool>,
    /// Why it is slower than it could be, as for its heat; none if it is not.
    throttled: Option<Vec<&'static str>>,
    /// The clock that somebody set for applications, where it is not the default.
    application_clock_mhz: Option<u32>,
    power_limit_w: Option<f64>,
    power_default_w: Option<f64>,
    /// Those that compute on it.
    processes: Option<Vec<GpuProcess>>,
    mig: Option<bool>,
    /// Errors of its memory that could not be corrected.
    ecc_uncorrected: Option<f64>,
}

/// The server's processes, where one is asked about.
pub(super) type OfServer = Option<Result<Option<Vec<Pid>>, ProcessesError>>;

impl Gpus {
    pub(super) fn gather(root: &Path) -> Self {
        let config = gpu::Config { root: root.to_owned(), ..gpu::Config::default() };
        let inventory = match gpu::inventory(&config) {
            Ok(inventory) => inventory,
            Err(why) => return Self(Err(why.to_string())),
        };
        let readings = readings(&config);
        let gpus = inventory.gpus.into_iter().map(|gpu| Gpu::of(gpu, &readings)).collect();
        Self(Ok(Driver { version: inventory.driver, cuda: inventory.cuda, gpus }))
    }

    pub(super) fn findings(&self, server: OfServer) -> Vec<Finding> {
        let driver = match &self.0 {
            Ok(driver) => driver,
            Err(why) => return vec![Finding::unknown("gpu", why)],
        };
        vec![
            driver.check_gpu(),
            driver.check_persistence(),
            driver.check_clocks(),
            driver.check_power(),
            driver.check_sharing(server),
            driver.check_mig(),
            driver.check_ecc(),
        ]
    }
}

/// What the GPUs tell now.
fn readings(config: &gpu::Config) -> Vec<Reading> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut readings = Readings::new("gpu", Moment::default());
    if let (Ok(runtime), Ok(sources)) = (runtime, gpu::sources(config)) {
        runtime.block_on(async {
            for mut source in sources {
                // What could be read before it failed counts.
                let _ = timeout(PATIENCE, source.read(&mut readings)).await;
            }
        });
    }
    readings.into_parts().0
}

impl Gpu {
    fn of(gpu: InventoryGpu, readings: &[Reading]) -> Self {
        let number = gpu.index.to_string();
        let value = |name: &str| {
            let mut own = readings.iter().filter(|r| r.instance.as_deref() == Some(&*number));
            own.find(|r| r.name == name).map(|r| r.value)
        };
        let is = |name| value(name).map(|value| value > 0.0);
        let why = [
            (reading::GPU_THROTTLED_POWER, "to keep to its power limit"),
            (reading::GPU_THROTTLED_THERMAL, "for its heat"),
        ];
        let throttled = is(reading::GPU_THROTTLED).map(|throttled| {
            let known = why.into_iter().filter(|(name, _)| is(name) == Some(true));
            let known: Vec<&'static str> = known.map(|(_, why)| why).collect();
            if throttled && known.is_empty() { vec!["for another reason"] } else { known }
        });
        let set = gpu.sm_clock_set_mhz.zip(gpu.sm_clock_default_mhz);
        Self {
            index: gpu.index,
            name: gpu.name,
            trouble: gpu.trouble,
            memory_bytes: gpu.memory_bytes,
            persistence: gpu.is_persistent,
            throttled,
            application_clock_mhz: set.and_then(|(set, default)| (set != default).then_some(set)),
            power_limit_w: gpu.power_limit_w,
            power_default_w: gpu.power_limit_default_w,
            processes: gpu.processes,
            mig: gpu.is_mig,
            ecc_uncorrected: value(reading::GPU_ECC_UNCORRECTED),
        }
    }
}

impl Driver {
    fn check_gpu(&self) -> Finding {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        let cuda = self.cuda.as_ref().map(|cuda| format!(", CUDA {cuda}")).unwrap_or_default();
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for gpu in &self.gpus {
            let name = gpu.name.as_deref().unwrap_or("unnamed");
            let memory = gpu.memory_bytes.map(|bytes| format!(" of {}", size(bytes)));
            let kind = format!("{name}{}", memory.unwrap_or_default());
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((kind, 1)),
            }
        }
        let kinds: Vec<String> =
            kinds.into_iter().map(|(kind, count)| format!("{count} x {kind}")).collect();
        let found = format!("driver {version}{cuda}, {}", kinds.join(", "));
        let troubles = self.each(|gpu| gpu.trouble.as_deref());
        match (troubles.first(), self.gpus.is_empty()) {
            (Some((gpu, trouble)), _) => {
                Finding::doubt("gpu", format!("{found}; GPU {gpu}: {trouble}"))
            }
            (None, true) => Finding::doubt("gpu", format!("driver {version}{cuda} knows no GPU")),
            (None, false) => Finding::ok("gpu", found),
        }
    }

    fn check_persistence(&self) -> Finding {
        let states = self.each(|gpu| gpu.persistence);
        match states.iter().find(|(_, on)| !on) {
            _ if states.is_empty() => Finding::unknown("persistence", "the driver does not say"),
            Some((gpu, _)) => Finding::doubt(
                "persistence",
                format!("off on GPU {gpu}: the first use after a pause waits for the driver"),
            )
            .fix("sudo nvidia-smi -pm 1"),
            None => Finding::ok("persistence", "on"),
        }
    }

    fn check_clocks(&self) -> Finding {
        let throttled = self.each(|gpu| gpu.throttled.as_deref());
        let set = self.each(|gpu| gpu.application_clock_mhz);
        if let Some((gpu, why)) = throttled.iter().find(|(_, why)| !why.is_empty()) {
            let found = format!("GPU {gpu} is slowed down {}", why.join(", "));
            return Finding::doubt("clocks", found)
                .fix("let it cool; see `nvidia-smi -q -d PERFORMANCE`");
        }
        if let Some((gpu, mhz)) = set.first() {
            let found =
                format!("set to {mhz} MHz for applications on GPU {gpu}, which is not the default");
            return Finding::doubt("clocks", found)
                .fix("sudo nvidia-smi -rac, unless it is on purpose");
        }
        match throttled.is_empty() {
            true => Finding::unknown("clocks", "the driver does not say what slows them down"),
            false => Finding::ok("clocks", "free"),
        }
    }

    fn check_power(&self) -> Finding {
        let limits = self.each(|gpu| gpu.power_limit_w.zip(gpu.power_default_w));
        let below = limits.iter().find(|(_, (limit, default))| *limit < default - 0.5);
        match (below, limits.first()) {
            (Some((gpu, (limit, default))), _) => Finding::doubt(
                "power",
                format!("limited to {limit:.0} W on GPU {gpu}, {default:.0} W by default"),
            )
            .fix(format!("sudo nvidia-smi -i {gpu} -pl {default:.0}")),
            (None, Some((_, (limit, _)))) => {
                Finding::ok("power", format!("limited to {limit:.0} W, the default"))
            }
            (None, None) => {
                Finding::unknown("power", "the driver does not say what it is limited to")
            }
        }
    }

    /// Those that are not `server`'s.
    fn check_sharing(&self, server: OfServer) -> Finding {
        let known = self.each(|gpu| gpu.processes.as_deref());
        if known.is_empty() {
            return Finding::unknown("sharing", "the driver does not say who is on the GPU");
        }
        let all: Vec<&GpuProcess> = known.iter().flat_map(|(_, processes)| *processes).collect();
        let (ours, why) = match server {
            Some(Ok(Some(ours))) => (Some(BTreeSet::from_iter(ours)), String::new()),
            Some(Ok(None)) => (None, "the server's processes are not seen from here".to_owned()),
            Some(Err(error)) => (None, error.to_string()),
            None => (None, "`inferbench doctor URL` tells whether that is the server's".to_owned()),
        };
        let is_other =
            |process: &&&GpuProcess| ours.as_ref().is_none_or(|ours| !ours.contains(&process.pid));
        let others: Vec<&GpuProcess> = all.iter().filter(is_other).copied().collect();
        let pids: BTreeSet<Pid> = others.iter().map(|process| process.pid).collect();
        let bytes =
            others.iter().filter_map(|process| process.memory_bytes).fold(0, u64::saturating_add);
        let held = format!("{} with {}", counted(pids.len(), "process"), size(bytes));
        match (pids.is_empty(), ours.is_some()) {
            (true, true) => Finding::ok("sharing", "nobody but the server is on the GPU"),
            (true, false) => Finding::ok("sharing", "nobody is on the GPU"),
            (false, false) => Finding::unknown("sharing", format!("{held}; {why}")),
            (false, true) => Finding::doubt("sharing", format!("{held} beside the server's"))
                .fix(format!("end {}", join(&pids))),
        }
    }

    fn check_mig(&self) -> Finding {
        let modes = self.each(|gpu| gpu.mig);
        let on: Vec<u32> = modes.iter().filter(|(_, on)| *on).map(|(gpu, _)| *gpu).collect();
        match (modes.is_empty(), on.first()) {
            (true, _) => Finding::unknown(
                "mig",
                "the driver does not say, as of GPUs that cannot be divided",
            ),
            (false, None) => Finding::ok("mig", "off"),
            (false, Some(gpu)) => Finding::doubt(
                "mig",
                format!("GPU {gpu} is divided: power and clocks are told of the whole alone"),
            ),
        }
    }

    fn check_ecc(&self) -> Finding {
        let errors = self.each(|gpu| gpu.ecc_uncorrected);
        match errors.iter().find(|(_, count)| *count > 0.0) {
            _ if errors.is_empty() => Finding::unknown("ecc", "the driver does not say how many errors there were"),
            Some((gpu, count)) => Finding::doubt(
                "ecc",
                format!("{count:.0} errors of GPU {gpu}'s memory could not be corrected since the driver was loaded"),
            )
            .fix("see `nvidia-smi -q -d ECC,PAGE_RETIREMENT`; reset the GPU or have it replaced"),
            None => Finding::ok("ecc", "no errors that could not be corrected"),
        }
    }

    /// What is known, and of which GPU.
    fn each<'a, T: 'a>(&'a self, fact: impl Fn(&'a Gpu) -> Option<T>) -> Vec<(u32, T)> {
        self.gpus.iter().filter_map(|gpu| Some((gpu.index, fact(gpu)?))).collect()
    }
}

fn join(pids: &BTreeSet<Pid>) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    pids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    fn gpu() -> Gpu {
        Gpu {
            index: 0,
            name: Some("NVIDIA H200".to_owned()),
            trouble: None,
            memory_bytes: Some(141 << 30),
            persistence: Some(true),
            throttled: Some(Vec::new()),
            application_clock_mhz: None,
            power_limit_w: Some(700.0),
            power_default_w: Some(700.0),
            processes: Some(Vec::new()),
            mig: Some(false),
            ecc_uncorrected: Some(0.0),
        }
    }

    fn process(pid: Pid) -> GpuProcess {
        GpuProcess { pid, memory_bytes: Some(1 << 30) }
    }

    fn driver(gpus: Vec<Gpu>) -> Driver {
        Driver { version: Some("580.65".to_owned()), cuda: Some("13.0".to_owned()), gpus }
    }

    fn findings(gpus: Vec<Gpu>, server: OfServer) -> Vec<Finding> {
        Gpus(Ok(driver(gpus))).findings(server)
    }

    #[test]
    fn gpus_as_they_come_are_fine() {
        let found = findings(vec![gpu(), Gpu { index: 1, ..gpu() }], None);
        assert!(found.iter().all(|finding| finding.state == State::Ok), "{found:?}");
        assert_eq!(found[0].found, "driver 580.65, CUDA 13.0, 2 x NVIDIA H200 of 141 GiB");
    }

    #[test]
    fn each_thing_that_changes_numbers_is_a_doubt_of_its_own() {
        for (worse, check) in [
            (Gpu { trouble: Some("it is lost".to_owned()), ..gpu() }, "gpu"),
            (Gpu { persistence: Some(false), ..gpu() }, "persistence"),
            (Gpu { throttled: Some(vec!["for its heat"]), ..gpu() }, "clocks"),
            (Gpu { application_clock_mhz: Some(1_200), ..gpu() }, "clocks"),
            (Gpu { power_limit_w: Some(350.0), ..gpu() }, "power"),
            (Gpu { mig: Some(true), ..gpu() }, "mig"),
            (Gpu { ecc_uncorrected: Some(1.0), ..gpu() }, "ecc"),
        ] {
            let found = findings(vec![gpu(), Gpu { index: 1, ..worse }], None);
            let bad: Vec<_> = found.iter().filter(|f| f.state != State::Ok).collect();
            assert!(
                bad.len() == 1 && bad[0].check == check && bad[0].state == State::Doubt,
                "{bad:?}"
            );
            assert!(
                bad[0].found.contains("GPU 1") || bad[0].fix.as_ref().unwrap().contains("-i 1")
            );
        }
    }

    #[test]
    fn what_is_read_of_a_gpu_is_its_own() {
        let mut readings = Readings::new("nvml", Moment::default());
        for (instance, heat) in [("0", 0.0), ("1", 1.0)] {
            readings.push_of(&instance.into(), reading::GPU_THROTTLED, heat);
            readings.push_of(&instance.into(), reading::GPU_THROTTLED_THERMAL, heat);
            readings.push_of(&instance.into(), reading::GPU_ECC_UNCORRECTED, heat * 3.0);
        }
        readings.push_of(&"2".into(), reading::GPU_THROTTLED, 1.0);
        let gpu = |index| {
            let clocks = (Some(1_200), Some(1_980));
            let (sm_clock_set_mhz, sm_clock_default_mhz) = clocks;
            let told = InventoryGpu {
                index,
                sm_clock_set_mhz,
                sm_clock_default_mhz,
                ..InventoryGpu::default()
            };
            Gpu::of(told, readings.readings())
        };
        assert_eq!((gpu(0).throttled, gpu(0).ecc_uncorrected), (Some(vec![]), Some(0.0)));
        assert_eq!(gpu(1).throttled, Some(vec!["for its heat"]));
        assert_eq!(gpu(1).ecc_uncorrected, Some(3.0));
        assert_eq!(gpu(2).throttled, Some(vec!["for another reason"]));
        assert_eq!((gpu(3).throttled, gpu(3).application_clock_mhz), (None, Some(1_200)));
    }

    #[test]
    fn who_is_on_the_gpu_is_held_against_whose_the_server_is() {
        let sharing = |pids: &[Pid], server| {
            let processes = Some(pids.iter().copied().map(process).collect());
            let found = findings(vec![Gpu { processes, ..gpu() }], server);
            found.into_iter().find(|finding| finding.check == "sharing").unwrap()
        };
        assert_eq!(sharing(&[], None).state, State::Ok);
        assert_eq!(sharing(&[], Some(Ok(Some(vec![7])))).state, State::Ok);
        assert_eq!(sharing(&[7, 8], Some(Ok(Some(vec![7, 8, 9])))).state, State::Ok);
        let others = sharing(&[7, 8], Some(Ok(Some(vec![7]))));
        assert_eq!(others.state, State::Doubt);
        assert_eq!(others.found, "1 process with 1.0 GiB beside the server's");
        assert_eq!(others.fix.as_deref(), Some("end 8"));
        for unknown in [
            sharing(&[7], None),
            sharing(&[7], Some(Ok(None))),
            sharing(&[7], Some(Err(ProcessesError::NotPermitted { port: 8000, hidden: 3 }))),
        ] {
            assert_eq!(unknown.state, State::Unknown, "{unknown:?}");
        }
    }

    #[test]
    fn what_a_driver_does_not_say_is_no_doubt() {
        let states = findings(vec![Gpu::default()], None).into_iter().map(|f| (f.check, f.state));
        for (check, state) in states.skip(1) {
            assert_eq!(state, State::Unknown, "{check}");
        }
        assert_eq!(findings(vec![], None)[0].state, State::Doubt, "a driver without a GPU");
        assert_eq!(Gpus(Err("no driver".to_owned())).findings(None)[0].state, State::Unknown);
    }
}
