//! What an engine takes beside weights and KV cache. Assumed, and therefore a range.

use super::{Gpu, model::Shape};

const GIB: u64 = 1 << 30;

/// What an engine takes on each GPU beside weights and KV cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// At least, in bytes.
    pub low_bytes: u64,
    /// At most, in bytes.
    pub high_bytes: u64,
    /// Where that is from.
    pub made_of: String,
}

impl Runtime {
    /// As vLLM's: what it measures in a run of the largest batch, its CUDA context and its captured graphs.
    pub(super) fn of_vllm(shape: Option<Shape>, gpu: Option<&Gpu>, gpus: u64) -> Self {
        // vllm/engine/arg_utils.py, get_batch_defaults, of the API server.
        let is_large = gpu.is_none_or(|gpu| gpu.memory_bytes >= 70 * GIB && !gpu.is_a100());
        let (tokens, sequences) = if is_large { (8_192, 1_024) } else { (2_048, 256) };
        let Some(shape) = shape else {
            let made_of = "1 to 3 GiB for CUDA's context, kernels and captured graphs".to_owned();
            return Self { low_bytes: GIB, high_bytes: 3 * GIB, made_of };
        };
        let each = shape
            .hidden
            .saturating_mul(2)
            .saturating_add(shape.within_each)
            .saturating_add(shape.within / gpus.max(1));
        let layer = each.saturating_mul(tokens * 2);
        // Logits in 16 bits, and twice in 32 while a token is drawn.
        let sampling = shape.vocabulary.saturating_mul(sequences * 10);
        let made_of = format!(
            "{} for a batch of {tokens} tokens, {} to draw {sequences} (vLLM's defaults), and 1 to 3 GiB for CUDA's \
             context, kernels and captured graphs",
            mib(layer),
            mib(sampling)
        );
        Self {
            low_bytes: layer.max(sampling).saturating_add(GIB),
            high_bytes: layer.saturating_add(sampling).saturating_add(3 * GIB),
            made_of,
        }
    }

    /// As llama.cpp's: what it computes with, in 32 bits, and its CUDA context.
    pub(super) fn of_llama_cpp(shape: Option<Shape>, gpus: u64) -> Self {
        const BATCH: u64 = 512;
        let each = shape.map_or(0, |shape| {
            let within = shape.hidden.saturating_mul(2).saturating_add(shape.within / gpus.max(1));
            within.max(shape.vocabulary)
        });
        let computed = each.saturating_mul(BATCH * 4);
        let made_of = format!(
            "{} for a batch of {BATCH} tokens (llama.cpp's default), and 0.5 to 1 GiB for CUDA's context and kernels",
            mib(computed)
        );
        Self {
            low_bytes: computed.saturating_add(GIB / 2),
            high_bytes: computed.saturating_mul(2).saturating_add(GIB),
            made_of,
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
