//! How connections are set up.

use std::{
    io::{Read, Write},
    net::{IpAddr, TcpListener},
    thread,
};

use bench_core::Outcome;
use bench_providers::{Config, Endpoint, HttpProvider, Reuse, Transport};

use crate::server::{Play, Player, ask, ask_in, config, played_stream};

/// How many connections so many requests of one session take.
async fn connections(reuse: Reuse, requests: usize) -> usize {
    let player = Player::start(vec![Play::Pieces(vec![played_stream()])]);
    let transport = Transport { reuse, ..Transport::default() };
    let provider = HttpProvider::new(Config { transport, ..config(&player.url) }).unwrap();
    for _ in 0..requests {
        let got = ask(&provider).await;
        assert_eq!(got.sample.outcome, Outcome::Ok, "{:?}", got.sample.error);
    }
    *player.connections.lock().unwrap()
}

#[tokio::test]
async fn connections_are_kept_as_asked() {
    assert_eq!(connections(Reuse::Pooled, 5).await, 1);
    assert_eq!(connections(Reuse::Session, 5).await, 1);
    assert_eq!(connections(Reuse::Never, 5).await, 5);
}

#[tokio::test]
async fn connections_come_from_each_address_in_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = thread::spawn(move || {
        let mut seen: Vec<IpAddr> = Vec::new();
        for _ in 0..4 {
            let (mut stream, from) = listener.accept().unwrap();
            seen.push(from.ip());
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(&played_stream()).unwrap();
        }
        seen
    });
    let sources: Vec<IpAddr> =
        ["127.0.0.2", "::1", "127.0.0.3"].iter().map(|a| a.parse().unwrap()).collect();
    let transport = Transport { sources, reuse: Reuse::Never, ..Transport::default() };
    let provider = HttpProvider::new(Config { transport, ..config(&url) }).unwrap();
    for _ in 0..4 {
        assert_eq!(ask(&provider).await.sample.outcome, Outcome::Ok);
    }
    // One of another kind than the server's is left out.
    let expected: Vec<IpAddr> = ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"]
        .iter()
        .map(|address| address.parse().unwrap())
        .collect();
    assert_eq!(seen.join().unwrap(), expected);
}

#[tokio::test]
async fn sessions_go_to_each_replica_in_turn() {
    let players = [(); 3].map(|()| Player::start(vec![Play::Pieces(vec![played_stream()])]));
    let replicas = players[1..].iter().map(|player| Endpoint::parse(&player.url).unwrap());
    let replicas = replicas.collect();
    let provider = HttpProvider::new(Config { replicas, ..config(&players[0].url) }).unwrap();
    for session in [0, 1, 2, 3, 4, 4, 4] {
        assert_eq!(ask_in(&provider, session).await.sample.outcome, Outcome::Ok);
    }
    let asked = players.each_ref().map(|player| player.requests.lock().unwrap().len());
    assert_eq!(asked, [2, 4, 1], "the turns of a session go to one");
    let hosts = players.each_ref().map(|player| player.requests.lock().unwrap()[0].clone());
    for (host, player) in hosts.iter().zip(&players) {
        assert!(host.contains(player.url.trim_start_matches("http://")), "{host}");
    }
}

/// An address that this machine does not have.
#[tokio::test]
async fn a_source_that_is_not_ours_is_a_failure_of_the_client() {
    let player = Player::start(vec![Play::Pieces(vec![played_stream()])]);
    let sources = vec!["192.0.2.1".parse().unwrap()];
    let transport = Transport { sources, ..Transport::default() };
    let provider = HttpProvider::new(Config { transport, ..config(&player.url) }).unwrap();
    assert_eq!(ask(&provider).await.sample.outcome, Outcome::Client);
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_of_this_machine_is_a_server_like_any_other() {
    let folder = std::env::temp_dir().join(format!("inferbench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("server.sock");
    let _ = std::fs::remove_file(&path);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap();
        stream.write_all(&played_stream()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let url = format!("unix:{}", path.display());
    let got = ask(&HttpProvider::new(config(&url)).unwrap()).await;
    assert_eq!(got.sample.outcome, Outcome::Ok, "{:?}", got.sample.error);
    // The kernel stamps nothing there.
    assert!(got.sample.arrivals.iter().all(|arrival| !arrival.kernel));
    assert!(asked.join().unwrap().contains("host: localhost\r\n"));
    std::fs::remove_dir_all(&folder).unwrap();
    let nobody = ask(&HttpProvider::new(config(&url)).unwrap()).await.sample;
    assert_eq!(nobody.outcome, Outcome::Refused, "{:?}", nobody.error);
}

#[tokio::test]
async fn when_to_ask_again_is_told() {
    for (field, said) in [
        ("retry-after: 7\r\n", "slow down (retry-after: 7 s)"),
        ("retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n", "slow down"),
        ("", "slow down"),
    ] {
        let limited =
            format!("HTTP/1.1 429 Too Many Requests\r\n{field}content-length: 9\r\n\r\nslow down");
        let player = Player::start(vec![Play::ThenClose(limited.into_bytes())]);
        let sample = ask(&HttpProvider::new(config(&player.url)).unwrap()).await.sample;
        assert_eq!(sample.outcome, Outcome::RateLimited);
        assert_eq!(sample.error.as_deref(), Some(said));
    }
}
