//! Agents that do as a test says, on paused time.

use std::{collections::VecDeque, sync::Mutex};

use bench_core::Clock;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, advance, sleep};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// An agent whose clock and answers a test decides.
#[derive(Debug)]
struct Fake {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    life: &'static str,
    protocol: u32,
    /// By how much its clock is ahead of one that began with the test.
    ahead: Duration,
    /// How long a question takes there, and the answer back; the last one stays.
    trips: VecDeque<(Duration, Duration)>,
    /// What is read, each with its moment of the agent's clock.
    read: Vec<Json>,
    notes: Vec<Json>,
    missed: u64,
    /// What it says instead.
    instead: Option<Result<Vec<u8>, FetchError>>,
    asked: Vec<String>,
}

impl Fake {
    fn new() -> Arc<Self> {
        let state = State {
            life: "a",
            protocol: PROTOCOL,
            ahead: Duration::from_secs(1_000),
            trips: VecDeque::from([(MS, MS)]),
            read: vec![],
            notes: vec![],
            missed: 0,
            instead: None,
            asked: vec![],
        };
        Arc::new(Self { began: Instant::now(), state: Mutex::new(state) })
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// This moment on its clock.
    fn ns(&self) -> u64 {
        nanos(self.began.elapsed() + self.state.lock().unwrap().ahead)
    }

    /// It reads a value now.
    fn reads(&self, value: f64) {
        let ns = self.ns();
        let read = json!({"source": "nvml", "name": "gpu_power_w", "instance": "0", "ns": ns, "value": value});
        self.set(|state| state.read.push(read));
    }

    fn answer(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let ns = self.ns();
        let mut state = self.state.lock().unwrap();
        state.asked.push(path.to_owned());
        if let Some(instead) = &state.instead {
            return match instead {
                Ok(body) => Ok(body.clone()),
                Err(error) => Err(FetchError { status: error.status, said: error.said.clone() }),
            };
        }
        let (life, protocol) = (state.life, state.protocol);
        let body = match path.split('?').next().unwrap() {
            ABOUT => {
                json!({"protocol": protocol, "version": "9", "host": "gpu2", "sources": ["nvml"]})
            }
            CLOCK => json!({"life": life, "ns": ns}),
            _ => json!({
                "protocol": protocol, "life": life, "next": 7, "missed": state.missed, "more": false,
                "readings": std::mem::take(&mut state.read), "notes": std::mem::take(&mut state.notes),
            }),
        };
        Ok(body.to_string().into_bytes())
    }
}

#[async_trait]
impl Fetch for Fake {
    async fn get(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let (there, back) = {
            let mut state = self.state.lock().unwrap();
            let trip = state.trips.pop_front().unwrap();
            if state.trips.is_empty() {
                state.trips.push_back(trip);
            }
            trip
        };
        sleep(there).await;
        let answer = self.answer(path);
        sleep(back).await;
        answer
    }
}

/// A run that watches an agent.
struct Run {
    fake: Arc<Fake>,
    clock: Clock,
    remote: Remote,
}

type Read = (Vec<Reading>, Vec<SourceNote>, Result<(), SourceError>);

impl Run {
    fn new() -> Self {
        let fake = Fake::new();
        let remote = Remote::new("gpu2", Arc::clone(&fake) as Arc<dyn Fetch>, MS * 100);
        Self { fake, clock: Clock::start(), remote }
    }

    async fn read(&mut self) -> Read {
        let mut into = Readings::new(self.remote.name(), self.clock.now());
        let result = self.remote.read(&mut into).await;
        let (readings, notes, _) = into.into_parts();
        (readings, notes, result)
    }

    /// What the agent's own sources read.
    async fn relayed(&mut self) -> Vec<Reading> {
        let (mut readings, _, result) = self.read().await;
        result.unwrap();
        readings.retain(|reading| &*reading.source != "agent@gpu2");
        readings
    }

    async fn notes(&mut self) -> Vec<Said> {
        let (_, notes, result) = self.read().await;
        result.unwrap();
        notes.into_iter().map(|note| note.said).collect()
    }
}

fn value_of(readings: &[Reading], name: &str) -> Option<f64> {
    readings.iter().find(|reading| reading.name == name).map(|reading| reading.value)
}

#[tokio::test(start_paused = true)]
async fn readings_keep_their_source_and_come_to_the_runs_clock() {
    let mut run = Run::new();
    // The quickest of the answers is split evenly; the others are not, and count for nothing.
    let slow = (MS * 40, MS);
    run.fake.set(|state| {
        state.trips = VecDeque::from([slow, slow, slow, (MS, MS), slow, (MS * 9, MS)]);
    });
    let (readings, notes, result) = run.read().await;
    result.unwrap();
    assert!((value_of(&readings, "agent_clock_offset_ms").unwrap() + 1e6).abs() < 1e-6);
    assert!((value_of(&readings, "agent_clock_bound_ms").unwrap() - 1.0).abs() < 1e-6);
    let said = "nvml of inferbench 9".to_owned();
    assert_eq!(notes[0].said, Said::Is { what: "agent".into(), text: said });
    advance(MS * 50).await;
    let at = run.clock.now();
    run.fake.reads(612.0);
    advance(MS * 30).await;
    let readings = run.relayed().await;
    assert_eq!((&*readings[0].source, &*readings[0].name), ("nvml@gpu2", "gpu_power_w"));
    assert_eq!((readings[0].instance.as_deref(), readings[0].value), (Some("0"), 612.0));
    assert!(readings[0].at.ms_since(at).abs() < 1e-3, "{:?} {at:?}", readings[0].at);
    let asked = run.fake.state.lock().unwrap().asked.clone();
    assert_eq!(asked.iter().filter(|path| *path == CLOCK).count(), ASKED_FOR_TIME);
    assert_eq!(asked[asked.len() - 2..], [READINGS, "/v1/readings?since=7"]);
}

#[tokio::test(start_paused = true)]
async fn the_bound_holds_however_the_trips_are_split_and_a_wide_one_is_said() {
    let mut run = Run::new();
    run.fake.set(|state| state.trips = VecDeque::from([(MS * 190, MS * 10)]));
    let (readings, notes, result) = run.read().await;
    result.unwrap();
    let bound = value_of(&readings, "agent_clock_bound_ms").unwrap();
    let offset = value_of(&readings, "agent_clock_offset_ms").unwrap();
    assert!((offset + 1e6).abs() <= bound, "{offset} {bound}");
    let wide = |note: &&SourceNote| matches!(&note.said, Said::Happened { what } if what.contains("100 ms off"));
    assert_eq!(notes.iter().filter(wide).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn moments_never_go_backwards_though_the_clock_is_found_anew() {
    let mut run = Run::new();
    // The first look makes the agent's moments 45 ms late, the second finds better.
    run.fake.set(|state| state.trips = VecDeque::from([(MS, MS * 91)]));
    run.relayed().await;
    advance(Duration::from_secs(30) - MS * 1_600).await;
    run.fake.reads(1.0);
    let late = run.clock.now();
    let first = run.relayed().await;
    assert!((first[0].at.ms_since(late) - 45.0).abs() < 1e-3, "{:?} {late:?}", first[0].at);
    run.fake.set(|state| state.trips = VecDeque::from([(MS, MS)]));
    advance(Duration::from_secs(1)).await;
    let mut moments = vec![first[0].at];
    for (ago, expected) in [(1_075, 0), (0, 1_075)] {
        let ns = run.fake.ns() - nanos(MS * ago);
        let read = json!({"source": "nvml", "name": "gpu_power_w", "instance": "0", "ns": ns, "value": 2.0});
        run.fake.set(|state| state.read.push(read));
        advance(Duration::from_secs(1) * u32::from(expected == 0)).await;
        moments.extend(run.relayed().await.iter().map(|reading| reading.at));
    }
    assert!(moments.len() == 3 && moments.is_sorted(), "{moments:?}");
    assert_eq!(moments[0], moments[1], "it lies before, by the better look");
    let asked = run.fake.state.lock().unwrap().asked.clone();
    assert_eq!(asked.iter().filter(|path| *path == CLOCK).count(), 2 * ASKED_FOR_TIME);
}

#[tokio::test(start_paused = true)]
async fn drift_is_told_with_the_next_look() {
    let mut run = Run::new();
    run.relayed().await;
    advance(Duration::from_secs(31)).await;
    assert_eq!(value_of(&run.read().await.0, "agent_clock_drift_ppm"), None, "there is none");
    advance(Duration::from_secs(31)).await;
    run.fake.set(|state| state.ahead += MS * 62);
    let (readings, _, _) = run.read().await;
    let drift = value_of(&readings, "agent_clock_drift_ppm").unwrap();
    assert!((drift + 1_000.0).abs() < 10.0, "{drift}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_was_started_anew_is_met_anew() {
    let mut run = Run::new();
    run.relayed().await;
    run.fake.set(|state| (state.life, state.ahead) = ("b", MS * 5));
    run.fake.reads(1.0);
    let (readings, notes, result) = run.read().await;
    result.unwrap();
    assert!(readings.is_empty(), "moments of another life mean nothing");
    let said = "the agent was started anew".to_owned();
    assert_eq!(notes[0].said, Said::Happened { what: said });
    advance(MS * 100).await;
    let at = run.clock.now();
    run.fake.reads(2.0);
    let readings = run.relayed().await;
    assert_eq!(readings.len(), 1);
    assert!(readings[0].at.ms_since(at).abs() <= 1.0);
    let asked = run.fake.state.lock().unwrap().asked.clone();
    assert_eq!(asked.last().unwrap(), "/v1/readings?since=0", "all of its new life is news");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_an_error_and_the_next_answer_counts() {
    type Answer = Result<Vec<u8>, Option<u16>>;
    let answers: [(&str, Answer); 7] = [
        ("no such JSON", Ok(b"<html>".to_vec())),
        ("no such JSON", Ok(vec![0xff; 100])),
        ("no such JSON", Ok(b"{\"life\":\"a\"}".to_vec())),
        ("no such JSON", Ok(b"[".repeat(100_000))),
        ("bytes are too many", Ok(vec![b' '; MOST_OF_ANSWER + 1])),
        ("as scripted", Err(Some(500))),
        ("as scripted", Err(None)),
    ];
    for begun in [false, true] {
        for (expected, answer) in answers.clone() {
            let mut run = Run::new();
            if begun {
                run.relayed().await;
            }
            let answer =
                answer.map_err(|status| FetchError { status, said: "as scripted".to_owned() });
            run.fake.set(|state| state.instead = Some(answer));
            let error = run.read().await.2.unwrap_err();
            assert!(!error.fatal && error.cause.to_string().contains(expected), "{}", error.cause);
            run.fake.set(|state| state.instead = None);
            run.relayed().await;
            run.fake.reads(1.0);
            assert_eq!(run.relayed().await.len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_and_another_version_end_it() {
    for status in [401, 403] {
        let mut run = Run::new();
        let refused = FetchError { status: Some(status), said: "no".to_owned() };
        run.fake.set(|state| state.instead = Some(Err(refused)));
        let error = run.read().await.2.unwrap_err();
        assert!(error.fatal && error.cause.to_string().contains("INFERBENCH_AGENT_TOKEN"));
    }
    for begun in [false, true] {
        let mut run = Run::new();
        if begun {
            run.relayed().await;
        }
        run.fake.set(|state| state.protocol = 2);
        let error = run.read().await.2.unwrap_err();
        assert!(error.fatal && error.cause.to_string().contains("version 2"), "{}", error.cause);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_abandoned_leaves_it_usable() {
    let mut run = Run::new();
    run.fake.set(|state| state.trips = VecDeque::from([(Duration::from_secs(3_600), MS)]));
    assert!(timeout(MS * 500, run.read()).await.is_err());
    run.fake.set(|state| state.trips = VecDeque::from([(MS, MS)]));
    run.relayed().await;
    run.fake.reads(1.0);
    run.fake.set(|state| state.trips = VecDeque::from([(Duration::from_secs(3_600), MS)]));
    assert!(timeout(MS * 500, run.read()).await.is_err());
    run.fake.set(|state| state.trips = VecDeque::from([(MS, MS)]));
    assert_eq!(run.relayed().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_never_answers_is_given_up_within_seconds() {
    let mut run = Run::new();
    run.fake.set(|state| {
        state.trips = VecDeque::from([(MS, MS), (Duration::from_secs(3_600), MS)]);
    });
    let before = Instant::now();
    let error = run.read().await.2.unwrap_err();
    assert!(!error.fatal && before.elapsed() < Duration::from_secs(6), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_said_once() {
    let mut run = Run::new();
    run.fake.set(|state| state.missed = 3);
    assert!(
        !run.notes().await.iter().any(|said| matches!(said, Said::Happened { .. })),
        "nothing was asked for"
    );
    let what = "3 readings were gone before they were asked for".to_owned();
    assert_eq!(run.notes().await, [Said::Happened { what: what.clone() }]);
    assert_eq!(run.notes().await, []);
    run.fake.set(|state| state.missed = 0);
    assert_eq!(run.notes().await, []);
    run.fake.set(|state| state.missed = 3);
    assert_eq!(run.notes().await, [Said::Happened { what }]);
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_says_is_kept_short_and_plain() {
    let mut run = Run::new();
    run.relayed().await;
    let of =
        |source: &str, name: &str| json!({"source": source, "name": name, "ns": 1, "value": 1.0});
    run.fake.set(|state| {
        let long = "x".repeat(65);
        state.read = vec![of("nvml", "own_name"), of("", "a"), of("n", "A b"), of("n", &long), of(&long, "a")];
        state.notes = vec![
            json!({"source": "nvml", "ns": 1, "said": "happened", "what": "\u{1b}[31m".repeat(200)}),
            json!({"source": "nvml", "ns": 1, "said": "from_the_future", "with": [1]}),
            json!({"source": "nv ml", "ns": 1, "said": "happened", "what": "x"}),
        ];
    });
    let (readings, notes, result) = run.read().await;
    result.unwrap();
    assert_eq!(readings.len(), 1);
    assert_eq!(readings[0].name, "own_name");
    let [relayed, complaint] = &notes[..] else { panic!("{notes:?}") };
    let Said::Happened { what } = &relayed.said else { panic!("{relayed:?}") };
    assert!(what.chars().count() <= 301 && !what.contains('\u{1b}'));
    assert_eq!((&*relayed.source, &*complaint.source), ("nvml@gpu2", "agent@gpu2"));
}

#[tokio::test(start_paused = true)]
async fn an_agent_cannot_fill_the_memory_with_names() {
    let mut run = Run::new();
    run.relayed().await;
    for part in 0..3 {
        run.fake.set(|state| {
            let name = |n| format!("name_{part}_{n}");
            let of = |n| json!({"source": "s", "name": name(n), "ns": 1, "value": 1.0});
            state.read = (0..MOST_SERIES / 2).map(of).collect();
        });
        let readings = run.relayed().await;
        assert_eq!(readings.len(), if part < 2 { MOST_SERIES / 2 } else { 0 });
    }
}
