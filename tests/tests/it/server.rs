//! A server that answers as a test wants it to, and keeps what it was asked.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use serde_json::{Value, json};

use crate::program::{LIMIT, until};

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Such as `POST /v1/chat/completions`.
    pub(crate) what: String,
    /// With names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Null where there is none.
    pub(crate) body: Value,
    /// How many requests for completion came before.
    pub(crate) number: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn is_for_completion(&self) -> bool {
        self.what.starts_with("POST ")
    }
}

/// Where the answer to a request goes. A connection whose answer fails is closed.
pub(crate) type Answer<'a> = &'a mut TcpStream;

/// A server on a free port, with a thread for each connection.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// A server with the model `m`, which answers requests for completion by `answer`.
    pub(crate) fn completing(
        answer: impl Fn(&Request, Answer<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::answering(move |request, to| match request.what.as_str() {
            "GET /v1/models" => write!(to, "{}", models(&["m"])),
            what if what.starts_with("GET ") => write!(to, "{}", refusal(404, "no such path")),
            _ => answer(request, to),
        })
    }

    /// A server that answers everything by `answer`.
    pub(crate) fn answering(
        answer: impl Fn(&Request, Answer<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || serve(stream?, &kept, &*answer));
            }
            io::Result::Ok(())
        });
        Self { url, asked }
    }

    /// All that it was asked, in order of arrival.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests for completion among them.
    pub(crate) fn completions(&self) -> Vec<Request> {
        self.asked().into_iter().filter(Request::is_for_completion).collect()
    }

    /// Waits until so many requests for completion have come.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) {
        until("the requests come", || {
            self.asked.lock().unwrap().iter().filter(|r| r.is_for_completion()).count() >= count
        });
    }
}

fn serve(
    stream: TcpStream,
    kept: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request, Answer<'_>) -> io::Result<()>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = read_request(&mut reader)?;
        let mut asked = kept.lock().unwrap();
        request.number = asked.iter().filter(|r| r.is_for_completion()).count();
        asked.push(request.clone());
        drop(asked);
        answer(&request, reader.get_mut())?;
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let first: Vec<&str> = lines[0].split(' ').collect();
    let headers: Vec<_> = lines[1..].iter().map(|line| line.split_once(": ").unwrap()).collect();
    let headers: Vec<_> =
        headers.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Request { what: first[..2].join(" "), headers, body, number: 0 })
}

/// A list of models.
pub(crate) fn models(ids: &[&str]) -> String {
    let models: Vec<Value> = ids.iter().map(|id| json!({"id": id, "object": "model"})).collect();
    document(200, &json!({"object": "list", "data": models}))
}

/// A refusal with these words.
pub(crate) fn refusal(status: u16, message: &str) -> String {
    document(status, &json!({"error": {"message": message, "type": "error", "code": status}}))
}

/// A JSON document.
pub(crate) fn document(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The head of a stream, whose chunks come after.
pub(crate) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// An event of a stream.
pub(crate) fn event(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

/// The event of one token.
pub(crate) fn token() -> String {
    event(&json!({"choices": [{"index": 0, "delta": {"content": " word"}}]}).to_string())
}

/// What ends a stream of so many tokens: why, how many, and that it was the end.
pub(crate) fn end(tokens: u32) -> String {
    let why = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]});
    let usage = json!({"prompt_tokens": 5, "completion_tokens": tokens});
    let usage = json!({"choices": [], "usage": usage});
    let events = [why.to_string(), usage.to_string(), "[DONE]".to_owned()].map(|data| event(&data));
    format!("{}0\r\n\r\n", events.concat())
}

/// A whole answer of as many tokens as were asked for, at once.
pub(crate) fn whole(request: &Request) -> String {
    let tokens = u32::try_from(request.body["max_tokens"].as_u64().unwrap()).unwrap();
    format!("{STREAM}{}{}", token().repeat(tokens as usize), end(tokens))
}

/// Holds answers back until the test lets them go.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let (open, changed) = &*self.0;
        drop(changed.wait_timeout_while(open.lock().unwrap(), LIMIT, |open| !*open));
    }
}
