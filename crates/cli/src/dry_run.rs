//! What an experiment will take, for `--dry-run`.

use std::time::Duration;

use bench_harness::{Estimate, PACE, PointEstimate, Settings};

/// Points listed one by one; beyond, their number tells.
const MOST_POINTS: usize = 40;

/// What `settings` will take: each point, then all together.
pub(crate) fn render(settings: &Settings) -> String {
    let estimate = Estimate::of(settings);
    let mut lines = Vec::new();
    if let Some(find) = settings.find {
        let probes = (estimate.points.len() as f64).log2().ceil() * 2.0;
        lines.push(format!(
            "search  {} loads, some {probes:.0} probes, then {} of each of the last two",
            estimate.points.len(),
            find.probes
        ));
        return lines.join("\n") + "\n";
    }
    let points = estimate.points.iter().enumerate().take(MOST_POINTS);
    lines.extend(points.map(|(number, point)| line(number, point)));
    if estimate.points.len() > MOST_POINTS {
        lines.push(format!("... and {} more", estimate.points.len() - MOST_POINTS));
    }
    lines.extend(estimate.skipped.iter().map(|skipped| format!("skipped: {skipped}")));
    lines.push(total(&estimate));
    lines.join("\n") + "\n"
}

fn line(number: usize, point: &PointEstimate) -> String {
    let repeat =
        if point.repeat > 0 { format!("  repeat {}", point.repeat + 1) } else { String::new() };
    let requests = point.requests.map_or(String::new(), |n| format!("  {n} requests"));
    format!(
        "{:>4}  {}  {}  {}{repeat}{requests}  {}",
        number + 1,
        point.target,
        point.workload,
        point.load,
        time(point.duration)
    )
}

fn total(estimate: &Estimate) -> String {
    let mut words = vec![format!("{} points", estimate.points.len())];
    words.extend(estimate.requests().map(|n| format!("{n} requests")));
    words.extend(
        estimate
            .tokens()
            .map(|(input, output)| format!("{input} input and {output} output tokens")),
    );
    let guess = format!(
        "about {}, if it is {} ms to the first token and {} ms to each further one",
        time(estimate.duration),
        PACE.0.as_millis(),
        PACE.1.as_millis()
    );
    words.push(if estimate.is_guess { guess } else { time(estimate.duration) });
    words.join(", ")
}

/// `45 s`, `12 min`, `3.5 h`.
fn time(duration: Duration) -> String {
    match duration.as_secs_f64() {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}
