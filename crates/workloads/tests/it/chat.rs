//! Chat templates, against what `transformers` makes of them, and lengths with them.

use std::{collections::HashMap, fs};

use bench_core::{Message, Role};
use bench_workloads::{
    ChatTemplate, ChatTemplateError, Counting, PrepareError, Synthetic, load_chat_template,
    load_tokenizer,
};
use serde_json::value::RawValue;

use crate::{chain, data, prepare, synthetic, text};

const TEMPLATES: [&str; 3] = ["chatml.jinja", "inst.jinja", "llama.jinja"];

fn template(file: &str) -> ChatTemplate {
    let tokens = [("bos_token", "<s>"), ("eos_token", "</s>")];
    let tokens = tokens.map(|(name, token)| (name.to_owned(), token.to_owned()));
    let source = fs::read_to_string(data("chat").join(file)).unwrap();
    ChatTemplate::new(&source, tokens.into()).unwrap()
}

/// The text of the items of a list at the top of a JSON text, as they stand: keys keep their order.
fn items(list: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(list.get()).unwrap()
}

#[test]
fn a_template_makes_the_text_that_transformers_makes() {
    let golden = fs::read_to_string(data("chat").join("golden.json")).unwrap();
    let raw: HashMap<&str, &RawValue> = serde_json::from_str(&golden).unwrap();
    let cases = items(raw["cases"]);
    for file in TEMPLATES {
        let template = template(file);
        let expected: Vec<Option<String>> = serde_json::from_str(raw[file].get()).unwrap();
        assert_eq!(cases.len(), expected.len());
        for (case, expected) in cases.iter().zip(expected) {
            let case = items(case);
            let tools = Some(case[1].get()).filter(|tools| *tools != "null");
            match (template.render_json(case[0].get(), tools), expected) {
                (Ok(text), Some(expected)) => assert_eq!(text, expected, "{file}: {}", case[0]),
                (Err(error), None) => {
                    let message = chain(&error);
                    assert!(message.contains("Roles must alternate"), "{file}: {message}");
                }
                (rendered, expected) => {
                    panic!("{file}: {}: {rendered:?}, not {expected:?}", case[0])
                }
            }
        }
    }
}

#[test]
fn messages_are_rendered_by_their_roles() {
    let messages = [Message::new(Role::System, "Be brief."), Message::new(Role::User, "Why?")];
    let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n\
                    <|im_start|>assistant\n";
    assert_eq!(template("chatml.jinja").render(&messages, None).unwrap(), expected);
}

#[test]
fn a_template_is_found_beside_the_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    fs::copy(data("byte_level.json"), folder.path().join("tokenizer.json")).unwrap();
    let found = || load_chat_template(folder.path());
    let rendered = || found().unwrap().render(&[], None).unwrap();

    let error = found().unwrap_err();
    assert!(matches!(error, ChatTemplateError::NotFound { .. }), "{error}");
    write(
        "tokenizer_config.json",
        r#"{"chat_template": "config {{ bos_token }}", "bos_token": {"content": "<s>"}}"#,
    );
    assert_eq!(rendered(), "config <s>");
    write(
        "chat_template.json",
        r#"{"chat_template": [{"name": "rag", "template": "no"}, {"name": "default", "template": "json"}]}"#,
    );
    assert_eq!(rendered(), "json");
    write(
        "chat_template.jinja",
        "{% generation %}jinja{%- endgeneration -%} {{ {'b': '<é>', 'a': [1, none]} | tojson }}",
    );
    assert_eq!(rendered(), r#"jinja{"b": "<é>", "a": [1, null]}"#);
    write("chat_template.jinja", "{% for %}");
    assert!(
        chain(&found().unwrap_err())
            .starts_with("the chat template cannot be rendered: syntax error")
    );

    let error = load_chat_template("o200k_base").unwrap_err();
    assert!(matches!(error, ChatTemplateError::NotFound { .. }), "{error}");
    assert!(matches!(
        load_chat_template("no-such-org/model").unwrap_err(),
        ChatTemplateError::Tokenizer(_)
    ));
}

#[test]
fn a_length_is_that_of_the_templated_prompt() {
    for tokenizer in ["byte_level.json", "added_tokens.json", "sentencepiece_bpe.model"] {
        let tokenizer = load_tokenizer(data(tokenizer)).unwrap();
        for file in TEMPLATES {
            let template = template(file);
            let user = |content: &str| {
                let message = Message::user(content);
                tokenizer.count(&template.render(&[message], None).unwrap())
            };
            let around = user("");
            let templated = |isl, count| Synthetic {
                counting: Counting::Templated(template.clone()),
                ..synthetic(isl, count, 5)
            };
            for (more, count) in [(2, 100), (17, 100), (128, 20), (1_024, 3)] {
                let isl = around + more;
                let pool = prepare(&templated(isl, count), &*tokenizer);
                assert_eq!(pool.inexact(), 0, "{tokenizer}, {file}: {isl}");
                for request in pool.requests() {
                    assert_eq!(request.input_tokens, Some(isl));
                    assert_eq!(user(text(request)), isl, "{tokenizer}, {file}");
                }
            }
            let line = prepare(&templated(500, 1), &*tokenizer).describe().to_owned();
            assert!(line.starts_with("synthetic ISL 500 with the chat template OSL"), "{line}");

            let short = templated(around, 1).prepare(&*tokenizer, &crate::plain).unwrap_err();
            let PrepareError::TooShort { isl, template } = short else { panic!("{short}") };
            assert_eq!((isl, template), (around, around));
        }
    }
}

#[test]
fn what_is_no_chat_is_in_no_template() {
    let chat = Synthetic {
        counting: Counting::Templated(template("chatml.jinja")),
        ..synthetic(500, 2, 5)
    };
    let tokenizer = load_tokenizer(data("byte_level.json")).unwrap();
    let two = Synthetic { texts: 2.try_into().unwrap(), ..chat.clone() };
    let ids = Synthetic { token_ids: true, ..chat };
    for config in [two, ids] {
        let error = config.prepare(&*tokenizer, &crate::plain).unwrap_err();
        assert!(matches!(error, PrepareError::NoChat), "{error}");
    }
}

#[test]
fn what_a_template_asks_for_is_there() {
    let render = |source: &str| -> Result<String, String> {
        let template = ChatTemplate::new(source, [].into()).map_err(|error| chain(&error))?;
        template.render(&[], None).map_err(|error| chain(&error))
    };
    assert_eq!(render("{{ strftime_now('%Y') | length }}").unwrap(), "4");
    assert_eq!(
        render("{{ [1, {'a': 2}] | tojson(indent=2) }}").unwrap(),
        "[\n  1,\n  {\n    \"a\": 2\n  }\n]"
    );
    assert_eq!(render("{% if tools is none %}none{% endif %}{{ nothing }}").unwrap(), "none");
    assert!(render("{{ raise_exception('not so') }}").unwrap_err().contains("not so"));
    assert!(render("{% for i in range(100000000) %}{% endfor %}").is_err());
}
