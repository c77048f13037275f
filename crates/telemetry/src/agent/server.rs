//! The agent: a server that can be asked, and nothing else.

use std::{
    convert::Infallible, fmt, io, net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
    sync::{Semaphore, oneshot},
    time::{interval, sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::{
    guard::{Guard, Token},
    keeper::{Keeper, SourcesOf},
    wire::{ABOUT, About, CLOCK, PROTOCOL, READINGS, Time},
};

/// Askers at a time; a run is one.
const MOST_CONNECTIONS: usize = 32;
/// Bytes of a request's head, and how many fields it has.
const MOST_OF_HEAD: usize = 16 << 10;
const MOST_FIELDS: usize = 32;
/// How long a request's head, or the time to the next one, may take; also TLS's handshake.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long an asker may keep its connection: one that reads its answers byte by byte has an end, too.
const SERVED_FOR: Duration = Duration::from_secs(3_600);
/// How often what was read is taken in.
const TENDED_EVERY: Duration = Duration::from_secs(1);
/// How long to accept nothing when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How an agent serves.
#[derive(Debug)]
pub struct Config {
    /// Where it listens; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What an asker has to know; may be left out on this machine's own address alone.
    pub token: Option<Token>,
    /// How it speaks TLS, if it does.
    pub tls: Option<Tls>,
    /// Whether it may go without TLS where others listen on the line.
    pub plain_http: bool,
    /// What it is called, such as the host's name.
    pub host: String,
    /// The version of the program that it is in.
    pub version: String,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads them from PEM.
    ///
    /// # Errors
    ///
    /// When there is no certificate or no key, or they do not belong together. The key is not repeated.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, StartError> {
        let wrong = |what: &str, why: &dyn fmt::Display| StartError::Tls(format!("{what}: {why}"));
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|why| wrong("the certificate", &why))?;
        if chain.is_empty() {
            return Err(wrong("the certificate", &"there is none in the file"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| wrong("the key", &"there is none in the file"))?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        config
            .map(|config| Self(Arc::new(config)))
            .map_err(|why| wrong("certificate and key", &why))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// An agent that cannot serve so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Others could ask, and there is nothing that they would have to know.
    #[error("{0} can be reached from other machines: a token is needed")]
    NoToken(SocketAddr),
    /// Others could listen on the line.
    #[error("{0} can be reached from other machines: without TLS the token can be read on the way")]
    NoTls(SocketAddr),
    /// Certificate or key are none.
    #[error("TLS cannot be spoken: {0}")]
    Tls(String),
    /// It cannot listen there, or the system has no thread to give.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// An agent that serves until this is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    tls: bool,
    sources: Vec<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts an agent for what `sources` makes.
    ///
    /// # Errors
    ///
    /// When it would be open to others without a token, or to listeners without consent, or cannot listen.
    pub fn start(config: Config, sources: SourcesOf) -> Result<Self, StartError> {
        Self::start_with(config, sources, HEAD_WITHIN)
    }

    fn start_with(
        config: Config,
        sources: SourcesOf,
        head_within: Duration,
    ) -> Result<Self, StartError> {
        let listen = config.listen;
        if !listen.ip().is_loopback() {
            if config.token.is_none() {
                return Err(StartError::NoToken(listen));
            }
            if config.tls.is_none() && !config.plain_http {
                return Err(StartError::NoTls(listen));
            }
        }
        let failed = |source| StartError::Listen { addr: listen, source };
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let listener = runtime.block_on(TcpListener::bind(listen)).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let names: Vec<String> = sources().iter().map(|source| source.name().to_owned()).collect();
        let about = About {
            protocol: PROTOCOL,
            version: config.version,
            host: config.host,
            sources: names.clone(),
        };
        let tls = config.tls.is_some();
        let agent = Arc::new(Agent {
            guard: Guard::new(addr, tls, config.token),
            about: json(&about),
            keeper: Arc::new(Keeper::new(sources)),
            head_within,
        });
        let (stop, stopped) = oneshot::channel();
        let serve = move || serve(runtime, listener, &agent, config.tls, stopped);
        let thread = std::thread::Builder::new().name("agent".to_owned()).spawn(serve);
        let thread = Some(thread.map_err(failed)?);
        Ok(Self { addr, tls, sources: names, stop: Some(stop), thread })
    }

    /// Its base URL, such as `http://127.0.0.1:9467`.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// The names of the sources that it has.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Agent {
    guard: Guard,
    /// What it says of itself, which does not change.
    about: Bytes,
    keeper: Arc<Keeper>,
    head_within: Duration,
}

fn serve(
    runtime: Runtime,
    listener: TcpListener,
    agent: &Arc<Agent>,
    tls: Option<Tls>,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        tokio::select! {
            _ = stopped => {}
            () = tend(&agent.keeper) => {}
            () = accept(listener, agent, tls.map(|tls| TlsAcceptor::from(tls.0))) => {}
        }
    });
    // Sources that hang are not waited for.
    runtime.shutdown_background();
}

/// Takes in what is read, without end.
async fn tend(keeper: &Arc<Keeper>) {
    let mut due = interval(TENDED_EVERY);
    loop {
        due.tick().await;
        let keeper = Arc::clone(keeper);
        let _ = tokio::task::spawn_blocking(move || keeper.tend()).await;
    }
}

async fn accept(listener: TcpListener, agent: &Arc<Agent>, tls: Option<TlsAcceptor>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // One too many is closed, not kept waiting.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (agent, tls) = (Arc::clone(agent), tls.clone());
        tokio::spawn(async move {
            let _ = timeout(SERVED_FOR, connection(stream, agent, tls)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, agent: Arc<Agent>, tls: Option<TlsAcceptor>) {
    // An answer is one write: none waits for the next.
    let _ = stream.set_nodelay(true);
    match tls {
        None => exchange(stream, agent).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(agent.head_within, tls.accept(stream)).await {
                exchange(stream, agent).await;
            }
        }
    }
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, agent: Arc<Agent>) {
    let service = service_fn(|request| {
        let agent = Arc::clone(&agent);
        async move { Ok::<_, Infallible>(agent.answer(&request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(agent.head_within)
        .max_buf_size(MOST_OF_HEAD)
        .max_headers(MOST_FIELDS);
    // A connection that breaks concerns nobody but its asker.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

impl Agent {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let answered = match self.guard.check(request) {
            Ok(()) => self.look_up(request.uri().path(), request.uri().query()).await,
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok(body) => response(StatusCode::OK, body),
            Err((status, why)) => {
                let mut refused = response(status, json(&Refused { error: why }));
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
                }
                refused
            }
        }
    }

    async fn look_up(
        &self,
        path: &str,
        query: Option<&str>,
    ) -> Result<Bytes, (StatusCode, &'static str)> {
        match (path, query) {
            (ABOUT, None) => Ok(self.about.clone()),
            (CLOCK, None) => {
                let life = self.keeper.life().to_owned();
                Ok(json(&Time { life, ns: self.keeper.now_ns() }))
            }
            (READINGS, query) => self.readings(since(query)?).await,
            _ => Err((StatusCode::NOT_FOUND, "there are /v1/about, /v1/clock and /v1/readings")),
        }
    }

    async fn readings(&self, since: Option<u64>) -> Result<Bytes, (StatusCode, &'static str)> {
        let keeper = Arc::clone(&self.keeper);
        let told = tokio::task::spawn_blocking(move || keeper.tell(since).map(|told| json(&told)));
        match told.await {
            Ok(Ok(body)) => Ok(body),
            _ => Err((StatusCode::INTERNAL_SERVER_ERROR, "the sources cannot be read")),
        }
    }
}

/// The number that is asked from.
fn since(query: Option<&str>) -> Result<Option<u64>, (StatusCode, &'static str)> {
    let Some(query) = query else { return Ok(None) };
    let number = query.strip_prefix("since=").and_then(|number| number.parse().ok());
    number.map(Some).ok_or((StatusCode::BAD_REQUEST, "all that can be said is ?since=NUMBER"))
}

#[derive(Serialize)]
struct Refused {
    error: &'static str,
}

/// `value` as JSON: maps with names for keys and finite numbers, so that it has one.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
