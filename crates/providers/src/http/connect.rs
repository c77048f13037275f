//! Setting up a connection.

use std::{
    fmt::Write,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bench_core::{Clock, Outcome, ProviderError};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, pki_types::ServerName},
};

#[cfg(unix)]
use super::io::LocalStream;
use super::{
    endpoint::Endpoint,
    io::Io,
    stream::StampedStream,
    transport::{ALPN_H2, Sources, Transport},
};

/// The way to one server: name look-up once, then always the same address.
#[derive(Debug)]
pub(super) struct Route {
    endpoint: Endpoint,
    transport: Transport,
    sources: Sources,
    /// The address that took the first connection. Later ones never change over in silence.
    address: OnceLock<SocketAddr>,
    tls: OnceLock<Result<Tls, String>>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Route {
    pub(super) fn new(endpoint: Endpoint, transport: Transport) -> Self {
        let (address, tls) = (OnceLock::new(), OnceLock::new());
        Self { endpoint, transport, sources: Sources::default(), address, tls }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A new connection, ready for a request.
    pub(super) async fn connect(&self, clock: Clock) -> Result<Io, ProviderError> {
        #[cfg(unix)]
        if let Some(socket) = self.endpoint.socket() {
            let stream = tokio::net::UnixStream::connect(socket).await;
            let stream = stream.map_err(|error| {
                let said = format!("{}: {}", self.endpoint, explain(&error));
                ProviderError::new(outcome_of(&error), said)
            })?;
            return Ok(Io::Local(LocalStream::new(stream, clock)));
        }
        let stream = self.open().await?;
        // Without it the kernel may hold a small request back for an acknowledgement.
        stream.set_nodelay(true).map_err(|e| self.failed(&e))?;
        let stream = StampedStream::new(stream, clock, self.transport.stamping);
        if !self.endpoint.is_tls() {
            return Ok(Io::Plain(stream));
        }
        let tls = self.tls.get_or_init(|| Tls::for_host(self.endpoint.host(), &self.transport));
        let tls = tls.as_ref().map_err(|why| ProviderError::new(Outcome::Tls, why.clone()))?;
        let stream = tls.connector.connect(tls.name.clone(), stream).await;
        let stream = stream.map_err(|error| {
            let authority = self.endpoint.authority();
            let said = match self.transport.http2 && is_about_alpn(&error) {
                true => self.endpoint.speaks_no_http2(),
                false => format!("TLS handshake with {authority}: {error}"),
            };
            ProviderError::new(Outcome::Tls, said).because(error)
        })?;
        // A server that knows nothing of protocols to choose from goes on without.
        if self.transport.http2 && stream.get_ref().1.alpn_protocol() != Some(ALPN_H2) {
            return Err(ProviderError::new(Outcome::Tls, self.endpoint.speaks_no_http2()));
        }
        Ok(Io::Tls(Box::new(stream)))
    }

    async fn open(&self) -> Result<TcpStream, ProviderError> {
        if let Some(address) = self.address.get() {
            return self.open_to(*address).await.map_err(|e| self.failed(&e));
        }
        let mut failures = String::new();
        let mut last = None;
        for address in self.look_up().await? {
            match self.open_to(address).await {
                Ok(stream) => {
                    let _ = self.address.set(address);
                    return Ok(stream);
                }
                Err(error) => {
                    let _ = write!(failures, "{address}: {error}; ");
                    last = Some(error);
                }
            }
        }
        let failures = failures.trim_end_matches("; ");
        Err(last.map_or_else(
            || ProviderError::new(Outcome::Dns, format!("{} has no address", self.endpoint.host())),
            |error| ProviderError::new(outcome_of(&error), failures),
        ))
    }

    async fn open_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let Some(source) = self.sources.next(&self.transport, address) else {
            return TcpStream::connect(address).await;
        };
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(source)?;
        socket.connect(address).await
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, ProviderError> {
        let name = (self.endpoint.host(), self.endpoint.port());
        let found = tokio::net::lookup_host(name).await.map(Iterator::collect);
        found.map_err(|error| {
            ProviderError::new(Outcome::Dns, format!("{}: {error}", self.endpoint.host()))
                .because(error)
        })
    }

    fn failed(&self, error: &io::Error) -> ProviderError {
        let said = format!("{}: {}", self.endpoint.authority(), explain(error));
        ProviderError::new(outcome_of(error), said)
    }
}

impl Tls {
    fn for_host(host: &str, transport: &Transport) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|e| format!("{host}: {e}"))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(transport.tls()?)), name })
    }
}

/// Whether a handshake failed because the server has none of the protocols that were offered.
fn is_about_alpn(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        error,
        Some(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol))
    )
}

/// Which way a failed system call makes a request fail.
pub(super) fn outcome_of(error: &io::Error) -> Outcome {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Outcome::Refused,
        Kind::TimedOut => Outcome::ConnectTimeout,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::NotConnected => {
            Outcome::Reset
        }
        // EADDRNOTAVAIL: no local port is left for this address.
        Kind::AddrNotAvailable | Kind::OutOfMemory => Outcome::Client,
        _ if is_out_of_descriptors(error) => Outcome::Client,
        _ => Outcome::Refused,
    }
}

fn explain(error: &io::Error) -> String {
    if is_out_of_descriptors(error) {
        return format!("{error}: raise the limit with `ulimit -n`");
    }
    if error.kind() == io::ErrorKind::AddrNotAvailable {
        return format!(
            "{error}: no local port is left; see /proc/sys/net/ipv4/ip_local_port_range"
        );
    }
    error.to_string()
}

/// EMFILE or ENFILE: no file descriptor is left for the process, or for the system.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24)) && cfg!(unix)
}
