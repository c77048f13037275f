//! Whether a model fits, and what would.

use super::{Gpu, Model, Precision, Runtime, asking::Asking};

/// What is asked.
#[derive(Clone, Debug)]
pub struct AskedMemory {
    /// The GPU; if `None`, nothing is held against one.
    pub gpu: Option<Gpu>,
    /// How many of them; if `None`, as few as do.
    pub gpus: Option<u64>,
    /// How many there are; as many as a server can be spread over if `None`.
    pub gpus_at_most: Option<u64>,
    /// How weights are to be stored; as they are if `None`.
    pub precision: Option<Precision>,
    /// How the KV cache is to be stored; as the model's files say, else in 16 bits, if `None`.
    pub kv_precision: Option<Precision>,
    /// Tokens of each sequence, prompt and answer; those that the model was made for if `None`.
    pub context_tokens: Option<u64>,
    /// Sequences at a time, at least 1.
    pub concurrency: u64,
    /// The share of a GPU's memory that a server may take, above 0 and up to 1; what engines take if `None`.
    pub utilization: Option<f64>,
}

impl Default for AskedMemory {
    fn default() -> Self {
        Self {
            gpu: None,
            gpus: None,
            gpus_at_most: None,
            precision: None,
            kv_precision: None,
            context_tokens: None,
            concurrency: 1,
            utilization: None,
        }
    }
}

/// What was asked that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// Another number of GPUs would do.
    #[error(
        "{heads} heads of attention cannot be divided among {gpus} GPUs, as engines do (tensor parallel)"
    )]
    Indivisible {
        /// The model's heads.
        heads: u64,
        /// The GPUs.
        gpus: u64,
    },
    /// A number that is 0, or a share that is none.
    #[error("{what} cannot be {value}")]
    Number {
        /// Of what.
        what: &'static str,
        /// The number.
        value: f64,
    },
}

/// What a model takes, and where it fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// How its weights are stored.
    pub precision: String,
    /// What its weights take, or why that is not known.
    pub weights: Result<WeightsEstimate, String>,
    /// What its KV cache takes, or why that is not known.
    pub kv_cache: Result<KvEstimate, String>,
    /// What an engine takes beside, on each GPU.
    pub runtime: Runtime,
    /// All together on one GPU, at least and at most, where it is known.
    pub total_bytes: Option<(u64, u64)>,
    /// Weights at 16 bits times 2.5: what is often said that a server wants.
    pub rule_of_thumb_bytes: Option<u64>,
    /// The share of a GPU's memory that a server may take.
    pub utilization: f64,
    /// Where it fits, if a GPU was named.
    pub placement: Option<Placement>,
}

/// What weights take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsEstimate {
    /// In bytes.
    pub bytes: u64,
    /// Whether files say so, rather than a count.
    pub is_exact: bool,
    /// How it comes about, in words.
    pub made_of: String,
}

/// What a KV cache takes.
#[derive(Clone, Debug, PartialEq)]
pub struct KvEstimate {
    /// How it is stored.
    pub precision: Precision,
    /// Tokens of each sequence.
    pub context_tokens: u64,
    /// Sequences at a time.
    pub concurrency: u64,
    /// Bytes that each token adds, in layers that remember all.
    pub bytes_per_token: u64,
    /// Bytes of a sequence.
    pub bytes_per_sequence: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// How it comes about, in words.
    pub made_of: String,
}

/// A model on so many GPUs. What it takes is of each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Which.
    pub gpu: Gpu,
    /// How many: as asked, else the fewest on which it fits, else those that there are, or one.
    pub gpus: u64,
    /// What a server may take of each.
    pub usable_bytes: u64,
    /// What weights take of each.
    pub weights_bytes: u64,
    /// What the KV cache takes of each, where it is known.
    pub kv_cache_bytes: Option<u64>,
    /// What an engine takes beside of each.
    pub runtime: Runtime,
    /// Whether it fits.
    pub verdict: Verdict,
    /// Sequences of that context that fit at a time, where the runtime takes most.
    pub sequences: Option<u64>,
    /// Tokens that each of the sequences can have, where the runtime takes most; no more than the model was made for.
    pub longest_context_tokens: Option<u64>,
}

/// Whether a model fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Even where the runtime takes most.
    Fits,
    /// Only where the runtime takes less.
    Tight,
    /// Not even where the runtime takes least.
    DoesNotFit,
}

impl Verdict {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Tight => "tight",
            Self::DoesNotFit => "does_not_fit",
        }
    }
}

impl Estimate {
    /// What `model` takes.
    ///
    /// # Errors
    ///
    /// When what is asked cannot be.
    pub fn of(model: &Model, asked: &AskedMemory) -> Result<Self, EstimateError> {
        Asking::of(model, asked)?.estimate()
    }
}
