//! What `nvidia-smi` is asked.

use bench_core::reading::{
    GPU_DECODER_UTILIZATION_RATIO, GPU_ECC_CORRECTED, GPU_ECC_UNCORRECTED,
    GPU_ENCODER_UTILIZATION_RATIO, GPU_MEMORY_CLOCK_MHZ, GPU_MEMORY_TOTAL_BYTES,
    GPU_MEMORY_USED_BYTES, GPU_MEMORY_UTILIZATION_RATIO, GPU_POWER_LIMIT_W, GPU_POWER_W,
    GPU_SM_CLOCK_MAX_MHZ, GPU_SM_CLOCK_MHZ, GPU_TEMPERATURE_C, GPU_THROTTLED, GPU_THROTTLED_POWER,
    GPU_THROTTLED_THERMAL, GPU_UTILIZATION_RATIO,
};

use super::{
    super::{Config, InventoryGpu, host_memory, throttled},
    answer::{Said, cells, said},
};

const MIB: f64 = 1_048_576.0;

/// A field of the program, and the readings that come of it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) query: &'static str,
    pub(super) names: &'static [&'static str],
    /// As many values as there are names; the rest is ignored.
    pub(super) read: fn(&str) -> Option<[f64; 3]>,
}

/// All of them. The total comes before what is used of it: it tells whether the memory is the GPU's own.
pub(super) const FIELDS: &[Field] = &[
    field("power.draw", &[GPU_POWER_W], number),
    field("utilization.gpu", &[GPU_UTILIZATION_RATIO], percent),
    field("utilization.memory", &[GPU_MEMORY_UTILIZATION_RATIO], percent),
    field("memory.total", &[GPU_MEMORY_TOTAL_BYTES], mebibytes),
    field("memory.used", &[GPU_MEMORY_USED_BYTES], mebibytes),
    field(
        "clocks_throttle_reasons.active",
        &[GPU_THROTTLED, GPU_THROTTLED_POWER, GPU_THROTTLED_THERMAL],
        |text| Some(throttled(u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?)),
    ),
    field("clocks.sm", &[GPU_SM_CLOCK_MHZ], number),
    field("clocks.mem", &[GPU_MEMORY_CLOCK_MHZ], number),
    field("temperature.gpu", &[GPU_TEMPERATURE_C], number),
    field("clocks.max.sm", &[GPU_SM_CLOCK_MAX_MHZ], number),
    field("enforced.power.limit", &[GPU_POWER_LIMIT_W], number),
    field("utilization.encoder", &[GPU_ENCODER_UTILIZATION_RATIO], percent),
    field("utilization.decoder", &[GPU_DECODER_UTILIZATION_RATIO], percent),
    field("ecc.errors.corrected.volatile.total", &[GPU_ECC_CORRECTED], number),
    field("ecc.errors.uncorrected.volatile.total", &[GPU_ECC_UNCORRECTED], number),
];

const fn field(
    query: &'static str,
    names: &'static [&'static str],
    read: fn(&str) -> Option<[f64; 3]>,
) -> Field {
    Field { query, names, read }
}

fn number(text: &str) -> Option<[f64; 3]> {
    let value: f64 = text.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some([value, 0.0, 0.0])
}

fn percent(text: &str) -> Option<[f64; 3]> {
    let [value, ..] = number(text)?;
    (value <= 100.0).then_some([value / 100.0, 0.0, 0.0])
}

fn mebibytes(text: &str) -> Option<[f64; 3]> {
    number(text).map(|[value, ..]| [value * MIB, 0.0, 0.0])
}

/// What is asked once, in the order in which [`row`] reads it. The name is last: it may be anything.
pub(super) const INVENTORY: [&str; 18] = [
    "index",
    "uuid",
    "driver_version",
    "pci.bus_id",
    "memory.total",
    "persistence_mode",
    "clocks.sm",
    "clocks.max.sm",
    "clocks.applications.graphics",
    "clocks.default_applications.graphics",
    "clocks.mem",
    "clocks.max.mem",
    "enforced.power.limit",
    "power.default_limit",
    "mig.mode.current",
    "ecc.mode.current",
    "compute_mode",
    "name",
];

/// A GPU as the program tells it, and the driver's version; `None` for a line that is no row.
pub(super) fn row(line: &str, config: &Config) -> Option<(InventoryGpu, Option<String>)> {
    let all: Vec<_> = cells(line).collect();
    if all.len() < INVENTORY.len() {
        return None;
    }
    let text = |name| {
        let i = INVENTORY.iter().position(|field| *field == name)?;
        match said(all[i]) {
            Said::Value(text) => Some(text.to_owned()),
            _ => None,
        }
    };
    let watts = |name| number(&text(name)?).map(|[value, ..]| value);
    let mhz = |name| text(name)?.parse().ok();
    let is = |name, yes: &str| Some(text(name)? == yes);
    let mib: Option<u64> = text("memory.total").and_then(|text| text.parse().ok());
    let own = mib.and_then(|mib| mib.checked_mul(1 << 20)).filter(|&bytes| bytes > 0);
    let host = if own.is_none() { host_memory(&config.root) } else { None };
    let gpu = InventoryGpu {
        index: text("index")?.parse().ok()?,
        trouble: None,
        name: text("name"),
        uuid: text("uuid"),
        pci_bus: text("pci.bus_id"),
        memory_bytes: own.or(host.map(|[_, total]| total)),
        has_unified_memory: host.is_some(),
        is_persistent: is("persistence_mode", "Enabled"),
        sm_clock_mhz: mhz("clocks.sm"),
        sm_clock_max_mhz: mhz("clocks.max.sm"),
        sm_clock_set_mhz: mhz("clocks.applications.graphics"),
        sm_clock_default_mhz: mhz("clocks.default_applications.graphics"),
        memory_clock_mhz: mhz("clocks.mem"),
        memory_clock_max_mhz: mhz("clocks.max.mem"),
        power_limit_w: watts("enforced.power.limit"),
        power_limit_default_w: watts("power.default_limit"),
        is_mig: is("mig.mode.current", "Enabled"),
        is_ecc: is("ecc.mode.current", "Enabled"),
        compute_mode: text("compute_mode").and_then(|mode| match mode.as_str() {
            "Default" => Some("default"),
            "Exclusive_Thread" => Some("exclusive thread"),
            "Exclusive_Process" => Some("exclusive process"),
            "Prohibited" => Some("prohibited"),
            _ => None,
        }),
        processes: None,
    };
    Some((gpu, text("driver_version")))
}
