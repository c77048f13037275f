//! Texts by their words, as SQuAD normalises them: without case, punctuation and articles.
//!
//! Source: Rajpurkar et al., SQuAD's `evaluate-v2.0.py`: `normalize_answer`, `compute_f1`.

use std::collections::HashMap;

fn normalised(text: &str) -> String {
    let mut normalised = String::with_capacity(text.len());
    for c in text.chars() {
        // Nearly all are ASCII's, whose other case needs no table.
        match c {
            _ if c.is_ascii_punctuation() => {}
            _ if c.is_ascii() => normalised.push(c.to_ascii_lowercase()),
            _ if TYPESET.contains(c) => {}
            _ => normalised.extend(c.to_lowercase()),
        }
    }
    normalised
}

/// Punctuation of typesetters; the source knows ASCII's alone.
const TYPESET: &str = "‘’“”„«»–—…¿¡";

fn words(normalised: &str) -> Vec<&str> {
    let words = normalised.split_whitespace();
    words.filter(|word| !matches!(*word, "a" | "an" | "the")).collect()
}

pub(super) fn are_same(a: &str, b: &str) -> bool {
    words(&normalised(a)) == words(&normalised(b))
}

/// Whether the words of `part` follow one another in `text`. No words are in no text.
pub(super) fn contain(text: &str, part: &str) -> bool {
    let (text, part) = (normalised(text), normalised(part));
    let (text, part) = (words(&text), words(&part));
    !part.is_empty() && text.windows(part.len()).any(|some| some == part)
}

/// The harmonic mean of precision and recall of the words, each counted as often as it is there. Texts without words
/// are the same.
pub(super) fn f1(expected: &str, answer: &str) -> f32 {
    let (expected, answer) = (normalised(expected), normalised(answer));
    let (expected, answer) = (words(&expected), words(&answer));
    if expected.is_empty() && answer.is_empty() {
        return 1.0;
    }
    let mut left: HashMap<&str, usize> = HashMap::with_capacity(expected.len());
    for word in &expected {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0_usize;
    for word in &answer {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    // 2PR / (P + R), with P = common / answer and R = common / expected.
    2.0 * common as f32 / (expected.len() + answer.len()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_their_dress() {
        for (a, b, same) in [
            ("The Eiffel Tower!", "eiffel  tower", true),
            ("it's", "its", true),
            ("„Zürich“", "zürich", true),
            ("a cat", "the cat", true),
            ("theatre", "atre", false),
            ("", "the", true),
        ] {
            assert_eq!(are_same(a, b), same, "{a} and {b}");
        }
    }

    #[test]
    fn only_whole_words_are_contained() {
        for (text, part, expected) in [
            ("The capital of France is Paris.", "paris", true),
            ("14 of them", "4", false),
            ("New York City", "York city", true),
            ("New City York", "York City", false),
            ("anything", "the", false),
        ] {
            assert_eq!(contain(text, part), expected, "{part} in {text}");
        }
    }

    /// Values of SQuAD's own `compute_f1`.
    #[test]
    fn f1_is_squads() {
        for (expected, answer, f1_) in [
            ("red car", "the red car", 1.0),
            ("red car", "red bus", 0.5),
            ("one two three", "two two", 0.4),
            ("red", "", 0.0),
            ("", "", 1.0),
            ("cat cat dog", "cat cat bird", 2.0 / 3.0),
        ] {
            assert!((f1(expected, answer) - f1_).abs() < 1e-6, "{expected} and {answer}");
        }
    }
}
