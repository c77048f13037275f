//! What the server said of itself.

use bench_core::{ServerTime, reading};

use super::{Items, Watched, mean_and_max, present};
use crate::{
    console::{Page, number::percent},
    telemetry::mean,
};

pub(super) fn lines(watched: &Watched<'_>, page: &Page) -> Vec<Items> {
    present([
        ("Requests", requests(watched, page)),
        ("KV cache", cache(watched)),
        ("Speculation", speculation(watched, page)),
        ("Means, ms", times(watched, page)),
    ])
}

fn requests(watched: &Watched<'_>, page: &Page) -> Vec<String> {
    let gauge = |name, words: &str| {
        let said = mean_and_max(watched.seen.first(name), |value| page.tokens(value))?;
        Some(format!("{words} {said}"))
    };
    let counted = |name, words: &str| {
        let counted = watched.seen.increase(name)?;
        Some(format!("{} {words}", page.tokens(counted)))
    };
    let items = [
        gauge(reading::SERVER_RUNNING, "running"),
        gauge(reading::SERVER_WAITING, "waiting"),
        counted(reading::SERVER_PREEMPTIONS, "preemptions"),
        counted(reading::SERVER_REQUESTS_ABORTED, "aborted").filter(|text| !text.starts_with("0 ")),
    ];
    items.into_iter().flatten().collect()
}

fn cache(watched: &Watched<'_>) -> Vec<String> {
    let seen = watched.seen;
    let used = mean_and_max(seen.first(reading::SERVER_KV_CACHE_RATIO), percent);
    // The counters tell of the window; the gauge of what the server thinks recent.
    let counted = seen
        .share(reading::SERVER_PREFIX_HIT_TOKENS, reading::SERVER_PREFIX_QUERIED_TOKENS)
        .or_else(|| seen.share(reading::SERVER_CACHED_TOKENS, reading::SERVER_PROMPT_TOKENS));
    let said = seen.first(reading::SERVER_PREFIX_HIT_RATIO).and_then(mean);
    let hits = match (counted, said) {
        (Some(ratio), _) => Some(format!("prefix hits {}", percent(ratio))),
        (None, said) => said.map(|ratio| format!("prefix hits {} by its gauge", percent(ratio))),
    };
    used.into_iter().chain(hits).collect()
}

fn speculation(watched: &Watched<'_>, page: &Page) -> Vec<String> {
    let seen = watched.seen;
    // A step yields the token of the model, and what it accepted of the draft.
    let counted = seen
        .share(reading::SERVER_ACCEPTED_TOKENS, reading::SERVER_DRAFTS)
        .map(|accepted| format!("{} tokens a step", page.number(1.0 + accepted)));
    let said = |name| seen.first(name).and_then(mean);
    let length = counted.or_else(|| {
        let said = said(reading::SERVER_ACCEPTANCE_LENGTH).filter(|length| *length > 0.0)?;
        Some(format!("{} tokens a step by its gauge", page.number(said)))
    });
    let counted = seen
        .share(reading::SERVER_ACCEPTED_TOKENS, reading::SERVER_DRAFT_TOKENS)
        .map(|ratio| format!("{} of draft tokens accepted", percent(ratio)));
    let ratio = counted.or_else(|| {
        let said = said(reading::SERVER_ACCEPTANCE_RATIO).filter(|_| length.is_some())?;
        Some(format!("{} of draft tokens accepted by its gauge", percent(said)))
    });
    length.into_iter().chain(ratio).collect()
}

/// Means of what the server measured of each request, where it tells distributions.
fn times(watched: &Watched<'_>, page: &Page) -> Vec<String> {
    let words = |time| match time {
        ServerTime::Ttft => "TTFT",
        ServerTime::Itl => "ITL",
        ServerTime::Tpot => "TPOT",
        ServerTime::E2e => "E2E",
        ServerTime::Queue => "queue",
        ServerTime::Prefill => "prefill",
        ServerTime::Decode => "decode",
    };
    let item = |time: ServerTime| {
        let [sum, count, _] = time.names();
        let mean_s = watched.seen.share(sum, count)?;
        Some(format!("{} {}", words(time), page.number(mean_s * 1e3)))
    };
    ServerTime::ALL.into_iter().filter_map(item).collect()
}
