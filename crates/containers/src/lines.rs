//! Lines of what a server writes, fit to be shown and searched.

use crate::environment::Mask;

/// A line is kept up to here, in bytes.
const MOST_LINE: usize = 4 << 10;
/// Of a line that is being written, so much is held: more than is kept, for some of it is taken out.
const MOST_HELD: usize = 16 << 10;

/// Makes lines of bytes as they come.
///
/// A bar of progress, which is drawn over itself, becomes a line each time. Lines without text are left out.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    mask: Mask,
    held: Vec<u8>,
    /// Whether some of the line was not held.
    is_cut: bool,
}

impl Lines {
    /// Lines in which secrets are hidden.
    pub(crate) fn new(mask: Mask) -> Self {
        Self { mask, held: Vec::new(), is_cut: false }
    }

    /// Takes what came, and gives the lines that it completes.
    pub(crate) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        let mut parts = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).peekable();
        while let Some(part) = parts.next() {
            let room = MOST_HELD - self.held.len();
            self.is_cut |= part.len() > room;
            self.held.extend_from_slice(&part[..part.len().min(room)]);
            if parts.peek().is_some()
                && let Some(line) = self.finish()
            {
                each(line);
            }
        }
    }

    /// The line that nothing ended.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let text = clean(&String::from_utf8_lossy(&self.held));
        self.held.clear();
        let mut text = self.mask.hide(text);
        let mut most = MOST_LINE;
        if std::mem::take(&mut self.is_cut) {
            // A secret may have begun where it was cut.
            most = most.min(text.len().saturating_sub(self.mask.longest()));
        }
        if text.len() > most {
            let end = (0..=most).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
            text.push('…');
        }
        let is_blank = text.trim().is_empty();
        (!is_blank).then_some(text)
    }
}

/// A text without control characters, and without what they begin: colours, titles.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\t' => cleaned.push(' '),
            '\u{1b}' => skip_sequence(&mut characters),
            _ if character.is_control() => {}
            _ => cleaned.push(character),
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

/// Passes over what follows an escape.
pub(crate) fn skip_sequence(characters: &mut std::str::Chars<'_>) {
    match characters.next() {
        Some('[') => {
            characters.find(|character| ('\u{40}'..='\u{7e}').contains(character));
        }
        // A title: up to a bell, or an escape and a backslash.
        Some(']') => {
            let end = characters.find(|character| matches!(character, '\u{7}' | '\u{1b}'));
            if end == Some('\u{1b}') {
                characters.next();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_the_same_wherever_the_bytes_are_cut(
            text in "(secret-1|[a-c\u{e9}\u{1b}\u{9b}\u{7}\\[\\]m0;\n\r\t ]){0,60}",
            cuts in proptest::collection::vec(0..80_usize, 0..5),
        ) {
            let lines_of = |parts: Vec<&[u8]>| {
                let mut lines = Lines::new(Mask::of(vec!["secret-1".to_owned()]));
                let mut found = Vec::new();
                parts.into_iter().for_each(|part| lines.take(part, |line| found.push(line)));
                found.extend(lines.finish());
                found
            };
            let mut parts = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (part, after) = rest.split_at(cut.min(rest.len()));
                parts.push(part);
                rest = after;
            }
            parts.push(rest);
            let found = lines_of(parts);
            prop_assert_eq!(&found, &lines_of(vec![text.as_bytes()]));
            for line in found {
                prop_assert!(!line.contains("secret-1") && !line.chars().any(char::is_control));
            }
        }
    }

    fn check(parts: &[&str], expected: &[&str]) {
        let mut lines = Lines::new(Mask::of(vec!["secret-1".to_owned()]));
        let mut found = Vec::new();
        for part in parts {
            lines.take(part.as_bytes(), |line| found.push(line));
        }
        found.extend(lines.finish());
        assert_eq!(found, expected, "{parts:?}");
    }

    #[test]
    fn lines_are_made_wherever_the_bytes_are_cut() {
        check(&["a\nb\r\n", "c"], &["a", "b", "c"]);
        check(&["a", "b\n", "\n\n", "c\n"], &["ab", "c"]);
        check(&["10%\r20%\r", "30%\n"], &["10%", "20%", "30%"]);
        check(&["key secr", "et-1!\n"], &["key ***!"]);
        check(&["", "\n"], &[]);
    }

    #[test]
    fn what_controls_a_terminal_is_taken_out() {
        check(&["\u{1b}[1;36m(Engine pid=1)\u{1b}[0;0m\tINFO\u{7}\n"], &["(Engine pid=1) INFO"]);
        check(&["\u{1b}]0;title\u{7}a\n\u{1b}]0;title\u{1b}\\b\n"], &["a", "b"]);
        check(&["a\u{1b}[31", "mb\u{9b}\n\u{1b}"], &["ab"]);
    }

    #[test]
    fn a_long_line_is_cut_and_no_part_of_a_secret_is_left() {
        let mut lines = Lines::new(Mask::of(vec!["secret-1".to_owned()]));
        // Colours fill what is held, so that the secret is cut and what is left is short.
        let mut text = "\u{1b}[0m".repeat((MOST_HELD - 8) / 4) + "abcdsecret-1\n";
        text.push_str(&"é".repeat(MOST_LINE));
        let mut found = Vec::new();
        lines.take(text.as_bytes(), |line| found.push(line));
        found.extend(lines.finish());
        assert_eq!(found[0], "…");
        assert_eq!(found[1].len(), MOST_LINE + "…".len());
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        lines.take(b"\xff\xfea\n", |line| found.push(line));
        assert_eq!(found, ["\u{fffd}\u{fffd}a"]);
    }
}
