//! What is seen while a server comes up: a line that changes on a terminal, else a line for each step.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bench_core::Stop;
use bench_harness::{Hooks, Progress};
use bench_report::text::clean;
use indicatif::ProgressBar;

use crate::{
    args::Ui,
    output,
    progress::{bar, show_again},
};

/// Tells people on standard error how servers come up; nothing with `Ui::None`.
pub(crate) fn hooks(stop: Stop, ui: Ui) -> Hooks {
    if ui == Ui::None {
        return Hooks::new(stop, |_| {});
    }
    let view = Mutex::new(View::new());
    Hooks::new(stop, move |progress| {
        view.lock().unwrap_or_else(PoisonError::into_inner).show(progress);
    })
}

/// What is fetched from one line to the next, where nobody knows how much there is.
const STEP: u64 = 1_000_000_000;

struct View {
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// What was shown last, where it is shown line by line.
    last: String,
    /// Tenths of the image or the model that were shown.
    tenths: u64,
}

impl View {
    fn new() -> Self {
        let bar = bar("{spinner} {wide_msg} {elapsed}");
        Self { bar, last: String::new(), tenths: 0 }
    }

    fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::Pulling { image, done, total, layers_done, layers } => {
                let amount = match *total {
                    0 => String::new(),
                    total => format!(
                        ": {} of {}, {layers_done} of {layers} layers",
                        bytes(*done),
                        bytes(total)
                    ),
                };
                let tenths = done.saturating_mul(10) / (*total).max(1);
                let is_step = tenths != self.tenths || self.last.is_empty();
                self.tenths = tenths;
                image.clone_into(&mut self.last);
                self.step(&format!("pulling {image}{amount}"), is_step);
            }
            Progress::Downloading { what, done, total } => {
                let of = total.map_or_else(String::new, |total| format!(" of {}", bytes(total)));
                let steps =
                    total.map_or(done / STEP, |total| done.saturating_mul(10) / total.max(1));
                let is_step = steps != self.tenths || self.last.is_empty();
                self.tenths = steps;
                what.clone_into(&mut self.last);
                self.step(&format!("fetching {what}: {}{of}", bytes(*done)), is_step);
            }
            Progress::Started { name, url } => self.note(&format!("started {name} at {url}")),
            Progress::Milestone { stage, share } => {
                let share =
                    share.map_or_else(String::new, |share| format!(" {:.0} %", share * 100.0));
                let is_step = !self.last.starts_with(stage);
                self.step(&format!("{stage}{share}"), is_step);
                (*stage).clone_into(&mut self.last);
            }
            Progress::Held(why) => self.note(why),
            Progress::Waiting(why) if self.bar.is_some() && self.last.is_empty() => {
                self.step(why, false);
            }
            Progress::Ready { took } => {
                self.end();
                self.note(&format!("ready after {:.1} s", took.as_secs_f64()));
            }
            Progress::Stopping { name } => self.step(&format!("stopping {name}"), false),
            Progress::Gone { name } => {
                self.end();
                self.note(&format!("{name} is gone"));
            }
            _ => {}
        }
    }

    /// Something that changes; a line of its own only if `is_step`.
    fn step(&mut self, text: &str, is_step: bool) {
        let text = clean(text);
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                show_again(bar);
                bar.enable_steady_tick(Duration::from_millis(250));
            }
            None if is_step => output::say(&text),
            None => {}
        }
    }

    /// Something that stays.
    fn note(&mut self, text: &str) {
        let text = clean(text);
        match &self.bar {
            Some(bar) => bar.suspend(|| output::say(&text)),
            None => output::say(&text),
        }
        self.last.clear();
        self.tenths = 0;
    }

    fn end(&mut self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
    }
}

/// As Docker and registries tell sizes.
pub(crate) fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        _ if bytes >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        _ if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.0} kB", bytes / 1e3),
    }
}
