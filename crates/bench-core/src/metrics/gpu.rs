//! What the readings of a phase say of the GPU.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Reading, reading as name};

/// The readings that the verdict looks at, taken in one by one.
#[derive(Debug, Default)]
pub(crate) struct GpuReadings {
    /// By source and instance: readings that said throttled, and all that said whether.
    throttled: BTreeMap<(Arc<str>, Option<Arc<str>>), (u64, u64)>,
    other_processes: Option<u32>,
}

impl GpuReadings {
    /// Takes `reading` in. One of another name, or one that is not finite, says nothing here.
    pub(crate) fn add(&mut self, reading: &Reading) {
        match &*reading.name {
            _ if !reading.value.is_finite() => {}
            name::GPU_THROTTLED => {
                let gpu = (reading.source.clone(), reading.instance.clone());
                let (throttled, all) = self.throttled.entry(gpu).or_default();
                *throttled += u64::from(reading.value > 0.0);
                *all += 1;
            }
            name::GPU_OTHER_PROCESSES => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a cast of a float saturates, and fewer than none are none"
                )]
                let processes = reading.value as u32;
                self.other_processes = self.other_processes.max(Some(processes));
            }
            _ => {}
        }
    }

    /// Share of readings at which a GPU was throttled; of several GPUs, the one that was most.
    pub(crate) fn throttled_ratio(&self) -> Option<f64> {
        let ratios =
            self.throttled.values().map(|(throttled, all)| *throttled as f64 / *all as f64);
        ratios.reduce(f64::max)
    }

    /// The most processes that were seen on a GPU beside the server.
    pub(crate) fn other_processes(&self) -> Option<u32> {
        self.other_processes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moment;

    type Said<'a> = &'a [(&'a str, &'a str, f64)];
    type Facts = (Option<f64>, Option<u32>);

    fn facts(readings: Said<'_>) -> Facts {
        let mut gpu = GpuReadings::default();
        for (name, instance, value) in readings {
            gpu.add(&Reading {
                source: "nvml".into(),
                name: (*name).to_owned().into(),
                instance: Some((*instance).into()),
                at: Moment::default(),
                value: *value,
            });
        }
        (gpu.throttled_ratio(), gpu.other_processes())
    }

    #[test]
    fn the_worst_gpu_counts_and_what_is_unknown_is_absent() {
        let (throttled, others) = (name::GPU_THROTTLED, name::GPU_OTHER_PROCESSES);
        let cases: [(Said<'_>, Facts); 6] = [
            (&[], (None, None)),
            (&[("gpu_power_w", "0", 300.0)], (None, None)),
            (&[(throttled, "0", f64::NAN), (others, "0", f64::INFINITY)], (None, None)),
            (&[(throttled, "0", 0.0), (others, "0", 0.0)], (Some(0.0), Some(0))),
            (
                &[
                    (throttled, "0", 1.0),
                    (throttled, "1", 0.0),
                    (throttled, "0", 0.0),
                    (throttled, "1", 0.0),
                ],
                (Some(0.5), None),
            ),
            (&[(others, "0", 1.0), (others, "1", 3.0), (others, "0", -2.0)], (None, Some(3))),
        ];
        for (readings, expected) in cases {
            assert_eq!(facts(readings), expected, "{readings:?}");
        }
    }
}
