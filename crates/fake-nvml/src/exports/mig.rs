use std::ffi::c_uint;

use super::put;
use crate::{
    code::{INVALID_ARGUMENT, NOT_FOUND},
    state::{Handle, device, state},
};

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetMigMode(
    handle: Handle,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> c_uint {
    match state().numbers(handle, "nvmlDeviceGetMigMode") {
        Ok(mode) => put(current, mode[0] as c_uint) | put(pending, mode[1] as c_uint),
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetMaxMigDeviceCount(handle: Handle, count: *mut c_uint) -> c_uint {
    match device(&state().script(), handle) {
        Some(device) => put(count, device.mig.len() as c_uint),
        None => INVALID_ARGUMENT,
    }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    handle: Handle,
    index: c_uint,
    instance: *mut Handle,
) -> c_uint {
    let found = handle | (index as Handle + 1) << 16;
    match device(&state().script(), found) {
        Some(_) => put(instance, found),
        None => NOT_FOUND,
    }
}
