//! Arguments as typed, with no side effects.

use std::{
    net::IpAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use bench_harness::{Exit, Failure, agent_token};
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};

use crate::{
    agent::AgentArgs,
    compare::CompareArgs,
    dataset::DatasetArgs,
    estimate::EstimateArgs,
    flags::{PlanFlags, ServerFlags},
    gate::GateArgs,
    manual::ManArgs,
    models::ModelsArgs,
    servers::{DownArgs, LogsArgs, ProfilesArgs, ServersArgs, UpArgs},
    translate::TranslateArgs,
    values,
    watch::WatchArgs,
};

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
    /// Find the highest load that meets every goal
    Find(Box<FindArgs>),
    /// Go on with a run that was broken off, at the first point that was not measured
    Resume(Box<ResumeArgs>),
    /// Measure once more what a run did, by its plan and seed, and say what changed; flags go before the plan
    Rerun(Box<ResumeArgs>),
    /// Say what a server is, what it offers, and how it answers
    Probe(Box<ProbeArgs>),
    /// Send a server one message
    Chat(Box<ChatArgs>),
    /// Check, complete and convert plan files
    Plan(PlanArgs),
    /// Check, make and convert files of what to send
    Dataset(DatasetArgs),
    /// Say what changed from one run to another
    Compare(CompareArgs),
    /// Say whether a run is worse than a baseline: exit code 98 if it is
    Gate(GateArgs),
    /// Serve as a simulated inference server until interrupted
    Sim(SimArgs),
    /// Watch GPUs, hosts and a server, live and without any load
    Watch(Box<WatchArgs>),
    /// Give what this host's GPUs and the host itself do to a run elsewhere, until interrupted
    Agent(AgentArgs),
    /// Check this machine, and a server, and find out how wrong measurements here are
    Doctor(DoctorArgs),
    /// Start a server, in a container or as a process, and wait until it is ready
    Up(Box<UpArgs>),
    /// Take down servers that `up` has started
    Down(DownArgs),
    /// List servers that were started here
    Servers(ServersArgs),
    /// Fetch models and lay them ready for each backend
    Models(ModelsArgs),
    /// Say whether a model fits a GPU's memory, without starting anything
    Estimate(EstimateArgs),
    /// Print what a server says that was started here
    Logs(LogsArgs),
    /// List what a NIM can be run as on this machine
    Profiles(ProfilesArgs),
    /// Print what a command line of aiperf, genai-perf, vllm bench, SGLang or guidellm is here
    Translate(TranslateArgs),
    /// Explain a metric, an error code or a reason of a verdict
    Explain(ExplainArgs),
    /// Print a script that has a shell complete commands and flags
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual, or write a page for each command
    Man(ManArgs),
    /// Hold a server that runs as a process: end it once whoever started it is gone
    #[command(hide = true)]
    Hold {
        /// Where it is written down
        folder: PathBuf,
    },
    /// Panic, to see what a bug looks like
    #[command(hide = true)]
    Panic {
        /// While a page is on the terminal
        #[arg(long)]
        on_screen: bool,
    },
    /// Look through what was measured before: list, show, tag, remove, pack, import, repair
    #[cfg(feature = "history")]
    Runs(crate::runs::RunsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A plan file, YAML or TOML; flags go before what it says
    #[arg(value_name = "PLAN")]
    pub(crate) plan_file: Option<PathBuf>,

    /// The same
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "plan_file")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// What is to be met, such as 'p95(ttft)<500ms'; -c 1..512 or -r 1..100 says among which loads
    #[arg(value_name = "GOAL", required = true)]
    pub(crate) goals: Vec<String>,

    /// A plan file, YAML or TOML; flags go before what it says
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run: @last, an id or a path
    #[arg(value_name = "RUN", default_value = "@last")]
    pub(crate) run: String,

    #[command(flatten)]
    pub(crate) measure: MeasureArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// Its address, as with --url
    #[arg(value_name = "URL", conflicts_with = "url")]
    pub(crate) address: Option<String>,

    #[command(flatten)]
    pub(crate) server: ServerFlags,

    /// Show each piece of its answer, and when it came
    #[arg(long, help_heading = "Output")]
    pub(crate) raw: bool,

    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// What to say
    #[arg(value_name = "MESSAGE")]
    pub(crate) message: String,

    /// The most tokens of the answer
    #[arg(long, value_name = "TOKENS", visible_alias = "max-tokens")]
    pub(crate) osl: Option<u32>,

    #[command(flatten)]
    pub(crate) server: ServerFlags,

    /// Show each piece of its answer, and when it came
    #[arg(long, help_heading = "Output")]
    pub(crate) raw: bool,
}

/// What an agent and those who ask it share.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// A file that holds the token of the agent, which only its owner can read
    #[arg(long, value_name = "FILE", alias = "token-file", conflicts_with = "agent_token_env")]
    agent_token_file: Option<PathBuf>,

    /// The variable that holds it [default: INFERBENCH_AGENT_TOKEN]
    #[arg(long, value_name = "NAME")]
    agent_token_env: Option<String>,
}

impl TokenArgs {
    /// The token; `None` where there is none.
    pub(crate) fn token(&self) -> Result<Option<String>, Failure> {
        agent_token(self.agent_token_file.as_deref(), self.agent_token_env.as_deref())
    }
}

/// What all have that measure.
#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    #[command(flatten)]
    pub(crate) plan: PlanFlags,

    /// Say what would be measured, and from where each setting is, and measure nothing
    #[arg(long, help_heading = "Output")]
    pub(crate) dry_run: bool,

    /// Write what these flags say to a plan file, YAML or TOML by its name
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) save_plan: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// Print what the server answers
    #[arg(long, help_heading = "Output")]
    pub(crate) print_content: bool,

    /// As vLLM's multi-turn benchmark calls --export multi-turn
    #[arg(long, hide = true)]
    pub(crate) excel_output: bool,

    /// The same
    #[arg(long, hide = true)]
    pub(crate) json_output: bool,

    /// Show every series of telemetry; in the files of multi-turn, tell the time between turns, too
    #[arg(long, help_heading = "Output")]
    pub(crate) verbose: bool,

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

impl RunArgs {
    /// The plan file, if one is named.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.plan_file.as_deref().or(self.config.as_deref())
    }
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    pub(crate) command: PlanCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Check a plan file: all that is wrong with it, by line
    Validate {
        /// The file, YAML or TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a plan with every default filled in
    Expand(Box<ExpandArgs>),
    /// Print the JSON Schema of plan files
    Schema,
    /// Print the command that does what a plan says
    Flags {
        /// The file, YAML or TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the plan that says what a command does
    FromFlags(FromFlagsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExpandArgs {
    /// The file, YAML or TOML
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) plan: PlanFlags,

    #[command(flatten)]
    pub(crate) form: PlanForm,
}

#[derive(Debug, Args)]
pub(crate) struct FromFlagsArgs {
    #[command(flatten)]
    pub(crate) form: PlanForm,

    /// Flags of `run`, or a whole `inferbench run ...`
    #[arg(
        value_name = "FLAGS",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true
    )]
    pub(crate) words: Vec<String>,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PlanForm {
    /// As TOML, rather than YAML
    #[arg(long, conflicts_with = "json")]
    pub(crate) toml: bool,

    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
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

/// What was typed, to be shown: what is no UTF-8 is replaced.
pub(crate) fn words() -> impl Iterator<Item = String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned())
}

/// What these flags were given, an error does not repeat.
const SECRET_FLAGS: [&str; 3] = ["--api-key ", "--header ", "--target "];

pub(crate) fn without_secrets(mut error: clap::Error) -> clap::Error {
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
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value = "8000")]
    pub(crate) port: u16,

    /// The address to listen at; in a container 0.0.0.0
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,

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
#[command(
    after_help = "Marks: ok as it should be, !! may change numbers, no stands in the way of a run, -- not known or \
                        not there. Exit code 3 if there is a `no`."
)]
pub(crate) struct DoctorArgs {
    /// A server to ask as well, as with --url
    #[arg(value_name = "URL", conflicts_with_all = ["url", "self_test"])]
    pub(crate) address: Option<String>,

    #[command(flatten)]
    pub(crate) server: Box<ServerFlags>,

    /// Do the self-test alone
    #[arg(long, conflicts_with = "no_self_test")]
    pub(crate) self_test: bool,

    /// Leave out the self-test, which measures the simulator and compares with what it sent
    #[arg(long)]
    pub(crate) no_self_test: bool,

    /// Where directories of runs would go
    #[arg(long, value_name = "DIR", default_value = "artifacts")]
    pub(crate) artifact_dir: PathBuf,

    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,

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
    /// A metric such as ttft_ms, an error code such as IB203, a reason such as n_small, a workload such as rag, or
    /// all of them: metrics, codes, reasons, workloads
    pub(crate) word: String,
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
        for line in [
            "run --api-key s3cret",
            "run --api-key=s3cret",
            "run -H s3cret",
            "run --header=s3cret",
            "run --target a=:1,headers.x=\"s3cret",
        ] {
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
            let typed = |path: &str| args.measure.plan.typed.find(path).map(ToString::to_string);
            for (path, value) in
                [("load.requests", "40"), ("workload.isl", "128"), ("workload.osl", "64")]
            {
                assert_eq!(typed(path).as_deref(), Some(value), "{path}");
            }
        }
    }
}
