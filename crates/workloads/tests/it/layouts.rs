//! That every layout of a tokenizer is read as its own program reads it.

use std::fs;

use bench_workloads::{Tokenizer, TokenizerError, load_tokenizer};
use serde_json::Value;

use crate::{chain, data};

fn golden() -> Value {
    serde_json::from_slice(&fs::read(data("golden.json")).unwrap()).unwrap()
}

/// Checks that `tokenizer` does what `reference` was recorded to do.
fn check(reference: &str, tokenizer: &dyn Tokenizer) {
    let golden = golden();
    let texts = golden["texts"].as_array().unwrap();
    let expected = golden[reference].as_array().unwrap();
    assert_eq!(texts.len(), expected.len());
    for (text, expected) in texts.iter().zip(expected).filter(|(_, expected)| !expected.is_null()) {
        let text = text.as_str().unwrap();
        let ids = tokenizer.ids(text).unwrap();
        assert_eq!(serde_json::json!(ids), *expected, "{reference}: {text:?}");
        assert_eq!(tokenizer.count(text) as usize, ids.len());
        let ends = tokenizer.ends(text);
        assert_eq!(ends.len(), ids.len());
        assert!(ends.is_sorted() && ends.iter().all(|end| text.is_char_boundary(*end)));
    }
}

/// Writes files into a folder of their own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn json(file: &str) -> Value {
    serde_json::from_slice(&fs::read(data(file)).unwrap()).unwrap()
}

/// The `vocab.json` and `merges.txt` that say the same as `byte_level.json`.
fn byte_pairs() -> (String, String) {
    let model = &json("byte_level.json")["model"];
    let merges = model["merges"].as_array().unwrap().iter();
    let merges =
        merges.map(|pair| format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    (model["vocab"].to_string(), format!("#version: 0.2\n{}", merges.collect::<String>()))
}

#[test]
fn files_of_hugging_face_are_read_as_its_library_does() {
    for file in ["added_tokens.json", "unigram.json"] {
        check(file, &*load_tokenizer(data(file)).unwrap());
    }
}

#[test]
fn merges_beside_a_vocabulary_are_read_as_transformers_does() {
    let (vocab, merges) = byte_pairs();
    for class in ["GPT2Tokenizer", "Qwen2Tokenizer"] {
        let config = format!(r#"{{"tokenizer_class": "{class}Fast"}}"#);
        let files = [
            ("vocab.json", &*vocab),
            ("merges.txt", &*merges),
            ("tokenizer_config.json", &*config),
        ];
        let folder = folder(&files);
        check(&format!("byte_pairs {class}"), &*load_tokenizer(folder.path()).unwrap());
        let by_file = load_tokenizer(folder.path().join("vocab.json")).unwrap();
        assert_eq!(by_file.decode(&by_file.ids("don't stop").unwrap()).unwrap(), "don't stop");
    }
}

#[test]
fn a_vocabulary_without_what_it_needs_says_what_is_missing() {
    let (vocab, merges) = byte_pairs();
    let alone = folder(&[("vocab.json", &vocab)]);
    let message = chain(&load_tokenizer(alone.path()).unwrap_err());
    assert!(
        message.ends_with("vocab.json is no usable tokenizer: there is no merges.txt beside it")
    );

    let config = r#"{"tokenizer_class": "CLIPTokenizer"}"#;
    let files =
        [("vocab.json", &*vocab), ("merges.txt", &*merges), ("tokenizer_config.json", config)];
    let message = chain(&load_tokenizer(folder(&files).path()).unwrap_err());
    assert!(message.contains("how CLIPTokenizer splits words is not in these files"), "{message}");
}

#[test]
fn word_pieces_are_read_as_transformers_does() {
    let vocab = json("word_pieces.json")["model"]["vocab"].clone();
    let mut vocab: Vec<(&str, u64)> = vocab
        .as_object()
        .unwrap()
        .iter()
        .map(|(token, id)| (token.as_str(), id.as_u64().unwrap()))
        .collect();
    vocab.sort_unstable_by_key(|(_, id)| *id);
    let lines: String = vocab.iter().map(|(token, _)| format!("{token}\n")).collect();
    let folder = folder(&[("vocab.txt", &lines)]);
    let tokenizer = load_tokenizer(folder.path()).unwrap();
    check("vocab.txt", &*tokenizer);
    assert_eq!(tokenizer.vocabulary().unwrap().around, 2);
}

#[test]
fn models_of_sentencepiece_are_read_as_it_does() {
    for file in ["sentencepiece_bpe.model", "sentencepiece_unigram.model"] {
        let tokenizer = load_tokenizer(data(file)).unwrap();
        check(file, &*tokenizer);
        let ids = tokenizer.ids("It is a truth").unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), "It is a truth");
    }
}

#[test]
fn a_damaged_model_of_sentencepiece_is_named_with_the_cause() {
    let good = fs::read(data("sentencepiece_bpe.model")).unwrap();
    let cases: [(&[u8], &str); 4] = [
        (&good[..good.len() / 2], "cut short"),
        (b"\x0a", "cut short"),
        (b"\x0a\x02\xff\xff", "cut short"),
        (b"\x0a\x05\x0a\x03abc\x12\x02\x18\x03", "whole words or characters"),
    ];
    for (bytes, cause) in cases {
        let folder = folder(&[]);
        let path = folder.path().join("tokenizer.model");
        fs::write(&path, bytes).unwrap();
        let message = chain(&load_tokenizer(&path).unwrap_err());
        assert!(message.contains("tokenizer.model") && message.contains(cause), "{message}");
    }
}

#[test]
fn ranks_are_read_as_tiktoken_and_mistral_do() {
    for file in ["ranks.tiktoken", "tekken.json"] {
        let tokenizer = load_tokenizer(data(file)).unwrap();
        check(file, &*tokenizer);
        let text = "don't stop, 世界 🙂";
        assert_eq!(tokenizer.decode(&tokenizer.ids(text).unwrap()).unwrap(), text);
    }
    // As Llama 3 names it: what is in it tells it from a model of SentencePiece.
    let folder = folder(&[]);
    fs::copy(data("ranks.tiktoken"), folder.path().join("tokenizer.model")).unwrap();
    let tokenizer = load_tokenizer(folder.path()).unwrap();
    check("ranks.tiktoken", &*tokenizer);
    assert!(tokenizer.to_string().ends_with("tokenizer.model (words as in cl100k_base)"));
}

#[test]
fn ranks_that_would_fail_later_are_refused() {
    let cases = [
        ("", "it has no token for the byte 0x00"),
        ("AA== 0\nIQ==\n", "line 2 is not a token in base64, a space and its rank"),
        ("AA== 0\nIQ== 0\n", "two of its tokens have the same rank"),
    ];
    for (text, cause) in cases {
        let folder = folder(&[("a.tiktoken", text)]);
        let message = chain(&load_tokenizer(folder.path()).unwrap_err());
        assert!(message.ends_with(cause), "{message}");
    }
}

#[test]
fn vocabularies_are_built_in() {
    // By tiktoken 0.14.
    let text = "don't STOP: 1234567 你好🙂";
    let cases = [
        (
            "cl100k_base",
            vec![15357, 956, 46637, 25, 220, 4513, 10961, 22, 220, 57668, 53901, 9468, 19044],
            100_256,
        ),
        ("o200k_base", vec![91418, 82926, 25, 220, 7633, 19354, 22, 220, 177519, 37459], 199_998),
    ];
    for (name, ids, size) in cases {
        let tokenizer = load_tokenizer(name).unwrap();
        assert_eq!(tokenizer.to_string(), name);
        assert_eq!(tokenizer.ids(text).unwrap(), ids, "{name}");
        assert_eq!(tokenizer.decode(&tokenizer.ids(text).unwrap()).unwrap(), text);
        assert_eq!(tokenizer.vocabulary().unwrap().size, size);
    }
}

#[test]
fn a_model_in_the_cache_of_the_hub_is_found() {
    let cache = folder(&[]);
    let model = cache.path().join("models--org--name");
    let snapshot = model.join("snapshots").join("0123abc");
    fs::create_dir_all(&snapshot).unwrap();
    let none = load_tokenizer(&model).unwrap_err();
    assert!(matches!(none, TokenizerError::NoneInFolder { .. }), "{none}");
    assert!(none.to_string().contains("it has none of tokenizer.json, "), "{none}");

    fs::copy(data("byte_level.json"), snapshot.join("tokenizer.json")).unwrap();
    let only = load_tokenizer(&model).unwrap();
    assert!(only.to_string().ends_with("models--org--name/snapshots/0123abc/tokenizer.json"));

    // Of several revisions, that of the branch counts.
    fs::create_dir_all(model.join("snapshots").join("999")).unwrap();
    assert!(load_tokenizer(&model).is_err());
    fs::create_dir_all(model.join("refs")).unwrap();
    fs::write(model.join("refs").join("main"), "0123abc\n").unwrap();
    assert_eq!(load_tokenizer(&model).unwrap().to_string(), only.to_string());
    // A branch that points out of the folder is not followed.
    fs::write(model.join("refs").join("main"), "../../..").unwrap();
    assert!(load_tokenizer(&model).is_err());
}
