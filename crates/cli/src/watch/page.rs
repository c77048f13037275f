//! The page as lines: a pure function of what was read and of how it is looked at.

use std::time::Duration;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget,
};

use super::{
    gpus, host, server,
    state::{Of, State},
    troubles,
};
use crate::term::{Marks, Row};

/// How the page is looked at.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) marks: Marks,
    /// What is watched beside this host, such as the server's address.
    pub(crate) title: String,
    /// What cannot be watched at all, and why.
    pub(crate) missing: Vec<String>,
    /// Whether the server is watched.
    pub(crate) has_server: bool,
    pub(crate) is_frozen: bool,
    pub(crate) is_help: bool,
    /// GPUs, or lines of help, above the first that is shown.
    pub(crate) scrolled: usize,
}

/// Columns and rows below which values would have no room.
const LEAST: (u16, u16) = (76, 12);

/// Draws the page.
pub(crate) fn draw(state: &State, view: &View, area: Rect, buffer: &mut Buffer) {
    let lines = if (area.width, area.height) < LEAST || area.height < LEAST.1 {
        vec![Line::raw(format!("a terminal of {} by {} at least, please", LEAST.0, LEAST.1))]
    } else {
        lines(state, view, usize::from(area.width), Some(usize::from(area.height)))
    };
    for (row, line) in (area.y..area.bottom()).zip(lines) {
        line.render(Rect { y: row, height: 1, ..area }, buffer);
    }
}

/// The page in `width` columns and exactly `height` rows, or in as many as it takes.
pub(crate) fn lines(
    state: &State,
    view: &View,
    width: usize,
    height: Option<usize>,
) -> Vec<Line<'static>> {
    if view.is_help {
        return troubles::page(state, view, width, height);
    }
    let mut rest = Vec::new();
    if view.has_server {
        rest.extend(server::lines(state, view, width));
    }
    rest.extend(host::lines(state, view, width));
    let foot = match height {
        Some(_) => vec![footer(state, view, width)],
        None => troubles::lines(state, view, width),
    };
    let room = height.map(|height| height.saturating_sub(1 + rest.len() + foot.len()));
    let mut lines = vec![header(state, view, width)];
    lines.extend(gpus::lines(state, view, width, room));
    lines.extend(rest);
    if let Some(height) = height {
        lines.resize(height.saturating_sub(foot.len()), Line::default());
    }
    lines.extend(foot);
    lines
}

fn header(state: &State, view: &View, width: usize) -> Line<'static> {
    let marks = view.marks;
    let seconds = state.now.as_nanos() / 1_000_000_000;
    let time = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let frozen = if view.is_frozen { "FROZEN" } else { "" };
    Row::default()
        .with("inferbench watch", marks.strong())
        .with(time, marks.faint())
        .with(frozen, marks.warning())
        .with(marks.cut(&view.title, width.saturating_sub(40)), marks.faint())
        .line(width)
}

fn footer(state: &State, view: &View, width: usize) -> Line<'static> {
    let marks = view.marks;
    let (missing, failing) = troubles::count(state, view);
    let mut row = Row::default().with("q quit  space freeze  ? help", marks.faint());
    if missing > 0 {
        row = row.with(
            format!("{missing} {} cannot be read", if missing == 1 { "value" } else { "values" }),
            marks.faint(),
        );
    }
    if failing > 0 {
        row = row.with(format!("{failing} in trouble: see ?"), marks.warning());
    }
    row.line(width)
}

/// A line that begins a part of the page.
pub(super) fn heading(marks: Marks, title: &str, width: usize) -> Line<'static> {
    let title = marks.cut(title, width.saturating_sub(6));
    let used = 4 + title.chars().count();
    Line::from(vec![
        Span::styled(marks.rule().repeat(2), marks.faint()),
        Span::styled(format!(" {title} "), marks.strong()),
        Span::styled(marks.rule().repeat(width.saturating_sub(used)), marks.faint()),
    ])
}

/// What a value is shown as: a dash where there is none.
pub(super) fn shown(marks: Marks, value: Option<f64>, show: impl FnOnce(f64) -> String) -> String {
    value.map_or_else(|| marks.dash().to_owned(), show)
}

/// A share without decimals: they would only flicker.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

/// Gibibytes, with a decimal below a hundred.
pub(super) fn gib(bytes: f64) -> String {
    let gib = bytes / f64::from(1 << 30);
    if gib < 99.95 { format!("{gib:.1}") } else { format!("{gib:.0}") }
}

/// `121/141 GiB`.
pub(super) fn used_of(marks: Marks, of: Of<'_>, used: &str, total: &str) -> String {
    let (used, total) = (of.value(used), of.value(total));
    if used.is_none() && total.is_none() {
        return marks.dash().to_owned();
    }
    format!("{}/{} GiB", shown(marks, used, gib), shown(marks, total, gib))
}

/// One value over another; `None` where either is not known.
pub(super) fn ratio(of: Of<'_>, part: &str, whole: &str) -> Option<f64> {
    let (part, whole) = (of.value(part)?, of.value(whole)?);
    (whole > 0.0).then(|| part / whole)
}

/// How long something has been so.
pub(super) fn ago(passed: Duration) -> String {
    match passed.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}
