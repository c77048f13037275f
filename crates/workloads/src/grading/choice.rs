//! Which of several given answers a text settles on.

use std::sync::LazyLock;

use regex::Regex;

/// Signs that may stand around a letter: brackets, emphasis, quotes, TeX.
const DRESS: &str = r#"[\s:=*_`'"“”‘’(\[{$\\]*"#;

/// `Answer: B`, `the answer is **(B)**`, `\boxed{B}`; a letter is upper-case here, since `a` is a word.
static STATED: LazyLock<Regex> = LazyLock::new(|| {
    let words = "(?i:is|would be|should be|must be|option|choice|letter|the|correct)";
    let text = r"\\(?i:text|mathrm|textbf)\{";
    pattern(&format!(
        r"(?i:\banswer|\\boxed)(?:{DRESS}(?:\b{words}\b|{text}))*{DRESS}(?:([A-HJ])(?:[^\pL\pN']|$)|(I)(?:[^\s\pL\pN']|\s*$))"
    ))
});

/// All of the text, or its beginning: `B`, `b.`, `(B) because`, `**B**: Paris`.
static BEGUN: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"^{DRESS}([A-Ja-j])(?:[\s*_`]*[)\].:]|\W*$|\*\*|\W*\n)")));

/// `(B)`, `**B**`, `option B`.
static DRESSED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?:\(|\*\*|\[|`)([A-J])(?:\)|\*\*|\]|`|[.):])|(?i:option|choice|letter)\s+([A-J])\b")
});

/// A letter alone, `A` only where no word follows.
static ALONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:([B-HJ])|([AI])[^\pL\pN']*(?:\n|$))(?:[^\pL\pN']|$)"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("it is a pattern: a test makes all of them")
}

/// Makes the patterns, so that no answer has to wait for them.
pub(super) fn prepare() {
    for pattern in [&STATED, &BEGUN, &DRESSED, &ALONE] {
        LazyLock::force(pattern);
    }
}

/// The letter, from A to J: what is stated as the answer comes first, then what the text begins with, then the last
/// that stands out, then the last alone.
pub(super) fn letter(text: &str) -> Option<char> {
    let text = text.trim();
    last(&STATED, text)
        .or_else(|| last(&BEGUN, text))
        .or_else(|| last(&DRESSED, text))
        .or_else(|| last(&ALONE, text))
}

fn last(pattern: &Regex, text: &str) -> Option<char> {
    let found = pattern.captures_iter(text).last()?;
    let letter = found.iter().skip(1).flatten().next()?.as_str().chars().next()?;
    Some(letter.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_is_found_however_it_is_said() {
        for (text, expected) in [
            ("B", Some('B')),
            ("b", Some('B')),
            ("b)", Some('B')),
            ("(B)", Some('B')),
            ("**B**", Some('B')),
            ("**B.** Paris", Some('B')),
            ("B. Paris", Some('B')),
            ("B) Paris, since A) is wrong.", Some('B')),
            ("(B) Paris", Some('B')),
            ("B: Paris", Some('B')),
            ("Answer: B", Some('B')),
            ("answer: B", Some('B')),
            ("**Answer:** B", Some('B')),
            ("**Answer: B**", Some('B')),
            ("The correct answer is B.", Some('B')),
            ("The answer is (B) Paris.", Some('B')),
            ("The best answer is option B", Some('B')),
            ("The answer is: **B) Paris**", Some('B')),
            ("So the answer is $\\boxed{B}$.", Some('B')),
            ("$\\boxed{\\text{B}}$", Some('B')),
            ("Answer:\n\n(B)", Some('B')),
            ("Option A is wrong, C too. The answer is B. Option D is no answer.", Some('B')),
            ("First I thought the answer is A, but the answer is B", Some('B')),
            ("A is a city. Paris is it, so I choose **B**.", Some('B')),
            ("It must be (B), as (A) says less... no: (C)", Some('C')),
            ("I would go with option B", Some('B')),
            ("Let me think. A cat has four legs, so C", Some('C')),
            ("It is C, I think.", Some('C')),
            ("The right one: A", Some('A')),
            ("Answer: (I)", Some('I')),
            ("Answer: I do not know", None),
            ("I, for one, do not know", None),
            ("A, B and D are wrong, so (C).", Some('C')),
            ("Answer: Both are fine", None),
            ("A cat sat.", None),
            ("I do not know", None),
            ("", None),
            ("Paris", None),
            ("42", None),
        ] {
            assert_eq!(letter(text), expected, "{text}");
        }
    }
}
