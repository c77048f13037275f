//! Text that is never wider than its page, and never does to the terminal what others would have it do.

use unicode_width::UnicodeWidthChar;

use super::{Style, number};
use crate::text;

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
        for c in text::shown(&span.text, self.style.ascii) {
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
        text::shown(text, self.style.ascii).map(|c| c.width().unwrap_or(0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
