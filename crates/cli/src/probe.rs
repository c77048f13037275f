//! `inferbench probe` and `chat`: what a server is, and what it says.

use std::time::Duration;

use bench_core::{Moment, Outcome, Readiness, Sample};
use bench_harness::{
    Exit, Failure, KeepsLength, PROBE_TOKENS, Probed, Settings, Target, Trial, chat as ask,
    plan::{Node, Origin, resolve},
    probe as found,
};
use bench_providers::Api;
use bench_report::text::clean;
use serde_json::{Map, Value, json};

use crate::{
    args::{ChatArgs, ProbeArgs},
    flags::ServerFlags,
    output, plan,
};

pub(crate) fn probe(args: &ProbeArgs) -> Result<Exit, Failure> {
    let mut server = args.server.clone();
    if let Some(address) = &args.address {
        *server.0.typed.at_path(&["target", "url"]) =
            Node::text(Origin::Flag("URL".to_owned()), address);
    }
    let probed = found(&settings(&server)?)?;
    for note in &probed.target.notes {
        output::say(&format!("note: {note}"));
    }
    let text = if args.json { format!("{:#}", as_json(&probed)) } else { page(&probed) };
    output::result(&text)?;
    if args.raw {
        output::result(&raw(probed.answer()))?;
    }
    Ok(exit(&probed.answer().sample))
}

pub(crate) fn chat(args: &ChatArgs) -> Result<Exit, Failure> {
    let trial = ask(&settings(&args.server)?, &args.message, args.osl)?;
    if args.raw {
        output::result(&raw(&trial))?;
    } else {
        let lines: Vec<String> = trial.text.lines().map(clean).collect();
        output::result(&lines.join("\n"))?;
    }
    output::say(&timing(&trial));
    Ok(exit(&trial.sample))
}

/// A request that failed is one that failed, of one.
fn exit(sample: &Sample) -> Exit {
    if sample.outcome.is_ok() { Exit::Ok } else { Exit::Failed }
}

fn settings(server: &ServerFlags) -> Result<Settings, Failure> {
    Ok(resolve(&plan::over(None, &server.0)?, &plan::environment)?)
}

/// How an answer came, in a line.
fn timing(trial: &Trial) -> String {
    let sample = &trial.sample;
    if !sample.outcome.is_ok() {
        let said = sample.error.as_deref().unwrap_or_default();
        return format!("{}: {said}", sample.outcome);
    }
    let events = trial.moments().count();
    let tokens = match sample.output_tokens() {
        _ if sample.is_result() => "a result".to_owned(),
        Some((tokens, _)) => format!("{tokens} tokens in {}", counted(events, "event")),
        None => counted(events, "event"),
    };
    let (first, last) = (trial.moments().next(), trial.moments().last());
    match first.zip(last).filter(|_| events > 1) {
        Some((first, last)) => {
            format!("{tokens}, the first after {} ms, the last after {} ms", ms(first), ms(last))
        }
        None => match last {
            Some(last) => format!("{tokens}, after {} ms", ms(last)),
            None => tokens,
        },
    }
}

fn counted(count: usize, name: &str) -> String {
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// How many tokens its events hold.
fn per_event(sample: &Sample) -> Option<String> {
    let tokens: Vec<u32> =
        sample.generated().filter_map(|arrival| arrival.known_tokens()).collect();
    let (least, most) = (tokens.iter().min()?, tokens.iter().max()?);
    let all_known = tokens.len() == sample.generated().count();
    let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let known = if all_known { "as it says itself" } else { "as far as it says" };
    Some(format!("{range} an event, {known}"))
}

fn page(probed: &Probed) -> String {
    let Probed { target, .. } = probed;
    let sample = &probed.answer().sample;
    let models = target.info.models.iter().map(|model| match model.context_length {
        Some(length) => format!("{} (context {length})", model.id),
        None => model.id.clone(),
    });
    let models: Vec<String> = models.collect();
    let apis: Vec<String> = target.engine.apis().iter().map(ToString::to_string).collect();
    let mut lines = vec![
        ("address", target.endpoint.to_string()),
        ("engine", engine(target)),
        ("ready", readiness(&probed.readiness)),
        ("models", models.join(", ")),
        ("asked", format!("{} at {}", target.model, probed.path)),
        ("dialect", format!("{} has {}; a server may lack some", target.engine, apis.join(", "))),
        ("answer", timing(probed.answer())),
    ];
    if let Some(profile) = &target.info.profile {
        lines.insert(2, ("profile", profile.clone()));
    }
    if let Some(tokens) = per_event(sample) {
        lines.push(("tokens", tokens));
    }
    lines.push(("usage", if sample.usage.is_some() { "told" } else { "not told" }.to_owned()));
    if !sample.is_result() {
        lines.push(("length", keeps_length(probed)));
    }
    lines.extend(probed.results.iter().map(|(api, outcome)| (result_name(*api), there(*outcome))));
    lines.push(("metrics", if probed.has_metrics { "told" } else { "not told" }.to_owned()));
    lines.push((
        "tokenizer",
        if probed.tokenizes { "can be asked" } else { "cannot be asked" }.to_owned(),
    ));
    lines.push(("stamps", stamps(sample).to_owned()));
    let lines: Vec<String> =
        lines.into_iter().map(|(name, text)| format!("{name:<10} {}", clean(&text))).collect();
    lines.join("\n")
}

/// `vllm 0.32.0`; and whose dialect it speaks, where it has another name.
fn engine(target: &Target) -> String {
    let dialect = target.engine.to_string();
    let name = target.info.engine.as_ref().unwrap_or(&dialect);
    let version = target.info.version.as_deref().unwrap_or("of unknown version");
    let speaks = match *name == dialect {
        true => String::new(),
        false => format!(", asked as {dialect}"),
    };
    format!("{name} {version}{speaks}")
}

fn readiness(readiness: &Readiness) -> String {
    match readiness {
        Readiness::Up => "yes".to_owned(),
        Readiness::Loading(said) => format!("loading: {said}"),
        Readiness::Down(said) => format!("no: {said}"),
    }
}

fn keeps_length(probed: &Probed) -> String {
    match probed.keeps_length() {
        KeepsLength::Yes => "kept: answers are as long as asked for".to_owned(),
        KeepsLength::No => "not kept: answers end where the model does".to_owned(),
        KeepsLength::Refuses => {
            "refused to be asked for: --force-osl=false leaves it out".to_owned()
        }
        KeepsLength::Unknown => {
            format!("unknown: no answer ended before its {PROBE_TOKENS} tokens")
        }
    }
}

fn result_name(api: Api) -> &'static str {
    if api == Api::Rerank { "rerank" } else { "embeddings" }
}

/// Whether a kind of result is there.
fn there(outcome: Outcome) -> String {
    if outcome.is_ok() { "there".to_owned() } else { format!("not there: {outcome}") }
}

fn stamps(sample: &Sample) -> &'static str {
    match sample.arrivals.iter().all(|arrival| arrival.kernel) {
        true => "the kernel's",
        false => "the time of the read",
    }
}

/// Each piece of an answer, and when it came after the request was sent.
fn raw(trial: &Trial) -> String {
    let lines = trial.pieces.iter().flat_map(|piece| {
        let at = ms(since_sent(&trial.sample, piece.at));
        let text = String::from_utf8_lossy(&piece.bytes).into_owned();
        let lines: Vec<String> = text.lines().map(clean).filter(|line| !line.is_empty()).collect();
        // One read, one moment: what came with the first line has no moment of its own.
        let line = |(n, line): (usize, String)| match n {
            0 => format!("{at:>10} ms  {line}"),
            _ => format!("{:>10}     {line}", ""),
        };
        lines.into_iter().enumerate().map(line).collect::<Vec<_>>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn since_sent(sample: &Sample, at: Moment) -> Duration {
    at.since(sample.sent.unwrap_or_default())
}

fn as_json(probed: &Probed) -> Value {
    let Probed { target, .. } = probed;
    let trial = probed.answer();
    let sample = &trial.sample;
    let models = target.info.models.iter();
    let models: Vec<Value> =
        models.map(|m| json!({"id": m.id, "context_length": m.context_length})).collect();
    let event = |arrival: &bench_core::Arrival| {
        json!({
            "ms": since_sent(sample, arrival.at).as_secs_f64() * 1e3,
            "bytes": arrival.bytes,
            "tokens": arrival.known_tokens(),
        })
    };
    json!({
        "url": target.endpoint.to_string(),
        "engine": target.engine.to_string(),
        "version": target.info.version,
        "profile": target.info.profile,
        "ready": probed.readiness == Readiness::Up,
        "models": models,
        "model": target.model,
        "path": probed.path,
        "apis": target.engine.apis().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "outcome": sample.outcome.to_string(),
        "error": sample.error,
        "text": trial.text,
        "usage": sample.usage.map(|u| json!({"prompt": u.prompt, "completion": u.completion})),
        "events": sample.generated().map(event).collect::<Vec<_>>(),
        "keeps_length": match probed.keeps_length() {
            KeepsLength::Yes => json!(true),
            KeepsLength::No | KeepsLength::Refuses => json!(false),
            KeepsLength::Unknown => Value::Null,
        },
        "results": probed.results.iter().map(|(api, outcome)| (api.to_string(), json!(outcome.to_string())))
            .collect::<Map<_, _>>(),
        "metrics": probed.has_metrics,
        "tokenizes": probed.tokenizes,
        "kernel_stamps": sample.arrivals.iter().all(|arrival| arrival.kernel),
    })
}
