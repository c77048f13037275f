//! Registries that want a login, and ways to a registry that are slow or break off.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A registry that wants the user `user` with the password `canary-pass`.
pub(crate) struct Guarded {
    pub(crate) place: String,
    process: Child,
    _folder: TempDir,
}

impl Guarded {
    pub(crate) fn start() -> Self {
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
        while TcpStream::connect(&place).is_err() {
            thread::sleep(Duration::from_millis(20));
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
    is_open: Arc<AtomicBool>,
    is_cut: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    pub(crate) fn before(registry: &str, bytes: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let gate = Self {
            place: format!("127.0.0.1:{}", listener.local_addr().unwrap().port()),
            is_open: Arc::default(),
            is_cut: Arc::default(),
            waiting: Arc::default(),
        };
        let registry = registry.to_owned();
        let [is_open, is_cut] = [&gate.is_open, &gate.is_cut].map(Arc::clone);
        let waiting = Arc::clone(&gate.waiting);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_cut.load(Ordering::SeqCst) {
                    return;
                }
                let server = TcpStream::connect(&registry).unwrap();
                let (to, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass(client, to, |_| ()));
                let [is_open, is_cut] = [&is_open, &is_cut].map(Arc::clone);
                let waiting = Arc::clone(&waiting);
                thread::spawn(move || {
                    let mut passed = 0;
                    let stop = back.try_clone().unwrap();
                    pass(server, back, |more| {
                        passed += more;
                        if passed < bytes {
                            return;
                        }
                        waiting.fetch_add(1, Ordering::SeqCst);
                        while !is_open.load(Ordering::SeqCst) && !is_cut.load(Ordering::SeqCst) {
                            thread::sleep(Duration::from_millis(10));
                        }
                        if is_cut.load(Ordering::SeqCst) {
                            let _ = stop.shutdown(Shutdown::Both);
                        }
                    });
                });
            }
        });
        gate
    }

    /// Whether a connection has brought all that it may.
    pub(crate) fn is_reached(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    /// Ends all connections, and takes no more.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        // The listener ends with the next.
        let _ = TcpStream::connect(&self.place);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.cut();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut after_each: impl FnMut(usize)) {
    let mut part = [0; 16 << 10];
    while let Ok(bytes @ 1..) = from.read(&mut part) {
        after_each(bytes);
        if to.write_all(&part[..bytes]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
