use std::{
    ffi::{c_uint, c_ulonglong},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::put;
use crate::{
    code::{INVALID_ARGUMENT, SUCCESS, TIMEOUT},
    state::{Handle, state},
};

const CRITICAL_XID: c_ulonglong = 8;

/// The GPUs that a set listens to.
#[derive(Default)]
struct EventSet(Mutex<Vec<Handle>>);

#[repr(C)]
struct EventData {
    device: Handle,
    event_type: c_ulonglong,
    event_data: c_ulonglong,
    gpu_instance_id: c_uint,
    compute_instance_id: c_uint,
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetCreate(set: *mut *mut EventSet) -> c_uint {
    put(set, Box::into_raw(Box::default()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetFree(set: *mut EventSet) -> c_uint {
    if set.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the caller vouches that `nvmlEventSetCreate` made it and that it is freed once.
    drop(unsafe { Box::from_raw(set) });
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceRegisterEvents(
    device: Handle,
    _types: c_ulonglong,
    set: *mut EventSet,
) -> c_uint {
    // SAFETY: null or, as the caller vouches, a set that is not freed yet.
    let Some(set) = (unsafe { set.as_ref() }) else { return INVALID_ARGUMENT };
    set.0.lock().unwrap_or_else(PoisonError::into_inner).push(device);
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    set: *mut EventSet,
    data: *mut EventData,
    timeout_ms: c_uint,
) -> c_uint {
    // SAFETY: null or, as the caller vouches, a set that is not freed yet.
    let Some(set) = (unsafe { set.as_ref() }) else { return INVALID_ARGUMENT };
    state().count("nvmlEventSetWait_v2");
    let devices = set.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match state().wait_for_xid(&devices, Duration::from_millis(timeout_ms.into())) {
        Ok(Some((device, xid))) => put(
            data,
            EventData {
                device,
                event_type: CRITICAL_XID,
                event_data: xid,
                gpu_instance_id: 0,
                compute_instance_id: 0,
            },
        ),
        Ok(None) => TIMEOUT,
        Err(code) => code,
    }
}
