//! The library's half: what it was told, and since when it runs.
#![expect(clippy::disallowed_types, reason = "nobody moves the clock of a driver")]
#![expect(clippy::disallowed_methods, reason = "a driver that hangs blocks its thread")]

use std::{
    collections::BTreeMap,
    ffi::{CStr, OsStr, c_void},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Device, Script, Value,
    code::{INVALID_ARGUMENT, NOT_SUPPORTED},
};

/// How often something that waits looks again.
const STEP: Duration = Duration::from_millis(2);

/// The handle of a device: the number of a GPU from 1 on, and above the low 16 bits that of a MIG instance from 1 on.
pub(crate) type Handle = usize;

pub(crate) struct State {
    folder: PathBuf,
    loaded: Instant,
    script: Mutex<Arc<Script>>,
    calls: Mutex<BTreeMap<String, u64>>,
    /// How many of its XID errors each GPU has reported.
    reported: Mutex<BTreeMap<Handle, usize>>,
}

/// What this copy of the library was told.
pub(crate) fn state() -> &'static State {
    static STATE: OnceLock<State> = OnceLock::new();
    STATE.get_or_init(|| {
        let folder = own_folder();
        State {
            script: Mutex::new(Arc::new(read(&folder).unwrap_or_default())),
            folder,
            loaded: Instant::now(),
            calls: Mutex::default(),
            reported: Mutex::default(),
        }
    })
}

impl State {
    /// The script as it stands.
    pub(crate) fn script(&self) -> Arc<Script> {
        let mut script = lock(&self.script);
        if script.live
            && let Some(new) = read(&self.folder)
        {
            *script = Arc::new(new);
        }
        Arc::clone(&script)
    }

    /// Milliseconds since the library was loaded.
    pub(crate) fn ms(&self) -> u64 {
        u64::try_from(self.loaded.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts a call of `function`.
    pub(crate) fn count(&self, function: &str) {
        let mut calls = lock(&self.calls);
        match calls.get_mut(function) {
            Some(n) => *n += 1,
            None => {
                calls.insert(function.into(), 1);
            }
        }
    }

    /// Writes down how often each function was called.
    pub(crate) fn tell_calls(&self) {
        let calls = serde_json::to_vec(&*lock(&self.calls)).unwrap_or_default();
        let new = self.folder.join("calls.new");
        if fs::write(&new, calls).is_ok() {
            // A test that is over has taken its folder along.
            let _ = fs::rename(new, self.folder.join("calls.json"));
        }
    }

    /// What `function` says of `handle`, once it does not hang.
    pub(crate) fn ask(&self, handle: Handle, function: &str) -> Result<Value, u32> {
        self.count(function);
        self.hang(handle, function);
        let script = self.script();
        let device = device(&script, handle).ok_or(INVALID_ARGUMENT)?;
        let ms = self.ms();
        if let Some(code) = device.lost_by(ms) {
            return Err(code);
        }
        match value_at(device, function, ms) {
            Some(Value::Code(code)) => Err(*code),
            Some(value) => Ok(value.clone()),
            None => Err(NOT_SUPPORTED),
        }
    }

    /// The numbers that `function` says of `handle`.
    pub(crate) fn numbers(&self, handle: Handle, function: &str) -> Result<Vec<u64>, u32> {
        match self.ask(handle, function)? {
            Value::Numbers(numbers) => Ok(numbers),
            Value::Text(_) | Value::Code(_) => Err(INVALID_ARGUMENT),
        }
    }

    /// How long nothing will happen to any of `handles`.
    fn until_something(&self, script: &Script, handles: &[Handle]) -> Duration {
        let ms = self.ms();
        let devices = handles.iter().filter_map(|&handle| device(script, handle));
        let moments = devices
            .flat_map(|device| device.xids.iter().map(|(at, _)| *at).chain(device.lost_at_ms))
            .filter(|&at| at > ms);
        moments.min().map_or(Duration::MAX, |at| Duration::from_millis(at - ms))
    }

    fn hang(&self, handle: Handle, function: &str) {
        let until = |ms| Instant::now() + Duration::from_millis(ms);
        let hangs = || device(&self.script(), handle)?.hangs_ms.get(function).copied();
        let Some(end) = hangs().map(until) else { return };
        while Instant::now() < end && hangs().is_some() {
            thread::sleep(STEP);
        }
    }

    /// What the energy counter of `handle` stands at, in millijoules, if it is told by its power.
    pub(crate) fn energy(&self, handle: Handle) -> Option<u64> {
        let script = self.script();
        let device = device(&script, handle)?;
        let energy = device.energy.as_ref()?;
        let now = self.loaded.elapsed().as_secs_f64();
        let total = energy.start_mj + used_mj(device, now);
        Some(energy.wraps_at_mj.map_or(total, |at| total % at))
    }

    /// The next XID error of any of `handles` within `timeout`, and whose it is.
    pub(crate) fn wait_for_xid(
        &self,
        handles: &[Handle],
        timeout: Duration,
    ) -> Result<Option<(Handle, u64)>, u32> {
        let end = Instant::now() + timeout;
        loop {
            let (script, ms) = (self.script(), self.ms());
            for &handle in handles {
                let Some(device) = device(&script, handle) else { continue };
                let mut reported = lock(&self.reported);
                let n = reported.entry(handle).or_default();
                if let Some((_, xid)) = device.xids.get(*n).filter(|(at, _)| *at <= ms) {
                    *n += 1;
                    return Ok(Some((handle, *xid)));
                }
                if let Some(code) = device.lost_by(ms) {
                    return Err(code);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // A driver sleeps until something happens. Only a script that changes has to be looked at again and again.
            let step = if script.live { STEP } else { self.until_something(&script, handles) };
            thread::sleep(step.min(left));
        }
    }
}

/// Which device `handle` is.
pub(crate) fn device(script: &Script, handle: Handle) -> Option<&Device> {
    let gpu = script.devices.get((handle & 0xffff).checked_sub(1)?)?;
    match handle >> 16 {
        0 => Some(gpu),
        mig => gpu.mig.get(mig - 1)?.as_ref(),
    }
}

fn value_at<'a>(device: &'a Device, function: &str, ms: u64) -> Option<&'a Value> {
    let answers = device.answers.get(function)?;
    answers.iter().rev().find(|answer| answer.from_ms <= ms).map(|answer| &answer.value)
}

/// The integral of its power from when the library was loaded: mW over s is mJ.
fn used_mj(device: &Device, until_s: f64) -> u64 {
    let answers = device.answers.get("nvmlDeviceGetPowerUsage").map_or(&[][..], Vec::as_slice);
    let mut used = 0.0;
    for (i, answer) in answers.iter().enumerate() {
        let begin = answer.from_ms as f64 / 1_000.0;
        let end = answers.get(i + 1).map_or(f64::MAX, |next| next.from_ms as f64 / 1_000.0);
        if let Value::Numbers(mw) = &answer.value {
            used += mw[0] as f64 * (end.min(until_s) - begin).max(0.0);
        }
    }
    used as u64
}

fn read(folder: &Path) -> Option<Script> {
    serde_json::from_slice(&fs::read(folder.join("script.json")).ok()?).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder that this code was loaded from.
fn own_folder() -> PathBuf {
    // SAFETY: all zeros is a `Dl_info` with null pointers.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let here = own_folder as *const c_void;
    // SAFETY: `here` is an address in this library, and `info` is there to be written.
    if unsafe { libc::dladdr(here, &mut info) } == 0 || info.dli_fname.is_null() {
        return PathBuf::new();
    }
    // SAFETY: `dladdr` succeeded: the name ends in a NUL and stays as long as this library is loaded.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    path.parent().unwrap_or(Path::new("")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(steps: &[(u64, u64)]) -> Device {
        let power = "nvmlDeviceGetPowerUsage";
        steps.iter().fold(Device::default(), |device, &(from_ms, mw)| {
            device.answers_from(from_ms, power, Value::Numbers(vec![mw]))
        })
    }

    #[test]
    fn energy_is_the_integral_of_power() {
        let steps = device(&[(0, 100_000), (1_000, 300_000), (3_000, 0)]);
        for (until_s, mj) in [
            (0.0, 0),
            (0.5, 50_000),
            (1.0, 100_000),
            (2.0, 400_000),
            (3.0, 700_000),
            (9.0, 700_000),
        ] {
            assert_eq!(used_mj(&steps, until_s), mj, "after {until_s} s");
        }
        assert_eq!(used_mj(&device(&[]), 1.0), 0, "of a GPU that says no power");
    }

    #[test]
    fn the_last_answer_whose_time_has_come_counts() {
        let steps = device(&[(0, 1), (10, 2)]);
        let at = |ms| match value_at(&steps, "nvmlDeviceGetPowerUsage", ms) {
            Some(Value::Numbers(numbers)) => numbers[0],
            other => panic!("{other:?}"),
        };
        assert_eq!([0, 9, 10, 1_000].map(at), [1, 1, 2, 2]);
        assert!(value_at(&steps, "nvmlDeviceGetName", 0).is_none());
    }

    #[test]
    fn a_handle_is_of_a_gpu_or_of_an_instance() {
        let mut script = Script::h200(2);
        script.devices[1].mig = vec![None, Some(Device::mig(1))];
        let is_there = |handle| super::device(&script, handle).is_some();
        assert_eq!([1, 2].map(is_there), [true; 2]);
        assert!(is_there(2 | 2 << 16));
        assert_eq!([0, 3, 2 | 1 << 16, 2 | 3 << 16, 1 | 1 << 16].map(is_there), [false; 5]);
    }
}
