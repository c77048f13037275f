//! Through `nvidia-smi`, where NVML cannot be loaded: as where the program is of another system's C library.
//!
//! Each read starts the program anew. It could also go on by itself (`--loop-ms`), which costs less; but then its
//! values come when it likes, and one that hangs has to be told from one that is slow. This is the second way to the
//! GPUs and should rather be plain. The processor time that the program uses is its own and in nobody's account.

mod answer;
mod program;
mod query;

use std::{sync::Arc, time::Duration};

use bench_core::{
    Moment, Readings, Said, SourceError, TelemetrySource, async_trait,
    reading::{
        GPU_ENERGY_J, GPU_MEMORY_TOTAL_BYTES, GPU_MEMORY_USED_BYTES, GPU_OTHER_PROCESSES,
        GPU_PCIE_RX_BYTES_PER_S, GPU_PCIE_TX_BYTES_PER_S, GPU_PROCESS_MEMORY_BYTES, GPU_PROCESSES,
        GPU_XID_ERRORS,
    },
};
use tokio::time::Instant;

use self::{
    answer::Said as Cell,
    program::{Failure, Program},
    query::{FIELDS, Field},
};
use super::{Config, GpuId, Gpus, Inventory, InventoryGpu, OpenError, Unavailable, host_memory};

const NAME: &str = "nvidia-smi";
/// The shortest time between two reads.
const SHORTEST: Duration = Duration::from_secs(1);

/// GPUs, watched through `nvidia-smi`.
#[derive(Debug)]
pub(super) struct NvidiaSmiSource {
    program: Program,
    config: Config,
    /// What is asked: fields that the program does not know are taken out.
    fields: Vec<&'static Field>,
    gpus: Vec<Watched>,
    /// What is to be said at the first read.
    notes: Vec<(Option<Arc<str>>, Said)>,
}

#[derive(Debug)]
struct Watched {
    instance: Arc<str>,
    uuid: String,
    is_lost: bool,
    is_unified: bool,
    /// Names of which it was said that they are absent, or cannot be read for now.
    said: Vec<&'static str>,
}

/// What NVML tells and the program does not, or only by another query that takes as long again.
const NOT_TOLD: [&str; 7] = [
    GPU_ENERGY_J,
    GPU_PCIE_TX_BYTES_PER_S,
    GPU_PCIE_RX_BYTES_PER_S,
    GPU_XID_ERRORS,
    GPU_PROCESSES,
    GPU_PROCESS_MEMORY_BYTES,
    GPU_OTHER_PROCESSES,
];

/// What identifies a GPU: asked with every query, before all else.
const IDENTITY: [&str; 2] = ["index", "uuid"];

impl NvidiaSmiSource {
    /// Asks the program which GPUs there are.
    pub(super) fn open(config: &Config) -> Result<Self, OpenError> {
        let inventory = inventory(config)?;
        let is = |what: &'static str, text: Option<String>| {
            text.map(|text| Said::Is { what: what.into(), text })
        };
        let mut notes: Vec<_> =
            is("gpu_driver", inventory.driver).map(|said| (None, said)).into_iter().collect();
        let mut gpus = Vec::new();
        for gpu in inventory.gpus {
            let Some(uuid) = gpu.uuid else { continue };
            let instance: Arc<str> = gpu.index.to_string().into();
            let facts = [
                is("gpu_name", gpu.name),
                is("gpu_uuid", Some(uuid.clone())),
                is("gpu_pci_bus", gpu.pci_bus),
            ];
            let why = || "nvidia-smi does not tell it".to_owned();
            let absent = NOT_TOLD.map(|name| Some(Said::Absent { name: name.into(), why: why() }));
            let said = facts.into_iter().chain(absent).flatten();
            notes.extend(said.map(|said| (Some(Arc::clone(&instance)), said)));
            gpus.push(Watched {
                instance,
                uuid,
                is_lost: false,
                is_unified: false,
                said: Vec::new(),
            });
        }
        Ok(Self {
            program: Program::new(&config.nvidia_smi),
            config: config.clone(),
            fields: FIELDS.iter().collect(),
            gpus,
            notes,
        })
    }

    /// Asks for all fields; again without one that the program does not know.
    async fn ask(&mut self, into: &mut Readings) -> Result<String, Failure> {
        loop {
            let names = self.fields.iter().map(|field| field.query);
            let names: Vec<_> = IDENTITY.into_iter().chain(names).collect();
            match self.program.query(&names).await {
                Err(Failure::UnknownField(name)) => {
                    let before = self.fields.len();
                    self.fields.retain(|field| field.query != name);
                    if self.fields.len() == before {
                        return Err(Failure::UnknownField(name));
                    }
                    for name in
                        FIELDS.iter().filter(|field| field.query == name).flat_map(|f| f.names)
                    {
                        let why = "this nvidia-smi does not know it".to_owned();
                        into.note(None, Said::Absent { name: (*name).into(), why });
                    }
                }
                answer => return answer,
            }
        }
    }

    fn tell(&mut self, answer: &str, after: Duration, into: &mut Readings) {
        let mut is_seen = vec![false; self.gpus.len()];
        for line in answer.lines() {
            let mut cells = answer::cells(line);
            let (Some(_), Some(uuid)) = (cells.next(), cells.next()) else { continue };
            let Some(i) = self.gpus.iter().position(|gpu| gpu.uuid == uuid) else { continue };
            is_seen[i] = true;
            self.gpus[i].tell(&self.fields, cells, &self.config, after, into);
        }
        for (gpu, is_seen) in self.gpus.iter_mut().zip(is_seen) {
            if !is_seen && !gpu.is_lost {
                gpu.lose("nvidia-smi does not list it any more", into);
            }
        }
    }
}

impl Watched {
    fn tell<'a>(
        &mut self,
        fields: &[&'static Field],
        cells: impl Iterator<Item = &'a str>,
        config: &Config,
        after: Duration,
        into: &mut Readings,
    ) {
        let at = into.at() + after;
        for (field, cell) in fields.iter().zip(cells) {
            if self.is_lost {
                return;
            }
            match answer::said(cell) {
                // A total of 0 is how some drivers say that there is none of its own.
                Cell::Never(_) | Cell::Value("0")
                    if field.names == [GPU_MEMORY_TOTAL_BYTES]
                        && self.shares_memory(config, into) => {}
                Cell::Value(text) => match (field.read)(text) {
                    Some(values) => self.value(field, values, at, into),
                    None => self.not_now(field, &format!("{text:?} is no value"), into),
                },
                Cell::Never(why) => self.absent(field, why, into),
                Cell::NotNow(why) => self.not_now(field, why, into),
                Cell::Lost(why) => self.lose(why, into),
            }
        }
        if self.is_unified
            && let Some(used_and_total) = host_memory(&config.root)
        {
            let [used, total] = used_and_total.map(|bytes| bytes as f64);
            into.push_at(at, Some(&self.instance), GPU_MEMORY_TOTAL_BYTES.into(), total);
            into.push_at(at, Some(&self.instance), GPU_MEMORY_USED_BYTES.into(), used);
        }
    }

    fn value(&mut self, field: &Field, values: [f64; 3], at: Moment, into: &mut Readings) {
        self.said.retain(|said| !field.names.contains(said));
        if self.is_unified && field.names == [GPU_MEMORY_USED_BYTES] {
            return;
        }
        for (&name, value) in field.names.iter().zip(values) {
            into.push_at(at, Some(&self.instance), name.into(), value);
        }
    }

    /// Takes the host's memory for its own, of which it says nothing; `false` if the host's is not known either.
    fn shares_memory(&mut self, config: &Config, into: &mut Readings) -> bool {
        if host_memory(&config.root).is_none() {
            return false;
        }
        if !std::mem::replace(&mut self.is_unified, true) {
            let (what, text) = ("gpu_memory_kind".into(), "unified".to_owned());
            into.note(Some(&self.instance), Said::Is { what, text });
        }
        true
    }

    fn absent(&mut self, field: &Field, why: &str, into: &mut Readings) {
        let is_of_memory = field.names == [GPU_MEMORY_USED_BYTES];
        if is_of_memory && self.is_unified {
            return;
        }
        for name in self.not_yet_said(field) {
            let said = Said::Absent { name: name.into(), why: why.to_owned() };
            into.note(Some(&self.instance), said);
        }
    }

    fn not_now(&mut self, field: &Field, why: &str, into: &mut Readings) {
        for name in self.not_yet_said(field) {
            let what = format!("{name} cannot be read for now: {why}");
            into.note(Some(&self.instance), Said::Happened { what });
        }
    }

    fn not_yet_said(&mut self, field: &Field) -> Vec<&'static str> {
        let new = field.names.iter().filter(|name| !self.said.contains(name));
        let new: Vec<_> = new.copied().collect();
        self.said.extend(&new);
        new
    }

    fn lose(&mut self, why: &str, into: &mut Readings) {
        self.is_lost = true;
        into.note(Some(&self.instance), Said::Lost { why: why.to_owned() });
    }
}

#[async_trait]
impl TelemetrySource for NvidiaSmiSource {
    fn name(&self) -> &str {
        NAME
    }

    fn period(&self) -> Duration {
        self.config.period.max(SHORTEST)
    }

    async fn read(&mut self, into: &mut Readings) -> Result<(), SourceError> {
        let began = Instant::now();
        for (gpu, said) in self.notes.drain(..) {
            into.note(gpu.as_ref(), said);
        }
        let patience = self.config.patience.max(self.period());
        let answer = tokio::time::timeout(patience, self.ask(into)).await;
        let answer = answer.unwrap_or(Err(Failure::Hangs(patience)));
        let answer = answer.map_err(|failure| error(failure, false))?;
        // The values are of the end of its run: it spends most of the time on starting.
        self.tell(&answer, began.elapsed(), into);
        if self.gpus.iter().all(|gpu| gpu.is_lost) {
            return Err(error("no GPU is left: all are lost", true));
        }
        Ok(())
    }
}

fn error(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>, fatal: bool) -> SourceError {
    SourceError { source_name: NAME.to_owned(), fatal, cause: cause.into() }
}

/// What there is, as the program says.
pub(super) fn inventory(config: &Config) -> Result<Inventory, OpenError> {
    let names: Vec<_> = query::INVENTORY.to_vec();
    let (program, opening) = (Program::new(&config.nvidia_smi), config.opening);
    let answer = program::block_on(opening, async move { program.query(&names).await })
        .map_err(|failure| OpenError::NotHere(failure.to_string()))?;
    let mut rows: Vec<_> = answer.lines().filter_map(|line| query::row(line, config)).collect();
    let known = rows.len();
    if known == 0 {
        return Err(OpenError::Refused(Unavailable::NoGpu));
    }
    if let Gpus::These(ids) = &config.gpus {
        let is = |gpu: &InventoryGpu, id: &GpuId| match id {
            GpuId::Index(index) => gpu.index == *index,
            GpuId::Uuid(uuid) => gpu.uuid.as_ref() == Some(uuid),
        };
        if let Some(wanted) = ids.iter().find(|id| !rows.iter().any(|(gpu, _)| is(gpu, id))) {
            let wanted = wanted.clone();
            return Err(OpenError::Refused(Unavailable::NoSuchGpu { wanted, known }));
        }
        rows.retain(|(gpu, _)| ids.iter().any(|id| is(gpu, id)));
    }
    let driver = rows.iter().find_map(|(_, driver)| driver.clone());
    let gpus = rows.into_iter().map(|(gpu, _)| gpu).collect();
    Ok(Inventory { source: NAME, driver, cuda: None, gpus })
}
