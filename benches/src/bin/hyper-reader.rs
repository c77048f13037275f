//! The load of `bare-reader`, read with hyper as a careful client would.
//!
//! Kernel receive stamps, the connection driven in the task that reads the body, SSE split by
//! lines, typed JSON that borrows, and a record per event: what the product's own response reader
//! has to beat.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::{
    future::{Future, poll_fn},
    net::TcpStream,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{bail, ensure};
use bytes::Bytes;
use clap::{Parser, value_parser};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{self, Connection},
};
use inferbench_benches::{
    figures::{LoadFigures, LoadMeter, resident_kib},
    load::Load,
    sse::{Chunk, EventSplitter},
    stamped_stream::StampedStream,
    stamps::prime_stamps,
};
use tokio::{runtime, task::JoinSet, time::sleep};

/// Reads streams with hyper, parses and records every event, and prints what an event cost as JSON.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    load: Load,
    /// After so many seconds, while all streams are open, read the memory that one takes, and stop.
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u16).range(1..))]
    hold: Option<u16>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let _stamps = prime_stamps()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(async {
        match cli.hold {
            None => read_all(&cli.load).await,
            Some(seconds) => hold(&cli.load, Duration::from_secs(seconds.into())).await,
        }
    })?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

async fn read_all(load: &Load) -> anyhow::Result<LoadFigures> {
    let sockets = load.connect()?;
    let (events, meter) = (Arc::default(), LoadMeter::start());
    let mut streams = start(sockets, load, &events)?;
    while let Some(stream) = streams.join_next().await {
        stream??;
    }
    Ok(meter.finish(load.streams, events.load(Relaxed)))
}

async fn hold(load: &Load, time: Duration) -> anyhow::Result<LoadFigures> {
    let before_kib = resident_kib()?;
    let sockets = load.connect()?;
    let (events, meter) = (Arc::default(), LoadMeter::start());
    let mut streams = start(sockets, load, &events)?;
    sleep(time).await;
    if let Some(stream) = streams.try_join_next() {
        stream??;
        bail!("a stream ended before the memory was read: ask for more tokens or a slower server");
    }
    let taken_kib = resident_kib()?.saturating_sub(before_kib);
    let mut figures = meter.finish(load.streams, events.load(Relaxed));
    figures.rss_kib_per_stream = Some(taken_kib as f64 / f64::from(load.streams));
    Ok(figures)
}

/// One task per connection; `events` counts what they read.
fn start(
    sockets: Vec<TcpStream>,
    load: &Load,
    events: &Arc<AtomicU64>,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let body = Bytes::from(load.request_body());
    let streams = sockets.into_iter().map(|socket| {
        let stream = Stream {
            io: StampedStream::new(tokio::net::TcpStream::from_std(socket)?)?,
            host: load.url.clone(),
            body: body.clone(),
            requests: load.requests_per_stream,
            tokens: load.max_tokens,
            events: Arc::clone(events),
        };
        anyhow::Ok(stream.read())
    });
    streams.collect::<anyhow::Result<Vec<_>>>().map(JoinSet::from_iter)
}

/// One connection and what to ask on it.
struct Stream {
    io: StampedStream,
    host: String,
    body: Bytes,
    requests: u32,
    tokens: u32,
    events: Arc<AtomicU64>,
}

impl Stream {
    async fn read(self) -> anyhow::Result<()> {
        let arrival = self.io.arrival();
        let (mut sender, connection) = http1::handshake(self.io).await?;
        let mut connection = Driven { connection, closed: false };
        let mut record = Record::with_room_for(self.tokens);
        for _ in 0..self.requests {
            let request = Request::post("/v1/chat/completions")
                .header("host", &self.host)
                .header("content-type", "application/json")
                .body(Full::new(self.body.clone()))?;
            connection.with(sender.ready()).await?;
            let response = connection.with(sender.send_request(request)).await?;
            ensure!(response.status() == StatusCode::OK, "the server says {}", response.status());
            let mut body = response.into_body();
            record.clear();
            while let Some(frame) = connection.with(body.frame()).await {
                if let Some(bytes) = frame?.data_ref() {
                    let taken = record.take(bytes, arrival.ns())?;
                    self.events.fetch_add(taken, Relaxed);
                }
            }
            record.check(self.tokens)?;
        }
        Ok(())
    }
}

/// A connection that is polled by the task that waits for something from it.
///
/// hyper keeps at most one frame unread, so the stamp seen with a frame is that of its own read.
struct Driven {
    connection: Connection<StampedStream, Full<Bytes>>,
    closed: bool,
}

impl Driven {
    async fn with<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            // Its error reaches `wanted` too.
            self.closed = self.closed || Pin::new(&mut self.connection).poll(cx).is_ready();
            wanted.as_mut().poll(cx)
        })
        .await
    }
}

/// What a client keeps of a response.
#[derive(Default)]
struct Record {
    splitter: EventSplitter,
    arrivals: Vec<Arrival>,
    completion_tokens: Option<u64>,
    done: bool,
}

/// A content event: when it came, and how much text it brought.
struct Arrival {
    ns: u64,
    bytes: usize,
}

impl Record {
    fn with_room_for(tokens: u32) -> Self {
        Self { arrivals: Vec::with_capacity(tokens as usize), ..Self::default() }
    }

    fn clear(&mut self) {
        self.arrivals.clear();
        self.completion_tokens = None;
        self.done = false;
    }

    /// Takes a piece of the body that came at `ns`; says how many events it completed.
    fn take(&mut self, piece: &[u8], ns: u64) -> anyhow::Result<u64> {
        let Self { splitter, arrivals, completion_tokens, done } = self;
        let mut events = 0;
        splitter.feed(piece, |data| {
            events += 1;
            if data == b"[DONE]" {
                *done = true;
                return Ok(());
            }
            let chunk: Chunk<'_> = serde_json::from_slice(data)?;
            match chunk.content_bytes() {
                0 => *completion_tokens = chunk.usage.map(|usage| usage.completion_tokens),
                bytes => arrivals.push(Arrival { ns, bytes }),
            }
            anyhow::Ok(())
        })?;
        Ok(events)
    }

    /// Refuses a response that is not what was asked for: its cost would not be comparable.
    fn check(&self, tokens: u32) -> anyhow::Result<()> {
        let told = self.completion_tokens;
        ensure!(self.done, "a response ended without [DONE]");
        ensure!(told == Some(tokens.into()), "{told:?} tokens instead of {tokens}");
        ensure!(self.arrivals.is_sorted_by_key(|arrival| arrival.ns), "time went backwards");
        ensure!(self.arrivals.iter().all(|arrival| arrival.bytes > 0), "an event without text");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = concat!(
        r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
        "

",
        r#"data: {"choices":[{"delta":{"content":" to"}}]}"#,
        "

",
        r#"data: {"choices":[],"usage":{"completion_tokens":1}}"#,
        "

data: [DONE]

",
    );

    #[test]
    fn only_events_with_text_are_recorded_and_all_are_counted() {
        let (first, second) = BODY.as_bytes().split_at(100);
        let mut record = Record::with_room_for(1);
        let events = record.take(first, 5).unwrap() + record.take(second, 6).unwrap();
        assert_eq!(events, 4);
        assert_eq!(record.arrivals.iter().map(|a| (a.ns, a.bytes)).collect::<Vec<_>>(), [(6, 3)]);
        record.check(1).unwrap();
        assert!(record.check(2).is_err());
    }

    #[test]
    fn a_response_that_breaks_off_is_refused() {
        let mut record = Record::with_room_for(1);
        record.take(&BODY.as_bytes()[..BODY.len() - 16], 5).unwrap();
        assert!(record.check(1).is_err());
    }
}
