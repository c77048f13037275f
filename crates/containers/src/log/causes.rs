//! What engines say when something stands in their way, and what mends it.

use crate::{
    Cause,
    EngineName::{self, LlamaCpp, Nim, Ollama, Sglang, TrtLlm, Vllm},
    Gpus, Launch,
};

/// A cause that logs tell.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) cause: Cause,
    /// What went wrong, as it follows a colon.
    pub(super) what: &'static str,
    pub(super) fix: Fix,
}

/// What mends it.
#[derive(Debug)]
pub(super) enum Fix {
    /// This, whatever the server is.
    Always(&'static str),
    /// What there is to do for such a server.
    For(fn(&Launch) -> String),
}

/// A line, in capital or small letters, and its cause. Where lines of several rows are in a log, the first row tells
/// why: what is said more precisely stands before what it leads to.
pub(super) type Row = (&'static str, &'static Known);

pub(super) static ROWS: &[Row] = &[
    ("NGC_API_KEY{*}not set", &NGC_KEY),
    ("NGC_API_KEY{*}required", &NGC_KEY),
    ("NGC_API_KEY{*}missing", &NGC_KEY),
    ("NGC_API_KEY{*}invalid", &NGC_KEY),
    ("NGC{*}invalid API key", &NGC_KEY),
    ("NGC{*}authentication", &NGC_KEY),
    ("NGC{*}unauthorized", &NGC_KEY),
    ("401 client error{*}nvidia.com", &NGC_KEY),
    ("NGC{*}forbidden", &NGC_LICENCE),
    ("403 client error{*}nvidia.com", &NGC_LICENCE),
    ("could not match a profile in manifest", &NO_PROFILE),
    ("no compatible profile", &NO_PROFILE),
    ("detected 0 compatible profile", &NO_PROFILE),
    ("cannot access gated repo", &GATED),
    ("GatedRepoError", &GATED),
    ("access to model {*} is restricted", &GATED),
    ("your request to access model {*} is awaiting a review", &GATED),
    ("repository not found for url", &NO_REPOSITORY),
    ("RepositoryNotFoundError", &NO_REPOSITORY),
    ("401 client error{*}huggingface", &HF_TOKEN),
    ("invalid user token", &HF_TOKEN),
    ("LocalTokenNotFoundError", &HF_TOKEN),
    ("revision not found for url", &NO_MODEL),
    ("is not a local folder and is not a valid model identifier", &NO_MODEL),
    ("does not appear to have a file named config.json", &NO_MODEL),
    ("incorrect path_or_model_id", &NO_MODEL),
    ("HFValidationError", &NO_MODEL),
    ("failed to open GGUF file", &NO_MODEL),
    ("pull model manifest: file does not exist", &NO_MODEL),
    ("couldn't connect to 'https://huggingface.co'", &NO_NETWORK),
    ("outgoing traffic has been disabled", &NO_NETWORK),
    ("temporary failure in name resolution", &NO_NETWORK),
    ("failed to resolve 'huggingface.co'", &NO_NETWORK),
    ("requires you to execute the configuration file in that repo", &OWN_CODE),
    ("contains custom code which must be executed", &OWN_CODE),
    ("pass the argument `trust_remote_code=True`", &OWN_CODE),
    ("less than desired GPU memory utilization", &GPU_TAKEN),
    ("less than the engine's budget after excluding", &GPU_TAKEN),
    ("less than desired CPU memory utilization", &HOST_TAKEN),
    ("no available memory for the cache blocks", &NO_KV_MEMORY),
    ("not enough memory. please try to increase --mem-fraction-static", &NO_KV_MEMORY),
    ("larger than the available KV cache memory", &LONG_CONTEXT),
    ("larger than the maximum number of tokens that can be stored in KV cache", &LONG_CONTEXT),
    ("model requires more system memory", &HOST_MEMORY),
    ("CUDA out of memory", &GPU_MEMORY),
    ("cudaMalloc failed: out of memory", &GPU_MEMORY),
    ("CUDA error: out of memory", &GPU_MEMORY),
    ("cudaErrorMemoryAllocation", &GPU_MEMORY),
    ("torch.OutOfMemoryError", &GPU_MEMORY),
    ("unable to allocate CUDA", &GPU_MEMORY),
    ("failed to allocate buffer for kv cache", &GPU_MEMORY),
    ("driver on your system is too old", &OLD_DRIVER),
    ("driver version is insufficient", &OLD_DRIVER),
    ("unsupported display driver / cuda driver combination", &OLD_DRIVER),
    ("compiled with an unsupported toolchain", &OLD_DRIVER),
    ("forward compatibility was attempted on non supported HW", &OLD_DRIVER),
    ("no kernel image is available", &OTHER_GPU),
    ("is not compatible with the current PyTorch installation", &OTHER_GPU),
    ("is not defined for option 'gpu-name'", &OTHER_GPU),
    ("unsupported gpu architecture", &OTHER_GPU),
    ("failed to infer device type", &NO_GPU),
    ("no CUDA GPUs are available", &NO_GPU),
    ("no accelerator ({*} is available", &NO_GPU),
    ("found no NVIDIA driver", &NO_GPU),
    ("no CUDA-capable device is detected", &NO_GPU),
    ("larger than the number of available GPUs", &FEW_GPUS),
    ("must be divisible by tensor parallel size", &FEW_GPUS),
    ("address already in use", &PORT),
    ("couldn't bind HTTP server socket", &PORT),
    ("insufficient shared memory", &SHARED_MEMORY),
    ("unable to allocate shared memory(shm)", &SHARED_MEMORY),
    ("shared memory segment /dev/shm", &SHARED_MEMORY),
    ("/dev/shm{*}no space left on device", &SHARED_MEMORY),
    ("no space left on device{*}/dev/shm", &SHARED_MEMORY),
    ("bus error", &SHARED_MEMORY),
    ("no space left on device", &DISK),
    ("not enough free disk space", &DISK),
    ("disk quota exceeded", &DISK),
    ("PermissionError: [Errno 13]", &FOLDER),
    ("permission denied (os error 13)", &FOLDER),
    ("mkdir {*}: permission denied", &FOLDER),
    ("open {*}: permission denied", &FOLDER),
    ("unrecognized arguments:", &ARGUMENTS),
    ("error: invalid argument:", &ARGUMENTS),
    ("no such option:", &ARGUMENTS),
    ("unknown flag:", &ARGUMENTS),
    ("error: argument -", &ARGUMENTS),
    ("the following arguments are required:", &ARGUMENTS),
    ("greater than the derived max_model_len", &BEYOND_MODEL),
    ("does not recognize this architecture", &ARCHITECTURE),
    ("unknown model architecture", &ARCHITECTURE),
    ("model architectures {*} are not supported", &ARCHITECTURE),
    ("only supported on GPUs with compute capability", &PRECISION),
    ("is not supported for the current GPU", &PRECISION),
    ("invalid magic", &BROKEN_FILE),
    ("is not within the file bounds", &BROKEN_FILE),
    ("corrupted or incomplete", &BROKEN_FILE),
    ("SafetensorError", &BROKEN_FILE),
    ("can't load tokenizer for", &TOKENIZER),
    ("couldn't instantiate the backend tokenizer", &TOKENIZER),
    ("error downloading or loading vocab file", &TOKENIZER),
    ("exec format error", &OTHER_MACHINE),
    ("illegal instruction", &OTHER_CPU),
    // Said by programs too that do without.
    ("libcuda.so.1: cannot open shared object file", &NO_GPU),
    ("the NVIDIA Driver was not detected", &NO_GPU),
    ("error loading model", &MODEL),
    ("failed to load model", &MODEL),
];

const fn always(cause: Cause, what: &'static str, fix: &'static str) -> Known {
    Known { cause, what, fix: Fix::Always(fix) }
}

const fn depends(cause: Cause, what: &'static str, fix: fn(&Launch) -> String) -> Known {
    Known { cause, what, fix: Fix::For(fix) }
}

static NGC_KEY: Known = always(
    Cause::KeyMissing,
    "NGC does not take the key",
    "set NGC_API_KEY to a key of an account that may use NIM (ngc.nvidia.com, Setup, API keys)",
);
static NGC_LICENCE: Known = always(
    Cause::KeyMissing,
    "NGC does not let this account have the model",
    "accept the model's licence on its page at catalog.ngc.nvidia.com, with the account that NGC_API_KEY is of",
);
static NO_PROFILE: Known = always(
    Cause::Recipe,
    "no profile of the image fits the GPUs",
    "list what fits with `inferbench profiles IMAGE`, and choose one with --profile",
);
static GATED: Known = always(
    Cause::KeyMissing,
    "the model is given only to whom accepted its licence",
    "accept it on the model's page at huggingface.co, and set HF_TOKEN to a token of that account",
);
static HF_TOKEN: Known = always(
    Cause::KeyMissing,
    "Hugging Face does not take the token",
    "set HF_TOKEN to a valid token (huggingface.co/settings/tokens)",
);
static NO_REPOSITORY: Known = always(
    Cause::ModelMissing,
    "Hugging Face has no such model, or it is a private one",
    "correct the model's name, or set HF_TOKEN to a token of an account that may see it",
);
static NO_MODEL: Known = always(
    Cause::ModelMissing,
    "the model is not where it was looked for",
    "name a model of Hugging Face, or mount its folder and name it as the server sees it",
);
static NO_NETWORK: Known = always(
    Cause::ModelMissing,
    "the model is not here, and cannot be fetched",
    "fetch it where there is a network, with `inferbench models prepare`, and name its folder",
);
static OWN_CODE: Known = always(
    Cause::ModelUnfit,
    "the model brings code of its own, which is not run unasked",
    "add `-- --trust-remote-code`, if you trust who made the model",
);
static GPU_TAKEN: Known = always(
    Cause::GpuMemory,
    "something else has a part of the GPU's memory",
    "end what else runs on it (nvidia-smi), or lower --gpu-memory-utilization (after `--`); where CPU and GPU share memory, as on a \
     DGX Spark, drop the page cache first: sync; sudo sysctl vm.drop_caches=3",
);
static HOST_TAKEN: Known = always(
    Cause::ModelUnfit,
    "the machine's memory does not suffice for what vLLM reserves of it",
    "lower --gpu-memory-utilization (after `--`), which is of the machine's memory where there is no GPU",
);
static NO_KV_MEMORY: Known = depends(
    Cause::GpuMemory,
    "the weights leave no memory for the KV cache",
    |launch| {
        match launch.engine {
        Sglang => "raise --mem-fraction-static (after `--`), or use more GPUs (--tp) or a smaller or quantized model".to_owned(),
        Nim => "use more GPUs, or a profile of less precision (--profile)".to_owned(),
        _ => "raise --gpu-memory-utilization (after `--`), or use more GPUs (--tensor-parallel-size) or a smaller or quantized model"
            .to_owned(),
    }
    },
);
static LONG_CONTEXT: Known = depends(
    Cause::GpuMemory,
    "the KV cache has no room for one request of the longest context",
    |launch| match launch.engine {
        Nim => "ask for a shorter one: --env NIM_MAX_MODEL_LEN=8192".to_owned(),
        _ => "lower --max-model-len, or raise --gpu-memory-utilization (after `--`)".to_owned(),
    },
);
static HOST_MEMORY: Known = always(
    Cause::ModelUnfit,
    "the machine's memory does not suffice for the model",
    "use a smaller or more quantized model",
);
static GPU_MEMORY: Known = depends(
    Cause::GpuMemory,
    "the GPU's memory does not suffice",
    |launch| {
        format!(
            "{}; or use a smaller or quantized model, and see what else runs on the GPU: nvidia-smi",
            less_memory(launch.engine)
        )
    },
);
static OLD_DRIVER: Known = always(
    Cause::GpuDriver,
    "the GPU's driver is too old for the CUDA version of the program",
    "update the driver (nvidia-smi shows the CUDA version that it can do), or use an older image",
);
static OTHER_GPU: Known = always(
    Cause::GpuDriver,
    "the program was not built for this kind of GPU",
    "use an image that was: for a DGX Spark (sm_121) the variant dgx-spark, or one for CUDA 13",
);
static NO_GPU: Known = depends(Cause::GpuDriver, "it sees no GPU", |launch| match launch.gpus {
    Gpus::None => "ask for GPUs: --gpus all".to_owned(),
    _ => "see whether `nvidia-smi` works here; a container needs the NVIDIA Container Toolkit too"
        .to_owned(),
});
static FEW_GPUS: Known =
    depends(Cause::Recipe, "the model cannot be divided over the GPUs as asked", |launch| {
        let flag = match launch.engine {
            Sglang => "--tp",
            TrtLlm => "--tp_size",
            Nim => "NIM_TENSOR_PARALLEL_SIZE",
            _ => "--tensor-parallel-size",
        };
        format!(
            "make {flag} a number that divides the model's heads, and no more than there are GPUs"
        )
    });
static PORT: Known = depends(Cause::PortTaken, "something else has its port", |launch| {
    let port = launch.place.outside.unwrap_or(launch.place.inside);
    format!(
        "end what listens there (ss -ltnp 'sport = :{port}'), or choose another port with --port"
    )
});
static SHARED_MEMORY: Known = always(
    Cause::DiskFull,
    "its shared memory (/dev/shm) does not suffice",
    "give it more: --shm-size 16g",
);
static DISK: Known = always(
    Cause::DiskFull,
    "no space is left on a disk",
    "make room where models and images are kept: df -h, docker system df",
);
static FOLDER: Known = depends(Cause::FolderDenied, "it may not use a folder", |launch| {
    let written = launch.mounts.iter().find(|mount| !mount.read_only);
    match written.map(|mount| mount.outside.display()) {
        Some(folder) => format!("let its user write there: chmod -R a+w {folder}"),
        None => "let its user read and write the folder that it names".to_owned(),
    }
});
static ARGUMENTS: Known = always(
    Cause::Recipe,
    "it does not know an argument",
    "correct what is given after `--`: this version of the engine may call it otherwise",
);
static BEYOND_MODEL: Known = always(
    Cause::Recipe,
    "the context that is asked for is longer than the model's own",
    "lower --max-model-len (after `--`), or leave it out",
);
static ARCHITECTURE: Known = always(
    Cause::ModelUnfit,
    "this version of the engine does not know the model's architecture",
    "use a newer image of the engine, or another engine",
);
static PRECISION: Known = always(
    Cause::ModelUnfit,
    "the GPU does not do the model's precision",
    "add `-- --dtype half`, or use a model in another precision",
);
static BROKEN_FILE: Known = always(
    Cause::ModelUnfit,
    "a file of the model is not whole, or of another format",
    "fetch the model again, and name a file of the engine's format",
);
static TOKENIZER: Known = always(
    Cause::ModelMissing,
    "the model's tokenizer is missing",
    "put tokenizer.json into the model's folder, or name another with `-- --tokenizer`; gpt-oss needs its vocabulary where \
     TIKTOKEN_ENCODINGS_BASE says",
);
static OTHER_MACHINE: Known = always(
    Cause::BadEntrypoint,
    "the program is for another kind of processor",
    "use an image for this machine's (uname -m)",
);
pub(super) static OTHER_CPU: Known = always(
    Cause::BadEntrypoint,
    "the program uses instructions that this processor does not have",
    "use a program that was built for it: engines for CPUs mostly want AVX2 or AVX-512 (lscpu)",
);
static MODEL: Known = always(
    Cause::ModelUnfit,
    "the engine cannot load the model",
    "see what it says of it, and whether it is of the engine's format",
);

/// How a server is made to use less of the GPU's memory.
const fn less_memory(engine: EngineName) -> &'static str {
    match engine {
        Nim => {
            "ask for a shorter context, --env NIM_MAX_MODEL_LEN=8192, or a profile of less precision (--profile)"
        }
        Vllm | EngineName::Custom => {
            "lower --max-model-len and --max-num-seqs, or --gpu-memory-utilization (after `--`)"
        }
        Sglang => {
            "lower --mem-fraction-static, --context-length or --cuda-graph-max-bs (after `--`)"
        }
        TrtLlm => {
            "lower --max_batch_size, --max_num_tokens or --kv_cache_free_gpu_memory_fraction (after `--`)"
        }
        LlamaCpp => {
            "lower --ctx-size, or put fewer layers on the GPU with --n-gpu-layers (after `--`)"
        }
        Ollama => {
            "ask for a shorter context or fewer at once: --env OLLAMA_CONTEXT_LENGTH=4096, --env OLLAMA_NUM_PARALLEL=1"
        }
    }
}
