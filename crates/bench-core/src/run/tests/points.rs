//! Several points: what chooses them, ends them early, and goes on behind them.

use super::*;

/// Ends a point after some samples of a phase.
struct EndsAfter(Phase, u32);

impl Watch for EndsAfter {
    fn event(&mut self, event: &RunEvent) -> Option<EarlyEnd> {
        if !matches!(event, RunEvent::Sample(Sample { phase, .. }) if *phase == self.0) {
            return None;
        }
        self.1 = self.1.saturating_sub(1);
        (self.1 == 0).then_some(EarlyEnd::GoalMissed)
    }
}

#[test]
fn a_watch_ends_its_point_and_not_the_run() {
    // Without an end: only the watch can end it.
    let mut plan = plan(closed(1), Until::default());
    plan.points.push(plan.points[0].clone());
    plan.points[1].until = Until::requests(70);
    let mut sink = Collected::default();
    let mut watches = [Some(EndsAfter(Phase::Measure, 5)), None].into_iter();
    let mut prepare = |_: &Point| {
        let server = Arc::new(Scripted::always(Script::tokens(1)));
        let mut prepared = Prepared::new(server, Box::new(endless()));
        prepared.watch = watches.next().unwrap().map(|watch| Box::new(watch) as _);
        Ok(prepared)
    };
    let outcome = run_on_paused_time(&plan, &mut prepare, &mut sink, &Stop::new()).unwrap();
    assert!(!outcome.interrupted);
    let [first, second] = &outcome.points[..] else { panic!("{} points", outcome.points.len()) };
    let because = EarlyEnd::GoalMissed;
    assert!(first.verdict.reasons.contains(&Reason::EndedEarly { because }));
    assert!(first.summary.requests() >= 5);
    assert_eq!((second.number, second.summary.succeeded()), (1, 70));
}

#[test]
fn a_point_that_a_watch_ends_in_its_warm_up_says_why() {
    let mut plan = plan(closed(1), Until::requests(70));
    plan.points[0].warm_up = Some(WarmUp { load: closed(1), until: Until::default() });
    let mut prepare = |_: &Point| {
        let server = Arc::new(Scripted::always(Script::tokens(1)));
        let watch: Option<Box<dyn Watch>> = Some(Box::new(EndsAfter(Phase::WarmUp, 5)));
        Ok(Prepared { watch, ..Prepared::new(server, Box::new(endless())) })
    };
    let mut sink = Collected::default();
    let outcome = run_on_paused_time(&plan, &mut prepare, &mut sink, &Stop::new()).unwrap();
    let because = EarlyEnd::GoalMissed;
    assert!(outcome.points[0].verdict.reasons.contains(&Reason::EndedEarly { because }));
    assert_eq!(outcome.points[0].summary.requests(), 0);
}

#[test]
fn a_point_that_cannot_be_prepared_does_not_lose_the_others() {
    let mut plan = plan(closed(1), Until::requests(70));
    plan.points.push(plan.points[0].clone());
    let mut calls = 0;
    let mut prepare = |_: &Point| {
        calls += 1;
        if calls == 1 {
            return Err(std::io::Error::other("nobody there").into());
        }
        let server = Arc::new(Scripted::always(Script::tokens(1)));
        Ok(Prepared::new(server, Box::new(endless())))
    };
    let mut sink = Collected::default();
    let outcome = run_on_paused_time(&plan, &mut prepare, &mut sink, &Stop::new()).unwrap();
    let [first, second] = &outcome.points[..] else { panic!("{} points", outcome.points.len()) };
    assert_eq!(first.failure.as_deref(), Some("nobody there"));
    assert_eq!((first.verdict.trust, first.verdict.reasons[0]), (Trust::Void, Reason::NotMeasured));
    assert_eq!((&second.failure, second.summary.succeeded()), (&None, 70));
    assert!(sink.samples().all(|sample| sample.point == 1));
}

/// Doubles the concurrency until there is enough of it.
struct Doubling(usize);

impl Course for Doubling {
    fn next_point(&mut self, measured: &[PointOutcome]) -> Option<Point> {
        assert!(measured.iter().all(|point| point.summary.succeeded() == 64));
        self.0 *= 2;
        (self.0 <= 8).then(|| Point::new(closed(self.0), Until::requests(64)))
    }
}

#[test]
fn a_course_chooses_points_by_what_came_before() {
    let plan = Plan { points: Vec::new(), ..plan(closed(1), Until::default()) };
    let mut sink = Collected::default();
    let mut prepare = |_: &Point| {
        let script = Script { ttft: MS, itl: Duration::ZERO, ..Script::tokens(1) };
        Ok(Prepared::new(Arc::new(Scripted::always(script)), Box::new(endless())))
    };
    let stop = Stop::new();
    let outcome = run_course(&plan, &mut Doubling(1), &mut prepare, &mut sink, &stop).unwrap();
    let loads = outcome.points.iter().map(|point| match &point.point.load {
        Load::Closed { concurrency, .. } => concurrency.get(),
        Load::Open { .. } => 0,
    });
    assert_eq!(loads.collect::<Vec<_>>(), [2, 4, 8]);
}

#[test]
fn a_resumed_run_goes_on_behind_what_was_measured() {
    let mut plan = plan(closed(1), Until::requests(70));
    plan.points.push(plan.points[0].clone());
    let (first, _) = go_all(&plan);
    let anchor = Clock::start().anchor();
    let measured = vec![first.points[0].clone()];
    plan.resumed = Some(Resumed { anchor, measured, next_number: 2 });
    let (outcome, samples) = go_all(&plan);
    assert_eq!(outcome.points.iter().map(|p| p.number).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(samples.samples().count(), 70);
    assert!(samples.samples().all(|sample| sample.point == 2));
}

/// Measures each point of a plan against a server of its own.
fn go_all(plan: &Plan) -> (RunOutcome, Collected) {
    let mut sink = Collected::default();
    let mut prepare = |_: &Point| {
        let server = Arc::new(Scripted::always(Script::tokens(1)));
        Ok(Prepared::new(server, Box::new(endless())))
    };
    let outcome = run_on_paused_time(plan, &mut prepare, &mut sink, &Stop::new()).unwrap();
    (outcome, sink)
}
