//! The server: its threads, its listening socket, and what can be asked of it.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Runtime,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
};

use crate::{
    config::Config, connection::Connection, pacer::Pacer, simulation::Simulation,
    startup_log::startup_log, truth::Truth,
};

/// Connections that may wait to be accepted. The customary 128 costs each client beyond them, in a
/// burst, the second after which its kernel tries again. Linux caps this at `somaxconn`, 4096.
const BACKLOG: u32 = 4096;
/// How long to accept nothing when no file descriptor is left: time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A running simulated server; dropping it closes its connections and ends its threads.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    simulation: Arc<Simulation>,
    stops: Vec<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that listens on `addr`; port 0 takes any that is free.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `config` has values out of range, with all of them in the message; any other
    /// kind if the address cannot be listened on or the system has no thread to give.
    pub fn start(config: Config, addr: SocketAddr) -> io::Result<Self> {
        config.check()?;
        let threads = config.threads;
        let simulation = Arc::new(Simulation::new(config));
        let mut workers =
            (0..threads).map(|_| Worker::new(&simulation)).collect::<io::Result<Vec<_>>>()?;
        let listener = listen(&workers[0].runtime, addr)?;
        let addr = listener.local_addr()?;
        let queues = workers.iter().map(|worker| worker.queue.clone()).collect();
        workers[0].runtime.spawn(accept(listener, queues));

        let mut server = Self { addr, simulation, stops: Vec::new(), threads: Vec::new() };
        for (n, worker) in workers.drain(..).enumerate() {
            let (stop, stopped) = oneshot::channel();
            let thread = thread::Builder::new().name(format!("sim-{n}"));
            server.threads.push(thread.spawn(move || worker.run(stopped))?);
            server.stops.push(stop);
        }
        Ok(server)
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL, such as `http://127.0.0.1:8000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Requests read so far, on whatever path and however they were answered.
    pub fn requests_served(&self) -> u64 {
        self.simulation.requests()
    }

    /// What vLLM would have said while it started, if it were this server, up to the line that says where
    /// it listens: the sizes of its model and its KV cache among it, those of a model of 8 billion
    /// parameters.
    pub fn startup_log(&self) -> String {
        let simulation = &self.simulation;
        startup_log(&simulation.config, &self.url(), simulation.unix_seconds())
    }

    /// What was sent when in answer to the request with this id, once its answer has ended, or its
    /// next token was due and its client gone, or its client has left the line. A client that has seen the end of an answer finds its
    /// truth here.
    pub fn truth(&self, request_id: &str) -> Option<Truth> {
        self.simulation.truth(request_id)
    }

    /// All the truths since the last call, by request id.
    pub fn take_truth(&self) -> HashMap<String, Truth> {
        self.simulation.take_truth()
    }

    /// How many truths were forgotten for [`Config::record_limit`].
    pub fn truths_forgotten(&self) -> u64 {
        self.simulation.truths_forgotten()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stops.clear();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

/// One thread: a runtime, the connections it has been handed, their pacer.
#[derive(Debug)]
struct Worker {
    runtime: Runtime,
    simulation: Arc<Simulation>,
    /// Where to put connections for this thread.
    queue: UnboundedSender<std::net::TcpStream>,
    sockets: UnboundedReceiver<std::net::TcpStream>,
}

impl Worker {
    fn new(simulation: &Arc<Simulation>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, sockets) = unbounded_channel();
        Ok(Self { runtime, simulation: Arc::clone(simulation), queue, sockets })
    }

    /// Serves until `stopped` is, which closes all connections.
    fn run(mut self, stopped: oneshot::Receiver<()>) {
        let (pacer, answers) = unbounded_channel();
        self.runtime.block_on(async {
            let serve = async {
                while let Some(socket) = self.sockets.recv().await {
                    if let Ok(socket) = TcpStream::from_std(socket) {
                        let simulation = Arc::clone(&self.simulation);
                        let connection = Connection::new(socket, simulation, pacer.clone());
                        tokio::spawn(connection.serve());
                    }
                }
            };
            tokio::select! {
                _ = stopped => {}
                () = Pacer::new(answers).run() => {}
                () = serve => {}
            }
        });
    }
}

fn listen(runtime: &Runtime, addr: SocketAddr) -> io::Result<TcpListener> {
    let _context = runtime.enter();
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Windows it would let two servers share a port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Deals connections to the threads in turn.
///
/// Listening in each thread (`SO_REUSEPORT`) would spread few connections unevenly.
async fn accept(listener: TcpListener, queues: Vec<UnboundedSender<std::net::TcpStream>>) {
    for queue in queues.iter().cycle() {
        let socket = loop {
            match listener.accept().await {
                Ok((socket, _)) => break socket,
                // A client that did not wait: the next one may be there.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // No file descriptor is left, and the next error would follow at once.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        };
        // A socket that is broken already is dropped like one whose client has gone.
        let handed = socket.set_nodelay(true).and_then(|()| socket.into_std());
        if let Ok(socket) = handed
            && queue.send(socket).is_err()
        {
            return;
        }
    }
}
