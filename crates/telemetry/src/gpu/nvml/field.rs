//! What is asked of a GPU.

use bench_core::reading::{
    GPU_DECODER_UTILIZATION_RATIO, GPU_ECC_CORRECTED, GPU_ECC_UNCORRECTED,
    GPU_ENCODER_UTILIZATION_RATIO, GPU_ENERGY_J, GPU_MEMORY_CLOCK_MHZ, GPU_MEMORY_TOTAL_BYTES,
    GPU_MEMORY_USED_BYTES, GPU_MEMORY_UTILIZATION_RATIO, GPU_PCIE_RX_BYTES_PER_S,
    GPU_PCIE_TX_BYTES_PER_S, GPU_POWER_LIMIT_W, GPU_POWER_W, GPU_SM_CLOCK_MAX_MHZ,
    GPU_SM_CLOCK_MHZ, GPU_TEMPERATURE_C, GPU_THROTTLED, GPU_THROTTLED_POWER, GPU_THROTTLED_THERMAL,
    GPU_UTILIZATION_RATIO,
};
use nvml_wrapper::{
    Device,
    enum_wrappers::device::{Clock, EccCounter, MemoryError, PcieUtilCounter, TemperatureSensor},
    error::NvmlError,
};

use super::super::throttled;

/// Something that one call says, under one name or several.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) names: &'static [&'static str],
    pub(super) pace: Pace,
    /// As many values as there are names; the rest is ignored.
    pub(super) read: fn(&Device<'_>) -> Result<[f64; 3], NvmlError>,
}

/// How often it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// In each round.
    Each,
    /// Once in a slow period.
    Slow,
    /// As slow, and one of all GPUs in a round: the driver measures for 20 ms while it is asked.
    OneARound,
}

/// What is asked of a whole GPU, in order of haste: counters and power first.
pub(super) const OF_A_GPU: &[Field] = &[
    field(&[GPU_ENERGY_J], Pace::Each, |gpu| one(gpu.total_energy_consumption()? as f64 / 1e3)),
    field(&[GPU_POWER_W], Pace::Each, |gpu| one(f64::from(gpu.power_usage()?) / 1e3)),
    field(&[GPU_UTILIZATION_RATIO, GPU_MEMORY_UTILIZATION_RATIO], Pace::Each, |gpu| {
        let percent = gpu.utilization_rates()?;
        Ok([f64::from(percent.gpu) / 1e2, f64::from(percent.memory) / 1e2, 0.0])
    }),
    MEMORY,
    field(&[GPU_THROTTLED, GPU_THROTTLED_POWER, GPU_THROTTLED_THERMAL], Pace::Each, |gpu| {
        Ok(throttled(gpu.current_throttle_reasons()?.bits()))
    }),
    field(&[GPU_SM_CLOCK_MHZ], Pace::Each, |gpu| one(gpu.clock_info(Clock::SM)?)),
    field(&[GPU_MEMORY_CLOCK_MHZ], Pace::Each, |gpu| one(gpu.clock_info(Clock::Memory)?)),
    field(&[GPU_TEMPERATURE_C], Pace::Each, |gpu| one(gpu.temperature(TemperatureSensor::Gpu)?)),
    field(&[GPU_SM_CLOCK_MAX_MHZ], Pace::Slow, |gpu| one(gpu.max_clock_info(Clock::SM)?)),
    field(
        &[GPU_POWER_LIMIT_W],
        Pace::Slow,
        |gpu| one(f64::from(gpu.enforced_power_limit()?) / 1e3),
    ),
    field(&[GPU_ENCODER_UTILIZATION_RATIO], Pace::Slow, |gpu| {
        one(f64::from(gpu.encoder_utilization()?.utilization) / 1e2)
    }),
    field(&[GPU_DECODER_UTILIZATION_RATIO], Pace::Slow, |gpu| {
        one(f64::from(gpu.decoder_utilization()?.utilization) / 1e2)
    }),
    field(&[GPU_ECC_CORRECTED], Pace::Slow, |gpu| ecc(gpu, MemoryError::Corrected)),
    field(&[GPU_ECC_UNCORRECTED], Pace::Slow, |gpu| ecc(gpu, MemoryError::Uncorrected)),
    field(&[GPU_PCIE_TX_BYTES_PER_S], Pace::OneARound, |gpu| pcie(gpu, PcieUtilCounter::Send)),
    field(&[GPU_PCIE_RX_BYTES_PER_S], Pace::OneARound, |gpu| pcie(gpu, PcieUtilCounter::Receive)),
];

/// What is asked of a MIG instance: it has its own memory, and shares the rest.
pub(super) const OF_AN_INSTANCE: &[Field] = &[MEMORY];

/// A total of 0 is how some drivers say that there is none of its own.
const MEMORY: Field = field(&[GPU_MEMORY_USED_BYTES, GPU_MEMORY_TOTAL_BYTES], Pace::Each, |gpu| {
    match gpu.memory_info()? {
        memory if memory.total == 0 => Err(NvmlError::NotSupported),
        memory => Ok([memory.used as f64, memory.total as f64, 0.0]),
    }
});

const fn field(
    names: &'static [&'static str],
    pace: Pace,
    read: fn(&Device<'_>) -> Result<[f64; 3], NvmlError>,
) -> Field {
    assert!(names.len() <= 3);
    Field { names, pace, read }
}

fn one(value: impl Into<f64>) -> Result<[f64; 3], NvmlError> {
    Ok([value.into(), 0.0, 0.0])
}

fn ecc(gpu: &Device<'_>, error: MemoryError) -> Result<[f64; 3], NvmlError> {
    one(gpu.total_ecc_errors(error, EccCounter::Volatile)? as f64)
}

/// NVML says KB/s, and not how many bytes a KB has; 1 000 is on the safe side.
fn pcie(gpu: &Device<'_>, direction: PcieUtilCounter) -> Result<[f64; 3], NvmlError> {
    one(f64::from(gpu.pcie_throughput(direction)?) * 1e3)
}
