use std::ffi::{c_char, c_uint, c_ulonglong};

use super::{put, put_text};
use crate::{
    Value,
    code::{ARGUMENT_VERSION_MISMATCH, INVALID_ARGUMENT},
    state::{Handle, state},
};

/// Functions with one out parameter, after a selector or two of which the first counts.
macro_rules! one_number {
    ($($function:ident($($selector:ident $(, $ignored:ident)?)?) -> $type:ty;)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $function(
            device: Handle, $($selector: c_uint, $($ignored: c_uint,)?)? value: *mut $type,
        ) -> c_uint {
            let name = stringify!($function);
            $(let name = &format!("{name}:{}", $selector); $(let _ = $ignored;)?)?
            match state().numbers(device, name) {
                Ok(numbers) => put(value, numbers[0] as $type),
                Err(code) => code,
            }
        })*
    };
}

/// Functions with two out parameters.
macro_rules! two_numbers {
    ($($function:ident;)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $function(
            device: Handle, first: *mut c_uint, second: *mut c_uint,
        ) -> c_uint {
            match state().numbers(device, stringify!($function)) {
                Ok(numbers) => put(first, numbers[0] as c_uint) | put(second, numbers[1] as c_uint),
                Err(code) => code,
            }
        })*
    };
}

/// Functions that say a text.
macro_rules! text {
    ($($function:ident;)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $function(
            device: Handle, text: *mut c_char, length: c_uint,
        ) -> c_uint {
            match state().ask(device, stringify!($function)) {
                Ok(Value::Text(said)) => put_text(text, length, &said),
                Ok(_) => INVALID_ARGUMENT,
                Err(code) => code,
            }
        })*
    };
}

one_number! {
    nvmlDeviceGetIndex() -> c_uint;
    nvmlDeviceGetPowerUsage() -> c_uint;
    nvmlDeviceGetEnforcedPowerLimit() -> c_uint;
    nvmlDeviceGetPowerManagementDefaultLimit() -> c_uint;
    nvmlDeviceGetTemperature(sensor) -> c_uint;
    nvmlDeviceGetClockInfo(clock) -> c_uint;
    nvmlDeviceGetMaxClockInfo(clock) -> c_uint;
    nvmlDeviceGetApplicationsClock(clock) -> c_uint;
    nvmlDeviceGetDefaultApplicationsClock(clock) -> c_uint;
    nvmlDeviceGetCurrentClocksThrottleReasons() -> c_ulonglong;
    nvmlDeviceGetPcieThroughput(counter) -> c_uint;
    nvmlDeviceGetTotalEccErrors(error, counter) -> c_ulonglong;
    nvmlDeviceGetPersistenceMode() -> c_uint;
    nvmlDeviceGetComputeMode() -> c_uint;
    nvmlDeviceGetSupportedEventTypes() -> c_ulonglong;
}

two_numbers! {
    nvmlDeviceGetEncoderUtilization;
    nvmlDeviceGetDecoderUtilization;
    nvmlDeviceGetEccMode;
}

text! {
    nvmlDeviceGetName;
    nvmlDeviceGetUUID;
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetTotalEnergyConsumption(
    device: Handle,
    energy: *mut c_ulonglong,
) -> c_uint {
    let said = state().numbers(device, "nvmlDeviceGetTotalEnergyConsumption");
    match (said, state().energy(device)) {
        (Ok(numbers), None) => put(energy, numbers[0]),
        // Not in the answers, which are then of the counter that runs.
        (Err(crate::code::NOT_SUPPORTED), Some(total)) => put(energy, total),
        (Err(code), _) => code,
        (Ok(_), Some(_)) => INVALID_ARGUMENT,
    }
}

#[repr(C)]
struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetUtilizationRates(device: Handle, to: *mut Utilization) -> c_uint {
    match state().numbers(device, "nvmlDeviceGetUtilizationRates") {
        Ok(n) => put(to, Utilization { gpu: n[0] as c_uint, memory: n[1] as c_uint }),
        Err(code) => code,
    }
}

#[repr(C)]
struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, to: *mut Memory) -> c_uint {
    const VERSION: c_uint = size_of::<Memory>() as c_uint | 2 << 24;
    if to.is_null() {
        return INVALID_ARGUMENT;
    }
    // SAFETY: not null, and the caller vouches for a struct that begins with its version.
    if unsafe { (*to).version } != VERSION {
        return ARGUMENT_VERSION_MISMATCH;
    }
    match state().numbers(device, "nvmlDeviceGetMemoryInfo_v2").as_deref() {
        Ok(&[total, reserved, free, used]) => {
            put(to, Memory { version: VERSION, total, reserved, free, used })
        }
        Ok(_) => INVALID_ARGUMENT,
        Err(code) => *code,
    }
}

#[repr(C)]
struct PciInfo {
    bus_id_legacy: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    pci_device_id: c_uint,
    pci_subsystem_id: c_uint,
    bus_id: [c_char; 32],
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetPciInfo_v3(device: Handle, to: *mut PciInfo) -> c_uint {
    let bus = match state().ask(device, "nvmlDeviceGetPciInfo_v3") {
        Ok(Value::Text(bus)) => bus,
        Ok(_) => return INVALID_ARGUMENT,
        Err(code) => return code,
    };
    let mut info = PciInfo {
        bus_id_legacy: [0; 16],
        domain: 0,
        bus: 0,
        device: 0,
        pci_device_id: 0,
        pci_subsystem_id: 0,
        bus_id: [0; 32],
    };
    for (to, from) in info.bus_id.iter_mut().zip(bus.bytes().take(31)) {
        *to = from as c_char;
    }
    put(to, info)
}
