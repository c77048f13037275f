//! From a model and what is asked of it to an estimate.

use super::{
    AskedMemory, Estimate, EstimateError, Gpu, KvCache, KvEstimate, Model, Placement, Precision,
    Runtime, Verdict, WeightsEstimate,
};

/// What vLLM takes of a GPU's memory unless it is told otherwise (`--gpu-memory-utilization`).
const UTILIZATION: f64 = 0.9;
/// GPUs that one server may be spread over.
const MOST_GPUS: u64 = 64;
/// Tokens of a sequence where neither user nor model say how many.
const USUAL_CONTEXT: u64 = 8_192;

/// What is estimated with.
pub(super) struct Asking<'a> {
    model: &'a Model,
    asked: &'a AskedMemory,
    kv_precision: Precision,
    context_tokens: u64,
    utilization: f64,
}

impl<'a> Asking<'a> {
    pub(super) fn of(model: &'a Model, asked: &'a AskedMemory) -> Result<Self, EstimateError> {
        // llama.cpp takes what it needs, and nothing in advance.
        let usual = if model.is_gguf { 1.0 } else { UTILIZATION };
        let utilization = asked.utilization.unwrap_or(usual);
        if !(utilization > 0.0 && utilization <= 1.0) {
            let what = "the share of a GPU's memory";
            return Err(EstimateError::Number { what, value: utilization });
        }
        let numbers = [
            ("the context", asked.context_tokens),
            ("the number of sequences", Some(asked.concurrency)),
            ("the number of GPUs", asked.gpus),
        ];
        if let Some((what, _)) = numbers.into_iter().find(|(_, number)| *number == Some(0)) {
            return Err(EstimateError::Number { what, value: 0.0 });
        }
        let stated = model.quantization.as_ref().and_then(|known| known.kv_cache);
        let context = asked.context_tokens.or(model.context_tokens).unwrap_or(USUAL_CONTEXT);
        let kv_precision = asked.kv_precision.or(stated).unwrap_or_else(Precision::bf16);
        Ok(Self { model, asked, kv_precision, context_tokens: context, utilization })
    }

    pub(super) fn estimate(&self) -> Result<Estimate, EstimateError> {
        let weights = self.weights();
        let kv_cache = self.model.kv_cache.as_ref().map(|cache| self.kv_cache(cache));
        let kv_cache = kv_cache.map_err(String::clone);
        let runtime = self.runtime(self.asked.gpu.as_ref(), 1);
        let total_bytes =
            weights.as_ref().ok().zip(kv_cache.as_ref().ok()).map(|(weights, cache)| {
                let known = weights.bytes.saturating_add(cache.bytes);
                (known.saturating_add(runtime.low_bytes), known.saturating_add(runtime.high_bytes))
            });
        let placement = match (&self.asked.gpu, &weights) {
            (Some(gpu), Ok(weights)) => Some(self.placement(gpu, weights.bytes)?),
            _ => None,
        };
        Ok(Estimate {
            precision: self.precision_name(),
            weights,
            kv_cache,
            runtime,
            total_bytes,
            rule_of_thumb_bytes: self.sixteen_bits().map(|bytes| bytes.saturating_mul(5) / 2),
            utilization: self.utilization,
            placement,
        })
    }

    /// What the weights would take at 16 bits.
    fn sixteen_bits(&self) -> Option<u64> {
        self.model.parameters.as_ref().ok().map(|parameters| parameters.saturating_mul(2))
    }

    /// How weights are stored where neither the user nor a quantization says so.
    fn unquantized(&self) -> Precision {
        self.model.precision.unwrap_or_else(Precision::bf16)
    }

    fn precision_name(&self) -> String {
        match (self.asked.precision, &self.model.quantization) {
            (Some(asked), _) => asked.to_string(),
            (None, Some(known)) => known.label.clone(),
            (None, None) => self.unquantized().to_string(),
        }
    }

    fn weights(&self) -> Result<WeightsEstimate, String> {
        if let Some(as_stored) = self.as_stored() {
            return Ok(as_stored);
        }
        let precision = match (self.asked.precision, &self.model.quantization) {
            (Some(asked), _) => asked,
            (None, Some(known)) => known
                .weights
                .ok_or_else(|| format!("what a weight takes is not known of `{}`", known.label))?,
            (None, None) => self.unquantized(),
        };
        let parameters = self.model.parameters.clone()?;
        // What is left out of a quantization is so of that one alone.
        let quantization = self.model.quantization.as_ref();
        let quantization = quantization.filter(|_| self.asked.precision.is_none());
        let parts = self.model.parts.as_ref();
        let bytes = match parts {
            Some(parts) => parts.bytes(precision, quantization),
            None => precision.bytes(parameters),
        };
        let rest = match parts {
            Some(_) if precision.is_of_linear_layers() => {
                "; embeddings, output and what is not quantized keep 16 bits"
            }
            _ => "",
        };
        let each = precision.bits() / 8.0;
        let made_of = format!(
            "{} parameters x {each} B ({}){rest}",
            billions(parameters),
            precision.made_of()
        );
        Ok(WeightsEstimate { bytes, is_exact: false, made_of })
    }

    /// The weights that are there, if they are what is asked for.
    fn as_stored(&self) -> Option<WeightsEstimate> {
        let own = match &self.model.quantization {
            Some(known) => known.weights,
            None => Some(self.unquantized()),
        };
        let stored = self.model.weights.as_ref();
        let stored =
            stored.filter(|_| self.asked.precision.is_none() || self.asked.precision == own)?;
        let made_of = match stored.files {
            1 => format!("as its file has it ({})", stored.from),
            files => format!("as its {files} files have it ({})", stored.from),
        };
        Some(WeightsEstimate { bytes: stored.bytes?, is_exact: true, made_of })
    }

    fn kv_cache(&self, cache: &KvCache) -> KvEstimate {
        let precision = self.kv_precision;
        let concurrency = self.asked.concurrency;
        let bytes_per_sequence = cache.bytes_per_sequence(precision, 1, self.context_tokens);
        KvEstimate {
            precision,
            context_tokens: self.context_tokens,
            concurrency,
            bytes_per_token: cache.bytes_per_token(precision, 1),
            bytes_per_sequence,
            bytes: bytes_per_sequence.saturating_mul(concurrency),
            made_of: format!("{} x {} B", cache.made_of(), precision.bits() / 8.0),
        }
    }

    fn runtime(&self, gpu: Option<&Gpu>, gpus: u64) -> Runtime {
        match self.model.is_gguf {
            true => Runtime::of_llama_cpp(self.model.shape, gpus),
            false => Runtime::of_vllm(self.model.shape, gpu, gpus),
        }
    }

    fn placement(&self, gpu: &Gpu, weights: u64) -> Result<Placement, EstimateError> {
        if let Some(gpus) = self.asked.gpus {
            return match (self.divides(gpus), self.model.attention_heads) {
                (false, Some(heads)) => Err(EstimateError::Indivisible { heads, gpus }),
                _ => Ok(self.on(gpu, gpus, weights)),
            };
        }
        let most = self.asked.gpus_at_most.unwrap_or(MOST_GPUS).clamp(1, MOST_GPUS);
        let numbers = || (1..=most).filter(|gpus| self.divides(*gpus));
        let mut on = numbers().map(|gpus| self.on(gpu, gpus, weights));
        if let Some(fits) = on.find(|placement| placement.verdict == Verdict::Fits) {
            return Ok(fits);
        }
        // Nothing fits: what all that are there would be like.
        let shown = self.asked.gpus_at_most.and_then(|_| numbers().next_back());
        Ok(self.on(gpu, shown.unwrap_or(1), weights))
    }

    /// Whether engines spread the model over so many GPUs: its heads are divided evenly, heads of keys and values too,
    /// unless there are more GPUs than these.
    fn divides(&self, gpus: u64) -> bool {
        let heads = match self.model.attention_heads {
            // llama.cpp gives each GPU some of the layers.
            _ if self.model.is_gguf => return true,
            None => return gpus.is_power_of_two(),
            Some(heads) => heads,
        };
        let groups = self.model.kv_cache.iter().flat_map(|cache| &cache.groups);
        let mut kv_heads = groups.filter_map(|group| group.kv_heads);
        heads.is_multiple_of(gpus)
            && kv_heads.all(|kv| kv.is_multiple_of(gpus) || gpus.is_multiple_of(kv))
    }

    /// What a sequence of so many tokens takes of each of so many GPUs.
    fn sequence_bytes(&self, gpus: u64, tokens: u64) -> Option<u64> {
        let cache = self.model.kv_cache.as_ref().ok()?;
        Some(match self.model.is_gguf {
            true => cache.bytes_per_sequence(self.kv_precision, 1, tokens).div_ceil(gpus),
            false => cache.bytes_per_sequence(self.kv_precision, gpus, tokens),
        })
    }

    /// What it takes of each of so many GPUs, and whether it fits.
    fn on(&self, gpu: &Gpu, gpus: u64, weights: u64) -> Placement {
        let usable_bytes = share(gpu.memory_bytes, self.utilization);
        let weights_bytes = weights.div_ceil(gpus);
        let runtime = self.runtime(Some(gpu), gpus);
        let of_sequence = self.sequence_bytes(gpus, self.context_tokens);
        let kv_cache_bytes = of_sequence.map(|bytes| bytes.saturating_mul(self.asked.concurrency));
        let with = |rest: [u64; 2]| {
            rest.into_iter().fold(weights_bytes, u64::saturating_add) <= usable_bytes
        };
        // Where the cache is not known, what is often said that it takes with the rest.
        let usual = self.sixteen_bits().unwrap_or_default().saturating_mul(3) / 2;
        let verdict = match kv_cache_bytes {
            Some(cache) if with([cache, runtime.high_bytes]) => Verdict::Fits,
            Some(cache) if with([cache, runtime.low_bytes]) => Verdict::Tight,
            None if with([usual.div_ceil(gpus), 0]) => Verdict::Fits,
            None if with([0, runtime.low_bytes]) => Verdict::Tight,
            _ => Verdict::DoesNotFit,
        };
        let left = usable_bytes.saturating_sub(weights_bytes).saturating_sub(runtime.high_bytes);
        Placement {
            gpu: gpu.clone(),
            gpus,
            usable_bytes,
            weights_bytes,
            kv_cache_bytes,
            verdict,
            sequences: of_sequence.filter(|bytes| *bytes > 0).map(|bytes| left / bytes),
            longest_context_tokens: self.longest(gpus, left / self.asked.concurrency),
            runtime,
        }
    }

    /// The most tokens of a sequence that takes no more than `left` of each GPU.
    fn longest(&self, gpus: u64, left: u64) -> Option<u64> {
        let most = self.model.context_tokens.unwrap_or(1 << 24);
        self.sequence_bytes(gpus, 1).filter(|bytes| *bytes > 0)?;
        let (mut fits, mut beyond) = (0, most + 1);
        while beyond - fits > 1 {
            let middle = fits + (beyond - fits) / 2;
            match self.sequence_bytes(gpus, middle)? <= left {
                true => fits = middle,
                false => beyond = middle,
            }
        }
        Some(fits)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of it")]
fn share(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share) as u64
}

/// `8.03 billion`, `494 million`.
fn billions(parameters: u64) -> String {
    match parameters as f64 {
        n if n >= 1e9 => format!("{:.2} billion", n / 1e9),
        n => format!("{:.0} million", n / 1e6),
    }
}
