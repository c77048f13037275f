//! What there is said when there is no tokenizer.

use std::path::{Path, PathBuf};

use bench_workloads::load_tokenizer;

use crate::{chain, data};

#[test]
fn what_is_not_there_is_named_with_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let cases: [(PathBuf, &[&str]); 7] = [
        (empty.path().join("none.json"), &["none.json: pass", "nothing is downloaded"]),
        (empty.path().to_owned(), &["no tokenizer in ", "tokenizer.json, tekken.json, *.model"]),
        (PathBuf::from("Qwen/tokenizer.json"), &["no tokenizer at Qwen/tokenizer.json: pass"]),
        (
            PathBuf::from("no-such-org/none-1B"),
            &["looked in ", "`hf download no-such-org/none-1B tok"],
        ),
        (PathBuf::from("o200k-base"), &["no tokenizer at o200k-base", "did you mean o200k_base?"]),
        (PathBuf::from("CL100K_BASE"), &["did you mean cl100k_base?"]),
        (PathBuf::new(), &["no tokenizer at : pass"]),
    ];
    for (name, parts) in cases {
        let message = chain(&load_tokenizer(&name).unwrap_err());
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn what_a_build_cannot_read_says_which_feature_brings_it() {
    let cases = [
        ("tokenizers", cfg!(feature = "tokenizers"), data("byte_level.json")),
        ("tokenizers", cfg!(feature = "tokenizers"), data("sentencepiece_bpe.model")),
        ("tiktoken", cfg!(feature = "tiktoken"), data("ranks.tiktoken")),
        ("tiktoken", cfg!(feature = "tiktoken"), Path::new("o200k_base").to_owned()),
    ];
    for (feature, is_there, path) in cases {
        match load_tokenizer(&path) {
            Ok(_) => assert!(is_there),
            Err(error) => {
                assert!(!is_there, "{error}");
                let end = format!("cannot be read: built without the feature `{feature}`");
                assert!(error.to_string().ends_with(&end), "{error}");
            }
        }
    }
}
