use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::{
    Answer, Arrivals, Cancellation, ConcurrencyRamp, Counts, Expected, Grade, Increase, Outcome,
    Paced, Pick, Progress, RampShape, Rate, Reason, Request, Resumed, Session, Single, TokenSource,
    Trust, Turn, WarmUp, Workload, reading,
    testing::{Collected, Script, Scripted, ScriptedRead, ScriptedSource, endless},
};

mod attempts;
mod points;
mod sessions;

const MS: Duration = Duration::from_millis(1);

fn closed(concurrency: usize) -> Load {
    Load::closed(NonZeroUsize::new(concurrency).unwrap())
}

fn open(schedule: impl crate::Schedule + 'static) -> Load {
    Load::open(schedule)
}

fn plan(load: Load, until: Until) -> Plan {
    let threads = NonZeroUsize::new(2).unwrap();
    Plan { id: "TEST".into(), threads, ..Plan::of(Point::new(load, until)) }
}

fn go(plan: &Plan, server: Scripted) -> (RunOutcome, Collected) {
    go_with(plan, server, &Stop::new(), Box::new(endless()))
}

fn go_with(
    plan: &Plan,
    server: Scripted,
    stop: &Stop,
    workload: Box<dyn Workload>,
) -> (RunOutcome, Collected) {
    let mut sink = Collected::default();
    let mut prepared = Some(Prepared::new(Arc::new(server), workload));
    let outcome =
        run_on_paused_time(plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, stop).unwrap();
    (outcome, sink)
}

/// The most and the least requests in flight between the first `done` and the last `sent`.
fn in_flight(samples: &Collected) -> (usize, usize) {
    let mut edges: Vec<(u64, i64)> = Vec::new();
    for s in samples.samples() {
        edges.push((s.sent.unwrap().as_nanos(), 1));
        edges.push((s.done.unwrap().as_nanos(), -1));
    }
    edges.sort_unstable_by_key(|(at, change)| (*at, *change));
    let first_done = edges.iter().find(|e| e.1 < 0).unwrap().0;
    let last_sent = edges.iter().rfind(|e| e.1 > 0).unwrap().0;
    let (mut now, mut most, mut least) = (0_i64, 0, i64::MAX);
    let mut i = 0;
    while i < edges.len() {
        let at = edges[i].0;
        while i < edges.len() && edges[i].0 == at {
            now += edges[i].1;
            i += 1;
        }
        most = most.max(now);
        if at >= first_done && at <= last_sent {
            least = least.min(now);
        }
    }
    (usize::try_from(most).unwrap(), usize::try_from(least).unwrap())
}

#[test]
fn a_closed_loop_keeps_exactly_n_in_flight() {
    for concurrency in [1, 7, 64] {
        let ttft = |id: &str| {
            MS * (20
                + u32::try_from(id.len()).unwrap() * 7
                + u32::from(id.as_bytes()[id.len() - 3]) % 13)
        };
        let server = Scripted::by(move |id| Script::tokens(5).after(ttft(id)));
        let (outcome, samples) = go(&plan(closed(concurrency), Until::requests(640)), server);
        assert_eq!(in_flight(&samples), (concurrency, concurrency));
        assert_eq!(outcome.points[0].summary.succeeded(), 640);
    }
}

#[test]
fn metrics_are_the_scripts_own() {
    let (outcome, _) =
        go(&plan(closed(4), Until::requests(100)), Scripted::always(Script::tokens(11)));
    let summary = &outcome.points[0].summary;
    for (id, expected) in [
        ("ttft_ms", 50.0),
        ("tpot_ms", 10.0),
        ("icl_ms", 10.0),
        ("itl_ms", 10.0),
        ("e2e_ms", 150.0),
    ] {
        let d = summary.distribution(id).unwrap();
        assert!((d.min - expected).abs() < 0.02 && (d.max - expected).abs() < 0.02, "{id}: {d:?}");
    }
    // Four users, each 11 tokens in 150 ms.
    assert!((summary.value("output_tps").unwrap() - 4.0 * 11.0 / 0.150).abs() < 0.1);
    assert_eq!(outcome.points[0].verdict.trust, Trust::Trusted, "{:?}", outcome.points[0].verdict);
}

#[test]
fn a_slow_server_does_not_slow_the_schedule() {
    let server = Scripted::always(Script::tokens(1).after(Duration::from_secs(5)));
    let load = open(Paced::constant(Rate::per_second(10.0).unwrap()));
    let (_, samples) = go(&plan(load, Until::requests(20)), server);
    let mut due: Vec<_> = samples.samples().map(|s| s.due).collect();
    due.sort_unstable();
    assert_eq!(due[19].since(due[0]), MS * 1_900);
    assert!(samples.samples().all(|s| s.sent.unwrap().since(s.due) <= MS), "tokio's wheel is 1 ms");
    assert_eq!(in_flight(&samples).0, 20);
}

#[test]
fn a_load_that_rises_on_purpose_does_not_drift() {
    let ramp = crate::RateCurve::Ramp(crate::Ramp {
        from: Rate::per_second(1.0).unwrap(),
        to: Rate::per_second(50.0).unwrap(),
        over: Duration::from_secs(20),
        shape: RampShape::Linear,
    });
    // The more were asked before, the longer it takes.
    let reasons = |schedule: Paced| {
        let asked = AtomicU64::new(0);
        let server = Scripted::by(move |_| {
            Script::tokens(3)
                .after(MS * 50 + MS / 10 * count(asked.fetch_add(1, Ordering::Relaxed)))
        });
        let (outcome, _) = go(&plan(open(schedule), Until::requests(500)), server);
        outcome.points[0].verdict.reasons.iter().map(Reason::code).collect::<Vec<_>>()
    };
    let steady = reasons(Paced::constant(Rate::per_second(25.0).unwrap()));
    let rising = reasons(Paced::new(ramp, Arrivals::Constant, 1, 500));
    assert_eq!((steady, rising), (vec!["drift"], vec![]));
}

fn count(n: u64) -> u32 {
    u32::try_from(n).unwrap()
}

#[test]
fn an_open_loop_follows_its_schedule_request_by_request() {
    let schedule = Paced::new(Rate::per_second(40.0).unwrap(), Arrivals::Poisson, 3, 50);
    let (_, samples) =
        go(&plan(open(schedule.clone()), Until::default()), Scripted::always(Script::tokens(2)));
    let start = samples.samples().map(|s| s.due.as_nanos()).min().unwrap();
    let first = crate::Schedule::due(&schedule, 0).unwrap();
    assert_eq!(samples.samples().count(), 50, "the schedule's end ends the phase");
    for s in samples.samples() {
        let offset = crate::Schedule::due(&schedule, s.session).unwrap();
        assert_eq!(Duration::from_nanos(s.due.as_nanos() - start), offset - first);
    }
}

#[test]
fn a_cap_makes_requests_late_and_drops_none() {
    let schedule = Arc::new(Paced::constant(Rate::per_second(100.0).unwrap()));
    let load = Load::Open { schedule, max_in_flight: NonZeroUsize::new(2) };
    let (outcome, samples) =
        go(&plan(load, Until::requests(30)), Scripted::always(Script::tokens(6)));
    assert_eq!(in_flight(&samples).0, 2);
    assert_eq!(outcome.points[0].summary.succeeded(), 30);
    let reasons = &outcome.points[0].verdict.reasons;
    assert!(reasons.iter().any(|r| matches!(r, Reason::LateSends { .. })), "{reasons:?}");
}

/// At 100 a second for a second, where each takes 40 ms and two may be in flight, sending takes two seconds.
#[test]
fn what_was_due_in_time_is_sent_within_the_grace_period() {
    let sent_with = |grace| {
        let schedule = Arc::new(Paced::constant(Rate::per_second(100.0).unwrap()));
        let load = Load::Open { schedule, max_in_flight: NonZeroUsize::new(2) };
        let mut plan = plan(load, Until::duration(Duration::from_secs(1)));
        plan.points[0].grace = grace;
        let server = Scripted::always(Script::tokens(1).after(MS * 40));
        let (outcome, samples) = go(&plan, server);
        let point = &outcome.points[0];
        let unsent = point.summary.facts.unsent;
        assert_eq!(
            samples.samples().count() as u64 + unsent,
            100,
            "each is sent, or known to be unsent"
        );
        let is_said = point.verdict.reasons.iter().any(|r| matches!(r, Reason::Unsent { .. }));
        assert_eq!(is_said, unsent > 0, "{:?}", point.verdict);
        point.summary.succeeded()
    };
    assert_eq!(sent_with(Duration::from_secs(30)), 100);
    let cut = sent_with(MS * 500);
    assert!((70..80).contains(&cut), "{cut}");
    let cut = sent_with(Duration::ZERO);
    assert!((46..=52).contains(&cut), "{cut}");
}

#[test]
fn warm_up_is_kept_apart_and_takes_the_first_sessions() {
    let mut plan = plan(closed(3), Until::requests(30));
    plan.points[0].warm_up = Some(WarmUp { load: closed(2), until: Until::requests(8) });
    let counted = (0_u32..).map(|n| {
        Box::new(Single::new(Request { input_tokens: Some(n), ..Request::default() }))
            as Box<dyn Session>
    });
    let (outcome, samples) =
        go_with(&plan, Scripted::always(Script::tokens(2)), &Stop::new(), Box::new(counted));
    let of = |phase| {
        let mut n: Vec<_> = samples
            .samples()
            .filter(|s| s.phase == phase)
            .map(|s| s.input_tokens.unwrap())
            .collect();
        n.sort_unstable();
        n
    };
    assert_eq!(of(Phase::WarmUp), (0..8).collect::<Vec<_>>());
    assert_eq!(
        of(Phase::Measure),
        (8..38).collect::<Vec<_>>(),
        "no session is lost between phases"
    );
    assert_eq!(outcome.points[0].summary.requests(), 30);
}

#[test]
fn sessions_that_a_timed_phase_left_over_go_to_the_next() {
    let mut plan = plan(closed(1), Until::requests(5));
    plan.points[0].warm_up = Some(WarmUp { load: closed(1), until: Until::duration(MS * 200) });
    let counted = (0_u32..).map(|n| {
        Box::new(Single::new(Request { input_tokens: Some(n), ..Request::default() }))
            as Box<dyn Session>
    });
    let (_, samples) =
        go_with(&plan, Scripted::always(Script::tokens(1)), &Stop::new(), Box::new(counted));
    let n: Vec<_> = samples.samples().map(|s| s.input_tokens.unwrap()).collect();
    assert_eq!(n, (0..u32::try_from(n.len()).unwrap()).collect::<Vec<_>>());
}

#[test]
fn a_duration_ends_sending_and_the_grace_period_ends_the_rest() {
    // Answers take 10 s; sending ends after 25 s; the grace period of 4 s is too short for the third.
    let mut plan = plan(closed(1), Until::duration(Duration::from_secs(25)));
    plan.points[0].grace = Duration::from_secs(4);
    let server = Scripted::always(Script::tokens(1).after(Duration::from_secs(10)));
    let (outcome, samples) = go(&plan, server);
    let outcomes: Vec<_> = samples.samples().map(|s| s.outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Ok, Outcome::Cancelled]);
    assert!(!outcome.interrupted, "ending at its time is no interruption");
    assert_eq!(outcome.points[0].summary.value("error_ratio"), Some(0.0));
    let cut_off = Reason::CutOff { requests: 1, ratio: 1.0 / 3.0 };
    assert!(outcome.points[0].verdict.reasons.contains(&cut_off), "the slowest is missing");
}

#[test]
fn the_first_stop_drains_and_the_second_aborts_and_both_keep_everything() {
    for (level, expected) in [(Level::Drain, Outcome::Ok), (Level::Abort, Outcome::Cancelled)] {
        let stop = Stop::new();
        let inner = stop.clone();
        let server = Scripted::by(move |id| {
            if id.ends_with("-9.0") {
                inner.at_least(level);
            }
            Script::tokens(3)
        });
        let plan = plan(closed(1), Until::requests(1_000));
        let (outcome, samples) = go_with(&plan, server, &stop, Box::new(endless()));
        assert!(outcome.interrupted);
        assert_eq!(samples.samples().count(), 10, "{level:?}");
        assert_eq!(samples.samples().last().unwrap().outcome, expected, "{level:?}");
        assert!(outcome.points[0].verdict.reasons.contains(&Reason::Interrupted));
    }
}

#[test]
fn draining_ends_with_the_grace_period() {
    let stop = Stop::new();
    let inner = stop.clone();
    let server = Scripted::by(move |_| {
        inner.at_least(Level::Drain);
        Script::tokens(1).after(Duration::from_secs(3_600))
    });
    let (_, samples) =
        go_with(&plan(closed(1), Until::requests(10)), server, &stop, Box::new(endless()));
    let waited: Vec<_> = samples
        .samples()
        .map(|s| (s.outcome, s.done.unwrap().since(s.sent.unwrap()).as_secs()))
        .collect();
    assert_eq!(waited, [(Outcome::Cancelled, 30)]);
}

#[test]
fn a_failed_request_is_a_sample() {
    let server = Scripted::by(|id| {
        let bad = id.ends_with("5.0");
        Script::tokens(4).ending(if bad { Outcome::Truncated } else { Outcome::Ok })
    });
    let (outcome, samples) = go(&plan(closed(2), Until::requests(200)), server);
    let summary = &outcome.points[0].summary;
    assert_eq!((summary.succeeded(), summary.failed()), (180, 20));
    assert_eq!(summary.errors.get(&(Outcome::Truncated, "as scripted".to_owned())), Some(&20));
    let failed = samples.samples().find(|s| s.outcome == Outcome::Truncated).unwrap();
    assert_eq!(failed.arrivals.len(), 4, "what came before the failure is kept");
    assert_eq!(outcome.points[0].verdict.trust, Trust::Doubtful);
}

#[test]
fn the_end_of_the_workload_ends_the_phase() {
    let five = endless().take(5);
    let (outcome, samples) = go_with(
        &plan(closed(3), Until::default()),
        Scripted::always(Script::tokens(1)),
        &Stop::new(),
        Box::new(five),
    );
    assert_eq!(samples.samples().count(), 5);
    assert!(!outcome.interrupted);
}

#[test]
fn a_ramp_fills_places_one_after_the_other() {
    let ramp = Some(ConcurrencyRamp { over: Duration::from_secs(9), shape: RampShape::Linear });
    let concurrency = NonZeroUsize::new(3).unwrap();
    let load = Load::Closed { concurrency, counts: Counts::Requests, ramp };
    let server = Scripted::always(Script::tokens(1).after(MS * 100));
    let (outcome, samples) = go(&plan(load, Until::requests(300)), server);
    let began = samples.samples().map(|s| s.sent.unwrap()).min().unwrap();
    let in_flight_at = |seconds: u64| {
        let at = began + Duration::from_secs(seconds) + MS * 50;
        samples.samples().filter(|s| s.sent.unwrap() <= at && s.done.unwrap() > at).count()
    };
    assert_eq!([1, 4, 7].map(in_flight_at), [1, 2, 3]);
    let steady = outcome.points[0].summary.value("steady_rps").unwrap();
    let all = outcome.points[0].summary.value("rps").unwrap();
    assert!((steady - 30.0).abs() < 0.5 && all < 29.0, "steady {steady}, with the ramp {all}");
}

#[test]
fn a_share_of_requests_is_given_up_on_purpose_and_the_same_ones_each_time() {
    let mut plan = plan(closed(4), Until::requests(400));
    plan.points[0].cancellation = Some(Cancellation::new(0.25, MS * 70).unwrap());
    let given_up = || {
        let (outcome, samples) = go(&plan, Scripted::always(Script::tokens(11)));
        assert_eq!(outcome.points[0].summary.value("error_ratio"), Some(0.0));
        assert_eq!(outcome.points[0].summary.facts.cut_off, 0, "given up on purpose");
        let given_up = samples.samples().filter(|s| s.outcome == Outcome::Cancelled);
        let mut given_up: Vec<_> = given_up
            .map(|s| {
                assert!(s.done.unwrap().since(s.sent.unwrap()) <= MS * 72);
                assert!(!s.arrivals.is_empty(), "what came before is kept");
                s.session
            })
            .collect();
        given_up.sort_unstable();
        given_up
    };
    let sessions = given_up();
    assert!((60..140).contains(&sessions.len()), "{}", sessions.len());
    assert_eq!(sessions, given_up());
}

struct Words;

impl TokenCounter for Words {
    fn count(&self, text: &str) -> u32 {
        u32::try_from(text.split_whitespace().count()).unwrap()
    }

    fn is_exact(&self) -> bool {
        false
    }
}

#[test]
fn tokens_are_counted_where_the_server_does_not() {
    for (usage, counted) in [(true, None), (false, Some(6))] {
        let server = Scripted::always(Script { usage, ..Script::tokens(6) });
        let mut prepared = Prepared::new(Arc::new(server), Box::new(endless()));
        prepared.counter = Some(Arc::new(Words));
        let (mut sink, mut prepared) = (Collected::default(), Some(prepared));
        let plan = plan(closed(1), Until::requests(3));
        let mut prepare = |_: &Point| Ok(prepared.take().unwrap());
        let outcome = run_on_paused_time(&plan, &mut prepare, &mut sink, &Stop::new()).unwrap();
        assert!(sink.samples().all(|s| s.counted_tokens == counted && s.text.is_none()));
        let point = &outcome.points[0];
        let source = if usage { TokenSource::Usage } else { TokenSource::Approximate };
        assert_eq!(point.summary.facts.output_token_source, Some(source));
        let guessed = |reason: &Reason| reason.code() == "tokens_estimated";
        assert_eq!(point.verdict.reasons.iter().any(guessed), !usage);
    }
}

struct SaysWord;

impl Grader for SaysWord {
    fn grade(&self, expected: &Expected, answer: &Answer) -> Grade {
        let Expected::Text { text, .. } = expected else { panic!("{expected:?}") };
        Grade::of(answer.text() == text)
    }
}

#[test]
fn answers_are_graded_where_something_is_expected() {
    let expecting = [" word", "another"].map(|text| {
        let expected = Some(Expected::text(text));
        Box::new(Single::new(Request { expected, ..Request::default() })) as Box<dyn Session>
    });
    let server = Arc::new(Scripted::always(Script::tokens(1)));
    let mut prepared = Prepared::new(server, Box::new(expecting.into_iter()));
    prepared.grader = Some(Arc::new(SaysWord));
    let (mut sink, mut prepared) = (Collected::default(), Some(prepared));
    let plan = plan(closed(1), Until::default());
    let outcome =
        run_on_paused_time(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new())
            .unwrap();
    let accuracy = outcome.points[0].summary.distribution("accuracy").unwrap();
    assert!((accuracy.mean - 0.5).abs() < 1e-12);
}

/// Fails after three samples.
#[derive(Default)]
struct FullDisk {
    samples: u32,
    finished: bool,
}

impl MetricSink for FullDisk {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        self.samples += u32::from(matches!(event, RunEvent::Sample(_)));
        match self.samples {
            0..3 => Ok(()),
            _ => Err(SinkError { sink: "disk", cause: "full".into() }),
        }
    }

    fn finish(&mut self, _outcome: &RunOutcome) -> Result<(), SinkError> {
        self.finished = true;
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_stops_the_run_and_is_still_finished() {
    let mut sink = FullDisk::default();
    let mut prepared =
        Some(Prepared::new(Arc::new(Scripted::always(Script::tokens(2))), Box::new(endless())));
    // Without an end: only the sink's failure can end it.
    let plan = plan(closed(1), Until::default());
    let error =
        run_on_paused_time(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new());
    assert!(matches!(error, Err(RunError::Sink(_))), "{error:?}");
    assert!(sink.finished);
}

#[test]
fn a_panic_of_a_provider_or_a_workload_is_an_error_and_keeps_the_samples() {
    let server = Scripted::by(|id| {
        assert!(!id.ends_with("-4.0"), "the script ran out");
        Script::tokens(1)
    });
    let mut sink = Collected::default();
    let mut prepared = Some(Prepared::new(Arc::new(server), Box::new(endless())));
    let plan = plan(closed(1), Until::requests(100));
    let error =
        run_on_paused_time(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new());
    assert!(error.unwrap_err().to_string().contains("the script ran out"));
    assert_eq!(sink.samples().count(), 5);

    let bad = endless().take(2).chain(std::iter::once_with(|| panic!("no more prompts")));
    let mut prepared =
        Some(Prepared::new(Arc::new(Scripted::always(Script::tokens(1))), Box::new(bad)));
    let error = run_on_paused_time(
        &plan,
        &mut |_| Ok(prepared.take().unwrap()),
        &mut Collected::default(),
        &Stop::new(),
    );
    assert!(error.unwrap_err().to_string().contains("no more prompts"));
}

/// Ends in a panic after three arrivals.
#[derive(Debug)]
struct Faulty;

impl crate::Schedule for Faulty {
    fn due(&self, n: u64) -> Option<Duration> {
        assert!(n < 3, "no more arrivals");
        Some(MS * u32::try_from(n).unwrap())
    }

    fn describe(&self) -> String {
        "faulty".to_owned()
    }
}

#[test]
fn a_panic_of_a_schedule_ends_the_run() {
    let server = Scripted::always(Script::tokens(1));
    let mut prepared = Some(Prepared::new(Arc::new(server), Box::new(endless())));
    let plan = plan(open(Faulty), Until::default());
    let sink = &mut Collected::default();
    let error =
        run_on_paused_time(&plan, &mut |_| Ok(prepared.take().unwrap()), sink, &Stop::new());
    assert!(error.unwrap_err().to_string().contains("no more arrivals"));
}

#[test]
fn load_threads_on_real_time_share_the_work_exactly() {
    let mut plan = plan(closed(5), Until::requests(50));
    plan.threads = NonZeroUsize::new(3).unwrap();
    plan.points[0].warm_up = Some(WarmUp { load: closed(2), until: Until::requests(4) });
    let script = Script { ttft: MS, itl: Duration::ZERO, ..Script::tokens(2) };
    let mut prepared = Some(Prepared::new(Arc::new(Scripted::always(script)), Box::new(endless())));
    let mut sink = Collected::default();
    let outcome =
        run(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new()).unwrap();
    assert_eq!(outcome.points[0].summary.succeeded(), 50);
    let mut ids: Vec<_> = sink.samples().map(|s| s.request_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 54, "each request has an id of its own");
    let last = sink.events.iter().rev().find_map(|e| match e {
        RunEvent::Progress(p) => Some(*p),
        _ => None,
    });
    assert_eq!(last, Some(Progress { sent: 50, ended: 50, of: Some(50) }));
}

#[test]
fn a_cap_holds_over_all_load_threads() {
    let schedule = Arc::new(Paced::constant(Rate::per_second(2_000.0).unwrap()));
    let load = Load::Open { schedule, max_in_flight: NonZeroUsize::new(1) };
    let mut plan = plan(load, Until::requests(20));
    plan.threads = NonZeroUsize::new(3).unwrap();
    let script = Script { ttft: MS, itl: Duration::ZERO, ..Script::tokens(1) };
    let mut prepared = Some(Prepared::new(Arc::new(Scripted::always(script)), Box::new(endless())));
    let mut sink = Collected::default();
    run(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new()).unwrap();
    let mut spans: Vec<_> = sink.samples().map(|s| (s.sent.unwrap(), s.done.unwrap())).collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|w| w[0].1 <= w[1].0), "{spans:?}");
}

#[test]
fn an_open_loop_ends_though_its_workload_cannot_keep_up() {
    // As many sessions as are made ahead, then one each 20 ms: the rest of the schedule would take 20 s.
    let mut left = 4_096;
    let slow = endless().inspect(move |_| match left {
        0 => drop(crossbeam_channel::after(MS * 20).recv()),
        _ => left -= 1,
    });
    let schedule = Paced::constant(Rate::per_second(50_000.0).unwrap());
    let mut plan = plan(open(schedule), Until::duration(MS * 100));
    plan.threads = NonZeroUsize::MIN;
    plan.points[0].grace = MS * 200;
    let script = Script { ttft: Duration::ZERO, itl: Duration::ZERO, ..Script::tokens(1) };
    let server = Arc::new(Scripted::always(script));
    let mut prepared = Some(Prepared::new(server, Box::new(slow)));
    let mut sink = Collected::default();
    run(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new()).unwrap();
    assert!(sink.samples().count() < 4_500, "{} of 5000", sink.samples().count());
}

#[test]
fn an_open_loop_on_real_time_is_never_early() {
    let schedule = Paced::constant(Rate::per_second(500.0).unwrap());
    let script = Script { ttft: Duration::ZERO, itl: Duration::ZERO, ..Script::tokens(1) };
    let mut prepared = Some(Prepared::new(Arc::new(Scripted::always(script)), Box::new(endless())));
    let mut sink = Collected::default();
    run(
        &plan(open(schedule), Until::requests(100)),
        &mut |_| Ok(prepared.take().unwrap()),
        &mut sink,
        &Stop::new(),
    )
    .unwrap();
    assert_eq!(sink.samples().count(), 100);
    assert!(sink.samples().all(|s| s.sent.unwrap() >= s.due));
}

/// A source of two GPUs, the second always throttled; `others` are on the first until the server has seen
/// `requests` requests, then `later`.
fn watched(requests: u64, others: f64, later: f64) -> Prepared {
    let seen = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&seen);
    let server = Scripted::by(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        Script { ttft: MS * 10, itl: Duration::ZERO, ..Script::tokens(2) }
    });
    let source = ScriptedSource::new(MS * 2, move |_| {
        let others = if asked.load(Ordering::Relaxed) < requests { others } else { later };
        let values = vec![
            (reading::GPU_THROTTLED, Some("0"), 0.0),
            (reading::GPU_THROTTLED, Some("1"), 1.0),
            (reading::GPU_OTHER_PROCESSES, Some("0"), others),
        ];
        // Long enough that a read which began in the warm-up ends in the measured phase.
        ScriptedRead { values, takes: MS * 150, fails: None }
    });
    let mut prepared = Prepared::new(Arc::new(server), Box::new(endless()));
    prepared.sources.push(Box::new(source));
    prepared
}

#[test]
fn a_gpu_that_is_throttled_or_shared_while_it_is_measured_is_a_doubt() {
    // The warm-up sees nine others until its last request is sent.
    for (later, shared) in [(2.0, Some(2)), (0.0, None)] {
        let mut plan = plan(closed(1), Until::duration(MS * 600));
        plan.points[0].warm_up = Some(WarmUp { load: closed(1), until: Until::requests(20) });
        let (mut sink, mut prepared) = (Collected::default(), Some(watched(20, 9.0, later)));
        let outcome =
            run(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new()).unwrap();
        let PointOutcome { summary, verdict, .. } = &outcome.points[0];
        let throttled = summary.facts.gpu_throttled_ratio.unwrap();
        assert!((throttled - 1.0).abs() < 1e-9, "the worst GPU counts: {throttled}");
        assert_eq!(summary.facts.dropped_readings, Some(0));
        assert!(
            verdict.reasons.contains(&Reason::GpuThrottled { ratio: throttled }),
            "{verdict:?}"
        );
        let found = verdict.reasons.iter().find_map(|reason| match reason {
            Reason::GpuShared { processes } => Some(*processes),
            _ => None,
        });
        assert_eq!(found, shared, "of the measured phase alone");
        assert_eq!(verdict.trust, Trust::Doubtful);

        let readings = sink.events.iter().filter_map(|event| match event {
            RunEvent::Reading(reading) => Some(reading),
            _ => None,
        });
        let readings: Vec<_> = readings.collect();
        assert!(readings.iter().any(|r| r.value > 8.0), "the warm-up is watched, too");
        assert!(readings.iter().all(|r| &*r.source == "scripted"));
        assert!(readings.is_sorted_by_key(|r| r.at));
    }
}

#[test]
fn counters_tell_what_was_counted_within_the_measured_phase() {
    let tokens = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&tokens);
    let server = Scripted::by(move |_| {
        counted.fetch_add(2, Ordering::Relaxed);
        Script { ttft: MS, itl: Duration::ZERO, ..Script::tokens(2) }
    });
    // Read once an hour: what it tells it tells at the edges of phases.
    let source = ScriptedSource::new(Duration::from_secs(3_600), move |_| {
        ScriptedRead::of(reading::SERVER_OUTPUT_TOKENS, tokens.load(Ordering::Relaxed) as f64)
    });
    let mut prepared = Prepared::new(Arc::new(server), Box::new(endless()));
    prepared.sources.push(Box::new(source));
    let mut plan = plan(closed(3), Until::requests(50));
    plan.points[0].warm_up = Some(WarmUp { load: closed(2), until: Until::requests(20) });
    let mut prepared = Some(prepared);
    let outcome = run(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut (), &Stop::new()).unwrap();
    let summary = &outcome.points[0].summary;
    let increase = summary.telemetry.increase(reading::SERVER_OUTPUT_TOKENS).unwrap();
    assert_eq!(increase, Increase { by: 100.0, resets: 0, whole: true }, "not the warm-up's 40");
    assert!(summary.facts.telemetry_cpu_cores.is_some() == cfg!(unix));
}

#[test]
fn idle_power_is_measured_once_for_each_target_before_anything_is_sent() {
    let asked = Arc::new(AtomicU64::new(0));
    let mut prepare = |_: &Point| {
        let (seen, asked) = (Arc::clone(&asked), Arc::clone(&asked));
        let server = Scripted::by(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
            Script { ttft: MS * 10, itl: Duration::ZERO, ..Script::tokens(2) }
        });
        let power = move |_| {
            let watts = if asked.load(Ordering::Relaxed) == 0 { 70.0 } else { 500.0 };
            ScriptedRead::of(reading::GPU_POWER_W, watts)
        };
        let mut prepared = Prepared::new(Arc::new(server), Box::new(endless()));
        prepared.sources.push(Box::new(ScriptedSource::new(MS * 5, power)));
        prepared.idle = MS * 100;
        Ok(prepared)
    };
    let mut plan = plan(closed(1), Until::duration(MS * 200));
    plan.points.push(plan.points[0].clone());
    let outcome = run(&plan, &mut prepare, &mut (), &Stop::new()).unwrap();
    for point in &outcome.points {
        let value = |id| point.summary.value(id).unwrap();
        assert!((value("gpu_idle_power_w") - 70.0).abs() < 1e-9);
        // Until the source is read after the first request was seen, which on a busy machine takes its time, it
        // is as before.
        assert!((69.0..=501.0).contains(&value("gpu_power_w")), "{}", value("gpu_power_w"));
        let energy = value("gpu_power_w") * value("window_s");
        assert!((value("energy_j") - energy).abs() < 1e-6 * energy);
        let tokens = value("requests_ok") * 2.0;
        assert!((value("j_per_output_token") * tokens - energy).abs() < 1e-6 * energy);
        assert!(point.summary.value("j_per_good_request").is_none(), "nothing says what is good");
    }
}

#[test]
fn paused_time_leaves_sources_alone() {
    let (mut sink, mut prepared) = (Collected::default(), Some(watched(0, 0.0, 3.0)));
    let plan = plan(closed(1), Until::requests(100));
    let outcome =
        run_on_paused_time(&plan, &mut |_| Ok(prepared.take().unwrap()), &mut sink, &Stop::new())
            .unwrap();
    let Facts { gpu_throttled_ratio, gpu_other_processes, dropped_readings, .. } =
        outcome.points[0].summary.facts;
    assert_eq!((gpu_throttled_ratio, gpu_other_processes, dropped_readings), (None, None, None));
    assert!(!sink.events.iter().any(|event| matches!(event, RunEvent::Reading(_))));
}
