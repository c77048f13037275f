//! From a plan with everything in it to settings: files are read, texts get their types.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use bench_core::{
    Arrivals, Cancellation, ConcurrencyRamp, Counts, Goal, Limits, Pick, Ramp, RampShape, Rate,
    RateCurve, RateSeries, Smoothness, Trace,
};
use bench_providers::{Engine, Reuse, Secret, Transport};
use bench_report::gate::Limit;
use bench_workloads::{Length, Prefix, RandomCorpus, ThinkTime};

use super::{
    ArrivalPattern, ConcurrencyCounts, CorpusName, Environment, ExportName, FindFile, GpuTelemetry,
    IslCounts, Layered, LoadFile, OrderName, PassFile, PerSecond, Period, PickName, PlanFile,
    Positive, Problem, Problems, Shape, Simulate, Sweep, TargetFile, TelemetryFile,
    ThinkTimePattern, Time, UpFile, WorkloadFile, checks::MOST_POINTS, input, recordings, template,
};
use crate::{
    Converge, Export, FindSettings, GateSettings, Goals, InputSettings, LoadSettings, Order,
    Repeats, Server, Settings, TalkSettings, TargetSettings, TelemetrySettings, loads,
    simulator_config, watching::TOKEN_VARIABLE,
};

mod up;
mod workloads;

/// What `layered` comes to. Reads the files that it names, and nothing else.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn resolve(layered: &Layered, environment: Environment<'_>) -> Result<Settings, Problems> {
    let mut resolver = Resolver { layered, environment, problems: Vec::new() };
    let settings = resolver.settings(layered.plan());
    Problems::none_or(resolver.problems, settings)
}

/// Sensors of GPUs are no quicker, and whoever reads them more often burns a core.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

struct Resolver<'l> {
    layered: &'l Layered,
    environment: Environment<'l>,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn settings(&mut self, plan: &PlanFile) -> Settings {
        let load = &plan.load;
        let defaults = Settings::new();
        let targets = plan.targets.iter().enumerate();
        let targets = targets.flat_map(|(index, target)| self.targets(index, target)).collect();
        let settings = Settings {
            name: plan.name.clone().unwrap_or(defaults.name),
            seed: plan.seed.unwrap_or(defaults.seed),
            threads: self.optional("threads", plan.threads),
            targets,
            workloads: self.workloads(&plan.workload),
            loads: match &plan.find {
                Some(find) => candidates(&self.loads(load), find),
                None => self.loads(load),
            },
            find: plan.find.as_ref().map(|find| FindSettings {
                probes: self.optional("find.probes", find.probes).unwrap_or(NonZeroU32::MIN),
            }),
            repeats: self.repeats(load),
            order: match load.order {
                Some(OrderName::InOrder) => Order::InOrder,
                Some(OrderName::Interleaved) | None => Order::Interleaved,
            },
            cool_down: time(load.cooldown),
            requests: load.requests.and_then(|n| n.value()).map(|n| n.0.get()),
            duration: load.duration.map(|d| d.0),
            grace: time(load.grace),
            warm_up: load.warmup.and_then(|n| n.value()).map(|n| n.0),
            warm_up_duration: load.warmup_duration.map(|d| d.0),
            flush_cache: load.flush_cache.unwrap_or(false),
            retries: load.retry.map_or(0, |n| u32::try_from(n.0).unwrap_or(u32::MAX)),
            cancel: self.cancel(load),
            input: self.input(plan),
            random: random(&plan.workload),
            random_prefix: self
                .number("workload.prefix.shared_tokens", plan.workload.prefix.shared_tokens)
                .unwrap_or(0),
            talks: self.talks(&plan.workload).filter(|_| random(&plan.workload).is_none()),
            think_time: think_time(&plan.workload),
            counts_template: plan.workload.isl_counts == Some(IslCounts::Templated),
            canary: plan.workload.canary.map(|share| share.ratio()),
            warm_up_step: load.warmup_step.unwrap_or(false),
            token_ids: plan.workload.token_ids.unwrap_or(false),
            tokenizer: plan.workload.tokenizer.as_ref().map(PathBuf::from),
            limits: limits(plan),
            telemetry: self.telemetry(&plan.telemetry),
            goals: self.goals(plan),
            gate: GateSettings {
                baseline: plan.gate.baseline.clone(),
                fail_if: self.fail_if(plan),
                noise: plan.gate.noise.map_or(0.0, |noise| noise.ratio()),
            },
            artifacts: plan.output.artifact_dir.as_ref().map_or(defaults.artifacts, PathBuf::from),
            exports: plan.output.export.iter().map(|export| export.of_settings()).collect(),
            left_out_shares: plan.output.warmup_percentages.iter().map(|p| p.ratio()).collect(),
            plan: self.layered.to_json(),
            ..Settings::new()
        };
        self.bound_points(&settings);
        settings
    }

    fn bound_points(&mut self, settings: &Settings) {
        let points = settings.targets.len() as u128
            * settings.workloads.len() as u128
            * settings.loads.len() as u128
            * u128::from(settings.repeats.most.get());
        if points > MOST_POINTS as u128 {
            self.wrong(
                "load",
                format!("{points} points to measure are too many: at most {MOST_POINTS}"),
            );
        }
    }

    fn wrong(&mut self, path: &str, what: impl Into<String>) {
        self.problems.push(self.layered.problem(path, what));
    }

    /// The value, or a problem at `path`.
    fn valid<T, E: ToString>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.wrong(path, error.to_string())).ok()
    }

    /// A number as another type, if it fits.
    fn optional<T: TryFrom<NonZeroU64>>(
        &mut self,
        path: &str,
        number: Option<Positive>,
    ) -> Option<T> {
        let number = number?.0;
        let fits = T::try_from(number).map_err(|_| format!("{number} is too many"));
        self.valid(path, fits)
    }

    fn number(&mut self, path: &str, number: Option<Positive>) -> Option<u32> {
        self.optional(path, number).map(NonZeroU32::get)
    }

    /// A target, or its passes.
    fn targets(&mut self, index: usize, target: &TargetFile) -> Vec<TargetSettings> {
        let path = format!("targets[{index}]");
        let own = target.up.as_ref().map(|up| &up.0);
        if target.passes.is_empty() {
            let whole = self.target(&path, target, own);
            return match own {
                Some(up) => self.varied(&path, whole, up),
                None => vec![whole],
            };
        }
        let passes = target.passes.iter().enumerate().flat_map(|(number, pass)| {
            let more = pass.up.as_ref().map(|up| &up.0);
            let up = own.map_or_else(|| more.cloned(), |own| Some(own.over_by(more)));
            let whole = with_pass(self.target(&path, target, up.as_ref()), pass);
            match &up {
                Some(up) => self.varied(&format!("{path}.passes[{number}]"), whole, up),
                None => vec![whole],
            }
        });
        passes.collect()
    }

    fn target(&mut self, path: &str, target: &TargetFile, up: Option<&UpFile>) -> TargetSettings {
        let (engine, api) = (self.engine(target), target.api());
        let streams = engine.as_ref().and_then(|engine| engine.streams(api));
        let streams = streams.or((!api.generates()).then_some(false));
        TargetSettings {
            name: target.name.clone(),
            pass: None,
            labels: target.labels.0.iter().map(|(k, v)| (k.clone(), v.0.clone())).collect(),
            server: match up {
                Some(up) => Server::Up(Box::new(self.up(path, target, up))),
                None => self.server(path, target),
            },
            replicas: target.replicas.iter().map(|url| url.endpoint().clone()).collect(),
            model: target.model.clone(),
            engine,
            api,
            path: target.endpoint.clone(),
            streaming: streams.or(target.streaming).unwrap_or(true),
            force_osl: target.force_osl,
            extra_body: target.extra_inputs.clone(),
            headers: target.headers.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            api_key: self.api_key(path, target),
            transport: self.transport(path, target),
            wait_ready: time(target.wait_ready),
            gpu_telemetry: target.gpu_telemetry.clone().unwrap_or_default(),
            gpu_devices: target.gpu_devices.clone(),
            server_metrics: target.server_metrics.clone().unwrap_or_default(),
            agent_token: self.agent_token(path, target),
            context_length: self.number(&format!("{path}.context_length"), target.context_length),
            server_log: target.server_log.as_ref().map(PathBuf::from),
            gpus: self.number(&format!("{path}.gpus"), target.gpus),
        }
    }

    fn server(&mut self, path: &str, target: &TargetFile) -> Server {
        match (&target.url, &target.simulate) {
            (Some(url), _) => Server::At(url.endpoint().clone()),
            (None, Some(Simulate::Plain(true))) => Server::Simulator(simulator_config()),
            (None, Some(Simulate::As(how))) => {
                let path = format!("{path}.simulate");
                let mut config = simulator_config();
                config.ttft = how.ttft.map_or(config.ttft, |ttft| ttft.0);
                config.itl = how.itl.map_or(config.itl, |itl| itl.0);
                config.jitter = how.jitter.map_or(config.jitter, |jitter| jitter.ratio());
                config.seed = how.seed.unwrap_or(config.seed);
                config.model = how.model.clone().unwrap_or(config.model);
                let mut number = |key: &str, number, default| {
                    self.number(&format!("{path}.{key}"), number).unwrap_or(default)
                };
                config.context_length =
                    number("context_length", how.context_length, config.context_length);
                config.tokens_per_chunk =
                    number("tokens_per_chunk", how.tokens_per_chunk, config.tokens_per_chunk);
                config.events_per_write =
                    number("events_per_write", how.events_per_write, config.events_per_write);
                let threads = self.optional(&format!("{path}.threads"), how.threads);
                config.threads = threads.map_or(config.threads, NonZeroUsize::get);
                config.max_running = self.number(&format!("{path}.max_running"), how.max_running);
                config.slowdown = how.slowdown.map_or(config.slowdown, |slowdown| slowdown.ratio());
                config.speed = how.speed.map_or(config.speed, |speed| speed.ratio());
                Server::Simulator(config)
            }
            (None, Some(Simulate::Plain(false)) | None) => Server::Find,
        }
    }

    /// Which kind of server it is, where that is said.
    fn engine(&mut self, target: &TargetFile) -> Option<Engine> {
        match &target.template {
            None => target.engine?.engine(),
            Some(file) => template::read(file, &mut self.problems).map(Engine::Custom),
        }
    }

    /// How connections are set up.
    fn transport(&mut self, path: &str, target: &TargetFile) -> Transport {
        let authorities = target.tls_ca.as_ref().and_then(|file| {
            let read = std::fs::read(file).map_err(|error| format!("{file}: {error}"));
            self.valid(&format!("{path}.tls_ca"), read)
        });
        let sources = target.source_addresses.iter().enumerate().filter_map(|(n, address)| {
            let read = address.parse().map_err(|_| format!("`{address}` is no IP address"));
            self.valid(&format!("{path}.source_addresses[{n}]"), read)
        });
        Transport {
            http2: target.http2.unwrap_or(false),
            sources: sources.collect(),
            authorities: authorities.unwrap_or_default(),
            reuse: target.connection_reuse.map_or(Reuse::default(), Reuse::from),
            insecure: target.tls_insecure.unwrap_or(false),
            ..Transport::default()
        }
    }

    /// The key, and where it came from.
    fn api_key(&mut self, path: &str, target: &TargetFile) -> Option<(Secret, String)> {
        self.secret(&format!("{path}.api_key"), "key", &target.api_key_file, &target.api_key_env)
    }

    /// The token of the agent on its host.
    fn agent_token(&mut self, path: &str, target: &TargetFile) -> Option<Secret> {
        let (file, name) = (&target.agent_token_file, &target.agent_token_env);
        let is_asked = matches!(target.gpu_telemetry, Some(GpuTelemetry::Agent(_)));
        let is_usual = is_asked && (self.environment)(TOKEN_VARIABLE).is_some();
        let usual = || is_usual.then(|| TOKEN_VARIABLE.to_owned());
        let name = &name.clone().or_else(usual);
        Some(self.secret(&format!("{path}.agent_token"), "token", file, name)?.0)
    }

    fn telemetry(&mut self, plan: &TelemetryFile) -> TelemetrySettings {
        let defaults = TelemetrySettings::default();
        let mut interval = |path: &str, period: Option<Period>, default| {
            let period = period.map_or(default, |period| period.0);
            if period < SHORTEST_INTERVAL {
                let least = SHORTEST_INTERVAL.as_millis();
                self.wrong(path, format!("{period:?} is too short: at least {least}ms"));
            }
            period
        };
        TelemetrySettings {
            interval: interval("telemetry.interval", plan.interval, defaults.interval),
            server_interval: interval(
                "telemetry.server_interval",
                plan.server_interval,
                defaults.server_interval,
            ),
            host: plan.host.unwrap_or(defaults.host),
            idle: time(plan.idle),
        }
    }

    /// What stands in the file or the variable, and which one that is.
    fn secret(
        &mut self,
        path: &str,
        what: &str,
        file: &Option<String>,
        name: &Option<String>,
    ) -> Option<(Secret, String)> {
        let (secret, source) = match (file, name) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("the {what} file {file} cannot be read: {error}"));
                (self.valid(&format!("{path}_file"), text)?, file)
            }
            (None, Some(name)) => {
                let text = (self.environment)(name).ok_or_else(|| {
                    format!("the variable {name}, which is to hold the {what}, is not set")
                });
                (self.valid(&format!("{path}_env"), text)?, name)
            }
            (None, None) => return None,
        };
        Some((Secret::new(&secret), source.clone())).filter(|(secret, _)| !secret.is_empty())
    }

    /// What prompts have beside their lengths, if they are more than single questions.
    fn talks(&mut self, workload: &WorkloadFile) -> Option<TalkSettings> {
        if !workload.has_talks() {
            return None;
        }
        let given = &workload.prefix;
        let mut tokens =
            |key: &str, number| self.number(&format!("workload.prefix.{key}"), number).unwrap_or(0);
        let (system, shared) = (
            tokens("system_tokens", given.system_tokens),
            tokens("shared_tokens", given.shared_tokens),
        );
        let own = tokens("own_tokens", given.own_tokens);
        let pool = self.optional("workload.prefix.pool", given.pool).unwrap_or(NonZeroUsize::MIN);
        let turns = match workload.turns {
            Some(turns) => turns.length(0.0),
            None => Length::fixed(1).map_err(|error| error.to_string()),
        };
        Some(TalkSettings {
            turns: self.valid("workload.turns", turns)?,
            prefix: Prefix { system, shared, pool, own },
            hit_ratio: given.hit_ratio.map(|share| share.ratio()),
        })
    }

    fn input(&mut self, plan: &PlanFile) -> Option<InputSettings> {
        let seed = plan.seed.unwrap_or(Settings::new().seed);
        input::settings(&plan.workload.input, seed, |path, what| self.wrong(path, what))
    }

    fn loads(&mut self, load: &LoadFile) -> Vec<LoadSettings> {
        let cap = load.max_in_flight.or_else(|| load.concurrency.as_ref()?.values().pop());
        if let Some(rates) = &load.request_rate {
            let rates = rates.values();
            return rates.iter().filter_map(|rate| self.at_rate(load, *rate, cap)).collect();
        }
        if let Some(file) = &load.rate_series {
            let series = recordings::text(file)
                .and_then(|text| text.parse::<RateSeries>().map_err(|e| format!("{file}: {e}")));
            let series = self.valid("load.rate_series", series);
            return series
                .and_then(|s| self.open(load, RateCurve::Series(s), cap))
                .into_iter()
                .collect();
        }
        if let Some(file) = &load.trace {
            return self.trace(load, file, cap).into_iter().collect();
        }
        if load.fixed_schedule == Some(true) {
            let (speed_up, max_in_flight) = (load.speed_up.unwrap_or(1.0), self.cap(cap));
            return vec![LoadSettings::Recorded { speed_up, max_in_flight }];
        }
        let concurrencies = load.concurrency.as_ref().map(Sweep::values).unwrap_or_default();
        concurrencies.iter().filter_map(|n| self.closed(load, *n)).collect()
    }

    fn closed(&mut self, load: &LoadFile, concurrency: Positive) -> Option<LoadSettings> {
        let ramp = &load.concurrency_ramp;
        let concurrency = self.optional("load.concurrency", Some(concurrency))?;
        let open = self.optional("load.active_conversations", load.active_conversations);
        let pick = match load.conversation_sampling {
            Some(PickName::Random) => Pick::Random,
            Some(PickName::RoundRobin) | None => Pick::RoundRobin,
        };
        Some(LoadSettings::Closed {
            concurrency,
            counts: match load.concurrency_counts {
                Some(ConcurrencyCounts::Requests) => Counts::Requests,
                Some(ConcurrencyCounts::Sessions) => Counts::Sessions,
                // Of conversations: their own.
                None => Counts::Turns { open: open.unwrap_or(concurrency), pick },
            },
            ramp: ramp.over.map(|over| ConcurrencyRamp { over: over.0, shape: shape(ramp.shape) }),
        })
    }

    fn at_rate(
        &mut self,
        load: &LoadFile,
        rate: PerSecond,
        cap: Option<Positive>,
    ) -> Option<LoadSettings> {
        let to = self.valid("load.request_rate", Rate::per_second(rate.0))?;
        let ramp = &load.rate_ramp;
        let curve = match (ramp.over, ramp.from) {
            (Some(over), Some(from)) => {
                let from = self.valid("load.rate_ramp.from", Rate::per_second(from.0))?;
                RateCurve::Ramp(Ramp { from, to, over: over.0, shape: shape(ramp.shape) })
            }
            _ => RateCurve::Constant(to),
        };
        self.open(load, curve, cap)
    }

    fn open(
        &mut self,
        load: &LoadFile,
        curve: RateCurve,
        cap: Option<Positive>,
    ) -> Option<LoadSettings> {
        let arrivals = match load.arrival_pattern {
            Some(ArrivalPattern::Constant) => Arrivals::Constant,
            Some(ArrivalPattern::Gamma) => {
                let smoothness = Smoothness::new(load.smoothness.unwrap_or(1.0));
                Arrivals::Gamma { smoothness: self.valid("load.smoothness", smoothness)? }
            }
            Some(ArrivalPattern::Burst) => {
                Arrivals::Burst { size: self.optional("load.burst_size", load.burst_size)? }
            }
            Some(ArrivalPattern::Poisson) | None => Arrivals::Poisson,
        };
        let max_in_flight = self.cap(cap);
        Some(LoadSettings::Open { curve, arrivals, max_in_flight })
    }

    fn cap(&mut self, cap: Option<Positive>) -> Option<NonZeroUsize> {
        self.optional("load.max_in_flight", cap)
    }

    fn trace(
        &mut self,
        load: &LoadFile,
        file: &str,
        cap: Option<Positive>,
    ) -> Option<LoadSettings> {
        let speed_up = load.speed_up.unwrap_or(1.0);
        let timestamps = recordings::text(file).and_then(|text| {
            let timestamps =
                recordings::timestamps(&text).map_err(|error| format!("{file}: {error}"))?;
            Trace::new(&timestamps, speed_up).map_err(|error| format!("{file}: {error}"))?;
            Ok(timestamps)
        });
        let timestamps = self.valid("load.trace", timestamps)?;
        let max_in_flight = self.cap(cap);
        Some(LoadSettings::Trace { timestamps, speed_up, max_in_flight })
    }

    fn repeats(&mut self, load: &LoadFile) -> Repeats {
        Repeats {
            most: self.optional("load.repeat", load.repeat).unwrap_or(NonZeroU32::MIN),
            converge: load.converge.and_then(|ratio| {
                let metric = load.converge_on.as_deref().unwrap_or_default();
                let quantity = self.valid("load.converge_on", metric.parse())?;
                Some(Converge { quantity, ratio: ratio.ratio() })
            }),
        }
    }

    fn fail_if(&mut self, plan: &PlanFile) -> Vec<Limit> {
        let limits = plan.gate.fail_if.iter().filter_map(|(metric, change)| {
            self.valid(&format!("gate.fail_if.{metric}"), change.limit(metric))
        });
        limits.collect()
    }

    fn cancel(&mut self, load: &LoadFile) -> Option<Cancellation> {
        let ratio = load.cancel.ratio?.ratio();
        self.valid("load.cancel.ratio", Cancellation::new(ratio, time(load.cancel.after)))
    }

    fn goals(&mut self, plan: &PlanFile) -> Goals {
        let goals = &plan.goals;
        let slo = goals.slo.iter().enumerate().filter_map(|(index, goal)| {
            self.valid(&format!("goals.slo[{index}]"), goal.0.parse::<Goal>())
        });
        let slo = slo.collect();
        let goodput = goals
            .goodput
            .as_ref()
            .and_then(|limits| self.valid("goals.goodput", limits.to_string().parse()));
        let stop_on_saturation = goals.stop_on_saturation.unwrap_or(false);
        Goals { slo, goodput, abort: goals.slo_abort.map(|abort| abort.0), stop_on_saturation }
    }
}

/// The loads among which the highest is sought: between the least and the most of `loads`.
fn candidates(loads: &[LoadSettings], find: &FindFile) -> Vec<LoadSettings> {
    let precision = find.precision.map_or(0.05, |precision| precision.ratio());
    match (loads.iter().min_by(by_size), loads.iter().max_by(by_size)) {
        (
            Some(LoadSettings::Closed { concurrency: from, counts, ramp }),
            Some(LoadSettings::Closed { concurrency: to, .. }),
        ) => {
            let (from, to) = (from.get() as f64, to.get() as f64);
            let loads = crate::candidates(from, to, precision, true).into_iter();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole numbers between two that are of this type"
            )]
            let loads = loads.filter_map(|n| NonZeroUsize::new(n as usize));
            let (counts, ramp) = (*counts, *ramp);
            loads.map(|concurrency| LoadSettings::Closed { concurrency, counts, ramp }).collect()
        }
        (
            Some(LoadSettings::Open { curve: from, arrivals, max_in_flight }),
            Some(LoadSettings::Open { curve: to, .. }),
        ) => {
            let (from, to) = (from.peak().as_f64(), to.peak().as_f64());
            let rates = crate::candidates(from, to, precision, false).into_iter();
            let rates = rates.filter_map(|rate| Rate::per_second(rate).ok());
            let (arrivals, max_in_flight) = (*arrivals, *max_in_flight);
            rates
                .map(|rate| LoadSettings::Open { curve: rate.into(), arrivals, max_in_flight })
                .collect()
        }
        _ => loads.to_vec(),
    }
}

fn by_size(a: &&LoadSettings, b: &&LoadSettings) -> std::cmp::Ordering {
    loads::size(a).total_cmp(&loads::size(b))
}

/// A target whose server is started with another value of an argument: a pass of its own.
fn with_argument(mut target: TargetSettings, argument: &str, value: &str) -> TargetSettings {
    let name = argument.trim_start_matches('-');
    if let Server::Up(up) = &mut target.server {
        let flag = if name == argument { format!("--{name}") } else { argument.to_owned() };
        up.asked.args.extend([flag, value.to_owned()]);
    }
    let words = format!("{name} {value}");
    target.pass = Some(target.pass.map_or(words.clone(), |pass| format!("{pass}, {words}")));
    target.labels.insert(name.to_owned(), value.to_owned());
    target
}

fn with_pass(mut target: TargetSettings, pass: &PassFile) -> TargetSettings {
    if let Some(url) = &pass.url {
        target.server = Server::At(url.endpoint().clone());
    }
    target.model = pass.model.clone().or(target.model);
    target.server_log = pass.server_log.as_ref().map(PathBuf::from).or(target.server_log);
    target.extra_body.extend(pass.extra_inputs.clone());
    let words: Vec<String> = pass.labels.0.iter().map(|(k, v)| format!("{k} {}", v.0)).collect();
    target.pass = Some(words.join(", "));
    target.labels.extend(pass.labels.0.iter().map(|(k, v)| (k.clone(), v.0.clone())));
    target
}

/// Whose random tokens prompts are made of.
fn random(workload: &WorkloadFile) -> Option<(RandomCorpus, f64)> {
    let corpus = match workload.corpus? {
        CorpusName::Text => return None,
        CorpusName::VllmRandom => RandomCorpus::VllmRandom,
        CorpusName::SglangRandomIds => RandomCorpus::SglangRandomIds,
    };
    Some((corpus, workload.range_ratio.unwrap_or(0.0)))
}

fn think_time(workload: &WorkloadFile) -> Option<ThinkTime> {
    let scatters = workload.think_time_pattern == Some(ThinkTimePattern::Exponential);
    workload.think_time.map(|time| ThinkTime { mean: time.0, scatters })
}

fn time(time: Option<Time>) -> Duration {
    time.map(|time| time.0).unwrap_or_default()
}

fn shape(shape: Option<Shape>) -> RampShape {
    match shape {
        Some(Shape::Exponential) => RampShape::Exponential,
        Some(Shape::Linear) | None => RampShape::Linear,
    }
}

fn limits(plan: &PlanFile) -> Limits {
    let (limits, defaults) = (&plan.limits, Limits::default());
    let or = |period: Option<Period>, default| period.map_or(default, |period| period.0);
    Limits {
        connect: or(limits.connect, defaults.connect),
        headers: or(limits.headers, defaults.headers),
        first_token: or(limits.first_token, defaults.first_token),
        idle: or(limits.idle, defaults.idle),
        total: limits.total.map(|total| total.0),
    }
}

impl ExportName {
    fn of_settings(self) -> Export {
        match self {
            Self::GenaiPerf => Export::GenaiPerf,
            Self::Csv => Export::Csv,
            Self::MultiTurn => Export::MultiTurn,
            Self::TelemetryCsv => Export::TelemetryCsv,
            Self::AiperfTelemetry => Export::AiperfTelemetry,
        }
    }
}
