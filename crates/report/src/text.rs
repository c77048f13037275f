//! Text of servers and of files, which is not trusted: what of it may be shown.

use unicode_width::UnicodeWidthChar;

/// `text` on one line, without what a terminal would take for commands and what hides or reorders other
/// text.
pub fn clean(text: &str) -> String {
    shown(text, false).collect()
}

/// What of `text` may be shown: no control characters, no ANSI sequences, and nothing without a width,
/// which is how text is reordered or hidden. The price: accents written as characters of their own go
/// too. Line breaks and tabs become spaces; in ASCII, everything else becomes `?`.
pub(crate) fn shown(text: &str, ascii: bool) -> impl Iterator<Item = char> {
    let mut rest = text.chars();
    std::iter::from_fn(move || {
        loop {
            match rest.next()? {
                '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => return Some(' '),
                '\u{1b}' => skip_sequence(&mut rest),
                '\u{9b}' => skip_until(&mut rest, is_final),
                c if c.width().unwrap_or(0) == 0 => {}
                c if ascii && !c.is_ascii() => return Some('?'),
                c => return Some(c),
            }
        }
    })
}

/// Skips what follows an escape character: a control sequence, a string for the terminal, or one
/// character.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => skip_until(rest, is_final),
        // Up to BEL or ESC \; the backslash is skipped as the character after the escape.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            skip_until(rest, |c| matches!(c, '\u{7}' | '\u{1b}' | '\u{9c}'));
            if rest.as_str().starts_with('\\') {
                rest.next();
            }
        }
        _ => {}
    }
}

fn skip_until(rest: &mut std::str::Chars<'_>, last: impl Fn(char) -> bool) {
    let _ = rest.by_ref().find(|c| last(*c));
}

/// Whether a control sequence ends with `c`.
fn is_final(c: char) -> bool {
    ('\u{40}'..='\u{7e}').contains(&c)
}

/// JSON text in which what a terminal would not show as it is stands as an escape: the same value to whoever
/// parses it.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // Line breaks are between values; within strings all control characters of ASCII but DEL are escapes.
        if c == '\n' || c.width().unwrap_or(0) > 0 && !matches!(c, '\u{2028}' | '\u{2029}') {
            escaped.push(c);
        } else {
            let units = c.encode_utf16(&mut [0; 2]).to_vec();
            escaped.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_cannot_move_the_cursor_or_hide() {
        for (text, expected) in [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}2Jcleared", "cleared"),
            ("\u{1b}cab", "ab"),
            ("a\rb\nc\td\u{2028}e", "a b c d e"),
            ("\u{202e}gpj.exe\u{202c}\u{2066}\u{200b}\u{feff}", "gpj.exe"),
            ("nul\0bell\u{7}del\u{7f}", "nulbelldel"),
            ("\u{1b}[", ""),
            ("\u{1b}", ""),
            ("日本", "日本"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
        assert_eq!(shown("é 日本", true).collect::<String>(), "? ??");
    }

    #[test]
    fn json_keeps_its_value_and_shows_nothing_odd() {
        for odd in
            ["\u{7f}\u{9b}2J", "\u{202e}gpj.exe\u{2066}", "a\u{2028}b\u{e0001}c", "plain é 日本\n"]
        {
            let value = serde_json::json!({ "said": odd });
            let json = escaped_json(&format!("{value:#}"));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
            assert!(json.lines().all(|line| clean(line) == line), "{json}");
        }
    }
}
