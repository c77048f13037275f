//! Servers that speak HTTP/2.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

use crate::{
    program::{Place, statistic},
    simulator::Simulator,
    tls::acceptor,
};

/// A small inference server over HTTP/2.
struct Server {
    port: u16,
    /// The certificate, where it speaks TLS.
    pem: Option<String>,
    /// The requests that were measured, for each connection that had some.
    answered: Arc<Mutex<Vec<usize>>>,
}

const TTFT: Duration = Duration::from_millis(20);
const ITL: Duration = Duration::from_millis(2);

impl Server {
    fn start(tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, pem) = tls.then(|| acceptor(&[b"http/1.1", b"h2"])).unzip();
        let answered: Arc<Mutex<Vec<usize>>> = Arc::default();
        let counts = Arc::clone(&answered);
        let accept = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                client.set_nodelay(true).unwrap();
                let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counts));
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => match acceptor.accept(client).await {
                            Ok(client) => serve(client, &counts).await,
                            Err(_) => None,
                        },
                        None => serve(client, &counts).await,
                    }
                });
            }
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(accept)
        });
        Self { port, pem, answered }
    }
}

/// Serves one connection, until it ends.
async fn serve(
    client: impl AsyncRead + AsyncWrite + Unpin,
    counts: &Arc<Mutex<Vec<usize>>>,
) -> Option<()> {
    let mut connection = h2::server::handshake(client).await.ok()?;
    let mut number = None;
    while let Some(Ok((request, respond))) = connection.accept().await {
        if request.method() == Method::POST {
            let mut counts = counts.lock().unwrap();
            let number = *number.get_or_insert_with(|| {
                counts.push(0);
                counts.len() - 1
            });
            counts[number] += 1;
        }
        tokio::spawn(answer(request, respond));
    }
    None
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Option<()> {
    let head = |status, kind| Response::builder().status(status).header("content-type", kind);
    let (parts, mut body) = request.into_parts();
    match (parts.method, parts.uri.path()) {
        (Method::GET, "/v1/models") => {
            let models = json!({"object": "list", "data": [{"id": "m", "object": "model"}]});
            let head = head(200, "application/json").body(()).unwrap();
            let mut stream = respond.send_response(head, false).ok()?;
            stream.send_data(models.to_string().into(), true).ok()
        }
        (Method::POST, "/v1/chat/completions") => {
            let mut asked = Vec::new();
            while let Some(Ok(piece)) = body.data().await {
                body.flow_control().release_capacity(piece.len()).ok()?;
                asked.extend_from_slice(&piece);
            }
            let asked: Value = serde_json::from_slice(&asked).unwrap();
            let length = [&asked["max_completion_tokens"], &asked["max_tokens"]];
            let length = length.into_iter().find_map(Value::as_u64).unwrap_or(8);
            let head = head(200, "text/event-stream").body(()).unwrap();
            let mut stream = respond.send_response(head, false).ok()?;
            let event = |value: Value| Bytes::from(format!("data: {value}\n\n"));
            for n in 0..length {
                sleep(if n == 0 { TTFT } else { ITL }).await;
                let delta = json!({"choices": [{"index": 0, "delta": {"content": " word"}}]});
                stream.send_data(event(delta), false).ok()?;
            }
            let stop = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]});
            let usage = json!({"prompt_tokens": 16, "completion_tokens": length});
            stream.send_data(event(stop), false).ok()?;
            stream.send_data(event(json!({"choices": [], "usage": usage})), false).ok()?;
            stream.send_data("data: [DONE]\n\n".into(), true).ok()
        }
        _ => {
            let head = head(404, "text/plain").body(()).unwrap();
            respond.send_response(head, true).ok().map(|_| ())
        }
    }
}

#[test]
fn a_server_of_http2_is_measured_with_and_without_tls() {
    for tls in [false, true] {
        let server = Server::start(tls);
        let place = Place::new();
        let scheme = if tls { "https" } else { "http" };
        let words = format!(
            "--url {scheme}://localhost:{} --http2 -c 8 -n 60 --osl 16 --threads 1",
            server.port
        );
        let mut run = place.run(&words);
        if let Some(pem) = &server.pem {
            std::fs::write(place.path().join("trusted.pem"), pem).unwrap();
            run = run.words("--tls-ca trusted.pem");
        }
        let ended = run.measures();
        assert!(ended.stderr.contains("is asked over HTTP/2"), "{}", ended.stderr);
        let point = place.point();
        assert_eq!(point.outcomes.get("ok"), Some(&60));
        assert!(statistic(&point, "ttft_ms", "min") >= 20.0);
        assert!(statistic(&point, "osl", "min") >= 16.0);
        let run = place.run_directory().read_run().unwrap();
        assert_eq!(run.environment["targets"][0]["request"]["http2"], true);
        // Eight at a time, and none of them had to wait for a connection of its own.
        assert_eq!(server.answered.lock().unwrap().len(), 1, "requests share a connection");
        let samples = place.measured();
        assert!(samples.iter().all(|sample| sample.connect.is_none()));
        if cfg!(target_os = "linux") {
            assert!(samples.iter().flat_map(|s| &s.arrivals).all(|arrival| arrival.kernel));
        }
    }
}

#[test]
fn each_request_has_a_connection_where_none_is_kept() {
    let server = Server::start(false);
    let place = Place::new();
    let words = format!(
        "--url http://localhost:{} --http2 -c 4 -n 12 --warmup-request-count 0 --connection-reuse never",
        server.port
    );
    place.run(&words).measures();
    assert_eq!(*server.answered.lock().unwrap(), [1; 12]);
}

#[test]
fn probe_and_chat_speak_it_as_well() {
    let server = Server::start(false);
    let place = Place::new();
    let url = format!("--url http://localhost:{} --http2", server.port);
    let probed = place.inferbench("probe").words(&url).exits(0);
    assert!(probed.stderr.contains("is asked over HTTP/2"), "{}", probed.stderr);
    let said = place.inferbench("chat").words(&url).arg("hello").exits(0);
    assert!(said.stdout.contains("word word"), "{}", said.stdout);
}

#[test]
fn a_server_without_it_is_said_to_have_none() {
    let simulator = Simulator::start("");
    let ended = Place::new().run(&format!("--url {} --http2", simulator.url)).exits(5);
    assert!(ended.stderr.contains("does not speak HTTP/2: leave --http2 out"), "{}", ended.stderr);
}

/// Four hundred requests at once need four connections, not as many files.
#[cfg(unix)]
#[test]
fn shared_connections_need_few_files() {
    let server = Server::start(false);
    let place = Place::new();
    let words = format!(
        "run -u http://localhost:{} -c 400 -n 800 --isl 16 --osl 4 --threads 1 --warmup-request-count 0",
        server.port
    );
    let limited = || place.limited("ulimit -n 200").words(&words).words("--http2");
    limited().measures();
    assert_eq!(place.point().outcomes.get("ok"), Some(&800));
    let own = limited().words("--connection-reuse never").exits(8);
    assert!(own.stderr.contains("400 connections need 464 open files"), "{}", own.stderr);
}
