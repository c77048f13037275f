//! Servers that do not come up, and what is said of them.

use std::{path::PathBuf, time::Duration};

use bench_containers::{
    Cause,
    EngineName::{self, Custom, LlamaCpp, Nim, Ollama, Sglang, TrtLlm, Vllm},
    Gpus, Launch, Lifetime, Mount, Place, Program, Pull, State,
    log::{diagnose, is_retrying},
};
use proptest::prelude::*;

fn launch(engine: EngineName) -> Launch {
    let mount = |outside: &str, read_only| Mount {
        outside: PathBuf::from(outside),
        inside: "/there".to_owned(),
        read_only,
    };
    Launch {
        name: "server".to_owned(),
        engine,
        model: "model".to_owned(),
        program: Program::Image { image: "image".to_owned(), entrypoint: None },
        args: Vec::new(),
        env: [].into(),
        place: Place { inside: 8000, outside: Some(18_000) },
        mounts: vec![mount("/models", true), mount("/cache", false)],
        gpus: Gpus::All,
        shm_bytes: None,
        memory_bytes: Some(4 << 30),
        ipc_host: false,
        ulimits: Vec::new(),
        runtime: None,
        user: None,
        pull: Pull::Missing,
        then: Vec::new(),
        health: "/health".to_owned(),
        ready_within: Duration::from_secs(600),
        stop_within: Duration::from_secs(30),
        lifetime: Lifetime::WithUs,
    }
}

fn ended(exit_code: i64) -> State {
    State { exit_code: Some(exit_code), ..State::default() }
}

/// An engine, what it said last, the cause, and a part of what mends it.
const SAID: [(EngineName, &str, Cause, &str); 55] = [
    (Nim, "NGC_API_KEY is not set", Cause::KeyMissing, "NGC_API_KEY"),
    (
        Nim,
        "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://api.ngc.nvidia.com/v2/token",
        Cause::KeyMissing,
        "NGC_API_KEY",
    ),
    (
        Nim,
        "403 Client Error: Forbidden for url: https://api.ngc.nvidia.com/v2/org/nim",
        Cause::KeyMissing,
        "licence",
    ),
    (Nim, "nim_hub_ngc: Error: authentication failed", Cause::KeyMissing, "NGC_API_KEY"),
    (Nim, "ValueError: Could not match a profile in manifest", Cause::Recipe, "--profile"),
    (
        Nim,
        "PermissionError: [Errno 13] Permission denied: '/opt/nim/.cache/huggingface'",
        Cause::FolderDenied,
        "chmod -R a+w /cache",
    ),
    (Nim, "torch.OutOfMemoryError: CUDA out of memory.", Cause::GpuMemory, "NIM_MAX_MODEL_LEN"),
    (
        Vllm,
        "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-67)",
        Cause::KeyMissing,
        "HF_TOKEN",
    ),
    (
        Vllm,
        "Cannot access gated repo for url https://huggingface.co/meta-llama/Llama-3.1-8B/resolve/main/config.json.",
        Cause::KeyMissing,
        "accept it",
    ),
    (
        Vllm,
        "Repository Not Found for url: https://huggingface.co/api/models/nobody/nothing.",
        Cause::ModelMissing,
        "correct the model's name",
    ),
    (
        Vllm,
        "HfHubHTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/api",
        Cause::KeyMissing,
        "HF_TOKEN",
    ),
    (
        Vllm,
        "OSError: nothing is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
        Cause::ModelMissing,
        "mount its folder",
    ),
    (
        Vllm,
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name'",
        Cause::ModelMissing,
        "name a model",
    ),
    (
        Vllm,
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files",
        Cause::ModelMissing,
        "models prepare",
    ),
    (
        Vllm,
        "ValueError: The repository x contains custom code which must be executed to correctly load the model.",
        Cause::ModelUnfit,
        "--trust-remote-code",
    ),
    (
        Vllm,
        "ValueError: Free memory on device cuda:0 (10.51/79.19 GiB) on startup is less than desired GPU memory utilization (0.9, 71.27 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        Cause::GpuMemory,
        "lower --gpu-memory-utilization",
    ),
    (
        Vllm,
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
        Cause::GpuMemory,
        "raise --gpu-memory-utilization",
    ),
    (
        Vllm,
        "ValueError: To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache is needed, which is larger than the available KV cache memory (5.00 GiB).",
        Cause::GpuMemory,
        "--max-model-len",
    ),
    (
        Vllm,
        "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be stored in KV cache (57344).",
        Cause::GpuMemory,
        "--max-model-len",
    ),
    (
        Vllm,
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB.",
        Cause::GpuMemory,
        "--max-num-seqs",
    ),
    (Sglang, "CUDA out of memory. Tried to allocate", Cause::GpuMemory, "--mem-fraction-static"),
    (
        Sglang,
        "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
        Cause::GpuMemory,
        "raise --mem-fraction-static",
    ),
    (TrtLlm, "RuntimeError: CUDA error: out of memory", Cause::GpuMemory, "--max_batch_size"),
    (
        LlamaCpp,
        "allocating 4352.00 MiB on device 0: cudaMalloc failed: out of memory",
        Cause::GpuMemory,
        "--n-gpu-layers",
    ),
    (
        Ollama,
        "Error: model requires more system memory (5.6 GiB) than is available (2.1 GiB)",
        Cause::ModelUnfit,
        "smaller",
    ),
    (
        Vllm,
        "ValueError: Available memory on node 0 (3.2/23.5 GiB) on startup is less than desired CPU memory utilization (0.9, 21.2 GiB).",
        Cause::ModelUnfit,
        "lower --gpu-memory-utilization",
    ),
    (
        Sglang,
        "RuntimeError: No accelerator (CUDA, XPU, HPU, NPU, MUSA, MPS) or platform plugin is available.",
        Cause::GpuDriver,
        "nvidia-smi",
    ),
    (Vllm, "RuntimeError: Failed to infer device type", Cause::GpuDriver, "nvidia-smi"),
    (Vllm, "RuntimeError: No CUDA GPUs are available", Cause::GpuDriver, "Container Toolkit"),
    (Vllm, "RuntimeError: Found no NVIDIA driver on your system.", Cause::GpuDriver, "nvidia-smi"),
    (
        Vllm,
        "RuntimeError: The NVIDIA driver on your system is too old (found version 12020).",
        Cause::GpuDriver,
        "update the driver",
    ),
    (
        Vllm,
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        Cause::GpuDriver,
        "dgx-spark",
    ),
    (
        Vllm,
        "NVIDIA GB10 with CUDA capability sm_121 is not compatible with the current PyTorch installation.",
        Cause::GpuDriver,
        "sm_121",
    ),
    (
        Vllm,
        "ValueError: World size (4) is larger than the number of available GPUs (1) in this node.",
        Cause::Recipe,
        "--tensor-parallel-size",
    ),
    (Vllm, "OSError: [Errno 98] Address already in use", Cause::PortTaken, ":18000'"),
    (
        LlamaCpp,
        "main: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080",
        Cause::PortTaken,
        "--port",
    ),
    (
        Ollama,
        "Error: listen tcp 127.0.0.1:11434: bind: address already in use",
        Cause::PortTaken,
        "ss -ltnp",
    ),
    (
        Vllm,
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).",
        Cause::DiskFull,
        "--shm-size",
    ),
    (
        TrtLlm,
        "Error while creating shared memory segment /dev/shm/nccl-x (size 9637888), error: No space left on device (28)",
        Cause::DiskFull,
        "--shm-size",
    ),
    (Vllm, "OSError: [Errno 28] No space left on device", Cause::DiskFull, "df -h"),
    (Vllm, "vllm: error: unrecognized arguments: --max-modellen 8", Cause::Recipe, "`--`"),
    (LlamaCpp, "error: invalid argument: --ctxsize", Cause::Recipe, "`--`"),
    (TrtLlm, "Error: No such option: --tensor-parallel", Cause::Recipe, "`--`"),
    (
        Vllm,
        "User-specified max_model_len (9000) is greater than the derived max_model_len (max_position_embeddings=8192",
        Cause::Recipe,
        "--max-model-len",
    ),
    (
        Vllm,
        "ValueError: Model architectures ['NewForCausalLM'] are not supported for now.",
        Cause::ModelUnfit,
        "newer image",
    ),
    (
        LlamaCpp,
        "llama_model_load: error loading model: unknown model architecture: 'new'",
        Cause::ModelUnfit,
        "newer image",
    ),
    (
        LlamaCpp,
        "gguf_init_from_file_impl: invalid magic characters: 'PK', expected 'GGUF'",
        Cause::ModelUnfit,
        "fetch the model again",
    ),
    (
        LlamaCpp,
        "gguf_init_from_file: failed to open GGUF file '/models/none.gguf'",
        Cause::ModelMissing,
        "mount",
    ),
    (LlamaCpp, "srv load_model: failed to load model, 'x.gguf'", Cause::ModelUnfit, "format"),
    (
        Vllm,
        "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer",
        Cause::ModelUnfit,
        "fetch the model again",
    ),
    (
        Vllm,
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.",
        Cause::ModelUnfit,
        "--dtype half",
    ),
    (Vllm, "OSError: Can't load tokenizer for '/models/x'.", Cause::ModelMissing, "--tokenizer"),
    (
        TrtLlm,
        "openai_harmony.HarmonyError: error downloading or loading vocab file",
        Cause::ModelMissing,
        "TIKTOKEN_ENCODINGS_BASE",
    ),
    (Custom, "exec /usr/bin/serve: exec format error", Cause::BadEntrypoint, "uname -m"),
    (
        Ollama,
        "mkdir /.ollama: permission denied: ensure path elements",
        Cause::FolderDenied,
        "chmod",
    ),
];

#[test]
fn what_engines_say_is_known_and_mended() {
    for (engine, line, cause, fix) in SAID {
        let told = diagnose(&launch(engine), &ended(1), &["INFO: before", line, "INFO: after"]);
        assert_eq!(told.cause, cause, "{line}: {told:?}");
        assert!(told.fix.contains(fix), "{line}: {told:?}");
        assert!(told.what.starts_with("server ended with exit code 1: "), "{told:?}");
        assert!(told.said.contains(line.get(..100).unwrap_or(line)), "{told:?}");
    }
}

#[test]
fn how_it_ended_tells_what_no_line_does() {
    for (code, cause, what) in [
        (0, Cause::Exited, "vllm#48966"),
        (1, Cause::Exited, "ended with exit code 1"),
        (126, Cause::BadEntrypoint, "cannot be run"),
        (127, Cause::BadEntrypoint, "no such program"),
        (132, Cause::BadEntrypoint, "instructions"),
        (-4, Cause::BadEntrypoint, "instructions"),
        (135, Cause::DiskFull, "/dev/shm"),
        (137, Cause::Exited, "killed"),
        (-9, Cause::Exited, "killed"),
        (139, Cause::Exited, "segmentation fault"),
        (143, Cause::Exited, "asked it to end"),
        (i64::MIN, Cause::Exited, "ended"),
    ] {
        let told = diagnose(&launch(Vllm), &ended(code), &["INFO: nothing that is known"]);
        assert_eq!(told.cause, cause, "{told:?}");
        assert!(told.what.contains(what) && !told.fix.is_empty(), "{told:?}");
    }
}

#[test]
fn a_server_that_is_killed_for_memory_had_a_limit_or_not() {
    let killed = State { oom_killed: true, ..ended(137) };
    let line = ["torch.OutOfMemoryError: CUDA out of memory."];
    let told = diagnose(&launch(Vllm), &killed, &line);
    assert_eq!(told.cause, Cause::OomKilled);
    assert!(told.what.contains("4096 MiB") && told.fix.contains("--memory"), "{told:?}");
    let without = Launch { memory_bytes: None, ..launch(Vllm) };
    let told = diagnose(&without, &killed, &line);
    assert!(
        told.what.contains("the machine's memory") && !told.fix.contains("--memory"),
        "{told:?}"
    );
}

#[test]
fn a_loop_of_starts_says_why_where_that_is_known() {
    let state = State { restarts: 3, is_running: true, ..ended(1) };
    let told = diagnose(&launch(Vllm), &state, &["bye"]);
    assert_eq!(told.cause, Cause::RestartLoop);
    assert!(told.what.contains("3 times"), "{told:?}");
    let told = diagnose(&launch(Vllm), &state, &["RuntimeError: Failed to infer device type"]);
    assert_eq!(told.cause, Cause::GpuDriver);
    assert!(told.what.contains("3 times") && told.what.contains("no GPU"), "{told:?}");
}

#[test]
fn what_the_backend_says_counts_too() {
    let state = State { said: Some("exec format error".to_owned()), ..ended(1) };
    assert_eq!(diagnose(&launch(Vllm), &state, &[]).cause, Cause::BadEntrypoint);
}

#[test]
fn without_gpus_asked_for_they_are_to_be_asked_for() {
    let without = Launch { gpus: Gpus::None, ..launch(Vllm) };
    let told = diagnose(&without, &ended(1), &["RuntimeError: Failed to infer device type"]);
    assert!(told.fix.contains("--gpus all"), "{told:?}");
}

#[test]
fn what_is_said_more_precisely_counts() {
    let lines = [
        "WARNING: The NVIDIA Driver was not detected. GPU functionality will not be available.",
        "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: x)",
        "srv load_model: failed to load model",
        "vllm: error: unrecognized arguments: --x",
    ];
    for (lines, cause) in [
        (&lines[..], Cause::ModelMissing),
        (&[lines[0], lines[3]][..], Cause::Recipe),
        (&[lines[2], lines[0]][..], Cause::GpuDriver),
    ] {
        assert_eq!(diagnose(&launch(Vllm), &ended(1), lines).cause, cause, "{lines:?}");
    }
}

#[test]
fn of_a_long_log_the_telling_line_and_the_last_ones_are_shown() {
    let mut lines = vec!["\u{1b}[31mRuntimeError: CUDA out of memory.\u{1b}[0m\u{7}".to_owned()];
    lines.extend((0..1_000).map(|n| format!("line {n} {}", "x".repeat(10_000))));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let said = diagnose(&launch(Vllm), &ended(1), &lines).said;
    let shown: Vec<&str> = said.lines().collect();
    assert_eq!(shown[0], "RuntimeError: CUDA out of memory.");
    assert_eq!(shown.len(), 21);
    assert!(shown[1].starts_with("line 980 ") && shown[20].starts_with("line 999 "), "{said}");
    assert!(said.len() < 10_000);
}

#[test]
fn a_nim_that_tries_again_and_again_is_seen_while_it_runs() {
    const TRIES: &str = "INFO Using JIT Config to create LLM args";
    const FAILS: &str = "RuntimeError: Executor worker returned error";
    let once = [TRIES, "INFO loading", TRIES, TRIES];
    let again = [TRIES, FAILS, TRIES, FAILS, TRIES, "INFO loading"];
    assert!(!is_retrying(Nim, once) && !is_retrying(Nim, [FAILS, FAILS, TRIES]));
    assert!(!is_retrying(Nim, &again[..4]) && is_retrying(Nim, again));
    assert!(!is_retrying(Vllm, again));
    let state = State { is_running: true, ..State::default() };
    let told = diagnose(&launch(Nim), &state, &again);
    assert_eq!(told.cause, Cause::NotReady);
    assert!(told.what.contains("again and again"), "{told:?}");
    assert_eq!(diagnose(&launch(Nim), &state, &once).what, "server is not ready");
}

#[test]
fn a_server_that_is_well_and_slow_is_not_ready() {
    let state = State { is_running: true, ..State::default() };
    let lines = [
        "INFO: 127.0.0.1:39302 - \"GET /v1/models HTTP/1.1\" 401 Unauthorized",
        "INFO: 127.0.0.1:39302 - \"GET /health HTTP/1.1\" 503 Service Unavailable",
        "WARNING Found ulimit of 20000 and failed to automatically increase with error current limit exceeds maximum limit. This can cause fd limit errors like `OSError: [Errno 24] Too many open files`.",
        "INFO Port 29500 is already in use, trying port 29501",
    ];
    let told = diagnose(&launch(Vllm), &state, &lines);
    assert_eq!((told.cause, told.what.as_str()), (Cause::NotReady, "server is not ready"));
}

#[test]
fn logs_of_servers_that_came_up_tell_no_trouble() {
    for log in crate::logs::texts() {
        let lines: Vec<&str> = log.lines().collect();
        let told = diagnose(&launch(Custom), &ended(1), &lines);
        assert_eq!(told.cause, Cause::Exited, "{told:?}");
    }
}

proptest! {
    #[test]
    fn whatever_a_server_says_it_is_told_safely(
        lines in proptest::collection::vec(prop_oneof![".*", "[ -~]{0,300}"], 0..50),
        code in proptest::option::of(any::<i64>()),
        restarts in 0..5_u64,
        oom_killed: bool,
        is_running: bool,
    ) {
        let state = State { exit_code: code, restarts, oom_killed, is_running, ..State::default() };
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for engine in EngineName::ALL {
            let told = diagnose(&launch(engine), &state, &lines);
            prop_assert!(!told.said.chars().any(|c| c.is_control() && c != '\n'));
            prop_assert!(!told.what.is_empty() && !told.fix.is_empty());
        }
    }
}
