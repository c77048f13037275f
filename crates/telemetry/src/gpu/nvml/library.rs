//! Loading NVML, and what is asked of it once.

use std::{ffi::OsStr, sync::mpsc, thread};

use nvml_wrapper::{
    Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor,
    enum_wrappers::device::{Clock, ComputeMode},
    enums::device::UsedGpuMemory,
    error::NvmlError,
};

use super::{
    super::{
        Config, GpuId, GpuProcess, Gpus, Inventory, InventoryGpu, OpenError, Unavailable,
        host_memory,
    },
    not_open,
};

/// Loads the library and starts it.
pub(super) fn load(config: &Config) -> Result<Nvml, OpenError> {
    let nvml = match &config.library {
        Some(path) => Nvml::builder().lib_path(path.as_os_str()).init(),
        None => Nvml::init(),
    };
    nvml.map_err(|error| {
        OpenError::NotHere(why_not(&error, config.library.as_deref().map(|path| path.as_os_str())))
    })
}

/// Why NVML does not start, in one line with what to do.
fn why_not(error: &NvmlError, library: Option<&OsStr>) -> String {
    let library = library.map_or("libnvidia-ml".into(), OsStr::to_string_lossy);
    match error {
        NvmlError::LibloadingError(why) => {
            let why = why.to_string();
            format!("NVML cannot be loaded ({})", why.lines().next().unwrap_or_default())
        }
        NvmlError::FailedToLoadSymbol(_) => {
            format!("{library} is not NVML, or too old: it has no nvmlInit_v2")
        }
        NvmlError::DriverNotLoaded => "NVIDIA's driver is not loaded".to_owned(),
        NvmlError::NoPermission => {
            "NVML has no permission to talk to the driver: see who may use /dev/nvidia*".to_owned()
        }
        NvmlError::LibRmVersionMismatch => {
            "NVML and the loaded driver are of different versions, as after an \
            update: restart the machine or load the driver anew"
                .to_owned()
        }
        NvmlError::LibraryNotFound => {
            "NVML does not find a library of the driver: it is incompletely installed, or \
            the container was given no GPU"
                .to_owned()
        }
        error => format!("NVML does not start: {error}"),
    }
}

/// The number of a GPU, and the GPU or why it cannot be had.
type Chosen<'nvml> = (u32, Result<Device<'nvml>, NvmlError>);

/// The GPUs that `config` asks for, with their numbers; one that cannot be had is told with why.
pub(super) fn chosen<'nvml>(
    nvml: &'nvml Nvml,
    config: &Config,
) -> Result<Vec<Chosen<'nvml>>, OpenError> {
    let known = nvml.device_count().map_err(|error| {
        OpenError::NotHere(format!("NVML does not say how many GPUs there are: {error}"))
    })?;
    if known == 0 {
        return Err(OpenError::Refused(Unavailable::NoGpu));
    }
    let ids = match &config.gpus {
        Gpus::All => return Ok((0..known).map(|i| (i, nvml.device_by_index(i))).collect()),
        Gpus::These(ids) => ids,
    };
    let mut chosen: Vec<Chosen<'nvml>> = Vec::new();
    for id in ids {
        let found = match id {
            GpuId::Index(index) if *index < known => Some((*index, nvml.device_by_index(*index))),
            GpuId::Index(_) => None,
            GpuId::Uuid(uuid) => by_uuid(nvml, known, uuid),
        };
        let Some(found) = found else {
            let (wanted, known) = (id.clone(), known as usize);
            return Err(OpenError::Refused(Unavailable::NoSuchGpu { wanted, known }));
        };
        // Who names one twice, such as by number and UUID, means one.
        if chosen.iter().all(|(index, _)| *index != found.0) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

fn by_uuid<'nvml>(nvml: &'nvml Nvml, known: u32, uuid: &str) -> Option<Chosen<'nvml>> {
    (0..known).find_map(|index| {
        let device = nvml.device_by_index(index).ok()?;
        (device.uuid().ok()? == uuid).then_some((index, Ok(device)))
    })
}

/// The driver's version, and CUDA's.
pub(super) fn versions(nvml: &Nvml) -> (Option<String>, Option<String>) {
    let cuda = nvml.sys_cuda_driver_version().ok();
    let cuda =
        cuda.map(|v| format!("{}.{}", cuda_driver_version_major(v), cuda_driver_version_minor(v)));
    (nvml.sys_driver_version().ok(), cuda)
}

/// Does `what` on a thread of its own, which is left alone if the driver hangs.
pub(in super::super) fn once<T: Send + 'static>(
    config: &Config,
    what: impl FnOnce(&Config) -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let (done, is_done) = mpsc::sync_channel(1);
    let for_thread = config.clone();
    thread::Builder::new()
        .name("nvml-once".to_owned())
        // Nobody takes what comes too late.
        .spawn(move || done.send(what(&for_thread)))
        .map_err(|error| OpenError::NotHere(format!("no thread for NVML: {error}")))?;
    is_done.recv_timeout(config.opening).unwrap_or_else(|gone| Err(not_open(gone, config)))
}

/// What there is, as NVML says.
pub(in super::super) fn inventory(config: &Config) -> Result<Inventory, OpenError> {
    let nvml = load(config)?;
    let (driver, cuda) = versions(&nvml);
    let gpus = chosen(&nvml, config)?.into_iter().map(|(index, gpu)| match gpu {
        Ok(gpu) => inventory_gpu(index, &gpu, config),
        Err(error) => {
            InventoryGpu { index, trouble: Some(error.to_string()), ..InventoryGpu::default() }
        }
    });
    Ok(Inventory { source: super::NAME, driver, cuda, gpus: gpus.collect() })
}

fn inventory_gpu(index: u32, gpu: &Device<'_>, config: &Config) -> InventoryGpu {
    let milliwatts = |mw: u32| f64::from(mw) / 1e3;
    let memory = gpu.memory_info().map(|memory| memory.total);
    let is_unified = matches!(memory, Ok(0) | Err(NvmlError::NotSupported));
    let host = is_unified.then(|| host_memory(&config.root)).flatten();
    InventoryGpu {
        index,
        trouble: None,
        name: gpu.name().ok(),
        uuid: gpu.uuid().ok(),
        pci_bus: gpu.pci_info().ok().map(|pci| pci.bus_id),
        memory_bytes: host.map(|[_, total]| total).or(memory.ok()).filter(|&total| total > 0),
        has_unified_memory: host.is_some(),
        is_persistent: gpu.is_in_persistent_mode().ok(),
        sm_clock_mhz: gpu.clock_info(Clock::SM).ok(),
        sm_clock_max_mhz: gpu.max_clock_info(Clock::SM).ok(),
        sm_clock_set_mhz: gpu.applications_clock(Clock::SM).ok(),
        sm_clock_default_mhz: gpu.default_applications_clock(Clock::SM).ok(),
        memory_clock_mhz: gpu.clock_info(Clock::Memory).ok(),
        memory_clock_max_mhz: gpu.max_clock_info(Clock::Memory).ok(),
        power_limit_w: gpu.enforced_power_limit().ok().map(milliwatts),
        power_limit_default_w: gpu.power_management_limit_default().ok().map(milliwatts),
        is_mig: gpu.mig_mode().ok().map(|mode| mode.current == 1),
        is_ecc: gpu.is_ecc_enabled().ok().map(|ecc| ecc.currently_enabled),
        compute_mode: gpu.compute_mode().ok().map(|mode| compute_mode(&mode)),
        processes: gpu.running_compute_processes().ok().map(|processes| {
            let process =
                |process: nvml_wrapper::struct_wrappers::device::ProcessInfo| GpuProcess {
                    pid: process.pid,
                    memory_bytes: match process.used_gpu_memory {
                        UsedGpuMemory::Used(bytes) => Some(bytes),
                        UsedGpuMemory::Unavailable => None,
                    },
                };
            processes.into_iter().map(process).collect()
        }),
    }
}

fn compute_mode(mode: &ComputeMode) -> &'static str {
    match mode {
        ComputeMode::Default => "default",
        ComputeMode::ExclusiveThread => "exclusive thread",
        ComputeMode::Prohibited => "prohibited",
        ComputeMode::ExclusiveProcess => "exclusive process",
    }
}
