//! What a run was measured with and on, for the record.

use std::{num::NonZeroUsize, thread::available_parallelism};

use serde_json::{Value, json};

use crate::lab::{Known, Lab};

/// What is recorded beside the plan: of the servers that have been found, of what is sent, and of this
/// machine. It holds no secrets: the key's source is named, not the key. `skipped` are cells that are not
/// measured.
pub(crate) fn environment(lab: &Lab, skipped: &[Value]) -> Value {
    let settings = lab.settings();
    json!({
        "command": settings.command,
        "targets": lab.known().map(|(index, known)| target(lab, index, known)).collect::<Vec<_>>(),
        "workloads": (0..settings.workloads.len()).map(|index| workload(lab, index)).collect::<Vec<_>>(),
        "skipped": skipped,
        "notes": lab.notes(),
        "machine": machine(),
    })
}

fn target(lab: &Lab, index: usize, known: &Known) -> Value {
    let asked = &lab.settings().targets[index];
    let Known { target, memory, .. } = known;
    json!({
        "name": lab.name(index),
        "pass": asked.pass,
        "labels": asked.labels,
        "gpus": asked.gpus,
        "url": target.endpoint.to_string(),
        "model": target.model,
        "engine": target.info.engine,
        "version": target.info.version,
        "context_length": lab.context_length(index),
        "simulated": target.is_simulated(),
        "facts": memory.to_json(),
        "request": {
            "path": asked.path.clone().unwrap_or_else(|| asked.api.path().to_owned()),
            "streaming": asked.streaming,
            "force_osl": asked.force_osl,
            "extra_body": asked.extra_body,
            "headers": asked.headers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "api_key_from": asked.api_key.as_ref().map(|(_, source)| source),
        },
    })
}

fn workload(lab: &Lab, index: usize) -> Value {
    let workload = &lab.settings().workloads[index];
    json!({
        "name": lab.workload_name(index),
        "label": workload.label,
        "category": workload.category,
        "isl": workload.isl.mean(),
        "osl": workload.osl.mean(),
        "tokens": lab.tokens_by(),
    })
}

fn machine() -> Value {
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "host": first_line("/proc/sys/kernel/hostname"),
        "cpu": cpu(),
        "cores": available_parallelism().map_or(1, NonZeroUsize::get),
        "memory_kib": memory_kib(),
        "load_average": first_line("/proc/loadavg"),
        "proxy_variables_ignored": PROXIES.iter().filter(|v| std::env::var_os(v).is_some()).collect::<Vec<_>>(),
    })
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

/// A command line without the values that may be secret: those of headers, and of passwords in URLs.
pub fn redacted(args: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut redacted = Vec::new();
    let mut hide_next = false;
    for arg in args {
        let (flag, value) = arg.split_once('=').map_or((arg.as_str(), None), |(f, v)| (f, Some(v)));
        let is_secret = SECRET_FLAGS.contains(&flag);
        redacted.push(match (std::mem::take(&mut hide_next), is_secret, value) {
            (true, _, _) => hidden(&arg),
            (_, true, Some(value)) => format!("{flag}={}", hidden(value)),
            (_, true, None) => {
                hide_next = true;
                arg
            }
            _ => match arg.strip_prefix("-H").filter(|v| !v.is_empty()) {
                Some(value) => format!("-H{}", hidden(value)),
                None => without_headers(&without_user(&arg)),
            },
        });
    }
    redacted
}

const SECRET_FLAGS: [&str; 4] = ["-H", "--header", "--api-key", "--key"];

/// A header's name, and that it had a value.
fn hidden(header: &str) -> String {
    header.split_once(':').map_or_else(|| "***".to_owned(), |(name, _)| format!("{name}: ***"))
}

/// A target without the values of its headers: `a=:8000,headers.X-A=***`.
fn without_headers(arg: &str) -> String {
    let Some((before, header)) = arg.split_once(",headers.") else { return arg.to_owned() };
    let (name, value) = header.split_once('=').unwrap_or((header, ""));
    // A variable's name is no secret.
    if value.trim_start_matches('"').starts_with("${") {
        return format!("{before},headers.{name}={}", without_headers(value));
    }
    // Quotes may have commas in them: rather too much is hidden than too little.
    let rest = if value.starts_with('"') { None } else { value.split_once(',') };
    let rest = rest.map(|(_, rest)| without_headers(&format!(",{rest}"))).unwrap_or_default();
    format!("{before},headers.{name}=***{rest}")
}

fn without_user(arg: &str) -> String {
    match arg.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?))) {
        Some((scheme, (user, host))) if !user.contains('/') => format!("{scheme}://***@{host}"),
        _ => arg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_survives() {
        let line = "run -H authorization:s3cret --header x:s3cret --header=y:s3cret -Hz:s3cret --api-key s3cret \
                    --url http://me:s3cret@host:1 -c 4 \
                    --target a=:1,headers.x=s3cret,model=m,headers.y=\"s3cret,\" \
                    --target=b=:1,headers.x=${X}";
        let redacted = redacted(line.split_whitespace().map(str::to_owned)).join(" ");
        assert!(!redacted.contains("s3cret"), "{redacted}");
        assert_eq!(
            redacted,
            "run -H authorization: *** --header x: *** --header=y: *** -Hz: *** --api-key *** --url \
             http://***@host:1 -c 4 --target a=:1,headers.x=***,model=m,headers.y=*** \
             --target=b=:1,headers.x=${X}"
        );
    }
}
