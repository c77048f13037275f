//! `--target NAME=URL,key=value,…` and `--pass quantization=nvfp4,…`.

use bench_harness::plan::{Content, Entry, Node, Origin, Up};
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

/// What an address begins with that is none: a server to start.
const UP: &str = "up:";

pub(super) fn read(at: &Origin, text: &str) -> Result<Node, String> {
    let mut node = Node::new(at.clone(), Content::default());
    let mut is_found = false;
    for (index, (key, value)) in list::items(text)?.into_iter().enumerate() {
        is_found |= index > 0 && key == "url" && value.as_deref() == Some("");
        match (index, value) {
            // NAME=URL comes first; a URL alone has no `=` in it.
            (0, None) => set_place(&mut node, at, &key),
            (0, Some(url)) => {
                set(&mut node, at, &["name"], &key);
                set_place(&mut node, at, &url);
            }
            (_, None) => return Err(format!("`{key}` has no value; write {key}=…")),
            (_, Some(value)) => read_key(&mut node, at, &key, &value)?,
        }
    }
    // A variable of the shell that is not set leaves nothing there.
    let has_place = ["url", "simulate", "up"].iter().any(|key| node.get(key).is_some());
    if !is_found && !has_place {
        let what = "there is no address; write NAME=URL, NAME=up:ENGINE:MODEL for a server to start, or NAME=,url= \
                    for the one that is found";
        return Err(what.to_owned());
    }
    Ok(node)
}

/// An address, or a server to start.
fn set_place(node: &mut Node, at: &Origin, place: &str) {
    match place.strip_prefix(UP) {
        Some(server) => *node.at_path(&["up"]) = started(at, server),
        None => set(node, at, &["url"], place),
    }
}

/// `[ENGINE:]MODEL`.
fn started(at: &Origin, text: &str) -> Node {
    let Up(up) = Up::parse(text);
    let part = |key: &str, value: Option<String>| {
        value.map(|value| entry(at, key, Node::text(at.clone(), value)))
    };
    let parts = [part("recipe", up.recipe), part("model", up.model)];
    Node::new(at.clone(), Content::Map(parts.into_iter().flatten().collect()))
}

/// `[ENGINE:]MODEL,key=value,…`
pub(super) fn up(at: &Origin, text: &str) -> Result<Node, String> {
    let mut node = Node::new(at.clone(), Content::default());
    for (index, (key, value)) in list::items(text)?.into_iter().enumerate() {
        match (index, value) {
            (0, None) => node = started(at, &key),
            (_, None) => return Err(format!("`{key}` has no value; write {key}=…")),
            (_, Some(value)) => set_up(&mut node, at, &[], &key, &value),
        }
    }
    Ok(node)
}

/// Keys of `up` whose values have keys: `env.NAME=VALUE`.
const SECTIONS_OF_UP: [&str; 2] = ["env", "vary"];

fn set_up(node: &mut Node, at: &Origin, path: &[&str], key: &str, value: &str) {
    let keys = match key.split_once('.').filter(|(key, _)| SECTIONS_OF_UP.contains(key)) {
        Some((section, key)) => vec![section, key],
        None => vec![key],
    };
    let keys = [path, &*keys].concat();
    *node.at_path(&keys) = Node::text(at.clone(), value);
}

pub(super) fn write_up(node: &Node) -> Result<String, String> {
    let text = |key: &str| node.get(key).map(Node::to_string);
    let spec = match (text("recipe"), text("model")) {
        (Some(recipe), Some(model)) => format!("{recipe}:{model}"),
        (None, Some(model)) => model,
        _ => String::new(),
    };
    let is_read_so = |key: &str| Up::parse(&spec).0.part(key) == text(key).as_deref();
    let mut items = Vec::new();
    let is_short = !spec.is_empty() && is_read_so("recipe") && is_read_so("model");
    if is_short {
        items.push(list::quoted(&spec));
    }
    for entry in node.entries() {
        if !(is_short && matches!(entry.key.as_str(), "recipe" | "model")) {
            items.extend(pairs_of_up("", entry)?);
        }
    }
    Ok(items.join(","))
}

/// An entry of `up` as items, each key after `prefix`.
fn pairs_of_up(prefix: &str, entry: &Entry) -> Result<Vec<String>, String> {
    let Entry { key, node, .. } = entry;
    if SECTIONS_OF_UP.contains(&key.as_str()) {
        let inner = node.entries().iter();
        let prefix = format!("{prefix}{key}.");
        return inner
            .map(|entry| Ok(pair(&format!("{prefix}{}", entry.key), &words(&entry.node)?)))
            .collect();
    }
    Ok(vec![pair(&format!("{prefix}{key}"), &words(node)?)])
}

/// A list as one text.
fn words(node: &Node) -> Result<Node, String> {
    let Content::List(items) = &node.content else { return Ok(node.clone()) };
    let items: Vec<String> = items.iter().map(Node::to_string).collect();
    let joined = shlex::try_join(items.iter().map(String::as_str));
    joined.map(|text| Node::text(node.at.clone(), text)).map_err(|error| error.to_string())
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
    } else if key == "up" {
        *node.at_path(&[key]) = up(at, value)?;
    } else if let Some(key) = key.strip_prefix("up.") {
        set_up(node, at, &["up"], key, value);
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
        } else if let Some(key) = key.strip_prefix("up.") {
            set_up(&mut node, at, &["up"], key, &value);
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
    let is_found = url.is_empty() && target.get("simulate").is_none() && target.get("up").is_none();
    let mut items = vec![match text("name") {
        Some(name) => format!("{}={url}", list::quoted(&name)),
        None => url,
    }];
    items.extend(is_found.then(|| "url=".to_owned()));
    for entry in target.entries() {
        match entry.key.as_str() {
            "name" | "url" | "passes" => {}
            "extra_inputs" => items.push(format!("extra_inputs={}", compact(&entry.node)?)),
            "up" => items.extend(pairs_of_section(&entry.node)?),
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
            "up" => pairs_of_section(&entry.node)?.join(","),
            key => pair(key, &entry.node),
        });
    }
    Ok(items.join(","))
}

/// `up` of a target or of a pass as items: `up.model=…`.
fn pairs_of_section(up: &Node) -> Result<Vec<String>, String> {
    if up.entries().is_empty() {
        return Ok(vec![pair("up", up)]);
    }
    let pairs = up.entries().iter().map(|entry| pairs_of_up("up.", entry));
    Ok(pairs.collect::<Result<Vec<_>, String>>()?.concat())
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
