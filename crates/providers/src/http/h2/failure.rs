//! What a stream that failed makes a request.

use std::io;

use bench_core::{Outcome, ProviderError};
use h2::Reason;

use crate::said;

/// The failure that an error of a stream is; `why` says why the connection ends, if it does.
pub(super) fn failure(error: &h2::Error, why: Option<&h2::Error>, has_head: bool) -> ProviderError {
    // Without it, a stream is told no more than that the connection is closed.
    if let Some(why) = why.filter(|why| why.is_go_away() && why.is_remote())
        && (error.is_io() || error.is_go_away())
    {
        return going_away(why);
    }
    if error.is_remote() && error.is_go_away() {
        return going_away(error);
    }
    if let Some(reason) = error.reason().filter(|_| error.is_remote()) {
        let said = match reason {
            Reason::REFUSED_STREAM => {
                "the server refused the stream (REFUSED_STREAM): it has not worked on it".to_owned()
            }
            reason => format!("the server reset the stream: {reason:?}"),
        };
        return ProviderError::new(Outcome::Reset, said);
    }
    if error.is_library() {
        let what = match has_head {
            true => "the answer breaks the rules of HTTP/2",
            // `h2` does not tell the two apart.
            false => "the head of the answer breaks the rules of HTTP/2, or has more than 64 KiB",
        };
        return ProviderError::new(Outcome::Malformed, format!("{what}: {error}"));
    }
    match error.get_io() {
        Some(error) if is_closed(error) && !has_head => {
            ProviderError::new(Outcome::Reset, "the server closed the connection without an answer")
        }
        Some(error) if is_closed(error) => ProviderError::new(
            Outcome::Truncated,
            "the server closed the connection before the end of its answer",
        ),
        Some(error) => ProviderError::new(Outcome::Reset, format!("on the connection: {error}")),
        None => ProviderError::new(Outcome::Client, format!("the request cannot be sent: {error}")),
    }
}

/// The same words for every stream of the connection: one cause.
fn going_away(error: &h2::Error) -> ProviderError {
    let reason = error.reason().unwrap_or(Reason::NO_ERROR);
    let said = format!("the server ended the connection (GOAWAY, {reason:?}): {error}");
    ProviderError::new(Outcome::Reset, said::excerpt(&said))
}

/// Whether the server cannot have seen a request that failed with `error` before its head came: it said so as it
/// left, or was gone before. `is_first` says that nothing came over the connection since.
pub(super) fn is_unseen(error: &h2::Error, is_first: bool) -> bool {
    if error.is_go_away() {
        return error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
    }
    is_first && error.is_io()
}

/// The end of the connection, and TLS without a closing message, which is one like any other.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof)
}
