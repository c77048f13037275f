//! What each key allows by itself, but not together with another.

use std::{collections::HashSet, fmt::Display};

use bench_core::{Goal, Quantity};
use bench_providers::Api;

use super::{
    ArrivalPattern, CorpusName, EngineName, IslCounts, LoadFile, Node, PlanFile, Problem, Scenario,
    Several, Sweep, TargetFile, TokenLimit, Tokens, VERSION, scenario::takes_images,
    substitute::names_variable,
};

/// The metrics of answers that are results, and have no tokens.
const OF_RESULTS: [&str; 14] = [
    "e2e_ms",
    "e2e_due_ms",
    "queue_ms",
    "connect_ms",
    "isl",
    "input_tps",
    "rps",
    "steady_rps",
    "goodput_rps",
    "good_ratio",
    "concurrency",
    "error_ratio",
    "window_s",
    "requests_ok",
];

/// More attempts than these would never end.
const MOST_RETRIES: u64 = 100;

/// Adds what is wrong with `plan` as a whole. `written` is the tree with the names of variables.
pub(super) fn check(plan: &PlanFile, written: &Node, problems: &mut Vec<Problem>) {
    let mut check = Check { written, problems };
    check.version(plan.version);
    check.targets(&plan.targets);
    check.workload(plan);
    check.input(plan);
    check.scenarios(plan);
    check.results(plan);
    check.load(&plan.load);
    check.repeats(&plan.load);
    check.goals(plan);
    check.named("output.artifact_dir", plan.output.artifact_dir.as_ref());
}

/// Points beyond which a plan is a mistake.
pub(super) const MOST_POINTS: usize = 100_000;

struct Check<'c> {
    written: &'c Node,
    problems: &'c mut Vec<Problem>,
}

impl Check<'_> {
    /// Says that what stands at `path` is wrong.
    fn wrong(&mut self, path: &str, what: impl Display) {
        let at = self.written.find(path).map(|node| node.at.clone()).unwrap_or_default();
        self.problems.push(Problem::new(at, path, what.to_string()));
    }

    /// Says so, if it is.
    fn unless(&mut self, holds: bool, path: &str, what: impl Display) {
        if !holds {
            self.wrong(path, what);
        }
    }

    /// Says that `key` cannot be beside each of `others` that is there.
    fn alone(&mut self, section: &str, key: (&str, bool), others: &[(&str, bool)]) {
        let (key, is_there) = key;
        for (other, _) in others.iter().filter(|(_, is_there_too)| is_there && *is_there_too) {
            self.wrong(&format!("{section}.{key}"), format!("cannot be beside {other}"));
        }
    }

    /// Says that a text is empty, as where a variable of the shell is not set.
    fn named(&mut self, path: &str, text: Option<&String>) {
        let is_empty = text.is_some_and(|text| text.trim().is_empty());
        self.unless(!is_empty, path, "is empty; leave it out, or write what is meant");
    }

    fn version(&mut self, version: Option<u32>) {
        match version {
            None | Some(VERSION) => {}
            Some(newer) if newer > VERSION => self.wrong(
                "version",
                format!(
                    "{newer} is newer than this program, which knows plans of version {VERSION}"
                ),
            ),
            Some(none) => {
                self.wrong("version", format!("{none} is no version of plans; write {VERSION}"));
            }
        }
    }

    fn targets(&mut self, targets: &[TargetFile]) {
        let mut names = HashSet::new();
        for (index, target) in targets.iter().enumerate() {
            let path = format!("targets[{index}]");
            match target.name.as_ref().or(target.model.as_ref()) {
                Some(name) => {
                    let what =
                        format!("there is another target `{name}`; give each a name of its own");
                    let key = if target.name.is_some() { "name" } else { "model" };
                    self.unless(names.insert(name), &format!("{path}.{key}"), what);
                }
                None => self.unless(
                    targets.len() == 1,
                    &path,
                    "needs a name, for there are several targets",
                ),
            }
            self.named(&format!("{path}.name"), target.name.as_ref());
            self.named(&format!("{path}.model"), target.model.as_ref());
            self.alone(
                &path,
                ("simulate", target.simulate.is_some()),
                &[("url", target.url.is_some())],
            );
            self.alone(
                &path,
                ("up", target.up.is_some()),
                &[("url", target.url.is_some()), ("simulate", target.simulate.is_some())],
            );
            self.alone(
                &path,
                ("api_key_file", target.api_key_file.is_some()),
                &[("api_key_env", target.api_key_env.is_some())],
            );
            self.template(&path, target);
            self.passes(&path, target);
            self.headers(&path);
        }
    }

    fn template(&mut self, path: &str, target: &TargetFile) {
        let is_custom = target.engine == Some(EngineName::Custom);
        self.unless(
            !is_custom || target.template.is_some(),
            &format!("{path}.engine"),
            "custom needs a template that describes it: template, --template",
        );
        self.unless(
            is_custom || target.template.is_none(),
            &format!("{path}.template"),
            "is of the engine custom alone: engine, --engine",
        );
        self.unless(
            target.template.is_none() || target.streaming.is_none(),
            &format!("{path}.streaming"),
            "cannot be beside a template, which says it: answer.framing",
        );
    }

    fn passes(&mut self, path: &str, target: &TargetFile) {
        let mut seen = HashSet::new();
        for (index, pass) in target.passes.iter().enumerate() {
            let path = format!("{path}.passes[{index}]");
            let labels: Vec<&str> = pass.labels.0.values().map(|label| label.0.as_str()).collect();
            if labels.is_empty() {
                self.wrong(
                    &path,
                    "needs a label that tells it from the others, such as quantization",
                );
            } else if !seen.insert(labels) {
                self.wrong(&path, "has the labels of another pass of this target");
            }
            self.unless(
                !pass.labels.0.contains_key("target"),
                &format!("{path}.target"),
                "cannot be a label: on the command line it says which target a pass is of",
            );
        }
    }

    /// Secrets stand in plans by name alone.
    fn headers(&mut self, path: &str) {
        let written = self.written;
        let Some(headers) = written.find(path).and_then(|target| target.get("headers")) else {
            return;
        };
        for entry in headers.entries() {
            let text = entry.node.to_string();
            let is_typed = matches!(entry.node.at, super::Origin::Flag(_));
            let path = format!("{path}.headers.{}", entry.key);
            if text == super::layers::HIDDEN {
                self.at(&entry.node, &path, "was not recorded; give it as ${NAME}");
            } else if is_secret(&entry.key) && !is_typed && !names_variable(&text) {
                self.at(
                    &entry.node,
                    &path,
                    "a secret has no place in a plan; name the variable that holds it, ${NAME}",
                );
            }
        }
    }

    fn at(&mut self, node: &Node, path: &str, what: &str) {
        self.problems.push(Problem::new(node.at.clone(), path, what));
    }

    fn workload(&mut self, plan: &PlanFile) {
        let workload = &plan.workload;
        let (isl, osl) = (("isl", workload.isl.is_some()), ("osl", workload.osl.is_some()));
        let deviations = [
            ("isl_stddev", workload.isl_stddev.is_some()),
            ("osl_stddev", workload.osl_stddev.is_some()),
        ];
        let instead = workload.instead_of_lengths();
        for (place, key) in instead.into_iter().enumerate() {
            self.alone("workload", key, &instead[..place]);
            if key.0 == "scenario" && workload.shows_scenarios() {
                continue;
            }
            self.alone("workload", key, &[isl, osl]);
            if key.0 != "pairs" {
                self.alone("workload", key, &deviations);
            }
        }
        self.presets(plan);
        self.images(plan);
        let has_ids = workload.tokenizer.is_some() || workload.token_ids != Some(true);
        self.unless(
            has_ids,
            "workload.token_ids",
            "needs the model's tokenizer: workload.tokenizer",
        );
        let mut pairs = workload.pairs.iter().enumerate();
        let twice = pairs.find(|(index, pair)| workload.pairs[..*index].contains(pair));
        if let Some((_, pair)) = twice {
            self.wrong("workload.pairs", format!("{pair} is in the list twice"));
        }
        let scatters = |lengths: &Option<Sweep<Tokens>>| {
            let values = lengths.as_ref().map(Sweep::values).unwrap_or_default();
            values.iter().any(|tokens| !tokens.0.is_fixed())
        };
        for (key, lengths, (deviation, is_there)) in
            [("isl", &workload.isl, deviations[0]), ("osl", &workload.osl, deviations[1])]
        {
            let twice = scatters(lengths) && is_there;
            let what = format!("{key} has a distribution of its own; leave {deviation} out");
            self.unless(!twice, &format!("workload.{deviation}"), what);
        }
    }

    /// With weights they are mixed, without they are measured one after the other.
    fn presets(&mut self, plan: &PlanFile) {
        let workload = &plan.workload;
        let presets = workload.preset.as_ref().map(Several::values).unwrap_or_default();
        let weighted = presets.iter().filter(|name| name.weight.is_some()).count();
        let what = "give each a weight, which mixes them (chat:3,rag:1), or none, which measures one after the \
                    other (chat,rag)";
        self.unless([0, presets.len()].contains(&weighted), "workload.preset", what);
        let generates = plan.targets.iter().all(|target| target.api().generates());
        for (key, is_mix) in [("preset", weighted > 0), ("mix", workload.mix.is_some())] {
            let what = "embeddings and rerank have no mixes; measure each length by itself";
            self.unless(generates || !is_mix, &format!("workload.{key}"), what);
        }
        let mut seen = HashSet::new();
        if let Some(twice) = presets.iter().find(|name| !seen.insert(name.preset.name)) {
            self.wrong("workload.preset", format!("{} is in the list twice", twice.preset.name));
        }
    }

    /// Some APIs take text alone.
    fn images(&mut self, plan: &PlanFile) {
        let workload = &plan.workload;
        let said = [
            ("count", workload.images.count),
            ("width", workload.images.width),
            ("height", workload.images.height),
        ];
        let first = said.into_iter().find(|(_, said)| said.is_some()).map(|(key, _)| key);
        let takes_them = plan.targets.iter().all(|target| takes_images(target.api()));
        let what = "is for targets that take images: chat, responses, messages and native_chat";
        if let Some(key) = first {
            self.unless(takes_them, &format!("workload.images.{key}"), what);
        }
        let scenarios = workload.scenario.as_ref().map(Several::values).unwrap_or_default();
        let shows = scenarios.iter().any(Scenario::is_of_images);
        self.alone("workload", ("scenario", shows), &[("images", first.is_some())]);
    }

    /// A file says by itself what is sent.
    fn input(&mut self, plan: &PlanFile) {
        let (workload, load) = (&plan.workload, &plan.load);
        let input = &workload.input;
        self.named("workload.input.file", input.file.as_ref());
        let has_file = input.is_given();
        self.alone(
            "workload.input",
            ("suite", input.suite.is_some()),
            &[("file", input.file.is_some())],
        );
        let what = "cannot be beside warmup_step: the conversations that go on would be others";
        let both = input.cache_bust == Some(true) && load.warmup_step == Some(true);
        self.unless(!both, "workload.input.cache_bust", what);
        let has_tools = input.suite == Some(super::SuiteName::Tools);
        let what = "is of the suite tools alone: --suite tools";
        self.unless(has_tools || input.tool_choice.is_none(), "workload.input.tool_choice", what);
        let share = workload.canary.map_or(0.0, |share| share.0);
        self.unless((0.0..=100.0).contains(&share), "workload.canary", "must lie in 0% to 100%");
        let own = [
            ("isl", workload.isl.is_some()),
            ("osl", workload.osl.is_some()),
            ("images", workload.images != super::ImagesFile::default()),
            ("token_ids", workload.token_ids == Some(true)),
        ];
        self.alone("workload", ("input", has_file), &own);
        self.alone("workload", ("input", has_file), &workload.instead_of_lengths());
        let needs_file = "means nothing without a file: workload.input.file, --input-file";
        let is_bare = *input == super::InputFile::default();
        self.unless(has_file || is_bare, "workload.input", needs_file);
        let has_talks = has_file || workload.has_talks();
        let needs_talks =
            "means nothing without conversations: an input file, or workload.turns, --turns";
        for (key, is_there) in [
            ("active_conversations", load.active_conversations.is_some()),
            ("conversation_sampling", load.conversation_sampling.is_some()),
        ] {
            self.unless(has_talks || !is_there, &format!("load.{key}"), needs_talks);
        }
        let think = ("think_time", workload.think_time.is_some());
        self.unless(has_talks || !think.1, "workload.think_time", needs_talks);
        let scatters = workload.think_time_pattern.is_some();
        let what = "means nothing without think_time";
        self.unless(think.1 || !scatters, "workload.think_time_pattern", what);
        self.talks(plan);
        for (key, is_there) in [
            ("warmup_step", load.warmup_step.is_some()),
            ("fixed_schedule", load.fixed_schedule.is_some()),
        ] {
            self.unless(has_file || !is_there, &format!("load.{key}"), needs_file);
        }
        let both = input.min_tokens.is_some() == input.max_tokens.is_some();
        let what = "goes with the other limit: min_tokens and max_tokens, --limit-min-tokens and --limit-max-tokens";
        let missing = if input.min_tokens.is_some() { "min_tokens" } else { "max_tokens" };
        self.unless(both, &format!("workload.input.{missing}"), what);
        if let (Some(TokenLimit::Tokens(least)), Some(TokenLimit::Tokens(most))) =
            (input.min_tokens, input.max_tokens)
        {
            self.unless(least <= most, "workload.input.min_tokens", "is more than max_tokens");
        }
        let no_first = load.warmup.is_none() && load.warmup_duration.is_none();
        let what = "says how long the warm-up is; it cannot be beside warmup or warmup_duration";
        self.unless(load.warmup_step != Some(true) || no_first, "load.warmup_step", what);
        let is_several = plan.targets.iter().all(|target| target.api().generates());
        let what = "is for targets that generate: embeddings and rerank have no conversations";
        self.unless(is_several || !has_file, "workload.input", what);
        self.unless(is_several || workload.canary.is_none(), "workload.canary", what);
        for (place, share) in plan.output.warmup_percentages.iter().enumerate() {
            let holds = (0.0..100.0).contains(&share.0);
            let path = format!("output.warmup_percentages[{place}]");
            self.unless(holds, &path, "must lie in 0% to 100%, and leave something");
        }
    }

    /// Each scenario is for targets of one kind.
    fn scenarios(&mut self, plan: &PlanFile) {
        let Some(scenarios) = &plan.workload.scenario else { return };
        let found = TargetFile::default();
        let targets = if plan.targets.is_empty() { &[found][..] } else { &plan.targets };
        for scenario in scenarios.values() {
            let suits = targets.iter().all(|target| scenario.suits(target.api()));
            let what = format!("{scenario} is for targets {}", scenario.suited());
            self.unless(suits, "workload.scenario", what);
        }
        let ranks = scenarios.values().iter().any(|scenario| scenario.suits(Api::Rerank));
        let query = ("query_tokens", plan.workload.query_tokens.is_some());
        self.alone("workload", ("scenario", ranks), &[query]);
    }

    /// Conversations that are made up.
    fn talks(&mut self, plan: &PlanFile) {
        let (workload, prefix) = (&plan.workload, &plan.workload.prefix);
        let own = [
            ("turns", workload.turns.is_some()),
            ("prefix", *prefix != super::PrefixFile::default()),
            ("isl_counts", workload.isl_counts == Some(IslCounts::Templated)),
        ];
        self.alone("workload", ("input", workload.input.is_given()), &own);
        self.alone("workload", ("token_ids", workload.token_ids == Some(true)), &own[..2]);
        let templated = ("isl_counts", workload.isl_counts == Some(IslCounts::Templated));
        self.alone("workload", templated, &own[..2]);
        let what =
            "needs the model's tokenizer, beside which its chat template lies: workload.tokenizer";
        self.unless(workload.tokenizer.is_some() || !templated.1, "workload.isl_counts", what);
        let is_random = workload.corpus.is_some_and(|corpus| corpus != CorpusName::Text);
        let random = ("corpus", is_random);
        let more = [
            ("isl_stddev", workload.isl_stddev.is_some()),
            ("osl_stddev", workload.osl_stddev.is_some()),
        ];
        self.alone("workload", random, &[own[0], own[2], ("input", workload.input.is_given())]);
        self.alone("workload", random, &more);
        let what = "random tokens need the model's tokenizer: workload.tokenizer";
        self.unless(workload.tokenizer.is_some() || !is_random, "workload.corpus", what);
        let what = "means nothing without random tokens: workload.corpus";
        self.unless(is_random || workload.range_ratio.is_none(), "workload.range_ratio", what);
        let shared = ("shared_tokens", prefix.shared_tokens.is_some());
        let hits = ("hit_ratio", prefix.hit_ratio.is_some());
        self.alone("workload.prefix", hits, &[shared]);
        let what = "means nothing without a text to share: shared_tokens or hit_ratio";
        self.unless(shared.1 || hits.1 || prefix.pool.is_none(), "workload.prefix.pool", what);
        let share = prefix.hit_ratio.map_or(0.0, |share| share.0);
        let what = "must lie in 0% to 99%: something is new in each prompt";
        self.unless((0.0..=99.0).contains(&share), "workload.prefix.hit_ratio", what);
        let generates = plan.targets.iter().all(|target| target.api().generates());
        let what = "is for targets that generate";
        for (key, is_there) in own {
            self.unless(generates || !is_there, &format!("workload.{key}"), what);
        }
    }

    /// Results are not streamed, and no tokens are asked for; only they are of several texts.
    fn results(&mut self, plan: &PlanFile) {
        let workload = &plan.workload;
        let is_asked = |is: fn(Api) -> bool| plan.targets.iter().any(|target| is(target.api()));
        // Without a target, the one that is found is asked for a chat.
        let generates = plan.targets.is_empty() || is_asked(Api::generates);
        let what = "means nothing for embeddings and rerank: no tokens are asked for";
        for (key, is_there) in [
            ("osl", workload.osl.is_some()),
            ("osl_stddev", workload.osl_stddev.is_some()),
            ("pairs", !workload.pairs.is_empty()),
            ("matrix", workload.matrix.is_some()),
            ("preset", workload.preset.is_some()),
        ] {
            self.unless(generates || !is_there, &format!("workload.{key}"), what);
        }
        if !generates {
            self.goals_of_results(plan);
        }
        let is_there = workload.batch_size.is_some();
        let what = "means nothing without a target that is asked for embeddings";
        let holds = is_asked(|api| api == Api::Embeddings);
        self.unless(holds || !is_there, "workload.batch_size", what);
        let what = "means nothing without a target that is asked to rerank";
        let holds = is_asked(|api| api == Api::Rerank);
        self.unless(holds || workload.documents.is_none(), "workload.documents", what);
        self.unless(holds || workload.query_tokens.is_none(), "workload.query_tokens", what);
        for (index, target) in plan.targets.iter().enumerate() {
            let streams = target.api().generates() || target.streaming != Some(true);
            let what = "means nothing for embeddings and rerank, which come whole";
            self.unless(streams, &format!("targets[{index}].streaming"), what);
        }
    }

    /// What has no tokens has no goals about them.
    fn goals_of_results(&mut self, plan: &PlanFile) {
        let is_of_tokens = |quantity: &Quantity| !OF_RESULTS.contains(&quantity.metric().id);
        let goals = plan.goals.slo.iter().filter_map(|goal| goal.0.parse::<Goal>().ok());
        let slo = goals.map(|goal| ("goals.slo", goal.quantity()));
        let on = plan.load.converge_on.iter().filter_map(|text| text.parse().ok());
        let on = on.map(|quantity| ("load.converge_on", quantity));
        for (key, quantity) in slo.chain(on).collect::<Vec<(&str, Quantity)>>() {
            let what =
                format!("{quantity} does not exist for embeddings and rerank; rps and p95(e2e) do");
            self.unless(!is_of_tokens(&quantity), key, what);
        }
    }

    fn load(&mut self, load: &LoadFile) {
        let rate = ("request_rate", load.request_rate.is_some());
        let series = ("rate_series", load.rate_series.is_some());
        let trace = ("trace", load.trace.is_some());
        self.alone("load", series, &[rate]);
        self.alone("load", trace, &[rate, series]);
        let schedule = ("fixed_schedule", load.fixed_schedule == Some(true));
        self.alone("load", schedule, &[rate, series, trace]);
        let has_rate = rate.1 || series.1;
        let is_open = has_rate || trace.1 || schedule.1;
        let no_rate = "means nothing without a rate: request_rate, --request-rate";
        self.unless(has_rate || load.arrival_pattern.is_none(), "load.arrival_pattern", no_rate);
        self.unless(has_rate || load.smoothness.is_none(), "load.smoothness", no_rate);
        self.unless(has_rate || load.burst_size.is_none(), "load.burst_size", no_rate);
        self.patterns(load);
        let ramp = &load.rate_ramp;
        if *ramp != super::RateRampFile::default() {
            self.unless(rate.1, "load.rate_ramp", no_rate);
            self.unless(ramp.over.is_some(), "load.rate_ramp", "needs to know how long: over");
        }
        self.in_flight(load, is_open);
        let not_a_speed = load.speed_up.is_some_and(|speed| !(speed > 0.0 && speed.is_finite()));
        self.unless(!not_a_speed, "load.speed_up", "must be more than 0");
        let needs_trace = "means nothing without moments to send at: trace or fixed_schedule";
        self.unless(trace.1 || schedule.1 || load.speed_up.is_none(), "load.speed_up", needs_trace);
        let retries = load.retry.map_or(0, |retries| retries.0);
        self.unless(retries <= MOST_RETRIES, "load.retry", "must be at most 100");
        let cancel = &load.cancel;
        let share = cancel.ratio.map_or(0.0, |ratio| ratio.0);
        self.unless((0.0..=100.0).contains(&share), "load.cancel.ratio", "must lie in 0% to 100%");
        let needs_ratio = "means nothing without a share of requests: cancel.ratio";
        self.unless(
            cancel.ratio.is_some() || cancel.after.is_none(),
            "load.cancel.after",
            needs_ratio,
        );
    }

    fn patterns(&mut self, load: &LoadFile) {
        let Some(pattern) = load.arrival_pattern else {
            let both = load.smoothness.is_some() && load.burst_size.is_some();
            return self.unless(!both, "load.burst_size", "cannot be beside smoothness");
        };
        let is_gamma = pattern == ArrivalPattern::Gamma || load.smoothness.is_none();
        self.unless(is_gamma, "load.smoothness", "is of arrival_pattern gamma alone");
        let is_burst = pattern == ArrivalPattern::Burst || load.burst_size.is_none();
        self.unless(is_burst, "load.burst_size", "is of arrival_pattern burst alone");
    }

    fn in_flight(&mut self, load: &LoadFile, is_open: bool) {
        let (ramp, cap) = (&load.concurrency_ramp, load.max_in_flight.is_some());
        let has_ramp = *ramp != super::ConcurrencyRampFile::default();
        if is_open {
            let caps = load.concurrency.as_ref().map_or(1, |caps| caps.values().len());
            let what = "beside a rate or a trace is the most in flight: one number";
            self.unless(caps == 1, "load.concurrency", what);
            let both = load.concurrency.is_some() && cap;
            let what = "is the same as a concurrency beside a rate; give one of them";
            self.unless(!both, "load.max_in_flight", what);
            let what = "means nothing at a rate or by a trace";
            self.unless(!has_ramp, "load.concurrency_ramp", what);
            self.unless(load.concurrency_counts.is_none(), "load.concurrency_counts", what);
            let takes_turns = load.active_conversations.is_some();
            self.unless(!takes_turns, "load.active_conversations", what);
        } else {
            let what =
                "means nothing without a rate or a trace; there concurrency is all in flight";
            self.unless(!cap, "load.max_in_flight", what);
            let takes_turns =
                load.active_conversations.is_some() || load.conversation_sampling.is_some();
            let what =
                "says already who shares the places: active_conversations cannot be beside it";
            let counts = load.concurrency_counts.is_none() || !takes_turns;
            self.unless(counts, "load.concurrency_counts", what);
            let users = load.concurrency.as_ref().map(Sweep::values).unwrap_or_default();
            let most = users.iter().map(|users| users.0).max();
            let enough = load.active_conversations.is_none_or(|n| most.is_none_or(|m| n.0 >= m));
            let what = "is less than the concurrency: some places would always be empty";
            self.unless(enough, "load.active_conversations", what);
            let over = ramp.over.is_some() || !has_ramp;
            self.unless(over, "load.concurrency_ramp", "needs to know how long: over");
        }
    }

    fn repeats(&mut self, load: &LoadFile) {
        let most = load.repeat.map_or(1, |repeat| repeat.0.get());
        self.unless(
            most <= 1_000,
            "load.repeat",
            "more than 1000 times is more than anybody needs",
        );
        let Some(converge) = load.converge else {
            let what = "means nothing without converge";
            return self.unless(load.converge_on.is_none(), "load.converge_on", what);
        };
        let is_share = converge.0 > 0.0 && converge.0 < 100.0;
        self.unless(is_share, "load.converge", "must lie between 0% and 100%");
        let enough = load.repeat.is_none() || most >= 2;
        self.unless(enough, "load.repeat", "to converge takes two measurements or more");
        if let Some(metric) = &load.converge_on {
            self.metric("load.converge_on", metric);
        }
    }

    fn metric(&mut self, path: &str, text: &str) {
        if let Err(error) = text.parse::<Quantity>() {
            self.wrong(path, error);
        }
    }

    fn goals(&mut self, plan: &PlanFile) {
        let (goals, gate) = (&plan.goals, &plan.gate);
        let what = "means nothing without a goal: slo";
        self.unless(goals.slo_abort.is_none() || !goals.slo.is_empty(), "goals.slo_abort", what);
        let noise = gate.noise.map_or(0.0, |noise| noise.0);
        self.unless((0.0..=100.0).contains(&noise), "gate.noise", "must lie in 0% to 100%");
        let what = "means nothing without a run to compare with: baseline";
        self.unless(gate.fail_if.is_empty() || gate.baseline.is_some(), "gate.fail_if", what);
        for (metric, change) in &gate.fail_if {
            if let Err(error) = change.limit(metric) {
                self.wrong(&format!("gate.fail_if.{metric}"), error);
            }
        }
    }
}

/// Headers that are secrets: by their names.
pub(super) fn is_secret(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    ["auth", "key", "cookie", "token", "secret", "password", "credential"]
        .iter()
        .any(|word| name.contains(word))
}
