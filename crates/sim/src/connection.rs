//! One client's connection: its requests in order, each answered before the next is read.

use std::{future::pending, io, net::Shutdown, sync::Arc, time::Duration};

use tokio::{net::TcpStream, sync::mpsc::UnboundedSender, time::timeout};

use crate::{
    answer::Answer,
    api::{self, Reply},
    clock::{instant_at, monotonic_ns},
    fault::fault_of,
    queue::{Entry, Slot},
    request::{Decoder, Persistence, Request},
    response::Response,
    script::{Batch, Ending, Order, Script},
    simulation::Simulation,
    truth::Truth,
};

/// Room for each read.
const READ: usize = 8 * 1024;
/// Most bytes taken from a client that sends its next requests before it has its answer.
const MAX_AHEAD: usize = 64 * 1024;
/// How long a client may take to read why its request was refused.
const LINGER: Duration = Duration::from_secs(1);

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Arc<TcpStream>,
    decoder: Decoder,
    simulation: Arc<Simulation>,
    pacer: UnboundedSender<Box<Answer>>,
}

/// Whether a connection can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Closed,
}

impl Connection {
    pub(crate) fn new(
        socket: TcpStream,
        simulation: Arc<Simulation>,
        pacer: UnboundedSender<Box<Answer>>,
    ) -> Self {
        Self { socket: Arc::new(socket), decoder: Decoder::default(), simulation, pacer }
    }

    /// Serves requests until one side closes.
    pub(crate) async fn serve(mut self) {
        // A connection that breaks concerns nobody but its client.
        while let Ok(Fate::Open) = self.serve_one().await {}
    }

    async fn serve_one(&mut self) -> io::Result<Fate> {
        let Some(mut request) = self.read_request().await? else { return Ok(Fate::Closed) };
        let received_ns = monotonic_ns();
        let number_of_all = self.simulation.count_request();
        // Taken before a freeze lets them all go at once, in no order.
        let number = if api::is_completion(&request) {
            self.simulation.count_completion(received_ns)
        } else {
            // Nothing is drawn by it.
            0
        };
        let fault = fault_of(&self.simulation.config, number);
        self.thaw().await;
        let reply = api::reply(&self.simulation, &request, fault);
        let (request_id, persistence) = (request.request_id.take(), request.persistence);
        // Held through the answer, its buffer would be a third of what a stream costs (4 of 12 KiB).
        drop(request);
        let fate = match reply {
            Reply::Now(response) => {
                self.write(&response.into_bytes(persistence)).await?;
                Fate::Open
            }
            Reply::Generate(generation) => {
                let request_id = request_id.unwrap_or_else(|| format!("{number_of_all:016x}"));
                let order = Order { generation, number, fault, request_id, persistence };
                self.generate(order, received_ns).await
            }
            Reply::Never => {
                self.hang_up().await;
                Fate::Closed
            }
        };
        Ok(if persistence == Persistence::Close { Fate::Closed } else { fate })
    }

    async fn generate(&mut self, order: Order, received_ns: u64) -> Fate {
        let simulation = Arc::clone(&self.simulation);
        let request_id = order.request_id.clone();
        let truth = Truth { request_id, received_ns, sends: Vec::new() };
        let mut script = Script::new(&simulation, order);
        let Some(slot) = self.admit(&mut script, received_ns).await else {
            if simulation.config.record {
                simulation.record(truth);
            }
            return Fate::Closed;
        };
        simulation.counters.count_prompt(script.generation());
        let slot = Arc::new(slot);
        let (answer, ending) =
            Answer::new(simulation, &self.socket, script, truth, Arc::clone(&slot));
        if self.pacer.send(answer).is_err() {
            return Fate::Closed;
        }
        let ending = tokio::select! {
            ending = ending => ending,
            () = self.hang_up() => {
                // What is left of the answer goes when it falls due; its place is free at once.
                slot.free(monotonic_ns());
                return Fate::Closed;
            }
        };
        match ending {
            Ok(Ending::Complete | Ending::Error) => Fate::Open,
            Ok(Ending::Stall) => {
                self.hang_up().await;
                Fate::Closed
            }
            Ok(Ending::Close) | Err(_) => Fate::Closed,
        }
    }

    /// Waits until the server can take the request; `None` if the client does not.
    async fn admit(&mut self, script: &mut Script, received_ns: u64) -> Option<Slot> {
        let arrived_ns =
            self.simulation.conditions.frozen_until(received_ns).unwrap_or(received_ns);
        let blocks = script.generation().kv_blocks();
        let ticket = match self.simulation.queue.enter(blocks, arrived_ns) {
            Entry::Admitted(slot) => return Some(slot),
            Entry::Waits(ticket) => ticket,
        };
        let mut head = Batch::default();
        script.write_head_only(&mut head);
        self.write(&head.bytes).await.ok()?;
        tokio::select! {
            slot = ticket.slot() => slot,
            () = self.hang_up() => None,
        }
    }

    /// Waits for the end of a freeze, if there is one now.
    async fn thaw(&self) {
        while let Some(until_ns) = self.simulation.conditions.frozen_until(monotonic_ns()) {
            tokio::time::sleep_until(instant_at(until_ns)).await;
        }
    }

    /// The next request; `None` when the client has closed, or sent what is none and been told so.
    async fn read_request(&mut self) -> io::Result<Option<Request>> {
        loop {
            match self.decoder.decode() {
                Ok(Some(request)) => return Ok(Some(request)),
                Ok(None) => {}
                Err(unreadable) => {
                    self.simulation.count_request();
                    self.refuse(unreadable.into()).await?;
                    return Ok(None);
                }
            }
            if self.decoder.take_continue() {
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Answers, and reads on for a while: closing on unread bytes would take the answer back.
    async fn refuse(&mut self, response: Response) -> io::Result<()> {
        self.write(&response.into_bytes(Persistence::Close)).await?;
        socket2::SockRef::from(&*self.socket).shutdown(Shutdown::Write)?;
        let drain = async {
            while self.read().await.is_ok_and(|bytes| bytes > 0) {
                self.decoder.buffer().clear();
            }
        };
        // What the client still sends after that is its loss.
        let _ = timeout(LINGER, drain).await;
        Ok(())
    }

    /// Returns when the client has closed, or only its sending half: a client that has nothing more
    /// to say has left, as most servers see it.
    async fn hang_up(&mut self) {
        while self.read().await.is_ok_and(|bytes| bytes > 0) {
            if self.decoder.buffer().len() > MAX_AHEAD {
                return pending().await;
            }
        }
    }

    /// Bytes read, at least one unless the client has closed.
    async fn read(&mut self) -> io::Result<usize> {
        loop {
            self.socket.readable().await?;
            let buffer = self.decoder.buffer();
            buffer.reserve(READ);
            match self.socket.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        self.thaw().await;
        while !bytes.is_empty() {
            self.socket.writable().await?;
            match self.socket.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
