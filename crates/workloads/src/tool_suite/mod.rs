//! The built-in questions about tools: eight functions, and which of them are to be called with what.
//!
//! They are small and ask for no knowledge: values stand in the question as they are to stand in the call, and
//! where a value could be written in several ways the schema lists its words.

mod functions;
mod questions;

use std::sync::Arc;

use bench_core::{Expected, Message, Role, Tool, ToolCall, ToolChoice};

use crate::{Ask, Conversation};

/// Whether the model has to call tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ToolUse {
    /// It may, and is to where that helps: all questions, those included that need no call.
    #[default]
    Free,
    /// It has to call some: the questions that need calls.
    Required,
    /// It has to call the one that is expected, which is named: the questions that need one call.
    Named,
}

/// A question, and the calls that answer it: function and arguments.
type Question = (&'static str, &'static [(&'static str, &'static str)]);

const SYSTEM: &str = "You can call functions. Call them where the question needs it and only then; several at once \
                      where it asks for several things. Use values just as they stand in the question.";

/// The questions, as conversations of one turn.
pub fn tool_suite(tool_use: ToolUse) -> Vec<Conversation> {
    let tools: Arc<[Tool]> = functions::all().into();
    let fits = |(_, (_, calls)): &(usize, &Question)| match tool_use {
        ToolUse::Free => true,
        ToolUse::Required => !calls.is_empty(),
        ToolUse::Named => calls.len() == 1,
    };
    let numbered = questions::ALL.iter().enumerate().filter(fits);
    numbered.map(|(n, question)| conversation(n, question, tool_use, &tools)).collect()
}

fn conversation(
    number: usize,
    &(text, calls): &Question,
    tool_use: ToolUse,
    tools: &Arc<[Tool]>,
) -> Conversation {
    let call = |(name, arguments): &(&str, &str)| ToolCall {
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    let ask = Ask {
        messages: vec![Message::new(Role::System, SYSTEM), Message::user(text)],
        expected: Some(Expected::ToolCalls(calls.iter().map(call).collect())),
        ..Ask::default()
    };
    let tool_choice = match (tool_use, calls) {
        (ToolUse::Free, _) => ToolChoice::Auto,
        (ToolUse::Named, [(name, _)]) => ToolChoice::Function((*name).to_owned()),
        (ToolUse::Named | ToolUse::Required, _) => ToolChoice::Required,
    };
    let id = format!("tools-{:02}", number + 1);
    Conversation { tools: Arc::clone(tools), tool_choice, ..Conversation::single(id, ask) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::{Rule, Rules};

    fn calls(conversation: &Conversation) -> &[ToolCall] {
        match &conversation.turns[0].expected {
            Some(Expected::ToolCalls(calls)) => calls,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_way_has_its_questions() {
        let [free, required, named] =
            [ToolUse::Free, ToolUse::Required, ToolUse::Named].map(tool_suite);
        assert_eq!([free.len(), required.len(), named.len()], [24, 20, 15]);
        assert!(required.iter().all(|c| !calls(c).is_empty()));
        for question in &named {
            let name = calls(question)[0].name.clone();
            assert_eq!(question.tool_choice, ToolChoice::Function(name));
        }
        let ids: BTreeSet<_> = free.iter().map(|question| &question.id).collect();
        assert_eq!(ids.len(), free.len());
        assert!(required.iter().all(|c| ids.contains(&c.id)), "one name wherever it is asked");
        assert!(Rules::new(Rule::default(), &free).is_ok());
    }

    /// Each expected call is one that the schema of its function allows.
    #[test]
    fn what_is_expected_is_possible() {
        for question in tool_suite(ToolUse::Free) {
            for call in calls(&question) {
                let tool = question.tools.iter().find(|tool| tool.name == call.name).unwrap();
                let schema: Value = serde_json::from_str(&tool.parameters).unwrap();
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
                let arguments = arguments.as_object().unwrap();
                let required = schema["required"].as_array().unwrap();
                assert_eq!(arguments.len(), required.len(), "{call:?}");
                for (name, value) in arguments {
                    assert!(required.contains(&Value::from(name.as_str())), "{call:?}");
                    let property = &schema["properties"][name];
                    let fits = match property["type"].as_str().unwrap() {
                        "string" => value.is_string(),
                        "integer" => value.is_i64(),
                        _ => value.is_number(),
                    };
                    assert!(fits, "{name} of {call:?}");
                    let words = property["enum"].as_array();
                    assert!(words.is_none_or(|words| words.contains(value)), "{name} of {call:?}");
                }
            }
        }
    }

    /// Nothing has to be guessed: a text or a number that is expected stands in the question.
    #[test]
    fn values_stand_in_their_question() {
        for question in tool_suite(ToolUse::Free) {
            let text = &question.turns[0].messages[1].content;
            for call in calls(&question) {
                let tool = question.tools.iter().find(|tool| tool.name == call.name).unwrap();
                let schema: Value = serde_json::from_str(&tool.parameters).unwrap();
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
                for (name, value) in arguments.as_object().unwrap() {
                    let is_word = schema["properties"][name].get("enum").is_some();
                    let written = value.as_str().map_or(value.to_string(), str::to_owned);
                    assert!(is_word || text.contains(&written), "{written} is not in: {text}");
                }
            }
        }
    }
}
