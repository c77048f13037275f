//! Measures LLM inference servers, and says whether the numbers can be trusted.
mod answer;
mod clock;
mod grade;
mod metrics;
mod outcome;
mod plan;
mod provider;
mod request;
mod run;
mod sample;
mod schedule;
mod sink;
pub mod stats;
mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timer;
mod verdict;
mod workload;

pub use answer::{Answer, ToolCall};
pub use clock::{Anchor, Clock, Moment};
pub use grade::{Expected, Grade, Grader};
pub use metrics::{Aggregate, Better, Facts, Figure, Metric, Source, Summary, metric, registry};
pub use outcome::{Outcome, UnknownOutcome};
pub use plan::{Limits, Load, Plan, Point, Until, WarmUp};
pub use provider::{Model, Provider, ProviderError, Readiness, ServerInfo, TokenCounter};
pub use request::{Message, Prompt, Request, Role};
#[cfg(any(test, feature = "testing"))]
pub use run::run_on_paused_time;
pub use run::{Level, Prepare, Prepared, RunError, Stop, run};
pub use sample::{
    Arrival, ArrivalKind, Connect, FinishReason, Phase, Sample, Stamp, TokenSource, Usage,
};
pub use schedule::{Constant, InvalidRate, Poisson, Rate, Schedule};
pub use sink::{MetricSink, PointOutcome, Progress, RunEvent, RunInfo, RunOutcome, SinkError};
pub use telemetry::{Reading, Readings, SourceError, TelemetrySource};
pub use verdict::{Reason, Trust, Verdict};
pub use workload::{Session, Single, Turn, Workload};
