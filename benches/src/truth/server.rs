//! The loop: accept, read, write what is due.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::AsRawFd,
    path::PathBuf,
};

use anyhow::Context;
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        signal::{SigSet, Signal},
        signalfd::SignalFd,
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, setsockopt,
            socket,
            sockopt::{ReceiveTimestampns, ReuseAddr},
        },
        timer::{Expiration, TimerSetTimeFlags},
        timerfd::{ClockId, TimerFd, TimerFlags},
    },
};

use super::{
    answer::{Answer, Arrival, Carrying, Next, Pace, Terms},
    connection::{Connection, Scratch},
    log::{self, RequestTruth},
    request::Request,
};
use crate::clock::{monotonic_ns, timespec};

/// What a server is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// How fast the answers come.
    pub pace: Pace,
    /// What its content events carry.
    pub carrying: Carrying,
    /// Content events of an answer whose request does not say how many.
    pub tokens: u32,
    /// Where to write down what happened.
    pub truth: Option<PathBuf>,
    /// Stops after so many answers.
    pub requests: Option<u64>,
}

/// A server that listens, and serves once it is [`run`](Server::run).
#[derive(Debug)]
pub struct Server {
    config: Config,
    epoll: Epoll,
    listener: TcpListener,
    timer: TimerFd,
    armed_ns: u64,
    _signals: SignalFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    scratch: Scratch,
    /// Pieces of answers, the earliest first.
    agenda: BinaryHeap<Reverse<Due>>,
    /// Chat completions begun, which numbers them.
    begun: u64,
    /// Chat completions that ended, completely or not.
    ended: u64,
    truths: Vec<RequestTruth>,
    written_down: bool,
    /// When the truth is written down, for want of clients.
    idle_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ns: u64,
    slot: usize,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wake {
    ForWork,
    ForSignal,
}

const LISTENER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
const SIGNALS: u64 = u64::MAX - 2;

/// A socket for which 1000 clients may wait at once; `TcpListener::bind` allows 128, and each
/// connection beyond costs its client a second.
const BACKLOG: i32 = 4096;
/// Pieces to write before looking for new requests, and requests to read before looking for pieces.
const BATCH: usize = 32;
/// Without clients for so long, the truth is written down.
const IDLE_NS: u64 = 1_000_000_000;

impl Server {
    /// Listens. SIGTERM and SIGINT are from now on taken by the server.
    ///
    /// # Errors
    ///
    /// When the port is taken, the file of the truth cannot be written, or the kernel refuses a
    /// descriptor.
    pub fn bind(config: Config) -> anyhow::Result<Self> {
        let listener = listen_on(config.port)
            .with_context(|| format!("failed to listen on 127.0.0.1:{}", config.port))?;
        let stop = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        stop.thread_block()?;
        let signals = SignalFd::new(&stop)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let readable = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(&listener, EpollEvent::new(readable, LISTENER))?;
        epoll.add(&timer, EpollEvent::new(readable, TIMER))?;
        epoll.add(&signals, EpollEvent::new(readable, SIGNALS))?;
        let server = Self {
            config,
            epoll,
            listener,
            timer,
            armed_ns: 0,
            _signals: signals,
            connections: Vec::new(),
            free: Vec::new(),
            scratch: Scratch::default(),
            agenda: BinaryHeap::new(),
            begun: 0,
            ended: 0,
            truths: Vec::new(),
            written_down: true,
            idle_ns: None,
        };
        // Better found now than after the experiment.
        server.write_truths()?;
        Ok(server)
    }

    /// The port it listens on.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until a signal comes or enough requests are answered, and writes down the truth then
    /// and whenever all clients are gone.
    ///
    /// # Errors
    ///
    /// When no more connections can be accepted, or the truth cannot be written.
    pub fn run(mut self) -> anyhow::Result<()> {
        let enough = self.config.requests.unwrap_or(u64::MAX);
        while self.ended < enough {
            if self.wait()? == Wake::ForSignal {
                break;
            }
            self.write_what_is_due();
            if self.idle_ns.is_some_and(|at_ns| at_ns <= monotonic_ns()) {
                self.idle_ns = None;
                self.write_down()?;
            }
        }
        for slot in 0..self.connections.len() {
            self.close(slot);
        }
        self.write_down()
    }

    fn write_what_is_due(&mut self) {
        for _ in 0..BATCH {
            let Some(&Reverse(due)) = self.agenda.peek() else { return };
            if due.at_ns > monotonic_ns() {
                return;
            }
            self.agenda.pop();
            let connection = self.connections[due.slot].as_ref();
            let answer = connection.and_then(|connection| connection.answer.as_ref());
            if answer.is_some_and(|answer| answer.number() == due.number) {
                self.advance(due.slot);
            }
        }
    }

    /// Waits for clients, a signal, or the moment when something is due.
    fn wait(&mut self) -> anyhow::Result<Wake> {
        let timeout = self.arm_timer()?;
        let mut events = [EpollEvent::empty(); BATCH];
        let count = match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            count => count?,
        };
        for event in &events[..count] {
            match event.data() {
                TIMER => {}
                SIGNALS => return Ok(Wake::ForSignal),
                LISTENER => self.accept().context("failed to accept a connection")?,
                slot => self.attend(usize::try_from(slot)?, event.events()),
            }
        }
        Ok(Wake::ForWork)
    }

    /// Sets the timer to the next moment; the timer is edge-triggered and never read.
    fn arm_timer(&mut self) -> nix::Result<EpollTimeout> {
        let due_ns = self.agenda.peek().map(|Reverse(due)| due.at_ns);
        let Some(next_ns) = due_ns.into_iter().chain(self.idle_ns).min() else {
            return Ok(EpollTimeout::NONE);
        };
        if next_ns <= monotonic_ns() {
            return Ok(EpollTimeout::ZERO);
        }
        if next_ns != self.armed_ns {
            let once = Expiration::OneShot(timespec(next_ns));
            self.timer.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            self.armed_ns = next_ns;
        }
        Ok(EpollTimeout::NONE)
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => self.welcome(socket)?,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn welcome(&mut self, socket: TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let slot = self.free.pop().unwrap_or(self.connections.len());
        let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        self.epoll.add(&socket, EpollEvent::new(interest, slot as u64))?;
        if slot == self.connections.len() {
            self.connections.push(None);
        }
        self.connections[slot] = Some(Connection::new(socket));
        self.idle_ns = None;
        Ok(())
    }

    /// Does what the client's socket is ready for.
    fn attend(&mut self, slot: usize, ready: EpollFlags) {
        let Some(connection) = &mut self.connections[slot] else { return };
        let trouble = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        if ready.intersects(EpollFlags::EPOLLIN | trouble) {
            if connection.receive(&mut self.scratch).is_err() {
                return self.close(slot);
            }
            self.answer_inbox(slot);
        }
        if self.connections[slot].as_ref().is_some_and(Connection::is_blocked) {
            self.advance(slot);
        }
    }

    /// Begins to answer the request at the start of the inbox, once it is complete and nothing else
    /// is being answered.
    fn answer_inbox(&mut self, slot: usize) {
        let Some(connection) = &mut self.connections[slot] else { return };
        if connection.is_answering() || connection.inbox.is_empty() {
            return;
        }
        let request = match Request::parse(&connection.inbox) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(_) => return self.close(slot),
        };
        let Config { pace, carrying, tokens, .. } = self.config;
        let terms = Terms { number: self.begun, pace, carrying, tokens };
        match Reply::to(&request, connection.arrival, terms) {
            Reply::Stream(answer) => {
                self.begun += 1;
                connection.answer = Some(answer);
            }
            Reply::Whole(bytes) => connection.outbox = bytes,
        }
        connection.closing = !request.keep_alive;
        let length = request.length;
        connection.inbox.drain(..length);
        self.advance(slot);
    }

    /// Writes the next piece of the connection's answer, and plans the one after it.
    fn advance(&mut self, slot: usize) {
        let Some(connection) = &mut self.connections[slot] else { return };
        connection.compose();
        let Ok(written) = connection.flush() else { return self.close(slot) };
        // Else the socket is full, and will say when it is not.
        let Some(written) = written else { return };
        let Some(answer) = &mut connection.answer else { return self.end_exchange(slot) };
        let number = answer.number();
        match answer.written(written) {
            Next::At(at_ns) => self.agenda.push(Reverse(Due { at_ns, slot, number })),
            Next::End => self.end_exchange(slot),
        }
    }

    /// After the last byte of a response.
    fn end_exchange(&mut self, slot: usize) {
        let Some(connection) = &mut self.connections[slot] else { return };
        let answer = connection.answer.take();
        let closing = connection.closing;
        self.note(answer);
        if closing { self.close(slot) } else { self.answer_inbox(slot) }
    }

    fn close(&mut self, slot: usize) {
        let Some(mut connection) = self.connections[slot].take() else { return };
        self.free.push(slot);
        self.note(connection.answer.take());
        if self.free.len() == self.connections.len() && !self.written_down {
            self.idle_ns = Some(monotonic_ns() + IDLE_NS);
        }
    }

    fn note(&mut self, answer: Option<Box<Answer>>) {
        let Some(answer) = answer else { return };
        self.ended += 1;
        if self.config.truth.is_some() {
            self.truths.push(answer.into_truth());
            self.written_down = false;
        }
    }

    fn write_down(&mut self) -> anyhow::Result<()> {
        self.written_down = true;
        self.write_truths()
    }

    fn write_truths(&self) -> anyhow::Result<()> {
        let Some(path) = &self.config.truth else { return Ok(()) };
        log::write(path, &self.truths)
            .with_context(|| format!("failed to write {}", path.display()))
    }
}

const MODELS: &str =
    r#"{"object":"list","data":[{"id":"truth","object":"model","created":0,"owned_by":"truth"}]}"#;

/// What a request gets.
enum Reply {
    Stream(Box<Answer>),
    Whole(Vec<u8>),
}

impl Reply {
    fn to(request: &Request<'_>, arrival: Arrival, terms: Terms) -> Self {
        match (request.method, request.path) {
            ("POST", "/v1/chat/completions") => match Answer::new(request, arrival, terms) {
                Ok(answer) => Self::Stream(Box::new(answer)),
                Err(_) => Self::whole("400 Bad Request", "{}"),
            },
            ("GET", "/v1/models") => Self::whole("200 OK", MODELS),
            _ => Self::whole("404 Not Found", "{}"),
        }
    }

    fn whole(status: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\nserver: truth\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        Self::Whole(text.into_bytes())
    }
}

/// Connections inherit the option of stamps from the listener.
fn listen_on(port: u16) -> io::Result<TcpListener> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    setsockopt(&listener, ReuseAddr, &true)?;
    setsockopt(&listener, ReceiveTimestampns, &true)?;
    let address = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    bind(listener.as_raw_fd(), &address)?;
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener.into())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        path::Path,
        thread,
    };

    use super::*;

    const ASK: &str = r#"{"max_tokens":3,"stream":true}"#;

    fn served(requests: u64, truth: &Path, talk: impl FnOnce(TcpStream)) -> Vec<serde_json::Value> {
        let server = Server::bind(Config {
            port: 0,
            pace: Pace { ttft_ns: 2_000_000, itl_ns: 1_000_000 },
            carrying: Carrying::Content,
            tokens: 1,
            truth: Some(truth.to_owned()),
            requests: Some(requests),
        })
        .unwrap();
        let port = server.port().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| server.run().unwrap());
            talk(TcpStream::connect(("127.0.0.1", port)).unwrap());
        });
        let lines = std::fs::read_to_string(truth).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn post(body: &str, headers: &str) -> String {
        let length = body.len();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
    }

    fn read_until(mut socket: &TcpStream, end: &str) -> String {
        let (mut text, mut byte) = (String::new(), [0]);
        while !text.ends_with(end) {
            socket.read_exact(&mut byte).unwrap();
            text.push(byte[0].into());
        }
        text
    }

    #[test]
    fn requests_share_a_connection_and_the_truth_names_each() {
        let folder = tempfile::tempdir().unwrap();
        let started_ns = monotonic_ns();
        let truth = served(2, &folder.path().join("truth.jsonl"), |mut socket| {
            socket.write_all(b"GET /v1/models HTTP/1.1\r\n\r\n").unwrap();
            assert!(read_until(&socket, "}]}").contains(r#""id":"truth""#));
            for headers in ["x-request-id: a\r\n", ""] {
                socket.write_all(post(ASK, headers).as_bytes()).unwrap();
                let answer = read_until(&socket, "\r\n0\r\n\r\n");
                assert_eq!(answer.matches("\"content\":\" t").count(), 3, "{answer}");
            }
        });
        assert_eq!(truth.iter().map(|t| t["id"].as_str()).collect::<Vec<_>>(), [Some("a"), None]);
        for request in &truth {
            let moment = |name: &str, index| request[name][index].as_u64().unwrap();
            let moments = [
                started_ns,
                request["arrived_ns"].as_u64().unwrap_or(started_ns),
                request["received_ns"].as_u64().unwrap(),
                request["headers_ns"].as_u64().unwrap(),
                moment("due_ns", 0),
                moment("sends_ns", 0),
                moment("sent_ns", 0),
                moment("sends_ns", 2),
                monotonic_ns(),
            ];
            assert!(moments.is_sorted(), "{moments:?}");
            assert_eq!(moment("due_ns", 2) - moment("due_ns", 0), 2_000_000);
            assert_eq!(request["complete"], true);
        }
    }

    #[test]
    fn a_client_that_leaves_is_written_down_as_incomplete() {
        let folder = tempfile::tempdir().unwrap();
        let truth = served(1, &folder.path().join("truth.jsonl"), |mut socket| {
            let endless = r#"{"max_tokens":4000000000}"#;
            socket.write_all(post(endless, "").as_bytes()).unwrap();
            read_until(&socket, " t00001");
        });
        assert_eq!(truth[0]["complete"], false);
        assert!(truth[0]["sends_ns"].as_array().unwrap().len() >= 2);
    }

    #[test]
    fn connection_close_is_honoured_and_nonsense_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        served(1, &folder.path().join("truth.jsonl"), |mut socket| {
            let nonsense = post("{", "") + "GET /nothing HTTP/1.1\r\n\r\n";
            let last = post("{}", "connection: close\r\n");
            socket.write_all((nonsense + &last).as_bytes()).unwrap();
            let mut text = String::new();
            socket.read_to_string(&mut text).unwrap();
            let statuses = text.split("HTTP/1.1 ").skip(1).map(|response| &response[..3]);
            assert_eq!(statuses.collect::<Vec<_>>(), ["400", "404", "200"]);
        });
    }
}
