//! The least that can be done with a response: count its lines.

/// Long enough to tell `data: [DONE]` from any other line.
const TELLING: usize = DONE.len();
const DONE: &[u8] = b"data: [DONE]";

/// Counts the lines of a stream of bytes, and which of them are SSE events.
///
/// It knows no HTTP: the lines of the head and of the chunks count as lines and are no events. Every
/// `data:` line counts as one event, as inference servers write it.
#[derive(Clone, Debug, Default)]
pub struct LineCounter {
    /// The start of a line whose end has not come yet.
    start: [u8; TELLING],
    held: usize,
    lines: u64,
    events: u64,
    responses: u64,
}

impl LineCounter {
    /// Counts the lines that end in `bytes`.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.end_line(&bytes[from..end]);
            from = end + 1;
        }
        self.hold(&bytes[from..]);
    }

    /// Lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// SSE events so far, `[DONE]` among them.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Responses so far that ended with `data: [DONE]`.
    pub fn responses(&self) -> u64 {
        self.responses
    }

    fn end_line(&mut self, rest: &[u8]) {
        if self.held == 0 {
            return self.count(rest);
        }
        self.hold(rest);
        let (start, held) = (self.start, self.held);
        self.held = 0;
        self.count(&start[..held]);
    }

    fn hold(&mut self, bytes: &[u8]) {
        let taken = bytes.len().min(TELLING - self.held);
        self.start[self.held..][..taken].copy_from_slice(&bytes[..taken]);
        self.held += taken;
    }

    fn count(&mut self, line: &[u8]) {
        self.lines += 1;
        if line.starts_with(b"data:") {
            self.events += 1;
            self.responses += u64::from(line.starts_with(DONE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        b\r\ndata: {}\n\n\r\nf\r\ndata:{\"a\":1}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

    fn counts(pieces: &[&[u8]]) -> (u64, u64, u64) {
        let mut counter = LineCounter::default();
        for piece in pieces {
            counter.feed(piece);
        }
        (counter.lines(), counter.events(), counter.responses())
    }

    #[test]
    fn a_response_counts_the_same_wherever_it_is_cut() {
        for first in 0..=RESPONSE.len() {
            for second in first..=RESPONSE.len() {
                let pieces = [&RESPONSE[..first], &RESPONSE[first..second], &RESPONSE[second..]];
                assert_eq!(counts(&pieces), (17, 3, 1), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn nothing_and_lines_without_end_count_for_nothing() {
        assert_eq!(counts(&[]), (0, 0, 0));
        assert_eq!(counts(&[b"data: [DO", b"NE]"]), (0, 0, 0));
    }

    #[test]
    fn responses_on_one_connection_add_up() {
        assert_eq!(counts(&[RESPONSE, RESPONSE]), (34, 6, 2));
    }
}
