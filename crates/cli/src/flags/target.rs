//! `--target NAME=URL,key=value,…` and `--pass quantization=nvfp4,…`.

use bench_harness::plan::{Content, Entry, Node, Origin};
use serde_json::Value as Json;

use super::{entry, json, list};

/// Keys of a target that have one value; any other is a label.
const KEYS: [&str; 24] = [
    "url",
    "simulate",
    "model",
    "engine",
    "template",
    "endpoint_type",
    "endpoint",
    "streaming",
    "force_osl",
    "api_key_env",
    "api_key_file",
    "connection_reuse",
    "http2",
    "tls_ca",
    "tls_insecure",
    "wait_ready",
    "context_length",
    "server_log",
    "gpus",
    "gpu_devices",
    "gpu_telemetry",
    "server_metrics",
    "agent_token_env",
    "agent_token_file",
];

/// Keys whose values have keys: `labels.gpu=H200`.
const SECTIONS: [&str; 3] = ["headers", "labels", "simulate"];

pub(super) fn read(at: &Origin, text: &str) -> Result<Node, String> {
    let mut node = Node::new(at.clone(), Content::default());
    let mut is_found = false;
    for (index, (key, value)) in list::items(text)?.into_iter().enumerate() {
        is_found |= index > 0 && key == "url" && value.as_deref() == Some("");
        match (index, value) {
            // NAME=URL comes first; a URL alone has no `=` in it.
            (0, None) => set(&mut node, at, &["url"], &key),
            (0, Some(url)) => {
                set(&mut node, at, &["name"], &key);
                set(&mut node, at, &["url"], &url);
            }
            (_, None) => return Err(format!("`{key}` has no value; write {key}=…")),
            (_, Some(value)) => read_key(&mut node, at, &key, &value)?,
        }
    }
    // A variable of the shell that is not set leaves nothing there.
    if !is_found && node.get("url").is_none() && node.get("simulate").is_none() {
        let what =
            "there is no address; write NAME=URL, or NAME=,url= for the server that is found";
        return Err(what.to_owned());
    }
    Ok(node)
}

fn set(node: &mut Node, at: &Origin, keys: &[&str], value: &str) {
    if !(value.is_empty() && keys == ["url"]) {
        *node.at_path(keys) = Node::text(at.clone(), value);
    }
}

fn read_key(node: &mut Node, at: &Origin, key: &str, value: &str) -> Result<(), String> {
    let in_section = key.split_once('.').filter(|(section, _)| SECTIONS.contains(section));
    if key == "extra_inputs" {
        *node.at_path(&[key]) = object(at, value)?;
    } else if let Some((section, key)) = in_section {
        set(node, at, &[section, key], value);
    } else if key == "name" {
        return Err("the name comes first: NAME=URL".to_owned());
    } else if KEYS.contains(&key) {
        set(node, at, &[key], value);
    } else {
        set(node, at, &["labels", key], value);
    }
    Ok(())
}

fn object(at: &Origin, text: &str) -> Result<Node, String> {
    let fields: serde_json::Map<String, Json> = serde_json::from_str(text)
        .map_err(|error| format!("extra_inputs are a JSON object: {error}"))?;
    Ok(json(at, &Json::Object(fields)))
}

pub(super) fn read_pass(at: &Origin, text: &str) -> Result<Node, String> {
    let mut node = Node::new(at.clone(), Content::default());
    for (key, value) in list::items(text)? {
        let value = value.ok_or_else(|| format!("`{key}` has no value; write {key}=…"))?;
        if key == "extra_inputs" {
            *node.at_path(&[&key]) = object(at, &value)?;
        } else {
            *node.at_path(&[&key]) = Node::text(at.clone(), value);
        }
    }
    Ok(node)
}

/// `true`, `false`, or keys and values.
pub(super) fn simulate(at: &Origin, text: &str) -> Result<Node, String> {
    if !text.contains('=') {
        return Ok(Node::text(at.clone(), text));
    }
    let entries = list::items(text)?.into_iter().map(|(key, value)| {
        let value = value.ok_or_else(|| format!("`{key}` has no value; write {key}=…"))?;
        Ok(entry(at, &key, Node::text(at.clone(), value)))
    });
    Ok(Node::new(at.clone(), Content::Map(entries.collect::<Result<_, String>>()?)))
}

pub(super) fn write_simulate(node: &Node) -> Result<String, String> {
    match node.entries() {
        [] => Ok(node.to_string()),
        entries => Ok(entries.iter().map(|e| pair(&e.key, &e.node)).collect::<Vec<_>>().join(",")),
    }
}

/// `NAME=URL,key=value,…`
pub(super) fn write(target: &Node) -> Result<String, String> {
    let text = |key: &str| target.get(key).map(Node::to_string);
    let url = text("url").map(|url| list::quoted(&url)).unwrap_or_default();
    let is_found = url.is_empty() && target.get("simulate").is_none();
    let mut items = vec![match text("name") {
        Some(name) => format!("{}={url}", list::quoted(&name)),
        None => url,
    }];
    items.extend(is_found.then(|| "url=".to_owned()));
    for entry in target.entries() {
        match entry.key.as_str() {
            "name" | "url" | "passes" => {}
            "extra_inputs" => items.push(format!("extra_inputs={}", compact(&entry.node)?)),
            section if SECTIONS.contains(&section) && !entry.node.entries().is_empty() => {
                let inner = entry.node.entries().iter();
                items.extend(inner.map(|e| pair(&format!("{section}.{}", e.key), &e.node)));
            }
            key => items.push(pair(key, &entry.node)),
        }
    }
    Ok(items.join(","))
}

pub(super) fn write_pass(pass: &Node, target: Option<&Node>) -> Result<String, String> {
    let mut items: Vec<String> = target.map(|name| pair("target", name)).into_iter().collect();
    for entry in pass.entries() {
        items.push(match entry.key.as_str() {
            "extra_inputs" => format!("extra_inputs={}", compact(&entry.node)?),
            key => pair(key, &entry.node),
        });
    }
    Ok(items.join(","))
}

fn pair(key: &str, value: &Node) -> String {
    format!("{}={}", list::quoted(key), list::quoted(&value.to_string()))
}

fn compact(node: &Node) -> Result<String, String> {
    serde_json::to_string(node).map_err(|error| error.to_string())
}

/// A field of a request as `--extra-inputs` has it: `name:value`, or JSON where its name is an odd one.
pub(super) fn field(field: &Entry) -> Result<String, String> {
    let (name, value) = (&field.key, compact(&field.node)?);
    if name.is_empty() || name.contains(':') || name.starts_with('{') || name.trim() != name {
        return Ok(format!("{{{}:{value}}}", Json::from(name.as_str())));
    }
    Ok(format!("{name}:{value}"))
}
