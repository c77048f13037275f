//! Numbers in texts.

/// A number as it stands in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    value: f64,
    is_percent: bool,
}

impl Number {
    /// The number that an answer comes to: that behind the last `####`, as GSM8K marks it, else its last.
    pub(super) fn of_answer(text: &str) -> Option<Self> {
        let marked = text.rsplit_once("####").map(|(_, marked)| marked);
        marked.and_then(|marked| numbers(marked).next()).or_else(|| numbers(text).last())
    }

    /// Whether `other` differs from it by no more than `tolerance` of it. 25 % may be said as 25 or as 0.25.
    pub(super) fn is_near(self, other: Self, tolerance: f64) -> bool {
        let near = |a: f64, b: f64| {
            let most = if a == 0.0 { tolerance } else { tolerance * a.abs() };
            (a - b).abs() <= most
        };
        let as_ratio = |n: Self| if n.is_percent { n.value / 100.0 } else { n.value };
        let differ = self.is_percent != other.is_percent;
        near(self.value, other.value) || (differ && near(as_ratio(self), as_ratio(other)))
    }
}

/// All numbers of a text, in order.
fn numbers(text: &str) -> impl Iterator<Item = Number> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            // Digits within a name, as in `x2`, are none of their own.
            let follows_letter = at > 0 && bytes[at - 1].is_ascii_alphabetic();
            match Digits::at(bytes, at).filter(|_| !follows_letter) {
                Some(digits) => {
                    let is_negative = is_minus_before(text, at);
                    at = digits.end;
                    let value = if is_negative { -digits.value } else { digits.value };
                    let is_percent = text[at..].trim_start_matches([' ', '\\']).starts_with('%');
                    return Some(Number { value, is_percent });
                }
                None if bytes[at].is_ascii_digit() => {
                    at += bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                }
                None => at += 1,
            }
        }
        None
    })
}

/// Whether a minus stands before the digits at `at`, perhaps with a currency between them, and no dash between two
/// numbers or words.
fn is_minus_before(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches(['$', '€', '£']);
    let Some(before) = before.strip_suffix(['-', '\u{2212}']) else { return false };
    !before.ends_with(|c: char| c.is_alphanumeric() || c == ')')
}

/// Digits with what may stand between and behind them.
struct Digits {
    value: f64,
    end: usize,
}

impl Digits {
    fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let run = |at: usize| bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = start + run(start);
        let whole = end - start;
        // Thousands: groups of three, of which the first may have fewer.
        if (1..=3).contains(&whole) {
            while bytes.get(end) == Some(&b',') && run(end + 1) == 3 {
                end += 4;
            }
        }
        if bytes.get(end) == Some(&b'.') && run(end + 1) > 0 {
            end += 1 + run(end + 1);
        }
        if end == start {
            return None;
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let digits = if end + 1 + sign < bytes.len() { run(end + 1 + sign) } else { 0 };
            end += if digits > 0 { 1 + sign + digits } else { 0 };
        }
        let plain: String =
            bytes[start..end].iter().filter(|b| **b != b',').map(|b| char::from(*b)).collect();
        let value = plain.parse().ok().filter(|value: &f64| value.is_finite())?;
        Some(Self { value, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_to_its_last_number() {
        for (text, expected) in [
            ("42", Some(42.0)),
            ("She has 3 + 4 = 7 apples.", Some(7.0)),
            ("... = 7\n#### 1,234\nThat took 5 steps.", Some(1_234.0)),
            ("#### none, so 3", Some(3.0)),
            ("$1,234,567.50.", Some(1_234_567.5)),
            ("1,2,3", Some(3.0)),
            ("12,34", Some(34.0)),
            ("-5", Some(-5.0)),
            ("\u{2212}5", Some(-5.0)),
            ("-$5", Some(-5.0)),
            ("x = -5", Some(-5.0)),
            ("3-5", Some(5.0)),
            ("COVID-19", Some(19.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1.5e3", Some(1_500.0)),
            ("5 e", Some(5.0)),
            ("3e", Some(3.0)),
            ("**42**", Some(42.0)),
            ("\\boxed{42}", Some(42.0)),
            ("H2O", None),
            ("x2 is 7", Some(7.0)),
            ("none", None),
            ("", None),
            ("5kg", Some(5.0)),
            ("1000,000", Some(0.0)),
        ] {
            let found = Number::of_answer(text).map(|number| number.value);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn percent_may_be_said_in_two_ways_and_tolerance_is_of_the_expected() {
        for (expected, answer, tolerance, near) in [
            ("25%", "25", 0.0, true),
            ("25%", "0.25", 0.0, true),
            ("0.25", "25 %", 0.0, true),
            ("25", "0.25", 0.0, false),
            ("25\\%", "25%", 0.0, true),
            ("100", "101", 0.01, true),
            ("100", "101.1", 0.01, false),
            ("-100", "-99", 0.01, true),
            ("0", "0.005", 0.01, true),
            ("0.001", "0.009", 0.01, false),
        ] {
            let [of, number] = [expected, answer].map(|text| Number::of_answer(text).unwrap());
            assert_eq!(of.is_near(number, tolerance), near, "{expected} and {answer}");
        }
    }
}
