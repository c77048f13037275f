//! That counts and lengths are right, however they were come by.

use std::sync::{Arc, OnceLock};

use bench_workloads::{Approximate, Tokenizer, load_tokenizer};
use proptest::prelude::{ProptestConfig, proptest};

use crate::{CORPUS, data, prepare, synthetic, text};

/// A count may be made up of those of words that were counted before: it must be that of the ids, for which
/// the whole text is encoded.
fn check(tokenizer: &dyn Tokenizer, text: &str) {
    let Some(ids) = tokenizer.ids(text) else { return };
    for _ in 0..2 {
        assert_eq!(tokenizer.count(text) as usize, ids.len(), "{tokenizer}: {text:?}");
    }
}

#[test]
fn lengths_are_exact_by_an_encoding_of_the_whole() {
    for tokenizer in tokenizers() {
        for (isl, count) in [(1, 1_000), (17, 1_000), (128, 100), (1_024, 10), (32_768, 1)] {
            let pool = prepare(&synthetic(isl, count, 29), &**tokenizer);
            let is_exact = |text: &str| match tokenizer.ids(text) {
                Some(ids) => ids.len() == isl as usize,
                None => tokenizer.count(text) == isl,
            };
            let exact = pool.requests().iter().filter(|request| is_exact(text(request))).count();
            assert_eq!(exact, count - pool.inexact(), "{tokenizer}: {isl}");
            assert!(pool.inexact() * 1_000 <= count, "{tokenizer}: {isl}, {}", pool.inexact());
        }
    }
}

#[test]
fn texts_that_look_like_other_tokens_are_counted_as_they_are() {
    let texts = [
        "",
        "a",
        " ",
        "a b",
        "a  b",
        "a b ",
        "one of the ladies of the house",
        "Mr. Netherfield of Netherfield Park",
        "take <think> no thought </think> of it",
        "say <|im_start|> and <|begin_of_text|> twice",
        "<|begin_of_text|>",
        "ladies",
        "LADIES AND GENTLEMEN OF THE HOUSE",
        "it's his dog's, isn't it",
        "na\u{ef}ve caf\u{e9} of the house",
        "x\u{a0}y z\u{3000}w of it",
        "tab\tnew\nline\r\nof it",
        "[CLS] of the [MASK]",
    ];
    for tokenizer in tokenizers() {
        for text in texts {
            check(&**tokenizer, text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_count_is_that_of_the_whole_text(text in "([A-Za-z]{1,8}|[ \n\t]{1,3}|[0-9]{1,4}|[!-/:-@]|of the|ladies|<think>|'s|\\PC){0,60}") {
        for tokenizer in tokenizers() {
            check(&**tokenizer, &text);
        }
    }

    #[test]
    fn a_count_is_that_of_the_whole_window(starts in proptest::collection::vec((0..CORPUS.len() - 300, 0_usize..300), 1..4)) {
        let text: String = starts.iter().map(|(at, length)| &CORPUS[*at..at + length]).collect();
        for tokenizer in tokenizers() {
            check(&**tokenizer, &text);
        }
    }
}

/// A tokenizer of every kind, kept over all tests, so that most words are known.
fn tokenizers() -> &'static [Arc<dyn Tokenizer>] {
    static TOKENIZERS: OnceLock<Vec<Arc<dyn Tokenizer>>> = OnceLock::new();
    const FILES: [&str; 8] = [
        "byte_level.json",
        "added_tokens.json",
        "sentencepiece.json",
        "unigram.json",
        "word_pieces.json",
        "sentencepiece_bpe.model",
        "sentencepiece_unigram.model",
        "ranks.tiktoken",
    ];
    TOKENIZERS.get_or_init(|| {
        let read = |file: &&str| load_tokenizer(data(file)).unwrap();
        let approximate: Arc<dyn Tokenizer> = Arc::new(Approximate);
        std::iter::once(approximate).chain(FILES.iter().map(read)).collect()
    })
}
