//! What an experiment will take, told before anything is started.

use std::time::Duration;

use bench_core::Until;

use crate::{
    LoadSettings, Server, Settings, TargetSettings, loads,
    points::{self, Cell},
    shape::Shape,
};

/// What an experiment will take. Numbers are those of the whole plan, less what is known to be beyond a model's
/// context: what is skipped or found to be pointless only while it runs is in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Points, in order of measurement; of a search, one for each load that may be probed.
    pub points: Vec<PointEstimate>,
    /// What cannot be measured, and why, in words.
    pub skipped: Vec<String>,
    /// How long it takes, pauses included.
    pub duration: Duration,
    /// Whether that rests on [`PACE`], because it is for the server to say how long requests take.
    pub is_guess: bool,
}

/// What a point will take.
#[derive(Clone, Debug, PartialEq)]
pub struct PointEstimate {
    /// Its target, as the plan calls it.
    pub target: String,
    /// What is sent.
    pub workload: String,
    /// When it is sent, in a few words.
    pub load: String,
    /// Which repeat it is, from 0.
    pub repeat: u32,
    /// Requests, warm-up included; absent where only a time ends it.
    pub requests: Option<u64>,
    /// Tokens of their prompts.
    pub input_tokens: Option<u64>,
    /// Tokens of their answers.
    pub output_tokens: Option<u64>,
    /// How long it takes.
    pub duration: Duration,
}

/// How long requests are taken to last where nobody knows: 100 ms to the first token, then 10 ms each.
pub const PACE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(10));

impl Estimate {
    /// What `settings` ask for. Nothing is looked up.
    pub fn of(settings: &Settings) -> Self {
        let cells = points::cells(settings);
        let mut is_guess = false;
        let mut estimate = |(place, repeat): (usize, u32)| {
            let (point, guessed) = point(settings, cells[place], repeat);
            is_guess |= guessed;
            point
        };
        let beyond = |cell: &Cell| {
            let why = points::beyond_known_context(settings, *cell)?;
            let workload = workload_words(settings, *cell);
            let target = target_words(&settings.targets[cell.target]);
            Some(format!("{workload} of {target}: {why}"))
        };
        let mut skipped: Vec<String> = cells.iter().filter_map(beyond).collect();
        // A workload is beyond the context under every load alike.
        skipped.dedup();
        let order = points::order(settings, &cells).into_iter();
        let order = order.filter(|(place, _)| beyond(&cells[*place]).is_none());
        let points: Vec<PointEstimate> = order.map(&mut estimate).collect();
        let pauses = u32::try_from(points.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let measured = points.iter().map(|point| point.duration);
        let measured = measured.fold(Duration::ZERO, Duration::saturating_add);
        let duration = measured.saturating_add(settings.cool_down.saturating_mul(pauses));
        Self { points, skipped, duration, is_guess }
    }

    /// Requests of all points; absent where only a time ends one of them.
    pub fn requests(&self) -> Option<u64> {
        sum(self.points.iter().map(|point| point.requests))
    }

    /// Tokens of all prompts and of all answers; absent where requests are.
    pub fn tokens(&self) -> Option<(u64, u64)> {
        let input = sum(self.points.iter().map(|point| point.input_tokens))?;
        let output = sum(self.points.iter().map(|point| point.output_tokens))?;
        Some((input, output))
    }
}

/// Their sum, or as much as there are numbers for; `None` if one of them is.
fn sum(mut numbers: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    numbers.try_fold(0_u64, |sum, number| Some(sum.saturating_add(number?)))
}

/// `duration` times `factor`, or as long as a duration can be.
fn times(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// A point, and whether its duration is a guess.
fn point(settings: &Settings, cell: Cell, repeat: u32) -> (PointEstimate, bool) {
    let (load, shape) = (&settings.loads[cell.load], points::shape(settings, cell));
    let workload = workload_words(settings, cell);
    let until = loads::until(settings, load);
    let warm_up = loads::warm_up(settings, load).map(|warm_up| warm_up.until);
    let measured = loads::requests(settings, load);
    let warming = warm_up.map_or(Some(0), |until| until.requests);
    let requests = sum([measured, warming].into_iter());
    // A file is read only when it is needed.
    let isl = shape.as_ref().map(Shape::input_tokens);
    let osl = shape.as_ref().map(Shape::output_tokens);
    let tokens = |each: Option<f64>| Some(loads::ceil(requests? as f64 * each?));
    let lasts = PACE.0.saturating_add(times(PACE.1, osl.unwrap_or(0.0)));
    let (main, guessed) = phase(load, until, measured, lasts);
    let concurrency = LoadSettings::concurrency(loads::width(load));
    let (warm, _) = warm_up
        .map_or((Duration::ZERO, false), |until| phase(&concurrency, until, until.requests, lasts));
    let estimate = PointEstimate {
        target: target_words(&settings.targets[cell.target]),
        workload,
        load: loads::describe(load),
        repeat,
        requests,
        input_tokens: tokens(isl),
        output_tokens: tokens(osl),
        duration: main.saturating_add(warm),
    };
    (estimate, guessed)
}

/// What is sent, in a few words.
fn workload_words(settings: &Settings, cell: Cell) -> String {
    let source = || settings.input.as_ref().map(|input| input.source.to_string());
    points::shape_words(settings, cell).or_else(source).unwrap_or_default()
}

/// A target as the plan calls it.
fn target_words(asked: &TargetSettings) -> String {
    let by_server = || match &asked.server {
        Server::Simulator(_) => "simulator".to_owned(),
        Server::At(endpoint) => endpoint.to_string(),
        Server::Find => "what is found".to_owned(),
        Server::Up(up) => format!("{} {}", up.recipe.engine(), up.asked.model),
    };
    let name = asked.name.clone().or_else(|| asked.model.clone()).unwrap_or_else(by_server);
    match &asked.pass {
        Some(pass) => format!("{name} ({pass})"),
        None => name,
    }
}

/// How long a phase takes, and whether that is a guess.
fn phase(
    load: &LoadSettings,
    until: Until,
    requests: Option<u64>,
    each: Duration,
) -> (Duration, bool) {
    let by_count = |requests: u64| match load {
        LoadSettings::Closed { concurrency, .. } => {
            times(each, requests as f64 / concurrency.get() as f64)
        }
        LoadSettings::Open { curve, .. } => {
            times(Duration::from_secs(1), requests as f64 / curve.peak().as_f64())
        }
        LoadSettings::Trace { timestamps, speed_up, .. } => {
            let ends = timestamps.iter().max().zip(timestamps.iter().min());
            ends.map_or(Duration::ZERO, |(last, first)| {
                times(last.saturating_sub(*first), 1.0 / speed_up)
            })
        }
        // Known once the file is read.
        LoadSettings::Recorded { .. } => Duration::ZERO,
    };
    let counted = requests.map(by_count);
    let is_closed = matches!(load, LoadSettings::Closed { .. } | LoadSettings::Recorded { .. });
    match (counted, until.duration) {
        (Some(counted), Some(most)) => (counted.min(most), is_closed && counted < most),
        (Some(counted), None) => (counted, is_closed),
        (None, Some(most)) => (most, false),
        // A file's end is not known before.
        (None, None) => (Duration::ZERO, true),
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use bench_core::{Arrivals, Rate};

    use bench_workloads::Length;

    use super::*;
    use crate::{Repeats, WorkloadSettings};

    fn concurrency(n: usize) -> LoadSettings {
        LoadSettings::concurrency(NonZeroUsize::new(n).unwrap())
    }

    #[test]
    fn requests_and_tokens_are_counted_over_all_points() {
        let settings = Settings {
            targets: vec![TargetSettings::new(Server::Find), TargetSettings::new(Server::Find)],
            loads: vec![concurrency(1), concurrency(8)],
            repeats: Repeats { most: NonZeroU32::new(3).unwrap(), converge: None },
            ..Settings::new()
        };
        let estimate = Estimate::of(&settings);
        assert_eq!(estimate.points.len(), 12);
        // 100 and 160 measured, 4 and 8 to warm up.
        let each = 104 + 168;
        assert_eq!(estimate.requests(), Some(6 * each));
        assert_eq!(estimate.tokens(), Some((6 * each * 1_024, 6 * each * 128)));
        assert!(estimate.is_guess);
        // 1.38 s a request: 104 one by one, 168 by eight; eleven pauses of 2 s.
        let seconds = 6.0 * 1.38 * (104.0 + 21.0) + 22.0;
        assert!((estimate.duration.as_secs_f64() - seconds).abs() < 1e-6, "{estimate:?}");
    }

    #[test]
    fn what_is_known_to_be_beyond_the_context_is_skipped() {
        let isl = |isl| WorkloadSettings { isl: Length::fixed(isl).unwrap(), ..Default::default() };
        let context_length = Some(1_000);
        let known = TargetSettings { context_length, ..TargetSettings::new(Server::Find) };
        let settings = Settings {
            targets: vec![known, TargetSettings::new(Server::Find)],
            workloads: vec![isl(100), isl(2_000)],
            loads: vec![concurrency(1), concurrency(8)],
            ..Settings::new()
        };
        let estimate = Estimate::of(&settings);
        assert_eq!(estimate.points.len(), 6, "where nothing is known, nothing is skipped");
        let why = "ISL 2000 + OSL 128 tokens are beyond the context of 1000";
        assert_eq!(estimate.skipped, [format!("ISL 2000 OSL 128 of what is found: {why}")]);
    }

    #[test]
    fn no_number_is_too_large() {
        let loads = [
            concurrency(1),
            LoadSettings::Open {
                curve: Rate::per_second(0.000_001).unwrap().into(),
                arrivals: Arrivals::Constant,
                max_in_flight: None,
            },
            LoadSettings::Trace {
                timestamps: vec![Duration::ZERO, Duration::from_secs(1)],
                speed_up: 1e-300,
                max_in_flight: None,
            },
        ];
        for load in loads {
            let settings =
                Settings { loads: vec![load], requests: Some(u64::MAX), ..Settings::new() };
            assert!(Estimate::of(&settings).duration > Duration::from_secs(1 << 40));
        }
    }

    #[test]
    fn what_ends_at_a_time_is_no_guess() {
        let duration = Some(Duration::from_secs(60));
        let settings = Settings { duration, warm_up: Some(0), ..Settings::new() };
        let estimate = Estimate::of(&settings);
        assert_eq!((estimate.requests(), estimate.is_guess), (None, false));
        assert_eq!(estimate.duration, Duration::from_secs(60));
    }
}
