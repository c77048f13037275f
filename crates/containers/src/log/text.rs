//! Lines as they are looked at and shown: a server may say anything.

use crate::lines::skip_sequence;

/// No more of a line is looked at: vLLM's longest have some 10 000 characters.
const LONGEST: usize = 16 << 10;

/// No more of a line is kept or shown.
const SHOWN: usize = 400;

/// What of `line` is looked at: without ANSI sequences and control characters, and with one space where it has
/// several.
pub(super) fn flat(line: &str) -> String {
    let mut flat = String::with_capacity(line.len().min(LONGEST));
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if flat.len() >= LONGEST {
            break;
        }
        match c {
            '\u{1b}' => skip_sequence(&mut rest),
            c if c.is_whitespace() || c.is_control() => {
                if !flat.ends_with(' ') {
                    flat.push(' ');
                }
            }
            c => flat.push(c),
        }
    }
    flat.truncate(flat.trim_end().len());
    flat
}

/// What of a flat line is kept of which the bytes from `from` tell something.
pub(super) fn excerpt(flat: &str, from: usize) -> String {
    let is_short = flat.len() <= SHOWN;
    let skipped = if is_short { 0 } else { boundary(flat, from.saturating_sub(80)) };
    let end = boundary(flat, skipped.saturating_add(SHOWN));
    let cut = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{}{}", cut(skipped > 0), &flat[skipped..end], cut(end < flat.len()))
}

/// The last place up to `at` that is not within a character.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_controls_and_spaces_are_no_part_of_what_is_looked_at() {
        for (line, expected) in [
            ("\u{1b}[0;36m(EngineCore pid=7)\u{1b}[0;0m INFO", "(EngineCore pid=7) INFO"),
            ("shards:   0% done\rshards: 100%\r\n", "shards: 0% done shards: 100%"),
            ("size =   32.00 MiB\t(\u{0}x\u{7f})", "size = 32.00 MiB ( x )"),
            ("\u{1b}[31", ""),
            ("\u{1b}", ""),
            ("  ▄▄ █  version", " ▄▄ █ version"),
        ] {
            assert_eq!(flat(line), expected, "{line:?}");
        }
        assert!(flat(&"é".repeat(LONGEST)).len() <= LONGEST + 1);
    }

    #[test]
    fn of_a_long_line_what_tells_something_is_kept() {
        assert_eq!(excerpt("short", 3), "short");
        let long = format!("{}42 tokens{}", "é".repeat(500), "é".repeat(500));
        let kept = excerpt(&long, 1_000);
        assert!(kept.contains("42 tokens") && kept.len() <= SHOWN + 6, "{kept}");
        assert!(kept.starts_with('…') && kept.ends_with('…'), "{kept}");
    }
}
