//! Arguments as typed, with no side effects.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use bench_harness::Exit;
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};
use serde_json::{Map, Value};

use crate::values;

/// Measures LLM inference servers and says whether the numbers can be trusted.
#[derive(Debug, Parser)]
#[command(
    name = "inferbench",
    version,
    propagate_version = true,
    after_help = "Without --url, `run` measures the server that it finds on this machine's well-known \
                  ports; if there is none, the built-in simulator, and says so."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure a server
    #[command(visible_alias = "profile")]
    Run(Box<RunArgs>),
    /// Serve as a simulated inference server until interrupted
    Sim(SimArgs),
    /// Find out how wrong this machine's measurements are
    Doctor(DoctorArgs),
    /// Explain a metric, an error code or a reason of a verdict
    Explain(ExplainArgs),
    /// Look through what was measured before: list, show, tag, remove, pack, import, repair
    #[cfg(feature = "history")]
    Runs(crate::runs::RunsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The server's address [default: look at this machine's well-known ports]
    #[arg(short, long, visible_alias = "base-url", alias = "api-base", help_heading = "Server")]
    pub(crate) url: Option<String>,

    /// Measure the built-in simulator without looking for a server
    #[arg(long, conflicts_with = "url", help_heading = "Server")]
    pub(crate) simulate: bool,

    /// The model to ask for [default: the only one that the server offers]
    #[arg(short, long, visible_alias = "model-names", help_heading = "Server")]
    pub(crate) model: Option<String>,

    /// Which API of the server
    #[arg(long, value_enum, default_value_t = EndpointType::Chat, alias = "backend", help_heading = "Server")]
    pub(crate) endpoint_type: EndpointType,

    /// Another path for that API
    #[arg(long, value_name = "PATH", visible_alias = "custom-endpoint", help_heading = "Server")]
    pub(crate) endpoint: Option<String>,

    /// Have answers streamed: what is done anyway
    #[arg(long, overrides_with = "no_streaming", help_heading = "Server")]
    pub(crate) streaming: bool,

    /// Have answers sent whole: there is then no time to first token
    #[arg(long, overrides_with = "streaming", help_heading = "Server")]
    pub(crate) no_streaming: bool,

    /// A file that holds the API key [default: INFERBENCH_API_KEY, OPENAI_API_KEY or NGC_API_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(crate) api_key_file: Option<PathBuf>,

    /// A header to send, `Name: value`; repeatable
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = values::header, help_heading = "Server")]
    pub(crate) headers: Vec<(String, String)>,

    /// How long to wait for a server that is not ready
    #[arg(
        long, value_name = "TIME", value_parser = values::duration, default_value = "0s",
        alias = "wait-for-model-timeout", alias = "ready-check-timeout-sec", help_heading = "Server"
    )]
    pub(crate) wait_ready: Duration,

    /// Limit for a whole request [default: none; 300 s to the first token, 120 s from token to token]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = "Server")]
    pub(crate) request_timeout_seconds: Option<Duration>,

    /// Requests in flight, always
    #[arg(
        short, long, value_name = "N", value_parser = values::concurrency, default_value = "1",
        alias = "max-concurrency", alias = "num-concurrency", allow_negative_numbers = true,
        help_heading = "Load"
    )]
    pub(crate) concurrency: usize,

    /// Send so many requests per second, whatever the server does; -c then caps those in flight if given
    #[arg(
        short,
        long,
        value_name = "PER_SECOND",
        allow_negative_numbers = true,
        help_heading = "Load"
    )]
    pub(crate) request_rate: Option<f64>,

    /// How requests at a rate are spread
    #[arg(
        long, value_enum, default_value_t = Arrivals::Poisson, alias = "request-rate-mode",
        requires = "request_rate", help_heading = "Load"
    )]
    pub(crate) arrival_pattern: Arrivals,

    /// Requests to measure [default: max(100, 20 x concurrency); at a rate, those of 20 s]
    #[arg(
        short = 'n', long, value_name = "N", value_parser = values::positive,
        visible_alias = "num-requests", alias = "num-prompts", allow_negative_numbers = true,
        help_heading = "Load"
    )]
    pub(crate) request_count: Option<u64>,

    /// How long to measure
    #[arg(
        short = 'd', long, value_name = "TIME", value_parser = values::time, visible_alias = "duration",
        allow_negative_numbers = true, help_heading = "Load"
    )]
    pub(crate) benchmark_duration: Option<Duration>,

    /// How long requests in flight may go on after that, or after Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "30s", help_heading = "Load")]
    pub(crate) benchmark_grace_period: Duration,

    /// Requests before the measured ones [default: max(4, concurrency)]
    #[arg(
        long, value_name = "N", value_parser = values::count,
        alias = "num-warmup-requests", alias = "num-warmups", allow_negative_numbers = true,
        help_heading = "Load"
    )]
    pub(crate) warmup_request_count: Option<u64>,

    /// Load threads [default: one a core, less one where there are more than two]
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Input tokens
    #[arg(
        long, value_name = "TOKENS", value_parser = values::positive, default_value = "1024",
        alias = "synthetic-input-tokens-mean", alias = "prompt-input-tokens-mean", alias = "random-input-len",
        allow_negative_numbers = true, help_heading = "Workload"
    )]
    pub(crate) isl: u64,

    /// Standard deviation of the input tokens
    #[arg(
        long,
        value_name = "TOKENS",
        default_value = "0",
        alias = "synthetic-input-tokens-stddev",
        allow_negative_numbers = true,
        help_heading = "Workload"
    )]
    pub(crate) isl_stddev: f64,

    /// Output tokens
    #[arg(
        long, value_name = "TOKENS", value_parser = values::positive, default_value = "128",
        alias = "output-tokens-mean", alias = "random-output-len", allow_negative_numbers = true,
        help_heading = "Workload"
    )]
    pub(crate) osl: u64,

    /// Standard deviation of the output tokens
    #[arg(
        long,
        value_name = "TOKENS",
        default_value = "0",
        alias = "output-tokens-stddev",
        allow_negative_numbers = true,
        help_heading = "Workload"
    )]
    pub(crate) osl_stddev: f64,

    /// Have answers as long as asked for, by `ignore_eos` [default: where the engine is known to do so]
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true,
        alias = "ignore-eos", help_heading = "Workload"
    )]
    pub(crate) force_osl: Option<bool>,

    /// The model's tokenizer: a tokenizer.json or its folder [default: a built-in, approximate one]
    #[arg(long, value_name = "PATH", help_heading = "Workload")]
    pub(crate) tokenizer: Option<PathBuf>,

    /// More fields of the request, `name:value` or a JSON object; null takes one away; repeatable
    #[arg(long, value_name = "FIELDS", value_parser = values::fields, alias = "extra-body", help_heading = "Workload")]
    pub(crate) extra_inputs: Vec<Map<String, Value>>,

    /// What everything random follows from
    #[arg(
        long,
        value_name = "N",
        default_value = "42",
        visible_alias = "seed",
        help_heading = "Workload"
    )]
    pub(crate) random_seed: u64,

    /// Where directories of runs go; none is ever used twice
    #[arg(
        long,
        value_name = "DIR",
        default_value = "artifacts",
        alias = "output-artifact-dir",
        alias = "result-dir",
        help_heading = "Output"
    )]
    pub(crate) artifact_dir: PathBuf,

    /// What to call the run
    #[arg(long, default_value = "chat", help_heading = "Output")]
    pub(crate) name: String,

    /// Also write these files: genai-perf, csv
    #[arg(long, value_name = "FORMAT", value_enum, value_delimiter = ',', help_heading = "Output")]
    pub(crate) export: Vec<ExportFormat>,

    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// What to show while measuring
    #[arg(long, value_enum, default_value_t = Ui::Auto, visible_alias = "ui-type", help_heading = "Output")]
    pub(crate) ui: Ui,

    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub(crate) color: Color,

    /// Print ASCII only
    #[arg(long, help_heading = "Output")]
    pub(crate) ascii: bool,

    /// Which clock tells when bytes came: the kernel's stamps, or the time they were read
    #[arg(long, value_enum, default_value_t = Stamps::Kernel, hide = true)]
    pub(crate) stamps: Stamps,

    #[arg(long, hide = true, value_parser = no_key)]
    pub(crate) api_key: Option<String>,
}

/// The command line of this process; where it is none, or asks for help, that has been said.
pub(crate) fn parse() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        let error = without_secrets(error);
        // Whoever does not read it has its exit code.
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

/// What these flags were given, an error does not repeat.
const SECRET_FLAGS: [&str; 2] = ["--api-key ", "--header "];

fn without_secrets(mut error: clap::Error) -> clap::Error {
    let flag = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    if SECRET_FLAGS.iter().any(|secret| flag.starts_with(secret)) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("***".to_owned()));
    }
    error
}

/// A key on the command line is visible to every user of the machine.
fn no_key(_key: &str) -> Result<String, &'static str> {
    Err("a key on the command line can be seen by all users of this machine; \
         use --api-key-file, or the variable INFERBENCH_API_KEY")
}

#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The port to listen on, at 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value = "8000")]
    pub(crate) port: u16,

    /// Milliseconds to the first token
    #[arg(long, value_name = "MS", value_parser = values::milliseconds, allow_negative_numbers = true, default_value = "50")]
    pub(crate) ttft_ms: Duration,

    /// Milliseconds from each token to the next
    #[arg(long, value_name = "MS", value_parser = values::milliseconds, allow_negative_numbers = true, default_value = "10")]
    pub(crate) itl_ms: Duration,

    /// Standard deviation of both, as a share of them, from 0 to 1
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, default_value = "0")]
    pub(crate) jitter: f64,

    /// The model's name
    #[arg(long, default_value = "simulated")]
    pub(crate) model: String,

    /// Tokens of prompt and answer together
    #[arg(long, value_name = "TOKENS", default_value = "131072")]
    pub(crate) context_length: u32,

    /// Tokens in each event
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) tokens_per_chunk: u32,

    /// Events in each write
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) events_per_write: u32,

    /// Send the role event at once, rather than with the first token
    #[arg(long)]
    pub(crate) early_role: bool,

    /// Seed of the jitter and of what fails
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,

    /// Threads
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) threads: NonZeroUsize,

    /// A file for start-up messages as vLLM writes them, which is overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    // In boxes, for a command takes as much room as the largest.
    #[command(flatten)]
    pub(crate) capacity: Box<SimCapacityArgs>,

    #[command(flatten)]
    pub(crate) moods: Box<SimMoodArgs>,

    /// Share of the tokens asked for that answers hold
    #[arg(
        long,
        value_name = "RATIO",
        allow_negative_numbers = true,
        default_value = "1",
        help_heading = "Faults"
    )]
    pub(crate) osl_ratio: f64,

    /// How many times the tokens of an answer its usage states
    #[arg(
        long,
        value_name = "RATIO",
        allow_negative_numbers = true,
        default_value = "1",
        help_heading = "Faults"
    )]
    pub(crate) usage_ratio: f64,

    /// Share of requests that the fault below strikes, or status 500 if none is named [default: all, if one is]
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, help_heading = "Faults")]
    pub(crate) fail_ratio: Option<f64>,

    /// Close the connection after so many tokens of each answer
    #[arg(long, value_name = "TOKENS", group = "fault", help_heading = "Faults")]
    pub(crate) close_after: Option<u32>,

    /// Send an error after so many tokens of each answer
    #[arg(long, value_name = "TOKENS", group = "fault", help_heading = "Faults")]
    pub(crate) error_after: Option<u32>,

    /// Fall silent after so many tokens of each answer
    #[arg(long, value_name = "TOKENS", group = "fault", help_heading = "Faults")]
    pub(crate) stall_after: Option<u32>,

    /// Refuse each request with this status
    #[arg(long, value_name = "CODE", group = "fault", help_heading = "Faults")]
    pub(crate) status: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct SimCapacityArgs {
    /// Requests served at once; further ones wait in line [default: no limit]
    #[arg(long, value_name = "N", visible_alias = "max-num-seqs", help_heading = "Capacity")]
    pub(crate) max_running: Option<u32>,

    /// Share of itself by which the time from token to token grows with each further request served
    #[arg(
        long,
        value_name = "RATIO",
        allow_negative_numbers = true,
        default_value = "0",
        help_heading = "Capacity"
    )]
    pub(crate) slowdown: f64,

    /// Milliseconds that each token of the prompt adds to the first token
    #[arg(
        long, value_name = "MS", value_parser = values::milliseconds, allow_negative_numbers = true,
        default_value = "0", help_heading = "Capacity"
    )]
    pub(crate) prefill_per_token_ms: Duration,

    /// What these times, that to the first token and that from token to token are divided by
    #[arg(
        long,
        value_name = "FACTOR",
        allow_negative_numbers = true,
        default_value = "1",
        help_heading = "Capacity"
    )]
    pub(crate) speed: f64,

    /// Remember how prompts begin, and spend no time on what is known
    #[arg(long, help_heading = "Capacity")]
    pub(crate) prefix_cache: bool,

    /// Blocks of 16 tokens that the KV cache is said to have
    #[arg(long, value_name = "N", default_value = "8192", help_heading = "Capacity")]
    pub(crate) kv_blocks: u32,
}

#[derive(Debug, Args)]
pub(crate) struct SimMoodArgs {
    /// Stand still from this time after the first request on
    #[arg(
        long, value_name = "TIME", value_parser = values::duration, allow_negative_numbers = true,
        requires = "freeze_for", help_heading = "Moods"
    )]
    pub(crate) freeze_at: Option<Duration>,

    /// How long to stand still; what falls due meanwhile is sent afterwards
    #[arg(
        long, value_name = "TIME", value_parser = values::duration, allow_negative_numbers = true,
        requires = "freeze_at", help_heading = "Moods"
    )]
    pub(crate) freeze_for: Option<Duration>,

    /// Share of themselves by which all times grow each minute from the first request on
    #[arg(
        long,
        value_name = "RATIO",
        allow_negative_numbers = true,
        default_value = "0",
        help_heading = "Moods"
    )]
    pub(crate) drift: f64,

    /// Be slow to the first token of so many first requests
    #[arg(long, value_name = "N", requires = "cold_factor", help_heading = "Moods")]
    pub(crate) cold_requests: Option<u32>,

    /// How many times slower
    #[arg(
        long,
        value_name = "FACTOR",
        allow_negative_numbers = true,
        requires = "cold_requests",
        help_heading = "Moods"
    )]
    pub(crate) cold_factor: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Measure the simulator and compare with what it sent; this is what doctor does
    #[arg(long)]
    pub(crate) self_test: bool,

    /// Streams at once
    #[arg(short, long, value_name = "N", value_parser = values::concurrency, default_value = "100")]
    pub(crate) concurrency: usize,

    /// Tokens of each answer
    #[arg(long, value_name = "TOKENS", default_value = "100")]
    pub(crate) osl: u32,

    /// Milliseconds from each token to the next
    #[arg(long, value_name = "MS", value_parser = values::milliseconds, default_value = "10")]
    pub(crate) itl_ms: Duration,

    /// Answers on each stream
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) rounds: u32,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A metric such as ttft_ms, an error code such as IB203, a reason such as n_small, or all of them:
    /// metrics, codes, reasons
    pub(crate) word: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndpointType {
    /// /v1/chat/completions
    #[value(alias = "openai-chat", alias = "openai")]
    Chat,
    /// /v1/completions
    #[value(alias = "openai-completions")]
    Completions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// As from many independent users
    Poisson,
    /// Evenly
    Constant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// profile_export_genai_perf.csv and .json
    GenaiPerf,
    /// metrics.csv, a row for each number
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ui {
    /// What fits standard error: so far, simple
    Auto,
    /// A bar on a terminal, else a line every 10 s
    Simple,
    /// Nothing
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stamps {
    /// The kernel's, where there are any
    Kernel,
    /// The time of the read
    Read,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_error_repeats_a_secret() {
        for line in
            ["run --api-key s3cret", "run --api-key=s3cret", "run -H s3cret", "run --header=s3cret"]
        {
            let words = ["inferbench"].into_iter().chain(line.split(' '));
            let error = without_secrets(Cli::try_parse_from(words).unwrap_err()).to_string();
            assert!(error.contains("invalid value '***' for '--"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn lines_of_other_tools_are_understood() {
        let aiperf = "inferbench profile --model-names m --url localhost:8000 --endpoint-type chat --streaming \
                      --concurrency 8 --request-count 40 --synthetic-input-tokens-mean 128 --output-tokens-mean 64 \
                      --extra-inputs ignore_eos:true --random-seed 7 --ui-type none";
        let vllm = "inferbench run --backend openai-chat --base-url http://localhost:8000 --max-concurrency 4 \
                    --num-prompts 40 --random-input-len 128 --random-output-len 64 --ignore-eos --seed 1";
        for line in [aiperf, vllm] {
            let cli =
                Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{e}"));
            let Command::Run(args) = cli.command else { panic!("`{line}` measures") };
            assert_eq!((args.request_count, args.isl, args.osl), (Some(40), 128, 64));
        }
    }
}
