//! What a client asks to be generated.

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    config::{BLOCK_TOKENS, Config},
    events::share,
    prefix_cache::PrefixBlocks,
    response::ApiError,
    results::{self, TextHash},
    said::{Pieces, Said},
    simulation::Simulation,
};

/// What a client asks to be generated: a request that will be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) endpoint: Endpoint,
    /// What is to be said of each text, where that is no text itself.
    pub(crate) results: Box<[TextHash]>,
    pub(crate) prompt_tokens: u32,
    /// Those of the prompt that were in the prefix cache, where there is one.
    pub(crate) cached_tokens: Option<u32>,
    /// Of results 1: they are there when the first token would be.
    pub(crate) output_tokens: u32,
    /// What the answer says, if not what all do.
    pub(crate) says: Option<Pieces>,
    pub(crate) finish: Finish,
    pub(crate) delivery: Delivery,
}

/// Why an answer has no more tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// It has all that were asked for.
    Length,
    /// The server stopped before.
    Stop,
    /// Tools are to be called.
    ToolCalls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
    Rerank,
}

impl Endpoint {
    /// Whether tokens are generated; else the answer is a result, and comes whole.
    pub(crate) fn generates(self) -> bool {
        matches!(self, Self::Chat | Self::Completions)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Stream(Usage),
}

/// Where a stream says its token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    Nowhere,
    AtTheEnd,
    InEachEvent,
}

impl Generation {
    /// The generation that `body` asks for.
    ///
    /// Prompts are counted at one token a word, words being what white space separates; token ids
    /// are counted as they are. A prompt that is refused does not come into the prefix cache.
    pub(crate) fn parse(
        simulation: &Simulation,
        endpoint: Endpoint,
        body: &[u8],
    ) -> Result<Self, ApiError> {
        let config = &simulation.config;
        let body: Body =
            serde_json::from_slice(body).map_err(|error| bad_request(error.to_string()))?;
        if let Some(model) = body.model.as_deref().filter(|model| *model != config.model) {
            let message =
                format!("The model `{model}` does not exist. Valid aliases: {}.", config.model);
            return Err(ApiError::new(404, message).of_param("model"));
        }
        if !endpoint.generates() {
            return body.results(config, endpoint);
        }
        if body.n.is_some_and(|n| n != 1) {
            return Err(bad_request("the simulator answers with one choice").of_param("n"));
        }
        let prompt_tokens = match endpoint {
            Endpoint::Chat => {
                let messages = body.messages.as_deref().filter(|messages| !messages.is_empty());
                messages.ok_or_else(|| missing("messages"))?.iter().map(Message::tokens).sum()
            }
            _ => body.prompt.as_ref().ok_or_else(|| missing("prompt"))?.tokens()?,
        };
        let wished = body.output_tokens(config, prompt_tokens)?;
        let says = body.says(config, endpoint);
        let output_tokens = match &says {
            // However long a text is asked for: what there is to say has its end.
            Some(pieces) => pieces.count().min(wished),
            None => share(wished, config.osl_ratio).max(1),
        };
        let finish = match &says {
            Some(pieces) if output_tokens < pieces.count() => Finish::Length,
            Some(pieces) if pieces.has_calls() => Finish::ToolCalls,
            Some(_) => Finish::Stop,
            None if output_tokens < wished => Finish::Stop,
            None => Finish::Length,
        };
        Ok(Self {
            endpoint,
            results: Box::default(),
            prompt_tokens,
            cached_tokens: simulation.meet_prompt(|| body.blocks(endpoint)),
            output_tokens,
            says,
            finish,
            delivery: body.delivery(),
        })
    }

    /// Blocks of the KV cache that prompt and answer fill in the end.
    pub(crate) fn kv_blocks(&self) -> u32 {
        self.prompt_tokens.saturating_add(self.output_tokens).div_ceil(BLOCK_TOKENS)
    }
}

fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::new(400, message)
}

fn missing(param: &'static str) -> ApiError {
    bad_request(format!("{param}: field required")).of_param(param)
}

/// A request's body as it is written; what is not here makes no difference to the answer.
#[derive(Debug, Deserialize)]
struct Body {
    model: Option<String>,
    messages: Option<Vec<Message>>,
    prompt: Option<Prompt>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    min_tokens: Option<u32>,
    n: Option<u32>,
    tools: Option<Vec<IgnoredAny>>,
    tool_choice: Option<ToolChoice>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    /// Of embeddings: texts, or token ids.
    input: Option<Prompt>,
    /// Of rerank.
    query: Option<String>,
    documents: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
    #[serde(default)]
    continuous_usage_stats: bool,
}

impl Body {
    /// As many as asked for.
    fn output_tokens(&self, config: &Config, prompt_tokens: u32) -> Result<u32, ApiError> {
        let limit = config.context_length;
        if prompt_tokens > limit {
            let message = format!(
                "This model's maximum context length is {limit} tokens. However, your prompt contains \
                 at least {prompt_tokens} input tokens, which exceeds this limit even without any \
                 output tokens. Please reduce the length of the input prompt. \
                 (parameter=input_tokens, value={prompt_tokens})"
            );
            return Err(bad_request(message).of_param("input_tokens"));
        }
        let room = limit - prompt_tokens;
        let min = self.min_tokens.unwrap_or(0);
        let max = self
            .max_completion_tokens
            .or(self.max_tokens)
            .unwrap_or_else(|| config.default_max_tokens.max(min).min(room.max(1)));
        if max == 0 {
            let message = "max_tokens must be at least 1, got 0.";
            return Err(bad_request(message).of_param("max_tokens"));
        }
        if min > max {
            let message =
                format!("min_tokens must be less than or equal to max_tokens={max}, got {min}.");
            return Err(bad_request(message).of_param("min_tokens"));
        }
        if max > limit {
            let message = format!(
                "max_tokens={max} cannot be greater than max_model_len={limit}. Please request fewer \
                 output tokens. (parameter=max_tokens, value={max})"
            );
            return Err(bad_request(message).of_param("max_tokens"));
        }
        if max > room {
            let message = format!(
                "This model's maximum context length is {limit} tokens. However, you requested {max} \
                 output tokens and your prompt contains at least {prompt_tokens} input tokens, for a \
                 total of at least {} tokens. Please reduce the length of the input prompt or the \
                 number of requested output tokens. (parameter=input_tokens, value={prompt_tokens})",
                u64::from(prompt_tokens) + u64::from(max)
            );
            return Err(bad_request(message).of_param("input_tokens"));
        }
        Ok(max)
    }

    /// What the server was told to answer, if it can.
    fn says(&self, config: &Config, endpoint: Endpoint) -> Option<Pieces> {
        if config.answers.is_empty() || endpoint != Endpoint::Chat {
            return None;
        }
        let mut messages = self.messages.iter().flatten();
        let asked = messages.rfind(|message| message.role.as_deref() == Some("user"))?;
        let said = config.answers.get(&asked.texts().collect::<String>())?;
        let may_call = self.tools.as_ref().is_some_and(|tools| !tools.is_empty())
            && !matches!(&self.tool_choice, Some(ToolChoice::Word(word)) if word == "none");
        match said {
            Said::Calls(_) if !may_call => None,
            said => Pieces::of(said),
        }
    }

    /// What is asked of texts, each of which has to fit into the context; a document together with the query.
    fn results(&self, config: &Config, endpoint: Endpoint) -> Result<Generation, ApiError> {
        let texts = match endpoint {
            Endpoint::Rerank => {
                let query = self.query.as_ref().ok_or_else(|| missing("query"))?;
                let documents = self.documents.as_ref().ok_or_else(|| missing("documents"))?;
                results::pairs(query, documents)
            }
            _ => self.input.as_ref().ok_or_else(|| missing("input"))?.texts(),
        };
        let limit = config.context_length;
        if let Some((tokens, _)) = texts.iter().find(|(tokens, _)| *tokens > limit) {
            let message = format!(
                "This model's maximum context length is {limit} tokens. However, a text has {tokens} of them. \
                 Please reduce the length of the input."
            );
            return Err(bad_request(message).of_param("input"));
        }
        Ok(Generation {
            endpoint,
            prompt_tokens: texts.iter().fold(0, |sum, (tokens, _)| sum.saturating_add(*tokens)),
            results: texts.into_iter().map(|(_, hash)| hash).collect(),
            cached_tokens: None,
            output_tokens: 1,
            says: None,
            finish: Finish::Length,
            delivery: Delivery::Whole,
        })
    }

    /// The prompt by its tokens, as they are counted.
    fn blocks(&self, endpoint: Endpoint) -> PrefixBlocks {
        let mut blocks = PrefixBlocks::default();
        match endpoint {
            Endpoint::Chat => {
                let messages = self.messages.iter().flatten();
                messages.flat_map(Message::words).for_each(|word| blocks.push(word));
            }
            _ => self.prompt.iter().for_each(|prompt| prompt.push_to(&mut blocks)),
        }
        blocks
    }

    fn delivery(&self) -> Delivery {
        if !self.stream.unwrap_or(false) {
            return Delivery::Whole;
        }
        // vLLM ignores continuous_usage_stats where include_usage is not set.
        Delivery::Stream(match &self.stream_options {
            Some(options) if options.include_usage && options.continuous_usage_stats => {
                Usage::InEachEvent
            }
            Some(options) if options.include_usage => Usage::AtTheEnd,
            _ => Usage::Nowhere,
        })
    }
}

#[derive(Debug, Deserialize)]
struct Message {
    role: Option<String>,
    content: Option<Content>,
}

/// Whether tools are to be called: in a word, or this one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ToolChoice {
    Word(String),
    Function(IgnoredAny),
}

impl Message {
    fn tokens(&self) -> u32 {
        count(self.words().count())
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.texts().flat_map(str::split_whitespace)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let (text, parts) = match &self.content {
            None => (None, None),
            Some(Content::Text(text)) => (Some(text.as_str()), None),
            Some(Content::Parts(parts)) => (None, Some(parts)),
        };
        let parts = parts.into_iter().flatten().filter_map(|part| part.text.as_deref());
        text.into_iter().chain(parts)
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "content must be a string or an array of parts")]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "prompt must be a string, token ids, or an array of one of them")]
enum Prompt {
    Text(String),
    Ids(Vec<u32>),
    Texts(Vec<String>),
    IdLists(Vec<Vec<u32>>),
}

impl Prompt {
    fn tokens(&self) -> Result<u32, ApiError> {
        match self {
            Self::Text(text) => Ok(words(text)),
            Self::Ids(ids) => Ok(count(ids.len())),
            Self::Texts(texts) => only(texts).map(|text| words(text)),
            Self::IdLists(lists) => only(lists).map(|ids| count(ids.len())),
        }
    }

    /// Each text's tokens, and what stands for it.
    fn texts(&self) -> Vec<(u32, TextHash)> {
        let of_text = |text: &String| (words(text), TextHash::of(text));
        let of_ids = |ids: &Vec<u32>| (count(ids.len()), TextHash::of(ids));
        match self {
            Self::Text(text) => vec![of_text(text)],
            Self::Ids(ids) => vec![of_ids(ids)],
            Self::Texts(texts) => texts.iter().map(of_text).collect(),
            Self::IdLists(lists) => lists.iter().map(of_ids).collect(),
        }
    }

    fn push_to(&self, blocks: &mut PrefixBlocks) {
        let mut push_words =
            |text: &str| text.split_whitespace().for_each(|word| blocks.push(word));
        match self {
            Self::Text(text) => push_words(text),
            Self::Texts(texts) => texts.iter().for_each(|text| push_words(text)),
            Self::Ids(ids) => ids.iter().for_each(|id| blocks.push(id)),
            Self::IdLists(lists) => lists.iter().flatten().for_each(|id| blocks.push(id)),
        }
    }
}

fn only<T>(prompts: &[T]) -> Result<&T, ApiError> {
    match prompts {
        [prompt] => Ok(prompt),
        _ => Err(bad_request("the simulator takes one prompt a request").of_param("prompt")),
    }
}

pub(crate) fn words(text: &str) -> u32 {
    count(text.split_whitespace().count())
}

fn count(n: usize) -> u32 {
    u32::try_from(n).expect("a body has fewer than 2^32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::{Answers, Call};

    fn parse(endpoint: Endpoint, body: &str) -> Result<Generation, ApiError> {
        let config = Config { context_length: 100, ..Config::default() };
        Generation::parse(&Simulation::new(config), endpoint, body.as_bytes())
    }

    fn check(endpoint: Endpoint, body: &str, expected: (u32, u32, Delivery)) {
        let generation = parse(endpoint, body).unwrap_or_else(|error| panic!("{body}: {error:?}"));
        let Generation { prompt_tokens, output_tokens, delivery, .. } = generation;
        assert_eq!((prompt_tokens, output_tokens, delivery), expected, "{body}");
    }

    #[test]
    fn prompts_are_counted_in_words_or_ids() {
        let check = |prompt: &str, tokens| {
            let body = format!(r#"{{"prompt":{prompt}}}"#);
            check(Endpoint::Completions, &body, (tokens, 16, Delivery::Whole));
        };
        check(r#""""#, 0);
        check(r#""one  two\nthree \"four\"""#, 4);
        check("[5, 6, 7]", 3);
        check(r#"["one two"]"#, 2);
        check("[[1, 2, 3, 4]]", 4);
    }

    #[test]
    fn messages_are_counted_whatever_their_content() {
        let body = r#"{"messages":[
            {"role":"system","content":"be brief"},
            {"role":"assistant","content":null,"tool_calls":[]},
            {"role":"user","content":[{"type":"text","text":"one two three"},{"type":"image_url"}]}
        ]}"#;
        check(Endpoint::Chat, body, (5, 16, Delivery::Whole));
    }

    #[test]
    fn the_output_is_as_long_as_asked_for() {
        let check = |wish: &str, tokens| {
            let body = format!(r#"{{"model":"simulated","prompt":"hi",{wish}}}"#);
            check(Endpoint::Completions, &body, (1, tokens, Delivery::Whole));
        };
        check(r#""max_tokens":7"#, 7);
        check(r#""max_tokens":7,"max_completion_tokens":8,"ignore_eos":true"#, 8);
        check(r#""max_tokens":7,"min_tokens":7"#, 7);
        check(r#""min_tokens":20"#, 20);
        check(r#""max_tokens":99"#, 99);
    }

    #[test]
    fn a_server_says_what_it_was_told_and_calls_what_it_may() {
        let call = Call { name: "f".into(), arguments: "{}".into() };
        let answers = Answers::from([
            ("2+2?".to_owned(), Said::Text("It is 4".to_owned())),
            ("go".to_owned(), Said::Calls(vec![call])),
        ]);
        let config = Config { answers, ..Config::default() };
        let simulation = Simulation::new(config);
        let tools = r#""tools":[{"type":"function"}]"#;
        for (question, more, expected) in [
            ("2+2?", r#""max_tokens":9"#, Some((3, Finish::Stop))),
            ("2+2?", r#""max_tokens":2"#, Some((2, Finish::Length))),
            ("2+3?", r#""max_tokens":9"#, None),
            ("go", tools, Some((2, Finish::ToolCalls))),
            ("go", r#""tools":null"#, None),
            ("go", &format!(r#"{tools},"tool_choice":"none""#), None),
            (
                "go",
                &format!(r#"{tools},"tool_choice":{{"type":"function"}}"#),
                Some((2, Finish::ToolCalls)),
            ),
        ] {
            let system = r#"{"role":"system","content":"2+2?"}"#;
            let asked = format!(r#"{{"role":"user","content":"{question}"}}"#);
            let body = format!(
                r#"{{"messages":[{system},{asked},{{"role":"assistant","content":"go"}}],{more}}}"#
            );
            let found = Generation::parse(&simulation, Endpoint::Chat, body.as_bytes()).unwrap();
            let said = found.says.is_some().then_some((found.output_tokens, found.finish));
            assert_eq!(said, expected, "{body}");
        }
    }

    #[test]
    fn a_server_that_stops_early_says_so() {
        let check = |osl_ratio, wished, expected| {
            let simulation = Simulation::new(Config { osl_ratio, ..Config::default() });
            let body = format!(r#"{{"prompt":"hi","max_tokens":{wished},"ignore_eos":true}}"#);
            let generation =
                Generation::parse(&simulation, Endpoint::Completions, body.as_bytes()).unwrap();
            assert_eq!((generation.output_tokens, generation.finish), expected, "{body}");
        };
        check(1.0, 100, (100, Finish::Length));
        check(0.8, 100, (80, Finish::Stop));
        check(0.8, 1, (1, Finish::Length));
        check(1e-9, 100, (1, Finish::Stop));
    }

    #[test]
    fn prompts_are_met_by_their_tokens_whatever_their_form() {
        let simulation = Simulation::new(Config { prefix_cache: true, ..Config::default() });
        let cached = |endpoint, body: String| {
            Generation::parse(&simulation, endpoint, body.as_bytes()).map(|g| g.cached_tokens)
        };
        let words = "word ".repeat(40);
        let completion =
            |prompt| cached(Endpoint::Completions, format!(r#"{{"prompt":{prompt}}}"#));
        let chat = |messages| cached(Endpoint::Chat, format!(r#"{{"messages":[{messages}]}}"#));
        assert!(completion(format!(r#""{words}","max_tokens":0"#)).is_err());
        assert_eq!(completion(format!(r#""{words}""#)), Ok(Some(0)), "none was refused into it");
        assert_eq!(completion(format!(r#"["{words}"]"#)), Ok(Some(32)));
        let system = r#"{"role":"system","content":"word word"}"#;
        let user = format!(r#"{{"role":"user","content":[{{"text":"{words}"}}]}}"#);
        assert_eq!(chat(format!("{system},{user}")), Ok(Some(32)));
        let ids = format!("{:?}", vec![7; 40]);
        assert_eq!(completion(ids.clone()), Ok(Some(0)));
        assert_eq!(completion(format!("[{ids}]")), Ok(Some(32)));
    }

    #[test]
    fn streams_say_usage_where_asked_to() {
        let check = |options: &str, usage| {
            let body = format!(r#"{{"prompt":"hi","stream":true{options}}}"#);
            check(Endpoint::Completions, &body, (1, 16, Delivery::Stream(usage)));
        };
        check("", Usage::Nowhere);
        check(r#","stream_options":null"#, Usage::Nowhere);
        check(r#","stream_options":{"include_usage":true}"#, Usage::AtTheEnd);
        check(r#","stream_options":{"continuous_usage_stats":true}"#, Usage::Nowhere);
        let both = r#","stream_options":{"include_usage":true,"continuous_usage_stats":true}"#;
        check(both, Usage::InEachEvent);
    }

    #[test]
    fn refusals_blame_the_parameter() {
        let check = |endpoint, body: &str, expected| {
            let json = parse(endpoint, body).expect_err(body).to_json();
            let error: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let (code, param) = (&error["error"]["code"], &error["error"]["param"]);
            assert_eq!((code.as_u64().unwrap(), param.as_str()), expected, "{body}");
        };
        let completions = |wish: &str, expected| {
            check(Endpoint::Completions, &format!(r#"{{"prompt":"hi",{wish}}}"#), expected);
        };
        check(Endpoint::Chat, "", (400, None));
        check(Endpoint::Chat, "{\"messages\": [", (400, None));
        check(Endpoint::Chat, "{}", (400, Some("messages")));
        check(Endpoint::Chat, r#"{"messages":[]}"#, (400, Some("messages")));
        check(Endpoint::Chat, r#"{"messages":[{"content":7}]}"#, (400, None));
        check(Endpoint::Completions, "{}", (400, Some("prompt")));
        check(Endpoint::Completions, r#"{"prompt":["a","b"]}"#, (400, Some("prompt")));
        completions(r#""model":"other""#, (404, Some("model")));
        completions(r#""n":2"#, (400, Some("n")));
        completions(r#""max_tokens":"many""#, (400, None));
        completions(r#""max_tokens":-1"#, (400, None));
        completions(r#""max_tokens":0"#, (400, Some("max_tokens")));
        completions(r#""max_tokens":101"#, (400, Some("max_tokens")));
        completions(r#""max_tokens":100"#, (400, Some("input_tokens")));
        completions(r#""max_tokens":2,"min_tokens":3"#, (400, Some("min_tokens")));
        completions(r#""min_tokens":1000"#, (400, Some("min_tokens")));
        // A prompt that leaves no room for a token, and one that has no room itself.
        for words in [100, 101] {
            let long = format!(r#"{{"prompt":"{}"}}"#, "x ".repeat(words));
            check(Endpoint::Completions, &long, (400, Some("input_tokens")));
        }
    }
}
