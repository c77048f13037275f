//! A range that holds what is estimated, at some level of confidence.

/// From [`low`](Self::low) to [`high`](Self::high), both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end, not below the lower one.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in it.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Whether no part of it is further from 0 than `distance`.
    pub fn is_within(&self, distance: f64) -> bool {
        self.low >= -distance && self.high <= distance
    }
}

/// Whether `level` is a level of confidence: between 0 and 1, and neither.
pub(super) fn is_level(level: f64) -> bool {
    level > 0.0 && level < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_includes_its_ends() {
        let interval = Interval { low: -0.5, high: 0.25 };
        assert!(interval.contains(0.25) && interval.contains(-0.5) && !interval.contains(0.3));
        assert!(!interval.contains(f64::NAN));
        assert!(interval.is_within(0.5) && !interval.is_within(0.4));
    }

    #[test]
    fn certainty_is_no_level() {
        assert!(is_level(0.95));
        assert!(![0.0, 1.0, -0.5, f64::NAN].into_iter().any(is_level));
    }
}
