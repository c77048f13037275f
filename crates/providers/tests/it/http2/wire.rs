//! A server of HTTP/2 that is told each frame: written by the RFCs 9113 and 7541, and sharing no code with what it
//! tests.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

/// Answers connections, each with its number, as a script says.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) connections: Arc<Mutex<usize>>,
}

impl Server {
    /// A server whose connections all follow `script`, on threads of their own. A script that fails has met the
    /// end of its connection.
    pub(crate) fn start(
        script: impl Fn(usize, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accept = move || {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        };
        Self { url, connections: serve(accept, script) }
    }

    /// The same on a socket of this machine.
    #[cfg(unix)]
    pub(crate) fn at(
        path: &std::path::Path,
        script: impl Fn(usize, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        let accept = move || Ok(Box::new(listener.accept()?.0) as Box<dyn Stream>);
        Self { url: format!("unix:{}", path.display()), connections: serve(accept, script) }
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn serve(
    accept: impl Fn() -> io::Result<Box<dyn Stream>> + Send + 'static,
    script: impl Fn(usize, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
) -> Arc<Mutex<usize>> {
    let (count, script) = (Arc::new(Mutex::new(0)), Arc::new(script));
    let connections = Arc::clone(&count);
    thread::spawn(move || {
        loop {
            let stream = accept().unwrap();
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count - 1
            };
            let script = Arc::clone(&script);
            thread::spawn(move || {
                let mut wire = Wire { stream, begun: HashMap::new(), whole: Vec::new() };
                // The end of the connection is the client's to notice.
                let _ = script(number, &mut wire);
            });
        }
    });
    connections
}

pub(crate) trait Stream: Read + Write + Send {
    /// The same one, for another thread to write to.
    fn again(&self) -> io::Result<Box<dyn Stream>>;
}

impl Stream for std::net::TcpStream {
    fn again(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }
}

#[cfg(unix)]
impl Stream for std::os::unix::net::UnixStream {
    fn again(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }
}

/// A frame: its type, stream and payload.
pub(crate) type Frame = (u8, u32, Vec<u8>);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;

/// One connection, seen from the server.
pub(crate) struct Wire {
    pub(crate) stream: Box<dyn Stream>,
    /// Bytes of bodies that have begun.
    begun: HashMap<u32, usize>,
    /// Requests that came while something else was waited for.
    whole: Vec<u32>,
}

impl Wire {
    /// Takes the client's preface and sends these settings.
    pub(crate) fn begin(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        let mut preface = [0; 24];
        self.stream.read_exact(&mut preface)?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let pairs = settings
            .iter()
            .flat_map(|(id, value)| [id.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()]);
        let payload: Vec<u8> = pairs.flatten().collect();
        self.send(&frame(SETTINGS, 0, 0, &payload))
    }

    pub(crate) fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        self.stream.write_all(frames)
    }

    /// Takes the next frame, and returns it if it is neither a part of a request nor about the connection's own
    /// affairs.
    fn step(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let (kind, flags) = (head[3], head[4]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => self.send(&frame(SETTINGS, ACK, 0, &[]))?,
            SETTINGS | WINDOW_UPDATE => {}
            HEADERS | DATA => self.take(kind, flags, stream, &payload)?,
            _ => return Ok(Some((kind, stream, payload))),
        }
        Ok(None)
    }

    /// The next frame of `kind`, which is no part of a request.
    pub(crate) fn next(&mut self, kind: u8) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.step()?.filter(|frame| frame.0 == kind) {
                return Ok(frame);
            }
        }
    }

    /// Takes a part of a request, and gives the windows back.
    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        *self.begun.entry(stream).or_default() += if kind == DATA { payload.len() } else { 0 };
        if kind == DATA && !payload.is_empty() {
            let more = u32::try_from(payload.len()).unwrap().to_be_bytes();
            let updates = [0, stream].map(|id| frame(WINDOW_UPDATE, 0, id, &more)).concat();
            self.send(&updates)?;
        }
        if flags & END_STREAM != 0 {
            self.whole.push(stream);
        }
        Ok(())
    }

    /// The stream of the next whole request.
    pub(crate) fn request(&mut self) -> io::Result<u32> {
        while self.whole.is_empty() {
            self.step()?;
        }
        Ok(self.whole.remove(0))
    }

    /// Waits for more to come, and leaves nearly all of it unread.
    pub(crate) fn byte(&mut self) -> io::Result<()> {
        self.stream.read_exact(&mut [0])
    }

    /// Bytes of a request's body.
    pub(crate) fn body_of(&self, stream: u32) -> usize {
        self.begun[&stream]
    }

    /// Waits until the client has read everything that was sent up to a [`ping`].
    pub(crate) fn pong(&mut self) -> io::Result<()> {
        self.next(PING).map(|_| ())
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head with this status and these fields, each as a literal with a new name.
pub(crate) fn head(stream: u32, status: u16, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    let status = status.to_string();
    for (name, value) in [(":status", status.as_str())].iter().chain(fields) {
        block.push(0);
        for text in [name, value] {
            string_length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut pieces = block.chunks(16_384).peekable();
    let (mut frames, mut kind) = (Vec::new(), HEADERS);
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        frames.extend(frame(kind, flags, stream, piece));
        // CONTINUATION.
        kind = 9;
    }
    frames
}

/// RFC 7541, section 5.1, with a prefix of seven bits.
fn string_length(mut length: usize, into: &mut Vec<u8>) {
    if length < 127 {
        return into.push(u8::try_from(length).unwrap());
    }
    into.push(127);
    length -= 127;
    while length >= 128 {
        into.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    into.push(u8::try_from(length).unwrap());
}

pub(crate) fn stream_head(stream: u32) -> Vec<u8> {
    head(stream, 200, &[("content-type", "text/event-stream")])
}

pub(crate) fn data(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, 0, stream, text.as_bytes())
}

pub(crate) fn last(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, text.as_bytes())
}

pub(crate) fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"is read?")
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(crate) fn goaway(last: u32, code: u32, why: &str) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[&last.to_be_bytes(), &code.to_be_bytes(), why.as_bytes()].concat())
}

/// An event of an answer.
pub(crate) fn token() -> String {
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n".to_owned()
}

/// The last two events of an answer.
pub(crate) fn done() -> String {
    let stop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    format!("{stop}data: [DONE]\n\n")
}

/// A whole answer of two tokens.
pub(crate) fn answer(stream: u32) -> Vec<u8> {
    [stream_head(stream), data(stream, &token()), data(stream, &token()), last(stream, &done())]
        .concat()
}
