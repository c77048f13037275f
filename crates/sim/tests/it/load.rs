//! Many clients at once.

use std::{net::SocketAddr, time::Duration};

use bench_sim::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::client::{chat, fast, start};

async fn ask(addr: SocketAddr, n: usize) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = chat(&n.to_string(), 5, "").replacen("host: sim", "connection: close", 1);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

/// Both ends of each connection are ours: 1024 files, the customary limit, are too few.
#[cfg(unix)]
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(4_096), hard).unwrap();
}

#[cfg(not(unix))]
fn raise_file_limit() {}

#[tokio::test]
async fn a_burst_of_connections_is_served_by_all_threads() {
    raise_file_limit();
    for threads in [1, 3] {
        let server = start(Config { threads, ..fast() });
        let mut clients: JoinSet<String> = (0..500).map(|n| ask(server.addr(), n)).collect();
        let all = async {
            while let Some(response) = clients.join_next().await {
                assert!(response.unwrap().ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
            }
        };
        timeout(Duration::from_secs(20), all).await.expect("all are served");
        assert_eq!(server.requests_served(), 500);
        let truths = server.take_truth();
        assert_eq!(truths.len(), 500);
        assert!(truths.values().all(|truth| truth.sends.len() == 5));
    }
}
