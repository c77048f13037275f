//! How connections are set up.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
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

impl Transport {
    /// How TLS is spoken.
    pub(super) fn tls(&self) -> Result<ClientConfig, String> {
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
