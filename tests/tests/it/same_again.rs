//! What is sent follows from the plan and its seed alone: the same again, byte for byte, at the same
//! times.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use bench_core::Phase;

use crate::{
    program::{Place, samples},
    server::{Server, whole},
};

/// A way to a server on which every byte is kept that a client sends.
struct Tap {
    url: String,
    /// One for each connection.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    _server: Server,
}

impl Tap {
    fn new() -> Self {
        let server = Server::completing(|request, to| write!(to, "{}", whole(request)));
        let behind = server.url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let keep = Arc::clone(&heard);
        thread::spawn(move || {
            for (client, number) in listener.incoming().zip(0..) {
                keep.lock().unwrap().push(Vec::new());
                let (keep, behind) = (Arc::clone(&keep), TcpStream::connect(&behind)?);
                thread::spawn(move || pass_on(client?, behind, &keep, number));
            }
            io::Result::Ok(())
        });
        Self { url, heard, _server: server }
    }

    /// The requests for completion, by what tells them apart: point and phase, session.
    fn requests(&self) -> BTreeMap<(String, u64), Vec<u8>> {
        let heard = self.heard.lock().unwrap();
        heard.iter().flat_map(|bytes| completions(bytes)).collect()
    }
}

fn pass_on(
    mut client: TcpStream,
    mut server: TcpStream,
    heard: &Mutex<Vec<Vec<u8>>>,
    number: usize,
) -> io::Result<()> {
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    back.set_nodelay(true)?;
    thread::spawn(move || {
        io::copy(&mut answers, &mut back)?;
        back.shutdown(Shutdown::Both)
    });
    let mut buffer = [0; 4096];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return server.shutdown(Shutdown::Both);
        }
        heard.lock().unwrap()[number].extend_from_slice(&buffer[..count]);
        server.write_all(&buffer[..count])?;
    }
}

/// The requests for completion of a connection, whole: but for the run's id, and where they went.
fn completions(mut bytes: &[u8]) -> Vec<((String, u64), Vec<u8>)> {
    let mut found = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let value = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
            line.map(|line| line[name.len()..].trim().to_owned())
        };
        let length = value("content-length:").map_or(0, |length| length.parse().unwrap());
        let (body, rest) = bytes[end + 4..].split_at(length);
        bytes = rest;
        if !head.starts_with("POST ") {
            continue;
        }
        // run-0m-12.0: point 0, measured, session 12, its first turn.
        let id = value("x-request-id:").unwrap();
        let [_run, phase, session] = id.split('-').collect::<Vec<_>>()[..] else {
            panic!("{id} is no id of a request")
        };
        let session = session.split_once('.').unwrap().0.parse().unwrap();
        let own = |line: &&str| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("x-request-id:") && !line.starts_with("host:")
        };
        let mut request = head.lines().filter(own).collect::<Vec<_>>().join("\r\n").into_bytes();
        request.extend_from_slice(body);
        found.push(((phase.to_owned(), session), request));
    }
    found
}

/// What a run sent, and when it was due, in order of sessions, in nanoseconds after the first.
struct Sent {
    requests: BTreeMap<(String, u64), Vec<u8>>,
    due_ns: Vec<u64>,
}

fn sent(words: &str) -> Sent {
    let (place, tap) = (Place::new(), Tap::new());
    let lengths = "--isl 40 --isl-stddev 10 --osl 8 --osl-stddev 2";
    place.run(&format!("-u {} {lengths} --ui none", tap.url)).words(words).measures();
    let mut measured = place.measured();
    measured.sort_by_key(|sample| sample.session);
    // In a closed loop two threads may take their sessions in another order than the clock's.
    let first = measured.iter().map(|sample| sample.due.as_nanos()).min().unwrap();
    let due_ns = measured.iter().map(|sample| sample.due.as_nanos() - first).collect();
    Sent { requests: tap.requests(), due_ns }
}

/// Checks that all of `load` follows from the seed.
fn check(load: &str, is_random: bool) {
    const REQUESTS: usize = 60;
    let words = format!("-n {REQUESTS} {load}");
    let (first, again) = (sent(&words), sent(&words));
    assert_eq!(first.requests.len(), 4 + REQUESTS, "{load}: those of the warm-up, too");
    assert_eq!(first.requests, again.requests, "{load}");
    assert_eq!(first.due_ns, again.due_ns, "{load}");
    assert!(first.due_ns.is_sorted() && first.due_ns.len() == REQUESTS, "{load}");

    let other = sent(&format!("{words} --seed 43"));
    assert_eq!(other.requests.len(), 4 + REQUESTS);
    let all: BTreeSet<_> = first.requests.values().chain(other.requests.values()).collect();
    assert_eq!(all.len(), 2 * (4 + REQUESTS), "{load}: no request comes twice");
    assert_eq!(first.due_ns != other.due_ns, is_random, "{load}");
}

#[test]
fn a_constant_rate_sends_the_same_again() {
    check("-r 200 --arrival-pattern constant", false);
}

#[test]
fn poisson_arrivals_are_the_same_again() {
    check("-r 200", true);
}

#[test]
fn gamma_arrivals_are_the_same_again() {
    check("-r 200 --arrival-smoothness 0.5", true);
}

#[test]
fn bursts_are_the_same_again() {
    check("-r 200 --burst-size 7", false);
}

#[test]
fn a_ramp_is_the_same_again() {
    check("-r 300 --request-rate-ramp-from 50 --request-rate-ramp-duration 300ms", true);
}

#[test]
fn a_closed_loop_sends_the_same_again() {
    let words = "-n 40 -c 3";
    let first = sent(words);
    assert_eq!(first.requests.len(), 4 + 40);
    assert_eq!(first.requests, sent(words).requests);
}

/// The requests of a point, in order of sessions, and when they were due.
type OfPoint = (Vec<Vec<u8>>, Vec<u64>);

#[test]
fn points_differ_but_for_the_target() {
    let (place, taps) = (Place::new(), [Tap::new(), Tap::new()]);
    let targets = format!("--target a={} --target b={}", taps[0].url, taps[1].url);
    let load = "-r 150,300 --repeat 2 -n 20 --cooldown 0s --warmup-request-count 3";
    place.run(&format!("{targets} {load} --ui none --stop-on-saturation=false")).measures();
    let points = place.summary().points;
    assert_eq!(points.len(), 8);
    let samples = samples(&place.run_directory());
    let requests = taps.map(|tap| tap.requests());

    // By load and repeat: what went to each target.
    let mut sent: BTreeMap<(String, u32), BTreeMap<&str, OfPoint>> = BTreeMap::new();
    for point in &points {
        let to = usize::from(point.target == "b");
        let of_point = |phase: &str| {
            let phase = format!("{}{phase}", point.number);
            let requests = requests[to].iter().filter(move |((of, _), _)| *of == phase);
            requests.map(|(_, request)| request.clone())
        };
        let requests: Vec<_> = of_point("w").chain(of_point("m")).collect();
        assert_eq!(requests.len(), 3 + 20);
        let measured = samples
            .iter()
            .filter(|sample| sample.point == point.number && sample.phase == Phase::Measure);
        let mut due: Vec<u64> = measured.map(|sample| sample.due.as_nanos()).collect();
        due.sort_unstable();
        let due = due.iter().map(|at| at - due[0]).collect();
        let load = (format!("{:?}", point.load), point.repeat);
        sent.entry(load).or_default().insert(&point.target, (requests, due));
    }

    assert_eq!(sent.len(), 4);
    let mut all = BTreeSet::new();
    let mut schedules = BTreeSet::new();
    for (load, by_target) in &sent {
        assert_eq!(by_target["a"], by_target["b"], "{load:?}");
        all.extend(&by_target["a"].0);
        schedules.insert(&by_target["a"].1);
    }
    assert_eq!(all.len(), 4 * 23, "no other point sends any of them");
    assert_eq!(schedules.len(), 4, "each draws arrivals of its own");
}
