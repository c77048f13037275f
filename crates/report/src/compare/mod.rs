//! What changed from one run to another.
//!
//! Plans are compared first, and unlike ones are refused: numbers that answer different questions are not
//! set side by side unless that is asked for. Then points are aligned, and each metric of an aligned pair is
//! judged by what there is: by repeats, else by requests, else not at all.

mod align;
mod judge;
mod plans;
mod reference;
mod requests;
pub(crate) mod tables;
mod view;

use std::fmt;

use bench_core::Quantity;
use bench_store::{RunDirectory, RunFile, SummaryFile};
use serde::Serialize;

pub use reference::{InvalidReference, ReferencePoint, read_references};

use align::Aligned;
use requests::Requests;
use view::View;

/// A run as it was stored.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was to be measured, where and with what.
    pub run: RunFile,
    /// What came of it.
    pub summary: SummaryFile,
    /// Where its samples are. Without, metrics are not compared request by request.
    pub directory: Option<RunDirectory>,
}

impl Loaded {
    /// The names of its targets, as its points bear them.
    pub fn targets(&self) -> Vec<&str> {
        let mut targets: Vec<&str> = Vec::new();
        for point in &self.summary.points {
            if !targets.contains(&point.target.as_str()) {
                targets.push(&point.target);
            }
        }
        targets
    }

    /// Whether one of them is meant by `name`.
    pub fn has_target(&self, name: &str) -> bool {
        self.targets().iter().any(|target| is_called(target, name))
    }
}

/// Whether `target` is meant by `name`: that of a simulator also without that word.
fn is_called(target: &str, name: &str) -> bool {
    target == name || target.strip_prefix("simulated ") == Some(name)
}

/// Which points are compared with which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// Those of the same load.
    #[default]
    Load,
    /// On each side the highest load that meets that side's goals.
    Slo,
    /// Those at which each user gets the same tokens per second, between the measured ones.
    Interactivity,
}

/// How to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which points are compared with which.
    pub align: Align,
    /// Whether unlike plans are compared all the same.
    pub allow_unlike: bool,
    /// The least change that matters, as a share of the baseline.
    pub threshold: f64,
    /// The metrics.
    pub metrics: Vec<Quantity>,
    /// Targets to compare: those of each run, or with a single run these with one another.
    pub targets: Vec<String>,
    /// Points of others, shown beside.
    pub references: Vec<ReferencePoint>,
}

/// What is compared where nothing is asked for.
const DEFAULTS: [&str; 14] = [
    "output_tps",
    "rps",
    "p50(ttft_ms)",
    "p95(ttft_ms)",
    "p50(tpot_ms)",
    "p50(itl_ms)",
    "p50(e2e_ms)",
    "p95(e2e_ms)",
    "error_ratio",
    "good_ratio",
    "accuracy",
    "avg(answer_f1)",
    "tool_call_accuracy",
    "j_per_output_token",
];

fn defaults() -> Vec<Quantity> {
    let quantity = |text: &&str| text.parse().expect("they are quantities");
    DEFAULTS.iter().map(quantity).collect()
}

impl Default for Options {
    fn default() -> Self {
        Self {
            align: Align::Load,
            allow_unlike: false,
            threshold: 0.02,
            metrics: defaults(),
            targets: Vec::new(),
            references: Vec::new(),
        }
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompareReport {
    /// The version of this format.
    pub format_version: u32,
    /// Which points were compared with which.
    pub align: Align,
    /// The least change that matters, as a share of the baseline.
    pub threshold: f64,
    /// What is compared with.
    pub baseline: Side,
    /// What is compared.
    pub candidates: Vec<Candidate>,
    /// What the runs measured, in the terms of `references`; only if there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<ReferencePoint>,
    /// Points of others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferencePoint>,
}

/// A run, or one of its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The run's id.
    pub id: String,
    /// What the user calls it.
    pub name: String,
    /// When it began.
    pub created: String,
    /// The target, where targets of one run are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether a simulator was measured: its numbers are never quoted without that word.
    pub simulated: bool,
    /// What to know of its numbers: that they are partial, or mean what another tool says.
    pub notes: Vec<String>,
}

impl Side {
    /// Its id and name, or the target.
    pub fn title(&self) -> String {
        match &self.target {
            Some(target) => target.clone(),
            None => format!("{} \"{}\"", self.id, self.name),
        }
    }
}

/// How a run differs from the baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Which run.
    pub run: Side,
    /// How its plan differs.
    pub differences: Vec<Difference>,
    /// What changed, at each pair of points.
    pub points: Vec<AlignedPoint>,
    /// Points that were compared with none, and why.
    pub unmatched: Vec<String>,
    /// Those of them that the baseline has, and this run has not.
    pub missing: Vec<String>,
}

/// A difference of two plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Of what.
    pub what: String,
    /// What it is in the baseline.
    pub baseline: String,
    /// What it is in the candidate.
    pub candidate: String,
    /// Whether numbers cannot be compared because of it.
    pub unlike: bool,
}

/// Points that are compared with each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlignedPoint {
    /// What they have in common, such as `32 users`.
    pub at: String,
    /// The baseline's target and workload.
    pub baseline: String,
    /// The candidate's.
    pub candidate: String,
    /// How far the numbers of both can be trusted: that which can be trusted less.
    pub trust: String,
    /// What changed.
    pub metrics: Vec<MetricChange>,
}

impl AlignedPoint {
    /// Whether one of the sides does not describe its server.
    pub fn is_void(&self) -> bool {
        self.trust == "void"
    }

    /// What was compared question by question, in words.
    fn questions(&self) -> impl Iterator<Item = String> {
        self.metrics.iter().filter_map(|change| {
            let Questions { count, only_baseline, only_candidate } = change.questions?;
            let (metric, at) = (&change.metric, &self.at);
            Some(format!(
                "{metric} at {at}: of {count} questions that both answered the baseline alone has {only_baseline} \
                 right, this run alone {only_candidate}"
            ))
        })
    }
}

/// What became of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricChange {
    /// Its id, or `load`.
    pub metric: String,
    /// Which of its statistics; absent where it has one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    /// Its unit.
    pub unit: String,
    /// `lower`, `higher` or `neither`.
    pub better: &'static str,
    /// The baseline's; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// The candidate's; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<f64>,
    /// By how much it changed; absent where that cannot be said.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub change: Option<Amount>,
    /// `improved`, `regressed`, `changed`, `no change` or `within noise`; absent where it was not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// What it was judged by.
    pub basis: Basis,
    /// The questions that both sides answered, where it was judged by these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions: Option<Questions>,
}

/// Questions that both sides answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Questions {
    /// How many.
    pub count: u64,
    /// Of these, those that the baseline alone answered right.
    pub only_baseline: u64,
    /// Those that the candidate alone answered right.
    pub only_candidate: u64,
}

impl MetricChange {
    /// `p95(ttft_ms)`, or the id alone: a share has but a mean.
    pub fn id(&self) -> String {
        match &self.statistic {
            Some(statistic) if !self.is_share() => format!("{statistic}({})", self.metric),
            _ => self.metric.clone(),
        }
    }

    /// Whether it is a share, whose change is a difference and no ratio.
    pub fn is_share(&self) -> bool {
        self.unit == "ratio"
    }
}

/// An amount of change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Amount {
    /// (candidate − baseline) / |baseline|; of a share, whose unit is `ratio`, candidate − baseline.
    pub change: f64,
    /// The lower end of its interval of 95 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_low: Option<f64>,
    /// The upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_high: Option<f64>,
    /// How probable values this far apart are if nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
}

/// What a change is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// At least three repeats on either side.
    Repeats,
    /// The requests of both.
    Requests,
    /// How many requests there are of a kind.
    Counts,
    /// The questions that both sides answered.
    Questions,
    /// One value on either side: it is not judged. Repeat to judge.
    Single,
    /// Too few requests for this statistic: it is not judged.
    TooFew,
    /// Void numbers are not judged.
    Void,
}

/// Runs that cannot be compared: they answer different questions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Unlike {
    /// The candidate, as [`Side::title`] has it.
    pub candidate: String,
    /// All differences, those that matter first.
    pub differences: Vec<Difference>,
    /// Why not one point is compared with another, where that is so.
    pub unaligned: Option<Box<Unaligned>>,
}

/// Runs of which no point has a counterpart in the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaligned {
    /// How counterparts were sought.
    pub align: Align,
    /// All loads of the baseline.
    pub baseline: String,
    /// All loads of the candidate.
    pub candidate: String,
    /// Why there is none.
    pub why: Vec<String>,
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unlike: Vec<String> = self
            .differences
            .iter()
            .filter(|difference| difference.unlike)
            .map(|d| format!("{}: {} against {}", d.what, d.baseline, d.candidate))
            .collect();
        let unlike = unlike.join("; ");
        match &self.unaligned {
            None => write!(f, "{} is not like the baseline: {unlike}", self.candidate),
            Some(unaligned) if unlike.is_empty() => unaligned.write(&self.candidate, f),
            Some(unaligned) => {
                unaligned.write(&self.candidate, f)?;
                write!(f, "; nor is it like the baseline: {unlike}")
            }
        }
    }
}

impl Unaligned {
    /// What it says of the run called `name`.
    fn write(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { align, baseline, candidate, why } = self;
        match align {
            Align::Load => write!(f, "no load of {name} is one of the baseline's")?,
            Align::Slo | Align::Interactivity => {
                write!(f, "no point of {name} can be compared: {}", why.join("; "))?;
            }
        }
        write!(f, "; the baseline has {baseline}, it has {candidate}")
    }
}

/// Compares each of `runs` with the first.
///
/// # Errors
///
/// When plans are unlike in what makes numbers comparable, or have no points in common, and
/// [`Options::allow_unlike`] does not say that it is known.
pub fn compare(runs: &[Loaded], options: &Options) -> Result<CompareReport, Unlike> {
    let views = View::of(runs, &options.targets);
    let Some((baseline, candidates)) = views.split_first() else {
        let missing = Difference {
            what: "runs".to_owned(),
            baseline: "none".to_owned(),
            candidate: "none".to_owned(),
            unlike: true,
        };
        let (candidate, differences) = ("nothing".to_owned(), vec![missing]);
        return Err(Unlike { candidate, differences, unaligned: None });
    };
    let base_requests = Requests::of(baseline, &options.metrics);
    let candidates: Result<Vec<Candidate>, Unlike> = candidates
        .iter()
        .map(|candidate| compare_two(baseline, &base_requests, candidate, options))
        .collect();
    let candidates = candidates?;
    let mut side = baseline.side();
    side.notes.extend(base_requests.note());
    let measured = match options.references.is_empty() {
        true => Vec::new(),
        false => views.iter().flat_map(reference::measured).collect(),
    };
    Ok(CompareReport {
        format_version: 1,
        align: options.align,
        threshold: options.threshold,
        baseline: side,
        candidates,
        measured,
        references: options.references.clone(),
    })
}

fn compare_two(
    baseline: &View<'_>,
    base_requests: &Requests,
    candidate: &View<'_>,
    options: &Options,
) -> Result<Candidate, Unlike> {
    let pairs = align::pairs(baseline, candidate);
    let mut differences = plans::differences(baseline, candidate, &pairs);
    let Aligned { points, unmatched, missing } =
        align::points(&pairs, [baseline, candidate], options.align);
    differences.sort_by_key(|difference| !difference.unlike);
    let unaligned = points.is_empty().then(|| {
        Box::new(Unaligned {
            align: options.align,
            baseline: baseline.loads(),
            candidate: candidate.loads(),
            why: unmatched.clone(),
        })
    });
    let is_unlike = unaligned.is_some() || differences.iter().any(|difference| difference.unlike);
    if is_unlike && !options.allow_unlike {
        return Err(Unlike { candidate: candidate.side().title(), differences, unaligned });
    }
    let requests = Requests::of(candidate, &options.metrics);
    let sides = [base_requests, &requests];
    let like_goodput = !differences.iter().any(|difference| difference.what == plans::GOODPUT);
    let judge = judge::Judge { options, sides, seed: baseline.loaded.run.seed, like_goodput };
    let points: Vec<AlignedPoint> = points.iter().map(|point| judge.point(point)).collect();
    let mut run = candidate.side();
    run.notes.extend(requests.note());
    run.notes.extend(points.iter().flat_map(AlignedPoint::questions));
    Ok(Candidate { run, differences, points, unmatched, missing })
}
