//! The host that was watched, and inferbench itself.

use bench_core::reading;

use super::{Items, Watched, gib, mean_and_max, present};
use crate::{
    console::{Page, number::percent},
    telemetry::statistic,
};

pub(super) fn lines(watched: &Watched<'_>, page: &Page) -> Vec<Items> {
    present([("Host", host(watched, page)), ("Client", client(watched, page))])
}

fn host(watched: &Watched<'_>, page: &Page) -> Vec<String> {
    let seen = watched.seen;
    let most = |name| seen.first(name).and_then(|series| statistic(series, "max"));
    let cpu = mean_and_max(seen.first(reading::HOST_CPU_RATIO), percent);
    let used = most(reading::HOST_MEMORY_USED_BYTES).map(|bytes| gib(bytes, page));
    let memory = used.map(|used| match most(reading::HOST_MEMORY_TOTAL_BYTES) {
        Some(total) => format!("memory {used} of {} GiB", gib(total, page)),
        None => format!("memory {used} GiB"),
    });
    let swap = most(reading::HOST_SWAP_USED_BYTES).filter(|bytes| *bytes > 0.0);
    let moved = |name, words: &str| {
        let mb = seen.increase(name)? / 1e6;
        Some(format!("{} MB {words}", page.number(mb)))
    };
    let items = [
        cpu.map(|cpu| format!("CPU {cpu}")),
        memory,
        swap.map(|bytes| format!("swap {} GiB", gib(bytes, page))),
        moved(reading::HOST_NETWORK_SENT_BYTES, "sent"),
        moved(reading::HOST_NETWORK_RECEIVED_BYTES, "received"),
        seen.increase(reading::HOST_NETWORK_DROPPED)
            .filter(|packets| *packets > 0.0)
            .map(|packets| format!("{} packets dropped", page.tokens(packets))),
    ];
    items.into_iter().flatten().collect()
}

/// What inferbench used; nothing where no source watches it.
fn client(watched: &Watched<'_>, page: &Page) -> Vec<String> {
    let seen = watched.seen;
    let is_watched = seen.named(reading::CLIENT_CPU_S).next().is_some();
    let cores = watched.client_cores.filter(|_| is_watched);
    let most = |name| seen.first(name).and_then(|series| statistic(series, "max"));
    let items = [
        cores.map(|cores| format!("{} cores", page.number(cores))),
        most(reading::CLIENT_MEMORY_BYTES)
            .map(|bytes| format!("memory {} GiB at most", gib(bytes, page))),
        most(reading::CLIENT_FILES)
            .map(|files| format!("{} files open at most", page.tokens(files))),
    ];
    items.into_iter().flatten().collect()
}
