//! `summary.json`: what came of each point.

use std::collections::BTreeMap;

use bench_core::{
    EarlyEnd, Facts, Figure, Goal, Metric, Moment, Outcome, Plan, PointOutcome, Reason,
    Reconciliation, Summary, TokenSource, TurnSummary, Verdict, meets_all,
    stats::{Distribution, Drift, Interval, PERCENTILES, Share, sample_floor},
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::{
    FORMAT_VERSION, LoadLine, PartialDistribution, PointLine, ReconciledLine, RepeatedLine,
    TelemetryLine, is_default,
};

/// What came of a run. Written anew whenever a point ends; also what `--json` prints.
///
/// Where cells were measured more than once, `repeats` says in the file what their points say together, as
/// [`RepeatedLine::all`] has it: it is told from `points` when the file is written, so that the two always
/// agree.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SummaryFile {
    /// [`FORMAT_VERSION`] of this file.
    pub format_version: u32,
    /// The run's id.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// Whether these are all points of the run.
    pub state: State,
    /// The points that have ended, in order of measurement.
    pub points: Vec<PointSummary>,
}

impl Serialize for SummaryFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { format_version, id, name, state, points } = self;
        let repeats = RepeatedLine::all(points);
        let fields = if repeats.is_empty() { 5 } else { 6 };
        let mut file = serializer.serialize_struct("SummaryFile", fields)?;
        file.serialize_field("format_version", format_version)?;
        file.serialize_field("id", id)?;
        file.serialize_field("name", name)?;
        file.serialize_field("state", state)?;
        if !repeats.is_empty() {
            file.serialize_field("repeats", &repeats)?;
        }
        file.serialize_field("points", points)?;
        file.end()
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on, or it was killed: points may be missing.
    Unfinished,
    /// It was stopped before its end: points may be missing, and the last one is partial.
    Interrupted,
    /// It came to its end.
    Finished,
}

impl State {
    /// The state of a run that has ended.
    pub fn of_ended(interrupted: bool) -> Self {
        if interrupted { Self::Interrupted } else { Self::Finished }
    }
}

impl SummaryFile {
    /// What stands in the file about the points of `plan` that have ended, which are its first.
    pub fn new(plan: &Plan, ended: &[PointOutcome], state: State) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            id: plan.id.clone(),
            name: plan.name.clone(),
            state,
            points: ended.iter().map(|ended| PointSummary::new(ended, &plan.goals)).collect(),
        }
    }

    /// How far the numbers can be trusted that can be trusted least; `None` without a point.
    pub fn worst_trust(&self) -> Option<&str> {
        const WORST_FIRST: [&str; 3] = ["void", "doubtful", "trusted"];
        let rank = |point: &&PointSummary| WORST_FIRST.iter().position(|word| *word == point.trust);
        self.points.iter().min_by_key(rank).map(|point| point.trust.as_str())
    }
}

/// What came of a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointSummary {
    /// Its number, which its samples bear.
    #[serde(default)]
    pub number: u32,
    /// Which cell of the plan it is, from 0. Points of one cell repeat one another.
    #[serde(default)]
    pub cell: u32,
    /// Which of its cell's repeats it is, from 0.
    #[serde(default)]
    pub repeat: u32,
    /// The target's name.
    pub target: String,
    /// What was sent.
    pub workload: String,
    /// When requests were sent.
    pub load: LoadLine,
    /// `trusted`, `doubtful` or `void`. The numbers of a void point do not describe the server.
    pub trust: String,
    /// What speaks against the numbers, worst first.
    pub reasons: Vec<ReasonLine>,
    /// Why it could not be measured: there is nothing to tell of it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What it was asked to keep to, and whether it did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<GoalLine>,
    /// How many requests ended how.
    pub outcomes: BTreeMap<String, u64>,
    /// What failed requests said, most frequent first.
    pub errors: Vec<ErrorLine>,
    /// What is known beside the metrics.
    pub facts: FactsLine,
    /// The metrics by id; those that do not exist for these requests are absent.
    pub metrics: BTreeMap<String, MetricLine>,
    /// The same turn by turn, where requests are turns of conversations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnLine>,
    /// What GPUs, hosts and the server said meanwhile, where they were watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryLine>,
    /// What this client and the server both know, where the server was watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciled: Option<ReconciledLine>,
}

/// The requests of one turn of all conversations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnLine {
    /// Which turn, from 0.
    pub turn: u32,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failed: u64,
    /// The metrics that are taken per request, by id.
    pub metrics: BTreeMap<String, MetricLine>,
}

impl From<&TurnSummary> for TurnLine {
    fn from(of: &TurnSummary) -> Self {
        let line = |metric, figure: &Distribution| {
            MetricLine::new(metric, &Figure::Distribution(figure.clone()))
        };
        let figures = of.figures.iter();
        Self {
            turn: of.turn,
            succeeded: of.succeeded,
            failed: of.failed,
            metrics: figures.map(|(m, figure)| (m.id.to_owned(), line(m, figure))).collect(),
        }
    }
}

impl PointSummary {
    /// What stands in the file about a point that was asked to keep to `goals`.
    pub fn new(outcome: &PointOutcome, goals: &[Goal]) -> Self {
        let PointOutcome { number, point, failure, summary, verdict } = outcome;
        Self {
            failure: failure.clone(),
            goals: goals.iter().map(|goal| GoalLine::new(goal, summary)).collect(),
            ..Self::of(*number, &point.into(), summary, verdict)
        }
    }

    /// What stands in the file about point `number`, which was to be `point`, as far as samples tell.
    pub(crate) fn of(number: u32, point: &PointLine, summary: &Summary, verdict: &Verdict) -> Self {
        Self {
            number,
            cell: point.cell,
            repeat: point.repeat,
            target: point.target.clone(),
            workload: point.workload.clone(),
            load: point.load.clone(),
            trust: verdict.trust.to_string(),
            reasons: verdict.reasons.iter().map(ReasonLine::from).collect(),
            failure: None,
            goals: Vec::new(),
            outcomes: outcomes(summary),
            errors: errors(summary),
            facts: (&summary.facts).into(),
            metrics: metrics(summary),
            turns: summary.turns.iter().map(TurnLine::from).collect(),
            reconciled: Reconciliation::of(summary).map(ReconciledLine::from),
            telemetry: Some(&summary.telemetry).filter(|t| !t.is_empty()).map(TelemetryLine::from),
        }
    }

    /// Whether it measured the same as `other`. Old runs, and those of other tools, know no cells.
    pub fn is_repeat_of(&self, other: &Self) -> bool {
        (self.cell, &self.target, &self.workload, &self.load)
            == (other.cell, &other.target, &other.workload, &other.load)
    }

    /// Whether it meets every goal that it was asked to keep to, as
    /// [`PointOutcome::meets`](bench_core::PointOutcome::meets) has it.
    pub fn meets_goals(&self) -> bool {
        let is_void = self.failure.is_some() || self.trust == "void";
        let error_ratio = self.number_of("error_ratio", None);
        meets_all(is_void, error_ratio, self.goals.iter().map(|goal| goal.met))
    }

    /// Whether it shows that its target is lost, as
    /// [`PointOutcome::is_lost`](bench_core::PointOutcome::is_lost) has it.
    pub fn is_lost(&self) -> bool {
        let outcomes = self.outcomes.keys().filter_map(|outcome| outcome.parse().ok());
        self.failure.is_some()
            || self.facts.early_end().is_some_and(EarlyEnd::is_loss)
            || Outcome::nobody_answered(outcomes)
    }

    /// How many requests succeeded.
    pub fn succeeded(&self) -> u64 {
        self.outcomes.get("ok").copied().unwrap_or(0)
    }

    /// How many requests failed. Those that the client gave up neither succeeded nor failed.
    pub fn failed(&self) -> u64 {
        let failed = self.outcomes.iter().filter(|(name, _)| *name != "ok" && *name != "cancelled");
        failed.map(|(_, count)| count).sum()
    }

    /// One number of it: a statistic of a metric, or the value of one that has no statistics.
    pub fn number_of(&self, metric: &str, statistic: Option<&str>) -> Option<f64> {
        self.metrics.get(metric)?.statistic(statistic.unwrap_or("value"))
    }
}

/// What a point was asked to keep to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoalLine {
    /// The goal, such as `p95(ttft_ms)<500ms`.
    pub goal: String,
    /// What it came to, in the metric's unit; absent where the metric does not exist for the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Whether it was met. What does not exist meets nothing.
    pub met: bool,
}

impl GoalLine {
    pub(crate) fn new(goal: &Goal, summary: &Summary) -> Self {
        let result = goal.check(summary);
        Self {
            goal: goal.to_string(),
            value: result.map(|result| result.value),
            met: result.is_some_and(|result| result.met),
        }
    }
}

fn outcomes(summary: &Summary) -> BTreeMap<String, u64> {
    summary.outcomes.iter().map(|(outcome, count)| (outcome.to_string(), *count)).collect()
}

fn metrics(summary: &Summary) -> BTreeMap<String, MetricLine> {
    let figures = summary.figures.iter();
    figures.map(|(m, figure)| (m.id.to_owned(), MetricLine::new(m, figure))).collect()
}

/// Something that speaks against the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonLine {
    /// Its stable name, which `inferbench explain` takes.
    pub code: String,
    /// `doubtful` or `void`: how much it speaks against them.
    pub trust: String,
    /// What it is, with its figures.
    pub text: String,
    /// What can be done about it.
    pub remedy: String,
}

impl From<&Reason> for ReasonLine {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code().to_owned(),
            trust: reason.trust().to_string(),
            text: reason.to_string(),
            remedy: reason.remedy().to_owned(),
        }
    }
}

/// What some failed requests have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLine {
    /// How they ended.
    pub outcome: String,
    /// What was said, cut at 200 bytes. The server's words: not to be trusted.
    pub message: String,
    /// How many.
    pub count: u64,
}

fn errors(summary: &Summary) -> Vec<ErrorLine> {
    let mut counts: BTreeMap<(Outcome, &str), u64> = BTreeMap::new();
    for ((outcome, message), count) in &summary.errors {
        *counts.entry((*outcome, cut(message))).or_default() += count;
    }
    let line = |((outcome, message), count): ((Outcome, &str), u64)| ErrorLine {
        outcome: outcome.to_string(),
        message: message.to_owned(),
        count,
    };
    let mut errors: Vec<ErrorLine> = counts.into_iter().map(line).collect();
    errors.sort_by_key(|error| std::cmp::Reverse(error.count));
    errors
}

fn cut(message: &str) -> &str {
    const MOST: usize = 200;
    let fits = |end: &usize| message.is_char_boundary(*end);
    let end = (0..=message.len().min(MOST)).rev().find(fits).unwrap_or(0);
    &message[..end]
}

/// What is known of a point beside its metrics. Moments are nanoseconds since the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactsLine {
    /// When the first request was sent.
    pub began_ns: u64,
    /// When the last generated event of a successful request came.
    pub ended_ns: u64,
    /// Where output token counts come from: the worst source used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_token_source: Option<String>,
    /// Share of arrivals that the kernel stamped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_stamped_ratio: Option<f64>,
    /// Output tokens received / asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_output_ratio: Option<f64>,
    /// Share of requests whose two counts of output tokens differ by more than 2 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreeing_ratio: Option<f64>,
    /// How late requests were sent, at the 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_ms_p99: Option<f64>,
    /// Samples that did not reach the log in time.
    pub delayed_samples: u64,
    /// Times that the workload had nothing ready.
    pub starved: u64,
    /// Requests in flight that were given up when the grace period was over.
    #[serde(default)]
    pub cut_off: u64,
    /// Requests that were due and never sent.
    #[serde(default)]
    pub unsent: u64,
    /// Attempts at requests that had failed before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retried: u64,
    /// Requests that were sent again over another connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resent: u64,
    /// Requests that failed although something was expected of their answers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unanswered: u64,
    /// Processor cores that inferbench used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cpu_cores: Option<f64>,
    /// Processor cores there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<f64>,
    /// Share of prompt tokens that the server had cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_ratio: Option<f64>,
    /// How the second half went otherwise than the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftLine>,
    /// How the first requests went otherwise than the later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_start: Option<DriftLine>,
    /// Milliseconds by which somebody set this machine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_step_ms: Option<f64>,
    /// Why the point was ended early: `nothing_works`, `goal_missed`, `saturated`,
    /// `target_lost` or `key_refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_end: Option<String>,
    /// Share of the time for which a GPU was throttled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_throttled_ratio: Option<f64>,
    /// The most processes that were seen on a GPU beside the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_other_processes: Option<u32>,
    /// Readings that are not in the log, because too many waited for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_readings: Option<u64>,
    /// By how much power over time and a GPU's own count of its energy differ; of several, where it is most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_difference: Option<f64>,
    /// GPUs that were lost while they were watched.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gpus_lost: u64,
    /// How often the server's counters began anew.
    #[serde(default, skip_serializing_if = "is_default")]
    pub server_restarts: u32,
    /// By which share the server finished more requests than were sent; below 0, fewer than succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_requests_difference: Option<f64>,
    /// The same of output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_output_difference: Option<f64>,
    /// Processor cores that reading the telemetry took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry_cpu_cores: Option<f64>,
}

/// Two parts of a measurement that went differently.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftLine {
    /// The median of the first part.
    pub first_ms: f64,
    /// The median of the second part.
    pub second_ms: f64,
    /// How likely so large a difference is by chance.
    pub p_value: f64,
}

impl From<Drift> for DriftLine {
    fn from(drift: Drift) -> Self {
        Self { first_ms: drift.first, second_ms: drift.second, p_value: drift.p_value }
    }
}

impl FactsLine {
    fn early_end(&self) -> Option<EarlyEnd> {
        let name = self.early_end.as_deref()?;
        EarlyEnd::ALL.iter().find(|(_, known)| *known == name).map(|(end, _)| *end)
    }

    /// What only the run knew, added to the facts that samples tell: what a point was, once more.
    pub fn complete(&self, facts: &mut Facts) {
        facts.delayed_samples = self.delayed_samples;
        facts.starved = self.starved;
        facts.cut_off = self.cut_off;
        facts.unsent = self.unsent;
        facts.client_cpu_cores = self.client_cpu_cores;
        facts.cores = self.cores;
        facts.clock_step_ms = self.clock_step_ms;
        facts.early_end = self.early_end();
        facts.gpu_throttled_ratio = self.gpu_throttled_ratio;
        facts.gpu_other_processes = self.gpu_other_processes;
        facts.dropped_readings = self.dropped_readings;
        facts.energy_difference = self.energy_difference;
        facts.gpus_lost = self.gpus_lost;
        facts.server_restarts = self.server_restarts;
        facts.server_requests_difference = self.server_requests_difference;
        facts.server_output_difference = self.server_output_difference;
        facts.telemetry_cpu_cores = self.telemetry_cpu_cores;
        if self.output_token_source.as_deref() == Some(TokenSource::Approximate.as_str()) {
            *facts = facts.counted_approximately();
        }
    }
}

impl From<&Facts> for FactsLine {
    fn from(facts: &Facts) -> Self {
        let ns = Moment::as_nanos;
        let source = facts.output_token_source.map(TokenSource::as_str);
        Self {
            began_ns: ns(facts.began),
            ended_ns: ns(facts.ended),
            output_token_source: source.map(str::to_owned),
            kernel_stamped_ratio: facts.kernel_stamped_ratio,
            delivered_output_ratio: facts.delivered_output_ratio,
            disagreeing_ratio: facts.disagreeing_ratio,
            late_ms_p99: facts.late_ms_p99,
            delayed_samples: facts.delayed_samples,
            starved: facts.starved,
            cut_off: facts.cut_off,
            unsent: facts.unsent,
            retried: facts.retried,
            resent: facts.resent,
            unanswered: facts.unanswered,
            client_cpu_cores: facts.client_cpu_cores,
            cores: facts.cores,
            cached_ratio: facts.cached_ratio,
            drift: facts.drift.map(DriftLine::from),
            cold_start: facts.cold_start.map(DriftLine::from),
            clock_step_ms: facts.clock_step_ms,
            early_end: facts.early_end.and_then(|end| {
                let known = EarlyEnd::ALL.iter().find(|(known, _)| *known == end);
                known.map(|(_, name)| (*name).to_owned())
            }),
            gpu_throttled_ratio: facts.gpu_throttled_ratio,
            gpu_other_processes: facts.gpu_other_processes,
            dropped_readings: facts.dropped_readings,
            energy_difference: facts.energy_difference,
            gpus_lost: facts.gpus_lost,
            server_restarts: facts.server_restarts,
            server_requests_difference: facts.server_requests_difference,
            server_output_difference: facts.server_output_difference,
            telemetry_cpu_cores: facts.telemetry_cpu_cores,
        }
    }
}

/// What a metric came to. `inferbench explain <id>` says what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetricLine {
    /// Many values.
    #[expect(missing_docs, reason = "the names are the statistics'")]
    Distribution {
        unit: String,
        count: u64,
        mean: f64,
        /// The population's standard deviation.
        std: f64,
        min: f64,
        max: f64,
        p1: f64,
        p5: f64,
        p10: f64,
        p25: f64,
        p50: f64,
        p75: f64,
        p90: f64,
        p95: f64,
        p97: f64,
        p99: f64,
        p99_9: f64,
        /// Which of these percentiles rest on too few values to be quoted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        below_floor: Vec<String>,
    },
    /// Many values of yes and no.
    Share {
        /// `ratio`.
        unit: String,
        /// How many values there are.
        count: u64,
        /// The share of yes.
        mean: f64,
        /// Where the share of all such values lies, with 95 % confidence (Wilson).
        ci95: [f64; 2],
    },
    /// One value.
    Value {
        /// Its unit.
        unit: String,
        /// The value.
        value: f64,
    },
    /// Many values, measured by another tool that told only some statistics of them.
    Partial(PartialDistribution),
}

impl MetricLine {
    pub(crate) fn new(metric: &Metric, figure: &Figure) -> Self {
        let unit = metric.unit.to_owned();
        let d = match figure {
            Figure::Value(value) => return Self::Value { unit, value: *value },
            Figure::Distribution(distribution) => distribution,
        };
        if metric.unit == "ratio" {
            let share = Share { count: (d.mean * d.count as f64).round(), of: d.count as f64 };
            let Interval { low, high } = share.interval();
            return Self::Share { unit, count: d.count, mean: share.ratio(), ci95: [low, high] };
        }
        Self::of_values(metric.unit, d, true)
    }

    /// The line of `d`; what each percentile needs is asked of what was sampled, not of what was watched.
    pub(crate) fn of_values(unit: &str, d: &Distribution, is_sampled: bool) -> Self {
        let [p1, p5, p10, p25, p50, p75, p90, p95, p97, p99, p99_9] = d.percentiles;
        let below = PERCENTILES.into_iter().filter(|p| is_sampled && is_below_floor(d, *p));
        Self::Distribution {
            unit: unit.to_owned(),
            count: d.count,
            mean: d.mean,
            std: d.std,
            min: d.min,
            max: d.max,
            p1,
            p5,
            p10,
            p25,
            p50,
            p75,
            p90,
            p95,
            p97,
            p99,
            p99_9,
            below_floor: below.map(percentile_name).collect(),
        }
    }

    /// The distribution that it is of, if it is of one.
    pub(crate) fn distribution(&self) -> Option<Distribution> {
        #[rustfmt::skip]
        let &Self::Distribution {
            count, mean, std, min, max, p1, p5, p10, p25, p50, p75, p90, p95, p97, p99, p99_9, ..
        } = self else { return None };
        let percentiles = [p1, p5, p10, p25, p50, p75, p90, p95, p97, p99, p99_9];
        Some(Distribution { count, sum: mean * count as f64, mean, std, min, max, percentiles })
    }

    /// Its unit.
    pub fn unit(&self) -> &str {
        match self {
            Self::Distribution { unit, .. }
            | Self::Share { unit, .. }
            | Self::Value { unit, .. } => unit,
            Self::Partial(partial) => &partial.unit,
        }
    }

    /// Its statistics, as far as they are known, by the names and in the order that they have in the file.
    pub fn statistics(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Value { value, .. } => vec![("value", *value)],
            Self::Share { count, mean, .. } => vec![("count", *count as f64), ("mean", *mean)],
            Self::Partial(partial) => partial.statistics(),
            #[rustfmt::skip]
            Self::Distribution {
                unit: _, count, mean, std, min, max, below_floor: _,
                p1, p5, p10, p25, p50, p75, p90, p95, p97, p99, p99_9,
            } => vec![
                ("count", *count as f64), ("mean", *mean), ("std", *std), ("min", *min),
                ("max", *max), ("p1", *p1), ("p5", *p5), ("p10", *p10), ("p25", *p25),
                ("p50", *p50), ("p75", *p75), ("p90", *p90), ("p95", *p95), ("p97", *p97),
                ("p99", *p99), ("p99_9", *p99_9),
            ],
        }
    }

    /// One of its [`statistics`](Self::statistics), such as `p95`.
    pub fn statistic(&self, name: &str) -> Option<f64> {
        self.statistics().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// `p95`, or `p99_9`, as the fields above are called.
fn percentile_name(p: f64) -> String {
    format!("p{p}").replace('.', "_")
}

/// Whether `distribution` has too few values for percentile `p` to be quoted.
pub fn is_below_floor(distribution: &Distribution, p: f64) -> bool {
    sample_floor(p).is_some_and(|floor| distribution.count < floor)
}

#[cfg(test)]
mod tests {
    use bench_core::metric;

    use super::*;

    #[test]
    fn percentiles_are_the_fields_that_bear_their_names() {
        let mut values: Vec<f64> = (0..=100).map(f64::from).collect();
        let figure = Figure::Distribution(Distribution::of(&mut values).unwrap());
        let line = MetricLine::new(metric("osl").unwrap(), &figure);
        let statistics = line.statistics();
        let line = serde_json::to_value(&line).unwrap();
        for p in PERCENTILES {
            let found = line[percentile_name(p)].as_f64().unwrap();
            assert!((found - p).abs() < 1e-9, "p{p}: {found}");
        }
        for (name, value) in statistics {
            assert_eq!(line[name].as_f64(), Some(value), "{name}");
        }
        assert_eq!(line["below_floor"], serde_json::json!(["p95", "p97", "p99", "p99_9"]));
    }

    #[test]
    fn a_share_has_its_interval_and_no_percentiles() {
        let mut values = [vec![1.0; 140], vec![0.0; 20]].concat();
        let figure = Figure::Distribution(Distribution::of(&mut values).unwrap());
        let line = MetricLine::new(metric("accuracy").unwrap(), &figure);
        let json = serde_json::to_value(&line).unwrap();
        let [low, high] = [0, 1].map(|end| json["ci95"][end].as_f64().unwrap());
        assert!((low - 0.8148).abs() < 1e-4 && (high - 0.9176).abs() < 1e-4, "{json}");
        assert_eq!((json["count"].as_u64(), json["mean"].as_f64()), (Some(160), Some(0.875)));
        assert_eq!(json.as_object().unwrap().len(), 4);
        assert_eq!(serde_json::from_value::<MetricLine>(json).unwrap(), line);
    }

    #[test]
    fn errors_are_grouped_by_what_is_left_of_their_words() {
        let long = |end: &str| format!("{}{end}", "é".repeat(150));
        let summary = Summary {
            outcomes: BTreeMap::new(),
            errors: BTreeMap::from([
                ((Outcome::Reset, String::new()), 1),
                ((Outcome::Http(500), long("a")), 2),
                ((Outcome::Http(500), long("b")), 3),
            ]),
            ..Summary::default()
        };
        let found = errors(&summary);
        let counts: Vec<_> = found.iter().map(|e| (e.outcome.as_str(), e.count)).collect();
        assert_eq!(counts, [("http_500", 5), ("reset", 1)]);
        assert_eq!(found[0].message.len(), 200);
    }

    #[test]
    fn what_only_the_run_knew_reads_back_as_it_was() {
        let facts = Facts {
            delayed_samples: 3,
            starved: 4,
            cut_off: 5,
            unsent: 6,
            client_cpu_cores: Some(1.5),
            cores: Some(2.0),
            clock_step_ms: Some(-20.0),
            early_end: Some(EarlyEnd::Saturated),
            gpu_throttled_ratio: Some(0.25),
            gpu_other_processes: Some(2),
            dropped_readings: Some(7),
            energy_difference: Some(0.02),
            gpus_lost: 1,
            server_restarts: 2,
            server_requests_difference: Some(0.03),
            server_output_difference: Some(-0.04),
            telemetry_cpu_cores: Some(0.004),
            ..Facts::default()
        };
        let line = serde_json::to_string(&FactsLine::from(&facts)).unwrap();
        let mut read = Facts::default();
        serde_json::from_str::<FactsLine>(&line).unwrap().complete(&mut read);
        assert_eq!(read, facts);
    }

    #[test]
    fn a_file_from_before_telemetry_reads_and_what_is_unknown_is_not_written() {
        let before =
            r#"{"began_ns":1,"ended_ns":2,"delayed_samples":0,"starved":0,"cut_off":0,"unsent":0}"#;
        let line: FactsLine = serde_json::from_str(before).unwrap();
        assert_eq!(line.gpu_throttled_ratio, None);
        assert_eq!(serde_json::to_string(&line).unwrap(), before);
    }
}
