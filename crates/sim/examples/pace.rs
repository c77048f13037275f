//! How well the simulator keeps its pace on this machine, read by a client that only counts bytes.
//!
//! ```sh
//! cargo run --release -p bench-sim --example pace -- 1000 500 1
//! ```
//!
//! The arguments are the streams, the tokens of each, at 100 tokens/s, and the server's threads.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::{net::SocketAddr, thread};

use bench_sim::{Config, Server, Truth};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

fn main() -> std::io::Result<()> {
    let args: Vec<u32> = std::env::args().skip(1).map_while(|arg| arg.parse().ok()).collect();
    let [streams, tokens, threads] = args[..] else {
        return Err(std::io::Error::other("usage: pace STREAMS TOKENS THREADS"));
    };
    let threads = usize::try_from(threads).expect("32 bits fit");
    let config = Config { threads, record_limit: usize::MAX, ..Config::default() };
    let server = Server::start(config.clone(), ([127, 0, 0, 1], 0).into())?;
    let addr = server.addr();
    // A thread of its own, whose CPU time is its own.
    let bytes = thread::spawn(move || read_streams(addr, streams, tokens))
        .join()
        .expect("the reader does not panic")?;

    let truths = server.take_truth();
    let mut lateness: Vec<f64> =
        truths.values().flat_map(|truth| lateness_ms(&config, truth)).collect();
    lateness.sort_by(f64::total_cmp);
    println!("{streams} streams of {tokens} tokens: {bytes} bytes, {} events", lateness.len());
    for (name, per_mille) in [("p50", 500), ("p99", 990), ("p99.9", 999), ("max", 1_000)] {
        let index = lateness.len().saturating_sub(1) * per_mille / 1_000;
        println!("sent late, {name}: {:.3} ms", lateness.get(index).unwrap_or(&f64::NAN));
    }
    Ok(())
}

/// How much later than planned each event was sent.
fn lateness_ms(config: &Config, truth: &Truth) -> impl Iterator<Item = f64> {
    let (ttft, itl) = (config.ttft.as_nanos() as f64, config.itl.as_nanos() as f64);
    let received = truth.received_ns;
    truth
        .sends
        .iter()
        .enumerate()
        .map(move |(k, sent)| ((sent.at_ns - received) as f64 - ttft - k as f64 * itl) / 1e6)
}

fn read_streams(addr: SocketAddr, streams: u32, tokens: u32) -> std::io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut readers: JoinSet<_> = (0..streams).map(|_| read_stream(addr, tokens)).collect();
        let mut bytes = 0;
        while let Some(read) = readers.join_next().await {
            bytes += read.expect("a reader does not panic")?;
        }
        Ok(bytes)
    })
}

async fn read_stream(addr: SocketAddr, tokens: u32) -> std::io::Result<usize> {
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"hi"}}],"max_tokens":{tokens},"stream":true}}"#
    );
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = [0; 4_096];
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(bytes),
            read => bytes += read,
        }
    }
}
