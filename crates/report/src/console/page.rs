//! Text that is never wider than its page, and never does to the terminal what others would have it do.

use unicode_width::UnicodeWidthChar;

use super::{Style, number};

/// The width of what stands before a section's lines, such as `Requests`.
const LABEL: usize = 13;

/// Between two items of a line.
const GAP: usize = 3;

/// How text looks, where there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Good,
    Doubt,
    Bad,
}

impl Paint {
    /// Parameters of ANSI's "select graphic rendition".
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Good => Some("1;32"),
            Self::Doubt => Some("1;33"),
            Self::Bad => Some("1;31"),
        }
    }
}

/// A piece of text that looks the same throughout. Anything can be in it: the page cleans it.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) paint: Paint,
}

impl Span {
    pub(crate) fn new(text: impl Into<String>, paint: Paint) -> Self {
        Self { text: text.into(), paint }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Paint::Plain)
    }

    /// Its words, each a span.
    pub(super) fn words(&self) -> impl Iterator<Item = Self> {
        self.text.split_ascii_whitespace().map(|word| Self::new(word, self.paint))
    }
}

/// Lines of text, as they are written.
pub(super) struct Page {
    pub(super) width: usize,
    pub(super) style: Style,
    text: String,
    column: usize,
    /// How text looks from here on.
    paint: Paint,
}

impl Page {
    pub(super) fn new(width: usize, style: Style) -> Self {
        Self { width, style, text: String::new(), column: 0, paint: Paint::Plain }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn number(&self, value: f64) -> String {
        number::significant(value, self.style)
    }

    /// Tokens, which are whole unless they are a mean.
    pub(super) fn tokens(&self, tokens: f64) -> String {
        number::whole_or_significant(tokens, self.style)
    }

    pub(super) fn count(&self, count: u64) -> String {
        number::count(count, self.style)
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A line by itself; what does not fit goes on in the next one.
    pub(super) fn line(&mut self, spans: &[Span]) {
        spans.iter().for_each(|span| self.write(span, 0));
        self.end_line();
    }

    /// Words, one after the other, with `indent` columns left free from the second line on.
    pub(super) fn paragraph(&mut self, indent: usize, spans: &[Span]) {
        self.flow(indent, 1, spans.iter().flat_map(Span::words));
    }

    /// A label, and items in a row that are kept together where they fit.
    pub(super) fn items(&mut self, label: &str, items: &[String]) {
        let indent = if label.is_empty() { 0 } else { self.label(label) };
        self.flow(indent, GAP, items.iter().map(Span::plain));
    }

    /// A label, and words after it.
    pub(super) fn labelled(&mut self, label: &str, spans: &[Span]) {
        let indent = self.label(label);
        self.paragraph(indent, spans);
    }

    fn label(&mut self, label: &str) -> usize {
        self.write(&Span::plain(format!("{label:LABEL$}")), 0);
        LABEL
    }

    /// Atoms, `gap` columns apart, each on the next line where it does not fit on this one; one that
    /// fits on no line goes word by word.
    fn flow(&mut self, indent: usize, gap: usize, atoms: impl IntoIterator<Item = Span>) {
        let mut before = 0;
        for atom in atoms {
            if indent + self.width_of(&atom.text) <= self.width {
                self.place(&atom, before, indent);
            } else {
                for word in atom.words() {
                    self.place(&word, before, indent);
                    before = 1;
                }
            }
            before = gap;
        }
        self.end_line();
    }

    fn place(&mut self, atom: &Span, gap: usize, indent: usize) {
        let end = self.column + gap + self.width_of(&atom.text);
        if self.column > indent && end > self.width {
            self.end_line();
            self.skip(indent);
        } else {
            self.skip(gap);
        }
        self.write(atom, indent);
    }

    /// A span that begins a line, to be followed by others.
    pub(super) fn begin(&mut self, span: &Span) {
        self.write(span, 0);
    }

    pub(super) fn skip(&mut self, columns: usize) {
        self.text.push_str(&" ".repeat(columns));
        self.column += columns;
    }

    /// Writes `span` from here on, breaking it where the page ends.
    fn write(&mut self, span: &Span, indent: usize) {
        for c in clean(&span.text, self.style.ascii) {
            let width = c.width().unwrap_or(0);
            if self.column + width > self.width {
                self.end_line();
                self.skip(indent);
            }
            if c != ' ' {
                self.paint(span.paint);
            }
            self.text.push(c);
            self.column += width;
        }
    }

    fn paint(&mut self, paint: Paint) {
        if !self.style.color || paint == self.paint {
            return;
        }
        if self.paint != Paint::Plain {
            self.text.push_str("\u{1b}[0m");
        }
        if let Some(sgr) = paint.sgr() {
            self.text.push_str(&format!("\u{1b}[{sgr}m"));
        }
        self.paint = paint;
    }

    fn end_line(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        self.paint(Paint::Plain);
        self.text.push('\n');
        self.column = 0;
    }

    /// Columns that `text` takes.
    pub(super) fn width_of(&self, text: &str) -> usize {
        clean(text, self.style.ascii).map(|c| c.width().unwrap_or(0)).sum()
    }
}

/// What of `text` may be shown: no control characters, no ANSI sequences, and nothing without a width,
/// which is how text is reordered or hidden. The price: accents written as characters of their own go
/// too. Line breaks and tabs become spaces; in ASCII, everything else becomes `?`.
pub(crate) fn clean(text: &str, ascii: bool) -> impl Iterator<Item = char> {
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
            assert_eq!(clean(text, false).collect::<String>(), expected, "{text:?}");
        }
        assert_eq!(clean("é 日本", true).collect::<String>(), "? ??");
    }

    #[test]
    fn text_is_broken_at_words_and_long_words_anywhere() {
        let mut page = Page::new(10, Style { color: false, ascii: true });
        page.paragraph(2, &[Span::plain("one two three abcdefghijklmnopqrstuvw x")]);
        assert_eq!(page.finish(), "one two\n  three\n  abcdefgh\n  ijklmnop\n  qrstuvw\n  x\n");
    }

    #[test]
    fn colour_takes_no_room() {
        let mut page = Page::new(7, Style { color: true, ascii: true });
        page.paragraph(
            0,
            &[Span::new("abc", Paint::Good), Span::plain("def"), Span::new("g h", Paint::Bold)],
        );
        assert_eq!(page.finish(), "\u{1b}[1;32mabc \u{1b}[0mdef\n\u{1b}[1mg h\u{1b}[0m\n");
    }
}
