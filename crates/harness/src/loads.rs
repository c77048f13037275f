//! From settings to when requests are sent: schedules, ends, warm-ups, and what they take.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bench_core::{Arrivals, Load, Paced, RateCurve, Schedule, Trace, Until, WarmUp};

use crate::{Code, Failure, LoadSettings, Settings};

/// Arrivals that are drawn at random, each of which is a number in memory.
const MOST_ARRIVALS: u64 = 20_000_000;
/// How long a rate is measured where nobody says.
const DURATION_AT_A_RATE: Duration = Duration::from_secs(20);
/// The fewest requests that are measured where nobody says.
const LEAST_REQUESTS: u64 = 100;
/// Requests in flight in the warm-up of an open loop, and their number.
const WARM_UP_AT_A_RATE: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not 0");

/// When the measured phase ends. At a rate, a number of requests beyond those of the duration is none.
pub(crate) fn until(settings: &Settings, load: &LoadSettings) -> Until {
    let given = Until { requests: settings.requests, duration: settings.duration };
    // A file that goes on and on without a bound is stopped by the user.
    if given != Until::default() || settings.input.is_some() {
        return given;
    }
    match load {
        LoadSettings::Closed { concurrency, .. } => {
            Until::requests((concurrency.get() as u64).saturating_mul(20).max(LEAST_REQUESTS))
        }
        LoadSettings::Open { curve: RateCurve::Constant(rate), .. } => {
            let arrivals = rate.as_f64() * DURATION_AT_A_RATE.as_secs_f64();
            Until::requests(ceil(arrivals).max(LEAST_REQUESTS))
        }
        LoadSettings::Open { curve, .. } => {
            Until::duration(curve.settles_at().saturating_add(DURATION_AT_A_RATE))
        }
        // A trace has an end of its own.
        LoadSettings::Trace { .. } | LoadSettings::Recorded { .. } => Until::default(),
    }
}

/// The phase before the measured one. At a rate, a server is warmed by a few requests at a time: a schedule
/// would only take longer.
pub(crate) fn warm_up(settings: &Settings, load: &LoadSettings) -> Option<WarmUp> {
    let concurrency = width(load);
    let duration = settings.warm_up_duration;
    let by_itself = || duration.is_none().then(|| (concurrency.get() as u64).max(4));
    let requests = settings.warm_up.or_else(by_itself);
    let nothing = requests == Some(0) || duration == Some(Duration::ZERO);
    (!nothing)
        .then(|| WarmUp { load: Load::closed(concurrency), until: Until { requests, duration } })
}

/// Requests in flight in the warm-up of `load`.
pub(crate) fn width(load: &LoadSettings) -> NonZeroUsize {
    match load {
        LoadSettings::Closed { concurrency, .. } => *concurrency,
        LoadSettings::Open { .. } | LoadSettings::Trace { .. } | LoadSettings::Recorded { .. } => {
            WARM_UP_AT_A_RATE
        }
    }
}

/// How much a load is: users or requests per second at its peak.
pub(crate) fn size(load: &LoadSettings) -> f64 {
    match load {
        LoadSettings::Closed { concurrency, .. } => concurrency.get() as f64,
        LoadSettings::Open { curve, .. } => curve.peak().as_f64(),
        LoadSettings::Trace { speed_up, .. } | LoadSettings::Recorded { speed_up, .. } => *speed_up,
    }
}

/// A load in a few words.
pub(crate) fn describe(load: &LoadSettings) -> String {
    match load {
        LoadSettings::Closed { concurrency, .. } => format!("concurrency {concurrency}"),
        LoadSettings::Open { curve, arrivals, .. } => format!("{curve}, {arrivals}"),
        LoadSettings::Trace { timestamps, .. } => format!("trace of {}", timestamps.len()),
        LoadSettings::Recorded { .. } => "as recorded".to_owned(),
    }
}

/// When requests are sent; `seed` is that of random arrivals.
pub(crate) fn load(settings: &Settings, load: &LoadSettings, seed: u64) -> Result<Load, Failure> {
    let (schedule, max_in_flight): (Arc<dyn Schedule>, _) = match load {
        LoadSettings::Closed { concurrency, counts, ramp } => {
            let (concurrency, counts, ramp) = (*concurrency, *counts, *ramp);
            return Ok(Load::Closed { concurrency, counts, ramp });
        }
        LoadSettings::Open { curve, arrivals, max_in_flight } => {
            let count = arrivals_in(settings, load, curve, *arrivals)?;
            (Arc::new(Paced::new(curve.clone(), *arrivals, seed, count)), max_in_flight)
        }
        // Known once the file is read.
        LoadSettings::Recorded { max_in_flight, .. } => {
            let nothing = Trace::new(&[], 1.0);
            (
                Arc::new(nothing.map_err(|error| Failure::new(Code::Bug, error.to_string()))?),
                max_in_flight,
            )
        }
        LoadSettings::Trace { timestamps, speed_up, max_in_flight } => {
            let trace = Trace::new(timestamps, *speed_up).map_err(|error| {
                Failure::new(Code::Setting, "the trace cannot be played").said(error.to_string())
            })?;
            (Arc::new(trace), max_in_flight)
        }
    };
    Ok(Load::Open { schedule, max_in_flight: *max_in_flight })
}

/// Arrivals that a schedule must hold.
fn arrivals_in(
    settings: &Settings,
    load: &LoadSettings,
    curve: &RateCurve,
    arrivals: Arrivals,
) -> Result<u64, Failure> {
    let until = until(settings, load);
    let in_time = until.duration.map(|d| Paced::arrivals_in(curve, arrivals, d));
    let wanted = in_time.unwrap_or(u64::MAX).min(until.requests.unwrap_or(u64::MAX));
    let is_drawn = matches!(arrivals, Arrivals::Poisson | Arrivals::Gamma { .. });
    if is_drawn && wanted > MOST_ARRIVALS {
        let what = format!("{wanted} arrivals are too many for one run: at most {MOST_ARRIVALS}");
        let fix = "a lower -n or -d, or --arrival-pattern constant";
        return Err(Failure::new(Code::Setting, what).fix(fix));
    }
    Ok(wanted)
}

/// Checks that every load can be had, before anything is started for it.
pub(crate) fn check(settings: &Settings) -> Result<(), Failure> {
    // Until the file is read, nobody knows how many there are.
    let is_open_ended = |load| {
        let input = settings.input.as_ref();
        input.is_some_and(|input| input.loops.is_none())
            && until(settings, load) == Until::default()
    };
    for load in &settings.loads {
        match load {
            LoadSettings::Open { .. } if is_open_ended(load) => {}
            LoadSettings::Open { curve, arrivals, .. } => {
                arrivals_in(settings, load, curve, *arrivals)?;
            }
            LoadSettings::Closed { .. } | LoadSettings::Trace { .. } => {
                self::load(settings, load, 0)?;
            }
            LoadSettings::Recorded { .. } => {}
        }
    }
    Ok(())
}

/// Requests that a load may have in flight at once.
pub(crate) fn in_flight(load: &LoadSettings) -> u64 {
    match load {
        LoadSettings::Closed { concurrency, .. } => concurrency.get() as u64,
        LoadSettings::Open { max_in_flight: Some(n), .. }
        | LoadSettings::Trace { max_in_flight: Some(n), .. }
        | LoadSettings::Recorded { max_in_flight: Some(n), .. } => n.get() as u64,
        // As many as arrive in ten seconds: nobody knows how long answers take.
        LoadSettings::Open { curve, .. } => at_a_rate(curve.peak().as_f64()),
        LoadSettings::Trace { timestamps, speed_up, .. } => {
            let lasts = timestamps.iter().max().zip(timestamps.iter().min());
            let seconds = lasts.map_or(0.0, |(last, first)| (*last - *first).as_secs_f64());
            at_a_rate(timestamps.len() as f64 / seconds.max(1.0) * speed_up)
        }
        LoadSettings::Recorded { .. } => at_a_rate(0.0),
    }
}

/// Requests in flight at this rate, as far as one can say.
fn at_a_rate(per_second: f64) -> u64 {
    ceil(per_second * 10.0).clamp(64, 4_096)
}

/// The requests that a load sends, as far as they are known before: what a dry run tells.
pub(crate) fn requests(settings: &Settings, load: &LoadSettings) -> Option<u64> {
    let until = until(settings, load);
    let at_a_time = match (load, until.duration) {
        (LoadSettings::Open { curve, .. }, Some(duration)) => {
            Some(Paced::arrivals_in(curve, Arrivals::Constant, duration))
        }
        (LoadSettings::Trace { timestamps, .. }, None) => Some(timestamps.len() as u64),
        _ => None,
    };
    match (until.requests, at_a_time) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

pub(crate) fn ceil(n: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and the callers' numbers are not negative"
    )]
    let n = n.ceil() as u64;
    n
}

#[cfg(test)]
mod tests {
    use bench_core::{Ramp, RampShape, Rate};

    use super::*;

    fn closed(n: usize) -> LoadSettings {
        LoadSettings::concurrency(NonZeroUsize::new(n).unwrap())
    }

    fn open(curve: impl Into<RateCurve>, arrivals: Arrivals) -> LoadSettings {
        LoadSettings::Open { curve: curve.into(), arrivals, max_in_flight: None }
    }

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).unwrap()
    }

    #[test]
    fn each_load_has_an_end_where_nobody_says() {
        let over = Duration::from_secs(60);
        let ramp = Ramp { from: rate(1.0), to: rate(50.0), over, shape: RampShape::Linear };
        let trace = LoadSettings::Trace {
            timestamps: vec![Duration::ZERO; 7],
            speed_up: 1.0,
            max_in_flight: None,
        };
        for (load, expected) in [
            (closed(1), Until::requests(100)),
            (closed(32), Until::requests(640)),
            (open(rate(10.0), Arrivals::Poisson), Until::requests(200)),
            (open(RateCurve::Ramp(ramp), Arrivals::Poisson), Until::duration(over + over / 3)),
            (trace, Until::default()),
        ] {
            assert_eq!(until(&Settings::new(), &load), expected, "{load:?}");
        }
        let settings = Settings { requests: Some(5), ..Settings::new() };
        assert_eq!(until(&settings, &closed(32)), Until::requests(5));
    }

    #[test]
    fn a_warm_up_is_as_wide_as_the_load_or_none() {
        let requests = |settings: &Settings, load| warm_up(settings, &load).map(|w| w.until);
        let settings = Settings::new();
        assert_eq!(requests(&settings, closed(1)), Some(Until::requests(4)));
        assert_eq!(requests(&settings, closed(32)), Some(Until::requests(32)));
        let at_a_rate = open(rate(10.0), Arrivals::Poisson);
        assert_eq!(requests(&settings, at_a_rate), Some(Until::requests(4)));
        let none = Settings { warm_up: Some(0), ..Settings::new() };
        assert_eq!(requests(&none, closed(1)), None);
        let over = Duration::from_secs(3);
        let timed = Settings { warm_up_duration: Some(over), ..Settings::new() };
        assert_eq!(requests(&timed, closed(1)), Some(Until::duration(over)));
    }

    #[test]
    fn more_arrivals_than_fit_are_refused_before_the_start() {
        let endless = Settings { requests: Some(1 << 40), ..Settings::new() };
        let with =
            |arrivals| Settings { loads: vec![open(rate(1e6), arrivals)], ..endless.clone() };
        let failure = check(&with(Arrivals::Poisson)).unwrap_err();
        assert_eq!(failure.code, Code::Setting);
        check(&with(Arrivals::Constant)).unwrap();
    }
}
