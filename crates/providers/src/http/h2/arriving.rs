//! The answer on a stream.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bench_core::ProviderError;
use bytes::Bytes;
use h2::{RecvStream, client::ResponseFuture};
use http::HeaderMap;

use super::{
    connection::H2,
    failure::{failure, is_unseen},
    request::RequestHead,
};
use crate::http::{
    Head, Reader,
    exchange::{End, Source, Stale},
};

/// The answer to a request. Dropping it before its end resets the stream, and leaves the connection as it is.
pub(super) struct Arriving<'c> {
    place: &'c mut H2,
    part: Part,
    /// The connection's reads when the request was sent.
    reads_before: u64,
    /// Whether the server has not worked on the request, nor ever will.
    unseen: bool,
}

/// What comes next.
enum Part {
    Head(ResponseFuture),
    Body(RecvStream),
}

impl<'c> Arriving<'c> {
    /// Sends a request.
    pub(super) fn of_request(
        place: &'c mut H2,
        head: &RequestHead,
        body: &Bytes,
    ) -> Result<Self, Stale> {
        let sent = place.sending.send_request(head.request(), body.is_empty());
        let sent = sent.and_then(|(response, mut stream)| {
            // Without a body the stream's own side is closed already.
            if !body.is_empty() {
                stream.send_data(body.clone(), true)?;
            }
            Ok(response)
        });
        let reads_before = place.state.reads.count();
        match sent {
            Ok(response) => {
                Ok(Self { place, part: Part::Head(response), reads_before, unseen: false })
            }
            Err(error) => Err(Stale(failure(&error, None, false))),
        }
    }

    /// Whether the request, which failed, found the connection closed: a kept one was, then.
    pub(super) fn is_unseen(&self) -> bool {
        self.unseen
    }

    /// What a failure of the stream makes of the answer.
    fn broken<R: Reader>(
        &mut self,
        error: &h2::Error,
        reader: &mut R,
    ) -> Result<End, ProviderError> {
        if reader.is_complete() {
            return Ok(End { result: reader.end(), whole: false });
        }
        let has_head = matches!(self.part, Part::Body(_));
        let is_first = self.place.state.reads.count() == self.reads_before;
        self.unseen = !has_head && is_unseen(error, is_first);
        // A server says once for all streams why it leaves, and then closes the connection.
        let mut cx = Context::from_waker(Waker::noop());
        let why = match self.place.sending.poll_ready(&mut cx) {
            Poll::Ready(Err(why)) => Some(why),
            _ => None,
        };
        Err(failure(error, why.as_ref(), has_head))
    }
}

impl Source for Arriving<'_> {
    fn poll_take<R: Reader>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
    ) -> Poll<Result<Option<End>, ProviderError>> {
        match &mut self.part {
            Part::Head(response) => match ready!(Pin::new(response).poll(cx)) {
                Ok(response) => {
                    reader.answer().headers(self.place.state.reads.last_stamp().at);
                    let (parts, body) = response.into_parts();
                    self.part = Part::Body(body);
                    let head = head(parts.status.as_u16(), &parts.headers);
                    Poll::Ready(reader.head(&head).map(|()| None))
                }
                Err(error) => Poll::Ready(self.broken(&error, reader).map(Some)),
            },
            Part::Body(body) => match ready!(body.poll_data(cx)) {
                Some(Ok(content)) => {
                    // It fails only for more than came.
                    let _ = body.flow_control().release_capacity(content.len());
                    // What follows the answer's own end is not looked at.
                    if content.is_empty() || reader.is_complete() {
                        return Poll::Ready(Ok(None));
                    }
                    let stamp = self.place.state.reads.last_stamp();
                    Poll::Ready(reader.content(&content, stamp).map(|()| None))
                }
                Some(Err(error)) => Poll::Ready(self.broken(&error, reader).map(Some)),
                None => Poll::Ready(Ok(Some(End { result: reader.end(), whole: true }))),
            },
        }
    }
}

fn head(status: u16, fields: &HeaderMap) -> Head {
    Head::new(status, |name| fields.get(name)?.to_str().ok())
}
