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

/// A closed loop of requests that more open sessions share.
fn shared(concurrency: usize, open: usize, pick: Pick) -> Load {
    let [concurrency, open] = [concurrency, open].map(|n| NonZeroUsize::new(n).unwrap());
    Load::Closed { concurrency, counts: Counts::Turns { open, pick }, ramp: None }
}

#[test]
fn open_sessions_take_turns_and_a_new_one_begins_when_one_has_ended() {
    let server = Scripted::always(Script::tokens(1).after(MS * 100));
    let sessions = chains(2).take(4);
    let plan = plan(shared(1, 3, Pick::RoundRobin), Until::default());
    let (_, samples) = go_with(&plan, server, &Stop::new(), Box::new(sessions));
    let turns: Vec<_> = samples.samples().map(|s| (s.session, s.turn)).collect();
    assert_eq!(turns, [(0, 0), (1, 0), (2, 0), (0, 1), (3, 0), (1, 1), (2, 1), (3, 1)]);
    assert_eq!(in_flight(&samples).0, 1);
    assert!(
        samples.samples().all(|s| s.sent.unwrap().since(s.due) < MS),
        "standing back is no lateness"
    );
}

#[test]
fn no_more_sessions_are_open_than_may_be_on_all_threads_together() {
    for (threads, concurrency, open) in [(1, 3, 5), (2, 3, 5), (3, 2, 7), (4, 4, 4)] {
        let server = Scripted::always(Script::tokens(1).after(MS * 50));
        let mut plan = plan(shared(concurrency, open, Pick::Random), Until::default());
        plan.threads = NonZeroUsize::new(threads).unwrap();
        let sessions = chains(4).take(20);
        let (_, samples) = go_with(&plan, server, &Stop::new(), Box::new(sessions));
        let mut samples: Vec<_> = samples.samples().cloned().collect();
        assert_eq!(samples.len(), 80, "every session comes to its end");
        samples.sort_by_key(|s| s.sent);
        let mut turns: BTreeMap<u64, u32> = BTreeMap::new();
        let mut most = 0;
        for sample in &samples {
            let before = turns.insert(sample.session, sample.turn);
            assert_eq!(before.map_or(0, |turn| turn + 1), sample.turn, "turns keep their order");
            most = most.max(turns.values().filter(|turn| **turn < 3).count());
        }
        assert!(most <= open, "{most} of {open}");
        assert!(most + threads > open, "{most} of {open}: as many as there may be");
    }
}

#[test]
fn whose_turn_it_is_follows_from_the_seed_where_it_is_drawn() {
    let order = |seed| {
        let server = Scripted::always(Script::tokens(1).after(MS * 100));
        let plan = Plan { seed, ..plan(shared(1, 8, Pick::Random), Until::requests(60)) };
        let (_, samples) = go_with(&plan, server, &Stop::new(), Box::new(chains(1_000)));
        samples.samples().map(|s| s.session).collect::<Vec<_>>()
    };
    let first = order(1);
    assert_eq!(first, order(1));
    assert_ne!(first, order(2));
    assert!(first.windows(2).any(|two| two[0] == two[1]), "the same one may be next: {first:?}");
    assert_eq!(first.iter().max(), Some(&7));
}

/// A conversation that goes on from its second turn.
struct Later(Chain);

impl Session for Later {
    fn next_turn(&mut self, previous: Option<&Answer>) -> Option<Turn> {
        self.0.next_turn(previous)
    }

    fn first_turn(&self) -> u32 {
        1
    }
}

#[test]
fn a_session_may_go_on_from_a_later_turn() {
    let sessions = chain_of_later();
    let server = Scripted::always(Script::tokens(1));
    let (_, samples) = go_with(&plan(closed(1), Until::default()), server, &Stop::new(), sessions);
    assert_eq!(samples.samples().map(|s| s.turn).collect::<Vec<_>>(), [1, 2, 3]);
}

fn chain_of_later() -> Box<dyn Workload> {
    let session = Box::new(Later(Chain { left: 3, number: 0 })) as Box<dyn Session>;
    Box::new(std::iter::once(session))
}

/// Asks until an answer fails, and notes what it was told of each.
struct Told(Arc<std::sync::Mutex<Vec<End>>>);

type End = (Outcome, Option<u32>);

impl Session for Told {
    fn next_turn(&mut self, previous: Option<&Answer>) -> Option<Turn> {
        if let Some(answer) = previous {
            let outcome = answer.outcome().unwrap();
            self.0.lock().unwrap().push((outcome, answer.output_tokens()));
            outcome.is_ok().then_some(())?;
        }
        Some(Request::default().into())
    }
}

#[test]
fn a_session_is_told_how_the_answer_before_ended() {
    let told = Arc::default();
    let session = Box::new(Told(Arc::clone(&told))) as Box<dyn Session>;
    let server = Scripted::by(|id| match id.ends_with("-0.1") {
        false => Script::tokens(3),
        true => Script::tokens(2).ending(Outcome::Reset),
    });
    let plan = plan(closed(1), Until::default());
    go_with(&plan, server, &Stop::new(), Box::new(std::iter::once(session)));
    assert_eq!(*told.lock().unwrap(), [(Outcome::Ok, Some(3)), (Outcome::Reset, Some(2))]);
}
