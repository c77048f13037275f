//! What was typed over what a file says.

use super::{Content, Node, Problem};

/// A typed key, and the keys of the file beside it that it makes void: the same said in another way.
const REPLACES: [(&str, &str, &str); 15] = [
    (
        "load",
        "request_rate",
        "rate_series trace speed_up concurrency concurrency_ramp concurrency_counts",
    ),
    (
        "load",
        "rate_series",
        "request_rate rate_ramp trace speed_up concurrency concurrency_ramp concurrency_counts",
    ),
    (
        "load",
        "trace",
        "request_rate rate_ramp rate_series arrival_pattern smoothness burst_size concurrency \
         concurrency_ramp concurrency_counts",
    ),
    ("load", "max_in_flight", "concurrency"),
    ("workload", "isl", "pairs matrix mix preset scenario"),
    ("workload", "osl", "pairs matrix mix preset scenario"),
    ("workload", "pairs", "isl osl matrix mix preset scenario"),
    ("workload", "matrix", "isl osl pairs mix preset scenario isl_stddev osl_stddev"),
    ("workload", "mix", "isl osl pairs matrix preset scenario isl_stddev osl_stddev"),
    ("workload", "preset", "isl osl pairs matrix mix scenario isl_stddev osl_stddev"),
    ("workload", "scenario", "isl osl pairs matrix mix preset isl_stddev osl_stddev query_tokens"),
    ("target", "url", "simulate up"),
    ("target", "simulate", "url up"),
    ("target", "up", "url simulate"),
    ("target", "api_key_file", "api_key_env"),
];

/// `flags` over `file`.
pub(super) fn over(mut flags: Node, mut file: Node, problems: &mut Vec<Problem>) -> Node {
    let common = remove(&mut flags, "target").unwrap_or_default();
    for (section, key, others) in REPLACES {
        if section != "target" && flags.find(&format!("{section}.{key}")).is_some() {
            // Where the file says the same key, it has said the others beside it.
            let is_new = file.find(&format!("{section}.{key}")).is_none();
            if is_new && file.get(section).is_some() {
                let section = file.at_path(&[section]);
                others.split(' ').for_each(|other| drop(remove(section, other)));
            }
        }
    }
    if flags.get("targets").is_some() {
        remove(&mut file, "targets");
    }
    let typed = flags.get("targets").is_some();
    merge(&mut flags, file, "");
    for_each_target(&mut flags, &common, typed, problems);
    flags
}

/// Gives each target what was typed for all of them.
fn for_each_target(root: &mut Node, common: &Node, typed: bool, problems: &mut Vec<Problem>) {
    if common.entries().is_empty() {
        return;
    }
    let targets = root.at_path(&["targets"]);
    if !matches!(targets.content, Content::List(_)) {
        targets.content = Content::List(vec![Node::default()]);
    }
    let Content::List(targets) = &mut targets.content else { return };
    let several = targets.len() > 1;
    for key in ["url", "simulate", "up", "name"].into_iter().filter(|_| several) {
        if let Some(node) = common.get(key) {
            let what = "is for one target, and there are several";
            problems.push(Problem::new(node.at.clone(), key, what));
        }
    }
    for target in targets {
        // Not so of a file, whose server may be another one today.
        if typed
            && !several
            && target.get("url").is_some()
            && let Some(node) = common.get("url")
        {
            let what = "cannot be beside --target, which has an address of its own";
            problems.push(Problem::new(node.at.clone(), "url", what));
        }
        let mut common = common.clone();
        let name = target.get("name").map(Node::to_string);
        passes_of(&mut common, name.as_deref());
        if typed {
            merge(target, common, "");
            continue;
        }
        for (section, key, others) in REPLACES {
            if section == "target" && common.get(key).is_some() {
                for other in others.split(' ') {
                    remove(target, other);
                }
            }
        }
        let file = std::mem::replace(target, common);
        merge(target, file, "");
    }
}

/// Leaves those passes that are for every target, or for the one called `name`.
fn passes_of(target: &mut Node, name: Option<&str>) {
    if target.get("passes").is_none() {
        return;
    }
    let Content::List(passes) = &mut target.at_path(&["passes"]).content else { return };
    passes.retain_mut(|pass| match remove(pass, "target") {
        None => true,
        Some(wanted) => name == Some(wanted.to_string().as_str()),
    });
    if passes.is_empty() {
        remove(target, "passes");
    }
}

fn remove(node: &mut Node, key: &str) -> Option<Node> {
    let Content::Map(entries) = &mut node.content else { return None };
    let index = entries.iter().position(|entry| entry.key == key)?;
    Some(entries.remove(index).node)
}

/// Adds to `node` what only `under` says.
pub(super) fn merge(node: &mut Node, under: Node, key: &str) {
    // A field of a request may be null on purpose.
    if matches!(node.content, Content::Null) {
        *node = under;
        return;
    }
    match (&mut node.content, under.content) {
        (Content::Map(entries), Content::Map(more)) => {
            for entry in more {
                match entries.iter_mut().find(|known| known.key == entry.key) {
                    Some(_) if key == "extra_inputs" => {}
                    Some(known) => merge(&mut known.node, entry.node, &entry.key),
                    None => entries.push(entry),
                }
            }
            if entries.is_empty() {
                node.at = under.at;
            }
        }
        (Content::List(items), Content::List(more)) if key == "targets" => {
            for (item, under) in items.iter_mut().zip(more) {
                merge(item, under, "");
            }
        }
        _ => {}
    }
}
