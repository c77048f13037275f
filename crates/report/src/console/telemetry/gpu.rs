//! A row for each GPU, and the energy of all.

use bench_core::reading;

use super::{Watched, gib, unknown};
use crate::{
    console::{Page, Paint, Span, Style, grid, number},
    grid::{Column, Entry, Grid, Line},
    telemetry::{Device, Seen, mean, statistic},
};

/// Characters of a GPU's name that are shown.
const LONGEST_NAME: usize = 24;

pub(super) fn render(watched: &Watched<'_>, gpus: &[Device<'_>], page: &mut Page) {
    let seen = watched.seen;
    let several = gpus.iter().any(|(source, _)| *source != gpus[0].0);
    let rows: Vec<Vec<Entry>> = gpus.iter().map(|gpu| row(seen, *gpu, several, page)).collect();
    let mut columns = columns(page.style);
    let is_known = |place: &usize| {
        *place == 0 || rows.iter().any(|row| row[*place].span.text != unknown(page))
    };
    let known: Vec<usize> = (0..columns.len()).filter(is_known).collect();
    let lines = rows.iter().map(|row| known.iter().map(|place| row[*place].clone()).collect());
    let lines = lines.map(Line::Row).collect();
    columns = known.iter().map(|place| columns[*place].clone()).collect();
    grid::write(&Grid { columns, lines }, page);
    if gpus.iter().any(|gpu| unified(seen, *gpu).is_some()) {
        page.paragraph(
            2,
            &[Span::new("unified memory is the host's, of all programs", Paint::Dim)],
        );
    }
    let energy = energy(watched, page);
    if !energy.is_empty() {
        page.items("Energy", &energy);
    }
}

fn columns(style: Style) -> Vec<Column> {
    let celsius = if style.ascii { "C" } else { "°C" };
    vec![
        Column::words("GPU").kept(),
        Column::new("busy", "%"),
        Column::new("power", "W"),
        Column::new("energy", "J"),
        Column::new("memory", "GiB"),
        Column::new("max", celsius),
        Column::new("throttle", "%"),
        Column::new("idle", "W"),
        Column::new("SM clock", "MHz"),
    ]
}

fn row(seen: Seen<'_>, gpu: Device<'_>, several: bool, page: &Page) -> Vec<Entry> {
    let unknown = || Entry::unknown(page.style);
    let entry = |text: Option<String>| text.map_or_else(unknown, Entry::plain);
    let mean_of = |name| seen.of(gpu, name).and_then(mean);
    let most = |name| seen.of(gpu, name).and_then(|series| statistic(series, "max"));
    let percent = |ratio: Option<f64>| entry(ratio.map(|ratio| page.number(ratio * 100.0)));
    let energy = seen.0.gpus.iter().find(|line| (&*line.source, line.instance.as_deref()) == gpu);
    let power = energy.map(|gpu| gpu.power_w).or_else(|| mean_of(reading::GPU_POWER_W));
    let of = |value: Option<f64>, whole: Option<f64>, words: &dyn Fn(f64) -> String| {
        let value = value.map(words)?;
        Some(whole.map_or_else(|| value.clone(), |whole| format!("{value}/{}", words(whole))))
    };
    let number = |value| page.number(value);
    let (limit, fastest) =
        (mean_of(reading::GPU_POWER_LIMIT_W), most(reading::GPU_SM_CLOCK_MAX_MHZ));
    let memory =
        of(most(reading::GPU_MEMORY_USED_BYTES), most(reading::GPU_MEMORY_TOTAL_BYTES), &|bytes| {
            gib(bytes, page)
        });
    let memory = memory.map(|memory| match unified(seen, gpu) {
        Some(kind) => format!("{memory} {kind}"),
        None => memory,
    });
    vec![
        Entry::plain(name(seen, gpu, several)),
        percent(mean_of(reading::GPU_UTILIZATION_RATIO)),
        entry(of(power, limit, &number)),
        entry(energy.and_then(|gpu| gpu.energy_j).map(number)),
        entry(memory),
        entry(most(reading::GPU_TEMPERATURE_C).map(number)),
        percent(mean_of(reading::GPU_THROTTLED)),
        entry(energy.and_then(|gpu| gpu.idle_w).map(number)),
        entry(of(mean_of(reading::GPU_SM_CLOCK_MHZ), fastest, &number)),
    ]
}

/// `unified` where a GPU has no memory of its own but the host's.
fn unified<'a>(seen: Seen<'a>, gpu: Device<'_>) -> Option<&'a str> {
    seen.is(gpu, "gpu_memory_kind").filter(|kind| *kind == "unified")
}

/// `0 NVIDIA H200`, with its source where there are several.
fn name(seen: Seen<'_>, gpu: Device<'_>, several: bool) -> String {
    let (source, instance) = gpu;
    let name = seen.is(gpu, "gpu_name").map(|name| {
        let mut short: String = name.chars().take(LONGEST_NAME).collect();
        if short.len() < name.len() {
            short.push_str("...");
        }
        short
    });
    let source = (several || instance.is_none() && name.is_none()).then(|| source.to_owned());
    let words = source.into_iter().chain(instance.map(str::to_owned)).chain(name);
    words.collect::<Vec<_>>().join(" ")
}

/// The energy of all GPUs: per token, per request, and whether the counters agree.
fn energy(watched: &Watched<'_>, page: &Page) -> Vec<String> {
    let value = |id| (watched.value)(id).map(|value| page.number(value));
    if watched.seen.0.gpus.is_empty() {
        return Vec::new();
    }
    let Some(energy) = value("energy_j") else {
        return vec![format!("{}: not every GPU was watched throughout", unknown(page))];
    };
    let mut items = vec![format!("{energy} J")];
    let above = value("net_j_per_output_token").map(|above| format!(", {above} above idle"));
    let per_token = value("j_per_output_token");
    items.extend(per_token.map(|j| format!("{j} J/output token{}", above.unwrap_or_default())));
    items.extend(value("j_per_request").map(|j| format!("{j} J/request")));
    items.extend(value("j_per_good_request").map(|j| format!("{j} J/good request")));
    items.extend(value("tps_per_w").map(|tps| format!("{tps} tokens/s/W")));
    items.push(check(watched));
    items
}

/// Whether the GPUs' own counters of energy agree.
fn check(watched: &Watched<'_>) -> String {
    let gpus = &watched.seen.0.gpus;
    let checked = gpus.iter().filter(|gpu| gpu.difference.is_some()).count();
    match watched.difference {
        Some(difference) if checked == gpus.len() => {
            format!("counter {} off", number::percent(difference))
        }
        Some(difference) => {
            format!(
                "counter {} off, {checked} of {} GPUs checked",
                number::percent(difference),
                gpus.len()
            )
        }
        None => format!("not checked: {}", why_unchecked(watched.seen)),
    }
}

fn why_unchecked(seen: Seen<'_>) -> &'static str {
    let counters = || seen.named(reading::GPU_ENERGY_J);
    if counters().next().is_none() {
        "no counter of energy"
    } else if counters().any(|counter| counter.resets > 0) {
        "the counter began anew"
    } else if seen.0.gpus.iter().any(|gpu| gpu.counted_j.is_some()) {
        "the counter moves too seldom for so short a time"
    } else {
        "the counter was not read throughout"
    }
}
