//! What telemetry said of a point, looked up by what it is about.

use bench_store::{SeriesLine, TelemetryLine};

/// Source and instance: which GPU, say.
pub(crate) type Device<'a> = (&'a str, Option<&'a str>);

/// What the sources said of the measured window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a>(pub(crate) &'a TelemetryLine);

impl<'a> Seen<'a> {
    /// Each GPU, by source and number. One that several sources watch is there once, of the source that knows
    /// its energy.
    pub(crate) fn gpus(self) -> Vec<Device<'a>> {
        let with_energy = self.0.gpus.iter().map(|gpu| (&*gpu.source, gpu.instance.as_deref()));
        let series = self.0.series.iter().filter(|series| series.name.starts_with("gpu_"));
        let mut gpus: Vec<Device<'_>> = Vec::new();
        for gpu in with_energy.chain(series.map(device)) {
            let uuid = self.is(gpu, "gpu_uuid");
            let is_known = |known: &Device<'_>| {
                *known == gpu || uuid.is_some() && self.is(*known, "gpu_uuid") == uuid
            };
            if !gpus.iter().any(is_known) {
                gpus.push(gpu);
            }
        }
        gpus.sort_unstable_by_key(|(source, instance)| (*source, natural(*instance)));
        gpus
    }

    /// The readings of `name` of a device.
    pub(crate) fn of(self, device: Device<'_>, name: &str) -> Option<&'a SeriesLine> {
        self.named(name).find(|series| self::device(series) == device)
    }

    /// The readings of `name`, of whatever gave the first of them.
    pub(crate) fn first(self, name: &str) -> Option<&'a SeriesLine> {
        self.named(name).next()
    }

    /// The readings of `name` of all that gave any.
    pub(crate) fn named(self, name: &str) -> impl Iterator<Item = &'a SeriesLine> {
        self.0.series.iter().filter(move |series| series.name == name)
    }

    /// How much the counters of `name` grew, over all that gave any.
    pub(crate) fn increase(self, name: &str) -> Option<f64> {
        self.named(name).filter_map(|series| series.increase).reduce(|sum, next| sum + next)
    }

    /// What share of the growth of counter `of` that of counter `part` is.
    pub(crate) fn share(self, part: &str, of: &str) -> Option<f64> {
        let of = self.increase(of).filter(|of| *of > 0.0)?;
        Some(self.increase(part)? / of)
    }

    /// What `what` is of a device, as its source says: such as `gpu_name`.
    pub(crate) fn is(self, (source, instance): Device<'_>, what: &str) -> Option<&'a str> {
        self.0.is(source, instance, what)
    }
}

/// What gave the readings of a series.
pub(crate) fn device(series: &SeriesLine) -> Device<'_> {
    (&series.source, series.instance.as_deref())
}

/// The mean over time of a gauge, or of its only reading.
pub(crate) fn mean(series: &SeriesLine) -> Option<f64> {
    series.time_mean.or_else(|| statistic(series, "mean"))
}

/// A statistic of a gauge's readings.
pub(crate) fn statistic(series: &SeriesLine, name: &str) -> Option<f64> {
    series.values.as_ref()?.statistic(name)
}

/// GPU 2 before GPU 10.
fn natural(instance: Option<&str>) -> (Option<u32>, Option<&str>) {
    let number = instance.and_then(|instance| instance.split('/').next()?.parse().ok());
    (number, instance)
}
