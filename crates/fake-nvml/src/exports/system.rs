use std::{
    ffi::{CStr, c_char, c_int, c_uint},
    thread,
    time::Duration,
};

use super::{put, put_text};
use crate::{
    Value,
    code::{INVALID_ARGUMENT, NOT_FOUND, SUCCESS},
    state::{Handle, state},
};

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> c_uint {
    init()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> c_uint {
    init()
}

#[expect(clippy::disallowed_methods, reason = "a driver that hangs blocks its thread")]
fn init() -> c_uint {
    let script = state().script();
    thread::sleep(Duration::from_millis(script.init_hangs_ms));
    script.init
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> c_uint {
    state().tell_calls();
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> c_uint {
    put_text(version, length, &state().script().driver)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> c_uint {
    put(version, state().script().cuda)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_uint {
    put(count, state().script().devices.len() as c_uint)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Handle) -> c_uint {
    // A GPU may refuse, as one that was lost before.
    let handle = index as Handle + 1;
    match state().ask(handle, "nvmlDeviceGetIndex") {
        Ok(_) => put(device, handle),
        Err(code) => code,
    }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut Handle) -> c_uint {
    if uuid.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: not null, and the caller vouches for a NUL at its end.
    let wanted = unsafe { CStr::from_ptr(uuid) }.to_string_lossy();
    let devices = state().script().devices.len();
    let is_wanted = |&handle: &Handle| match state().ask(handle, "nvmlDeviceGetUUID") {
        Ok(Value::Text(uuid)) => uuid == wanted,
        _ => false,
    };
    match (1..=devices).find(is_wanted) {
        Some(handle) => put(device, handle),
        None => NOT_FOUND,
    }
}
