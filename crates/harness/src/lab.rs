//! The servers and prompts of an experiment: looked up, made and kept as points need them.

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, OnceLock},
};

use bench_core::{
    Grader, Load, Plan, Point, Prepared, Prompt, Provider, TokenCounter, Until, WarmUp, Workload,
};
use bench_providers::HttpProvider;
use bench_telemetry::gpu::GpuId;
#[cfg(feature = "tokenizers")]
use bench_workloads::load_chat_template;
use bench_workloads::{
    Approximate, Counting, Length, RandomTokens, Rules, Synthetic, Tokenizer, load_tokenizer,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    Code, Export, Failure, LoadSettings, Server, Settings, Target, TargetSettings,
    facts::Facts,
    input::{self, Input, Sent},
    loads::{self, ceil},
    lookout::Lookout,
    machine,
    points::{self, Cell},
    resume::Before,
    server_tokenizer::{Counter, ServerTokenizer},
    servers::{self, Servers},
    shape::Shape,
    talks, target,
    telemetry::Watching,
};

/// Whether the server of a target is started for the run.
fn is_started(target: &TargetSettings) -> bool {
    matches!(target.server, Server::Up(_))
}

/// Prompts prepared for a point at most; beyond, they come again.
const MOST_PROMPTS: u64 = 10_000;
/// Their tokens, together: some 300 MB of text, made in less than a minute by the slowest tokenizer.
const MOST_PROMPT_TOKENS: f64 = 5e7;
/// Prompts prepared for a point that ends at a time.
const PROMPTS_FOR_A_DURATION: u64 = 2_000;

/// Prompts prepared for a warm-up that ends at a time.
const PROMPTS_FOR_A_WARM_UP: u64 = 100;

/// What the points of an experiment are measured with.
#[derive(Debug)]
pub(crate) struct Lab {
    settings: Settings,
    tokenizer: Arc<dyn Tokenizer>,
    /// What is sent instead of synthetic prompts.
    input: Option<Input>,
    /// Judges answers, where something is expected.
    grader: Option<Arc<Rules>>,
    /// For talking to servers between points.
    runtime: Runtime,
    /// Those that are started for the run.
    servers: Servers,
    /// One for each of the settings' targets.
    targets: Vec<Found>,
    /// What results call them: one for each, all different.
    names: Vec<String>,
    /// The servers that were measured so far, where a run goes on.
    before: Before,
}

/// A target, as far as it is known.
#[derive(Debug)]
enum Found {
    Yes(Box<Known>),
    /// Why it could not be found so far.
    NotYet(Failure),
    /// It is started when its first point comes.
    Later,
}

/// A target that has been found, and what it was asked.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) target: Target,
    pub(crate) provider: Arc<HttpProvider>,
    /// What it says of itself.
    pub(crate) facts: Facts,
    /// Whether it tells metrics.
    pub(crate) has_metrics: bool,
    /// Its processes, where it was started here.
    pub(crate) pids: Option<Vec<u32>>,
    /// The GPUs that it was found to compute on: to look for them takes as long as to watch them.
    pub(crate) gpus: OnceLock<Vec<GpuId>>,
    /// What is not watched although it usually is, and why, as of the first time that it was to be.
    pub(crate) not_watched: OnceLock<Vec<String>>,
}

/// `settings` with what only files tell, such as how many requests there are. Reads the tokenizer and the input.
///
/// # Errors
///
/// When they cannot be measured, wherever their servers are.
pub fn check(settings: Settings) -> Result<Settings, Failure> {
    let (_, input) = checked(&settings)?;
    input::grader(&settings, input.as_ref())?;
    completed(settings, input.as_ref())
}

/// The tokenizer, and what the input file holds, of settings that are right.
fn checked(settings: &Settings) -> Result<(Arc<dyn Tokenizer>, Option<Input>), Failure> {
    if settings.find.is_some() && settings.goals.slo.is_empty() {
        let what = "nothing says what the highest load is to meet";
        return Err(Failure::new(Code::Plan, what).fix("inferbench find 'p95(ttft)<500ms'"));
    }
    loads::check(settings)?;
    settings.targets.iter().try_for_each(|asked| target::check(asked, settings))?;
    for asked in &settings.targets {
        if let Server::Up(up) = &asked.server {
            servers::launch(up)?;
        }
    }
    let cells = points::cells(settings);
    let beyond = |cell: &Cell| points::beyond_known_context(settings, *cell);
    if cells.iter().all(|cell| beyond(cell).is_some()) {
        let why = cells.first().and_then(beyond).unwrap_or_default();
        return Err(nothing_left(&why));
    }
    let path = settings.tokenizer.as_deref().filter(|_| !settings.asks_server());
    let tokenizer = tokenizer(path)?;
    let input = settings
        .input
        .as_ref()
        .map(|input| Input::read(input, settings.think_time, &*tokenizer))
        .transpose()?;
    Ok((tokenizer, input))
}

/// `settings`, with what only the input tells: when requests are sent, and how many.
fn completed(mut settings: Settings, input: Option<&Input>) -> Result<Settings, Failure> {
    let Some((asked, input)) = settings.input.as_mut().zip(input) else { return Ok(settings) };
    let is_bounded = settings.requests.is_some() || settings.duration.is_some();
    let loops = *asked.loops.get_or_insert(is_bounded && !input.has_several_turns());
    if !is_bounded && !loops {
        let closed = settings.loads.iter().all(|load| matches!(load, LoadSettings::Closed { .. }));
        let first = if settings.warm_up_step { input.len() as u64 } else { 0 };
        // A rate is that of conversations.
        settings.requests = Some(if closed { input.turns() - first } else { input.len() as u64 })
            .filter(|n| *n > 0);
    }
    for load in &mut settings.loads {
        if let LoadSettings::Recorded { speed_up, max_in_flight } = *load {
            let timestamps = input.moments()?;
            *load = LoadSettings::Trace { timestamps, speed_up, max_in_flight };
        }
    }
    loads::check(&settings)?;
    Ok(settings)
}

/// Every cell is one that cannot be measured.
pub(crate) fn nothing_left(why: &str) -> Failure {
    Failure::new(Code::Setting, "nothing is left to measure").said(why)
}

impl Lab {
    /// Looks for every target. One that is not there is looked for again when its first point comes.
    ///
    /// # Errors
    ///
    /// When something is wrong that no waiting mends, or if not one target is there: with the first one's
    /// failure.
    pub(crate) fn open(settings: Settings) -> Result<Self, Failure> {
        let runtime = servers::runtime()?;
        // What is wrong here is the user's to mend, and quicker to find than a server.
        let (tokenizer, input) = checked(&settings)?;
        let settings = completed(settings, input.as_ref())?;
        let grader = input::grader(&settings, input.as_ref())?;
        let servers = Servers::new(settings.hooks.clone())?;
        let (targets, names, before) = (Vec::new(), Vec::new(), Before::default());
        let mut lab =
            Self { settings, tokenizer, input, grader, runtime, servers, targets, names, before };
        // What is measured first is there before anything is written.
        let has_others = lab.settings.targets.iter().any(|target| !is_started(target));
        for index in 0..lab.settings.targets.len() {
            let is_later = is_started(&lab.settings.targets[index]) && (has_others || index > 0);
            let found = match is_later {
                true => Found::Later,
                false => match lab.look_for(index) {
                    Ok(known) => Found::Yes(Box::new(known)),
                    Err(failure) => Found::NotYet(failure),
                },
            };
            let name = lab.unused_name(index, &found);
            lab.names.push(name);
            lab.targets.push(found);
        }
        let mut missing = lab.targets.iter().filter_map(|found| match found {
            Found::NotYet(failure) => Some(failure),
            Found::Yes(_) | Found::Later => None,
        });
        if let Some(failure) = missing.next()
            && lab.known().next().is_none()
        {
            return Err(failure.clone());
        }
        // Better now than at the first point of the last target.
        lab.known().try_for_each(|(index, known)| {
            lab.check_prompts(&known.provider)?;
            lab.counter_of(&known.provider)?;
            lab.flush_cache(lab.name(index), &known.provider)
        })?;
        lab.make_room().map(|()| lab)
    }

    /// Goes on with a run that was measured on the servers of `before`: on these, and on no others.
    ///
    /// # Errors
    ///
    /// When another one is there.
    pub(crate) fn go_on(&mut self, before: Before) -> Result<(), Failure> {
        self.known().try_for_each(|(index, known)| before.check(index, self.name(index), known))?;
        self.before = before;
        Ok(())
    }

    /// Makes room for the most connections that any point will need.
    fn make_room(&self) -> Result<(), Failure> {
        let in_flight = self.settings.loads.iter().map(loads::in_flight).max().unwrap_or(0);
        let threads = self.settings.threads.unwrap_or_else(machine::load_threads);
        let connections =
            |target: &TargetSettings| target.transport.connections(in_flight, threads);
        let most = self.settings.targets.iter().map(connections).max().unwrap_or(0);
        if most < in_flight {
            // A server may take fewer requests on a connection: nobody knows before.
            machine::raise_file_limit();
        }
        // Both ends of a connection to the simulator are ours.
        let is_simulator = |(_, known): (usize, &Known)| known.target.simulator.is_some();
        let sources = self.settings.targets.iter().map(|target| target.transport.sources.len());
        let files = if self.known().any(is_simulator) { most * 2 } else { most };
        machine::make_room(files, most, sources.min().unwrap_or(0).max(1) as u64)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The targets that have been found, with their places in the settings.
    pub(crate) fn known(&self) -> impl Iterator<Item = (usize, &Known)> {
        self.targets.iter().enumerate().filter_map(|(index, found)| match found {
            Found::Yes(known) => Some((index, &**known)),
            Found::NotYet(_) | Found::Later => None,
        })
    }

    /// The targets that have been found, by the names that results give them.
    pub(crate) fn into_targets(self) -> Vec<Target> {
        let found = self.targets.into_iter().zip(self.names);
        let found = found.filter_map(|(found, name)| match found {
            Found::Yes(known) => Some(Target { name, ..known.target }),
            Found::NotYet(_) | Found::Later => None,
        });
        found.collect()
    }

    /// What results call a target.
    pub(crate) fn name(&self, target: usize) -> &str {
        &self.names[target]
    }

    /// What was noticed while targets were looked for, in words for the user.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (found, name) in self.targets.iter().zip(&self.names) {
            match found {
                Found::Yes(known) => notes.extend(known.target.notes.iter().cloned()),
                Found::NotYet(failure) => {
                    notes.push(format!("{name} is not there yet: {}", failure.what));
                }
                Found::Later => {}
            }
        }
        notes.extend(self.same_servers());
        notes.extend(self.notes_of_input());
        let moved = |(index, known)| self.before.moved(index, self.name(index), known);
        notes.extend(self.known().filter_map(moved));
        notes
    }

    /// What was noticed in the input, and with it.
    fn notes_of_input(&self) -> Vec<String> {
        let Some(input) = &self.input else { return Vec::new() };
        let mut notes = input.notes.clone();
        for (index, _) in self.known() {
            let beyond =
                self.context_length(index).and_then(|context| input.beyond_context(context));
            notes.extend(beyond.map(|beyond| format!("{}: {beyond}", self.name(index))));
        }
        let has_rate =
            self.settings.loads.iter().any(|load| matches!(load, LoadSettings::Open { .. }));
        if has_rate && input.turns() > input.len() as u64 {
            let turns = input.turns() as f64 / input.len() as f64;
            notes.push(format!("the rate is that of conversations; each has {turns:.1} turns"));
        }
        notes
    }

    /// What is sent instead of synthetic prompts.
    pub(crate) fn input(&self) -> Option<&Input> {
        self.input.as_ref()
    }

    /// Targets that are one server and one model: measured as asked for, but perhaps not as meant.
    fn same_servers(&self) -> Vec<String> {
        let place = |known: &Known| (known.target.endpoint.to_string(), known.target.model.clone());
        let known: Vec<_> = self.known().collect();
        let pairs = known.iter().enumerate().flat_map(|(n, a)| {
            let later = known[n + 1..].iter();
            later.filter(|b| place(a.1) == place(b.1)).map(move |b| (a.0, b.0))
        });
        let words = |(a, b)| {
            let (a, b) = (self.name(a), self.name(b));
            format!("{a} and {b} are the same model at the same address")
        };
        pairs.map(words).collect()
    }

    /// Finds the target at `index`; its server is started for that where it is one that is.
    fn look_for(&mut self, index: usize) -> Result<Known, Failure> {
        let started = self.start(index)?;
        let asked = started.as_ref().unwrap_or(&self.settings.targets[index]);
        let launch = self.servers.launch(index).filter(|_| started.is_some());
        let target = self.runtime.block_on(async {
            match launch {
                Some(launch) => servers::find(asked, launch, &self.settings).await,
                None => Target::find(asked, &self.settings).await,
            }
        })?;
        let provider = target::provider(target.config(asked, &self.settings))?;
        let metrics = self.runtime.block_on(provider.metrics());
        let facts = match started {
            Some(_) => Facts::told(self.servers.facts(), metrics.as_deref()),
            None => Facts::of(asked.server_log.as_deref(), metrics.as_deref()),
        };
        let has_metrics = metrics.is_some();
        let provider = Arc::new(provider);
        let (gpus, not_watched) = (OnceLock::new(), OnceLock::new());
        let pids = started.as_ref().and_then(|_| self.servers.pids(index));
        let known = Known { target, provider, facts, has_metrics, pids, gpus, not_watched };
        let mut watching = Watching::of(&known, asked, &self.settings)?;
        self.runtime.block_on(watching.check(asked))?;
        let _ = known.not_watched.set(watching.absent);
        Ok(known)
    }

    /// Starts the server of a target, where it is one that is started, and says where it is from now on.
    fn start(&mut self, index: usize) -> Result<Option<TargetSettings>, Failure> {
        let asked = &self.settings.targets[index];
        let Server::Up(up) = &asked.server else { return Ok(None) };
        let endpoint = self.servers.start(index, up, &self.settings)?;
        Ok(Some(TargetSettings { server: Server::At(endpoint), ..asked.clone() }))
    }

    /// The name of a target: its own, or with a number behind it where another one has that.
    fn unused_name(&self, index: usize, found: &Found) -> String {
        let asked = &self.settings.targets[index];
        let name = match (found, &asked.name, &asked.server) {
            (Found::Yes(known), ..) => known.target.name.clone(),
            (_, Some(name), _) => match &asked.pass {
                Some(pass) => format!("{name} ({pass})"),
                None => name.clone(),
            },
            (_, None, Server::At(endpoint)) => endpoint.to_string(),
            (_, None, Server::Up(up)) => up.asked.model.clone(),
            _ => format!("target {}", index + 1),
        };
        let numbered = (2_u32..).map(|n| format!("{name} #{n}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        names.find(|name| !self.names.contains(name)).unwrap_or(name)
    }

    /// The target at `index`, looked for once more if it has not been found, and started if it is not up.
    fn target(&mut self, index: usize) -> Result<&Known, Failure> {
        self.servers.notice_death();
        // One that could not be started, or ended by itself, would do so again.
        if let Some(failure) = self.servers.failure(index) {
            return Err(failure.clone());
        }
        let is_down = is_started(&self.settings.targets[index]) && !self.servers.is_up(index);
        if is_down || !matches!(self.targets[index], Found::Yes(_)) {
            let known = self.look_for(index)?;
            self.before.check(index, self.name(index), &known)?;
            self.targets[index] = Found::Yes(Box::new(known));
        }
        match &self.targets[index] {
            Found::Yes(known) => Ok(known),
            Found::NotYet(failure) => Err(failure.clone()),
            Found::Later => Err(Failure::new(Code::Bug, "a server that was not started")),
        }
    }

    /// What is sent, in a few words.
    pub(crate) fn workload_name(&self, cell: Cell) -> String {
        match (points::shape_words(&self.settings, cell), &self.input) {
            (None, Some(input)) => input.name().to_owned(),
            (words, _) => format!("synthetic {}", words.unwrap_or_default()),
        }
    }

    /// Who counts the tokens of prompts, in a few words.
    pub(crate) fn tokens_by(&self) -> String {
        if self.settings.asks_server() {
            return "tokens counted by the server's tokenizer, exact".to_owned();
        }
        let trust = if self.tokenizer.is_exact() { "exact" } else { "approximate" };
        format!("tokens counted by {}, {trust}", self.tokenizer)
    }

    /// Tokens of prompt and answer together that a target takes, where it is known.
    pub(crate) fn context_length(&self, target: usize) -> Option<u32> {
        let asked = self.settings.targets[target].context_length;
        asked.or_else(|| match &self.targets[target] {
            Found::Yes(known) => known.target.context_length(),
            Found::NotYet(_) | Found::Later => None,
        })
    }

    /// Why a cell cannot be measured: its prompts and answers are longer than the model's context.
    pub(crate) fn beyond_context(&self, cell: Cell) -> Option<String> {
        let context = self.context_length(cell.target)?;
        points::beyond(&self.settings, cell, context)
    }

    /// A cell as a point.
    pub(crate) fn point(&self, number: usize, cell: Cell, repeat: u32) -> Result<Point, Failure> {
        let settings = &self.settings;
        let load = &settings.loads[cell.load];
        let when = loads::load(settings, load, self.seed(cell, repeat))?;
        Ok(Point {
            target: self.name(cell.target).to_owned(),
            workload: self.workload_name(cell),
            cell: u32::try_from(number).unwrap_or(u32::MAX),
            repeat,
            warm_up: self.warm_up(load),
            grace: settings.grace,
            limits: settings.limits,
            retries: settings.retries,
            cancellation: settings.cancel,
            goodput: settings.goals.goodput.clone(),
            ..Point::new(when, loads::until(settings, load))
        })
    }

    /// The phase before the measured one: the first turns of all conversations, where that is asked for.
    fn warm_up(&self, load: &LoadSettings) -> Option<WarmUp> {
        let usual = || loads::warm_up(&self.settings, load);
        match &self.input {
            Some(input) if self.settings.warm_up_step => Some(WarmUp {
                load: Load::closed(loads::width(load)),
                until: Until::requests(input.len() as u64),
            }),
            _ => usual(),
        }
    }

    /// The seed of a point: that of the plan for the first one. It is the same for all targets, which are
    /// asked the same, and differs otherwise, so that no server has seen a prompt before.
    fn seed(&self, cell: Cell, repeat: u32) -> u64 {
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let place = (cell.workload as u64) << 40 | (cell.load as u64) << 20 | u64::from(repeat);
        self.settings.seed.wrapping_add(place.wrapping_mul(SPREAD))
    }

    /// What a point of `cell` is measured with.
    pub(crate) fn prepare(&mut self, point: &Point, cell: Cell) -> Result<Prepared, Failure> {
        self.target(cell.target)?;
        if let Some(why) = self.beyond_context(cell) {
            return Err(Failure::new(Code::Setting, why).fix("shorter prompts or answers"));
        }
        let seed = self.seed(cell, point.repeat);
        let provider = Arc::clone(&self.target(cell.target)?.provider);
        let Sent { mut workload, warm_up } = self.workload(point, cell, seed, &provider)?;
        if let Some(share) = self.settings.canary {
            workload = input::with_canary(workload, share, seed, &provider)?;
        }
        self.flush_cache(&point.target, &provider)?;
        let watching = self.watching(cell.target)?;
        let mut prepared = Prepared::new(provider as Arc<dyn Provider>, workload);
        if watching.has_gpus {
            prepared.idle = self.settings.telemetry.idle;
        }
        prepared.sources = watching.sources;
        prepared.warm_up = warm_up;
        prepared.grader = self.grader.clone().map(|rules| rules as Arc<dyn Grader>);
        prepared.keep_text =
            self.settings.keep_text || self.settings.exports.contains(&Export::MultiTurn);
        prepared.counter = Some(Arc::clone(&self.tokenizer) as Arc<dyn TokenCounter>);
        prepared.watch = Some(Box::new(Lookout::new(point, &self.settings.goals)));
        Ok(prepared)
    }

    /// What is watched of a target; nothing of one that has not been found.
    fn watching(&self, target: usize) -> Result<Watching, Failure> {
        match &self.targets[target] {
            Found::Yes(known) => {
                let asked = &self.settings.targets[target];
                let mut watching = Watching::of(known, asked, &self.settings)?;
                known.not_watched.get_or_init(|| std::mem::take(&mut watching.absent));
                Ok(watching)
            }
            Found::NotYet(_) | Found::Later => Ok(Watching::default()),
        }
    }

    /// Says if a server does not take prompts of the kind that is asked for.
    fn check_prompts(&self, provider: &HttpProvider) -> Result<(), Failure> {
        if !self.settings.token_ids {
            return Ok(());
        }
        let prompt = Prompt { token_ids: Some(Vec::new()), ..Prompt::user("") };
        provider.encode(&prompt).map(|_| ()).map_err(|error| {
            Failure::new(Code::Setting, error.said)
                .fix("leave --token-ids out, or --endpoint-type completions")
        })
    }

    /// Has a server forget the prompts that it has cached, if that is asked for.
    fn flush_cache(&self, name: &str, provider: &HttpProvider) -> Result<(), Failure> {
        if !self.settings.flush_cache || self.runtime.block_on(provider.forget_prefixes()) {
            return Ok(());
        }
        let what = format!("{name} cannot be told to forget its prompts");
        let fix = match provider.name() {
            "vllm" => "start it with VLLM_SERVER_DEV_MODE=1, or leave --flush-cache out",
            _ => "leave --flush-cache out",
        };
        Err(Failure::new(Code::Setting, what).fix(fix))
    }

    /// What is sent in a point, and in its warm-up where that is something else.
    fn workload(
        &self,
        point: &Point,
        cell: Cell,
        seed: u64,
        provider: &Arc<HttpProvider>,
    ) -> Result<Sent, Failure> {
        let settings = &self.settings;
        let (Some(input), Some(asked)) = (&self.input, &settings.input) else {
            let shape = points::shape(settings, cell)
                .ok_or_else(|| Failure::new(Code::Bug, "a file that was not read"))?;
            if let Some(talks) = &settings.talks {
                let of_images = shape.kept_tokens() - shape.input_tokens();
                let tokens = talks.tokens(&shape) + of_images;
                let count = self.prompts_for(point, cell, tokens, talks.turns.mean());
                let counter = self.counter_of(provider)?;
                let held = talks.workload(settings, &shape, count, seed, &counter, provider)?;
                counter.check()?;
                return Ok(Sent { workload: held, warm_up: None });
            }
            if let Some((corpus, range_ratio)) = &settings.random {
                let count = self.prompts_for(point, cell, shape.input_tokens(), 1.0);
                let random = RandomTokens {
                    corpus: corpus.clone(),
                    input_len: ceil(shape.input_tokens()).try_into().unwrap_or(u32::MAX),
                    output_len: ceil(shape.output_tokens()).try_into().unwrap_or(u32::MAX),
                    range_ratio: *range_ratio,
                    prefix_len: settings.random_prefix,
                    count,
                    seed,
                };
                let sent = talks::random(&random, &*self.tokenizer, provider)?;
                return Ok(Sent { workload: sent, warm_up: None });
            }
            let prompts = self.prompts(point, cell, &shape, seed, provider)?;
            return Ok(Sent { workload: Box::new(prompts), warm_up: None });
        };
        let Sent { workload, warm_up } = input.workload(settings, asked, seed, provider)?;
        let warm_up: Box<dyn Workload> = match warm_up {
            Some(first_turns) => first_turns,
            // Of other texts, so that the file's are as new to the server as they are to be.
            None => Box::new(self.prompts(point, cell, &warming(input), seed, provider)?),
        };
        Ok(Sent { workload, warm_up: Some(warm_up) })
    }

    fn prompts(
        &self,
        point: &Point,
        cell: Cell,
        shape: &Shape,
        seed: u64,
        provider: &Arc<HttpProvider>,
    ) -> Result<bench_workloads::SyntheticWorkload, Failure> {
        let count = self.prompts_for(point, cell, shape.kept_tokens(), 1.0);
        let synthetic = Synthetic {
            isl: shape.isl,
            counting: self.counting()?,
            osl: shape.osl,
            mix: shape.mix.clone(),
            images: shape.images,
            texts: shape.texts,
            query: shape.query,
            token_ids: self.settings.token_ids,
            count,
            seed,
        };
        let failed = |error: &dyn std::error::Error| {
            Failure::new(Code::Prompts, "the prompts cannot be made").caused_by(error)
        };
        let counter = self.counter_of(provider)?;
        let prompts = synthetic.prepare(&counter, &|prompt| provider.encode(prompt));
        counter.check()?;
        prompts.map_err(|error| failed(&error))
    }

    /// Who counts the tokens of what is sent to a server.
    fn counter_of(&self, provider: &Arc<HttpProvider>) -> Result<Counter, Failure> {
        match self.settings.asks_server() {
            true => ServerTokenizer::new(Arc::clone(provider)).map(Counter::Server),
            false => Ok(Counter::Own(Arc::clone(&self.tokenizer))),
        }
    }

    /// What input tokens count.
    fn counting(&self) -> Result<Counting, Failure> {
        if !self.settings.counts_template {
            return Ok(Counting::Text);
        }
        templated(self.settings.tokenizer.as_deref().unwrap_or(Path::new("")))
    }

    /// How many prompts to prepare for a point, or conversations of so many turns, of `tokens` tokens each.
    fn prompts_for(&self, point: &Point, cell: Cell, tokens: f64, turns: f64) -> NonZeroUsize {
        let settings = &self.settings;
        let warm_up = point.warm_up.as_ref().and_then(|warm_up| warm_up.until.requests);
        let measured = loads::requests(settings, &settings.loads[cell.load]);
        let wanted = match measured {
            _ if settings.input.is_some() => warm_up.unwrap_or(PROMPTS_FOR_A_WARM_UP),
            Some(requests) => requests.saturating_add(warm_up.unwrap_or(0)),
            None => PROMPTS_FOR_A_DURATION,
        };
        let affordable = ceil(MOST_PROMPT_TOKENS / tokens.max(1.0)).min(MOST_PROMPTS);
        let wanted = ceil(wanted as f64 / turns).clamp(1, affordable.max(1));
        usize::try_from(wanted).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
    }

    /// The plan of these points.
    pub(crate) fn plan(&self, id: String, points: Vec<Point>) -> Plan {
        Plan {
            id,
            name: self.settings.name.clone(),
            seed: self.settings.seed,
            threads: self.settings.threads.unwrap_or_else(machine::load_threads),
            points,
            cool_down: self.settings.cool_down,
            goals: self.settings.goals.slo.clone(),
            resumed: None,
        }
    }

    /// Takes down what is up, once nothing more is measured.
    pub(crate) fn take_down(&mut self) {
        self.servers.notice_death();
        self.servers.take_down();
    }

    /// The servers that were started for the run.
    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// What is recorded of the machine and of the servers.
    pub(crate) fn environment(&self, skipped: &[Value]) -> Value {
        crate::environment::environment(self, skipped)
    }
}

/// Prompts that are as long as those of `input`.
fn warming(input: &Input) -> Shape {
    let (isl, osl) = input.mean_tokens();
    let length = |tokens: f64| {
        let tokens = u32::try_from(ceil(tokens).clamp(1, u64::from(Length::MOST)));
        Length::fixed(tokens.unwrap_or(1)).ok()
    };
    let isl = length(isl).unwrap_or(Length::fixed(1).expect("1 is a length"));
    let osl = length(osl).filter(|_| osl > 0.0);
    Shape::text(isl, osl)
}

/// Counts prompts in the chat template beside the tokenizer at `path`.
#[cfg(feature = "tokenizers")]
fn templated(path: &Path) -> Result<Counting, Failure> {
    let template = load_chat_template(path).map_err(|error| {
        Failure::new(Code::Tokenizer, "the chat template cannot be used")
            .caused_by(&error)
            .fix("a tokenizer's folder that has one, or leave --isl-counts out")
    })?;
    Ok(Counting::Templated(template))
}

#[cfg(not(feature = "tokenizers"))]
fn templated(_path: &Path) -> Result<Counting, Failure> {
    let what = "this program was built without chat templates";
    Err(Failure::new(Code::Setting, what).fix("leave --isl-counts out"))
}

/// The tokenizer at `path`; an approximate one without.
///
/// # Errors
///
/// When it cannot be used.
pub fn tokenizer(path: Option<&Path>) -> Result<Arc<dyn Tokenizer>, Failure> {
    let Some(path) = path else { return Ok(Arc::new(Approximate)) };
    load_tokenizer(path).map_err(|error| {
        let what = format!("the tokenizer {} cannot be used", path.display());
        let fix =
            "--tokenizer with a file, its folder, the name of a downloaded model, cl100k_base, o200k_base, or `server`; \
             or none for an approximate one";
        Failure::new(Code::Tokenizer, what).caused_by(&error).fix(fix)
    })
}
