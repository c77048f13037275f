//! An engine over TCP: in plain on this machine, and over TLS, where both sides show who they are.

use std::{fs, path::Path, sync::Arc};

use bench_containers::{Backend, Cause, Docker, Environment, Trouble};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer, server::WebPkiClientVerifier},
};

use super::rig::Rig;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Puts a folder there as Docker wants it, for a user whom `signer` knows and who trusts `trusted`.
fn write_certificates(folder: &Path, signer: &Authority, trusted: &Authority) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["user".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, signer).unwrap();
    fs::write(folder.join("ca.pem"), trusted.pem()).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

/// Leads to a socket whoever shows a certificate that `authority` signed. Says at which port.
async fn lead_to(socket: String, authority: &Authority) -> u16 {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut engine = UnixStream::connect(socket).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut engine).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn an_engine_is_asked_in_plain_at_the_end_of_a_tunnel() {
    let Some(rig) = Rig::new().await else { return };
    let socket = rig.host.strip_prefix("unix://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut engine = UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut engine).await });
        }
    });
    let docker = Docker::connect(Some(&host), Environment::of::<String, String>([])).await.unwrap();
    let running = docker.start(&rig.launch("serve")).await.unwrap();
    let state = docker.state(&running.id).await.unwrap();
    // Whose processes they are is not known.
    assert!(state.is_running && state.pids.is_empty());
    docker.stop(&running.id, std::time::Duration::from_secs(5)).await.unwrap();
    assert_eq!(rig.left().await, [""; 0]);
}

#[tokio::test]
async fn an_engine_is_asked_over_tls_by_whom_it_knows_and_who_knows_it() {
    let Some(rig) = Rig::new().await else { return };
    let [ours, others] = ["ours", "others"].map(authority);
    let socket = rig.host.strip_prefix("unix://").unwrap().to_owned();
    let port = lead_to(socket, &ours).await;
    let connect = async |signer: &Authority, trusted: &Authority| {
        let folder = tempfile::tempdir().unwrap();
        write_certificates(folder.path(), signer, trusted);
        let environment = Environment::of([
            ("DOCKER_HOST", format!("tcp://localhost:{port}")),
            ("DOCKER_TLS_VERIFY", "1".to_owned()),
            ("DOCKER_CERT_PATH", folder.path().display().to_string()),
        ]);
        let docker = Docker::connect(None, environment).await?;
        docker.list().await?;
        Ok::<_, Trouble>(docker)
    };
    assert_eq!(connect(&ours, &ours).await.unwrap().name(), "docker");
    for (signer, trusted) in [(&others, &ours), (&ours, &others)] {
        let trouble = connect(signer, trusted).await.unwrap_err();
        assert_eq!(trouble.cause, Cause::BackendUnreachable);
        let is_said = ["UnknownCA", "UnknownIssuer"].iter().any(|why| trouble.said.contains(why));
        assert!(is_said && trouble.fix.contains("DOCKER_CERT_PATH"), "{trouble:?}");
    }
    let environment = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/nobody/made/this")];
    let host = format!("tcp://localhost:{port}");
    let trouble = Docker::connect(Some(&host), Environment::of(environment)).await.unwrap_err();
    assert!(trouble.said.contains("/nobody/made/this"), "{trouble:?}");
}
