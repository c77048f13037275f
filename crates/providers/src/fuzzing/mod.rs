//! What fuzzers call: each function takes any bytes, has a decoder read them cut in several ways, and panics
//! where what always holds does not.
//!
//! However the bytes are cut, the same comes of them; what comes of them is no longer than they are; and a
//! decoder holds no more than twice its bound. Where there are several decoders to choose from, the first
//! byte chooses. `fuzz/` has a target for each; `mutations` runs them on a stable toolchain.

mod framed;
mod read;

#[cfg(test)]
mod mutations;

pub use crate::http::fuzzing::{body, head};
pub use framed::{ndjson, sse};
pub use read::{answers, exchange, template, whole};

/// The ways of cutting: whole, byte by byte, in odd pieces; and what is short, in two at every place.
pub(crate) fn ways(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    const SHORT: usize = 64;
    let cuts = if bytes.len() <= SHORT { 0..bytes.len() } else { 0..0 };
    let in_two = cuts.map(|cut| [&bytes[..cut], &bytes[cut..]].to_vec());
    let sizes = [bytes.len().max(1), 1, 5 + bytes.len() % 89];
    sizes.map(|size| bytes.chunks(size).collect()).into_iter().chain(in_two)
}

/// Panics unless `read` makes the same of `bytes` in all ways of cutting them, and returns that.
pub(crate) fn however_cut<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    read: impl Fn(&[&[u8]]) -> T,
) -> T {
    let mut ways = ways(bytes);
    let whole = read(&ways.next().unwrap_or_default());
    for pieces in ways {
        let lengths = || pieces.iter().map(|piece| piece.len()).take(3).collect::<Vec<_>>();
        assert_eq!(read(&pieces), whole, "in pieces of {:?}…", lengths());
    }
    whole
}
