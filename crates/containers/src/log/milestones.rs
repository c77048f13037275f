//! How far a start is.

use std::sync::LazyLock;

use super::{pattern::Table, text};
use crate::EngineName::{self, LlamaCpp, Nim, Ollama, Sglang, TrtLlm, Vllm};

/// A step of a start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Milestone {
    /// Such as `loading weights`: the steps are the same, whatever the engine.
    pub stage: &'static str,
    /// How much of that is done, from 0 to 1, where the line says so.
    pub share: Option<f64>,
}

const DOWNLOADING: &str = "downloading model";
const LOADING: &str = "loading weights";
const PROFILING: &str = "profiling memory";
const ALLOCATING: &str = "allocating KV cache";
const COMPILING: &str = "compiling";
const CAPTURING: &str = "capturing graphs";
const WARMING_UP: &str = "warming up";
const SERVING: &str = "serving";

/// The engines, a step, and a line that tells of it: a number in it is how many per cent are done. A line that ends a
/// step tells of the next.
type Row = (&'static [EngineName], &'static str, &'static str);

/// Engines that load models as Hugging Face keeps them.
const HUGGING_FACE: &[EngineName] = &[Vllm, Sglang, TrtLlm];

static TABLE: LazyLock<Table<Row>> = LazyLock::new(|| Table::new(ROWS, |(.., pattern)| pattern));

static ROWS: &[Row] = &[
    (HUGGING_FACE, DOWNLOADING, "Downloading {*}: {}%|"),
    (HUGGING_FACE, DOWNLOADING, "Fetching {*} files: {}%|"),
    (HUGGING_FACE, DOWNLOADING, ".safetensors: {}%|"),
    (HUGGING_FACE, DOWNLOADING, ".gguf: {}%|"),
    (HUGGING_FACE, LOADING, "checkpoint shards: {}% Completed"),
    (HUGGING_FACE, LOADING, "Loading safetensors using {*}: {}% Completed"),
    (&[Vllm], LOADING, "Starting to load model "),
    (&[Vllm], LOADING, "Time spent downloading weights "),
    (&[Vllm], PROFILING, "Model loading took "),
    (&[Vllm], PROFILING, "Loading model weights took "),
    (&[Vllm], PROFILING, "Profiling CUDA graph memory"),
    (&[Vllm], PROFILING, "torch.compile takes "),
    (&[Vllm], PROFILING, "torch.compile took "),
    (&[Vllm], COMPILING, "Using cache directory: {*} for vLLM's torch.compile"),
    (&[Vllm], COMPILING, "Dynamo bytecode transform time"),
    (&[Vllm], COMPILING, "Compiling a graph for "),
    (&[Vllm], COMPILING, "Warming up model for the compilation"),
    (&[Vllm], ALLOCATING, "Available KV cache memory: "),
    (&[Vllm], ALLOCATING, "KV cache size: "),
    (&[Vllm], ALLOCATING, "Memory profiling takes "),
    (&[Vllm], CAPTURING, "Capturing {*}CUDA graph{*}: {}%|"),
    (&[Vllm], CAPTURING, "Capturing cudagraphs for decoding"),
    (&[Vllm], WARMING_UP, "Graph capturing finished in "),
    (&[Vllm], WARMING_UP, "init engine (profile, create kv cache, warmup model) took "),
    (&[Vllm, TrtLlm], WARMING_UP, "Autotuning process starts"),
    (&[Vllm, TrtLlm, Nim], SERVING, "Application startup complete"),
    (&[Sglang], LOADING, "Multi-thread loading {*}: {}% Completed"),
    (&[Sglang], LOADING, "Load weight begin."),
    (&[Sglang], ALLOCATING, "Load weight end."),
    (&[Sglang], ALLOCATING, "KV Cache is allocated."),
    (&[Sglang], CAPTURING, "Capture {*}raph begin."),
    (&[Sglang], CAPTURING, "Capturing batches {*}: {}%|"),
    (&[Sglang], CAPTURING, "Capturing prefill shape {*}: {}%|"),
    (&[Sglang], WARMING_UP, "Capture {*}raph end."),
    // It then sends itself a request.
    (&[Sglang], WARMING_UP, "Application startup complete"),
    (&[Sglang], SERVING, "The server is fired up and ready to roll!"),
    (&[TrtLlm], LOADING, " GB for model weights."),
    (&[TrtLlm], LOADING, "Loading safetensors weights in parallel: {}%|"),
    (&[TrtLlm], LOADING, "Loading weights: {}%|"),
    (&[TrtLlm], LOADING, "Loaded engine size: "),
    (&[TrtLlm], PROFILING, "Model init total -- "),
    (&[TrtLlm], ALLOCATING, "for max tokens in paged KV cache ("),
    (&[TrtLlm], ALLOCATING, "Max tokens in paged KV cache: "),
    (&[TrtLlm], CAPTURING, "Creating CUDA graph instances for "),
    (&[TrtLlm], CAPTURING, "Run generation only CUDA graph warmup"),
    (&[LlamaCpp], DOWNLOADING, "common_download_file_single"),
    (&[LlamaCpp], DOWNLOADING, "Downloading {*} {}%"),
    (&[LlamaCpp], LOADING, "load_model: loading model '"),
    (&[LlamaCpp], LOADING, "llama_model_loader: loaded meta data"),
    (&[LlamaCpp], LOADING, "load_tensors: "),
    (&[LlamaCpp], ALLOCATING, " KV buffer size = "),
    (&[LlamaCpp], ALLOCATING, "llama_context: constructing"),
    (&[LlamaCpp], WARMING_UP, "warming up the model with an empty run"),
    (&[LlamaCpp], SERVING, "listening on http://"),
    (&[Ollama], DOWNLOADING, "pulling {*}: {}%"),
    (&[Ollama], DOWNLOADING, "msg=\"downloading "),
    (&[Ollama], DOWNLOADING, "verifying sha256 digest"),
    (&[Ollama], LOADING, "msg=\"starting runner\""),
    (&[Ollama], LOADING, "msg=\"starting llama-server\""),
    (&[Ollama], LOADING, "waiting for llama"),
    (&[Ollama], SERVING, "llama runner started in "),
    (&[Ollama], SERVING, "llama-server started in "),
    (&[Ollama], SERVING, "msg=\"Listening on "),
    (&[Nim], DOWNLOADING, "Preparing model workspace."),
    (&[Nim], DOWNLOADING, "] [{*}iB/s ("),
    (&[Nim], LOADING, "Model workspace is now ready."),
];

/// The step that a line of an engine's log tells of.
pub fn milestone(engine: EngineName, line: &str) -> Option<Milestone> {
    let line = text::flat(line);
    let spoken = engine.speaks();
    if spoken.contains(&LlamaCpp)
        && let Some(milestone) = dots(&line)
    {
        return Some(milestone);
    }
    let mut fits = TABLE.find(&line);
    let (_, row, found) =
        fits.find(|(_, row, _)| row.0.iter().any(|engine| spoken.contains(engine)))?;
    let share = found.numbers.first().map(|percent| (percent / 100.0).min(1.0));
    Some(Milestone { stage: row.1, share })
}

/// llama.cpp writes a dot for each hundredth of the weights.
fn dots(line: &str) -> Option<Milestone> {
    let done = u8::try_from(line.len()).ok().filter(|done| (1..=100).contains(done))?;
    let all = line.bytes().all(|b| b == b'.');
    all.then_some(Milestone { stage: LOADING, share: Some(f64::from(done) / 100.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_how_far_a_start_is() {
        for (engine, line, expected) in [
            (
                Vllm,
                "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:00<00:02,  1.24it/s]",
                Some((LOADING, Some(0.25))),
            ),
            (
                Vllm,
                "\u{1b}[0;36m(EngineCore pid=7)\u{1b}[0;0m Capturing CUDA graphs (decode, FULL):   0%|  | 0/67\rCapturing CUDA graphs (decode, FULL):  30%|███| 20/67",
                Some((CAPTURING, Some(0.3))),
            ),
            (
                Vllm,
                "Capturing CUDA graph shapes: 100%|██████████| 35/35 [00:15<00:00]",
                Some((CAPTURING, Some(1.0))),
            ),
            (
                Vllm,
                "INFO [monitor.py:34] torch.compile takes 39.71 s in total",
                Some((PROFILING, None)),
            ),
            (
                Vllm,
                "model-00001-of-00004.safetensors:  45%|████▌     | 2.2G/4.9G",
                Some((DOWNLOADING, Some(0.45))),
            ),
            (
                Nim,
                "(APIServer pid=61) INFO:     Application startup complete.",
                Some((SERVING, None)),
            ),
            (
                Nim,
                "{\"message\": \"Preparing model workspace. This step might download\"}",
                Some((DOWNLOADING, None)),
            ),
            (
                Nim,
                "tokenizer.json [00:00:00] [██████] 8.66 MiB/8.66 MiB 27 MiB/s (0s)",
                Some((DOWNLOADING, None)),
            ),
            (Sglang, "INFO:     Application startup complete.", Some((WARMING_UP, None))),
            (
                Sglang,
                "Multi-thread loading shards:   0% Completed | 0/4 [00:00<?, ?it/s]Multi-thread loading shards:  50% Completed | 2/4",
                Some((LOADING, Some(0.5))),
            ),
            (
                Sglang,
                "[2026-01-01 00:00:00 TP0] Capture cuda graph begin. This can take up to several minutes. avail mem=6.60 GB",
                Some((CAPTURING, None)),
            ),
            (
                Sglang,
                "Capturing batches (bs=512 avail_mem=11.47 GB):  10%|█         | 5/52",
                Some((CAPTURING, Some(0.1))),
            ),
            (
                Sglang,
                "Capture target decode CUDA graph end. bs=[1, 2], elapsed=2.00 s",
                Some((WARMING_UP, None)),
            ),
            (TrtLlm, "Loading weights:  50%|█████     | 400/801", Some((LOADING, Some(0.5)))),
            (
                TrtLlm,
                "[12/20/2025-04:21:37] [TRT-LLM] [I] Creating CUDA graph instances for 11 batch sizes.",
                Some((CAPTURING, None)),
            ),
            (LlamaCpp, ".........................", Some((LOADING, Some(0.25)))),
            (LlamaCpp, "...", Some((LOADING, Some(0.03)))),
            (LlamaCpp, "main: server is listening on http://127.0.0.1:8080", Some((SERVING, None))),
            (LlamaCpp, "main: HTTP server is listening, hostname: 127.0.0.1, port: 8080", None),
            (Ollama, "pulling 6a0746a1ec1a:  45% ▕████", Some((DOWNLOADING, Some(0.45)))),
            (Ollama, "load_tensors: offloaded 33/33 layers to GPU", Some((LOADING, None))),
            (Vllm, "load_tensors: offloaded 33/33 layers to GPU", None),
            (Vllm, "...", None),
            (Vllm, "", None),
        ] {
            let told = milestone(engine, line);
            let expected = expected.map(|(stage, share)| Milestone { stage, share });
            assert_eq!(told, expected, "{engine}: {line}");
        }
    }

    #[test]
    fn a_share_is_none_beyond_all_of_it() {
        let line = "checkpoint shards: 4000% Completed";
        assert_eq!(milestone(Vllm, line).and_then(|told| told.share), Some(1.0));
    }
}
