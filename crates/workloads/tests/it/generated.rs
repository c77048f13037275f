//! Conversations made of texts.

use std::{collections::HashSet, path::Path};

use bench_workloads::{
    Approximate, Conversation, DatasetFile, Format, Generate, Generated, Tokenizer,
    write_conversations,
};

use crate::{CORPUS, data, tokenizers};

const REQUEST: &str = "Please rewrite the following text and add more content: ";

fn config(change: impl Fn(&mut serde_json::Value)) -> String {
    let text = std::fs::read_to_string(data("datasets/generate_multi_turn.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    change(&mut json);
    json.to_string()
}

fn generate(config: &str, tokenizer: &dyn Tokenizer, seed: u64) -> Generated {
    let path = Path::new("config.json");
    Generate::parse(config, path).unwrap().generate(CORPUS, tokenizer, seed, path).unwrap()
}

fn question(conversation: &Conversation, turn: usize) -> &str {
    &conversation.turns[turn].messages[0].content
}

#[test]
fn questions_have_the_tokens_asked_for_and_the_shape_of_the_benchmark() {
    for tokenizer in tokenizers() {
        // No common prefix, which may be longer than a question.
        let config = config(|json| {
            json["prompt_input"]["common_prefix_num_tokens"]["value"] = 0.into();
            json["prompt_input"]["prefix_num_tokens"] =
                serde_json::json!({"distribution": "constant", "value": 100});
            json["prompt_input"]["num_tokens"] =
                serde_json::json!({"distribution": "constant", "value": 80});
        });
        let found = generate(&config, &*tokenizer, 1);
        assert_eq!(found.conversations.len(), 6);
        for (number, conversation) in found.conversations.iter().enumerate() {
            assert_eq!(&*conversation.id, format!("CONV_ID_{number}"));
            assert!((2..=4).contains(&conversation.turns.len()));
            for (turn, ask) in conversation.turns.iter().enumerate() {
                let text = question(conversation, turn);
                let tokens = if turn == 0 { 180 } else { 80 };
                assert_eq!(tokenizer.count(text), tokens, "{tokenizer}: {text}");
                assert_eq!(ask.tokens, Some(tokens));
                let opening = format!("{number} is a nice number... ");
                let rest = text.strip_prefix(&opening).unwrap();
                let (prefix, body) = rest.split_once(REQUEST).unwrap();
                assert_eq!(prefix.starts_with(&format!("{number}, ")), turn == 0);
                assert_eq!(prefix.is_empty(), turn > 0);
                assert!(body.len() > 20);
                assert!((8..=12).contains(&ask.output_tokens.unwrap()));
                assert_eq!(ask.answer_tokens, ask.output_tokens);
            }
        }
        assert_eq!(found.notes, [""; 0], "{tokenizer}");
    }
}

#[test]
fn a_common_prefix_is_that_of_all_first_questions() {
    for tokenizer in tokenizers() {
        let found = generate(&config(|_| ()), &*tokenizer, 1);
        let first = question(&found.conversations[0], 0);
        let (common, _) = first.split_once("0 is a nice number... ").unwrap();
        assert_eq!(tokenizer.count(common), 50, "{tokenizer}");
        assert!(common.ends_with('.'));
        for (number, conversation) in found.conversations.iter().enumerate() {
            let opening = format!("{common}{number} is a nice number... ");
            assert!(question(conversation, 0).starts_with(&opening), "{tokenizer}");
            assert!(!question(conversation, 1).starts_with(common));
        }
    }
}

/// All of the text that questions take, in windows of so many bytes.
fn windows(conversations: &[Conversation], bytes: usize) -> Vec<String> {
    let bodies = conversations.iter().flat_map(|conversation| {
        let questions = (0..conversation.turns.len()).map(|turn| question(conversation, turn));
        questions.map(|text| text.split_once(REQUEST).unwrap().1.as_bytes().to_vec())
    });
    let windows = bodies.flat_map(|body| {
        body.windows(bytes).map(|w| String::from_utf8_lossy(w).into_owned()).collect::<Vec<_>>()
    });
    windows.collect()
}

#[test]
fn no_two_questions_share_text_while_there_is_enough() {
    let found = generate(&config(|_| ()), &Approximate, 3);
    assert!(!found.notes.iter().any(|note| note.contains("come again")), "{:?}", found.notes);
    let windows = windows(&found.conversations, 60);
    let distinct: HashSet<&String> = windows.iter().collect();
    assert!(windows.len() > 1_000 && distinct.len() == windows.len());
}

#[test]
fn texts_that_are_too_short_come_again_from_elsewhere() {
    let many = config(|json| json["num_conversations"] = 200.into());
    let found = generate(&many, &Approximate, 3);
    assert_eq!(found.conversations.len(), 200);
    let note = found.notes.iter().find(|note| note.contains("come again")).unwrap();
    assert!(note.starts_with("the texts have "), "{note}");
    let bodies: HashSet<&str> = found
        .conversations
        .iter()
        .map(|conversation| question(conversation, 1).split_once(REQUEST).unwrap().1)
        .collect();
    assert_eq!(bodies.len(), 200);
}

#[test]
fn the_same_seed_makes_the_same_conversations() {
    let config = config(|_| ());
    assert_eq!(generate(&config, &Approximate, 1), generate(&config, &Approximate, 1));
    let other = generate(&config, &Approximate, 2);
    assert_ne!(generate(&config, &Approximate, 1).conversations, other.conversations);
}

#[test]
fn a_configuration_is_a_dataset_and_can_be_written_as_a_list() {
    let path = data("datasets/generate_multi_turn.json");
    let found = DatasetFile::new(&path).read(&Approximate).unwrap();
    assert_eq!((found.format, found.conversations.len()), (Format::Generate, 6));
    let mut bytes = Vec::new();
    write_conversations(&mut bytes, &found.conversations).unwrap();
    let read = DatasetFile::new("written.json").read_from(&*bytes, &Approximate).unwrap();
    assert_eq!(read.conversations, found.conversations);
}

#[test]
fn what_cannot_be_generated_names_the_field() {
    let refused = |change: fn(&mut serde_json::Value)| {
        let error = Generate::parse(&config(change), Path::new("c.json")).unwrap_err();
        error.to_string()
    };
    type Case = (fn(&mut serde_json::Value), &'static str);
    let cases: [Case; 12] = [
        (|j| j["filetype"] = "other".into(), "`filetype` is `other`"),
        (|j| j["num_conversations"] = 0.into(), "`num_conversations` is 0"),
        (|j| j["num_conversations"] = 1.5.into(), "`num_conversations` is 1.5"),
        (|j| j["num_conversations"] = 1e300.into(), "`num_conversations` is"),
        (|j| j["text_files"] = "a.txt".into(), "`text_files`: invalid type"),
        (|j| j["text_files"] = [""; 0].into(), "`text_files` is an empty list"),
        (|j| j["print_stats"] = 1.into(), "`print_stats`: invalid type"),
        (|j| j["prompt_input"] = serde_json::Value::Null, "`prompt_input` is missing"),
        (
            |j| j["prompt_output"] = serde_json::json!({}),
            "`prompt_output`: `num_tokens` is missing",
        ),
        (
            |j| j["prompt_input"]["num_turns"] = serde_json::json!({"distribution": "normal"}),
            "`prompt_input`: `num_turns`: there is no distribution `normal`",
        ),
        (
            |j| j["prompt_input"]["num_tokens"]["min"] = (-3).into(),
            "`prompt_input`: `num_tokens`: `min` is -3: give more than 0",
        ),
        (
            |j| j["prompt_input"]["prefix_num_tokens"] = serde_json::Value::Null,
            "`prompt_input`: `prefix_num_tokens` is missing",
        ),
    ];
    for (change, expected) in cases {
        let found = refused(change);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn lengths_without_measure_are_refused() {
    let wild = config(|json| {
        json["prompt_input"]["num_tokens"] =
            serde_json::json!({"distribution": "lognormal", "mean": 600, "sigma": 1});
    });
    let path = Path::new("c.json");
    let config = Generate::parse(&wild, path).unwrap();
    let error = config.generate(CORPUS, &Approximate, 1, path).unwrap_err();
    assert!(error.what.starts_with("`prompt_input.num_tokens` came to"), "{error}");
    assert!(error.remedy.contains("`max`"));
    let error = config.generate("", &Approximate, 1, path).unwrap_err();
    assert_eq!(error.what, "the texts are empty");
}

#[test]
fn a_text_that_is_not_there_says_where_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let json = config(|json| json["text_files"] = ["pg1184.txt"].into());
    std::fs::write(&path, json).unwrap();
    let error = DatasetFile::new(&path).read(&Approximate).unwrap_err();
    assert!(error.what.contains("pg1184.txt is neither in"), "{error}");
    assert!(error.remedy.contains("gutenberg.org/ebooks/1184"), "{}", error.remedy);
    std::fs::write(folder.path().join("pg1184.txt"), "\u{FEFF}Any text will do. ").unwrap();
    assert_eq!(DatasetFile::new(&path).read(&Approximate).unwrap().conversations.len(), 6);
    std::fs::write(folder.path().join("pg1184.txt"), b"caf\xE9").unwrap();
    let error = DatasetFile::new(&path).read(&Approximate).unwrap_err();
    assert!(error.path.ends_with("pg1184.txt") && error.what.contains("no UTF-8"), "{error}");
}
