//! A client that reads what is on the wire, and nothing into it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use bench_sim::{Config, Server};
use serde_json::Value;
use tokio::time::Instant;

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const COMPLETIONS: &str = "/v1/completions";

/// A server on a free port, fast unless `config` says otherwise.
pub(crate) fn start(config: Config) -> Server {
    Server::start(config, ([127, 0, 0, 1], 0).into()).unwrap()
}

/// A configuration of which tests change what they are about.
pub(crate) fn fast() -> Config {
    Config { ttft: Duration::from_millis(5), itl: Duration::from_millis(2), ..Config::default() }
}

/// The request for a streamed chat of `max_tokens`, more members in `rest`.
pub(crate) fn chat(id: &str, max_tokens: u32, rest: &str) -> String {
    let body = format!(
        r#"{{"model":"simulated","messages":[{{"role":"user","content":"two words"}}],"max_tokens":{max_tokens},"stream":true{rest}}}"#
    );
    post(CHAT, id, &body)
}

/// A POST request with a JSON body.
pub(crate) fn post(path: &str, id: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: sim\r\ncontent-type: application/json\r\nx-request-id: {id}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

/// What `/metrics` says.
pub(crate) fn metrics(server: &Server) -> String {
    let response = Client::connect(server).ask("GET /metrics HTTP/1.1\r\n\r\n");
    let kind = response.header("content-type");
    assert_eq!(kind, Some("text/plain; version=1.0.0; charset=utf-8"));
    response.body
}

/// The value, as it is written, of vLLM's metric `name`.
pub(crate) fn metric(server: &Server, name: &str) -> String {
    let metrics = metrics(server);
    let start = format!("vllm:{name}{{");
    let line = metrics.lines().find(|line| line.starts_with(&start)).expect(name);
    line.rsplit_once(' ').unwrap().1.to_owned()
}

/// Waits until the metric has this value.
pub(crate) fn metric_soon(server: &Server, name: &str, expected: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while metric(server, name) != expected {
        assert!(Instant::now() < deadline, "{name} is {}", metric(server, name));
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// With names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: &str) {
        self.stream.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    pub(crate) fn ask(&mut self, request: &str) -> Response {
        self.send(request);
        self.response()
    }

    /// The next response, to its end.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        response.body = if response.header("transfer-encoding") == Some("chunked") {
            std::iter::from_fn(|| self.chunk()).collect()
        } else {
            let length = response.header("content-length").unwrap().parse().unwrap();
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).unwrap();
            String::from_utf8(body).unwrap()
        };
        response
    }

    /// The next response's status and headers.
    pub(crate) fn head(&mut self) -> Response {
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty()));
        let headers = headers.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        });
        Response { status, headers: headers.collect(), body: String::new() }
    }

    /// The next chunk; `None` for the last.
    pub(crate) fn chunk(&mut self) -> Option<String> {
        let size = usize::from_str_radix(&self.line(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        assert_eq!(chunk.split_off(size), b"\r\n");
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// All that the server still sends before it closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Says that nothing more will be sent.
    pub(crate) fn hang_up(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Makes the server wait sooner if this client does not read.
    pub(crate) fn shrink_receive_buffer(&self) {
        socket2::SockRef::from(self.stream.get_ref()).set_recv_buffer_size(16 * 1024).unwrap();
    }

    /// Whether the server is silent for `duration`.
    pub(crate) fn is_silent_for(&mut self, duration: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(Some(duration)).unwrap();
        let error = self.stream.fill_buf().map(<[u8]>::len);
        self.stream.get_ref().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        error.is_err_and(|error| matches!(error.kind(), WouldBlock | TimedOut))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").expect("a whole line").to_owned()
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The JSON of a stream's events, which must end with `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data: Vec<&str> =
            self.body.split_terminator("\n\n").map(|e| e.strip_prefix("data: ").unwrap()).collect();
        let (done, events) = data.split_last().unwrap();
        assert_eq!(*done, "[DONE]");
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    /// The words of each content event of a stream.
    pub(crate) fn words(&self) -> Vec<usize> {
        let words = |event: &Value| {
            let choice = &event["choices"][0];
            let text = choice["delta"]["content"].as_str().or(choice["text"].as_str())?;
            Some(text.split_whitespace().count()).filter(|&words| words > 0)
        };
        self.events().iter().filter_map(words).collect()
    }
}
