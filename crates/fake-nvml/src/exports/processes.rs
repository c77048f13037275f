use std::ffi::{c_uint, c_ulonglong};

use crate::{
    Device, Process,
    code::{INSUFFICIENT_SIZE, INVALID_ARGUMENT, NOT_SUPPORTED, SUCCESS},
    state::{Handle, device, state},
};

#[repr(C)]
struct ProcessInfo {
    pid: c_uint,
    used_gpu_memory: c_ulonglong,
    gpu_instance_id: c_uint,
    compute_instance_id: c_uint,
}

const NONE: c_uint = c_uint::MAX;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    handle: Handle,
    count: *mut c_uint,
    infos: *mut ProcessInfo,
) -> c_uint {
    // Its answer is that of a list, so that only an error can be scripted.
    match state().ask(handle, "nvmlDeviceGetComputeRunningProcesses_v3") {
        Err(code) if code != NOT_SUPPORTED => return code,
        _ if count.is_null() => return INVALID_ARGUMENT,
        _ => {}
    }
    let script = state().script();
    let Some(device) = device(&script, handle) else { return INVALID_ARGUMENT };
    let found = running(device);
    // SAFETY: not null, and the caller vouches for a number there.
    let room = unsafe { count.replace(found.len() as c_uint) };
    if found.len() > room as usize {
        return INSUFFICIENT_SIZE;
    }
    for (i, (process, instance)) in found.into_iter().enumerate() {
        let info = ProcessInfo {
            pid: process.pid,
            used_gpu_memory: process.memory_bytes.unwrap_or(c_ulonglong::MAX),
            gpu_instance_id: instance,
            compute_instance_id: if instance == NONE { NONE } else { 0 },
        };
        // SAFETY: the caller vouches for `room` elements, and there are no more.
        unsafe { infos.add(i).write(info) };
    }
    SUCCESS
}

/// Those of a GPU, or with MIG those of its instances.
fn running(device: &Device) -> Vec<(&Process, c_uint)> {
    let own = device.processes.iter().map(|process| (process, NONE));
    let of_instances = device.mig.iter().enumerate().flat_map(|(i, instance)| {
        let processes = instance.iter().flat_map(|instance| &instance.processes);
        processes.map(move |process| (process, i as c_uint))
    });
    own.chain(of_instances).collect()
}
