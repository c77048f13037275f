//! What is sent from a file: read once, and held with servers point by point.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bench_core::{Provider, Sample, Session, Workload};
use bench_providers::HttpProvider;
use bench_workloads::{
    Conversation, Conversations, Course, DatasetError, Format, Generate, Rule, Rules, Sampling,
    ThinkTime, Tokenizer, canary, count_tokens, limit_output_tokens, limit_turns, read_gsm8k,
    read_mmlu, tool_suite,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};

use crate::{Code, Failure, InputSettings, InputSource, OutputLimits, Settings};

/// What is sent in a point.
pub(crate) struct Sent {
    pub(crate) workload: Box<dyn Workload>,
    /// In its warm-up, where that is something else.
    pub(crate) warm_up: Option<Box<dyn Workload>>,
}

/// The conversations of a file.
#[derive(Debug)]
pub(crate) struct Input {
    conversations: Vec<Arc<Conversation>>,
    /// What was read, in a few words.
    name: String,
    /// What a user should know of it.
    pub(crate) notes: Vec<String>,
    /// How it was generated, where it was: names and values.
    pub(crate) generation: Vec<(String, String)>,
}

impl Input {
    /// Reads the file of `settings`, and puts its conversations within their limits.
    ///
    /// # Errors
    ///
    /// Says where it is wrong, and what to do.
    pub(crate) fn read(
        settings: &InputSettings,
        think_time: Option<ThinkTime>,
        tokenizer: &dyn Tokenizer,
    ) -> Result<Self, Failure> {
        let (mut conversations, notes, generation) = match &settings.source {
            InputSource::File(file) => {
                let read = file.read(tokenizer).map_err(|error| failure(&error))?;
                let generation = match read.format {
                    Format::Generate => generation(&file.path),
                    _ => Vec::new(),
                };
                (read.conversations, read.notes, generation)
            }
            other => {
                let mut questions = questions(other)?;
                count_tokens(&mut questions, tokenizer);
                (questions, Vec::new(), Vec::new())
            }
        };
        if let Some(messages) = settings.max_messages.and_then(NonZeroUsize::new) {
            limit_turns(&mut conversations, messages);
        }
        match settings.output {
            OutputLimits::Recorded => {}
            OutputLimits::Unlimited => {
                let turns = conversations.iter_mut().flat_map(|talk| &mut talk.turns);
                turns.for_each(|ask| ask.output_tokens = None);
            }
            OutputLimits::Between(least, most) => {
                limit_output_tokens(&mut conversations, least..=most);
            }
        }
        if let Some(think_time) = think_time {
            think(&mut conversations, think_time, settings.seed);
        }
        let source = settings.source.to_string();
        let file = source.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = format!("{file}, {}", size(&conversations));
        let conversations = conversations.into_iter().map(Arc::new).collect();
        Ok(Self { conversations, name, notes, generation })
    }

    /// What is sent, in a few words.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many conversations there are.
    pub(crate) fn len(&self) -> usize {
        self.conversations.len()
    }

    /// Their turns, all together.
    pub(crate) fn turns(&self) -> u64 {
        self.conversations.iter().map(|talk| talk.turns.len() as u64).sum()
    }

    /// Whether a conversation has several turns.
    pub(crate) fn has_several_turns(&self) -> bool {
        self.conversations.iter().any(|talk| talk.turns.len() > 1)
    }

    /// The tokens of a turn on average: what is newly said, and what is asked for.
    pub(crate) fn mean_tokens(&self) -> (f64, f64) {
        let asks = || self.conversations.iter().flat_map(|talk| &talk.turns);
        let mean = |of: &dyn Fn() -> (u64, u64)| {
            let (sum, count) = of();
            if count == 0 { 0.0 } else { sum as f64 / count as f64 }
        };
        let sum = |values: &mut dyn Iterator<Item = Option<u32>>| {
            values.flatten().fold((0, 0), |(sum, count), n| (sum + u64::from(n), count + 1))
        };
        let input = || sum(&mut asks().map(|ask| ask.tokens));
        let output = || sum(&mut asks().map(|ask| ask.output_tokens));
        (mean(&input), mean(&output))
    }

    /// The moments at which they begin.
    ///
    /// # Errors
    ///
    /// Where the file does not say when.
    pub(crate) fn moments(&self) -> Result<Vec<Duration>, Failure> {
        let moments = self.conversations.iter().map(|talk| talk.begins);
        moments.collect::<Option<Vec<_>>>().ok_or_else(|| {
            let what = format!("{} does not say when its requests were sent", self.name);
            Failure::new(Code::Setting, what)
                .fix("a trace with timestamps, or leave --fixed-schedule out")
        })
    }

    /// How many conversations do not fit into a context of so many tokens, in words.
    pub(crate) fn beyond_context(&self, context: u32) -> Option<String> {
        let longest = |talk: &&Arc<Conversation>| {
            let tokens = talk.turns.iter().map(|ask| {
                u64::from(ask.tokens.unwrap_or(0))
                    + u64::from(ask.output_tokens.or(ask.answer_tokens).unwrap_or(0))
            });
            tokens.sum::<u64>() > u64::from(context)
        };
        let beyond = self.conversations.iter().filter(longest).count();
        let all = self.len();
        (beyond > 0).then(|| {
            format!(
                "{beyond} of {all} conversations come to more tokens than the context of {context}"
            )
        })
    }

    /// The workload of a point, and that of its warm-up where it is the first turns.
    ///
    /// # Errors
    ///
    /// Where the server's API cannot express a prompt.
    pub(crate) fn workload(
        &self,
        settings: &Settings,
        asked: &InputSettings,
        seed: u64,
        provider: &Arc<HttpProvider>,
    ) -> Result<Sent, Failure> {
        let loops = asked.loops.unwrap_or(false);
        let InputSettings { history, sampling, cache_bust, .. } = *asked;
        let course = Course { history, sampling, loops, cache_bust, seed };
        let provider = Arc::clone(provider);
        let encode = Arc::new(move |prompt: &_| provider.encode(prompt));
        let workload = Conversations::new(&self.conversations, encode, course);
        let workload = workload.map_err(|error| {
            Failure::new(Code::Prompts, format!("{} cannot be sent", self.name)).caused_by(&error)
        })?;
        if !settings.warm_up_step {
            return Ok(Sent { workload: Box::new(workload), warm_up: None });
        }
        let (first, later) = workload.split();
        Ok(Sent { workload: Box::new(later), warm_up: Some(Box::new(first)) })
    }

    /// The conversations with the answers that `samples` hold, as a JSON list of ids and messages. One that failed
    /// ends with the last answer it had.
    pub(crate) fn answered(&self, samples: &[Sample]) -> Value {
        let mut answers: HashMap<&str, BTreeMap<u32, &str>> = HashMap::new();
        for sample in samples.iter().filter(|sample| sample.outcome.is_ok()) {
            if let (Some(id), Some(text)) = (&sample.id, &sample.text) {
                answers.entry(id).or_default().insert(sample.turn, text);
            }
        }
        let held = self.conversations.iter().filter_map(|talk| {
            let answers = answers.get(&*talk.id)?;
            let mut messages = Vec::new();
            for (turn, ask) in (0..).zip(&talk.turns) {
                let Some(answer) = answers.get(&turn) else { break };
                messages.extend(ask.messages.iter().map(
                    |message| json!({"role": message.role.as_str(), "content": message.content}),
                ));
                messages.push(json!({"role": "assistant", "content": answer}));
            }
            (!messages.is_empty()).then(|| json!({"id": &*talk.id, "messages": messages}))
        });
        held.collect()
    }
}

/// Questions that are not of any file of conversations.
fn questions(source: &InputSource) -> Result<Vec<Conversation>, Failure> {
    let read = match source {
        InputSource::Gsm8k(path) => read_gsm8k(path),
        InputSource::Mmlu(path) => read_mmlu(path),
        InputSource::Tools(tool_use) => Ok(tool_suite(*tool_use)),
        InputSource::Canary | InputSource::File(_) => Ok(canary()),
    };
    read.map_err(|error| {
        Failure::new(Code::Input, "the questions cannot be read").caused_by(&error)
    })
}

/// The judge of the answers to `input` and to the canary; `None` where nothing is expected.
///
/// # Errors
///
/// Where something is expected that no answer could be.
pub(crate) fn grader(
    settings: &Settings,
    input: Option<&Input>,
) -> Result<Option<Arc<Rules>>, Failure> {
    let rule = settings.input.as_ref().map_or(Rule::default(), |input| input.grader);
    let canary = if settings.canary.is_some() { canary() } else { Vec::new() };
    let of_input = input.map_or(&[][..], |input| &input.conversations).iter().map(|talk| &**talk);
    let all = || of_input.clone().chain(&canary);
    if !all().flat_map(|talk| &talk.turns).any(|ask| ask.expected.is_some()) {
        return Ok(None);
    }
    let rules = Rules::new(rule, all()).map_err(|error| {
        Failure::new(Code::Input, "an answer is expected that none can be").caused_by(&error).fix(
            "--grader, with one of exact, normalised, contains, regex, numeric, choice, json, f1",
        )
    })?;
    Ok(Some(Arc::new(rules)))
}

/// `workload`, with questions whose answers are known among its sessions: a share of `share` of all.
pub(crate) fn with_canary(
    workload: Box<dyn Workload>,
    share: f64,
    seed: u64,
    provider: &Arc<HttpProvider>,
) -> Result<Box<dyn Workload>, Failure> {
    let questions: Vec<_> = canary().into_iter().map(Arc::new).collect();
    let course = Course { sampling: Sampling::Shuffle, loops: true, seed, ..Course::default() };
    let provider = Arc::clone(provider);
    let encode = Arc::new(move |prompt: &_| provider.encode(prompt));
    let canary = Conversations::new(&questions, encode, course).map_err(|error| {
        Failure::new(Code::Prompts, "the canary cannot be sent").caused_by(&error)
    })?;
    let random = ChaCha8Rng::seed_from_u64(seed);
    Ok(Box::new(WithCanary { workload, canary, share, random }))
}

struct WithCanary {
    workload: Box<dyn Workload>,
    canary: Conversations,
    share: f64,
    random: ChaCha8Rng,
}

impl Workload for WithCanary {
    fn next_session(&mut self) -> Option<Box<dyn Session>> {
        match self.random.random_bool(self.share) {
            true => self.canary.next_session(),
            false => self.workload.next_session(),
        }
    }
}

/// What is wrong with a file, as the user is told.
pub fn failure(error: &DatasetError) -> Failure {
    Failure::new(Code::Input, "the input cannot be read")
        .said(error.to_string())
        .fix(error.remedy.clone())
}

fn size(conversations: &[Conversation]) -> String {
    let count = conversations.len();
    let turns: usize = conversations.iter().map(|talk| talk.turns.len()).sum();
    match (count, turns) {
        (1, 1) => "1 request".to_owned(),
        (count, turns) if count == turns => format!("{count} requests"),
        (1, turns) => format!("1 conversation of {turns} turns"),
        (count, turns) => format!("{count} conversations, {turns} turns"),
    }
}

/// Has users think before each turn but the first.
fn think(conversations: &mut [Conversation], time: ThinkTime, seed: u64) {
    for (stream, talk) in (0..).zip(conversations) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        for ask in talk.turns.iter_mut().skip(1) {
            ask.delay = time.sample(&mut random);
        }
    }
}

/// How the conversations of a configuration were generated, as the multi-turn tool tells it.
fn generation(path: &Path) -> Vec<(String, String)> {
    let Ok(config) = Generate::read(path) else { return Vec::new() };
    let files: Vec<String> =
        config.text_files.iter().map(|file| file.display().to_string()).collect();
    [
        ("text_files", files.join(", ")),
        ("input_num_turns", config.turns.to_string()),
        ("input_common_prefix_num_tokens", config.common_prefix_tokens.to_string()),
        ("input_prefix_num_tokens", config.prefix_tokens.to_string()),
        ("input_num_tokens", config.input_tokens.to_string()),
        ("output_num_tokens", config.output_tokens.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
