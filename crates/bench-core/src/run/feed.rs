//! Sessions on their way from the workload to the load threads.
//!
//! The workload runs on a thread of its own, ahead of need, so that making a request is never part of
//! sending one. Load threads only ever look whether a session is there.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::load_thread::panic_message;
use crate::{Load, Session, Until, Workload};

/// A session and its number in the phase.
pub(super) struct Fed {
    pub(super) number: u64,
    pub(super) session: Box<dyn Session>,
}

/// One load thread's end.
#[derive(Clone)]
pub(super) struct Feed {
    sessions: Receiver<Fed>,
    starved: Arc<AtomicU64>,
}

impl Feed {
    /// The next session; `None` when there is nothing left, or as soon as `over` says so.
    pub(super) async fn next(&self, over: impl Fn() -> bool) -> Option<Fed> {
        let mut starving = false;
        while !over() {
            match self.sessions.try_recv() {
                Ok(fed) => return Some(fed),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {
                    if !starving {
                        starving = true;
                        self.starved.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
        None
    }
}

/// All load threads' ends, and how often one of them found nothing.
#[derive(Clone)]
pub(super) struct Feeds {
    feeds: Vec<Feed>,
    starved: Arc<AtomicU64>,
}

impl Feeds {
    pub(super) fn of_thread(&self, thread: usize) -> &Feed {
        &self.feeds[thread % self.feeds.len()]
    }

    pub(super) fn starved(&self) -> u64 {
        self.starved.load(Ordering::Relaxed)
    }
}

/// Feeds phase after phase from one workload.
pub(super) struct Feeder(Option<Source>);

/// The workload, and sessions of it that an earlier phase took but did not send.
struct Source {
    workload: Box<dyn Workload>,
    unsent: VecDeque<Box<dyn Session>>,
}

/// Sessions that lie ready at a time.
const AHEAD: usize = 4_096;

impl Feeder {
    pub(super) fn new(workload: Box<dyn Workload>) -> Self {
        Self(Some(Source { workload, unsent: VecDeque::new() }))
    }

    /// Starts to feed a phase; returns once as many sessions lie ready as may.
    ///
    /// In a closed loop all load threads take from one queue. In an open loop each has its own, since
    /// session n is sent by thread n mod `threads`, at its time.
    pub(super) fn feed(&mut self, load: &Load, until: Until, threads: usize) -> Feeding {
        let source = self.0.take().expect("a phase gives the source back before the next begins");
        let queues = match load {
            Load::Closed { .. } => 1,
            Load::Open { .. } => threads,
        };
        let wanted = until.requests.unwrap_or(u64::MAX);
        let channels: Vec<_> = (0..queues).map(|_| bounded(AHEAD)).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
        let (ready, filled) = bounded(1);
        let halt = Arc::new(AtomicBool::new(false));
        let halted = Arc::clone(&halt);
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || source.fill(&senders, wanted, &ready, &halted));
        // Fails if the thread is gone, which `take_back` will tell.
        let _ = filled.recv();
        let starved = Arc::new(AtomicU64::new(0));
        let feed = |sessions| Feed { sessions, starved: Arc::clone(&starved) };
        let feeds = Feeds { feeds: receivers.iter().cloned().map(feed).collect(), starved };
        Feeding { thread, receivers, feeds, halt }
    }

    /// Ends feeding once no load thread takes any more, and keeps what was not sent for the next phase.
    /// Fails with what a panic said.
    pub(super) fn take_back(&mut self, feeding: Feeding) -> Result<(), String> {
        feeding.halt.store(true, Ordering::Relaxed);
        let thread = feeding.thread.map_err(|error| error.to_string())?;
        let mut source = thread.join().map_err(|panic| panic_message(&*panic))?;
        let mut unsent: Vec<Fed> = feeding.receivers.iter().flat_map(Receiver::try_iter).collect();
        unsent.sort_by_key(|fed| fed.number);
        for fed in unsent.into_iter().rev() {
            source.unsent.push_front(fed.session);
        }
        self.0 = Some(source);
        Ok(())
    }
}

impl Source {
    fn fill(
        mut self,
        senders: &[Sender<Fed>],
        wanted: u64,
        ready: &Sender<()>,
        halt: &AtomicBool,
    ) -> Self {
        let mut said = false;
        'feeding: for number in 0..wanted {
            // Sessions may take long to make, and there may be room for thousands.
            if halt.load(Ordering::Relaxed) {
                break;
            }
            let Some(session) = self.unsent.pop_front().or_else(|| self.workload.next_session())
            else {
                break;
            };
            let mut fed = Fed { number, session };
            #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a usize")]
            let sender = &senders[(number % senders.len() as u64) as usize];
            if !said && sender.is_full() {
                said = true;
                let _ = ready.send(());
            }
            while let Err(refused) = sender.send_timeout(fed, LOOK_UP) {
                fed = refused.into_inner();
                if halt.load(Ordering::Relaxed) {
                    self.unsent.push_front(fed.session);
                    break 'feeding;
                }
            }
        }
        if !said {
            let _ = ready.send(());
        }
        self
    }
}

/// How often a feeder with nothing to do looks whether the phase is over.
const LOOK_UP: Duration = Duration::from_millis(10);

/// A phase being fed.
pub(super) struct Feeding {
    thread: std::io::Result<JoinHandle<Source>>,
    receivers: Vec<Receiver<Fed>>,
    feeds: Feeds,
    halt: Arc<AtomicBool>,
}

impl Feeding {
    /// The load threads' ends.
    pub(super) fn feeds(&self) -> Feeds {
        self.feeds.clone()
    }
}
