use std::{num::NonZeroU32, time::Duration};

use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use statrs::distribution::{ContinuousCDF, Exp, Gamma};

use super::{Arrivals, Paced, Ramp, RampShape, Rate, RateCurve, RateSeries, Schedule, Smoothness};

const SECOND: Duration = Duration::from_secs(1);

fn rate(per_second: f64) -> Rate {
    Rate::per_second(per_second).unwrap()
}

fn gamma(k: f64) -> Arrivals {
    Arrivals::Gamma { smoothness: Smoothness::new(k).unwrap() }
}

fn bursts(size: u32) -> Arrivals {
    Arrivals::Burst { size: NonZeroU32::new(size).unwrap() }
}

fn ramp(from: f64, to: f64, seconds: u64, shape: RampShape) -> RateCurve {
    let over = Duration::from_secs(seconds);
    RateCurve::Ramp(Ramp { from: rate(from), to: rate(to), over, shape })
}

fn series(steps: &[(u64, f64)]) -> RateCurve {
    let steps = steps.iter().map(|(s, r)| (Duration::from_secs(*s), rate(*r)));
    RateCurve::Series(RateSeries::new(steps).unwrap())
}

fn seconds(schedule: &Paced) -> Vec<f64> {
    (0..).map_while(|n| schedule.due(n)).map(|due| due.as_secs_f64()).collect()
}

fn gaps(moments: &[f64]) -> Vec<f64> {
    moments.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Kolmogorov-Smirnov at alpha = 0.001; seeds are fixed, so this never fails by chance.
fn fits(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> bool {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distances = values.iter().enumerate().map(|(i, value)| {
        let cdf = cdf(*value);
        (cdf - i as f64 / n).abs().max(((i + 1) as f64 / n - cdf).abs())
    });
    distances.fold(0.0, f64::max) < 1.95 / n.sqrt()
}

#[test]
fn a_rate_is_a_positive_number() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-7, 1e10] {
        assert!(Rate::per_second(bad).is_err(), "{bad}");
    }
    assert!((rate(0.1).as_f64() - 0.1).abs() < 1e-12);
    assert_eq!((rate(10.0).to_string(), rate(0.05).to_string()), ("10/s".into(), "0.05/s".into()));
}

#[test]
fn a_smoothness_is_within_its_range() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-4, 1e7] {
        assert!(Smoothness::new(bad).is_err(), "{bad}");
    }
    assert_eq!(Smoothness::new(2.5).map(Smoothness::as_f64), Ok(2.5));
}

#[test]
fn a_constant_schedule_does_not_drift() {
    let schedule = Paced::constant(rate(3.0));
    for (n, ns) in [(0, 0), (1, 333_333_333), (2, 666_666_666), (3_000_000, 1_000_000_000_000_000)]
    {
        assert_eq!(schedule.due(n), Some(Duration::from_nanos(ns)), "{n}");
    }
    for n in 0..=1_000_000 {
        assert_eq!(schedule.due(3 * n), Some(SECOND * u32::try_from(n).unwrap()));
    }
    assert_eq!(schedule.due(u64::MAX - 1), None, "beyond 584 years there is nothing to send");
}

#[test]
fn the_greatest_and_the_least_rate_and_number_are_exact() {
    let fastest = Paced::constant(rate(1e9));
    assert_eq!(fastest.due(u64::MAX - 1), Some(Duration::from_nanos(u64::MAX - 1)));
    assert_eq!(fastest.due(u64::MAX), None);
    let slowest = Paced::constant(rate(1e-6));
    assert_eq!(slowest.due(18_446), Some(Duration::from_secs(18_446_000_000)));
    assert_eq!(slowest.due(18_447), None);
    let one = Paced::new(rate(5.0), Arrivals::Constant, 0, 1);
    assert_eq!((one.due(0), one.due(1)), (Some(Duration::ZERO), None));
    for arrivals in [Arrivals::Poisson, gamma(0.5)] {
        let one = Paced::new(rate(5.0), arrivals, 3, 1);
        assert_eq!((one.due(0).is_some(), one.due(1), one.due(u64::MAX)), (true, None, None));
        assert_eq!(Paced::new(rate(5.0), arrivals, 3, 0).due(0), None);
        let beyond_time = Paced::new(rate(1e-6), arrivals, 3, 100_000);
        let count = seconds(&beyond_time).len();
        assert!((17_000..20_000).contains(&count), "{count}: a schedule ends after 584 years");
    }
}

#[test]
fn bursts_come_together_and_hold_the_mean_rate() {
    let schedule = Paced::new(rate(10.0), bursts(4), 0, 10);
    let due: Vec<_> = (0..).map_while(|n| schedule.due(n)).map(|due| due.as_millis()).collect();
    assert_eq!(due, [0, 0, 0, 0, 400, 400, 400, 400, 800, 800]);
    let endless = Paced::new(rate(3.0), bursts(7), 0, u64::MAX);
    assert_eq!(endless.due(7 * 3_000_000), Some(SECOND * 7_000_000));
    assert_eq!(endless.due(7 * 3_000_000 + 6), endless.due(7 * 3_000_000));
    let alone = Paced::new(rate(3.0), bursts(1), 0, u64::MAX);
    assert_eq!(alone.due(1_000), Paced::constant(rate(3.0)).due(1_000));
}

#[test]
fn poisson_gaps_are_exponential() {
    let schedule = Paced::new(rate(250.0), Arrivals::Poisson, 7, 20_000);
    let gaps = gaps(&seconds(&schedule));
    assert_eq!(gaps.len(), 19_999);
    assert!(fits(gaps.clone(), |gap| Exp::new(250.0).unwrap().cdf(gap)));
    assert!(!fits(gaps, |gap| Exp::new(270.0).unwrap().cdf(gap)), "the test can tell 8 % apart");
}

#[test]
fn gamma_gaps_are_gamma_distributed() {
    for k in [0.1, 0.5, 1.0, 2.0, 10.0, 100.0] {
        let schedule = Paced::new(rate(250.0), gamma(k), 11, 20_000);
        let gaps = gaps(&seconds(&schedule));
        let expected = Gamma::new(k, k * 250.0).unwrap();
        // Of the shortest, whole nanoseconds show too little: only their share is looked at.
        let (n, long) = (gaps.len() as f64, 1.0 - expected.cdf(1e-6));
        let gaps: Vec<_> = gaps.into_iter().filter(|gap| *gap > 1e-6).collect();
        let deviation = (n * long * (1.0 - long)).sqrt();
        assert!((gaps.len() as f64 - n * long).abs() <= 4.0 * deviation, "{k}");
        assert!(fits(gaps, |gap| (expected.cdf(gap) - (1.0 - long)) / long), "{k}");
    }
}

#[test]
fn a_million_random_arrivals_do_not_drift() {
    const N: u64 = 1_000_000;
    for (arrivals, variance) in
        [(Arrivals::Poisson, 1.0_f64), (gamma(0.25), 4.0), (gamma(4.0), 0.25), (gamma(50.0), 0.02)]
    {
        let schedule = Paced::new(rate(1_000.0), arrivals, 5, N);
        let took = schedule.due(N - 1).unwrap().as_secs_f64();
        let deviation = (variance * N as f64).sqrt() / 1_000.0;
        assert!((took - 1_000.0).abs() < 4.0 * deviation, "{arrivals}: {took} s");
        assert!((took - 1_000.0).abs() > 1e-6, "{arrivals} is not rescaled to a total");
    }
}

/// The exact number of requests up to `t` of a ramp over 60 s, from the textbook.
fn expected(from: f64, to: f64, shape: RampShape, t: f64) -> f64 {
    let within = t.min(60.0);
    let risen = match shape {
        RampShape::Linear => from * within + (to - from) * within * within / 120.0,
        RampShape::Exponential => {
            60.0 * from * ((to / from).powf(within / 60.0) - 1.0) / (to / from).ln()
        }
    };
    risen + (t - within) * to
}

const RAMPS: [(f64, f64, RampShape); 6] = [
    (1.0, 50.0, RampShape::Linear),
    (50.0, 1.0, RampShape::Linear),
    (0.000_001, 200.0, RampShape::Linear),
    (1.0, 50.0, RampShape::Exponential),
    (50.0, 1.0, RampShape::Exponential),
    (0.01, 400.0, RampShape::Exponential),
];

#[test]
fn ramps_integrate_to_the_exact_counts() {
    for (from, to, shape) in RAMPS {
        let schedule = Paced::new(ramp(from, to, 60, shape), Arrivals::Constant, 0, 10_000);
        let due = seconds(&schedule);
        assert_eq!(schedule.due(0), Some(Duration::ZERO));
        for (n, t) in due.iter().enumerate().skip(1) {
            // Request n is due when n came before it, to the nanosecond.
            let (by, just_after) =
                (expected(from, to, shape, *t), expected(from, to, shape, t + 2e-9));
            let n = n as f64;
            assert!(by <= n + 1e-6 && n - 1e-6 <= just_after, "{shape} {from} to {to}: {n} at {t}");
        }
        let whole = expected(from, to, shape, 60.0);
        let within = due.iter().filter(|t| **t < 60.0).count() as f64;
        assert!((within - whole).abs() <= 1.0, "{within} within the ramp, not {whole}");
    }
}

#[test]
fn after_a_ramp_the_rate_stays() {
    for shape in [RampShape::Linear, RampShape::Exponential] {
        let schedule = Paced::new(ramp(1.0, 50.0, 60, shape), Arrivals::Constant, 0, u64::MAX);
        let later = schedule.due(1_000_000).unwrap();
        assert!(later > 60 * SECOND);
        assert_eq!(schedule.due(1_000_000 + 50 * 86_400), Some(later + 86_400 * SECOND));
        let none = Paced::new(ramp(1.0, 50.0, 0, shape), Arrivals::Constant, 0, u64::MAX);
        assert_eq!(none.due(50), Some(SECOND), "no ramp at all");
        let flat = Paced::new(ramp(20.0, 20.0, 60, shape), Arrivals::Constant, 0, u64::MAX);
        assert_eq!(flat.due(200), Some(10 * SECOND));
        assert_eq!(flat.due(20_000), Some(1_000 * SECOND));
    }
}

/// Seen through the integrated rate, the gaps are those of the process of rate 1.
#[test]
fn random_arrivals_on_a_ramp_scatter_as_they_should() {
    for (from, to, shape) in RAMPS {
        for (arrivals, k) in [(Arrivals::Poisson, 1.0), (gamma(3.0), 3.0), (gamma(0.6), 0.6)] {
            let schedule = Paced::new(ramp(from, to, 60, shape), arrivals, 23, 5_000);
            let rescaled = seconds(&schedule).into_iter().map(|t| expected(from, to, shape, t));
            let gaps = gaps(&rescaled.collect::<Vec<_>>());
            let unit = Gamma::new(k, k).unwrap();
            assert!(fits(gaps, |gap| unit.cdf(gap)), "{arrivals} from {from} to {to}, {shape}");
        }
    }
}

#[test]
fn a_series_changes_its_rate_in_steps_and_keeps_the_last() {
    let curve = series(&[(0, 2.0), (2, 10.0), (3, 1.0)]);
    let schedule = Paced::new(curve.clone(), Arrivals::Constant, 0, u64::MAX);
    let due = |n| schedule.due(n).map(|due| due.as_millis());
    for (n, ms) in
        [(0, 0), (3, 1_500), (4, 2_000), (5, 2_100), (13, 2_900), (14, 3_000), (15, 4_000)]
    {
        assert_eq!(due(n), Some(ms), "{n}");
    }
    assert_eq!(due(14 + 1_000_000_000), Some(3_000 + 1_000_000_000_000), "exact, however far");
    assert_eq!(curve.peak(), rate(10.0));

    let random = Paced::new(curve, Arrivals::Poisson, 1, 4_000);
    let inside =
        |t: f64| 2.0 * t.min(2.0) + 10.0 * (t.min(3.0) - 2.0).max(0.0) + (t - 3.0).max(0.0);
    let rescaled: Vec<_> = seconds(&random).into_iter().map(inside).collect();
    assert!(fits(gaps(&rescaled), |gap| Exp::new(1.0).unwrap().cdf(gap)));
}

#[test]
fn as_many_arrivals_as_a_duration_needs_last_it_and_not_many_more() {
    let curves = [RateCurve::Constant(rate(40.0)), ramp(1.0, 80.0, 20, RampShape::Exponential)];
    let all = [0.01, 0.3, 1.0, 8.0, 1e6].map(gamma);
    let all = all.into_iter().chain([Arrivals::Constant, Arrivals::Poisson, bursts(1), bursts(64)]);
    for arrivals in all {
        for (curve, ms) in curves.iter().flat_map(|curve| [0, 100, 10_000].map(|ms| (curve, ms))) {
            let duration = Duration::from_millis(ms);
            let count = Paced::arrivals_in(curve, arrivals, duration);
            for seed in 0..50 {
                let schedule = Paced::new(curve.clone(), arrivals, seed, count);
                let last = schedule.due(count - 1).unwrap();
                assert!(last >= duration, "{arrivals}, {curve}: {count} end at {last:?}");
            }
        }
    }
    let exact = |arrivals| Paced::arrivals_in(&rate(40.0).into(), arrivals, 10 * SECOND);
    assert_eq!(
        (exact(Arrivals::Constant), exact(bursts(64)), exact(Arrivals::Poisson)),
        (401, 449, 537)
    );
    assert_eq!(exact(gamma(4.0)), 465);
    let forever = Paced::arrivals_in(&rate(1e9).into(), Arrivals::Poisson, Duration::MAX);
    assert!(forever > 1_u64 << 63);
}

#[test]
fn schedules_are_described_in_words() {
    for (curve, arrivals, expected) in [
        (rate(10.0).into(), Arrivals::Poisson, "poisson, 10/s"),
        (rate(0.5).into(), Arrivals::Constant, "constant, 0.5/s"),
        (rate(10.0).into(), gamma(2.0), "gamma (smoothness 2), 10/s"),
        (rate(10.0).into(), bursts(8), "bursts of 8, 10/s"),
        (
            ramp(1.0, 50.0, 60, RampShape::Linear),
            Arrivals::Poisson,
            "linear ramp 1 to 50/s over 60 s, then 50/s, poisson",
        ),
        (
            ramp(50.0, 0.5, 90, RampShape::Exponential),
            gamma(0.5),
            "exponential ramp 50 to 0.5/s over 90 s, then 0.5/s, gamma (smoothness 0.5)",
        ),
        (
            series(&[(0, 2.0), (5, 8.0)]),
            Arrivals::Constant,
            "series of 2 steps, 2 to 8/s, constant",
        ),
    ] {
        let schedule = Paced::new(curve, arrivals, 1, 3);
        assert_eq!(schedule.describe(), expected);
        assert_eq!(schedule.rate().is_some(), expected.starts_with(&arrivals.to_string()));
    }
    let debug = format!("{:?}", Paced::new(rate(10.0), Arrivals::Poisson, 1, 30));
    assert!(debug.contains("count: 30") && !debug.contains("drawn"), "{debug}");
}

fn any_rate() -> impl Strategy<Value = Rate> {
    prop_oneof![1e-6_f64..1e-3, 0.001_f64..1e4, 1e4_f64..1e9].prop_map(rate)
}

fn any_curve() -> impl Strategy<Value = RateCurve> {
    let shape =
        any::<bool>().prop_map(|b| if b { RampShape::Linear } else { RampShape::Exponential });
    let over = prop_oneof![0_u64..1_000_000, 0_u64..1_000_000_000_000, any::<u64>()];
    let ramp = (any_rate(), any_rate(), over, shape).prop_map(|(from, to, ns, shape)| {
        RateCurve::Ramp(Ramp { from, to, over: Duration::from_nanos(ns), shape })
    });
    let steps = prop::collection::btree_map(0_u64..10_000_000_000, any_rate(), 1..9);
    let series = steps.prop_map(|steps| {
        let steps = steps.into_iter().map(|(ns, rate)| (Duration::from_nanos(ns), rate));
        RateCurve::Series(RateSeries::new(steps).unwrap())
    });
    prop_oneof![any_rate().prop_map(RateCurve::Constant), ramp, series]
}

fn any_arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![
        Just(Arrivals::Constant),
        Just(Arrivals::Poisson),
        (1e-3_f64..1e3).prop_map(gamma),
        (1_u32..).prop_map(bursts),
    ]
}

proptest! {
    #[test]
    fn no_schedule_goes_backwards(
        curve in any_curve(), arrivals in any_arrivals(), seed: u64, n: u64, step in 0_u64..200,
    ) {
        let schedule = Paced::new(curve.clone(), arrivals, seed, 201);
        for n in [0, step] {
            let (due, next) = (schedule.due(n), schedule.due(n + 1));
            prop_assert!(next.is_none() || due <= next, "{due:?} {next:?}");
        }
        let even = Paced::new(curve, Arrivals::Constant, seed, u64::MAX);
        // Near the start, within a ramp, and far away.
        for n in [n.saturating_sub(1), n >> 40, n >> 20] {
            let (due, next) = (even.due(n), even.due(n + 1));
            prop_assert!(next.is_none() || due <= next, "{n}: {due:?} {next:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule(
        curve in any_curve(), arrivals in any_arrivals(), seed: u64,
    ) {
        let schedule = |seed, count| Paced::new(curve.clone(), arrivals, seed, count);
        prop_assert_eq!(&schedule(seed, 30), &schedule(seed, 30));
        let longer = schedule(seed, 40);
        for n in 0..30 {
            prop_assert_eq!(schedule(seed, 30).due(n), longer.due(n), "more arrivals change none");
        }
    }

    #[test]
    fn another_seed_gives_another_schedule(seed: u64, k in 0.1_f64..100.0) {
        for arrivals in [Arrivals::Poisson, gamma(k)] {
            let schedule = |seed| Paced::new(rate(1.0), arrivals, seed, 5);
            prop_assert!(seconds(&schedule(seed)) != seconds(&schedule(seed.wrapping_add(1))));
        }
    }

    #[test]
    fn a_curve_and_its_inverse_agree(curve in any_curve(), n in 1_u64..1_000_000_000) {
        let even = Paced::new(curve.clone(), Arrivals::Constant, 0, u64::MAX);
        if let Some(due) = even.due(n) {
            // One nanosecond either way, at the fastest that the curve comes to, and a float's digits.
            let slack = 2.0 * curve.peak().as_f64() * 1e-9 + n as f64 * 1e-12 + 1e-9;
            let found = curve.requests_in(due);
            prop_assert!((found - n as f64).abs() <= slack, "{found} by {due:?}, not {n}");
        }
    }
}
