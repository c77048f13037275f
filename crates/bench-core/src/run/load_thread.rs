//! The threads that send: each with a runtime, connections and timers of its own.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::{
    runtime::Runtime,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{Pace, order::Order, slot::Slot, stop::Level};
use crate::{Clock, Load, timer::Timer};

/// The load threads of a point: connections opened in its warm-up serve its measured phase.
pub(super) struct LoadThreads {
    orders: Vec<Sender<Arc<Order>>>,
    threads: Vec<JoinHandle<()>>,
}

impl LoadThreads {
    pub(super) fn start(count: usize, clock: Clock, pace: Pace) -> io::Result<Self> {
        let mut started = Self { orders: Vec::new(), threads: Vec::new() };
        for number in 0..count {
            let (sender, orders) = bounded(1);
            let runtime = runtime(pace)?;
            let thread = std::thread::Builder::new().name(format!("load-{number}"));
            started.threads.push(thread.spawn(move || {
                LoadThread { number, count, clock, pace }.follow(&runtime, &orders);
            })?);
            started.orders.push(sender);
        }
        Ok(started)
    }

    pub(super) fn count(&self) -> usize {
        self.threads.len()
    }

    /// Has every thread begin `order`. Each says on the order's channel when it is done.
    pub(super) fn begin(&mut self, order: &Arc<Order>) {
        for sender in &self.orders {
            // A thread that is gone is noticed by the channel it does not write to.
            let _ = sender.send(Arc::clone(order));
        }
    }
}

impl Drop for LoadThreads {
    fn drop(&mut self) {
        self.orders.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn runtime(pace: Pace) -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    match pace {
        Pace::Real => {}
        #[cfg(any(test, feature = "testing"))]
        Pace::Paused => {
            builder.start_paused(true);
        }
    }
    builder.build()
}

struct LoadThread {
    number: usize,
    count: usize,
    clock: Clock,
    pace: Pace,
}

impl LoadThread {
    /// Follows orders until there are no more. Each is ended, also by a panic of a schedule.
    fn follow(&self, runtime: &Runtime, orders: &Receiver<Arc<Order>>) {
        while let Ok(order) = orders.recv() {
            let phase = AssertUnwindSafe(|| runtime.block_on(self.phase(&order)));
            let panicked = catch_unwind(phase).unwrap_or_else(|panic| Some(panic_message(&*panic)));
            order.thread_ended(self.number, panicked);
        }
    }

    /// One phase, on this thread. Returns what a panic said.
    async fn phase(&self, order: &Arc<Order>) -> Option<String> {
        let mut tasks = Tasks::default();
        sleep_until(self.clock.instant(order.start())).await;
        match &order.parts().load {
            Load::Closed { concurrency, ramp, .. } => {
                // Every `count`-th place is this thread's: all together they are exactly as many.
                for place in (self.number..concurrency.get()).step_by(self.count) {
                    let (place, of) = (place as u64, concurrency.get() as u64);
                    let begins = ramp.map_or(Duration::ZERO, |ramp| ramp.begins(place, of));
                    let number = u32::try_from(place).ok();
                    let slot = Slot::new(Arc::clone(order), self.number, number);
                    tasks.running.spawn(slot.keep_busy(begins));
                }
            }
            Load::Open { .. } => self.send_at_their_times(order, &mut tasks).await,
        }
        self.drain(order, &mut tasks).await;
        tasks.panicked
    }

    /// Open loop: sends every `count`-th session at its time, whatever becomes of those before. What was due in
    /// time and is late is sent although the time is over, until the grace period ends: it is those that
    /// waited longest.
    async fn send_at_their_times(&self, order: &Arc<Order>, tasks: &mut Tasks) {
        let parts = order.parts();
        let Load::Open { schedule, .. } = &parts.load else { return };
        let mut timer = match self.pace {
            Pace::Real => Timer::fine(),
            #[cfg(any(test, feature = "testing"))]
            Pace::Paused => Timer::coarse(),
        };
        let feed = parts.feeds.of_thread(self.number);
        let mut stopped = pin!(parts.stop.reached(Level::Drain));
        let end = order.deadline().map(|deadline| self.clock.instant(deadline + parts.grace));
        let is_late = || end.is_some_and(|end| Instant::now() >= end);
        let is_over = || parts.stop.level() != Level::Go || is_late();
        let numbers = self.number as u64..parts.until.requests.unwrap_or(u64::MAX);
        let due_in_time = numbers.step_by(self.count).map_while(|n| schedule.due(n));
        let mut offsets = due_in_time
            .take_while(|due| parts.until.duration.is_none_or(|duration| *due < duration));
        while let Some(offset) = offsets.next() {
            let due = order.start() + offset;
            tokio::select! {
                () = timer.sleep_until(self.clock.instant(due)) => {}
                () = &mut stopped => return,
            }
            let Some(fed) = feed.next(is_over).await else {
                if is_late() {
                    order.leave_unsent(1 + offsets.count() as u64);
                }
                return;
            };
            let permit = match order.places() {
                Some(places) => tokio::select! {
                    permit = Arc::clone(places).acquire_owned() => permit.ok(),
                    () = &mut stopped => return,
                    () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {
                        order.leave_unsent(1 + offsets.count() as u64);
                        return;
                    }
                },
                None => None,
            };
            tasks
                .running
                .spawn(Slot::new(Arc::clone(order), self.number, None).once(fed, due, permit));
            // Reaped as they end, so that memory follows the requests in flight, not those sent.
            while let Some(ended) = tasks.running.try_join_next() {
                tasks.ended(ended);
            }
        }
    }

    /// Waits for what is in flight: as long as it takes if the phase ended by itself, else for the grace
    /// period, and not at all once the run is aborted. What is given up leaves its sample.
    async fn drain(&self, order: &Order, tasks: &mut Tasks) {
        let parts = order.parts();
        let mut end = order.deadline().map(|deadline| self.clock.instant(deadline + parts.grace));
        let mut stopped = pin!(parts.stop.reached(Level::Drain));
        let mut aborted = pin!(parts.stop.reached(Level::Abort));
        let (mut draining, mut given_up) = (false, false);
        loop {
            let late = sleep_until(end.unwrap_or_else(Instant::now));
            tokio::select! {
                ended = tasks.running.join_next() => match ended {
                    None => return,
                    Some(ended) => tasks.ended(ended),
                },
                () = &mut stopped, if !draining => {
                    draining = true;
                    let soon = Instant::now() + parts.grace;
                    end = Some(end.map_or(soon, |end| end.min(soon)));
                }
                () = late, if end.is_some() && !given_up => given_up = true,
                () = &mut aborted, if !given_up => given_up = true,
            }
            if given_up {
                tasks.running.abort_all();
            }
        }
    }
}

/// The tasks of a phase on one thread, and what the first that panicked said.
#[derive(Default)]
struct Tasks {
    running: JoinSet<()>,
    panicked: Option<String>,
}

impl Tasks {
    fn ended(&mut self, result: Result<(), JoinError>) {
        if let Err(error) = result
            && let Ok(panic) = error.try_into_panic()
        {
            self.panicked.get_or_insert_with(|| panic_message(&*panic));
        }
    }
}

/// What a panic said, where it said it in words.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
