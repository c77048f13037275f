//! What the lines of engines tell: the one place that knows their texts.
//!
//! The texts are those of the engines' sources: vLLM 0.6 to 0.33, SGLang 0.4 to 0.5, TensorRT-LLM 0.9 to 1.1, llama.cpp
//! since 2024, Ollama 0.9 to 0.33, NIM 1 and 2. Where one meant something else in other versions, its row says since
//! which version it is taken. Of several rows of a fact, the first that a log has lines for tells it.

use crate::EngineName::{self, LlamaCpp, Nim, Ollama, Sglang, TrtLlm, Vllm};

/// A line, and what it tells.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) engine: EngineName,
    pub(super) pattern: &'static str,
    pub(super) tells: Tells,
    /// Versions before this one meant something else by it: it is taken only where the version is known.
    pub(super) since: Option<[u32; 3]>,
}

/// What a line tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tells {
    /// That a server starts: whatever was told before is of an earlier start.
    Start,
    /// The engine's version.
    Version,
    /// A text, of which the last counts.
    Text(&'static str),
    /// A number: of several in the line, `within` says what to do, and of several lines `take`.
    Number { fact: &'static str, within: Within, take: Take },
}

/// What becomes of several numbers in a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Within {
    Sum,
    Product,
}

/// Which of several lines counts, those of each rank for themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Take {
    First,
    Last,
    Sum,
}

impl Row {
    const fn new(engine: EngineName, pattern: &'static str, tells: Tells) -> Self {
        Self { engine, pattern, tells, since: None }
    }

    const fn since(mut self, version: [u32; 3]) -> Self {
        self.since = Some(version);
        self
    }

    const fn taking(mut self, taken: Take) -> Self {
        if let Tells::Number { ref mut take, .. } = self.tells {
            *take = taken;
        }
        self
    }

    const fn sum(self) -> Self {
        self.taking(Take::Sum)
    }

    const fn with(mut self, combined: Within) -> Self {
        if let Tells::Number { ref mut within, .. } = self.tells {
            *within = combined;
        }
        self
    }
}

const fn start(engine: EngineName, pattern: &'static str) -> Row {
    Row::new(engine, pattern, Tells::Start)
}

const fn version(engine: EngineName, pattern: &'static str) -> Row {
    Row::new(engine, pattern, Tells::Version)
}

const fn text(engine: EngineName, fact: &'static str, pattern: &'static str) -> Row {
    Row::new(engine, pattern, Tells::Text(fact))
}

const fn number(engine: EngineName, fact: &'static str, pattern: &'static str) -> Row {
    Row::new(engine, pattern, Tells::Number { fact, within: Within::Sum, take: Take::Last })
}

/// Facts of which the least rank counts, as it is what limits the others; of all others it is the most.
pub(super) const LEAST: [&str; 4] =
    ["kv_cache_gib", "kv_cache_tokens", "max_concurrency", "context_length_tokens"];

/// All rows.
pub(super) static ROWS: &[Row] = &[
    // vLLM. A start is told once, by the process that starts the others.
    start(Vllm, "vLLM API server version "),
    start(Vllm, "vLLM server version "),
    start(Vllm, "█ version "),
    version(Vllm, "vLLM API server version {version}"),
    version(Vllm, "vLLM server version {version},"),
    version(Vllm, "█ version {version}"),
    // Not `an LLM engine`: so NIM 1.0 calls its own, with its own version.
    version(Vllm, "Initializing a V0 LLM engine (v{version})"),
    version(Vllm, "Initializing a V1 LLM engine (v{version})"),
    number(Vllm, "model_memory_gib", "Model loading took {size}"),
    number(Vllm, "model_memory_gib", "Loading model weights took {size}"),
    number(Vllm, "weights_gib", "model weights take {size}"),
    number(Vllm, "weights_gib", "weights memory: {size}"),
    number(Vllm, "model_load_s", "Model loading took {*} and {} seconds"),
    // The draft model's come in a line of their own.
    number(Vllm, "weights_load_s", "Loading weights took {} seconds").sum(),
    number(Vllm, "kv_cache_gib", "Available KV cache memory: {size}"),
    number(Vllm, "kv_cache_gib", "rest of the memory reserved for KV Cache is {size}"),
    number(Vllm, "kv_cache_gib", "reserved {size} memory for KV Cache as specified"),
    number(Vllm, "kv_cache_gib", "Explicitly set ({}/{*}) GiB for KV cache"),
    // GPU, CPU, XPU, TPU; `GPU + host` is something else.
    number(Vllm, "kv_cache_tokens", "PU KV cache size: {} tokens"),
    number(Vllm, "kv_cache_blocks", "# GPU blocks: {}"),
    number(Vllm, "kv_cache_blocks", "# cuda blocks: {}"),
    number(Vllm, "kv_block_tokens", "args: Namespace({*}, block_size={},"),
    number(Vllm, "max_concurrency", "Maximum concurrency for {*} tokens per request: {}x"),
    number(Vllm, "max_concurrency_tokens", "Maximum concurrency for {} tokens per request: "),
    number(Vllm, "graph_capture_s", "Graph capturing finished in {} secs"),
    number(Vllm, "graph_capture_gib", "Graph capturing finished in {*} secs, took {size}"),
    number(
        Vllm,
        "compile_s",
        "(profile, create kv cache, warmup model) took {*} (compilation: {} s",
    ),
    // One for each part of the model.
    number(Vllm, "compile_s", "torch.compile takes {} s in total").sum(),
    number(Vllm, "compile_s", "torch.compile took {} s in total").sum(),
    number(Vllm, "init_s", "init engine (profile, create kv cache, warmup model) took {} s"),
    number(Vllm, "context_length_tokens", "LLM engine (v{*}) with config: {*} max_seq_len={},"),
    number(Vllm, "context_length_tokens", "Using max model len {}"),
    text(Vllm, "dtype", "LLM engine (v{*}) with config: {*} dtype=torch.{text},"),
    text(Vllm, "quantization", "LLM engine (v{*}) with config: {*} quantization={text},"),
    text(Vllm, "kv_cache_dtype", "LLM engine (v{*}) with config: {*} kv_cache_dtype={text},"),
    text(Vllm, "attention_backend", "Using {text} attention backend out of potential backends"),
    text(Vllm, "attention_backend", "Using {text} backend on V1 engine"),
    // V0's is of all there was so far.
    number(Vllm, "spec_acceptance_ratio", "Speculative metrics: Draft acceptance rate: {},"),
    number(Vllm, "spec_accepted_tokens", "SpecDecoding metrics: {*} Accepted: {} tokens,").sum(),
    number(Vllm, "spec_drafted_tokens", "SpecDecoding metrics: {*} Drafted: {} tokens,").sum(),
    number(
        Vllm,
        "spec_acceptance_length_tokens",
        "SpecDecoding metrics: Mean acceptance length: {},",
    ),
    // Without the token that the model itself adds, until vllm#17908.
    number(
        Vllm,
        "spec_acceptance_length_tokens",
        "SpecDecoding metrics: Draft acceptance rate: {*} Mean acceptance length: {},",
    )
    .since([0, 9, 0]),
    // SGLang. Its logs do not say which version it is. What it takes for a draft model is told as for the model.
    start(Sglang, "server_args={'"),
    start(Sglang, "server_args=ServerArgs("),
    number(Sglang, "model_memory_gib", "Load weight end. {*}mem usage={size}").sum(),
    number(Sglang, "weights_load_s", "Load weight end. elapsed={} s").sum(),
    number(Sglang, "kv_cache_gib", "KV Cache is allocated. {*}K size: {size}, V size: {size}")
        .sum(),
    number(Sglang, "kv_cache_gib", "KV Cache is allocated. {*}KV size: {size}").sum(),
    number(Sglang, "kv_cache_tokens", "max_total_num_tokens={}, chunked_prefill_size="),
    number(Sglang, "graph_capture_s", "Capture {*} graph end. {*}elapsed={} s").sum(),
    number(Sglang, "graph_capture_s", "Capture {*}cuda graph end. Time elapsed: {} s").sum(),
    number(Sglang, "graph_capture_gib", "Capture {*} graph end. {*}mem usage={size}").sum(),
    number(Sglang, "context_length_tokens", "max_total_num_tokens={*}, context_len={}"),
    text(Sglang, "dtype", "Load weight end. {*} dtype=torch.{text},"),
    text(Sglang, "kv_cache_dtype", "KV Cache is allocated. dtype: torch.{text},"),
    text(Sglang, "kv_cache_dtype", "Using KV cache dtype: torch.{text}$"),
    text(Sglang, "quantization", "server_args={*}'quantization': '{text}'"),
    text(Sglang, "attention_backend", "server_args={*}'attention_backend': '{text}'"),
    text(Sglang, "attention_backend", "server_args={*} attention_backend='{text}'"),
    text(Sglang, "attention_backend", "not explicitly specified. Use {text} backend by default"),
    number(Sglang, "spec_acceptance_length_tokens", "Decode batch{*} accept len: {},"),
    // TensorRT-LLM. Lines come twice: while it measures how much memory is left, and then for good.
    version(TrtLlm, "TensorRT-LLM version: {version}"),
    number(TrtLlm, "model_memory_gib", "Memory usage when loading weights: {size}"),
    number(
        TrtLlm,
        "model_memory_gib",
        "Memory used after loading model weights (inside torch) in memory usage profiling: {size}",
    ),
    number(TrtLlm, "weights_gib", "] Use {size} for model weights."),
    number(TrtLlm, "weights_gib", "] Loaded engine size: {size}"),
    number(TrtLlm, "model_load_s", "Model init total -- {}s"),
    number(
        TrtLlm,
        "kv_cache_gib",
        "[MemUsageChange] Allocated {size} for max tokens in paged KV cache (",
    ),
    number(TrtLlm, "kv_cache_gib", "Max tokens in paged KV cache: {*}. Allocating {size}"),
    number(
        TrtLlm,
        "kv_cache_tokens",
        "[MemUsageChange] Allocated {*} for max tokens in paged KV cache ({})",
    ),
    number(TrtLlm, "kv_cache_tokens", "Max tokens in paged KV cache: {}. Allocating "),
    number(TrtLlm, "context_length_tokens", " max_seq_len={}, max_num_requests="),
    text(TrtLlm, "kv_cache_dtype", "PyTorchConfig({*} kv_cache_dtype='{text}'"),
    text(TrtLlm, "attention_backend", "PyTorchConfig({*} attn_backend='{text}'"),
    // llama.cpp: buffers are one for each device. With `-lv 3`, most of these lines are not there.
    start(LlamaCpp, "load_model: loading model '"),
    start(LlamaCpp, "main: loading model"),
    version(LlamaCpp, "build: {version} ("),
    version(LlamaCpp, "common_params_print_info: build {version} ("),
    number(LlamaCpp, "model_memory_gib", " model buffer size = {size}").sum(),
    number(LlamaCpp, "model_memory_gib", "llm_load_tensors: {*} buffer size = {size}").sum(),
    number(LlamaCpp, "weights_gib", "print_info: file size = {size}").taking(Take::First),
    number(LlamaCpp, "kv_cache_gib", "llama_kv_cache: size = {size} (").sum(),
    number(LlamaCpp, "kv_cache_gib", "llama_kv_cache_unified: size = {size} (").sum(),
    number(LlamaCpp, "kv_cache_gib", "KV self size = {size}").sum(),
    number(LlamaCpp, "kv_cache_tokens", "llama_context: n_ctx = {}").taking(Take::First),
    number(LlamaCpp, "kv_cache_tokens", "llama_init_from_model: n_ctx = {}").taking(Take::First),
    number(LlamaCpp, "kv_cache_tokens", "llama_new_context_with_model: n_ctx = {}")
        .taking(Take::First),
    number(LlamaCpp, "kv_cache_tokens", "n_slots = {}, n_ctx_slot = {}, kv_unified = 'false'")
        .with(Within::Product),
    number(LlamaCpp, "kv_cache_tokens", "n_ctx_slot = {}, kv_unified = 'true'"),
    number(LlamaCpp, "context_length_tokens", "n_ctx_slot = {}"),
    number(LlamaCpp, "context_length_tokens", "new slot, n_ctx = {}"),
    text(LlamaCpp, "quantization", "print_info: file type = {text}$"),
    text(LlamaCpp, "quantization", "llm_load_print_meta: model ftype = {text}$"),
    text(LlamaCpp, "kv_cache_dtype", "llama_kv_cache: size = {*}, K ({text}): "),
    text(LlamaCpp, "kv_cache_dtype", "KV self size = {*}, K ({text}): "),
    // Of one request each.
    number(LlamaCpp, "spec_accepted_tokens", "draft acceptance = {*}({*}{} accepted /").sum(),
    number(LlamaCpp, "spec_drafted_tokens", "draft acceptance = {*} accepted /{*}{} generated)")
        .sum(),
    number(LlamaCpp, "spec_accepted_tokens", "draft acceptance rate = {*}({*}{} accepted /").sum(),
    number(
        LlamaCpp,
        "spec_drafted_tokens",
        "draft acceptance rate = {*} accepted /{*}{} generated)",
    )
    .sum(),
    // Ollama, which also shows what llama.cpp says.
    start(Ollama, "msg=\"starting llama-server\""),
    start(Ollama, "msg=\"starting runner\""),
    start(Ollama, "msg=\"starting llama server\""),
    version(Ollama, "Listening on {*} (version {version})"),
    number(Ollama, "model_load_s", "llama-server started in {} seconds"),
    number(Ollama, "model_load_s", "llama runner started in {} seconds"),
    // Beside `level=INFO`, for good, there may be `level=DEBUG`, tried.
    number(
        Ollama,
        "model_memory_gib",
        "level=INFO {*}msg=\"model weights\" device={*} size=\"{size}\"",
    )
    .sum(),
    number(Ollama, "kv_cache_gib", "level=INFO {*}msg=\"kv cache\" device={*} size=\"{size}\"")
        .sum(),
    // NIM, which also shows what the engine within it says.
    start(Nim, "== NVIDIA Inference Microservice LLM NIM =="),
    text(Nim, "nim_version", "NVIDIA Inference Microservice LLM NIM Version {text}$"),
    text(Nim, "nim_version", "NIM LLM API version {text}$"),
    text(Nim, "nim_profile", "Selected profile: {*} ({text})"),
];
