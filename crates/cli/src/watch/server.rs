//! The server: its queue, its cache, its speed.

use bench_core::{ServerTime, reading};
use bench_report::console::{count, significant};
use ratatui::text::Line;

use super::{
    page::{View, heading, percent, shown},
    state::{Of, State},
};
use crate::term::Row;

pub(super) fn lines(state: &State, view: &View, width: usize) -> Vec<Line<'static>> {
    let marks = view.marks;
    let servers = state.sources_of("server_");
    let Some(server) = servers.first().copied() else {
        let why = state.told().find(|(source, _)| &***source == "server");
        let why = why.and_then(|(_, told)| told.failed.clone());
        let why = why.unwrap_or_else(|| "nothing was read yet".to_owned());
        let row = Row::default().with(marks.dash(), marks.faint());
        let row = row.with(marks.cut(&why, width.saturating_sub(4)), marks.faint());
        return vec![heading(marks, "Server", width), row.line(width)];
    };
    let engine = server.is("server_engine").or_else(|| server.is("engine"));
    let title = engine.map_or_else(|| "Server".to_owned(), |engine| format!("Server {engine}"));
    vec![heading(marks, &title, width), queue(server, view, width), speed(server, view, width)]
}

fn queue(server: Of<'_>, view: &View, width: usize) -> Line<'static> {
    let marks = view.marks;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts; `as` saturates"
    )]
    let whole = |name| shown(marks, server.value(name), |n| count(n as u64, marks.look));
    let cache = server.value(reading::SERVER_KV_CACHE_RATIO);
    Row::default()
        .with(format!("running {:>5}", whole(reading::SERVER_RUNNING)), marks.strong())
        .with(format!("waiting {:>5}", whole(reading::SERVER_WAITING)), marks.strong())
        .with(format!("KV {:>5}", shown(marks, cache, percent)), marks.strong())
        .with_rank(1, marks.bar(cache.unwrap_or(0.0), 10), marks.curve())
        .with(
            format!("prefix hits {:>5}", shown(marks, prefix_hits(server), percent)),
            marks.faint(),
        )
        .with(format!("preempted {}", whole(reading::SERVER_PREEMPTIONS)), marks.faint())
        .line(width)
}

/// As the server says, or as its counters grow.
fn prefix_hits(server: Of<'_>) -> Option<f64> {
    let grown = |part, whole| {
        let ((part, _), (whole, _)) = (server.grown(part)?, server.grown(whole)?);
        (whole > 0.0).then(|| part / whole)
    };
    server
        .value(reading::SERVER_PREFIX_HIT_RATIO)
        .or_else(|| grown(reading::SERVER_PREFIX_HIT_TOKENS, reading::SERVER_PREFIX_QUERIED_TOKENS))
        .or_else(|| grown(reading::SERVER_CACHED_TOKENS, reading::SERVER_PROMPT_TOKENS))
}

fn speed(server: Of<'_>, view: &View, width: usize) -> Line<'static> {
    let marks = view.marks;
    let number = |value| shown(marks, value, |value| significant(value, marks.look));
    let output = server.rate(reading::SERVER_OUTPUT_TOKENS);
    let output = output.or_else(|| server.value(reading::SERVER_OUTPUT_TPS));
    let curve = server.growth(reading::SERVER_OUTPUT_TOKENS, 20);
    let most = curve.iter().flatten().copied().fold(0.0, f64::max);
    let ms = |time| number(mean_ms(server, time));
    Row::default()
        .with(format!("out {:>6} tok/s", number(output)), marks.strong())
        .and(marks.spark(&curve, most), marks.curve())
        .with(
            format!("in {:>6} tok/s", number(server.rate(reading::SERVER_PROMPT_TOKENS))),
            marks.faint(),
        )
        .with(format!("{:>4} req/s", number(server.rate(reading::SERVER_REQUESTS))), marks.faint())
        .with_rank(2, format!("TTFT {} ms", ms(ServerTime::Ttft)), marks.faint())
        .with_rank(2, format!("ITL {} ms", ms(ServerTime::Itl)), marks.faint())
        .line(width)
}

/// The mean of a time over what ended of late.
fn mean_ms(server: Of<'_>, time: ServerTime) -> Option<f64> {
    let [sum, count, _] = time.names();
    let ((sum, _), (count, _)) = (server.grown(sum)?, server.grown(count)?);
    (count > 0.0).then(|| sum / count * 1e3)
}
