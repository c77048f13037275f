//! `run.json`: what was to be measured, with what and where.

use bench_core::{Anchor, RunInfo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FORMAT_VERSION, PointLine};

/// What was to be measured. Written when the run begins; only servers that were found later are added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// [`FORMAT_VERSION`] of this file and of all beside it.
    pub format_version: u32,
    /// The run's id.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// When it began, in UTC (RFC 3339).
    pub created: String,
    /// The same moment on other clocks.
    pub anchor: AnchorLine,
    /// The version of inferbench that measured.
    pub inferbench: String,
    /// The seed of everything random in it.
    pub seed: u64,
    /// Load threads.
    pub threads: usize,
    /// The points, in order of measurement, as far as they are known before.
    pub points: Vec<PointLine>,
    /// What each point is asked to keep to, such as `p95(ttft_ms)<500ms`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<String>,
    /// The plan as it was asked for, secrets by their names: what `resume` and `rerun` go by. Null where
    /// the run was started by other means.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub plan: Value,
    /// Where it ran and against what, as the program found it: host, kernel, processor, server.
    pub environment: Value,
}

impl RunFile {
    /// What stands in the file about `run`, asked for as `plan_asked`, in `environment`.
    pub fn new(run: &RunInfo, plan_asked: Value, environment: Value) -> Self {
        let RunInfo { plan, anchor } = run;
        Self {
            format_version: FORMAT_VERSION,
            id: plan.id.clone(),
            name: plan.name.clone(),
            created: rfc3339(anchor.wall_ns),
            anchor: AnchorLine::from(*anchor),
            inferbench: env!("CARGO_PKG_VERSION").to_owned(),
            seed: plan.seed,
            threads: plan.threads.get(),
            points: plan.points.iter().map(PointLine::from).collect(),
            goals: plan.goals.iter().map(ToString::to_string).collect(),
            plan: plan_asked,
            environment,
        }
    }

    /// Which tool's result it was made from, `inferbench` for a run of another place; `None` if it was
    /// measured here.
    ///
    /// Whoever takes a run in writes `imported` into its environment, with the `tool` that measured it, or
    /// with the `format` that it was packed in.
    pub fn imported(&self) -> Option<&str> {
        let imported = self.environment.get("imported")?;
        match imported {
            Value::Null | Value::Bool(false) => None,
            Value::String(format) => Some(format),
            _ => {
                Some(imported["tool"].as_str().or(imported["format"].as_str()).unwrap_or("unknown"))
            }
        }
    }

    /// Whether another tool measured it: it never had samples and events then.
    pub(crate) fn is_foreign(&self) -> bool {
        self.environment["imported"]["tool"].is_string()
    }
}

/// To the millisecond; empty beyond the year 9999.
fn rfc3339(wall_ns: u64) -> String {
    Timestamp::from_nanosecond(i128::from(wall_ns))
        .map_or_else(|_| String::new(), |moment| format!("{moment:.3}"))
}

/// The start of the run on other clocks: add a moment of a sample to compare it with other programs'
/// logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorLine {
    /// Nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic_ns: Option<u64>,
}

impl From<AnchorLine> for Anchor {
    fn from(line: AnchorLine) -> Self {
        Self { wall_ns: line.wall_ns, monotonic_ns: line.monotonic_ns }
    }
}

impl From<Anchor> for AnchorLine {
    fn from(anchor: Anchor) -> Self {
        Self { wall_ns: anchor.wall_ns, monotonic_ns: anchor.monotonic_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_utc() {
        assert_eq!(rfc3339(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }
}
