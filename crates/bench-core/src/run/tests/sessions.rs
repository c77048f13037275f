//! Sessions of several turns.

use super::*;

/// Three turns, the later ones after a second; ends early if an answer was empty.
struct Conversation(u32);

impl Session for Conversation {
    fn next_turn(&mut self, previous: Option<&Answer>) -> Option<Turn> {
        assert_eq!(previous.is_some(), self.0 > 0);
        assert!(previous.is_none_or(|answer| !answer.text().is_empty()));
        self.0 += 1;
        (self.0 <= 3).then(|| Turn { request: Request::default(), delay: Duration::from_secs(1) })
    }
}

#[test]
fn turns_follow_one_another_after_their_delay() {
    let sessions = (0..2).map(|_| Box::new(Conversation(0)) as Box<dyn Session>);
    let load =
        Load::Closed { concurrency: NonZeroUsize::MIN, counts: Counts::Sessions, ramp: None };
    let (_, samples) = go_with(
        &plan(load, Until::default()),
        Scripted::always(Script::tokens(2)),
        &Stop::new(),
        Box::new(sessions),
    );
    let turns: Vec<_> = samples.samples().map(|s| (s.session, s.turn)).collect();
    assert_eq!(turns, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    let s: Vec<_> = samples.samples().collect();
    assert_eq!(s[1].due.since(s[0].done.unwrap()), Duration::from_secs(1));
    assert!(s[3].due.since(s[2].done.unwrap()) < MS, "a session's first turn does not wait");
}

#[test]
fn a_session_that_waits_leaves_its_place_where_requests_count() {
    let sessions = (0..5).map(|_| Box::new(Conversation(0)) as Box<dyn Session>);
    // Each request takes 400 ms, each pause a second: the fifth request is the first session's next.
    let server = Scripted::always(Script::tokens(1).after(MS * 400));
    let plan = plan(closed(1), Until::default());
    let (_, samples) = go_with(&plan, server, &Stop::new(), Box::new(sessions));
    let turns: Vec<_> = samples.samples().map(|s| (s.session, s.turn)).collect();
    assert_eq!(turns.len(), 15, "every session comes to its end: {turns:?}");
    assert_eq!(turns[..5], [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1)]);
    assert_eq!(in_flight(&samples).0, 1);
    for sample in samples.samples().filter(|sample| sample.turn > 0) {
        let before =
            samples.samples().find(|s| (s.session, s.turn + 1) == (sample.session, sample.turn));
        let ended = before.unwrap().done.unwrap();
        assert_eq!(sample.due.since(ended), Duration::from_secs(1), "due when its pause is over");
        assert!(sample.sent.unwrap() >= sample.due, "and sent when a place is free");
    }
}

/// Turns that follow one another at once, `.0` of them. Their requests tell whose they are.
struct Chain {
    left: u32,
    number: u32,
}

impl Session for Chain {
    fn next_turn(&mut self, _previous: Option<&Answer>) -> Option<Turn> {
        self.left = self.left.checked_sub(1)?;
        let request = Request { input_tokens: Some(self.number), ..Request::default() };
        Some(Turn { request, delay: Duration::ZERO })
    }
}

fn chains(turns: u32) -> impl Iterator<Item = Box<dyn Session>> + Send {
    (0..).map(move |number| Box::new(Chain { left: turns, number }) as Box<dyn Session>)
}

#[test]
fn no_turn_is_sent_after_the_time_is_over() {
    let server = Scripted::always(Script::tokens(1).after(MS * 100));
    let plan = plan(closed(1), Until::duration(MS * 1_050));
    let (_, samples) = go_with(&plan, server, &Stop::new(), Box::new(chains(1_000)));
    assert_eq!(samples.samples().count(), 11, "and the last one ends in the grace period");
}

#[test]
fn no_turn_is_sent_once_the_run_drains() {
    // Either all turns follow at once, or ten sessions wait, and are due long before the tenth has answered.
    let waiting = (0..10).map(|_| Box::new(Conversation(0)) as Box<dyn Session>);
    let workloads: [Box<dyn Workload>; 2] = [Box::new(chains(1_000)), Box::new(waiting)];
    for workload in workloads {
        let stop = Stop::new();
        let (inner, asked) = (stop.clone(), AtomicU64::new(0));
        let server = Scripted::by(move |_| {
            if asked.fetch_add(1, Ordering::Relaxed) == 9 {
                inner.at_least(Level::Drain);
            }
            Script::tokens(1).after(MS * 90)
        });
        let (_, samples) = go_with(&plan(closed(1), Until::default()), server, &stop, workload);
        assert_eq!(samples.samples().count(), 10);
    }
}

#[test]
fn the_last_request_ends_a_phase_whatever_waits() {
    // Both sessions wait for a second when the two requests of the warm-up are through.
    let mut plan = plan(closed(2), Until::requests(1));
    plan.points[0].warm_up = Some(WarmUp { load: closed(2), until: Until::requests(3) });
    let sessions = (0..10).map(|_| Box::new(Conversation(0)) as Box<dyn Session>);
    let server = Scripted::by(|id| {
        // The third request takes longest: the other place waits for its session meanwhile.
        let last = id.ends_with("w-2.0");
        Script::tokens(1).after(if last { MS * 500 } else { MS * 100 })
    });
    let (_, samples) = go_with(&plan, server, &Stop::new(), Box::new(sessions));
    let of = |phase| samples.samples().filter(move |s| s.phase == phase);
    let warm = of(Phase::WarmUp).map(|s| s.done.unwrap()).max().unwrap();
    assert_eq!(of(Phase::WarmUp).count(), 3);
    let began = of(Phase::Measure).next().unwrap().sent.unwrap();
    assert!(began.since(warm) < MS * 100, "{:?} of idling", began.since(warm));
}

#[test]
fn a_phase_takes_no_session_that_it_will_not_send() {
    let mut plan = plan(closed(1), Until::requests(1));
    plan.points[0].warm_up = Some(WarmUp { load: closed(1), until: Until::requests(4) });
    let server = Scripted::always(Script::tokens(1));
    let (_, samples) = go_with(&plan, server, &Stop::new(), Box::new(chains(3)));
    let numbers: Vec<_> = samples.samples().map(|s| s.input_tokens.unwrap()).collect();
    assert_eq!(numbers, [0, 0, 0, 1, 2]);
}
