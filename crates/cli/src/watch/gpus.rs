//! The GPUs: two lines each, or one where there are many.

use bench_core::reading;
use ratatui::text::Line;

use super::{
    page::{View, heading, percent, ratio, shown, used_of},
    state::{Of, State},
};
use crate::term::Row;

/// The GPUs in at most `room` rows, if that is bounded.
pub(super) fn lines(
    state: &State,
    view: &View,
    width: usize,
    room: Option<usize>,
) -> Vec<Line<'static>> {
    let gpus = state.all("gpu_");
    let title = match gpus.len() {
        0 => "GPUs".to_owned(),
        1 => "GPU".to_owned(),
        n => format!("{n} GPUs"),
    };
    let mut lines = vec![heading(view.marks, &title, width)];
    if gpus.is_empty() {
        let why = view.missing.first().map_or("no GPU is read", String::as_str);
        let row = Row::default().with(view.marks.dash(), view.marks.faint());
        lines.push(
            row.with(view.marks.cut(why, width.saturating_sub(4)), view.marks.faint()).line(width),
        );
        return lines;
    }
    let names = gpus
        .iter()
        .map(|gpu| name(*gpu, view).chars().count())
        .max()
        .unwrap_or(0)
        .min(MOST_OF_NAME);
    let room = room.map_or(usize::MAX, |room| room.saturating_sub(1));
    if gpus.len().saturating_mul(2) <= room {
        lines.extend(gpus.iter().flat_map(|gpu| two(*gpu, view, width, names)));
        return lines;
    }
    let (kept, scrolled) = match gpus.len() > room {
        true => (room.saturating_sub(1), view.scrolled.min(gpus.len() - room.saturating_sub(1))),
        false => (room, 0),
    };
    let shown = gpus.iter().skip(scrolled).take(kept);
    lines.extend(shown.map(|gpu| one(*gpu, view, width, names)));
    if gpus.len() > room {
        let last = (scrolled + kept).min(gpus.len());
        let text =
            format!("{} to {last} of {}: up and down for the others", scrolled + 1, gpus.len());
        lines.push(Line::styled(text, view.marks.faint()));
    }
    lines
}

const MOST_OF_NAME: usize = 12;

/// `0`, or `gpu2 0`. Which one it is, is never cut.
fn name(gpu: Of<'_>, view: &View) -> String {
    let instance = gpu.instance.as_deref().unwrap_or("0");
    match gpu.host() {
        Some(host) => {
            let room = MOST_OF_NAME.saturating_sub(1 + instance.chars().count());
            format!("{} {instance}", view.marks.cut(host, room))
        }
        None => instance.to_owned(),
    }
}

fn two(gpu: Of<'_>, view: &View, width: usize, names: usize) -> Vec<Line<'static>> {
    let marks = view.marks;
    let first = figures(gpu, view, names, 20)
        .with(format!("{:>13}", clocks(gpu, view)), marks.faint())
        .with_rank(
            1,
            marks.bar(
                ratio(gpu, reading::GPU_POWER_W, reading::GPU_POWER_LIMIT_W).unwrap_or(0.0),
                10,
            ),
            marks.curve(),
        );
    let used = ratio(gpu, reading::GPU_MEMORY_USED_BYTES, reading::GPU_MEMORY_TOTAL_BYTES);
    let (state, style) = condition(gpu, view);
    let model = gpu.is("gpu_name").unwrap_or_default();
    let memory =
        used_of(marks, gpu, reading::GPU_MEMORY_USED_BYTES, reading::GPU_MEMORY_TOTAL_BYTES);
    let second = Row::default()
        .with(" ".repeat(names), marks.faint())
        .with(format!("mem {memory:>13}"), marks.faint())
        .with(marks.bar(used.unwrap_or(0.0), 12), marks.curve())
        .with(state, style)
        .with_rank(1, marks.cut(model.trim_start_matches("NVIDIA "), 28), marks.faint());
    vec![first.line(width), second.line(width)]
}

fn one(gpu: Of<'_>, view: &View, width: usize, names: usize) -> Line<'static> {
    let marks = view.marks;
    let memory =
        used_of(marks, gpu, reading::GPU_MEMORY_USED_BYTES, reading::GPU_MEMORY_TOTAL_BYTES);
    let (state, style) = condition(gpu, view);
    figures(gpu, view, names, 8)
        .with(format!("{memory:>13}"), marks.faint())
        .with_rank(1, format!("{:>13}", clocks(gpu, view)), marks.faint())
        .with(state, style)
        .line(width)
}

/// What each form has: name, how busy it is, power and temperature.
fn figures(gpu: Of<'_>, view: &View, names: usize, curve: usize) -> Row {
    let marks = view.marks;
    let util = shown(marks, gpu.value(reading::GPU_UTILIZATION_RATIO), percent);
    let watts = |value: Option<f64>| shown(marks, value, |watts| format!("{watts:.0}"));
    let power = format!(
        "{}/{} W",
        watts(gpu.value(reading::GPU_POWER_W)),
        watts(gpu.value(reading::GPU_POWER_LIMIT_W))
    );
    let heat = shown(marks, gpu.value(reading::GPU_TEMPERATURE_C), |heat| format!("{heat:.0}"));
    Row::default()
        .with(format!("{:names$}", marks.cut(&name(gpu, view), MOST_OF_NAME)), marks.strong())
        .with(format!("{util:>5}"), marks.strong())
        .and(marks.spark(&gpu.curve(reading::GPU_UTILIZATION_RATIO, curve), 1.0), marks.curve())
        .with(format!("{power:>11}"), marks.faint())
        .with(format!("{heat:>3} {}", marks.degrees()), marks.faint())
}

/// `1980/1980 MHz`: what it runs at, and could.
fn clocks(gpu: Of<'_>, view: &View) -> String {
    let mhz = |name| shown(view.marks, gpu.value(name), |mhz| format!("{mhz:.0}"));
    format!("{}/{} MHz", mhz(reading::GPU_SM_CLOCK_MHZ), mhz(reading::GPU_SM_CLOCK_MAX_MHZ))
}

/// Whether it runs as it should, in a word or two.
fn condition(gpu: Of<'_>, view: &View) -> (&'static str, ratatui::style::Style) {
    let marks = view.marks;
    let holds = |name| gpu.value(name).is_some_and(|value| value > 0.0);
    if gpu.lost().is_some() {
        ("lost", marks.error())
    } else if holds(reading::GPU_THROTTLED_THERMAL) {
        ("slowed: heat", marks.warning())
    } else if holds(reading::GPU_THROTTLED_POWER) {
        ("slowed: power", marks.warning())
    } else if holds(reading::GPU_THROTTLED) {
        ("slowed", marks.warning())
    } else {
        ("", marks.faint())
    }
}
