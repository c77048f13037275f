//! From settings to a running experiment, and to what came of it.
//!
//! ```text
//! Settings ─► prepare ─► Experiment ─► run ─► Finished
//!              │ finds the server, its model, a tokenizer; makes the prompts; checks this machine
//!              └─ Failure: what went wrong before a number was measured, and how to mend it
//! ```
//!
//! Settings come from a [`plan`]: a file, flags and defaults, laid over one another.
//!
//! The one way in for the command line, the web and the cluster, so that a run is the same run wherever
//! it was started. It prints nothing and serves nothing: who calls it passes sinks that do.

mod doctor;
mod environment;
mod estimate;
mod experiment;
mod exports;
mod facts;
mod failure;
mod fetch;
mod find;
mod input;
mod kept;
mod lab;
mod loads;
mod lookout;
mod machine;
mod memory;
mod models;
mod multi_turn;
pub mod plan;
mod points;
mod probe;
mod resume;
mod self_test;
mod server_tokenizer;
mod servers;
mod settings;
mod shape;
mod sweep;
mod talks;
mod target;
mod telemetry;
mod watching;

pub use bench_containers::{
    Hooks, Lifetime, LogLine, Progress,
    memory::{
        AskedMemory, Estimate as MemoryEstimate, Gpu, KvEstimate, Model, Placement, Precision,
        Verdict,
    },
    models::{Listed, ModelBackend, ModelRecord, Prepared},
    nim::{Fit, Goal as ProfileGoal, Profile, Profiles},
};
pub use doctor::{Doctor, Finding, State};
pub use estimate::{Estimate, PACE, PointEstimate};
pub use experiment::{Experiment, Finished, prepare, resume};
pub use failure::{Code, Exit, Failure};
pub use fetch::Fetcher;
pub use find::{Found, Tried, candidates, found};
pub use input::failure as input_failure;
pub use kept::{Kept, KeptServer, Started, command, profiles_of};
pub use lab::{check, tokenizer};
pub use machine::raise_file_limit;
pub use memory::{Fits, GpuAsked, fits};
pub use models::{ToPrepare, models, prepare_model};
pub use probe::{KeepsLength, PROBE_TOKENS, Probed, Trial, chat, probe};
pub use self_test::{Errors, SelfTest, SelfTestResult, self_test};
pub use servers::{hold, servers_are_held_by};
pub use settings::{
    Converge, Export, FindSettings, GateSettings, Goals, InputSettings, InputSource, LoadSettings,
    Order, OutputLimits, Repeats, Server, Settings, TalkSettings, TargetSettings,
    TelemetrySettings, UpSettings, WorkloadSettings,
};
pub use target::{Target, simulator_config};
pub use watching::{
    Local, agent_source, agent_token, client_source, host_name, local_sources, server_address,
    server_source, sources_of,
};
