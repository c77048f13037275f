//! A row of a page: what has no room is left out as a whole, never cut.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

/// What stands side by side, some of it only where there is room.
#[derive(Debug, Default)]
pub(crate) struct Row {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    spans: Vec<Span<'static>>,
    /// How dispensable it is; 0 for what is always there.
    rank: u8,
}

/// Columns between two parts.
const BETWEEN: usize = 2;

impl Row {
    /// Adds what is always there; nothing for an empty text.
    pub(crate) fn with(self, text: impl Into<String>, style: Style) -> Self {
        self.with_rank(0, text, style)
    }

    /// Adds what is left out before what has a lower rank.
    pub(crate) fn with_rank(mut self, rank: u8, text: impl Into<String>, style: Style) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.parts.push(Part { spans: vec![Span::styled(text, style)], rank });
        }
        self
    }

    /// Adds more to the last part, after a space.
    pub(crate) fn and(mut self, text: impl Into<String>, style: Style) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.spans.extend([Span::raw(" "), Span::styled(text.into(), style)]);
        }
        self
    }

    /// The row in at most `width` columns, as far as what is always there has room.
    pub(crate) fn line(mut self, width: usize) -> Line<'static> {
        while self.width() > width {
            let last = self.parts.iter().enumerate().max_by_key(|(_, part)| part.rank);
            match last {
                Some((index, part)) if part.rank > 0 => drop(self.parts.remove(index)),
                _ => break,
            }
        }
        let mut spans: Vec<Span<'static>> = Vec::new();
        for part in self.parts {
            if !spans.is_empty() {
                spans.push(Span::raw(" ".repeat(BETWEEN)));
            }
            spans.extend(part.spans);
        }
        Line::from(spans)
    }

    /// Columns that it takes with everything in it.
    pub(crate) fn width(&self) -> usize {
        let parts = self.parts.iter().map(|part| part.spans.iter().map(Span::width).sum::<usize>());
        parts.sum::<usize>() + BETWEEN * self.parts.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: usize) -> String {
        let plain = Style::new();
        let row = Row::default()
            .with("power", plain)
            .and("612 W", plain)
            .with_rank(2, "bar", plain)
            .with_rank(1, "name", plain)
            .with("66 C", plain);
        row.line(width).to_string()
    }

    #[test]
    fn what_has_no_room_goes_as_a_whole_the_most_dispensable_first() {
        assert_eq!(shown(80), "power 612 W  bar  name  66 C");
        assert_eq!(shown(28), "power 612 W  bar  name  66 C");
        assert_eq!(shown(27), "power 612 W  name  66 C");
        assert_eq!(shown(22), "power 612 W  66 C");
        assert_eq!(shown(3), "power 612 W  66 C", "values are never left out");
    }
}
