//! Each format of datasets, as it is in the world.

use std::{collections::HashSet, num::NonZeroUsize, time::Duration};

use bench_core::{Expected, Message, Role, TokenCounter, ToolCall, ToolChoice};
use bench_workloads::{
    Approximate, Ask, Columns, Conversation, ConversationStatistics, Convert, Dataset, DatasetFile,
    Format, count_tokens, write_conversations,
};
use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};

use crate::{data, tokenizers};

fn file(name: &str) -> DatasetFile {
    DatasetFile::new(data(&format!("datasets/{name}")))
}

fn read(name: &str) -> Dataset {
    file(name).read(&Approximate).unwrap_or_else(|e| panic!("{e}"))
}

/// What the users say, turn by turn.
fn questions(conversation: &Conversation) -> Vec<&str> {
    let messages = conversation.turns.iter().flat_map(|ask| &ask.messages);
    messages.filter(|m| m.role == Role::User).map(|m| &*m.content).collect()
}

fn begins(dataset: &Dataset) -> Vec<Option<Duration>> {
    dataset.conversations.iter().map(|conversation| conversation.begins).collect()
}

fn ids(dataset: &Dataset) -> Vec<&str> {
    dataset.conversations.iter().map(|conversation| &*conversation.id).collect()
}

#[test]
fn sharegpt_is_tidied_and_what_is_left_out_is_said() {
    let found = read("sharegpt.json");
    assert_eq!(found.format, Format::ShareGpt);
    assert_eq!(ids(&found), ["lampFix_0", "breadRye_0", "lampFix_1"]);
    let [lamp, bread, rest] = &found.conversations[..] else { panic!() };
    assert_eq!(questions(lamp), ["Why does my desk lamp flicker?", "It does not. What else?"]);
    let answer = lamp.turns[1].answer.as_ref().unwrap();
    assert!(answer.content.starts_with("Then look at the dimmer"));
    assert_eq!(lamp.turns[1].answer_tokens, Some(Approximate.count(&answer.content)));
    assert_eq!(lamp.turns[1].output_tokens, lamp.turns[1].answer_tokens);
    assert_eq!(bread.turns[0].messages[0], Message::new(Role::System, "You are a baker."));
    assert_eq!(questions(rest), ["The dimmer is old, yes."]);
    assert_eq!(
        found.notes,
        [
            "conversations begun with an answer, which was left out: 1",
            "conversations left out, in which somebody says nothing: 1",
            "conversations left out, whose speakers do not take turns: 1",
            "conversations left out, without a question: 1",
        ]
    );
}

#[test]
fn the_list_of_the_multi_turn_benchmark_is_conversations() {
    let found = read("multi_turn.json");
    assert_eq!(found.format, Format::Messages);
    assert_eq!(ids(&found), ["hK3vB0a", "pW91xQe"]);
    let first = &found.conversations[0];
    assert_eq!(questions(first), ["Name a river in Portugal.", "And where does it rise?"]);
    for ask in &first.turns {
        let answer = &ask.answer.as_ref().unwrap().content;
        assert_eq!(ask.output_tokens, Some(Approximate.count(answer)));
        assert_eq!(ask.tokens, Some(Approximate.count(&ask.messages[0].content)));
    }
    assert!(found.notes.is_empty());
}

#[test]
fn messages_have_tools_calls_and_images() {
    let found = read("messages.jsonl");
    assert_eq!(ids(&found), ["weather", "#2"]);
    let [weather, picture] = &found.conversations[..] else { panic!() };
    let [call, result, tomorrow] = &weather.turns[..] else { panic!("{:?}", weather.turns) };
    let calls = &call.answer.as_ref().unwrap().tool_calls;
    let expected = ToolCall { name: "weather".into(), arguments: r#"{"city": "Porto"}"#.into() };
    assert_eq!(calls[..], [expected]);
    assert_eq!(result.messages, [Message::tool(0, r#"{"rain": true}"#)]);
    assert_eq!(result.answer, Some(Message::assistant("Yes.")));
    assert_eq!((tomorrow.answer.as_ref(), tomorrow.output_tokens), (None, Some(64)));
    let [tool] = &weather.tools[..] else { panic!() };
    // As it stands in the file, the order of its fields included.
    assert!(tool.parameters.starts_with(r#"{"type": "object", "properties": {"city": "#));
    assert_eq!(weather.tool_choice, ToolChoice::Auto);
    let [asked] = &picture.turns[0].messages[..] else { panic!() };
    assert_eq!(asked.content, "What is on this picture?\nIn one word.");
    assert_eq!(asked.images[..], ["data:image/png;base64,iVBORw0KGgo=".into()]);
    assert_eq!(picture.turns[0].tokens, None);
}

#[test]
fn columns_are_guessed_and_said() {
    let prompts = read("prompts.jsonl");
    assert_eq!(prompts.format, Format::Columns);
    assert_eq!(ids(&prompts), ["#1", "#2"]);
    let outputs = prompts.conversations.iter().map(|c| c.turns[0].output_tokens);
    assert_eq!(outputs.collect::<Vec<_>>(), [Some(40), None]);

    let questions = read("questions.csv");
    let [first, second] = &questions.conversations[..] else { panic!() };
    assert_eq!((&*first.id, &*second.id), ("q1", "q2"));
    let first = &first.turns[0];
    assert_eq!(first.messages[0], Message::new(Role::System, "You are exact."));
    assert_eq!(first.messages[1], Message::user("What is 17 + 4, in words?"));
    assert_eq!(first.expected, Some(Expected::text("twenty-one")));
    assert_eq!(first.output_tokens, Some(8));
    let second = &second.turns[0];
    assert_eq!(second.messages.len(), 1);
    assert_eq!(second.messages[0].content, "Name the planet\nthat has the \"great red spot\".");
    assert_eq!(
        questions.notes,
        [
            "columns that were not named are guessed: prompt from `question`, system from `system_prompt`, \
          expected from `answer`, output tokens from `max_tokens`, id from `id`"
        ]
    );

    let alpaca = read("alpaca.json");
    let [sort, name] = &alpaca.conversations[..] else { panic!() };
    let asked = |c: &Conversation| c.turns[0].messages[0].content.clone();
    assert_eq!(asked(sort), "Sort these words by length.\n\noak, willow, ash, maple");
    assert_eq!(asked(name), "Name a tree that keeps its leaves in winter.");
    assert_eq!(sort.turns[0].answer, Some(Message::assistant("oak, ash, maple, willow")));
    assert_eq!(sort.turns[0].output_tokens, None);
}

#[test]
fn columns_that_are_named_are_taken() {
    let prompt = Some("answer".to_owned());
    let columns = Columns { prompt, expected: Some("question".into()), ..Columns::default() };
    let found = DatasetFile { columns, ..file("questions.csv") }.read(&Approximate).unwrap();
    assert_eq!(questions(&found.conversations[0]), ["twenty-one"]);
    let expected = Expected::text("What is 17 + 4, in words?");
    assert_eq!(found.conversations[0].turns[0].expected, Some(expected));
    assert_eq!(found.columns.unwrap().id.as_deref(), Some("id"));
}

#[test]
fn a_batch_of_openai_is_sent_as_it_stands() {
    let found = read("batch.jsonl");
    assert_eq!(found.format, Format::OpenAiBatch);
    assert_eq!(ids(&found), ["request-1", "request-2", "request-3"]);
    let [chat, tools, completion] = &found.conversations[..] else { panic!() };
    let ask = &chat.turns[0];
    assert_eq!((ask.messages.len(), ask.output_tokens), (2, Some(100)));
    let extra = |name: &str, json: &str| (name.to_owned(), json.to_owned());
    let format = r#"{"type": "json_object", "a": 1}"#;
    assert_eq!(ask.extra, [extra("response_format", format), extra("temperature", "0.5")]);
    // Few-shot examples are part of the request.
    assert_eq!((tools.turns.len(), tools.turns[0].messages.len()), (1, 3));
    assert_eq!(tools.tool_choice, ToolChoice::Function("count".into()));
    assert_eq!(tools.tools[0].name, "count");
    assert_eq!(questions(completion), ["Once upon a time"]);
    assert_eq!(completion.turns[0].extra, [extra("stop", r#"["\n"]"#)]);
}

#[test]
fn aiperfs_inputs_say_once_what_they_repeat() {
    let found = read("inputs.json");
    assert_eq!(found.format, Format::AiperfInputs);
    assert_eq!(ids(&found), ["0f6ad4b2", "77c1e9d0"]);
    let nest = &found.conversations[0];
    let asked = ["Which bird builds the largest nest?", "How heavy does it get?"];
    assert_eq!(questions(nest), asked);
    assert_eq!(nest.turns[0].answer, Some(Message::assistant("The bald eagle.")));
    assert_eq!(nest.turns[1].extra, [("min_tokens".to_owned(), "20".to_owned())]);
    let outputs: Vec<_> = nest.turns.iter().map(|ask| ask.output_tokens).collect();
    assert_eq!(outputs, [Some(30), Some(20)]);
}

#[test]
fn aiperfs_own_files_are_read() {
    let single = read("single_turn.jsonl");
    assert_eq!(single.format, Format::Aiperf);
    assert_eq!(begins(&single), [Some(Duration::ZERO), Some(Duration::from_micros(250_500))]);
    let [monad, images] = &single.conversations[..] else { panic!() };
    assert_eq!(monad.turns[0].output_tokens, Some(20));
    assert_eq!(monad.turns[0].extra, [("temperature".to_owned(), "0.1".to_owned())]);
    assert_eq!(questions(images), ["Compare these.", "Which is older?"]);
    assert_eq!(images.turns[0].messages[1].images.len(), 2);

    let multi = read("aiperf_multi_turn.jsonl");
    assert_eq!(ids(&multi), ["chat_1", "#2"]);
    let fugue = &multi.conversations[0];
    assert_eq!(fugue.turns[0].messages[0], Message::new(Role::System, "Be terse."));
    assert_eq!(questions(fugue), ["What is a fugue?", "Name one."]);
    assert_eq!(fugue.turns[1].delay, Duration::from_millis(2_500));
    assert_eq!(fugue.turns[1].output_tokens, Some(12));

    let pool = read("random_pool.jsonl");
    assert_eq!(questions(&pool.conversations[1]), ["and", "another"]);
}

#[test]
fn a_trace_of_mooncake_shares_what_its_blocks_share() {
    for tokenizer in tokenizers() {
        let found = file("mooncake.jsonl").read(&*tokenizer).unwrap();
        assert_eq!(found.format, Format::Mooncake);
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(begins(&found), [ms(0), ms(3_053), ms(3_053), ms(6_118)]);
        let texts: Vec<&str> = found.conversations.iter().map(|c| questions(c)[0]).collect();
        let lengths: Vec<u32> = texts.iter().map(|text| tokenizer.count(text)).collect();
        assert_eq!(lengths, [1300, 1024, 600, 512], "{tokenizer}");
        let tokens: Vec<_> = found.conversations.iter().map(|c| c.turns[0].tokens).collect();
        assert_eq!(tokens, lengths.into_iter().map(Some).collect::<Vec<_>>());
        // All but a few bytes where the second of two blocks may have been fitted in.
        let shared =
            |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        assert!(shared(texts[0], texts[1]) + 16 > texts[1].len(), "{tokenizer}");
        let block = shared(texts[1], texts[2]);
        assert!((block as f64 / texts[1].len() as f64 - 0.5).abs() < 0.1, "{tokenizer}: {block}");
        assert!(shared(texts[0], texts[3]) < 8, "{tokenizer}");
        assert_eq!(found, file("mooncake.jsonl").read(&*tokenizer).unwrap());
    }
    let other = DatasetFile { seed: 7, ..file("mooncake.jsonl") }.read(&Approximate).unwrap();
    assert_ne!(other.conversations, read("mooncake.jsonl").conversations);
}

#[test]
fn the_texts_of_a_trace_are_the_same_wherever_they_are_made() {
    // What another process made of the same file; it changes if and only if what is sent does.
    let found = read("mooncake.jsonl");
    let opening = |n: usize| &questions(&found.conversations[n])[0][..24];
    assert_eq!([opening(0), opening(3)], ["boy twenty Tranquility m", "fall twenty Tranquility "]);
}

#[test]
fn sessions_of_a_trace_are_conversations() {
    let found = read("mooncake_sessions.jsonl");
    assert_eq!(ids(&found), ["s1", "s2", "#3", "#4"]);
    let [s1, s2, text, payload] = &found.conversations[..] else { panic!() };
    let tokens: Vec<_> = s1.turns.iter().map(|ask| (ask.tokens, ask.output_tokens)).collect();
    assert_eq!(tokens, [(Some(30), Some(5)), (Some(20), Some(6))]);
    assert_eq!(s1.turns[1].delay, Duration::from_secs(1));
    assert_eq!(questions(s2), ["Hi", "Bye"]);
    assert_eq!(s2.turns[0].answer, Some(Message::assistant("Hello.")));
    assert_eq!(questions(text), ["On its own"]);
    assert_eq!(payload.turns[0].output_tokens, Some(9));
    assert_eq!(payload.turns[0].extra, [("seed".to_owned(), "1".to_owned())]);
    assert_eq!(payload.begins, Some(Duration::from_millis(901)));
}

#[test]
fn tables_of_requests_become_requests_of_their_lengths() {
    let ms = |ms| Some(Duration::from_millis(ms));
    for (name, format, lengths, outputs, begun) in [
        ("burstgpt.csv", Format::BurstGpt, [340, 52], [27, 310], [ms(0), ms(8_500)]),
        ("burstgpt_sessions.csv", Format::BurstGpt, [96, 41], [14, 88], [ms(0), ms(4_000)]),
        ("azure.csv", Format::Azure, [374, 39], [44, 109], [ms(0), ms(4_315)]),
        ("azure_2024.csv", Format::Azure, [91, 235], [6, 41], [ms(0), ms(7)]),
    ] {
        let found = read(name);
        assert_eq!(found.format, format);
        let turns = || found.conversations.iter().map(|c| &c.turns[0]);
        assert_eq!(turns().map(|ask| ask.tokens.unwrap()).collect::<Vec<_>>(), lengths, "{name}");
        let asked: Vec<_> = turns().map(|ask| ask.output_tokens.unwrap()).collect();
        assert_eq!(asked, outputs, "{name}");
        for (found, expected) in begins(&found).into_iter().zip(begun) {
            let off = found.unwrap().abs_diff(expected.unwrap());
            assert!(off < Duration::from_millis(1), "{name}: {found:?}");
        }
    }
    let failed = "requests left out, which have no tokens because they failed: 1";
    assert_eq!(read("burstgpt.csv").notes, [failed]);
}

#[test]
fn a_limit_takes_the_first_ones() {
    for (name, all) in [("sharegpt.json", 3), ("batch.jsonl", 3), ("mooncake_sessions.jsonl", 4)] {
        let whole = read(name).conversations;
        assert_eq!(whole.len(), all);
        for limit in 1..=all + 1 {
            let limited = DatasetFile { limit: NonZeroUsize::new(limit), ..file(name) };
            let found = limited.read(&Approximate).unwrap().conversations;
            assert_eq!(found.len(), limit.min(all), "{name}");
            assert_eq!(ids_of(&found), ids_of(&whole[..limit.min(all)]), "{name}");
        }
    }
}

fn ids_of(conversations: &[Conversation]) -> Vec<&str> {
    conversations.iter().map(|conversation| &*conversation.id).collect()
}

#[test]
fn a_format_can_be_named() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let format = Some(Format::Columns);
    let found = DatasetFile { format, ..file("single_turn.jsonl") };
    let error = found.read(&Approximate).unwrap_err();
    assert!(error.what.starts_with("`text` is missing; there is"), "{error}");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_columns_and_conversations() {
    let columns = read("questions.parquet");
    assert_eq!(columns.format, Format::Columns);
    let csv = read("questions.csv");
    assert_eq!(columns.conversations, csv.conversations);
    let nested = read("multi_turn.parquet");
    assert_eq!(nested.conversations, read("multi_turn.json").conversations);
}

#[test]
fn sharegpt_converts_to_conversations() {
    let path = data("datasets/sharegpt.json");
    let all = Convert::default().read(&path).unwrap();
    assert_eq!((all.entries, all.found), (6, 5));
    // The parts of one are put together, and what the second repeats is said once.
    let lamp = all.conversations.iter().find(|c| &*c.id == "lampFix").unwrap();
    assert_eq!(lamp.turns.len(), 3);
    // In German, which is not ASCII, and with a system message left out.
    assert!(all.conversations.iter().any(|c| &*c.id == "breadRye"));
    assert_eq!(all.conversations.len(), 2);
    assert_eq!(Convert::default().read(&path).unwrap(), all);

    let ids = |convert: Convert| {
        let found = convert.read(&path).map(|found| found.conversations);
        let mut ids: Vec<String> =
            found.unwrap_or_default().iter().map(|c| c.id.to_string()).collect();
        ids.sort();
        ids
    };
    let some = Convert::default;
    assert_eq!(ids(Convert { max_items: Some(1), ..some() }).len(), 1);
    assert_eq!(ids(Convert { min_turns: Some(4), ..some() }), ["lampFix"]);
    assert_eq!(ids(Convert { max_turns: Some(2), ..some() }), ["breadRye", "lampFix"]);
    assert_eq!(ids(Convert { max_content_len: Some(45), ..some() }), ["breadRye"]);
    assert_eq!(ids(Convert { min_content_len: Some(40), ..some() }), [""; 0]);
    let two = Convert { max_turns: Some(2), ..some() }.read(&path).unwrap();
    assert!(two.conversations.iter().all(|c| c.turns.len() == 1));
    let refused = Convert { min_turns: Some(4), max_turns: Some(2), ..some() }.read(&path);
    assert!(refused.unwrap_err().what.contains("at least 4 and at most 2"));
}

#[test]
fn statistics_are_of_all_conversations() {
    let found = ConversationStatistics::of(&read("multi_turn.json").conversations);
    let turns = found.turns.unwrap();
    assert_eq!((turns.count, turns.mean, turns.min, turns.max), (2, 3.0, 2.0, 4.0));
    assert_eq!(found.request_tokens.unwrap().count, 3);
}

/// A question, and what was answered.
type Exchange = (String, String);

/// Conversations that a list of messages can hold.
fn conversations() -> impl Strategy<Value = Vec<Conversation>> {
    let text = || "\\PC{1,20}|[a-z\"\\\\\n\t]{1,20}";
    let exchanges = prop::collection::vec((text(), text()), 1..4);
    let last = prop::option::of(text());
    prop::collection::vec((exchanges, last), 1..5).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        let mut all: Vec<_> = numbered.map(|(n, (e, last))| conversation(n, e, last)).collect();
        count_tokens(&mut all, &Approximate);
        for ask in all.iter_mut().flat_map(|conversation| &mut conversation.turns) {
            ask.output_tokens = ask.answer_tokens;
        }
        all
    })
}

fn conversation(n: usize, exchanges: Vec<Exchange>, last: Option<String>) -> Conversation {
    let ask = |(question, answer): Exchange| Ask {
        answer: Some(Message::assistant(answer)),
        ..Ask::user(question)
    };
    let turns = exchanges.into_iter().map(ask).chain(last.map(Ask::user)).collect();
    Conversation { id: format!("c {n}").into(), turns, ..Conversation::default() }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(conversations in conversations()) {
        let mut bytes = Vec::new();
        write_conversations(&mut bytes, &conversations).unwrap();
        let read = DatasetFile::new("written.json").read_from(&*bytes, &Approximate).unwrap();
        prop_assert_eq!(read.format, Format::Messages);
        prop_assert_eq!(read.conversations, conversations);
    }
}

#[test]
fn what_a_list_of_messages_has_no_room_for_is_not_written() {
    let plain = || Conversation::single("c", Ask::user("?"));
    let with = |change: fn(&mut Conversation)| {
        let mut conversation = plain();
        change(&mut conversation);
        conversation
    };
    let refused = [
        with(|c| c.tool_choice = ToolChoice::Required),
        with(|c| c.turns.push(Ask::user("and?"))),
        with(|c| c.turns[0].extra.push(("n".into(), "1".into()))),
        with(|c| c.turns[0].messages[0].role = Role::System),
        with(|c| c.turns[0].messages[0].images.push("data:,".into())),
        with(|c| c.turns[0].messages.clear()),
    ];
    let mut whats = HashSet::new();
    for conversation in refused {
        let mut bytes = Vec::new();
        let error = write_conversations(&mut bytes, &[plain(), conversation]).unwrap_err();
        assert!(bytes.is_empty(), "{error}");
        whats.insert(error.to_string());
    }
    assert_eq!(whats.len(), 5);
}
