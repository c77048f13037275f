//! One point, shown to a person on a terminal; [`sweep`] and [`matrix`] show several,
//! [`compare`] and [`gate`] what changed.
//!
//! The verdict comes first, as a sentence; then the metrics as a table, the totals, what GPUs, server and host did
//! meanwhile ([`telemetry`]), how times are distributed, and what speaks for and against all of it. Columns that do not fit are left out from
//! the right, and it says so: no line is wider than asked for, and no number is cut.

pub mod compare;
pub mod gate;
mod grid;
mod histogram;
pub mod matrix;
pub(crate) mod number;
mod page;
mod sentence;
pub mod sweep;
mod table;
pub mod telemetry;
mod totals;
mod trust;
mod turns;

use bench_core::{Plan, Point, PointOutcome, Reason, ServerInfo, Trust};
use bench_store::LoadLine;

pub use histogram::LogHistogram;
pub use number::{count, dash, percent, significant};
use page::Page;
pub(crate) use page::{Paint, Span};
pub use sweep::SweepReport;

/// The least width: what is narrower is laid out as if it were so wide.
pub const LEAST_WIDTH: usize = 32;

/// What is shown of a point.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The version of inferbench.
    pub version: &'a str,
    /// The plan that the point belongs to.
    pub plan: &'a Plan,
    /// The point.
    pub point: &'a Point,
    /// What came of it.
    pub outcome: &'a PointOutcome,
    /// The server that was measured.
    pub target: Target<'a>,
    /// Cells of the plan that were left out, each with why.
    pub skipped: &'a [String],
    /// How times are distributed, where the values are at hand; empty ones are not shown.
    pub histograms: Histograms<'a>,
    /// What was written where: a directory first, then names of formats.
    pub saved: &'a [String],
    /// Commands that may come next.
    pub next: &'a [String],
    /// Whether everything that telemetry said is shown, too.
    pub verbose: bool,
}

/// The server that was measured.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// What it says of itself.
    pub server: &'a ServerInfo,
    /// Where it is: host and port.
    pub host: &'a str,
    /// The model that was asked for.
    pub model: &'a str,
    /// Whether it is the built-in simulator: each line that could be quoted then says so.
    pub simulated: bool,
}

/// Values in milliseconds, by size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Histograms<'a> {
    /// Times to first token.
    pub ttft: Option<&'a LogHistogram>,
    /// Gaps between tokens, or between chunks where tokens are not known.
    pub gaps: Option<&'a LogHistogram>,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours are used. Nothing is told by colour alone.
    pub color: bool,
    /// Whether only ASCII is used.
    pub ascii: bool,
}

/// The point as text of at most `width` columns, but [`LEAST_WIDTH`] at least.
pub fn render(report: &Report<'_>, width: usize, style: Style) -> String {
    let mut page = Page::new(width.max(LEAST_WIDTH), style);
    header(report, &mut page);
    page.blank();
    sentence::render(report, &mut page);
    page.blank();
    table::render(report, &mut page);
    turns::render(report, style, &mut page);
    totals::render(report, &mut page);
    telemetry::of_report(report, &mut page);
    skipped(report.skipped, &mut page);
    let gaps = if report.outcome.summary.distribution("itl_ms").is_some() {
        "Inter token latency"
    } else {
        "Inter chunk latency"
    };
    let Histograms { ttft, gaps: gaps_ms } = report.histograms;
    for (title, histogram) in [("Time to first token", ttft), (gaps, gaps_ms)] {
        if let Some(histogram) = histogram {
            histogram::render(&report.titled(&format!("{title}, ms")), histogram, &mut page);
        }
    }
    trust::render(report, &mut page);
    footer(report, &mut page);
    page.finish()
}

impl Report<'_> {
    fn trust(&self) -> Trust {
        self.outcome.verdict.trust
    }

    /// A title, with the words without which nothing below it may be quoted.
    fn titled(&self, title: &str) -> String {
        let simulated = if self.target.simulated { ", simulated" } else { "" };
        let void = if self.trust() == Trust::Void { ", VOID" } else { "" };
        let partial = if self.is_partial() { ", partial" } else { "" };
        format!("{title}{simulated}{void}{partial}")
    }

    /// Whether it was stopped before its end, or its server was lost, which its verdict says.
    fn is_partial(&self) -> bool {
        let cut_short = |reason: &Reason| matches!(reason.code(), "interrupted" | "target_lost");
        self.outcome.verdict.reasons.iter().any(cut_short)
    }
}

fn header(report: &Report<'_>, page: &mut Page) {
    let Report { plan, point, target, .. } = report;
    let mut who = vec![
        format!("inferbench {}", report.version),
        format!("run {} \"{}\"", plan.id, plan.name),
    ];
    who.extend(target.simulated.then(|| "simulated".to_owned()));
    who.extend(report.is_partial().then(|| "partial".to_owned()));
    let engine = [target.server.engine.as_deref(), target.server.version.as_deref()];
    let engine: Vec<&str> = engine.into_iter().flatten().collect();
    who.push(match engine.is_empty() {
        true => target.host.to_owned(),
        false => format!("{} @ {}", engine.join(" "), target.host),
    });
    page.items("", &who);

    let tokens = |name: &str, id: &str| {
        let d = report.outcome.summary.distribution(id)?;
        let (min, max) = (page.tokens(d.min), page.tokens(d.max));
        Some(if min == max { format!("{name} {min}") } else { format!("{name} {min}..{max}") })
    };
    let mut what = vec![format!("model {}", target.model), point.workload.clone()];
    what.extend([tokens("ISL", "isl"), tokens("OSL", "osl")].into_iter().flatten());
    what.extend([LoadLine::from(&point.load).to_string(), format!("seed {}", plan.seed)]);
    page.items("", &what);
}

/// What was planned and not measured.
fn skipped(skipped: &[String], page: &mut Page) {
    for (place, cell) in skipped.iter().enumerate() {
        page.labelled(if place == 0 { "Skipped" } else { " " }, &[Span::plain(cell)]);
    }
    if !skipped.is_empty() {
        page.blank();
    }
}

fn footer(report: &Report<'_>, page: &mut Page) {
    if !report.saved.is_empty() || !report.next.is_empty() {
        page.blank();
    }
    if !report.saved.is_empty() {
        page.items("Saved", report.saved);
    }
    for (place, command) in report.next.iter().enumerate() {
        page.items(if place == 0 { "Next" } else { " " }, std::slice::from_ref(command));
    }
}

/// How a verdict is written and painted.
fn verdict_word(trust: Trust) -> Span {
    let paint = match trust {
        Trust::Trusted => Paint::Good,
        Trust::Doubtful => Paint::Doubt,
        Trust::Void => Paint::Bad,
    };
    Span::new(trust.to_string().to_uppercase(), paint)
}
