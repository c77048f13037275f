//! Servers behind TLS.

use std::{net::TcpListener, sync::Arc, thread};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{io::copy_bidirectional, net::TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{
    program::{Place, statistic},
    simulator::Simulator,
};

/// A port that speaks TLS for `plain`, with a certificate of its own for `localhost`.
struct Front {
    port: u16,
    /// The certificate, as a client that trusts it needs it.
    pem: String,
}

impl Front {
    fn of(plain: &str) -> Self {
        let (acceptor, pem) = acceptor(&[]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let plain = plain.trim_start_matches("http://").to_owned();
        thread::spawn(move || serve(listener, &acceptor, &plain));
        Self { port, pem }
    }
}

/// What speaks TLS as `localhost`, with these protocols to choose from; and its certificate.
pub(crate) fn acceptor(protocols: &[&[u8]]) -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

fn serve(listener: TcpListener, acceptor: &TlsAcceptor, plain: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (acceptor, plain) = (acceptor.clone(), plain.to_owned());
            tokio::spawn(async move {
                // A client that does not trust us ends here.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(plain).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
}

#[test]
fn a_server_behind_tls_is_measured_like_any_other() {
    let simulator = Simulator::start("--ttft-ms 20 --itl-ms 2");
    let front = Front::of(&simulator.url);
    let place = Place::new();
    let trusted = place.path().join("trusted.pem");
    std::fs::write(&trusted, &front.pem).unwrap();
    let words = format!("--url https://localhost:{} -c 4 -n 40 --osl 16", front.port);
    place.run(&words).env("SSL_CERT_FILE", trusted.to_str().unwrap()).measures();
    let point = place.point();
    assert_eq!(point.outcomes.get("ok"), Some(&40));
    assert!(statistic(&point, "ttft_ms", "min") >= 20.0);
    // Connections are kept: the handshake is paid for by the warm-up.
    assert!(place.measured().iter().all(|sample| sample.connect.is_none()));
}

#[test]
fn who_is_trusted_can_be_said() {
    let simulator = Simulator::start("--ttft-ms 1");
    let front = Front::of(&simulator.url);
    let place = Place::new();
    let trusted = place.path().join("trusted.pem");
    std::fs::write(&trusted, &front.pem).unwrap();
    let words =
        format!("--url https://localhost:{} -n 4 --osl 1 --connection-reuse never", front.port);
    let ended = place.run(&words).arg("--tls-ca").arg("trusted.pem").measures();
    assert!(!ended.stderr.contains("certificate"), "{}", ended.stderr);
    // Each request pays for a connection of its own.
    assert!(place.measured().iter().all(|sample| sample.connect.is_some()));
    std::fs::write(place.path().join("empty.pem"), "nothing").unwrap();
    for (file, code, said) in [
        ("nobody.pem", 2, "nobody.pem: No such file"),
        ("empty.pem", 5, "there is no certificate among those to trust"),
    ] {
        let ended = place.run(&words).arg("--tls-ca").arg(file).exits(code);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[test]
fn to_believe_anybody_is_said_loudly() {
    let simulator = Simulator::start("--ttft-ms 1");
    let front = Front::of(&simulator.url);
    let place = Place::new();
    let words = format!("--url https://localhost:{} -n 4 --osl 1 --insecure", front.port);
    let ended = place.run(&words).measures();
    let said = "is not asked for a certificate: whoever answers there is believed";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    let run = place.run_directory().read_run().unwrap();
    assert_eq!(run.environment["targets"][0]["request"]["tls_insecure"], true);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let simulator = Simulator::start("");
    let front = Front::of(&simulator.url);
    let words = format!("--url https://localhost:{} -n 4", front.port);
    let ended = Place::new().run(&words).exits(5);
    assert!(ended.stderr.contains("TLS handshake"), "{}", ended.stderr);
    assert!(ended.stderr.contains("UnknownIssuer"), "{}", ended.stderr);
}
