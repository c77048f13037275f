//! llama.cpp's own server with a tiny model: a server that nobody of this project wrote.

use std::{
    env,
    ffi::OsString,
    fmt::Debug,
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    str::FromStr,
    thread,
};

use crate::{
    program::{Place, Started, until},
    tiny_model,
};

/// Where the program is, as `.ci/llama-server` says.
const PROGRAM: &str = "INFERBENCH_LLAMA_SERVER";
/// Whether a test may not be left out.
const REQUIRED: &str = "INFERBENCH_REQUIRE_ALL";

pub(crate) struct LlamaServer {
    pub(crate) process: Started,
    pub(crate) url: String,
    _place: Place,
}

/// The program; none where this machine has no such one, which is then said.
pub(crate) fn program() -> Option<OsString> {
    let program = env::var_os(PROGRAM);
    if program.is_none() {
        let missing = format!("{PROGRAM} is not set: .ci/llama-server says to what");
        assert!(env::var_os(REQUIRED).is_none(), "{missing}");
        // What a test prints is kept from who runs it; what it writes is not.
        io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
    }
    program
}

impl LlamaServer {
    /// A server on a free port; none where this machine has no such program, which is then said.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with more flags.
    pub(crate) fn start_with(flags: &str) -> Option<Self> {
        let program = program()?;
        let place = Place::new();
        fs::write(place.path().join("tiny.gguf"), tiny_model::gguf()).unwrap();
        // One thread computes and leaves the other core to the client. Without its cache of prompts, every
        // token of a prompt is counted.
        let call = place
            .program(Path::new(&program))
            .words("--model tiny.gguf --alias tiny --host 127.0.0.1 --port 0 --threads 1")
            .words("--parallel 4 --metrics --no-cache-prompt --cache-ram 0 --no-ui --offline")
            .words(&format!("--ctx-size {} {flags}", 4 * tiny_model::CONTEXT));
        let process = call.start();
        let mut url = None;
        until("it says where it listens", || {
            let said = process.stderr.wait_for("listening on ");
            // The rest of the line may come later.
            let line = said.rsplit_once("listening on ").unwrap().1.split_once('\n');
            url = line.map(|(url, _)| url.to_owned());
            url.is_some()
        });
        let url = url.unwrap();
        Some(Self { process, url, _place: place })
    }

    /// What it counts of itself, such as `tokens_predicted_total`.
    pub(crate) fn counts<T: FromStr<Err: Debug>>(&self, name: &str) -> T {
        let metrics = self.metrics().unwrap();
        let line = format!("\nllamacpp:{name} ");
        let found = metrics.split_once(&line).and_then(|(_, rest)| rest.lines().next());
        let found = found.unwrap_or_else(|| panic!("there is no {name}: {metrics}"));
        found.trim().parse().unwrap()
    }

    fn metrics(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://"))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: tiny\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for LlamaServer {
    /// Whoever looks for why a test failed wants to know what the server said of it.
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = io::stderr().write_all(self.process.stderr.wait_for("").as_bytes());
        }
    }
}
