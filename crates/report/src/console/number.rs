//! Numbers for people.

use super::Style;

/// `value` with three significant digits, or all digits of its whole part; at most four decimals.
pub fn significant(value: f64, style: Style) -> String {
    if !value.is_finite() {
        return dash(style).to_owned();
    }
    // Of the rounded value: 99.96 has three digits before the point.
    let scientific = format!("{value:.2e}");
    let exponent = scientific.rsplit('e').next().and_then(|e| e.parse::<i32>().ok()).unwrap_or(0);
    let decimals = usize::try_from((2 - exponent).clamp(0, 4)).unwrap_or(0);
    let plain = if value == 0.0 { "0".to_owned() } else { format!("{value:.decimals$}") };
    // What is rounded to 0 is not below it.
    let is_zero = !plain.contains(|digit| matches!(digit, '1'..='9'));
    let plain = plain.strip_prefix('-').filter(|_| is_zero).unwrap_or(&plain);
    let (whole, decimals) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    format!("{}{decimals}", group(whole, style))
}

/// `spread` with as many decimals as `value` has, or the first digit of one that is smaller.
pub(crate) fn spread(spread: f64, value: &str, style: Style) -> String {
    if !spread.is_finite() {
        return dash(style).to_owned();
    }
    let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let least = 0.5 * 0.1_f64.powi(i32::try_from(decimals).unwrap_or(i32::MAX));
    if spread > 0.0 && spread < least {
        let small = format!("{spread:.0e}");
        let exponent = small.rsplit('e').next().and_then(|e| e.parse::<i32>().ok()).unwrap_or(0);
        let decimals = usize::try_from((-exponent).clamp(0, 9)).unwrap_or(0);
        return format!("{spread:.decimals$}");
    }
    let plain = format!("{spread:.decimals$}");
    let (whole, decimals) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    format!("{}{decimals}", group(whole, style))
}

/// `value` without decimals where it has none, else with three significant digits.
pub(crate) fn whole_or_significant(value: f64, style: Style) -> String {
    if value.fract() == 0.0 {
        group(&format!("{value:.0}"), style)
    } else {
        significant(value, style)
    }
}

/// A count, with all its digits.
pub fn count(count: u64, style: Style) -> String {
    group(&count.to_string(), style)
}

/// A share, in per cent.
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if (percent - percent.round()).abs() < 0.05 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// For what is not known.
pub fn dash(style: Style) -> &'static str {
    if style.ascii { "-" } else { "–" }
}

/// Thin spaces between thousands; a terminal that has none gets the bare digits.
fn group(whole: &str, style: Style) -> String {
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if !style.ascii && place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_or_all_whole_ones() {
        let style = Style::default();
        for (value, expected) in [
            (0.0, "0"),
            (0.000_01, "0.0000"),
            (0.012_34, "0.0123"),
            (0.999_9, "1.00"),
            (8.3, "8.30"),
            (13.26, "13.3"),
            (99.96, "100"),
            (142.4, "142"),
            (1_204.4, "1\u{2009}204"),
            (1_234_567.0, "1\u{2009}234\u{2009}567"),
            (-13.26, "-13.3"),
            (-0.000_01, "0.0000"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(significant(value, style), expected, "{value}");
        }
        let ascii = Style { ascii: true, ..style };
        assert_eq!(significant(1_204.4, ascii), "1204");
        assert_eq!(significant(f64::INFINITY, ascii), "-");
        assert_eq!(whole_or_significant(32.0, style), "32");
        assert_eq!(whole_or_significant(32.25, style), "32.2");
        assert_eq!(count(12_345, style), "12\u{2009}345");
    }

    #[test]
    fn spreads_have_the_decimals_of_their_values() {
        for (half, value, expected) in [
            (0.909, "120", "1"),
            (0.335, "44.1", "0.3"),
            (0.06, "8.33", "0.06"),
            (2_000.4, "1\u{2009}204", "2\u{2009}000"),
            (0.004, "44.1", "0.004"),
            (0.0, "44.1", "0.0"),
            (1e-300, "1", "0.000000000"),
            (f64::INFINITY, "1", "–"),
        ] {
            assert_eq!(spread(half, value, Style::default()), expected, "{half} of {value}");
        }
    }

    #[test]
    fn shares_are_in_per_cent() {
        for (ratio, expected) in [(1.0, "100 %"), (1.0 / 3.0, "33.3 %"), (0.0, "0 %")] {
            assert_eq!(percent(ratio), expected);
        }
    }
}
