//! The hosts, and this process.

use bench_core::reading;
use bench_report::console::significant;
use ratatui::text::Line;

use super::{
    page::{View, heading, percent, shown, used_of},
    state::{Of, State},
};
use crate::term::Row;

pub(super) fn lines(state: &State, view: &View, width: usize) -> Vec<Line<'static>> {
    let marks = view.marks;
    let hosts = state.sources_of("host_");
    let mut lines = vec![heading(marks, if hosts.len() > 1 { "Hosts" } else { "Host" }, width)];
    if hosts.is_empty() {
        let row = Row::default().with(marks.dash(), marks.faint());
        lines.push(row.with("no host is read", marks.faint()).line(width));
    }
    for host in hosts {
        lines.push(load(host, view, width));
        lines.push(traffic(host, view, width));
    }
    lines.extend(state.sources_of("client_").first().map(|client| this(*client, view, width)));
    lines
}

fn load(host: Of<'_>, view: &View, width: usize) -> Line<'static> {
    let marks = view.marks;
    let cpu = shown(marks, host.value(reading::HOST_CPU_RATIO), percent);
    let memory =
        used_of(marks, host, reading::HOST_MEMORY_USED_BYTES, reading::HOST_MEMORY_TOTAL_BYTES);
    let swap = shown(marks, host.value(reading::HOST_SWAP_USED_BYTES), |swap| {
        format!("{} GiB", super::page::gib(swap))
    });
    let mut row = Row::default();
    if let Some(name) = host.host() {
        row = row.with(marks.cut(name, 12), marks.strong());
    }
    row.with(format!("CPU {cpu:>5}"), marks.strong())
        .and(marks.spark(&host.curve(reading::HOST_CPU_RATIO, 10), 1.0), marks.curve())
        .with(format!("memory {memory:>13}"), marks.faint())
        .with(format!("swap {swap}"), marks.faint())
        .line(width)
}

fn traffic(host: Of<'_>, view: &View, width: usize) -> Line<'static> {
    let marks = view.marks;
    let rate = |name: &'static str| {
        // What goes to this very host and back is no traffic.
        let all = host.instances(name).into_iter();
        let rates =
            all.filter(|of| of.instance.as_deref() != Some("lo")).filter_map(|of| of.rate(name));
        let rate = rates.reduce(|sum, rate| sum + rate);
        shown(marks, rate, |rate| significant(rate / 1e6, marks.look))
    };
    let waits = |name| shown(marks, host.rate(name), percent);
    Row::default()
        .with(
            format!(
                "net MB/s out {:>4} in {:>4}",
                rate(reading::HOST_NETWORK_SENT_BYTES),
                rate(reading::HOST_NETWORK_RECEIVED_BYTES)
            ),
            marks.faint(),
        )
        .with(
            format!(
                "disk MB/s read {:>4} write {:>4}",
                rate(reading::HOST_DISK_READ_BYTES),
                rate(reading::HOST_DISK_WRITTEN_BYTES)
            ),
            marks.faint(),
        )
        .with_rank(
            1,
            format!("stalled for CPU {}", waits(reading::HOST_CPU_PRESSURE_S)),
            marks.faint(),
        )
        .line(width)
}

fn this(client: Of<'_>, view: &View, width: usize) -> Line<'static> {
    let marks = view.marks;
    let whole = |name| shown(marks, client.value(name), |value| format!("{value:.0}"));
    let memory = client.value(reading::CLIENT_MEMORY_BYTES);
    let memory = shown(marks, memory, |bytes| format!("{:.0} MiB", bytes / f64::from(1 << 20)));
    let cpu = shown(marks, client.rate(reading::CLIENT_CPU_S), percent);
    Row::default()
        .with("this process", marks.faint())
        .with(format!("{cpu} of a core"), marks.faint())
        .with(memory, marks.faint())
        .with(format!("{} files", whole(reading::CLIENT_FILES)), marks.faint())
        .with(format!("{} threads", whole(reading::CLIENT_THREADS)), marks.faint())
        .line(width)
}
