//! How values are distributed, in bins of equal width on a logarithmic scale.

use std::collections::BTreeMap;

use super::{Page, Paint, Span};

/// Values counted by size. Its bins are 4.4 % wide; as many as needed are shown as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogHistogram {
    /// How many values are in the bin from 2^(k/16) to 2^((k+1)/16), by k.
    bins: BTreeMap<i32, u64>,
}

const BINS_PER_DOUBLING: f64 = 16.0;

/// Bars in a picture.
const MOST_BARS: i32 = 12;

impl LogHistogram {
    /// Counts `value`, in any unit; what is not positive has no place on the scale.
    pub fn add(&mut self, value: f64) {
        if value > 0.0 && value.is_finite() {
            #[expect(clippy::cast_possible_truncation, reason = "within -17 184 and 16 384")]
            let bin = (value.log2() * BINS_PER_DOUBLING).floor() as i32;
            *self.bins.entry(bin).or_default() += 1;
        }
    }

    /// Bars of equal width, gaps included, of at most [`MOST_BARS`].
    fn bars(&self) -> Vec<Bar> {
        let (Some((first, _)), Some((last, _))) =
            (self.bins.first_key_value(), self.bins.last_key_value())
        else {
            return Vec::new();
        };
        let mut bins_per_bar = 1;
        while last.div_euclid(bins_per_bar) - first.div_euclid(bins_per_bar) >= MOST_BARS {
            bins_per_bar *= 2;
        }
        let edge = |bar: i32| (f64::from(bar * bins_per_bar) / BINS_PER_DOUBLING).exp2();
        let (first, last) = (first.div_euclid(bins_per_bar), last.div_euclid(bins_per_bar));
        let bar = |bar: i32| Bar {
            from: edge(bar),
            to: edge(bar + 1),
            count: self
                .bins
                .range(bar * bins_per_bar..(bar + 1) * bins_per_bar)
                .map(|(_, count)| count)
                .sum(),
        };
        (first..=last).map(bar).collect()
    }
}

impl Extend<f64> for LogHistogram {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.add(value));
    }
}

impl FromIterator<f64> for LogHistogram {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut histogram = Self::default();
        histogram.extend(values);
        histogram
    }
}

struct Bar {
    from: f64,
    to: f64,
    count: u64,
}

/// A bar for each range of values, its length in proportion to their number.
pub(super) fn render(title: &str, histogram: &LogHistogram, page: &mut Page) {
    let bars = histogram.bars();
    let Some(most) = bars.iter().map(|bar| bar.count).max() else { return };
    page.line(&[Span::new(format!("{title} (log scale)"), Paint::Bold)]);
    let texts =
        bars.iter().map(|bar| (page.number(bar.from), page.number(bar.to), page.count(bar.count)));
    let texts: Vec<(String, String, String)> = texts.collect();
    let widest = |of: fn(&(String, String, String)) -> &String| {
        texts.iter().map(|text| page.width_of(of(text))).max().unwrap_or(0)
    };
    let (from, to, count) = (widest(|t| &t.0), widest(|t| &t.1), widest(|t| &t.2));
    let room = page.width.saturating_sub(from + to + count + " ..    ".len()).max(1) as u64;
    for (bar, text) in bars.iter().zip(&texts) {
        // At least one block where there is anything at all.
        let length = (bar.count * room / most).max(u64::from(bar.count > 0));
        let block = if page.style.ascii { "#" } else { "█" };
        let line = [
            right(&text.0, from, page),
            "..".to_owned(),
            right(&text.1, to, page),
            "  ".to_owned(),
            right(&text.2, count, page),
            "  ".to_owned(),
            block.repeat(usize::try_from(length).unwrap_or(0)),
        ];
        page.line(&line.map(Span::plain));
    }
    page.blank();
}

fn right(text: &str, width: usize, page: &Page) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(page.width_of(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_hold_every_value_between_their_edges() {
        let values: Vec<f64> = (1..1_000).map(f64::from).collect();
        let histogram: LogHistogram = values.iter().copied().collect();
        let bars = histogram.bars();
        assert!(bars.len() <= 12, "{} bars", bars.len());
        for bar in &bars {
            let within = values.iter().filter(|v| bar.from <= **v && **v < bar.to).count();
            assert_eq!(bar.count, within as u64, "{}..{}", bar.from, bar.to);
        }
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), 999);
    }

    #[test]
    fn what_has_no_logarithm_is_left_out() {
        let values = [0.0, -1.0, f64::NAN, f64::INFINITY];
        assert!(values.into_iter().collect::<LogHistogram>().bars().is_empty());
        let extremes: LogHistogram = [f64::MIN_POSITIVE, f64::MAX].into_iter().collect();
        assert_eq!(extremes.bars().iter().map(|bar| bar.count).sum::<u64>(), 2);
    }
}
