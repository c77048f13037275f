//! The open connections of a thread, and which request opens another one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bench_core::{Answer, Connect, ProviderError};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{connection::H2, link::Link};
use crate::http::{
    client::{Client, MOST_IDLE},
    transport::MOST_STREAMS,
};

/// The open connections of a thread, the oldest first, with the session that each serves where that matters.
#[derive(Debug, Default)]
pub(in crate::http) struct Open {
    links: Vec<(Option<u64>, Link)>,
    on_their_way: Arc<OnTheirWay>,
}

impl Open {
    /// A place on the first that is good and has room.
    pub(super) fn place(&mut self, session: Option<u64>) -> Option<H2> {
        self.links.retain_mut(|(_, link)| link.idle() < MOST_IDLE && link.is_open());
        self.links
            .iter()
            .filter(|(serves, _)| *serves == session)
            .find_map(|(_, link)| link.place())
    }

    fn put(&mut self, session: Option<u64>, link: Link) {
        self.links.push((session, link));
    }

    /// The connection of `place` was found closed: those opened before it that served the same are most likely
    /// closed as well.
    pub(super) fn forget(&mut self, place: &H2) {
        let Some(last) = self.links.iter().position(|(_, link)| link.has(place)) else { return };
        let session = self.links[last].0;
        let later = self.links.split_off(last + 1);
        self.links.retain(|(serves, _)| *serves != session);
        self.links.extend(later);
    }
}

/// A new connection.
pub(super) async fn link(client: &Client, answer: &mut Answer) -> Result<Link, ProviderError> {
    let clock = answer.clock();
    client.connect(answer, async |io| Link::begin(io, client.endpoint(), clock).await).await
}

/// A place on a new connection, which is `session`'s from now on.
pub(super) async fn own(
    client: &Client,
    session: Option<u64>,
    answer: &mut Answer,
) -> Result<H2, ProviderError> {
    let link = link(client, answer).await?;
    let place = link.place();
    client.with_pool(|pool| pool.h2.put(session, link));
    place.ok_or_else(|| client.took_too_long())
}

/// A place on a new connection that all may share. Of many requests that find no place at once, as many open one as
/// are needed for all; the others wait for these.
pub(super) async fn shared(client: &Client, answer: &mut Answer) -> Result<H2, ProviderError> {
    let on_their_way = client.with_pool(|pool| Arc::clone(&pool.h2.on_their_way));
    let _wanted = Counted::one_of(&on_their_way.wanted);
    let (clock, deadline) = (answer.clock(), Instant::now() + client.connect_limit());
    let began = clock.now();
    let mut has_waited = false;
    loop {
        // Before looking, so that none is missed that is opened after.
        let opened = on_their_way.opened.notified();
        if let Some(place) = client.with_pool(|pool| pool.h2.place(None)) {
            if has_waited {
                answer.connected(Connect { began, done: clock.now() });
            }
            return Ok(place);
        }
        if Instant::now() >= deadline {
            return Err(client.took_too_long());
        }
        if on_their_way.are_too_few() {
            let _opening = Opening::of(&on_their_way);
            let link = link(client, answer).await?;
            on_their_way.room.store(link.room(), Relaxed);
            let place = link.place();
            client.with_pool(|pool| pool.h2.put(None, link));
            return place.ok_or_else(|| client.took_too_long());
        }
        has_waited = true;
        let _ = timeout_at(deadline, opened).await;
    }
}

/// Connections that are being opened, and the requests that wait for one.
#[derive(Debug)]
struct OnTheirWay {
    connections: AtomicUsize,
    /// Requests without a place.
    wanted: AtomicUsize,
    /// Streams that a connection takes, as far as is known.
    room: AtomicUsize,
    /// Tells when one is open, or could not be opened.
    opened: Notify,
}

impl Default for OnTheirWay {
    fn default() -> Self {
        let (connections, wanted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self {
            connections,
            wanted,
            room: AtomicUsize::new(MOST_STREAMS as usize),
            opened: Notify::new(),
        }
    }
}

impl OnTheirWay {
    /// Whether they have not room for all that wait.
    fn are_too_few(&self) -> bool {
        let room = self.connections.load(Relaxed).saturating_mul(self.room.load(Relaxed));
        room < self.wanted.load(Relaxed)
    }
}

/// One more, until it is dropped.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn one_of(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A connection on its way, until it is there or given up.
struct Opening<'o> {
    one: Option<Counted<'o>>,
    opened: &'o Notify,
}

impl<'o> Opening<'o> {
    fn of(on_their_way: &'o OnTheirWay) -> Self {
        let one = Some(Counted::one_of(&on_their_way.connections));
        Self { one, opened: &on_their_way.opened }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.one = None;
        self.opened.notify_waiters();
    }
}
