//! What the driver's error numbers mean, of those that concern whoever measures.

/// How NVML writes an error without a number.
pub(super) const UNKNOWN: u64 = 999;

/// An XID error in words; the number alone where NVIDIA's list says nothing that helps.
pub(super) fn words(xid: u64) -> String {
    let meaning = match xid {
        13 => "an exception in a kernel",
        31 => "a kernel touched memory that is not its own",
        43 | 45 => "a process was stopped by the driver",
        48 => "memory error that could not be corrected",
        61 | 62 => "the GPU's microcontroller halted",
        63 | 64 => "memory rows are remapped or pages retired",
        74 => "NVLink error",
        79 => "the GPU has fallen off the bus",
        92 => "many corrected memory errors",
        94 | 95 => "memory error that was not corrected, within processes or beyond",
        119 | 120 => "the GPU's system processor does not answer",
        UNKNOWN => return "the driver reported an error without a number".to_owned(),
        xid => return format!("XID {xid}"),
    };
    format!("XID {xid}: {meaning}")
}
