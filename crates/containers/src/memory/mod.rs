//! Whether a model fits a GPU's memory, before anything is started.
//!
//! ```text
//! folder ─┐ config.json, hf_quant_config.json, *.safetensors, *.gguf
//! number ─┴► Model ─┬─ weights: bytes of the files, else parameters × bytes
//!                   ├─ KV cache: bytes of a token, of a sequence         ├─► Estimate ─► Verdict
//!            Gpu ───┴─ runtime: what an engine takes beside, as a range
//! ```
//!
//! What is read of files is exact; what is counted from `config.json` leaves out norms and biases, some 0.1 %; what an
//! engine takes beside is assumed, and says so. What cannot be known is absent, with the reason. The files are
//! untrusted: numbers are bounded where they are read, and no file is read beyond what its kind may have.

mod asking;
mod config;
mod estimate;
mod gguf;
mod gpu;
mod kv_cache;
mod layers;
mod model;
mod parameters;
mod precision;
mod quantization;
mod runtime;
mod safetensors;
mod stored;
#[cfg(test)]
mod tests;

pub use self::{
    estimate::{
        AskedMemory, Estimate, EstimateError, KvEstimate, Placement, Verdict, WeightsEstimate,
    },
    gpu::{Gpu, UnknownGpu},
    kv_cache::{KvCache, LayerGroup},
    model::{Model, ModelError, Weights},
    parameters::Parameters,
    precision::{Precision, UnknownPrecision},
    quantization::{Quantization, detect_quantization},
    runtime::Runtime,
};
