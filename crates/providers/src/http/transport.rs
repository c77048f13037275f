//! How connections are set up.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::Stamping;

/// How connections are set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Whether HTTP/2 is spoken, where a connection has many requests at once, rather than HTTP/1.1. With TLS
    /// nothing else is offered; without, the server has to know.
    ///
    /// Moments are as exact as with HTTP/1.1 where requests are tasks of a runtime with one thread, as those of
    /// a run are. Elsewhere an arrival may carry the moment of a later read.
    pub http2: bool,
    /// Whether a request takes a connection that an earlier one left open.
    pub reuse: Reuse,
    /// Who is trusted to vouch for the server: certificates as PEM. The system's where it is empty.
    pub authorities: Vec<u8>,
    /// Whether nobody needs to vouch for it: whoever answers is believed.
    pub insecure: bool,
    /// Addresses of this machine to connect from, in turn: each has ports of its own.
    pub sources: Vec<IpAddr>,
    /// Which clock tells when bytes came.
    pub stamping: Stamping,
}

/// Whether a request takes a connection that an earlier one left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reuse {
    /// Any that is open.
    #[default]
    Pooled,
    /// None: each request has a connection of its own.
    Never,
    /// That of its own session.
    Session,
}

impl fmt::Display for Reuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pooled => "pooled",
            Self::Never => "never",
            Self::Session => "session",
        })
    }
}

/// HTTP/2's name where protocols are chosen from.
pub(super) const ALPN_H2: &[u8] = b"h2";

/// Requests at once on a connection of HTTP/2, however many more the server takes: what most of them take, and
/// what RFC 9113 has them take at least.
pub(super) const MOST_STREAMS: u32 = 100;

impl Transport {
    /// The connections that so many requests in flight take, on so many load threads; more, over HTTP/2, where the
    /// server takes fewer than a hundred on one.
    pub fn connections(&self, requests: u64, threads: NonZeroUsize) -> u64 {
        if !self.http2 || self.reuse != Reuse::Pooled {
            return requests;
        }
        // No thread shares another's.
        let shared = requests.div_ceil(MOST_STREAMS.into()) + threads.get() as u64 - 1;
        shared.min(requests)
    }

    /// How TLS is spoken.
    pub(super) fn tls(&self) -> Result<ClientConfig, String> {
        let mut config = self.trust()?;
        if self.http2 {
            config.alpn_protocols = vec![ALPN_H2.to_vec()];
        }
        Ok(config)
    }

    fn trust(&self) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder();
        if self.insecure {
            let anybody = Arc::new(Anybody);
            return Ok(builder
                .dangerous()
                .with_custom_certificate_verifier(anybody)
                .with_no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        if self.authorities.is_empty() {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        } else {
            for certificate in CertificateDer::pem_slice_iter(&self.authorities) {
                let certificate =
                    certificate.map_err(|error| format!("a certificate to trust: {error}"))?;
                roots
                    .add(certificate)
                    .map_err(|error| format!("a certificate to trust: {error}"))?;
            }
            if roots.is_empty() {
                return Err("there is no certificate among those to trust".to_owned());
            }
        }
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Which address to connect from next.
#[derive(Debug, Default)]
pub(super) struct Sources(AtomicUsize);

impl Sources {
    /// The next of `transport`'s, if it has any of the kind of `to`.
    pub(super) fn next(&self, transport: &Transport, to: SocketAddr) -> Option<SocketAddr> {
        let fits = |source: &&IpAddr| source.is_ipv4() == to.is_ipv4();
        let count = transport.sources.iter().filter(fits).count();
        let turn = self.0.fetch_add(1, Ordering::Relaxed).checked_rem(count)?;
        let source = transport.sources.iter().filter(fits).nth(turn)?;
        Some(SocketAddr::new(*source, 0))
    }
}

/// Believes whoever answers.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_requests_share_a_connection_of_http2() {
        let connections = |http2, reuse, requests, threads| {
            let transport = Transport { http2, reuse, ..Transport::default() };
            transport.connections(requests, NonZeroUsize::new(threads).unwrap())
        };
        for (requests, threads, expected) in
            [(0, 1, 0), (1, 4, 1), (100, 1, 1), (101, 1, 2), (10_000, 8, 107)]
        {
            assert_eq!(connections(true, Reuse::Pooled, requests, threads), expected);
            assert_eq!(connections(true, Reuse::Never, requests, threads), requests);
            assert_eq!(connections(false, Reuse::Pooled, requests, threads), requests);
        }
    }
}
