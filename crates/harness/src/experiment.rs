//! An experiment: prepared, run, finished.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use bench_core::{
    Clock, Load, MetricSink, Outcome, Paced, Plan, Point, Prepared, Provider, Rate, RunError,
    RunOutcome, Stop, TokenCounter, Trust, Until, WarmUp,
};
use bench_providers::OpenAi;
use bench_report::{csv, genai_perf};
use bench_store::{RunDirectory, RunLog, StoreError, new_id};
use bench_workloads::{Approximate, Synthetic, SyntheticWorkload, Tokenizer, load_tokenizer};

use crate::{
    Arrivals, Code, Exit, Export, Failure, LoadSettings, Settings, Target, breaker::Breaker,
    environment::environment, machine, target,
};

/// An experiment that is ready to run: its server answers, its prompts are made, its directory is there.
#[derive(Debug)]
pub struct Experiment {
    settings: Settings,
    target: Target,
    provider: Arc<OpenAi>,
    workload: SyntheticWorkload,
    tokenizer: Arc<dyn Tokenizer>,
    plan: Plan,
    directory: RunDirectory,
}

/// What came of an experiment.
#[derive(Debug)]
pub struct Finished {
    /// What was measured.
    pub plan: Plan,
    /// On which server.
    pub target: Target,
    /// With what result.
    pub outcome: RunOutcome,
    /// Where everything about it lies.
    pub directory: RunDirectory,
    /// Names of the files that were asked for beside.
    pub exported: Vec<String>,
}

/// Prompts prepared at most; beyond, they come again.
const MOST_PROMPTS: u64 = 10_000;
/// Their tokens, together: some 300 MB of text, made in less than a minute by the slowest tokenizer.
const MOST_PROMPT_TOKENS: f64 = 5e7;
/// Arrivals of a schedule, each of which is a number in memory.
const MOST_ARRIVALS: u64 = 20_000_000;
/// Prompts prepared for a run that ends at a time.
const PROMPTS_FOR_A_DURATION: u64 = 2_000;

/// Makes everything ready that `settings` ask for. Blocks while it talks to the server.
///
/// # Errors
///
/// When the experiment cannot be done as asked for. Nothing is left behind then.
pub fn prepare(settings: Settings) -> Result<Experiment, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Code::Resource, "the system gives no runtime").said(error.to_string())
    })?;
    check_schedule(&settings)?;
    // A wrong file is the user's to mend, and quicker to find than a server.
    let tokenizer = tokenizer(&settings)?;
    let concurrency = most_in_flight(&settings);
    let target = runtime.block_on(Target::find(&settings))?;
    // Both ends of a connection to the simulator are ours.
    let ends = if target.simulator.is_some() { 2 } else { 1 };
    machine::make_room(concurrency * ends)?;
    let provider = Arc::new(target::provider(target.config(&settings))?);
    let workload = workload(&settings, &*tokenizer, &provider)?;
    let directory = directory(&settings)?;
    let plan = plan(&settings, &target, &workload, id_of(&directory));
    Ok(Experiment { settings, target, provider, workload, tokenizer, plan, directory })
}

impl Experiment {
    /// What will be measured.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// On which server.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What will be sent, in a line.
    pub fn workload(&self) -> &str {
        self.workload.describe()
    }

    /// Where everything about it will lie.
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Runs it, on this thread and the load threads. `sinks` hear of it beside the log of the run.
    ///
    /// # Errors
    ///
    /// When the measurement could not be done, or not be written down. What was written before is kept.
    pub fn run(self, sinks: Vec<Box<dyn MetricSink>>, stop: &Stop) -> Result<Finished, Failure> {
        let Self { settings, target, provider, workload, tokenizer, plan, directory } = self;
        let record = environment(&settings, &target, workload.describe());
        let mut all: Vec<Box<dyn MetricSink>> = vec![
            Box::new(RunLog::new(directory.clone(), record)),
            Box::new(Breaker::new(stop.clone())),
        ];
        all.extend(sinks);
        let counter: Arc<dyn TokenCounter> = tokenizer;
        let outcome = bench_core::run(
            &plan,
            &mut |_| {
                let provider = Arc::clone(&provider) as Arc<dyn Provider>;
                let mut prepared = Prepared::new(provider, Box::new(workload.clone()));
                prepared.counter = Some(Arc::clone(&counter));
                Ok(prepared)
            },
            &mut all,
            stop,
        );
        let outcome = outcome.map_err(|error| run_failure(&error, &directory))?;
        let exported = export(&settings, &target, &directory)?;
        Ok(Finished { plan, target, outcome, directory, exported })
    }
}

impl Finished {
    /// The exit code that the numbers themselves ask for; how the run was stopped is the caller's to know.
    pub fn exit(&self) -> Exit {
        let points = || self.outcome.points.iter();
        let failed = |p: &bench_core::PointOutcome| {
            let ratio = p.summary.value("error_ratio").unwrap_or(0.0);
            p.summary.succeeded() == 0 || ratio > MOST_FAILED
        };
        // Requests that this machine could not send are its own failure, not the server's.
        let ours = |p: &bench_core::PointOutcome| {
            p.summary.succeeded() == 0 && p.summary.outcomes.contains_key(&Outcome::Client)
        };
        if points().any(ours) {
            Exit::Resource
        } else if points().any(failed) {
            Exit::Failed
        } else if points().any(|p| p.verdict.trust == Trust::Void) {
            Exit::Void
        } else {
            Exit::Ok
        }
    }
}

/// Failed requests that the gate lets pass.
const MOST_FAILED: f64 = 0.01;

fn tokenizer(settings: &Settings) -> Result<Arc<dyn Tokenizer>, Failure> {
    let Some(path) = &settings.tokenizer else { return Ok(Arc::new(Approximate)) };
    load_tokenizer(path).map_err(|error| {
        let what = format!("the tokenizer {} cannot be used", path.display());
        let fix =
            "--tokenizer tokenizer.json, the folder that holds it, or none for an approximate one";
        Failure::new(Code::Tokenizer, what).caused_by(&error).fix(fix)
    })
}

/// Connections that the load may need at once.
fn most_in_flight(settings: &Settings) -> u64 {
    match settings.load {
        LoadSettings::Concurrency(n) => n.get() as u64,
        LoadSettings::Rate { max_in_flight: Some(n), .. } => n.get() as u64,
        // As many as arrive in ten seconds: nobody knows how long answers take.
        LoadSettings::Rate { rate, .. } => ceil(rate.as_f64() * 10.0).clamp(64, 4_096),
    }
}

fn ceil(n: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and the callers' numbers are not negative"
    )]
    let n = n.ceil() as u64;
    n
}

fn workload(
    settings: &Settings,
    tokenizer: &dyn Tokenizer,
    provider: &OpenAi,
) -> Result<SyntheticWorkload, Failure> {
    let until = until(settings);
    let wanted = match until.requests {
        Some(requests) => requests.saturating_add(warm_up(settings)),
        None => PROMPTS_FOR_A_DURATION,
    };
    let affordable = ceil(MOST_PROMPT_TOKENS / settings.isl.mean()).min(MOST_PROMPTS);
    let count = usize::try_from(wanted.clamp(1, affordable)).unwrap_or(1);
    let synthetic = Synthetic {
        isl: settings.isl,
        osl: Some(settings.osl),
        count: NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN),
        seed: settings.seed,
    };
    synthetic.prepare(tokenizer, &|prompt| provider.encode(prompt)).map_err(|error| {
        Failure::new(Code::Prompts, "the prompts cannot be made").caused_by(&error)
    })
}

fn directory(settings: &Settings) -> Result<RunDirectory, Failure> {
    let failed = |error: &StoreError| {
        let what = format!("results cannot be written to {}", settings.artifacts.display());
        Failure::new(Code::Artifacts, what)
            .caused_by(error)
            .fix("--artifact-dir DIR, one that you may write to")
    };
    let mut seed = Clock::start().anchor().wall_ns;
    loop {
        let id = new_id(&settings.artifacts, seed).map_err(|error| failed(&error))?;
        match RunDirectory::create(&settings.artifacts, &id, &settings.name) {
            // Another process was quicker with the same id.
            Err(StoreError::Taken { .. }) => seed = seed.wrapping_add(1),
            created => return created.map_err(|error| failed(&error)),
        }
    }
}

/// The run's id: the first part of its directory's name.
fn id_of(directory: &RunDirectory) -> String {
    let name = directory.path().file_name().unwrap_or_default().to_string_lossy();
    name.split('-').next().unwrap_or_default().to_owned()
}

fn warm_up(settings: &Settings) -> u64 {
    settings.warm_up.unwrap_or_else(|| match settings.load {
        LoadSettings::Concurrency(n) => (n.get() as u64).max(4),
        LoadSettings::Rate { .. } => 4,
    })
}

/// When the measured phase ends. At a rate, a number of requests beyond those of the duration is none.
fn until(settings: &Settings) -> Until {
    let requests = settings.requests.or_else(|| match (settings.duration, settings.load) {
        (Some(_), _) => None,
        (None, LoadSettings::Concurrency(n)) => Some((n.get() as u64).saturating_mul(20).max(100)),
        (None, LoadSettings::Rate { rate, .. }) => Some(ceil(rate.as_f64() * 20.0).max(100)),
    });
    Until { requests, duration: settings.duration }
}

fn load(settings: &Settings) -> Load {
    match settings.load {
        LoadSettings::Concurrency(concurrency) => Load::Closed { concurrency },
        LoadSettings::Rate { rate, arrivals, max_in_flight } => {
            Load::Open { schedule: schedule(settings, rate, arrivals), max_in_flight }
        }
    }
}

/// Arrivals that a Poisson schedule must hold, at most.
fn arrivals(settings: &Settings, rate: Rate) -> u64 {
    let until = until(settings);
    let in_time = until
        .duration
        .map_or(u64::MAX, |d| Paced::arrivals_in(&rate.into(), bench_core::Arrivals::Poisson, d));
    in_time.min(until.requests.unwrap_or(u64::MAX))
}

fn check_schedule(settings: &Settings) -> Result<(), Failure> {
    let LoadSettings::Rate { rate, arrivals: Arrivals::Poisson, .. } = settings.load else {
        return Ok(());
    };
    let wanted = arrivals(settings, rate);
    if wanted <= MOST_ARRIVALS {
        return Ok(());
    }
    let what = format!("{wanted} arrivals are too many for one run: at most {MOST_ARRIVALS}");
    Err(Failure::new(Code::Setting, what).fix("a lower -n or -d, or --arrival-pattern constant"))
}

fn schedule(settings: &Settings, rate: Rate, pattern: Arrivals) -> Arc<dyn bench_core::Schedule> {
    match pattern {
        Arrivals::Constant => Arc::new(Paced::constant(rate)),
        Arrivals::Poisson => {
            let count = arrivals(settings, rate);
            Arc::new(Paced::new(rate, bench_core::Arrivals::Poisson, settings.seed, count))
        }
    }
}

fn plan(settings: &Settings, target: &Target, workload: &SyntheticWorkload, id: String) -> Plan {
    let warm_up = warm_up(settings);
    let load = load(settings);
    let warm_up_load = match &load {
        Load::Closed { .. } => load.clone(),
        // At a rate, a server is warmed by a few requests at a time: a schedule would only take longer.
        Load::Open { .. } => {
            Load::Closed { concurrency: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN) }
        }
    };
    let point = Point {
        target: target.name(),
        workload: workload.describe().to_owned(),
        load,
        warm_up: (warm_up > 0)
            .then(|| WarmUp { load: warm_up_load, until: Until::requests(warm_up) }),
        until: until(settings),
        grace: settings.grace,
        limits: settings.limits,
    };
    Plan {
        id,
        name: settings.name.clone(),
        seed: settings.seed,
        threads: settings.threads.unwrap_or_else(machine::load_threads),
        points: vec![point],
    }
}

fn run_failure(error: &RunError, directory: &RunDirectory) -> Failure {
    let kept = format!("what was measured before is kept in {}", directory.path().display());
    match error {
        RunError::Sink(error) => Failure::new(Code::Artifacts, "the results cannot be written")
            .caused_by(error)
            .has(kept),
        RunError::Threads(error) => {
            Failure::new(Code::Resource, "the load threads cannot be started")
                .said(error.to_string())
        }
        error => Failure::new(Code::Bug, "the measurement broke off").caused_by(error).has(kept),
    }
}

fn export(
    settings: &Settings,
    target: &Target,
    directory: &RunDirectory,
) -> Result<Vec<String>, Failure> {
    if settings.exports.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Code::Artifacts, "the exports cannot be written").caused_by(error)
    };
    let summary = directory.read_summary().map_err(|e| failed(&e))?;
    // A run that was stopped before a point ended has nothing to export.
    let Some(summary) = summary else { return Ok(Vec::new()) };
    let mut written = Vec::new();
    for export in &settings.exports {
        match export {
            Export::Csv => {
                let file = csv::write(directory.path(), &summary);
                written.push(file.map_err(|e| failed(&e))?);
            }
            Export::GenaiPerf => {
                let url = target.endpoint.to_string();
                let input = genai_perf::Input {
                    model: &target.model,
                    url: &url,
                    endpoint_type: api_name(settings),
                    seed: settings.seed,
                };
                for point in summary.points.iter().take(1) {
                    let files = genai_perf::write(directory.path(), point, &input);
                    written.extend(files.map_err(|e| failed(&e))?);
                }
            }
        }
    }
    Ok(written
        .iter()
        .filter_map(|path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect())
}

fn api_name(settings: &Settings) -> &'static str {
    match settings.api {
        bench_providers::openai::Api::Chat => "chat",
        bench_providers::openai::Api::Completions => "completions",
    }
}
