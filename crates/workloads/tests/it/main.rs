//! Prompts prepared as the harness prepares them, through the public API alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[cfg(all(feature = "templates", feature = "tokenizers"))]
mod chat;
mod conversations;
#[cfg(all(feature = "tiktoken", feature = "tokenizers"))]
mod counting;
mod damaged;
mod datasets;
mod generated;
#[cfg(all(feature = "tiktoken", feature = "tokenizers"))]
mod layouts;
mod load_threads;
#[cfg(feature = "tokenizers")]
mod random_tokens;
mod refused;
mod sources;

use std::{
    error::Error,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use bench_core::{Outcome, Prompt, ProviderError, Request, TokenCounter, Workload};
#[cfg(feature = "tokenizers")]
use bench_workloads::TokenizerError;
use bench_workloads::{
    Approximate, Counting, Length, PrepareError, Synthetic, SyntheticWorkload, Tokenizer,
    load_tokenizer,
};
#[cfg(feature = "tokenizers")]
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

const CORPUS: &str = include_str!("../../data/corpus.txt");

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file)
}

/// A tokenizer of each kind that differs most.
fn tokenizers() -> Vec<Arc<dyn Tokenizer>> {
    let mut tokenizers: Vec<Arc<dyn Tokenizer>> = vec![Arc::new(Approximate)];
    if cfg!(feature = "tokenizers") {
        tokenizers.push(load_tokenizer(data("byte_level.json")).unwrap());
        tokenizers.push(load_tokenizer(data("sentencepiece.json")).unwrap());
    }
    tokenizers
}

fn synthetic(isl: u32, count: usize, seed: u64) -> Synthetic {
    Synthetic {
        isl: Length::fixed(isl).unwrap(),
        counting: Counting::Text,
        osl: Some(Length::fixed(16).unwrap()),
        mix: None,
        images: None,
        texts: NonZeroUsize::MIN,
        query: None,
        token_ids: false,
        count: NonZeroUsize::new(count).unwrap(),
        seed,
    }
}

/// A dialect whose body is the bare text.
fn plain(prompt: &Prompt) -> Result<Request, ProviderError> {
    Ok(Request::new(prompt, prompt.messages[0].content.clone()))
}

fn prepare(config: &Synthetic, tokenizer: &dyn Tokenizer) -> SyntheticWorkload {
    config.prepare(tokenizer, &plain).unwrap()
}

fn text(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

#[test]
fn every_prompt_has_exactly_the_tokens_asked_for() {
    for tokenizer in tokenizers() {
        for (isl, count) in
            [(1, 50), (2, 200), (7, 200), (128, 50), (1024, 8), (5000, 2), (25_000, 1)]
        {
            let pool = prepare(&synthetic(isl, count, 3), &*tokenizer);
            assert_eq!((pool.requests().len(), pool.inexact()), (count, 0), "{isl} by {tokenizer}");
            for request in pool.requests() {
                assert_eq!(request.input_tokens, Some(isl));
                assert_eq!(tokenizer.count(text(request)), isl, "{tokenizer}: {:?}", text(request));
            }
        }
    }
}

#[test]
fn prompts_are_their_token_ids_too_where_the_tokenizer_has_any() {
    let config = Synthetic { token_ids: true, ..synthetic(40, 20, 3) };
    let ids = |prompt: &Prompt| {
        let ids = prompt.token_ids.as_ref().unwrap();
        Ok(Request::new(prompt, format!("{ids:?}")))
    };
    for tokenizer in tokenizers() {
        match config.prepare(&*tokenizer, &ids) {
            Ok(pool) => {
                let of_text = prepare(&synthetic(40, 20, 3), &*tokenizer);
                for (ids, plain) in pool.requests().iter().zip(of_text.requests()) {
                    assert_eq!(text(ids), format!("{:?}", tokenizer.ids(text(plain)).unwrap()));
                    assert_eq!(text(ids).split(", ").count(), 40, "{tokenizer}");
                }
            }
            Err(error) => {
                assert!(!tokenizer.is_exact(), "{error}");
                assert!(error.to_string().ends_with("has no token ids"), "{error}");
            }
        }
    }
}

#[test]
fn several_texts_are_each_as_long_as_asked_for_and_none_begins_as_another() {
    for tokenizer in tokenizers() {
        for (query, texts) in [(None, 1), (None, 8), (Some(5), 3)] {
            let config = Synthetic {
                texts: NonZeroUsize::new(texts).unwrap(),
                query: query.map(|query| Length::fixed(query).unwrap()),
                osl: None,
                ..synthetic(20, 50, 3)
            };
            let joined = |prompt: &Prompt| {
                let texts: Vec<&str> = prompt.messages.iter().map(|m| m.content.as_str()).collect();
                Ok(Request::new(prompt, texts.join("\0")))
            };
            let pool = config.prepare(&*tokenizer, &joined).unwrap();
            assert_eq!(pool.inexact(), 0);
            let lengths: Vec<u32> =
                query.into_iter().chain(std::iter::repeat_n(20, texts)).collect();
            let mut openings = std::collections::HashSet::new();
            for request in pool.requests() {
                let texts: Vec<&str> = text(request).split('\0').collect();
                let counted: Vec<u32> = texts.iter().map(|text| tokenizer.count(text)).collect();
                assert_eq!(counted, lengths, "{tokenizer}");
                let all = (request.input_tokens, request.output_tokens);
                assert_eq!(all, (Some(lengths.iter().sum()), None));
                for text in texts {
                    let opening = text.split(' ').take(2).collect::<Vec<_>>();
                    assert!(openings.insert(opening.join(" ")), "{tokenizer}: {text}");
                }
            }
        }
    }
}

#[test]
fn normal_lengths_are_exact_too_and_the_same_for_every_tokenizer() {
    let config = Synthetic {
        isl: Length::normal(60.0, 20.0).unwrap(),
        osl: Some(Length::normal(100.0, 30.0).unwrap()),
        ..synthetic(1, 300, 11)
    };
    let mut lengths = Vec::new();
    for tokenizer in tokenizers() {
        let pool = prepare(&config, &*tokenizer);
        assert_eq!(pool.inexact(), 0);
        let counted = |r: &Request| Some(tokenizer.count(text(r))) == r.input_tokens;
        assert!(pool.requests().iter().all(counted));
        let of = |r: &Request| (r.input_tokens.unwrap(), r.output_tokens.unwrap());
        lengths.push(pool.requests().iter().map(of).collect::<Vec<_>>());
    }
    assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]));
    let mean = |of: fn(&(u32, u32)) -> u32| {
        f64::from(lengths[0].iter().map(of).sum::<u32>()) / lengths[0].len() as f64
    };
    assert!((mean(|l| l.0) - 59.5).abs() < 4.0 && (mean(|l| l.1) - 99.5).abs() < 6.0);
}

#[test]
fn no_two_prompts_begin_alike() {
    for tokenizer in tokenizers() {
        let pool = prepare(&synthetic(32, 2_000, 5), &*tokenizer);
        assert_eq!(pool.distinct(), 2_000);

        let first_token = |r: &Request| text(r)[..tokenizer.ends(text(r))[0]].to_owned();
        let firsts: Vec<String> = pool.requests().iter().map(first_token).collect();
        let reach = (1..firsts.len()).find(|n| firsts[0] == firsts[*n]).unwrap_or(firsts.len());
        assert!(reach > 200, "{tokenizer} opens {reach} prompts");
        let mut sorted = firsts[..reach].to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), reach, "one first token each");

        // With more prompts than first tokens, two words tell them apart.
        let words = |r: &Request| text(r).split(' ').take(2).collect::<Vec<_>>().join(" ");
        let mut openings: Vec<String> = pool.requests().iter().map(words).collect();
        openings.sort_unstable();
        openings.dedup();
        assert_eq!(openings.len(), 2_000);
    }
}

#[test]
fn prompts_are_text() {
    let pool = prepare(&synthetic(64, 20, 9), &Approximate);
    for request in pool.requests() {
        let (_, window) = text(request).split_once(' ').unwrap();
        assert!(CORPUS.repeat(2).contains(window), "{window:?}");
    }
}

#[test]
fn a_seed_makes_the_same_prompts_again_and_another_makes_others() {
    for tokenizer in tokenizers() {
        let bodies = |seed| prepare(&synthetic(40, 50, seed), &*tokenizer).requests().to_vec();
        assert_eq!(bodies(1), bodies(1));
        assert!(bodies(1).iter().zip(&bodies(2)).all(|(one, other)| one.body != other.body));
    }
}

#[test]
fn the_pool_is_sent_in_order_over_and_over() {
    let mut workload = prepare(&synthetic(10, 3, 0), &Approximate);
    let pool = workload.requests().to_vec();
    for n in 0..10 {
        let mut session = workload.next_session().unwrap();
        let turn = session.next_turn(None).unwrap();
        assert_eq!(turn.request, pool[n % 3]);
        assert_eq!(turn.request.body.as_ptr(), pool[n % 3].body.as_ptr(), "shared, not copied");
        assert!(session.next_turn(None).is_none());
    }
}

#[test]
fn too_few_tokens_to_be_distinct_are_reported() {
    let pool = prepare(&synthetic(1, 5_000, 0), &Approximate);
    assert_eq!((pool.requests().len(), pool.inexact()), (5_000, 0));
    assert!(pool.distinct() > 1_500 && pool.distinct() < 5_000, "{}", pool.distinct());
}

#[test]
fn a_line_says_who_counted() {
    let pool = prepare(&synthetic(10, 1, 0), &Approximate);
    let expected = "synthetic ISL 10 OSL 16, tokens counted by the built-in tokenizer, approximate";
    assert_eq!(pool.describe(), expected);
    let open = Synthetic { osl: None, ..synthetic(10, 1, 0) };
    assert!(prepare(&open, &Approximate).describe().contains(" OSL open, "));
    assert_eq!(prepare(&open, &Approximate).requests()[0].output_tokens, None);
    #[cfg(feature = "tokenizers")]
    {
        let tokenizer = load_tokenizer(data("byte_level.json")).unwrap();
        assert!(tokenizer.is_exact());
        let line = prepare(&synthetic(10, 1, 0), &*tokenizer).describe().to_owned();
        assert!(line.ends_with("tests/data/byte_level.json, exact"), "{line}");
    }
}

#[test]
fn the_first_prompt_that_cannot_be_encoded_is_named() {
    let refuse = |prompt: &Prompt| match prompt.input_tokens {
        Some(n) if n > 100 => Err(ProviderError::new(Outcome::Client, "too long")),
        _ => plain(prompt),
    };
    let config = Synthetic { isl: Length::normal(80.0, 20.0).unwrap(), ..synthetic(1, 200, 1) };
    let too_long = |r: &Request| r.input_tokens.unwrap() > 100;
    let expected = prepare(&config, &Approximate).requests().iter().position(too_long).unwrap();
    let Err(PrepareError::Encode { index, source }) = config.prepare(&Approximate, &refuse) else {
        panic!("a prompt of more than 100 tokens is refused")
    };
    assert_eq!((index, source.said.as_str()), (expected, "too long"));
}

/// Takes every text for one token.
#[derive(Debug)]
struct Whole;

impl TokenCounter for Whole {
    fn count(&self, text: &str) -> u32 {
        u32::from(!text.is_empty())
    }

    fn is_exact(&self) -> bool {
        true
    }
}

impl Tokenizer for Whole {
    fn ends(&self, text: &str) -> Vec<usize> {
        if text.is_empty() { Vec::new() } else { vec![text.len()] }
    }
}

impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("whole texts")
    }
}

#[test]
fn a_tokenizer_without_words_makes_no_prompts() {
    let error = synthetic(10, 2, 0).prepare(&Whole, &plain).unwrap_err();
    assert_eq!(error.to_string(), "whole texts does not tell words apart");
}

/// Counts words in pairs: no text has an odd number of tokens.
#[derive(Debug)]
struct Pairs;

impl TokenCounter for Pairs {
    fn count(&self, text: &str) -> u32 {
        2 * u32::try_from(text.split_whitespace().count()).unwrap()
    }

    fn is_exact(&self) -> bool {
        true
    }
}

impl Tokenizer for Pairs {
    fn ends(&self, text: &str) -> Vec<usize> {
        let end = |word: &str| word.as_ptr().addr() + word.len() - text.as_ptr().addr();
        text.split_whitespace().flat_map(|word| [end(word); 2]).collect()
    }
}

impl std::fmt::Display for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pairs")
    }
}

#[test]
fn a_length_that_cannot_be_had_is_approached_and_reported() {
    let pool = prepare(&synthetic(9, 3, 0), &Pairs);
    assert_eq!(pool.inexact(), 3);
    for request in pool.requests() {
        assert_eq!((request.input_tokens, Pairs.count(text(request))), (Some(8), 8));
    }
    assert!(pool.describe().ends_with("pairs, exact but for 3 of 3 prompts"));
}

fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words += &format!(": {error}");
        cause = error.source();
    }
    words
}

#[cfg(feature = "tokenizers")]
#[test]
fn what_is_no_tokenizer_is_named_with_the_cause() {
    let good = std::fs::read_to_string(data("byte_level.json")).unwrap();
    let empty =
        r#"{"version":"1.0","added_tokens":[],"model":{"type":"BPE","vocab":{},"merges":[]}}"#;
    let broken_decoder = good.replace(r#""decoder":{"#, r#""decoder":{{"#);
    let map = r#""normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"}"#;
    let broken_map = good.replace(r#""normalizer":null"#, map);
    let cases = [
        ("empty", "", "EOF while parsing"),
        ("garbage", "it is a truth universally acknowledged", "expected value at line 1"),
        ("truncated", &good[..good.len() / 2], "EOF while parsing"),
        ("no model", r#"{"version":"1.0"}"#, "model"),
        ("an empty object", "{}", "Model missing"),
        ("a configuration", r#"{"model_type":"llama","vocab_size":32000}"#, ""),
        ("a list", "[1, 2, 3]", "expected"),
        ("a broken decoder", &broken_decoder, "key must be a string"),
        ("a broken character map", &broken_map, "panics"),
        ("no vocabulary", empty, "no tokens in English text"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, json, cause) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, json).unwrap();
        let error = load_tokenizer(&path).unwrap_err();
        assert!(matches!(error, TokenizerError::Unusable { .. }), "{name}: {error:?}");
        let message = chain(&error);
        assert!(message.contains(name) && message.contains(cause), "{name}: {message}");
    }
}

#[cfg(feature = "tokenizers")]
#[test]
fn a_folder_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tokenizer.json")).unwrap();
    let message = chain(&load_tokenizer(folder.path()).unwrap_err());
    assert!(message.contains("tokenizer.json is no usable tokenizer: Is a directory"), "{message}");
}

#[cfg(feature = "tokenizers")]
#[test]
fn a_folder_stands_for_the_file_in_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(data("byte_level.json"), folder.path().join("tokenizer.json")).unwrap();
    let (one, other) =
        (load_tokenizer(folder.path()).unwrap(), load_tokenizer(data("byte_level.json")).unwrap());
    assert_eq!(one.ends(CORPUS), other.ends(CORPUS));
    assert!(one.to_string().ends_with("/tokenizer.json"));
}

#[cfg(feature = "tokenizers")]
#[test]
fn only_the_text_itself_counts() {
    let tokenizer = load_tokenizer(data("byte_level.json")).unwrap();
    let cases = [("", 0), ("a", 1), (" the", 1), ("🙂", 4), ("🙂🙂", 8)];
    for (text, tokens) in cases {
        assert_eq!(tokenizer.count(text), tokens, "{text:?}");
        assert_eq!(tokenizer.ends(text).len(), tokens as usize, "{text:?}");
    }
    assert_eq!(tokenizer.ends("🙂"), [4; 4], "tokens that share a character end behind it");
    assert!(tokenizer.count(CORPUS) > 10_000, "not truncated to 64");
}

#[cfg(feature = "tokenizers")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_text_cut_to_n_tokens_has_n_tokens(start in 0..CORPUS.len() - 2_000, length in 1_usize..2_000, n in 0_usize..600) {
        let text = &CORPUS[start..start + length];
        for tokenizer in tokenizers() {
            let n = n.min(tokenizer.ends(text).len());
            let found = bench_workloads::cut(&*tokenizer, text, n);
            prop_assert_eq!(tokenizer.count(found.text) as usize, found.tokens);
            // A character may make the difference of two tokens: then no beginning has one of them.
            let mut beginnings = text.char_indices().map(|(at, _)| &text[..at]);
            let has_n = |beginning| tokenizer.count(beginning) as usize == n;
            prop_assert!(found.tokens == n || !beginnings.any(has_n), "{:?}, not {}", found, n);
            prop_assert!(text.starts_with(found.text));
        }
    }

    #[test]
    fn any_text_is_cut_between_characters(text in "\\PC{0,40}", n in 0_usize..60) {
        for tokenizer in tokenizers() {
            let ends = tokenizer.ends(&text);
            prop_assert_eq!(ends.len(), tokenizer.count(&text) as usize);
            prop_assert!(ends.is_sorted() && ends.iter().all(|end| text.is_char_boundary(*end)));
            let found = bench_workloads::cut(&*tokenizer, &text, n);
            prop_assert!(found.tokens <= n);
            prop_assert_eq!(tokenizer.count(found.text) as usize, found.tokens);
        }
    }

    #[test]
    fn a_damaged_file_never_panics(at in 0_usize..30_000, byte: u8, truncate: bool) {
        let mut json = std::fs::read(data("byte_level.json")).unwrap();
        json[at] = byte;
        if truncate {
            json.truncate(at);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, json).unwrap();
        match load_tokenizer(&path) {
            Ok(tokenizer) => prop_assert!(tokenizer.count("It is a truth") > 0),
            Err(error) => prop_assert!(chain(&error).contains("tokenizer.json is no usable")),
        }
    }
}
