//! Bars, sparklines and signs, in what the terminal can show.

use bench_report::console::{Style as Look, dash};
use ratatui::style::{Color, Modifier, Style};

/// Draws in what the terminal can show. Nothing is told by colour alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    pub(crate) look: Look,
}

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_STEPS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

impl Marks {
    /// `ratio` of `width` columns, filled up with spaces.
    pub(crate) fn bar(self, ratio: f64, width: usize) -> String {
        let ratio = if ratio.is_finite() { ratio.clamp(0.0, 1.0) } else { 0.0 };
        let (fine, full) = if self.look.ascii { (1, "#") } else { (8, "█") };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 8 × width"
        )]
        let parts = (ratio * (width * fine) as f64).round() as usize;
        let rest = EIGHTHS[parts % fine];
        let bar = format!("{}{rest}", full.repeat(parts / fine));
        format!("{bar:width$}")
    }

    /// A column for each value, of which `most` is the highest; a space for none.
    pub(crate) fn spark(self, values: &[Option<f64>], most: f64) -> String {
        let steps = if self.look.ascii { ASCII_STEPS } else { STEPS };
        let step = |value: f64| {
            let ratio = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
            let step = (ratio * 7.0).round() as usize;
            steps[step]
        };
        values
            .iter()
            .map(|value| value.filter(|value| value.is_finite()).map_or(' ', step))
            .collect()
    }

    /// For what is not known.
    pub(crate) fn dash(self) -> &'static str {
        dash(self.look)
    }

    pub(crate) fn degrees(self) -> &'static str {
        if self.look.ascii { "C" } else { "°C" }
    }

    /// What a line between parts of a page is made of.
    pub(crate) fn rule(self) -> &'static str {
        if self.look.ascii { "-" } else { "─" }
    }

    /// `text` in at most `width` columns.
    pub(crate) fn cut(self, text: &str, width: usize) -> String {
        if text.chars().count() <= width {
            return text.to_owned();
        }
        let sign = if self.look.ascii { "~" } else { "…" };
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        format!("{kept}{sign}")
    }

    pub(crate) fn strong(self) -> Style {
        self.if_color(Style::new().add_modifier(Modifier::BOLD))
    }

    pub(crate) fn faint(self) -> Style {
        self.if_color(Style::new().add_modifier(Modifier::DIM))
    }

    pub(crate) fn curve(self) -> Style {
        self.if_color(Style::new().fg(Color::Cyan))
    }

    pub(crate) fn warning(self) -> Style {
        self.if_color(Style::new().fg(Color::Yellow))
    }

    pub(crate) fn error(self) -> Style {
        self.if_color(Style::new().fg(Color::Red))
    }

    fn if_color(self, style: Style) -> Style {
        if self.look.color { style } else { Style::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(ascii: bool) -> Marks {
        Marks { look: Look { color: false, ascii } }
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        for (ratio, unicode, ascii) in [
            (0.0, "    ", "    "),
            (0.5, "██  ", "##  "),
            (0.53, "██▏ ", "##  "),
            (1.0, "████", "####"),
            (7.0, "████", "####"),
            (-1.0, "    ", "    "),
            (f64::NAN, "    ", "    "),
        ] {
            assert_eq!(marks(false).bar(ratio, 4), unicode, "{ratio}");
            assert_eq!(marks(true).bar(ratio, 4), ascii, "{ratio}");
        }
    }

    #[test]
    fn a_gap_in_a_curve_is_a_gap() {
        let values = [Some(0.0), None, Some(0.5), Some(1.0), Some(9.0), Some(f64::NAN)];
        assert_eq!(marks(false).spark(&values, 1.0), "▁ ▅██ ");
        assert_eq!(marks(true).spark(&values, 1.0), "_ =## ");
        assert_eq!(marks(false).spark(&[Some(3.0)], 0.0), "▁");
    }

    #[test]
    fn a_name_that_is_too_long_says_so() {
        assert_eq!(marks(false).cut("abcdef", 6), "abcdef");
        assert_eq!(marks(false).cut("abcdefg", 6), "abcde…");
        assert_eq!(marks(true).cut("abcdefg", 6), "abcde~");
    }
}
