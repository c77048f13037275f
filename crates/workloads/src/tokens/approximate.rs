//! A tokenizer for those who have none at hand.

use std::fmt;

use bench_core::TokenCounter;

use crate::Tokenizer;

/// The built-in tokenizer: splits words, numbers and marks into short pieces, about as byte-pair encodings
/// of a hundred thousand entries do.
///
/// It is nobody's vocabulary. In English prose it finds a token for every four characters, as they do; for
/// other languages and for code it may be off by half. It counts consistently: the tokens of a text up
/// to any of their ends are the tokens of that part, so every count can be hit exactly.
///
/// A token is one space, where there is one, and up to six bytes of letters, three of digits or three of
/// marks; or up to sixteen bytes of blanks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Approximate;

impl TokenCounter for Approximate {
    fn count(&self, text: &str) -> u32 {
        u32::try_from(Ends::of(text).count()).unwrap_or(u32::MAX)
    }

    fn is_exact(&self) -> bool {
        false
    }
}

impl Tokenizer for Approximate {
    fn ends(&self, text: &str) -> Vec<usize> {
        Ends::of(text).collect()
    }
}

impl fmt::Display for Approximate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("the built-in tokenizer")
    }
}

/// The ends of the tokens of a text, one after the other.
struct Ends<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Ends<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }
}

impl Iterator for Ends<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        self.at += first_token(rest);
        Some(self.at)
    }
}

/// What pieces are made of: only characters of one kind stay together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Letter,
    Digit,
    Mark,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            // An apostrophe is more often inside a word than around it.
            '\'' => Self::Letter,
            c if c.is_whitespace() => Self::Blank,
            c if c.is_alphabetic() => Self::Letter,
            c if c.is_numeric() => Self::Digit,
            _ => Self::Mark,
        }
    }

    /// The most bytes of a piece. Bytes, because the further a script is from English, the fewer of its
    /// characters share a token.
    const fn most_bytes(self) -> usize {
        match self {
            Self::Blank => 16,
            Self::Letter => 6,
            Self::Digit | Self::Mark => 3,
        }
    }
}

/// The length in bytes of the first token of `text`, which is not empty.
///
/// Decided by the token's own characters and at most one beyond it, which can only end the token: so a
/// text cut behind a token has the same tokens up to there.
fn first_token(text: &str) -> usize {
    let space = usize::from(text.starts_with(' '));
    let mut chars = text[space..].chars();
    let Some(first) = chars.next() else { return space };
    let kind = Kind::of(first);
    if kind == Kind::Blank {
        return first_blanks(text);
    }
    let mut piece = first.len_utf8();
    for c in chars {
        if Kind::of(c) != kind || piece + c.len_utf8() > kind.most_bytes() {
            break;
        }
        piece += c.len_utf8();
    }
    space + piece
}

/// The length in bytes of the blanks that `text` begins with and that are a token: a space before
/// something else belongs to that.
fn first_blanks(text: &str) -> usize {
    for (at, c) in text.char_indices() {
        if !c.is_whitespace() {
            let leaves_space = at > 1 && text[..at].ends_with(' ');
            return if leaves_space { at - 1 } else { at };
        }
        if at >= Kind::Blank.most_bytes() {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::{Cut, corpus, cut};

    fn check(text: &str, expected: &[&str]) {
        let mut start = 0;
        let tokens: Vec<&str> =
            Ends::of(text).map(|end| &text[std::mem::replace(&mut start, end)..end]).collect();
        assert_eq!(tokens, expected);
    }

    #[test]
    fn tokens_are_short_pieces_of_one_kind() {
        check("", &[]);
        check(" ", &[" "]);
        check("Hello, world!", &["Hello", ",", " world", "!"]);
        check("don't stop", &["don't", " stop"]);
        check("internationalization", &["intern", "ationa", "lizati", "on"]);
        check("1234567 km", &["123", "456", "7", " km"]);
        check("a  b\n\n  c", &["a", " ", " b", "\n\n ", " c"]);
        check("x --> y", &["x", " -->", " y"]);
        check("Привет, 世界 🙂🙂", &["При", "вет", ",", " 世界", " 🙂", "🙂"]);
        check(&" ".repeat(20), &[" ".repeat(16), " ".repeat(4)].each_ref().map(String::as_str));
    }

    #[test]
    fn english_has_four_characters_a_token() {
        let per_token = corpus::TEXT.len() as f64 / f64::from(Approximate.count(corpus::TEXT));
        assert!((3.8..4.2).contains(&per_token), "{per_token}");
    }

    proptest! {
        #[test]
        fn a_text_cut_to_n_tokens_has_n_tokens(text in "([a-z']{1,9}|[ \n]{1,18}|[0-9]{1,5}|\\PC{1,5}){0,30}", n in 0_usize..100) {
            let ends = Approximate.ends(&text);
            prop_assert_eq!(ends.last().copied().unwrap_or(0), text.len());
            let n = n.min(ends.len());
            let found = cut(&Approximate, &text, n);
            prop_assert_eq!(Approximate.count(found.text) as usize, n);
            prop_assert_eq!(found, Cut { text: found.text, tokens: n });
            prop_assert_eq!(Approximate.ends(found.text), &ends[..n]);
        }
    }
}
