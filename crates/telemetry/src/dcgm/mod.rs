//! GPUs by a DCGM exporter, as on a machine that is not this one.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bench_core::{Readings, Said, SourceError, TelemetrySource, async_trait, reading};

use crate::{
    Fetch,
    prometheus::{Exposition, Series},
    scrape::{ScrapeError, Why, scrape},
};

/// The source's name.
const NAME: &str = "dcgm";
const MIB: f64 = 1_048_576.0;
/// The longest text of an error that is repeated.
const LONGEST_ERROR: usize = 200;

/// Fields, the readings that they are, and by what they are multiplied for it.
const FIELDS: [(&str, &str, f64); 17] = [
    ("DCGM_FI_DEV_POWER_USAGE", reading::GPU_POWER_W, 1.0),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", reading::GPU_ENERGY_J, 1e-3),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT", reading::GPU_POWER_LIMIT_W, 1.0),
    ("DCGM_FI_DEV_GPU_UTIL", reading::GPU_UTILIZATION_RATIO, 0.01),
    ("DCGM_FI_PROF_SM_ACTIVE", reading::GPU_SM_ACTIVE_RATIO, 1.0),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", reading::GPU_MEMORY_UTILIZATION_RATIO, 0.01),
    ("DCGM_FI_DEV_FB_USED", reading::GPU_MEMORY_USED_BYTES, MIB),
    ("DCGM_FI_DEV_FB_TOTAL", reading::GPU_MEMORY_TOTAL_BYTES, MIB),
    ("DCGM_FI_DEV_GPU_TEMP", reading::GPU_TEMPERATURE_C, 1.0),
    ("DCGM_FI_DEV_SM_CLOCK", reading::GPU_SM_CLOCK_MHZ, 1.0),
    ("DCGM_FI_DEV_MEM_CLOCK", reading::GPU_MEMORY_CLOCK_MHZ, 1.0),
    ("DCGM_FI_DEV_ENC_UTIL", reading::GPU_ENCODER_UTILIZATION_RATIO, 0.01),
    ("DCGM_FI_DEV_DEC_UTIL", reading::GPU_DECODER_UTILIZATION_RATIO, 0.01),
    // The fields of the device are kilobytes of one kind or the other, depending on the version.
    ("DCGM_FI_PROF_PCIE_TX_BYTES", reading::GPU_PCIE_TX_BYTES_PER_S, 1.0),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", reading::GPU_PCIE_RX_BYTES_PER_S, 1.0),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", reading::GPU_ECC_CORRECTED, 1.0),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", reading::GPU_ECC_UNCORRECTED, 1.0),
];
/// What makes up a GPU's memory, where the exporter leaves out the total. The last is newer than the others.
const MEMORY: [&str; 3] = ["DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED"];
/// Time spent throttled, and the readings of whether there was any.
const VIOLATIONS: [(&str, &str); 2] = [
    ("DCGM_FI_DEV_POWER_VIOLATION", reading::GPU_THROTTLED_POWER),
    ("DCGM_FI_DEV_THERMAL_VIOLATION", reading::GPU_THROTTLED_THERMAL),
];
const XID: &str = "DCGM_FI_DEV_XID_ERRORS";
/// Properties of a GPU, by label.
const PROPERTIES: [(&str, &str); 3] =
    [("modelName", "gpu_name"), ("UUID", "gpu_uuid"), ("Hostname", "gpu_host")];

/// Where a DCGM exporter is, and how it is read.
#[derive(Clone, Debug)]
pub struct DcgmConfig {
    /// The path of its metrics.
    pub path: String,
    /// Time from one read to the next. Exporters look at their GPUs every 1 to 30 s by their own clock: a value
    /// that repeats is still a reading, and power over time is as coarse as that.
    pub period: Duration,
    /// How long one answer may take.
    pub time_out: Duration,
}

impl Default for DcgmConfig {
    /// `/metrics` every second, with 2 s for an answer.
    fn default() -> Self {
        Self {
            path: "/metrics".to_owned(),
            period: Duration::from_secs(1),
            time_out: Duration::from_secs(2),
        }
    }
}

/// The GPUs of a DCGM exporter, by the names of NVML's readings.
///
/// The exporter tells the last XID of a GPU, not how many there were: one that comes twice in a row counts once.
#[derive(Debug)]
pub struct Dcgm {
    fetch: Arc<dyn Fetch>,
    config: DcgmConfig,
    has_read: bool,
    gpus: BTreeMap<String, Gpu>,
}

/// What is known of a GPU from earlier reads.
#[derive(Debug)]
struct Gpu {
    instance: Arc<str>,
    /// Time spent throttled, by field.
    violations: BTreeMap<&'static str, f64>,
    xid: Option<f64>,
    xids: f64,
}

impl Dcgm {
    /// Reads what `fetch` answers with.
    pub fn new(fetch: Arc<dyn Fetch>, config: DcgmConfig) -> Self {
        Self { fetch, config, has_read: false, gpus: BTreeMap::new() }
    }

    async fn try_read(&mut self, into: &mut Readings) -> Result<(), Why> {
        let body = scrape(&*self.fetch, &self.config.path, self.config.time_out).await?;
        let text = Exposition::parse(&body)?;
        let gpus = by_gpu(&text);
        if gpus.is_empty() {
            return Err(Why::Nothing("a DCGM exporter"));
        }
        if !self.has_read {
            say_what_is_absent(&text, into);
        }
        for (name, series) in gpus {
            let gpu = self.gpus.entry(name).or_insert_with_key(|name| {
                let gpu = Gpu::new(name);
                gpu.introduce(&series, into);
                gpu
            });
            gpu.push(&series, into);
        }
        self.has_read = true;
        Ok(())
    }
}

/// The fields of each GPU; of two series of one field, as of two pods that share it, the first.
fn by_gpu<'t>(text: &'t Exposition<'t>) -> BTreeMap<String, BTreeMap<&'t str, &'t Series<'t>>> {
    let mut gpus = BTreeMap::<_, BTreeMap<_, _>>::new();
    for series in text.series().iter().filter(|series| series.name.starts_with("DCGM_FI_")) {
        let Some(gpu) = series.label("gpu") else { continue };
        let name = match series.label("GPU_I_ID").filter(|mig| !mig.is_empty()) {
            Some(mig) => format!("{gpu}/{mig}"),
            None => gpu.into_owned(),
        };
        gpus.entry(name).or_default().entry(series.name).or_insert(series);
    }
    gpus
}

fn say_what_is_absent(text: &Exposition<'_>, into: &mut Readings) {
    let has = |field: &str| text.named(field).any(|series| !is_blank(series.value));
    let makes_up_total = MEMORY[..2].iter().all(|field| has(field));
    for (field, name, _) in FIELDS {
        let is_made_up = name == reading::GPU_MEMORY_TOTAL_BYTES && makes_up_total;
        if !has(field) && !is_made_up {
            let why = format!("the exporter does not tell {field}");
            into.note(None, Said::Absent { name: name.into(), why });
        }
    }
}

impl Gpu {
    fn new(name: &str) -> Self {
        Self { instance: name.into(), violations: BTreeMap::new(), xid: None, xids: 0.0 }
    }

    fn introduce(&self, series: &BTreeMap<&str, &Series<'_>>, into: &mut Readings) {
        for (label, what) in PROPERTIES {
            let text = series.values().find_map(|series| series.label(label));
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let said = Said::Is { what: what.into(), text: text.into_owned() };
                into.note(Some(&self.instance), said);
            }
        }
    }

    fn push(&mut self, series: &BTreeMap<&str, &Series<'_>>, into: &mut Readings) {
        let value = |field: &str| {
            let value = series.get(field)?.value;
            (value.is_finite() && !is_blank(value)).then_some(value)
        };
        for (field, name, factor) in FIELDS {
            if let Some(value) = value(field) {
                into.push_of(&self.instance, name, value * factor);
            }
        }
        if value("DCGM_FI_DEV_FB_TOTAL").is_none()
            && let (Some(used), Some(free)) = (value(MEMORY[0]), value(MEMORY[1]))
        {
            let total = used + free + value(MEMORY[2]).unwrap_or(0.0);
            into.push_of(&self.instance, reading::GPU_MEMORY_TOTAL_BYTES, total * MIB);
        }
        self.push_throttled(value, into);
        if let Some(xid) = value(XID) {
            let message = series.get(XID).and_then(|series| series.label("err_msg"));
            self.push_xid(xid, message.as_deref(), into);
        }
    }

    /// Whether the GPU was throttled since the last read.
    fn push_throttled(&mut self, value: impl Fn(&str) -> Option<f64>, into: &mut Readings) {
        let mut any = None;
        for (field, name) in VIOLATIONS {
            let Some(now) = value(field) else { continue };
            let Some(before) = self.violations.insert(field, now) else { continue };
            let was = now > before;
            into.push_of(&self.instance, name, f64::from(u8::from(was)));
            any = Some(any.unwrap_or(false) || was);
        }
        if let Some(was) = any {
            into.push_of(&self.instance, reading::GPU_THROTTLED, f64::from(u8::from(was)));
        }
    }

    /// `xid` is the last error there was, maybe long ago.
    fn push_xid(&mut self, xid: f64, message: Option<&str>, into: &mut Readings) {
        let before = self.xid.replace(xid);
        if xid > 0.0 && before.is_some_and(|before| before.to_bits() != xid.to_bits()) {
            self.xids += 1.0;
            let message = message.unwrap_or("no message").chars().take(LONGEST_ERROR);
            let what = format!("XID {xid}: {}", message.collect::<String>());
            into.note(Some(&self.instance), Said::Happened { what });
        }
        into.push_of(&self.instance, reading::GPU_XID_ERRORS, self.xids);
    }
}

/// Whether the value is one of those by which DCGM says that it has none: of 32 and 64 bits, and of floats.
fn is_blank(value: f64) -> bool {
    const BLANK: [(f64, f64); 3] = [
        (2_147_483_632.0, 2_147_483_647.0),
        (140_737_488_355_328.0, 140_737_488_355_335.0),
        (9_223_372_036_854_775_000.0, f64::INFINITY),
    ];
    BLANK.iter().any(|(least, most)| (*least..=*most).contains(&value))
}

#[async_trait]
impl TelemetrySource for Dcgm {
    fn name(&self) -> &str {
        NAME
    }

    fn period(&self) -> Duration {
        self.config.period
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        let read = self.try_read(into).await;
        read.map_err(|why| {
            let cause = ScrapeError { path: self.config.path.clone(), why };
            SourceError {
                source_name: NAME.to_owned(),
                fatal: !self.has_read && cause.is_for_good(),
                cause: Box::new(cause),
            }
        })
    }
}
