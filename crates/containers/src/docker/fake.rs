//! An engine that answers as a test says: it breaks off, hangs, or talks nonsense.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use super::Docker;
use crate::{Environment, Trouble};

/// An answer to a request.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    /// Whether nothing more comes, and the connection stays.
    hangs: bool,
}

/// A whole answer.
pub(super) fn answer(status: u16, body: &str) -> Answer {
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n", body.len());
    Answer { bytes: (head + body).into_bytes(), hangs: false }
}

/// The beginning of an answer that comes in parts.
pub(super) fn parts(parts: &[&[u8]]) -> Answer {
    let mut bytes = b"HTTP/1.1 200 Said\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for part in parts {
        bytes.extend(format!("{:x}\r\n", part.len()).bytes());
        bytes.extend_from_slice(part);
        bytes.extend(b"\r\n");
    }
    Answer { bytes, hangs: false }
}

impl Answer {
    /// None, though somebody listens.
    pub(super) fn nothing() -> Self {
        Self { bytes: Vec::new(), hangs: true }
    }

    /// Its last part is the last.
    pub(super) fn ended(mut self) -> Self {
        self.bytes.extend(b"0\r\n\r\n");
        self
    }

    pub(super) fn then_hangs(self) -> Self {
        Self { hangs: true, ..self }
    }
}

/// What is answered to requests that begin so, one after the other; the last again and again.
type Script = Vec<(&'static str, VecDeque<Answer>)>;

/// The engine.
pub(super) struct Fake {
    pub(super) host: String,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl Fake {
    /// One that tells its version, is there when it is asked, and knows nothing else.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let fake = Self {
            host: format!("unix://{}", path.display()),
            script: Arc::default(),
            asked: Arc::default(),
            _folder: folder,
        };
        let (script, asked) = (Arc::clone(&fake.script), Arc::clone(&fake.asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&asked)));
            }
        });
        fake.says("GET /version", [answer(200, r#"{"Version": "20.10.24"}"#)]);
        fake.says("GET /_ping", [answer(200, "OK")]);
        fake
    }

    /// Has it answer requests that begin so.
    pub(super) fn says<const N: usize>(&self, request: &'static str, answers: [Answer; N]) {
        let mut script = self.script.lock().unwrap();
        script.retain(|(known, _)| *known != request);
        script.push((request, answers.into()));
    }

    /// What was asked of it that begins so, with what came along.
    pub(super) fn asked(&self, request: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.starts_with(request)).cloned().collect()
    }

    pub(super) async fn connect(&self) -> Result<Docker, Trouble> {
        Docker::connect(Some(&self.host), Environment::of::<String, String>([])).await
    }
}

async fn serve(mut stream: UnixStream, script: Arc<Mutex<Script>>, asked: Arc<Mutex<Vec<String>>>) {
    let request = read(&mut stream).await;
    let found = next_answer(&script, &request);
    asked.lock().unwrap().push(request);
    let _ = stream.write_all(&found.bytes).await;
    if found.hangs {
        std::future::pending::<()>().await;
    }
}

fn next_answer(script: &Mutex<Script>, request: &str) -> Answer {
    let mut script = script.lock().unwrap();
    let known = script.iter_mut().rev().find(|(known, _)| request.starts_with(known));
    match known {
        Some((_, answers)) if answers.len() > 1 => answers.pop_front().unwrap(),
        Some((_, answers)) => answers[0].clone(),
        None => answer(404, r#"{"message": "page not found"}"#),
    }
}

/// A request with its body.
async fn read(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return String::new();
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text.into_owned();
        }
    }
}
