//! Whether a model fits: what is asked, and the GPUs of this machine, brought together.

use std::path::PathBuf;

use bench_containers::memory::{AskedMemory, Estimate, Gpu, Model, ModelError, Verdict};
use bench_telemetry::gpu::{self, InventoryGpu};
use bench_workloads::downloaded_model;

use crate::{Code, Failure};

/// What a model is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuAsked {
    /// This machine's, if it has any.
    Usual,
    /// This machine's.
    Here,
    /// One by its name.
    Named(Gpu),
}

/// What a model takes, and where it fits.
#[derive(Clone, Debug)]
pub struct Fits {
    /// The model.
    pub model: Model,
    /// What it takes, and how it fits the GPU that was asked for.
    pub estimate: Estimate,
    /// Of GPUs that are common the fewest on which it fits, if any number does: where there is none to hold it against.
    pub common: Vec<(Gpu, Option<u64>)>,
    /// What is to be said of this machine's GPUs.
    pub notes: Vec<String>,
}

/// What `model` takes: a folder, a `.gguf` file, a model that was downloaded, or a number of parameters.
///
/// # Errors
///
/// When there is no such model or GPU, or what is asked cannot be.
pub fn fits(model: &str, gpu: GpuAsked, asked: &AskedMemory) -> Result<Fits, Failure> {
    let model = Model::named(&place(model)).map_err(|error| model_failure(model, &error))?;
    let here = match gpu {
        GpuAsked::Named(gpu) => Some(Here { gpu, count: None, notes: Vec::new() }),
        GpuAsked::Here => Some(here()?),
        GpuAsked::Usual => here().ok(),
    };
    let (gpu, gpus_at_most, mut notes) = match here {
        Some(Here { gpu, count, notes }) => (Some(gpu), count, notes),
        None => (None, None, Vec::new()),
    };
    if gpu.as_ref().is_some_and(|gpu| gpu.has_unified_memory) {
        notes.push("its memory is the machine's, from which all programs take".to_owned());
    }
    let asked = AskedMemory { gpu, gpus_at_most, ..asked.clone() };
    let estimate = |asked: &AskedMemory| {
        Estimate::of(&model, asked).map_err(|error| Failure::new(Code::Setting, error.to_string()))
    };
    let common = match asked.gpu {
        None if asked.gpus.is_none() => Gpu::common(),
        _ => Vec::new(),
    };
    let on = |gpu: Gpu| {
        let asked = AskedMemory { gpu: Some(gpu.clone()), ..asked.clone() };
        let placement = estimate(&asked)?.placement;
        let fits = placement.filter(|placement| placement.verdict == Verdict::Fits);
        Ok((gpu, fits.map(|placement| placement.gpus)))
    };
    let common = common.into_iter().map(on).collect::<Result<_, Failure>>()?;
    Ok(Fits { estimate: estimate(&asked)?, model, common, notes })
}

/// Where a model is: what there is at a path comes before a name on the hub.
pub(crate) fn place(model: &str) -> PathBuf {
    let path = PathBuf::from(model);
    if path.exists() { path } else { downloaded_model(model).unwrap_or(path) }
}

fn model_failure(model: &str, error: &ModelError) -> Failure {
    let failure = Failure::new(Code::ModelFiles, format!("{model} cannot be estimated"));
    let fix = match error {
        ModelError::NotFound { .. } if model.contains('/') => Some(format!(
            "`hf download {model} config.json`, or a folder, a .gguf file, a number of parameters such as 7B"
        )),
        ModelError::NoModel { .. } | ModelError::NotFound { .. } => {
            Some("a folder with a config.json, a .gguf file, or a number such as 7B".to_owned())
        }
        ModelError::Several { .. } => Some("name one of them".to_owned()),
        ModelError::Malformed { .. } => Some("download it anew".to_owned()),
        _ => None,
    };
    let failure = failure.caused_by(error);
    match fix {
        Some(fix) => failure.fix(fix),
        None => failure,
    }
}

/// The GPUs that a model is held against.
#[derive(Debug)]
struct Here {
    gpu: Gpu,
    /// How many there are; of one that was named, nobody knows.
    count: Option<u64>,
    notes: Vec<String>,
}

fn here() -> Result<Here, Failure> {
    let none = |why: String| {
        Failure::new(Code::Setting, "--gpu auto: this machine has no GPU that could be asked")
            .said(why)
            .fix("name one, such as --gpu H100 or --gpu 80GB")
    };
    let inventory = gpu::inventory(&gpu::Config::default()).map_err(|why| none(why.to_string()))?;
    Here::of(&inventory.gpus).ok_or_else(|| none("none tells its memory".to_owned()))
}

impl Here {
    /// Those of which there are most, where they differ.
    fn of(gpus: &[InventoryGpu]) -> Option<Self> {
        let known: Vec<&InventoryGpu> =
            gpus.iter().filter(|gpu| gpu.memory_bytes.is_some()).collect();
        let alike =
            |gpu: &InventoryGpu| known.iter().filter(|other| other.name == gpu.name).count();
        // The last of several that are as many, so that the first is: `max_by_key` takes the last.
        let most = known.iter().rev().max_by_key(|gpu| alike(gpu))?;
        let alike: Vec<&&InventoryGpu> = known.iter().filter(|gpu| gpu.name == most.name).collect();
        let mut notes = Vec::new();
        if alike.len() < known.len() {
            let others = known.len() - alike.len();
            notes.push(format!("{others} GPUs of another kind are here, too, and left out"));
        }
        let used = |gpu: &&&InventoryGpu| {
            let processes =
                gpu.processes.iter().flatten().filter_map(|process| process.memory_bytes);
            (gpu.index, processes.fold(0, u64::saturating_add))
        };
        for (index, bytes) in alike.iter().map(used).filter(|(_, bytes)| *bytes > 0) {
            notes.push(format!("of GPU {index}, processes use {} MiB now", bytes >> 20));
        }
        let memory_bytes = alike.iter().filter_map(|gpu| gpu.memory_bytes).min()?;
        let name = most.name.clone().unwrap_or_else(|| "unnamed GPU".to_owned());
        let has_unified_memory = most.has_unified_memory;
        let gpu = Gpu { name, memory_bytes, has_unified_memory };
        Some(Self { gpu, count: u64::try_from(alike.len()).ok(), notes })
    }
}

#[cfg(test)]
mod tests {
    use bench_telemetry::gpu::GpuProcess;

    use super::*;

    fn gpu(index: u32, name: &str, gib: u64) -> InventoryGpu {
        let (name, memory_bytes) = (Some(name.to_owned()), Some(gib << 30));
        InventoryGpu { index, name, memory_bytes, ..InventoryGpu::default() }
    }

    #[test]
    fn the_gpus_of_which_there_are_most_are_taken() {
        let here = Here::of(&[gpu(0, "A", 80), gpu(1, "B", 24), gpu(2, "B", 23)]).unwrap();
        assert_eq!(
            (here.gpu.name.as_str(), here.gpu.memory_bytes >> 30, here.count),
            ("B", 23, Some(2))
        );
        assert_eq!(here.notes, ["1 GPUs of another kind are here, too, and left out"]);
        let one_each = Here::of(&[gpu(0, "A", 80), gpu(1, "B", 24)]).unwrap();
        assert_eq!((one_each.gpu.name.as_str(), one_each.count), ("A", Some(1)));
        assert!(Here::of(&[InventoryGpu::default()]).is_none() && Here::of(&[]).is_none());
    }

    #[test]
    fn what_is_used_already_is_said() {
        let processes = Some(vec![GpuProcess { pid: 1, memory_bytes: Some(3 << 20) }]);
        let busy = InventoryGpu { processes, has_unified_memory: true, ..gpu(0, "GB10", 119) };
        let here = Here::of(&[busy]).unwrap();
        assert!(here.gpu.has_unified_memory && here.notes[0].contains("use 3 MiB"), "{here:?}");
    }
}
