//! Answers that say something: what a client expects, or what it does not.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

/// What is answered to questions, by the text of the last message of the user, in chats; to all else what every
/// answer says.
pub type Answers = BTreeMap<String, Said>;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// This text, a word of which is a token.
    Text(String),
    /// These calls of functions, one after the other. Without tools in the request, or if none is to be called, it is
    /// no answer.
    Calls(Vec<Call>),
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function's name.
    pub name: String,
    /// Its arguments, as JSON text.
    pub arguments: String,
}

/// Characters of arguments in a token.
const PIECE: usize = 6;

/// The tokens of an answer, each as it stands in the JSON of an event. Cloning shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    tokens: Arc<[String]>,
    /// All of the calls, as they stand in the JSON of an answer that comes whole.
    calls: Option<Arc<str>>,
}

impl Pieces {
    /// The tokens of `said`; `None` if there are none.
    pub(crate) fn of(said: &Said) -> Option<Self> {
        let (tokens, calls): (Vec<String>, Option<Arc<str>>) = match said {
            Said::Text(text) => {
                (text.split_inclusive(char::is_whitespace).map(escaped).collect(), None)
            }
            Said::Calls(calls) => {
                let tokens = calls.iter().enumerate().flat_map(|(index, call)| call.tokens(index));
                let whole = calls.iter().enumerate().map(|(index, call)| call.whole(index));
                (tokens.collect(), Some(json!(whole.collect::<Vec<_>>()).to_string().into()))
            }
        };
        (!tokens.is_empty()).then(|| Self { tokens: tokens.into(), calls })
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.calls.is_some()
    }

    /// What a message with the first `tokens` holds. Calls that are cut off are none.
    pub(crate) fn write_whole(&self, out: &mut Vec<u8>, tokens: u32) {
        match &self.calls {
            None => self.write(out, 0..tokens),
            Some(calls) => {
                out.extend_from_slice(br#""content":null,"tool_calls":"#);
                let is_whole = tokens == self.count();
                out.extend_from_slice(if is_whole { calls.as_bytes() } else { b"[]" });
            }
        }
    }

    /// What a delta with these of its tokens holds.
    pub(crate) fn write(&self, out: &mut Vec<u8>, tokens: std::ops::Range<u32>) {
        let tokens = &self.tokens[tokens.start as usize..tokens.end as usize];
        let (before, between, after) = match self.has_calls() {
            true => (r#""tool_calls":["#, ",", "]"),
            false => (r#""content":""#, "", "\""),
        };
        out.extend_from_slice(before.as_bytes());
        for (place, token) in tokens.iter().enumerate() {
            let between = if place == 0 { "" } else { between };
            out.extend_from_slice(between.as_bytes());
            out.extend_from_slice(token.as_bytes());
        }
        out.extend_from_slice(after.as_bytes());
    }
}

impl Call {
    /// The name, then the arguments bit by bit, as vLLM streams them.
    fn tokens(&self, index: usize) -> impl Iterator<Item = String> {
        let function = json!({"name": self.name, "arguments": ""});
        let begins =
            json!({"index": index, "id": id(index), "type": "function", "function": function});
        let characters: Vec<char> = self.arguments.chars().collect();
        let bits: Vec<String> =
            characters.chunks(PIECE).map(|bit| bit.iter().collect::<String>()).collect();
        let further = move |bit| json!({"index": index, "function": {"arguments": bit}});
        let further = bits.into_iter().map(move |bit| further(bit).to_string());
        std::iter::once(begins.to_string()).chain(further)
    }

    fn whole(&self, index: usize) -> serde_json::Value {
        let function = json!({"name": self.name, "arguments": self.arguments});
        json!({"id": id(index), "type": "function", "function": function})
    }
}

fn id(index: usize) -> String {
    format!("call-{index}")
}

/// A text as it stands between quotes.
fn escaped(text: &str) -> String {
    let quoted = json!(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn written(said: &Said, from: u32, to: u32) -> String {
        let mut out = Vec::new();
        Pieces::of(said).unwrap().write(&mut out, from..to);
        String::from_utf8(out).unwrap()
    }

    fn whole(said: &Said, tokens: u32) -> String {
        let mut out = Vec::new();
        Pieces::of(said).unwrap().write_whole(&mut out, tokens);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_comes_word_by_word() {
        let said = Said::Text("It is \"4\".\nYes".to_owned());
        assert_eq!(Pieces::of(&said).unwrap().count(), 4);
        assert_eq!(written(&said, 1, 4), r#""content":"is \"4\".\nYes""#);
        assert_eq!(whole(&said, 2), r#""content":"It is ""#);
        assert_eq!(Pieces::of(&Said::Text(String::new())), None);
    }

    #[test]
    fn calls_come_one_after_the_other() {
        let call = |name: &str| Call { name: name.to_owned(), arguments: "{\"a\": 12}".to_owned() };
        let said = Said::Calls(vec![call("f"), call("g")]);
        assert_eq!(Pieces::of(&said).unwrap().count(), 6);
        let parsed =
            |json: String| -> Value { serde_json::from_str(&format!("{{{json}}}")).unwrap() };
        let name = json!({"name": "g", "arguments": ""});
        assert_eq!(
            parsed(written(&said, 2, 4)),
            json!({"tool_calls": [
                {"index": 0, "function": {"arguments": "12}"}},
                {"index": 1, "id": "call-1", "type": "function", "function": name},
            ]})
        );
        let calls = parsed(whole(&said, 6));
        assert_eq!(calls["tool_calls"][1]["function"]["arguments"], "{\"a\": 12}");
        assert_eq!(whole(&said, 5), r#""content":null,"tool_calls":[]"#);
    }
}
