//! A frame's moment is that of the read it came with, however late its stream runs.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bench_core::{Arrival, Clock, Moment, Outcome};

use super::{
    ask, provider,
    wire::{Server, data, done, last, ping, stream_head, token},
};

const STREAMS: usize = 3;
const TOKENS: usize = 4;
/// How long the client does not read.
const BUSY: Duration = Duration::from_millis(50);
/// What two clocks may err by.
const SLACK: Duration = Duration::from_millis(1);

/// Keeps the thread to itself, and lets others run once in a while.
async fn be_busy() {
    loop {
        block(BUSY);
        tokio::task::yield_now().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "to block is the point")]
fn block(time: Duration) {
    thread::sleep(time);
}

/// Frames of several streams on one connection, each sent when the one before it has been read, to a client whose
/// thread is busy.
#[tokio::test]
async fn a_late_reader_sees_when_each_frame_came() {
    let clock = Clock::start();
    let sent: Arc<Mutex<Vec<(u32, Moment)>>> = Arc::default();
    let seen = Arc::clone(&sent);
    let server = Server::start(move |_, wire| {
        wire.begin(&[])?;
        let streams = [wire.request()?, wire.request()?, wire.request()?];
        for stream in streams {
            wire.send(&[stream_head(stream), ping()].concat())?;
            wire.pong()?;
        }
        for stream in [streams; TOKENS].concat() {
            seen.lock().unwrap().push((stream, clock.now()));
            wire.send(&[data(stream, &token()), ping()].concat())?;
            wire.pong()?;
        }
        wire.send(&streams.map(|stream| last(stream, &done())).concat())?;
        wire.pong()
    });
    let provider = provider(&server.url);
    let asked: Vec<_> = (0..STREAMS).map(|_| ask(&provider, clock)).collect();
    let busy = tokio::spawn(be_busy());
    let mut arrivals: Vec<Arrival> = Vec::new();
    for task in asked {
        let sample = task.await.unwrap();
        assert_eq!(sample.outcome, Outcome::Ok, "{:?}", sample.error);
        assert_eq!(sample.generated().count(), TOKENS);
        arrivals.extend(sample.generated());
    }
    busy.abort();
    assert_eq!(server.connections(), 1);
    // In the order of sending, each came after it was sent and before the next was.
    arrivals.sort_by_key(|arrival| arrival.at);
    let sent = sent.lock().unwrap();
    assert_eq!(arrivals.len(), sent.len());
    for (n, arrival) in arrivals.iter().enumerate() {
        assert!(!arrival.coalesced, "frame {n} shared its read with none of its stream");
        assert!(arrival.at + SLACK >= sent[n].1, "frame {n} came before it was sent");
        if let Some((_, next)) = sent.get(n + 1) {
            assert!(arrival.at <= *next + SLACK, "frame {n} came after frame {}", n + 1);
        }
    }
    if cfg!(target_os = "linux") {
        // They were read late, and most of them about as late as the thread was busy.
        let late = |arrival: &&Arrival| Duration::from_nanos(arrival.lag_ns.into()) > BUSY / 2;
        let count = arrivals.iter().filter(late).count();
        assert!(count > arrivals.len() / 2, "{count} of {} read late", arrivals.len());
        assert!(arrivals.iter().all(|arrival| arrival.kernel));
    }
}

/// What lies ready for many reads is read in many polls: a stream never sees the moment of a later read. A socket
/// of this machine has no stamps, so that each read has a moment of its own.
#[cfg(unix)]
#[tokio::test]
async fn a_stream_sees_the_read_of_its_own_frame() {
    const MANY: usize = 8;
    let folder = std::env::temp_dir().join(format!("inferbench-h2-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("server.sock");
    let _ = std::fs::remove_file(&path);
    // As large as a frame may be: several do not fit into one read.
    let word = "w".repeat(16_000);
    let event =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n");
    let server = Server::at(&path, move |_, wire| {
        wire.begin(&[])?;
        let mut streams = Vec::new();
        while streams.len() < MANY {
            streams.push(wire.request()?);
        }
        let heads: Vec<_> = streams.iter().map(|stream| stream_head(*stream)).collect();
        wire.send(&heads.concat())?;
        let frames = streams.iter().map(|stream| data(*stream, &event));
        let ends = streams.iter().map(|stream| last(*stream, &done()));
        let all: Vec<u8> = frames.chain(ends).flatten().collect();
        wire.send(&all)?;
        wire.pong()
    });
    let (provider, clock) = (provider(&server.url), Clock::start());
    let asked: Vec<_> = (0..MANY).map(|_| ask(&provider, clock)).collect();
    let busy = tokio::spawn(be_busy());
    let mut moments = Vec::new();
    for task in asked {
        let sample = task.await.unwrap();
        assert_eq!(sample.outcome, Outcome::Ok, "{:?}", sample.error);
        moments.push(sample.first_generated().unwrap().at);
    }
    busy.abort();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(moments.is_sorted(), "the order of sending: {moments:?}");
    moments.dedup();
    assert!(moments.len() > MANY / 2, "most came with reads of their own: {moments:?}");
}

#[tokio::test]
async fn events_of_one_stream_that_share_a_read_are_coalesced() {
    let server = Server::start(|_, wire| {
        wire.begin(&[])?;
        let (a, b) = (wire.request()?, wire.request()?);
        wire.send(&[stream_head(a), stream_head(b), ping()].concat())?;
        wire.pong()?;
        // One read: two events of the one, one of the other.
        let two = token() + &token();
        wire.send(&[data(a, &two), data(b, &token()), ping()].concat())?;
        wire.pong()?;
        for stream in [a, b] {
            wire.send(&[data(stream, &token()), ping()].concat())?;
            wire.pong()?;
        }
        wire.send(&[last(a, &done()), last(b, &done())].concat())?;
        wire.pong()
    });
    let (provider, clock) = (provider(&server.url), Clock::start());
    let (a, b) = (ask(&provider, clock), ask(&provider, clock));
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    let flags = |sample: &bench_core::Sample| -> Vec<bool> {
        sample.generated().map(|arrival| arrival.coalesced).collect()
    };
    assert_eq!(flags(&a), [true, true, false]);
    assert_eq!(flags(&b), [false, false]);
    assert_eq!(a.first_generated().unwrap().at, b.first_generated().unwrap().at, "one read");
}
