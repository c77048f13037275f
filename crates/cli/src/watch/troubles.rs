//! What cannot be read, and why; what went wrong.

use std::collections::BTreeMap;

use ratatui::text::Line;

use super::{
    page::{View, ago, heading},
    state::{Instance, State, Told},
};

/// How many values cannot be read, and how many sources or GPUs are in trouble.
pub(super) fn count(state: &State, view: &View) -> (usize, usize) {
    let missing = state.told().map(|(_, told)| told.absent.len()).sum();
    let failing =
        state.told().map(|(_, told)| told.lost.len() + usize::from(told.failed.is_some()));
    (missing, failing.sum::<usize>() + view.missing.len())
}

/// All of it as lines, for a page that has no end.
pub(super) fn lines(state: &State, view: &View, width: usize) -> Vec<Line<'static>> {
    let all = all(state, view);
    if all.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![heading(view.marks, "Not read", width)];
    lines.extend(all.into_iter().flat_map(|text| wrapped(&text, width)).map(Line::raw));
    lines
}

/// The page of help, scrolled, in `height` rows.
pub(super) fn page(
    state: &State,
    view: &View,
    width: usize,
    height: Option<usize>,
) -> Vec<Line<'static>> {
    let marks = view.marks;
    let dash = marks.dash();
    let mut lines = vec![heading(marks, "Keys", width)];
    lines.extend(
        [
            "q, Esc, Ctrl-C  quit                  space      freeze the page",
            "?               this page, and back   up, down   scroll",
        ]
        .map(Line::raw),
    );
    lines.push(heading(marks, &format!("What a {dash} stands for"), width));
    let all = all(state, view);
    if all.is_empty() {
        lines.push(Line::raw("Everything that is asked for can be read."));
    }
    lines.extend(all.into_iter().flat_map(|text| wrapped(&text, width)).map(Line::raw));
    if let Some(height) = height {
        let most = lines.len().saturating_sub(height);
        lines.drain(..view.scrolled.min(most));
        lines.truncate(height);
    }
    lines
}

fn all(state: &State, view: &View) -> Vec<String> {
    let mut all = view.missing.clone();
    for (source, told) in state.told() {
        let of = |instance: &Instance| match instance {
            Some(instance) => format!("{source} {instance}"),
            None => source.to_string(),
        };
        all.extend(told.failed.iter().map(|why| format!("{source} cannot be read: {why}")));
        all.extend(
            told.lost.iter().map(|(instance, why)| format!("{} is lost: {why}", of(instance))),
        );
        all.extend(absent(source, told));
        all.extend(
            told.happened
                .iter()
                .rev()
                .map(|(at, what)| format!("{source}, {} ago: {what}", ago(state.now.since(*at)))),
        );
    }
    all
}

/// What `source` cannot read, in a line for all that has the same reason and is of the same instances.
fn absent(source: &str, told: &Told) -> Vec<String> {
    let mut of = BTreeMap::<_, Vec<&str>>::new();
    for ((instance, name), why) in &told.absent {
        of.entry((why, name)).or_default().extend(instance.as_deref());
    }
    let mut names = BTreeMap::<_, Vec<&str>>::new();
    for ((why, name), instances) in of {
        names.entry((why, instances)).or_default().push(name);
    }
    let line = |((why, instances), names): ((&String, Vec<&str>), Vec<&str>)| {
        let of = format!("{source} {}", instances.join(", "));
        format!("{} of {}: {why}", names.join(", "), of.trim_end())
    };
    names.into_iter().map(line).collect()
}

/// `text` in lines of at most `width` columns, further ones indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(format!("  {word}"));
        } else if let Some(line) = lines.last_mut() {
            if last > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
