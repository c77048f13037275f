//! What a real client does with the bytes of a response: split events, parse chunks.

use std::borrow::Cow;

use serde::Deserialize;

/// Splits a body into the data of its SSE events, whatever the pieces it comes in.
///
/// Every `data:` line is taken for one event, as inference servers write it.
#[derive(Debug, Default)]
pub struct EventSplitter {
    /// A line whose end has not come yet.
    partial: Vec<u8>,
}

impl EventSplitter {
    /// Calls `on_event` with the data of each event that ends in `bytes`.
    ///
    /// # Errors
    ///
    /// The first error of `on_event`; the rest of `bytes` is then lost.
    pub fn feed<E>(
        &mut self,
        bytes: &[u8],
        mut on_event: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let mut line = &bytes[from..end];
            if !self.partial.is_empty() {
                self.partial.extend_from_slice(line);
                line = &self.partial;
            }
            if let Some(data) = line.strip_prefix(b"data:") {
                on_event(data.trim_ascii())?;
            }
            self.partial.clear();
            from = end + 1;
        }
        self.partial.extend_from_slice(&bytes[from..]);
        Ok(())
    }
}

/// The fields of a chat chunk that a measuring client needs.
#[derive(Debug, Deserialize)]
pub struct Chunk<'a> {
    /// Empty in the chunk that carries the usage.
    #[serde(borrow)]
    pub choices: Vec<Choice<'a>>,
    /// Only in the last chunk, when it was asked for.
    pub usage: Option<Usage>,
}

/// One choice of a chunk.
#[derive(Debug, Deserialize)]
pub struct Choice<'a> {
    /// What the chunk adds to the message.
    #[serde(borrow)]
    pub delta: Delta<'a>,
}

/// What a chunk adds to the message.
#[derive(Debug, Deserialize)]
pub struct Delta<'a> {
    /// Empty in the chunk that carries the role.
    #[serde(borrow)]
    pub content: Option<Text<'a>>,
}

/// A string that is borrowed unless it has escapes.
// A type of its own, because serde borrows a `Cow` only where it is the whole field.
#[derive(Debug, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The server's own count of tokens.
#[derive(Debug, Deserialize)]
pub struct Usage {
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

impl Chunk<'_> {
    /// Bytes of text in this chunk.
    pub fn content_bytes(&self) -> usize {
        let contents = self.choices.iter().filter_map(|choice| choice.delta.content.as_ref());
        contents.map(|text| text.0.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b": hello\n\ndata: {\"a\":1}\n\ndata:{}\r\n\r\ndata: [DONE]\n\n";

    #[test]
    fn events_come_out_the_same_wherever_the_body_is_cut() {
        for cut in 0..=BODY.len() {
            let (mut splitter, mut events) = (EventSplitter::default(), Vec::new());
            for piece in [&BODY[..cut], &BODY[cut..]] {
                let taken: Result<(), ()> = splitter.feed(piece, |data| {
                    events.push(data.to_vec());
                    Ok(())
                });
                taken.unwrap();
            }
            assert_eq!(events, [&b"{\"a\":1}"[..], b"{}", b"[DONE]"], "cut at {cut}");
        }
    }

    #[test]
    fn plain_text_is_borrowed_and_escapes_are_resolved() {
        let parse = |text| -> Chunk<'_> { serde_json::from_str(text).unwrap() };
        let plain = parse(r#"{"choices":[{"delta":{"content":" to"}}]}"#);
        assert!(matches!(plain.choices[0].delta.content, Some(Text(Cow::Borrowed(" to")))));
        let escaped = parse(r#"{"choices":[{"delta":{"content":"\n"}}]}"#);
        assert_eq!(escaped.content_bytes(), 1);
        let usage = parse(r#"{"choices":[],"usage":{"completion_tokens":24,"prompt_tokens":1}}"#);
        assert_eq!(usage.usage.unwrap().completion_tokens, 24);
    }
}
