//! What changes as the server runs.

use std::{ops::Range, sync::OnceLock, time::Duration};

use crate::{
    clock::nanos,
    config::{Config, Freeze},
};

/// What changes as the server runs: it slows down in company, grows hot, freezes.
#[derive(Debug)]
pub(crate) struct Conditions {
    slowdown: f64,
    drift: f64,
    freeze: Option<Freeze>,
    /// When the first request for completion came.
    began_ns: OnceLock<u64>,
}

/// How many times longer a delay is than configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    /// To the first token.
    pub(crate) first: f64,
    /// From a token to the next.
    pub(crate) further: f64,
}

impl Conditions {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            slowdown: config.slowdown,
            drift: config.drift,
            freeze: config.freeze,
            began_ns: OnceLock::new(),
        }
    }

    /// To be called for each request for completion; the first one counts.
    pub(crate) fn begin(&self, now_ns: u64) {
        self.began_ns.get_or_init(|| now_ns);
    }

    /// Whether delays change with load or time.
    pub(crate) fn vary(&self) -> bool {
        self.slowdown > 0.0 || self.drift > 0.0
    }

    /// How much longer a delay is that begins at `at_ns`, with so many requests `running`; `None`
    /// where it never is.
    pub(crate) fn stretch(&self, at_ns: u64, running: impl FnOnce() -> u32) -> Option<Stretch> {
        if !self.vary() {
            return None;
        }
        let began_ns = self.began_ns.get().copied().unwrap_or(at_ns);
        let minutes = Duration::from_nanos(at_ns.saturating_sub(began_ns)).as_secs_f64() / 60.0;
        let first = 1.0 + self.drift * minutes;
        Some(Stretch { first, further: first * batch_factor(self.slowdown, running()) })
    }

    /// Whether it ever pauses.
    pub(crate) fn can_freeze(&self) -> bool {
        self.freeze.is_some()
    }

    /// When the pause ends in which `now_ns` lies, if it does.
    pub(crate) fn frozen_until(&self, now_ns: u64) -> Option<u64> {
        let pause = self.pause()?;
        pause.contains(&now_ns).then_some(pause.end)
    }

    fn pause(&self) -> Option<Range<u64>> {
        let freeze = self.freeze?;
        let start = self.began_ns.get()?.saturating_add(nanos(freeze.at));
        Some(start..start.saturating_add(nanos(freeze.lasts)))
    }
}

/// itl(n) / itl: 1 + s·(n − 1), s the slowdown, n the requests served, at least 1.
fn batch_factor(slowdown: f64, running: u32) -> f64 {
    1.0 + slowdown * f64::from(running.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_pace_falls_with_each_request_served() {
        let check = |slowdown, running, expected: f64| {
            let factor = batch_factor(slowdown, running);
            assert!((factor - expected).abs() < 1e-12, "{factor} for {running}");
        };
        check(0.0, 1_000, 1.0);
        check(0.1, 0, 1.0);
        check(0.1, 1, 1.0);
        check(0.1, 2, 1.1);
        check(0.1, 11, 2.0);
        check(1.0, 8, 8.0);
    }

    #[test]
    fn the_knee_has_half_of_the_greatest_throughput() {
        let (slowdown, knee) = (0.05, 19);
        let throughput = |n: u32| f64::from(n) / batch_factor(slowdown, n);
        let power = |n| throughput(n) / batch_factor(slowdown, n);
        assert!((throughput(knee) - 0.5 / slowdown).abs() < 1e-9);
        assert!(power(knee) > power(knee - 1) && power(knee) > power(knee + 1));
        assert!(throughput(1_000_000) > 0.9999 / slowdown);
    }

    #[test]
    fn delays_grow_by_the_minute_from_the_first_request_on() {
        let config = Config { drift: 0.06, slowdown: 1.0, ..Config::default() };
        let conditions = Conditions::new(&config);
        let stretch = |at_ns, running| conditions.stretch(at_ns, || running).unwrap();
        assert_eq!(stretch(SECOND, 3), Stretch { first: 1.0, further: 3.0 });
        conditions.begin(5 * SECOND);
        conditions.begin(500 * SECOND);
        let hot = stretch(65 * SECOND, 2);
        assert!((hot.first - 1.06).abs() < 1e-12 && (hot.further - 2.12).abs() < 1e-12, "{hot:?}");
        assert_eq!(stretch(0, 1), Stretch { first: 1.0, further: 1.0 }, "before the first");
    }

    #[test]
    fn nothing_is_stretched_or_frozen_unless_configured() {
        let conditions = Conditions::new(&Config::default());
        conditions.begin(0);
        assert_eq!(conditions.stretch(SECOND, || panic!("nobody needs to know")), None);
        assert_eq!(conditions.frozen_until(SECOND), None);
    }

    #[test]
    fn a_freeze_begins_after_the_first_request() {
        let (at, lasts) = (Duration::from_secs(10), Duration::from_secs(2));
        let config = Config { freeze: Some(Freeze { at, lasts }), ..Config::default() };
        let conditions = Conditions::new(&config);
        assert_eq!(conditions.frozen_until(11 * SECOND), None, "no request yet");
        conditions.begin(SECOND);
        let check = |now, expected| assert_eq!(conditions.frozen_until(now), expected, "{now}");
        check(11 * SECOND - 1, None);
        check(11 * SECOND, Some(13 * SECOND));
        check(13 * SECOND - 1, Some(13 * SECOND));
        check(13 * SECOND, None);
    }
}
