//! What a model thought before it answered, where that is in its text.

/// The answer without it. Some chat templates begin the thought themselves, so that only its end is there; where the
/// end is not there, it is all thought.
pub(super) fn cut(text: &str) -> &str {
    match text.rfind("</think>") {
        Some(end) => &text[end + "</think>".len()..],
        None if text.trim_start().starts_with("<think>") => "",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_thought_is_no_answer() {
        for (text, answer) in [
            ("<think>4?</think>5", "5"),
            ("4?</think>\n5", "\n5"),
            (" <think>4", ""),
            ("5", "5"),
            ("I <think> so", "I <think> so"),
            ("<think>a</think>b</think>c", "c"),
        ] {
            assert_eq!(cut(text), answer, "{text}");
        }
    }
}
