//! The names of readings: one word for one thing, whichever source it comes from.

/// How the values of a name follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadingKind {
    /// Each value stands for itself, until the next one.
    Gauge,
    /// Values add up since some beginning; only how much they grow says anything. One that is less than the
    /// one before has begun anew.
    Counter,
}

/// What readings of one name mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingName {
    /// The name, its unit last.
    pub id: &'static str,
    /// Its name on screen.
    pub title: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// How its values follow each other.
    pub kind: ReadingKind,
    /// What is read.
    pub definition: &'static str,
}

/// What `id` means; `None` for a name of a user's own, which counts as a gauge.
pub fn reading_name(id: &str) -> Option<&'static ReadingName> {
    VOCABULARY.iter().find(|name| name.id == id)
}

macro_rules! vocabulary {
    ($($name:ident = $id:literal, $title:literal, $unit:literal, $kind:ident, $definition:literal;)*) => {
        /// The names of readings that sources of this project use, and others should.
        pub mod reading {
            $(#[doc = $definition] pub const $name: &str = $id;)*
        }

        /// All names, in the order in which they are shown.
        pub const VOCABULARY: &[ReadingName] = &[
            $(ReadingName {
                id: $id,
                title: $title,
                unit: $unit,
                kind: ReadingKind::$kind,
                definition: $definition,
            },)*
        ];
    };
}

vocabulary! {
    // A GPU; the instance is its number, or its number and that of a MIG instance, such as `0/3`.
    GPU_UTILIZATION_RATIO = "gpu_utilization_ratio", "GPU busy", "ratio", Gauge,
        "Share of the last sampling period of the driver during which any kernel ran.";
    GPU_SM_ACTIVE_RATIO = "gpu_sm_active_ratio", "SMs active", "ratio", Gauge,
        "Share of cycles during which a multiprocessor had at least one warp, over all of them.";
    GPU_MEMORY_UTILIZATION_RATIO = "gpu_memory_utilization_ratio", "Memory controller busy", "ratio", Gauge,
        "Share of the last sampling period of the driver during which memory was read or written.";
    GPU_MEMORY_USED_BYTES = "gpu_memory_used_bytes", "GPU memory used", "bytes", Gauge,
        "Memory in use, without what the driver reserves. Of unified memory: the host's total less what is available.";
    GPU_MEMORY_TOTAL_BYTES = "gpu_memory_total_bytes", "GPU memory", "bytes", Gauge,
        "Memory there is. Of unified memory: the host's.";
    GPU_PROCESS_MEMORY_BYTES = "gpu_process_memory_bytes", "GPU memory of processes", "bytes", Gauge,
        "Memory that processes on the GPU hold, over all of them.";
    GPU_POWER_W = "gpu_power_w", "GPU power", "W", Gauge,
        "Power drawn, as the sensor says: mostly a mean over some 25 to 100 ms of the last.";
    GPU_POWER_LIMIT_W = "gpu_power_limit_w", "GPU power limit", "W", Gauge,
        "Power beyond which the GPU slows itself down.";
    GPU_ENERGY_J = "gpu_energy_j", "GPU energy", "J", Counter,
        "Energy used since the driver was loaded, as the GPU counts it.";
    GPU_TEMPERATURE_C = "gpu_temperature_c", "GPU temperature", "°C", Gauge,
        "Temperature of the chip.";
    GPU_SM_CLOCK_MHZ = "gpu_sm_clock_mhz", "SM clock", "MHz", Gauge,
        "Clock of the multiprocessors.";
    GPU_SM_CLOCK_MAX_MHZ = "gpu_sm_clock_max_mhz", "SM clock, highest", "MHz", Gauge,
        "The highest clock that the multiprocessors can have.";
    GPU_MEMORY_CLOCK_MHZ = "gpu_memory_clock_mhz", "Memory clock", "MHz", Gauge,
        "Clock of the memory.";
    GPU_THROTTLED = "gpu_throttled", "GPU throttled", "0 or 1", Gauge,
        "1 while the GPU runs slower than it was asked to, as for its heat or its power limit, else 0.";
    GPU_THROTTLED_POWER = "gpu_throttled_power", "Throttled for power", "0 or 1", Gauge,
        "1 while it is slowed down to keep to its power limit or by the power supply, else 0.";
    GPU_THROTTLED_THERMAL = "gpu_throttled_thermal", "Throttled for heat", "0 or 1", Gauge,
        "1 while it is slowed down because it is hot, else 0.";
    GPU_PCIE_TX_BYTES_PER_S = "gpu_pcie_tx_bytes_per_s", "PCIe sent", "bytes/s", Gauge,
        "Bytes the GPU sends over PCIe in a second, over the driver's last 20 ms.";
    GPU_PCIE_RX_BYTES_PER_S = "gpu_pcie_rx_bytes_per_s", "PCIe received", "bytes/s", Gauge,
        "Bytes the GPU receives over PCIe in a second, over the driver's last 20 ms.";
    GPU_ENCODER_UTILIZATION_RATIO = "gpu_encoder_utilization_ratio", "Encoder busy", "ratio", Gauge,
        "Share of the driver's sampling period during which the video encoder ran.";
    GPU_DECODER_UTILIZATION_RATIO = "gpu_decoder_utilization_ratio", "Decoder busy", "ratio", Gauge,
        "Share of the driver's sampling period during which the video decoder ran.";
    GPU_ECC_CORRECTED = "gpu_ecc_corrected_errors", "ECC errors, corrected", "errors", Counter,
        "Memory errors that were corrected, since the driver was loaded.";
    GPU_ECC_UNCORRECTED = "gpu_ecc_uncorrected_errors", "ECC errors, uncorrected", "errors", Counter,
        "Memory errors that could not be corrected, since the driver was loaded.";
    GPU_XID_ERRORS = "gpu_xid_errors", "XID errors", "errors", Counter,
        "Errors that the driver has reported of the GPU since it is watched.";
    GPU_PROCESSES = "gpu_processes", "Processes on the GPU", "processes", Gauge,
        "Processes that compute on the GPU.";
    GPU_OTHER_PROCESSES = "gpu_other_processes", "Other processes on the GPU", "processes", Gauge,
        "Processes on the GPU beside the server under test and this one; only from a source that knows which those are.";

    // The host that a source runs on.
    HOST_CPU_RATIO = "host_cpu_ratio", "Host CPU", "ratio", Gauge,
        "Share of all cores' time that was not idle, since the last reading.";
    HOST_CORE_RATIO = "host_core_ratio", "Host core", "ratio", Gauge,
        "Share of a core's time that was not idle, since the last reading; the instance is its number.";
    HOST_MEMORY_USED_BYTES = "host_memory_used_bytes", "Host memory used", "bytes", Gauge,
        "Memory that is not available to new programs without swapping: total less available.";
    HOST_MEMORY_TOTAL_BYTES = "host_memory_total_bytes", "Host memory", "bytes", Gauge,
        "Memory there is.";
    HOST_SWAP_USED_BYTES = "host_swap_used_bytes", "Swap used", "bytes", Gauge,
        "Memory that was swapped out.";
    HOST_NETWORK_SENT_BYTES = "host_network_sent_bytes", "Network sent", "bytes", Counter,
        "Bytes sent by an interface, which is the instance.";
    HOST_NETWORK_RECEIVED_BYTES = "host_network_received_bytes", "Network received", "bytes", Counter,
        "Bytes received by an interface, which is the instance.";
    HOST_NETWORK_DROPPED = "host_network_dropped_packets", "Packets dropped", "packets", Counter,
        "Packets that an interface, which is the instance, dropped or found faulty.";
    HOST_DISK_READ_BYTES = "host_disk_read_bytes", "Disk read", "bytes", Counter,
        "Bytes read from a disk, which is the instance.";
    HOST_DISK_WRITTEN_BYTES = "host_disk_written_bytes", "Disk written", "bytes", Counter,
        "Bytes written to a disk, which is the instance.";
    HOST_CPU_PRESSURE_S = "host_cpu_pressure_s", "Stalled for CPU", "s", Counter,
        "Time during which at least one task waited for a core.";
    HOST_MEMORY_PRESSURE_S = "host_memory_pressure_s", "Stalled for memory", "s", Counter,
        "Time during which at least one task waited for memory.";
    HOST_IO_PRESSURE_S = "host_io_pressure_s", "Stalled for I/O", "s", Counter,
        "Time during which at least one task waited for a disk.";

    // An agent on another host, beside what it reads there.
    AGENT_CLOCK_OFFSET_MS = "agent_clock_offset_ms", "Agent's clock behind ours", "ms", Gauge,
        "What is added to a moment of the agent's clock to have one of the run's.";
    AGENT_CLOCK_BOUND_MS = "agent_clock_bound_ms", "Agent's clock, uncertainty", "ms", Gauge,
        "How far off that may be: half the shortest round trip.";
    AGENT_CLOCK_DRIFT_PPM = "agent_clock_drift_ppm", "Agent's clock, drift", "ppm", Gauge,
        "How much faster the run's clock goes, since the agent is watched; absent while it is within the uncertainty.";

    // This process.
    CLIENT_CPU_S = "client_cpu_s", "Client CPU", "s", Counter,
        "Processor time that inferbench used, over all its threads.";
    CLIENT_MEMORY_BYTES = "client_memory_bytes", "Client memory", "bytes", Gauge,
        "Memory of inferbench that is resident.";
    CLIENT_FILES = "client_files", "Client open files", "files", Gauge,
        "Files and sockets that inferbench has open.";
    CLIENT_THREADS = "client_threads", "Client threads", "threads", Gauge,
        "Threads of inferbench.";
    CLIENT_SWITCHES = "client_context_switches", "Client switched out", "switches", Counter,
        "Times that a thread of inferbench was put aside although it had work to do.";

    // The server under test, of its own metrics. Over several engines: sums, and of ratios the highest.
    SERVER_RUNNING = "server_running", "Running in server", "requests", Gauge,
        "Requests that the server computes.";
    SERVER_WAITING = "server_waiting", "Waiting in server", "requests", Gauge,
        "Requests that wait for a place in the server.";
    SERVER_KV_CACHE_RATIO = "server_kv_cache_ratio", "KV cache", "ratio", Gauge,
        "Share of the KV cache that is in use.";
    SERVER_PREFIX_HIT_RATIO = "server_prefix_hit_ratio", "Prefix cache hits", "ratio", Gauge,
        "Share of prompt tokens found in the prefix cache, as the server says of the last while.";
    SERVER_PROMPT_TOKENS = "server_prompt_tokens", "Prompt tokens in server", "tokens", Counter,
        "Tokens of the prompts that the server took in, those found in a cache included.";
    SERVER_CACHED_TOKENS = "server_cached_prompt_tokens", "Cached prompt tokens", "tokens", Counter,
        "Tokens of prompts that the server found in a cache.";
    SERVER_PREFIX_QUERIED_TOKENS = "server_prefix_queried_tokens", "Prefix cache asked", "tokens", Counter,
        "Tokens of prompts that were looked up in the prefix cache.";
    SERVER_PREFIX_HIT_TOKENS = "server_prefix_hit_tokens", "Prefix cache hit", "tokens", Counter,
        "Of these, tokens that were found.";
    SERVER_OUTPUT_TOKENS = "server_output_tokens", "Output tokens in server", "tokens", Counter,
        "Tokens that the server generated.";
    SERVER_REQUESTS = "server_requests", "Requests finished by server", "requests", Counter,
        "Requests that the server finished, with success as it says where it tells.";
    SERVER_REQUESTS_ABORTED = "server_requests_aborted", "Requests aborted in server", "requests", Counter,
        "Requests that ended in the server before they were done.";
    SERVER_PREEMPTIONS = "server_preemptions", "Preemptions", "requests", Counter,
        "Times that a request lost its place, because the KV cache was full.";
    SERVER_STEPS = "server_steps", "Steps of server", "steps", Counter,
        "Batches that the server computed; output tokens over them is how many it decodes at once.";
    SERVER_DRAFTS = "server_drafts", "Drafts", "drafts", Counter,
        "Drafts of speculative decoding that were verified.";
    SERVER_DRAFT_TOKENS = "server_draft_tokens", "Draft tokens", "tokens", Counter,
        "Tokens of these drafts.";
    SERVER_ACCEPTED_TOKENS = "server_accepted_draft_tokens", "Accepted draft tokens", "tokens", Counter,
        "Tokens of drafts that the model accepted.";
    SERVER_ACCEPTANCE_LENGTH = "server_acceptance_length", "Acceptance length", "tokens", Gauge,
        "Tokens that a step of speculative decoding yields, as the server says of the last while.";
    SERVER_ACCEPTANCE_RATIO = "server_acceptance_ratio", "Acceptance rate", "ratio", Gauge,
        "Share of draft tokens that were accepted, as the server says of the last while.";
    SERVER_OUTPUT_TPS = "server_output_tps", "Output tokens/s in server", "tokens/s", Gauge,
        "Tokens generated in a second, as the server says of the last while.";
    SERVER_PREFILL_S = "server_prefill_s", "Prefill in server", "s", Counter,
        "Time that the server spent on prompts, over all requests, where it tells no distribution.";
    SERVER_DECODE_S = "server_decode_s", "Decode in server", "s", Counter,
        "Time that the server spent on tokens after the prompt, over all requests, where it tells no distribution.";
}

/// Times of requests that servers tell as histograms. Each comes as three names: with `_count` and `_sum`
/// behind it, and with `_bucket`, whose instance is the highest value that a bucket counts, as in `le`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerTime {
    /// From arrival to the first token.
    Ttft,
    /// Between tokens: each gap counts once.
    Itl,
    /// Mean time between the tokens of a request: each request counts once.
    Tpot,
    /// From arrival to the last token.
    E2e,
    /// Waiting for a place.
    Queue,
    /// From a place to the first token.
    Prefill,
    /// From the first token to the last.
    Decode,
}

impl ServerTime {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::Ttft, Self::Itl, Self::Tpot, Self::E2e, Self::Queue, Self::Prefill, Self::Decode];

    /// The names of its readings in seconds: sum, count and buckets, all of them counters.
    pub const fn names(self) -> [&'static str; 3] {
        match self {
            Self::Ttft => ["server_ttft_s_sum", "server_ttft_s_count", "server_ttft_s_bucket"],
            Self::Itl => ["server_itl_s_sum", "server_itl_s_count", "server_itl_s_bucket"],
            Self::Tpot => ["server_tpot_s_sum", "server_tpot_s_count", "server_tpot_s_bucket"],
            Self::E2e => ["server_e2e_s_sum", "server_e2e_s_count", "server_e2e_s_bucket"],
            Self::Queue => ["server_queue_s_sum", "server_queue_s_count", "server_queue_s_bucket"],
            Self::Prefill => {
                ["server_prefill_s_sum", "server_prefill_s_count", "server_prefill_s_bucket"]
            }
            Self::Decode => {
                ["server_decode_s_sum", "server_decode_s_count", "server_decode_s_bucket"]
            }
        }
    }
}

/// How the values of `id` follow each other.
pub(super) fn kind_of(id: &str) -> ReadingKind {
    let of_histogram = || ServerTime::ALL.iter().any(|time| time.names().contains(&id));
    match reading_name(id) {
        Some(name) => name.kind,
        None if of_histogram() => ReadingKind::Counter,
        None => ReadingKind::Gauge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once_and_ends_in_its_unit() {
        for (i, name) in VOCABULARY.iter().enumerate() {
            assert!(VOCABULARY[..i].iter().all(|before| before.id != name.id), "{}", name.id);
            let suffix = match name.unit {
                "W" => "_w",
                "J" => "_j",
                "°C" => "_c",
                "MHz" => "_mhz",
                "s" => "_s",
                "bytes" => "_bytes",
                "bytes/s" => "_bytes_per_s",
                "ratio" => "_ratio",
                _ => "",
            };
            assert!(name.id.ends_with(suffix), "{} is in {}", name.id, name.unit);
        }
    }

    #[test]
    fn what_adds_up_is_a_counter() {
        assert_eq!(kind_of(reading::GPU_ENERGY_J), ReadingKind::Counter);
        assert_eq!(kind_of(reading::GPU_POWER_W), ReadingKind::Gauge);
        assert_eq!(kind_of("server_ttft_s_bucket"), ReadingKind::Counter);
        assert_eq!(kind_of("somebody's own"), ReadingKind::Gauge);
    }
}
