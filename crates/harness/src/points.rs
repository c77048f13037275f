//! From settings to the points of a plan: which cells there are, and in which order they are measured.

use crate::{Order, Server, Settings, shape::Shape};

/// A target, a workload and a load, by their places in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) target: usize,
    pub(crate) workload: usize,
    pub(crate) load: usize,
}

/// Every cell, in the order of the settings: a point's `cell` is its place here.
pub(crate) fn cells(settings: &Settings) -> Vec<Cell> {
    let mut cells = Vec::new();
    for target in 0..settings.targets.len() {
        for workload in 0..settings.workloads.len() {
            for load in 0..settings.loads.len() {
                cells.push(Cell { target, workload, load });
            }
        }
    }
    cells
}

/// What a request of a cell holds; `None` where a file says it.
pub(crate) fn shape(settings: &Settings, cell: Cell) -> Option<Shape> {
    let is_synthetic = settings.input.is_none();
    let shape = || Shape::of(&settings.workloads[cell.workload], settings.targets[cell.target].api);
    is_synthetic.then(shape)
}

/// What a request of a cell holds, in words: `ISL 1024 OSL 128`, after its name where it has one. `None` where a
/// file says it.
pub(crate) fn shape_words(settings: &Settings, cell: Cell) -> Option<String> {
    let shape = shape(settings, cell)?;
    // Those of a matrix have their lengths for a name.
    let workload = &settings.workloads[cell.workload];
    let name = workload.label.as_ref().filter(|_| workload.category.is_none());
    let more = match (&settings.random, &settings.talks) {
        (Some((corpus, _)), _) => format!(" of {corpus}"),
        (None, Some(talks)) => talks.words(&shape),
        (None, None) => String::new(),
    };
    Some(name.map_or_else(|| format!("{shape}{more}"), |name| format!("{name}, {shape}{more}")))
}

/// Why a cell cannot be measured with a context of so many tokens.
pub(crate) fn beyond(settings: &Settings, cell: Cell, context: u32) -> Option<String> {
    let shape = shape(settings, cell)?;
    let Some(talks) = &settings.talks else { return shape.beyond_context(context) };
    let tokens = talks.tokens(&shape);
    (tokens > f64::from(context))
        .then(|| format!("conversations of {tokens:.0} tokens are beyond the context of {context}"))
}

/// Why a cell cannot be measured, as far as settings tell how long the context of its model is.
pub(crate) fn beyond_known_context(settings: &Settings, cell: Cell) -> Option<String> {
    let target = &settings.targets[cell.target];
    let simulated = match &target.server {
        Server::Simulator(config) => Some(config.context_length),
        Server::Find | Server::At(_) | Server::Up(_) => None,
    };
    let context = target.context_length.or(simulated)?;
    beyond(settings, cell, context)
}

/// The places of `cells` in the order in which they are measured, each with its repeat.
///
/// Interleaved, all targets of a pass go through the same workload and load one after the other, and who
/// goes first alternates from repeat to repeat: what changes with time, such as a machine that heats up,
/// then hits all alike (ABBA). Passes are never interleaved: between two of them a server may have to be
/// started anew.
pub(crate) fn order(settings: &Settings, cells: &[Cell]) -> Vec<(usize, u32)> {
    let mut order: Vec<(usize, u32)> = (0..cells.len())
        .flat_map(|cell| (0..settings.repeats.most.get()).map(move |repeat| (cell, repeat)))
        .collect();
    if settings.order == Order::Interleaved {
        order.sort_by_key(|(place, repeat)| {
            let cell = cells[*place];
            let turn = if repeat % 2 == 0 { cell.target } else { usize::MAX - cell.target };
            (pass(settings, cell.target), *repeat, cell.workload, cell.load, turn)
        });
    }
    order
}

/// Which pass over its server a target is, from 0. A server that is started for the run is measured by itself, after
/// those that are there anyway: two at a time would share GPUs that each has alone otherwise.
fn pass(settings: &Settings, target: usize) -> usize {
    let this = &settings.targets[target];
    if matches!(this.server, Server::Up(_)) {
        return settings.targets.len() + target;
    }
    let earlier = settings.targets[..target].iter();
    match this.pass {
        Some(_) => earlier.filter(|other| other.pass.is_some() && other.name == this.name).count(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use super::*;
    use crate::{LoadSettings, Repeats, TargetSettings};

    /// Targets by name and pass, two loads, two repeats.
    fn settings(targets: &[(&str, Option<&str>)], order: Order) -> Settings {
        let target = |(name, pass): &(&str, Option<&str>)| TargetSettings {
            name: Some((*name).to_owned()),
            pass: pass.map(str::to_owned),
            ..TargetSettings::new(Server::Find)
        };
        let load = |n| LoadSettings::concurrency(NonZeroUsize::new(n).unwrap());
        Settings {
            targets: targets.iter().map(target).collect(),
            loads: vec![load(1), load(8)],
            repeats: Repeats { most: NonZeroU32::new(2).unwrap(), converge: None },
            order,
            ..Settings::new()
        }
    }

    /// The order in letters and numbers: `a0` is the first target under the first load.
    fn in_words(settings: &Settings) -> String {
        let cells = cells(settings);
        let word = |(place, repeat): (usize, u32)| {
            let Cell { target, load, .. } = cells[place];
            let letter = char::from(b'a' + u8::try_from(target).unwrap());
            format!("{letter}{load}.{repeat}")
        };
        order(settings, &cells).into_iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn targets_take_turns_at_going_first() {
        let both = [("a", None), ("b", None)];
        assert_eq!(
            in_words(&settings(&both, Order::Interleaved)),
            "a0.0 b0.0 a1.0 b1.0 b0.1 a0.1 b1.1 a1.1"
        );
        assert_eq!(
            in_words(&settings(&both, Order::InOrder)),
            "a0.0 a0.1 a1.0 a1.1 b0.0 b0.1 b1.0 b1.1"
        );
    }

    #[test]
    fn a_pass_ends_before_the_next_begins() {
        let passes = [("a", Some("default")), ("a", Some("nvfp4")), ("c", Some("default"))];
        let words = in_words(&settings(&passes, Order::Interleaved));
        assert_eq!(words, "a0.0 c0.0 a1.0 c1.0 c0.1 a0.1 c1.1 a1.1 b0.0 b1.0 b0.1 b1.1");
    }
}
