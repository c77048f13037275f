//! What containers say: followed from the first time that somebody asks, so that asking often costs little.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    engine::{Engine, PATIENCE},
    refusal::Refusal,
    servers,
};
use crate::{LogLine, Trouble, environment::Mask, lines::Lines};

/// So many lines are given at a time.
const MOST_LINES: usize = 10_000;
/// So many bytes of lines are kept of a container, the newest.
const MOST_KEPT: usize = 16 << 20;
/// The log of a container that has ended ends soon after.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// The logs that are followed, by container.
#[derive(Debug, Default)]
pub(super) struct Logs {
    followed: Mutex<HashMap<String, Arc<Followed>>>,
}

/// A log that is followed.
#[derive(Debug, Default)]
struct Followed {
    log: Arc<Log>,
    /// Held while it is opened, which one does for all.
    follower: tokio::sync::Mutex<Option<Follower>>,
}

/// Ends with this.
#[derive(Debug)]
struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was said so far.
#[derive(Debug, Default)]
struct Log {
    kept: Mutex<Kept>,
    grew: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    /// Of the lines.
    bytes: usize,
    /// The number of the next line.
    next: u64,
    /// Messages of the engine that were read: a line each, or a part of one.
    messages: u64,
    /// Whether the log has ended, or broke off.
    has_ended: bool,
    /// The end of the container up to which all was read: it may be started again.
    whole_of: Option<String>,
}

impl Logs {
    /// The lines from a number on.
    pub(super) async fn since(
        &self,
        engine: &Engine,
        id: &str,
        since: u64,
    ) -> Result<Vec<LogLine>, Trouble> {
        let found = engine.inspect(id).await?;
        let state = found.state.as_ref();
        let is_running = state.is_some_and(|state| state.running == Some(true));
        let ended_at = state.and_then(|state| state.finished_at.clone());
        let followed = Arc::clone(lock(&self.followed).entry(id.to_owned()).or_default());
        let log = &followed.log;
        let mut follower = followed.follower.lock().await;
        if !is_running && follower.is_some() {
            log.until_it_ends().await;
        }
        if follower.is_none() || log.is_stale(is_running, ended_at.as_ref()) {
            let opened = open(engine, id, log, servers::secrets(&found)).await;
            let about = engine.about(id);
            *follower = Some(opened.map_err(|refusal| refusal.of("read a log", &about))?);
        }
        if !is_running {
            // That it has ended is known, so all that it said is wanted.
            log.until_it_ends().await;
            lock(&log.kept).whole_of = ended_at;
        }
        let lines = lock(&log.kept).since(since);
        Ok(lines)
    }

    /// Follows a log no more.
    pub(super) fn forget(&self, id: &str) {
        lock(&self.followed).remove(id);
    }
}

/// Follows a log, and waits until all that is there now was read.
async fn open(engine: &Engine, id: &str, log: &Arc<Log>, mask: Mask) -> Result<Follower, Refusal> {
    let there = count(engine, id).await?;
    let read = std::mem::take(&mut lock(&log.kept).messages);
    lock(&log.kept).has_ended = false;
    let task = follow(engine.clone(), id.to_owned(), Arc::clone(log), mask, read);
    let follower = Follower(tokio::spawn(task));
    let deadline = Instant::now() + PATIENCE;
    log.until(deadline, |kept| kept.messages >= there || kept.has_ended).await;
    Ok(follower)
}

/// How many messages there are: what follows does not tell when it has caught up.
async fn count(engine: &Engine, id: &str) -> Result<u64, Refusal> {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let mut stream = engine.client.logs(id, Some(options));
    let mut messages = 0;
    while let Some(message) = engine.next(&mut stream).await {
        message?;
        messages += 1;
    }
    Ok(messages)
}

/// Reads a log until it ends; but for the messages at its beginning that were read before.
async fn follow(engine: Engine, id: String, log: Arc<Log>, mask: Mask, read: u64) {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).build();
    let mut stream = engine.client.logs(&id, Some(options));
    let mut both = [Lines::new(mask.clone()), Lines::new(mask)];
    while let Some(Ok(message)) = engine.next(&mut stream).await {
        let lines = &mut both[usize::from(matches!(message, LogOutput::StdErr { .. }))];
        let mut kept = lock(&log.kept);
        kept.messages += 1;
        if kept.messages > read {
            lines.take(message.as_ref(), |line| kept.add(line));
        }
        drop(kept);
        log.grew.notify_waiters();
    }
    let mut kept = lock(&log.kept);
    both.iter_mut().filter_map(Lines::finish).for_each(|line| kept.add(line));
    kept.has_ended = true;
    drop(kept);
    log.grew.notify_waiters();
}

impl Log {
    /// Whether it ended before the container did, or with an earlier run of it.
    fn is_stale(&self, is_running: bool, ended_at: Option<&String>) -> bool {
        let kept = lock(&self.kept);
        kept.has_ended && (is_running || kept.whole_of.as_ref() != ended_at)
    }

    async fn until_it_ends(&self) {
        self.until(Instant::now() + END_PATIENCE, |kept| kept.has_ended).await;
    }

    /// Waits until it is so, but no longer than up to a moment.
    async fn until(&self, deadline: Instant, is_so: impl Fn(&Kept) -> bool) {
        loop {
            let grown = self.grew.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if is_so(&lock(&self.kept)) || timeout_at(deadline, grown).await.is_err() {
                return;
            }
        }
    }
}

impl Kept {
    fn add(&mut self, text: String) {
        self.bytes += text.len();
        self.lines.push_back(LogLine { number: self.next, text });
        self.next += 1;
        while self.bytes > MOST_KEPT {
            let oldest = self.lines.pop_front();
            self.bytes -= oldest.map_or(0, |line| line.text.len());
        }
    }

    fn since(&self, since: u64) -> Vec<LogLine> {
        let first = self.lines.front().map_or(self.next, |line| line.number);
        let skipped = usize::try_from(since.saturating_sub(first)).unwrap_or(usize::MAX);
        self.lines.iter().skip(skipped).take(MOST_LINES).cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_by_their_numbers() {
        let mut kept = Kept::default();
        for _ in 0..20_000 {
            kept.add("x".repeat(1 << 10));
        }
        let first = 20_000 - (MOST_KEPT >> 10) as u64;
        let lines = kept.since(0);
        assert_eq!((lines.len(), lines[0].number), (MOST_LINES, first));
        assert_eq!(kept.since(19_999)[0].number, 19_999);
        assert_eq!(kept.since(20_000), []);
        assert_eq!(kept.since(u64::MAX), []);
    }
}
