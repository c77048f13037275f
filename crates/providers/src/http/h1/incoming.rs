//! From the bytes of a response to what its reader takes.

use std::io;

use bench_core::{Outcome, ProviderError, Stamp};

use super::{
    body::Body,
    head::{HeadError, Response},
};
use crate::http::{Reader, exchange::End};

/// An answer on its way in.
#[derive(Default)]
pub(super) struct Incoming {
    /// Whether any byte has come.
    pub(super) began: bool,
    /// A head whose end has not come.
    partial: Vec<u8>,
    has_head: bool,
    body: Body,
    /// Whether the head said that another request may follow.
    pub(super) keep_alive: bool,
}

impl Incoming {
    /// Takes in what one read returned. `Ok(Some)` at the end of the answer, well or not.
    pub(super) fn take<R: Reader>(
        &mut self,
        bytes: &[u8],
        stamp: Stamp,
        reader: &mut R,
    ) -> Result<Option<End>, ProviderError> {
        if bytes.is_empty() {
            return self.closed(reader).map(Some);
        }
        self.began = true;
        if self.has_head {
            return self.take_body(bytes, stamp, reader);
        }
        // The head is nearly always whole in the first read.
        if self.partial.is_empty() {
            return match self.take_head(bytes, stamp, reader)? {
                Some(length) => self.take_body(&bytes[length..], stamp, reader),
                None => {
                    self.partial.extend_from_slice(bytes);
                    Ok(None)
                }
            };
        }
        self.partial.extend_from_slice(bytes);
        if !Response::is_worth_reading(&self.partial, bytes.len()) {
            return Ok(None);
        }
        let joined = std::mem::take(&mut self.partial);
        match self.take_head(&joined, stamp, reader)? {
            Some(length) => self.take_body(&joined[length..], stamp, reader),
            None => {
                self.partial = joined;
                Ok(None)
            }
        }
    }

    /// The head's length, once all of it is there.
    fn take_head<R: Reader>(
        &mut self,
        bytes: &[u8],
        stamp: Stamp,
        reader: &mut R,
    ) -> Result<Option<usize>, ProviderError> {
        let parsed = Response::parse(bytes).map_err(|error| {
            let outcome = match error {
                HeadError::Oversize => Outcome::Oversize,
                HeadError::Malformed(_) => Outcome::Malformed,
            };
            ProviderError::new(outcome, error.to_string())
        })?;
        let Some((response, length)) = parsed else { return Ok(None) };
        reader.answer().headers(stamp.at);
        reader.head(&response.head)?;
        (self.has_head, self.body, self.keep_alive) = (true, response.body, response.keep_alive);
        Ok(Some(length))
    }

    fn take_body<R: Reader>(
        &mut self,
        mut bytes: &[u8],
        stamp: Stamp,
        reader: &mut R,
    ) -> Result<Option<End>, ProviderError> {
        while !bytes.is_empty() && !self.body.is_over() {
            match self.body.take(bytes) {
                Ok((content, rest)) => {
                    // What follows the answer's own end is not looked at.
                    if !content.is_empty() && !reader.is_complete() {
                        reader.content(content, stamp)?;
                    }
                    bytes = rest;
                }
                Err(_) if reader.is_complete() => {
                    return Ok(Some(End { result: reader.end(), whole: false }));
                }
                Err(error) => {
                    return Err(ProviderError::new(Outcome::Malformed, error.to_string()));
                }
            }
        }
        Ok(self.body.is_over().then(|| End { result: reader.end(), whole: bytes.is_empty() }))
    }

    /// The server closed the connection.
    fn closed<R: Reader>(&self, reader: &mut R) -> Result<End, ProviderError> {
        if !self.began {
            return Err(ProviderError::new(
                Outcome::Reset,
                "the server closed the connection without an answer",
            ));
        }
        if self.has_head && (self.body.may_end_here() || reader.is_complete()) {
            return Ok(End { result: reader.end(), whole: false });
        }
        Err(ProviderError::new(
            Outcome::Truncated,
            "the server closed the connection before the end of its answer",
        ))
    }

    /// The connection broke.
    pub(super) fn broken<R: Reader>(
        &self,
        error: &io::Error,
        reader: &mut R,
    ) -> Result<Option<End>, ProviderError> {
        // TLS without a closing message is an end like any other.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.closed(reader).map(Some);
        }
        if reader.is_complete() {
            return Ok(Some(End { result: reader.end(), whole: false }));
        }
        Err(ProviderError::new(Outcome::Reset, format!("while receiving: {error}")))
    }
}
