//! What a run was measured with and on, for the record.

use std::{num::NonZeroUsize, thread::available_parallelism};

use bench_providers::Engine;
use bench_workloads::{Kind, Length};
use serde_json::{Value, json};

use crate::{
    lab::{Known, Lab},
    points::{self, Cell},
    shape::Shape,
    watching,
};

/// What is recorded beside the plan: of the servers that have been found, of what is sent, and of this
/// machine. It holds no secrets: the key's source is named, not the key. `skipped` are cells that are not
/// measured.
pub(crate) fn environment(lab: &Lab, skipped: &[Value]) -> Value {
    let settings = lab.settings();
    json!({
        "command": settings.command,
        "targets": lab.known().map(|(index, known)| target(lab, index, known)).collect::<Vec<_>>(),
        "workloads": workloads(lab),
        "skipped": skipped,
        "notes": lab.notes(),
        "machine": machine(),
    })
}

fn target(lab: &Lab, index: usize, known: &Known) -> Value {
    let asked = &lab.settings().targets[index];
    let Known { target, provider, facts, not_watched, .. } = known;
    json!({
        "name": lab.name(index),
        "pass": asked.pass,
        "labels": asked.labels,
        "gpus": asked.gpus,
        "url": target.endpoint.to_string(),
        "replicas": asked.replicas.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "model": target.model,
        "engine": target.info.engine,
        "dialect": target.engine.to_string(),
        "version": target.info.version,
        "profile": target.info.profile,
        "context_length": lab.context_length(index),
        "simulated": target.is_simulated(),
        "server": lab.servers().to_json(index),
        "facts": facts.to_json(),
        "not_watched": not_watched.get().map_or(&[][..], Vec::as_slice),
        "template": match &target.engine {
            Engine::Custom(template) => json!(template.file()),
            _ => Value::Null,
        },
        "request": {
            "path": provider.path(),
            "streaming": asked.streaming,
            "force_osl": asked.force_osl,
            "http2": asked.transport.http2,
            "flush_cache": lab.settings().flush_cache,
            "connection_reuse": asked.transport.reuse.to_string(),
            "tls_insecure": asked.transport.insecure,
            "extra_body": asked.extra_body,
            "headers": asked.headers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "api_key_from": asked.api_key.as_ref().map(|(_, source)| source),
        },
    })
}

/// Each workload once, as each kind of API is asked it.
fn workloads(lab: &Lab) -> Vec<Value> {
    let mut workloads: Vec<Value> = Vec::new();
    for cell in points::cells(lab.settings()) {
        let name = lab.workload_name(cell);
        if workloads.iter().all(|known| known["name"] != name.as_str()) {
            workloads.push(workload(lab, cell, &name));
        }
    }
    workloads
}

fn workload(lab: &Lab, cell: Cell, name: &str) -> Value {
    let workload = &lab.settings().workloads[cell.workload];
    let Some(shape) = points::shape(lab.settings(), cell) else {
        return from_file(lab, name);
    };
    json!({
        "name": name,
        "label": workload.label,
        "category": workload.category,
        "isl": of_kinds(&shape, |kind| kind.isl).unwrap_or_else(|| tokens(shape.isl)),
        "osl": of_kinds(&shape, |kind| kind.osl).or_else(|| shape.osl.map(tokens)),
        "mix": shape.mix.as_ref().map(|mix| mix.kinds().iter().map(kind).collect::<Vec<_>>()),
        "images": shape.images.map(|images| images.to_string()),
        "image_bytes": shape.images.map(|images| images.bytes()),
        "texts": shape.texts,
        "query": shape.query.map(tokens),
        "token_ids": lab.settings().token_ids,
        "tokens": lab.tokens_by(),
    })
}

/// A workload that is read from a file.
fn from_file(lab: &Lab, name: &str) -> Value {
    let (settings, input) = (lab.settings(), lab.input());
    let file = settings.input.as_ref().map(|input| input.source.to_string());
    let (isl, osl) = input.map(|input| input.mean_tokens()).unzip();
    json!({
        "name": name,
        "file": file,
        "conversations": input.map(|input| input.len()),
        "turns": input.map(|input| input.turns()),
        "isl": isl,
        "osl": osl.filter(|osl| *osl > 0.0),
        "tokens": lab.tokens_by(),
    })
}

/// A kind of a mix.
fn kind(kind: &Kind) -> Value {
    let Kind { name, weight, isl, osl } = kind;
    json!({"name": name.as_deref(), "weight": weight, "isl": tokens(*isl), "osl": tokens(*osl)})
}

/// A length of each kind of a mix, in words.
fn of_kinds(shape: &Shape, length: impl Fn(&Kind) -> Length) -> Option<Value> {
    Some(json!(shape.mix.as_ref()?.describe(|kind| length(kind).to_string())))
}

/// A number, or in words what it is drawn from.
fn tokens(length: Length) -> Value {
    if length.is_fixed() { json!(length.mean()) } else { json!(length.to_string()) }
}

fn machine() -> Value {
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "host": watching::host_name(),
        "cpu": cpu(),
        "cores": available_parallelism().map_or(1, NonZeroUsize::get),
        "memory_kib": memory_kib(),
        "load_average": first_line("/proc/loadavg"),
        "proxy_variables_ignored": proxy_variables(),
    })
}

/// The variables that are set and would have other programs use a proxy.
pub(crate) fn proxy_variables() -> Vec<&'static str> {
    PROXIES.into_iter().filter(|name| std::env::var_os(name).is_some()).collect()
}

/// They would change every number; targets are always reached directly.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

fn first_line(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.lines().next()?.trim().to_owned())
}

fn cpu() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(model.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn memory_kib() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.split_whitespace().next()?.parse().ok()
}
