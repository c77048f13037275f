//! The yardstick: an epoll loop that reads SSE responses and only counts their lines.
//!
//! Nothing that measures can be cheaper per event. What a client costs is told as a multiple of
//! this.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::{io::Write, net::TcpStream, os::fd::AsRawFd};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use inferbench_benches::{figures::LoadMeter, line_counter::LineCounter, load::Load};
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{MsgFlags, recv},
    },
};

/// Reads streams with one epoll loop, counts lines, and prints what an event cost as JSON.
#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    load: Load,
}

fn main() -> anyhow::Result<()> {
    let Cli { load } = Cli::parse();
    let mut reader = Reader::connect(&load)?;
    let meter = LoadMeter::start();
    reader.read_all()?;
    let figures = meter.finish(load.streams, reader.events());
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

struct Reader {
    epoll: Epoll,
    streams: Vec<Stream>,
    request: Vec<u8>,
}

struct Stream {
    socket: TcpStream,
    counter: LineCounter,
    requests_left: u32,
    /// The status line has not come yet.
    at_start: bool,
}

impl Reader {
    fn connect(load: &Load) -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut streams = Vec::new();
        for (index, socket) in load.connect()?.into_iter().enumerate() {
            epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            streams.push(Stream {
                socket,
                counter: LineCounter::default(),
                requests_left: load.requests_per_stream,
                at_start: false,
            });
        }
        Ok(Self { epoll, streams, request: load.request_bytes() })
    }

    fn read_all(&mut self) -> anyhow::Result<()> {
        let Self { epoll, streams, request } = self;
        for stream in &mut *streams {
            stream.ask(request)?;
        }
        let mut buffer = vec![0; 64 * 1024];
        let mut events = [EpollEvent::empty(); 256];
        let mut open = streams.len();
        while open > 0 {
            let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                count => count?,
            };
            for event in &events[..count] {
                let stream = &mut streams[usize::try_from(event.data())?];
                if stream.read(&mut buffer)? {
                    match stream.requests_left {
                        0 => {
                            epoll.delete(&stream.socket)?;
                            open -= 1;
                        }
                        _ => stream.ask(request)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn events(&self) -> u64 {
        self.streams.iter().map(|stream| stream.counter.events()).sum()
    }
}

impl Stream {
    fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.socket.write_all(request).context("failed to send a request")?;
        self.requests_left -= 1;
        self.at_start = true;
        Ok(())
    }

    /// Counts what is there; true when that ends the response.
    fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<bool> {
        let received = match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN) => return Ok(false),
            Ok(0) => bail!("the server closed a connection before the end of its response"),
            received => received.context("failed to read a response")?,
        };
        let bytes = &buffer[..received];
        if self.at_start {
            ensure!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(bytes));
            self.at_start = false;
        }
        let before = self.counter.responses();
        self.counter.feed(bytes);
        Ok(self.counter.responses() > before)
    }
}
