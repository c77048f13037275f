//! Registries that want a login, and ways to a registry that are held, opened or cut.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener as Port},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};

fn free_port() -> u16 {
    Port::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A registry that wants the user `user` with the password `canary-pass`.
pub(crate) struct Guarded {
    pub(crate) place: String,
    process: Child,
    _folder: TempDir,
}

impl Guarded {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = format!("127.0.0.1:{}", free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        // bcrypt of `canary-pass`.
        let login = "user:$2b$05$jUstI5x15XbFggDeKmYqiORssI3QbpL43u8xsGiHa2WibckAH8dp2\n";
        fs::write(path("htpasswd"), login).unwrap();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{place}'}}\n\
             auth: {{htpasswd: {{realm: tests, path: {}}}}}\n",
            path("images"),
            path("htpasswd"),
        );
        fs::write(path("config.yml"), config).unwrap();
        let process = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(&place).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        Self { place, process, _folder: folder }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A way to a registry, over which so many bytes come of each connection, until it is opened.
pub(crate) struct Gate {
    pub(crate) place: String,
    way: watch::Sender<Way>,
    reached: watch::Receiver<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Held,
    Open,
    Cut,
}

impl Gate {
    pub(crate) async fn before(registry: &str, bytes: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let place = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (way, mut cut) = watch::channel(Way::Held);
        let (reach, reached) = watch::channel(false);
        let (registry, ways) = (registry.to_owned(), way.subscribe());
        tokio::spawn(async move {
            loop {
                let client = tokio::select! {
                    _ = cut.wait_for(|way| *way == Way::Cut) => return,
                    accepted = listener.accept() => accepted.unwrap().0,
                };
                let server = TcpStream::connect(&registry).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass_on(from_client, to_server));
                let hold = hold(from_server, to_client, bytes, ways.clone(), reach.clone());
                tokio::spawn(hold);
            }
        });
        Self { place, way, reached }
    }

    /// Waits until a connection has brought all that it may.
    pub(crate) async fn is_reached(&mut self) {
        self.reached.wait_for(|reached| *reached).await.unwrap();
    }

    pub(crate) fn open(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Ends all connections that are held, and takes no more.
    pub(crate) fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = copy(&mut from, &mut to).await;
}

/// Passes so many bytes on, and the rest once the way is open.
async fn hold(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bytes: usize,
    mut ways: watch::Receiver<Way>,
    reach: watch::Sender<bool>,
) {
    let mut part = vec![0; 16 << 10];
    let mut passed = 0;
    while let Ok(read @ 1..) = from.read(&mut part).await {
        passed += read;
        if passed >= bytes {
            reach.send_replace(true);
            match ways.wait_for(|way| *way != Way::Held).await.as_deref() {
                Ok(Way::Open) => {}
                _ => return,
            }
        }
        if to.write_all(&part[..read]).await.is_err() {
            return;
        }
    }
}
