//! The energy of GPUs: power over time, checked against what they count themselves.

use std::sync::Arc;

use super::{
    reading,
    watched::{Gpu, Telemetry, Watched},
};
use crate::Moment;

/// The energy of a GPU over the measured window.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuEnergy {
    /// Which source read it.
    pub source: Arc<str>,
    /// Which GPU of it.
    pub instance: Option<Arc<str>>,
    /// What it is, such as `NVIDIA H200`.
    pub name: Option<String>,
    /// Joules: the power read, integrated over the window by trapezoids. What little of the window no reading spans
    /// was like the rest; absent where it is more than that, for the GPU may be gone.
    pub energy_j: Option<f64>,
    /// Watts: the mean of the power read, over what of the window readings span.
    pub power_w: f64,
    /// Share of the window of which readings of power tell: between the first and the last, gaps left out that are
    /// longer than 2.5 s and a tenth of the window.
    pub coverage: f64,
    /// Joules as the GPU counts them, where it does, and did not begin anew meanwhile; over what of the window both
    /// this and its power were read.
    pub counted_j: Option<f64>,
    /// Share of it by which the two differ there. Absent where the counter moved so seldom that its steps alone could
    /// make the difference.
    pub difference: Option<f64>,
    /// Watts while nothing was asked of the server, before the warm-up.
    pub idle_w: Option<f64>,
}

/// The counter of a GPU must have moved so often in the window to be compared: its steps are then 2 % of it.
const LEAST_STEPS: usize = 50;
/// `nvidia-smi` and DCGM exporters are read once a second; a second one that fails is a gap.
const LONGEST_GAP_S: f64 = 2.5;
const MOST_GAP: f64 = 0.1;
/// Less of the window than this says nothing of all of it.
const LEAST_COVERAGE: f64 = 0.95;

impl Watched {
    /// The energy of each GPU whose power is known. One that several sources watch is counted once, by its UUID;
    /// a GPU whose MIG instances have a power of their own is left out for them.
    pub(super) fn energy(&self, from: Moment, to: Moment) -> Vec<GpuEnergy> {
        let mut known = Vec::new();
        let gpus = self.gpus_with(reading::GPU_POWER_W).filter(|gpu| {
            let uuid = self.is(gpu, "gpu_uuid");
            let is_new = uuid.is_none_or(|uuid| !known.contains(&uuid.to_owned()));
            known.extend(uuid.map(str::to_owned));
            is_new
        });
        let gpus: Vec<Gpu> = gpus.collect();
        gpus.iter().filter_map(|gpu| self.energy_of(gpu, from, to)).collect()
    }

    fn energy_of(&self, gpu: &Gpu, from: Moment, to: Moment) -> Option<GpuEnergy> {
        let power = self.series(gpu, reading::GPU_POWER_W)?.mean(from, to)?;
        let window_s = to.since(from).as_secs_f64();
        let unknown_s =
            self.series(gpu, reading::GPU_POWER_W)?.unknown_s(from, to, LONGEST_GAP_S, MOST_GAP);
        let known = power.coverage - unknown_s / window_s;
        let counted = self.counted(gpu, from, to);
        let steps = self.series(gpu, reading::GPU_ENERGY_J).map_or(0, |s| s.changes(from, to));
        let is_whole = known > LEAST_COVERAGE;
        let is_comparable = steps >= LEAST_STEPS && is_whole;
        let difference = |(counted_j, over_time_j): (f64, f64)| {
            (counted_j > 0.0).then(|| (over_time_j - counted_j).abs() / counted_j)
        };
        Some(GpuEnergy {
            source: Arc::clone(&gpu.0),
            instance: gpu.1.clone(),
            name: self.is(gpu, "gpu_name").map(str::to_owned),
            energy_j: is_whole.then_some(power.value * window_s),
            power_w: power.value,
            coverage: known.max(0.0),
            counted_j: counted.map(|(counted_j, _)| counted_j),
            difference: counted.filter(|_| is_comparable).and_then(difference),
            idle_w: self.idle_w().get(gpu).copied(),
        })
    }
}

impl Watched {
    /// Joules as a GPU counts them, and as its power over time has them; over what of the window both were read.
    fn counted(&self, gpu: &Gpu, from: Moment, to: Moment) -> Option<(f64, f64)> {
        let (power, counter) =
            (self.series(gpu, reading::GPU_POWER_W)?, self.series(gpu, reading::GPU_ENERGY_J)?);
        let (from, to) = power.span(from, to)?;
        let (from, to) = counter.span(from, to)?;
        let counted = counter.increase_between(from, to).filter(|counted| counted.resets == 0)?;
        let over_time_j = power.mean(from, to)?.value * to.since(from).as_secs_f64();
        Some((counted.by, over_time_j))
    }
}

impl Telemetry {
    /// Joules of all GPUs over the window; `None` without any, or if one of them was not watched throughout.
    pub fn energy_j(&self) -> Option<f64> {
        let energies: Option<Vec<f64>> = self.gpus.iter().map(|gpu| gpu.energy_j).collect();
        energies.filter(|energies| !energies.is_empty()).map(|energies| energies.iter().sum())
    }

    /// Watts that all GPUs drew while nothing was asked of the server; `None` unless it is known of each.
    pub fn idle_w(&self) -> Option<f64> {
        let idle: Option<Vec<f64>> = self.gpus.iter().map(|gpu| gpu.idle_w).collect();
        idle.filter(|idle| !idle.is_empty()).map(|idle| idle.iter().sum())
    }

    /// By how much power over time and a GPU's own count of energy differ, of the GPU where it is most.
    pub fn energy_difference(&self) -> Option<f64> {
        self.gpus.iter().filter_map(|gpu| gpu.difference).reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reading, Said, SourceNote};

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn reading(gpu: &str, name: &'static str, ms: u64, value: f64) -> Reading {
        let (source, instance) = ("nvml".into(), Some(gpu.into()));
        Reading { source, name: name.into(), instance, at: at(ms), value }
    }

    /// A GPU at `watts` for ten seconds, that counts `counted` watts.
    fn watch(watched: &mut Watched, gpu: &str, watts: f64, counted: Option<f64>) {
        for ms in (0..=10_000).step_by(100) {
            watched.add(&reading(gpu, reading::GPU_POWER_W, ms, watts));
            if let Some(counted) = counted {
                let joules = 5e6 + counted * ms as f64 / 1e3;
                watched.add(&reading(gpu, reading::GPU_ENERGY_J, ms, joules));
            }
        }
    }

    fn is(watched: &mut Watched, source: &str, gpu: &str, what: &'static str, text: &str) {
        let said = Said::Is { what: what.into(), text: text.to_owned() };
        let (source, instance) = (source.into(), Some(gpu.into()));
        watched.note(&SourceNote { source, instance, at: at(0), said });
    }

    #[test]
    fn energy_is_power_over_the_window_and_checked_against_the_counter() {
        let mut watched = Watched::default();
        watch(&mut watched, "0", 300.0, Some(330.0));
        watch(&mut watched, "1", 100.0, None);
        is(&mut watched, "nvml", "0", "gpu_name", "NVIDIA H200");
        let telemetry = watched.telemetry(at(1_000), at(9_000));
        let [first, second] = &telemetry.gpus[..] else { panic!("two GPUs") };
        assert!(
            (first.energy_j.unwrap() - 2_400.0).abs() < 1e-6
                && (first.power_w - 300.0).abs() < 1e-9
        );
        assert!((first.counted_j.unwrap() - 2_640.0).abs() < 1e-6);
        assert!((first.difference.unwrap() - 1.0 / 11.0).abs() < 1e-9);
        assert_eq!(first.name.as_deref(), Some("NVIDIA H200"));
        assert_eq!((second.counted_j, second.difference, second.idle_w), (None, None, None));
        assert!((telemetry.energy_j().unwrap() - 3_200.0).abs() < 1e-6);
        assert_eq!(telemetry.idle_w(), None);
    }

    #[test]
    fn what_was_not_watched_throughout_has_no_energy() {
        let mut watched = Watched::default();
        watch(&mut watched, "0", 300.0, None);
        let nearly = watched.telemetry(at(0), at(10_200));
        assert!(
            (nearly.gpus[0].energy_j.unwrap() - 300.0 * 10.2).abs() < 1e-6,
            "the rest is alike"
        );
        assert_eq!(nearly.energy_j(), nearly.gpus[0].energy_j);
        let late = watched.telemetry(at(0), at(20_000));
        assert_eq!((late.gpus[0].energy_j, late.energy_j()), (None, None), "the GPU may be gone");
        assert!((late.gpus[0].coverage - 0.5).abs() < 1e-9 && late.gpus[0].power_w > 299.0);
        assert_eq!(Watched::default().telemetry(at(0), at(1)).energy_j(), None);
    }

    #[test]
    fn two_readings_are_no_energy_of_what_lies_between() {
        let mut watched = Watched::default();
        for (ms, watts) in [(0, 70.0), (20_000, 70.0)] {
            watched.add(&reading("0", reading::GPU_POWER_W, ms, watts));
        }
        let telemetry = watched.telemetry(at(1_000), at(19_000));
        assert_eq!(telemetry.energy_j(), None);
        assert!(telemetry.gpus[0].coverage < 1e-9, "{:?}", telemetry.gpus);
    }

    #[test]
    fn a_counter_that_begins_anew_or_moves_seldom_proves_nothing() {
        let mut anew = Watched::default();
        watch(&mut anew, "0", 300.0, Some(300.0));
        for ms in (10_100..=20_000).step_by(100) {
            anew.add(&reading("0", reading::GPU_POWER_W, ms, 300.0));
            anew.add(&reading("0", reading::GPU_ENERGY_J, ms, ms as f64));
        }
        let gpu = &anew.telemetry(at(1_000), at(19_000)).gpus[0];
        assert_eq!((gpu.counted_j, gpu.difference), (None, None));

        let mut seldom = Watched::default();
        watch(&mut seldom, "0", 300.0, None);
        for ms in (0..=10_000).step_by(100) {
            let joules = (ms / 2_000 * 600) as f64;
            seldom.add(&reading("0", reading::GPU_ENERGY_J, ms, joules));
        }
        let gpu = &seldom.telemetry(at(1_000), at(9_000)).gpus[0];
        assert!(gpu.counted_j.is_some() && gpu.difference.is_none());
    }

    #[test]
    fn a_gpu_that_two_sources_watch_is_counted_once() {
        let mut watched = Watched::default();
        watch(&mut watched, "0", 300.0, None);
        for ms in (0..=10_000).step_by(100) {
            let by_another = reading("0", reading::GPU_POWER_W, ms, 301.0);
            watched.add(&Reading { source: "dcgm".into(), ..by_another });
        }
        for source in ["dcgm", "nvml"] {
            is(&mut watched, source, "0", "gpu_uuid", "GPU-1");
        }
        assert_eq!(watched.telemetry(at(0), at(10_000)).gpus.len(), 1);
    }

    #[test]
    fn idle_power_is_what_was_drawn_before_the_server_was_asked() {
        let mut watched = Watched::default();
        for (ms, watts) in [(0, 70.0), (1_000, 80.0), (2_000, 70.0)] {
            watched.add(&reading("0", reading::GPU_POWER_W, ms, watts));
        }
        watched.mark_idle();
        watched.add(&reading("0", reading::GPU_POWER_W, 3_000, 700.0));
        let telemetry = watched.telemetry(at(2_500), at(3_000));
        assert!((telemetry.idle_w().unwrap() - 75.0).abs() < 1e-9);
    }
}
