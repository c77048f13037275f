//! A server that reads requests and plays back bytes.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bench_core::{Answer, Clock, Moment, Outcome, Prompt, Provider, Request, Sample};
use bench_providers::{Config, Endpoint, HttpProvider};

/// What to do with one connection's request.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// Write these pieces, with a pause between them, and go on with the next request.
    Pieces(Vec<Vec<u8>>),
    /// Write these pieces, with a pause between them, and close.
    PiecesThenClose(Vec<Vec<u8>>),
    /// Write these bytes and close.
    ThenClose(Vec<u8>),
    /// Write these bytes and reset the connection.
    ThenReset(Vec<u8>),
    /// Write these bytes and say nothing more.
    ThenNothing(Vec<u8>),
    /// Close without reading the request.
    CloseAtOnce,
    /// Write these bytes; close half a second after the next request.
    ThenDie(Vec<u8>),
}

/// Answers connection after connection as told; the last play is repeated.
pub(crate) struct Player {
    pub(crate) url: String,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<Mutex<usize>>,
}

pub(crate) const PAUSE: Duration = Duration::from_millis(2);

impl Player {
    pub(crate) fn start(plays: Vec<Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let (seen, count) = (Arc::clone(&requests), Arc::clone(&connections));
        thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                *count.lock().unwrap() += 1;
                let play = plays[n.min(plays.len() - 1)].clone();
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(stream.unwrap(), &play, &seen));
            }
        });
        Self { url, requests, connections }
    }
}

fn serve(mut stream: TcpStream, play: &Play, seen: &Mutex<Vec<String>>) {
    stream.set_nodelay(true).unwrap();
    if matches!(play, Play::CloseAtOnce) {
        return;
    }
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read_request(&mut reader) {
        seen.lock().unwrap().push(request);
        match play {
            Play::Pieces(pieces) | Play::PiecesThenClose(pieces) => {
                for piece in pieces {
                    if stream.write_all(piece).is_err() {
                        return;
                    }
                    pause();
                }
                if matches!(play, Play::PiecesThenClose(_)) {
                    return;
                }
            }
            Play::ThenClose(bytes) => return stream.write_all(bytes).unwrap(),
            Play::ThenReset(bytes) => {
                stream.write_all(bytes).unwrap();
                pause();
                // Closing with unread input makes the kernel send a reset: let there be some.
                let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
                return reset(stream);
            }
            Play::ThenNothing(bytes) => stream.write_all(bytes).unwrap(),
            Play::ThenDie(_) if seen.lock().unwrap().len() > 1 => {
                (0..250).for_each(|_| pause());
                return;
            }
            Play::ThenDie(bytes) => stream.write_all(bytes).unwrap(),
            Play::CloseAtOnce => return,
        }
    }
}

fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a plain thread, no load thread")]
fn pause() {
    thread::sleep(PAUSE);
}

/// Head and body of the next request, if there is one.
fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

/// Answers each path in its own way, and others with 404.
pub(crate) struct Routes {
    pub(crate) url: String,
}

impl Routes {
    pub(crate) fn start(routes: Vec<(&'static str, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let Some(request) = read_request(&mut reader) else { continue };
                let path = request.split(' ').nth(1).unwrap();
                let missing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".as_slice();
                let found = routes.iter().find(|(known, _)| *known == path);
                let _ = stream.write_all(found.map_or(missing, |(_, answer)| answer));
            }
        });
        Self { url }
    }
}

/// A whole answer of a real server.
pub(crate) fn played_stream() -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    std::fs::read(folder.join("vllm-0.32.0/02-chat-stream-usage.http")).unwrap()
}

pub(crate) fn config(url: &str) -> Config {
    Config::new(Endpoint::parse(url).unwrap(), "tiny")
}

/// What comes of one request to the server at `url`.
pub(crate) struct Got {
    pub(crate) sample: Sample,
    pub(crate) text: String,
    pub(crate) tool_calls: usize,
}

pub(crate) async fn ask(provider: &HttpProvider) -> Got {
    ask_in(provider, 0).await
}

pub(crate) async fn ask_in(provider: &HttpProvider, session: u64) -> Got {
    let clock = Clock::start();
    let mut answer = Answer::new(clock);
    let request: Request = provider.encode(&Prompt::user("hi").with_output_tokens(24)).unwrap();
    let mut sample = Sample::due(Moment::default());
    (sample.request_id, sample.session) = ("TEST-0m-7.0".to_owned(), session);
    answer.begin(sample, &request);
    let sent = provider.send(&request, &mut answer).await;
    let (outcome, error) = match sent {
        Ok(()) => (Outcome::Ok, None),
        Err(error) => (error.outcome, Some(error.said)),
    };
    let text = [answer.reasoning(), answer.text()].concat();
    let tool_calls = answer.tool_calls().len();
    Got { sample: answer.take_sample(outcome, error), text, tool_calls }
}
