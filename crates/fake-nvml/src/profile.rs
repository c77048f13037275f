//! GPUs as they are.

use crate::{
    Answer, Device, Energy, Process, Script, Value,
    code::{GPU_IS_LOST, NOT_SUPPORTED},
};

const GIB: u64 = 1 << 30;

impl Script {
    /// `n` GPUs like an H200, of which each draws 50 W more than the one before.
    pub fn h200(n: u32) -> Self {
        let devices = (0..n).map(Device::h200).collect();
        Self { driver: "580.95.05".into(), cuda: 13_000, devices, ..Self::default() }
    }

    /// One GPU like a GB10, which shares the host's memory and says little.
    pub fn gb10() -> Self {
        Self { devices: vec![Device::gb10()], ..Self::h200(0) }
    }

    /// Has the script read anew before each call.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }
}

impl Device {
    /// A GPU like an H200, at work.
    pub fn h200(index: u32) -> Self {
        let n = u64::from(index);
        Self::named(index, "NVIDIA H200", &format!("00000000:{:02X}:00.0", 0x10 + index))
            .says("nvmlDeviceGetUtilizationRates", [40 + n, 20])
            .says("nvmlDeviceGetMemoryInfo_v2", [141 * GIB, GIB / 2, 40 * GIB, 100 * GIB + n])
            .says("nvmlDeviceGetPowerUsage", [350_000 + 50_000 * n])
            .says("nvmlDeviceGetEnforcedPowerLimit", [700_000])
            .says("nvmlDeviceGetPowerManagementDefaultLimit", [700_000])
            .says("nvmlDeviceGetTemperature:0", [55])
            .says("nvmlDeviceGetClockInfo:1", [1_755])
            .says("nvmlDeviceGetClockInfo:2", [3_201])
            .says("nvmlDeviceGetMaxClockInfo:1", [1_980])
            .says("nvmlDeviceGetMaxClockInfo:2", [3_201])
            .says("nvmlDeviceGetApplicationsClock:1", [1_980])
            .says("nvmlDeviceGetDefaultApplicationsClock:1", [1_980])
            .says("nvmlDeviceGetCurrentClocksThrottleReasons", [0])
            .says("nvmlDeviceGetPcieThroughput:0", [1_000])
            .says("nvmlDeviceGetPcieThroughput:1", [2_000])
            .says("nvmlDeviceGetEncoderUtilization", [0, 167_000])
            .says("nvmlDeviceGetDecoderUtilization", [0, 167_000])
            .says("nvmlDeviceGetTotalEccErrors:0", [3])
            .says("nvmlDeviceGetTotalEccErrors:1", [0])
            .says("nvmlDeviceGetEccMode", [1, 1])
            .says("nvmlDeviceGetPersistenceMode", [1])
            .says("nvmlDeviceGetComputeMode", [0])
            .says("nvmlDeviceGetMigMode", [0, 0])
            .says("nvmlDeviceGetSupportedEventTypes", [0x1b])
            .with_energy(Energy { start_mj: 1_000_000 * (n + 1), wraps_at_mj: None })
            .with_process(1_000_001, Some(99 * GIB))
    }

    /// The GPU of a GB10: neither memory nor limits nor energy, but who uses how much of it.
    pub fn gb10() -> Self {
        Self::named(0, "NVIDIA GB10", "0000000F:01:00.0")
            .says("nvmlDeviceGetUtilizationRates", [93, 0])
            .fails("nvmlDeviceGetMemoryInfo_v2", NOT_SUPPORTED)
            .says("nvmlDeviceGetPowerUsage", [35_000])
            .says("nvmlDeviceGetTemperature:0", [61])
            .says("nvmlDeviceGetClockInfo:1", [2_418])
            .says("nvmlDeviceGetMaxClockInfo:1", [3_003])
            .says("nvmlDeviceGetCurrentClocksThrottleReasons", [1])
            .says("nvmlDeviceGetPersistenceMode", [1])
            .says("nvmlDeviceGetComputeMode", [0])
            .with_process(1_000_001, Some(20 * GIB))
            .with_process(1_000_002, Some(GIB))
    }

    /// A MIG instance with 18 GB.
    pub fn mig(index: u32) -> Self {
        Self::default()
            .text("nvmlDeviceGetName", "NVIDIA H200 MIG 1g.18gb")
            .text("nvmlDeviceGetUUID", &format!("MIG-00000000-0000-0000-0000-{index:012}"))
            .says("nvmlDeviceGetMemoryInfo_v2", [18 * GIB, 0, 10 * GIB, 8 * GIB])
    }

    fn named(index: u32, name: &str, bus: &str) -> Self {
        Self::default()
            .text("nvmlDeviceGetName", name)
            .text("nvmlDeviceGetUUID", &format!("GPU-00000000-0000-0000-0000-{index:012}"))
            .text("nvmlDeviceGetPciInfo_v3", bus)
            .says("nvmlDeviceGetIndex", [index.into()])
    }

    /// Has `function` say `numbers`.
    #[must_use]
    pub fn says<const N: usize>(self, function: &str, numbers: [u64; N]) -> Self {
        self.answers_from(0, function, Value::Numbers(numbers.to_vec()))
    }

    /// Has `function` fail with `code`.
    #[must_use]
    pub fn fails(self, function: &str, code: u32) -> Self {
        self.answers_from(0, function, Value::Code(code))
    }

    fn text(self, function: &str, text: &str) -> Self {
        self.answers_from(0, function, Value::Text(text.into()))
    }

    /// Has `function` say `value` from `from_ms` on, and until then what it said before.
    #[must_use]
    pub fn answers_from(mut self, from_ms: u64, function: &str, value: Value) -> Self {
        let answers = self.answers.entry(function.into()).or_default();
        answers.retain(|before| before.from_ms < from_ms);
        answers.push(Answer { from_ms, value });
        self
    }

    /// Has its energy counter run so.
    #[must_use]
    pub fn with_energy(mut self, energy: Energy) -> Self {
        self.energy = Some(energy);
        self
    }

    /// Puts a process on it.
    #[must_use]
    pub fn with_process(mut self, pid: u32, memory_bytes: Option<u64>) -> Self {
        self.processes.push(Process { pid, memory_bytes });
        self
    }

    /// Has it fall off the bus for all functions at once.
    #[must_use]
    pub fn lost(mut self) -> Self {
        self.lost_at_ms = Some(0);
        self
    }

    /// The code of everything that is asked of it, if it is lost by `ms`.
    pub(crate) fn lost_by(&self, ms: u64) -> Option<u32> {
        self.lost_at_ms.filter(|&at| at <= ms).map(|_| GPU_IS_LOST)
    }
}
