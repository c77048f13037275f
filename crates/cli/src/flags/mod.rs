//! Flags and the plan: each key of a plan has a flag, and both ways lose nothing.
//!
//! What flags cannot say: which of several targets without names a pass is of, a target that says nothing
//! at all, and a label of the only target whose name has a `=` in it.

mod list;
mod redacted;
mod table;
mod target;

use std::{ffi::OsStr, marker::PhantomData};

use bench_harness::plan::{Content, Document, Entry, Node, Origin, Problems, document_of, split};
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches,
    builder::{PossibleValue, PossibleValuesParser, ValueParser},
    parser::ValueSource,
};
use serde_json::Value as Json;

use self::table::{Flag, Kind};
use crate::values;

pub(crate) use self::{redacted::redacted, table::FLAGS};

/// The part of a plan that was typed, as a tree of its own: keys that hold for every target are in a
/// section `target`.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlanFlags {
    /// What was typed.
    pub(crate) typed: Node,
}

impl Args for PlanFlags {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, flag| command.arg(argument(flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PlanFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::typed(FLAGS.iter(), matches)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl PlanFlags {
    /// What was typed for these flags.
    fn typed(
        flags: impl Iterator<Item = &'static Flag>,
        matches: &ArgMatches,
    ) -> Result<Self, clap::Error> {
        let mut typed = Node::default();
        for flag in flags {
            if matches.value_source(flag.long) == Some(ValueSource::CommandLine) {
                read(flag, matches, &mut typed).map_err(|what| {
                    clap::Error::raw(
                        clap::error::ErrorKind::ValueValidation,
                        format!("--{}: {what}\n", flag.long),
                    )
                })?;
            }
        }
        Ok(Self { typed })
    }
}

/// The flags of a part of a plan alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartFlags<P>(pub(crate) PlanFlags, PhantomData<P>);

/// Some of a plan's keys.
pub(crate) trait Part {
    /// They; one that ends in a dot stands for all that begin so.
    const KEYS: &[&str];
}

/// Which server it is, and how to ask it, whatever for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked;

/// Which server it is, and how to ask it what it tells of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Polled;

pub(crate) type ServerFlags = PartFlags<Asked>;

impl Part for Asked {
    const KEYS: &[&str] = &[
        "target.url",
        "target.simulate",
        "target.model",
        "target.engine",
        "target.template",
        "target.endpoint_type",
        "target.endpoint",
        "target.extra_inputs",
        "target.headers",
        "target.api_key_file",
        "target.api_key_env",
        "target.http2",
        "target.tls_ca",
        "target.tls_insecure",
        "target.source_addresses",
        "target.wait_ready",
        "limits.",
    ];
}

impl Part for Polled {
    const KEYS: &[&str] = &[
        "target.url",
        "target.model",
        // They say which header has the key.
        "target.engine",
        "target.template",
        "target.headers",
        "target.api_key_file",
        "target.api_key_env",
        "target.http2",
        "target.tls_ca",
        "target.tls_insecure",
        "target.source_addresses",
    ];
}

impl<P: Part> PartFlags<P> {
    fn flags() -> impl Iterator<Item = &'static Flag> {
        let stands_for = |key: &str, path: &str| match key.ends_with('.') {
            true => path.starts_with(key),
            false => path == key,
        };
        FLAGS.iter().filter(move |flag| P::KEYS.iter().any(|key| stands_for(key, flag.path)))
    }
}

impl<P: Part> Args for PartFlags<P> {
    fn augment_args(command: Command) -> Command {
        Self::flags().fold(command, |command, flag| command.arg(argument(flag)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<P: Part> FromArgMatches for PartFlags<P> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        PlanFlags::typed(Self::flags(), matches).map(|typed| Self(typed, PhantomData))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag as clap knows it.
fn argument(flag: &'static Flag) -> Arg {
    let mut arg = Arg::new(flag.long)
        .long(flag.long)
        .help(flag.help)
        .help_heading(flag.heading)
        .visible_aliases(flag.visible_aliases)
        .aliases(flag.aliases)
        .action(ArgAction::Set);
    if let Some(short) = flag.short {
        arg = arg.short(short);
    }
    if !flag.value_name.is_empty() {
        arg = arg.value_name(flag.value_name).allow_negative_numbers(true);
    }
    match flag.kind {
        Kind::Text(check) | Kind::Percent(check) => arg.value_parser(checked(check)),
        Kind::List(check) => arg.value_parser(checked(check)).action(ArgAction::Append),
        Kind::Each(check) | Kind::Entry(check, _) => {
            arg.value_parser(checked(check)).action(ArgAction::Append)
        }
        Kind::Fields => arg
            .value_parser(checked(|text| values::fields(text).map(drop)))
            .action(ArgAction::Append),
        Kind::Target => arg
            .value_parser(checked(|text| target::read(&Origin::Default, text).map(drop)))
            .action(ArgAction::Append),
        Kind::Pass => arg
            .value_parser(checked(|text| target::read_pass(&Origin::Default, text).map(drop)))
            .action(ArgAction::Append),
        Kind::Choice(choices) => arg.value_parser(choice(choices)),
        Kind::Choices(choices) => {
            arg.value_parser(choice(choices)).value_delimiter(',').action(ArgAction::Append)
        }
        Kind::Or(missing, check) => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value(missing)
            .value_parser(checked(check)),
        Kind::Simulate => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(checked(|text| target::simulate(&Origin::Default, text).map(drop)))
            .conflicts_with("url"),
        Kind::Up => arg
            .value_parser(checked(|text| target::up(&Origin::Default, text).map(drop)))
            .conflicts_with_all(["url", "simulate"]),
        Kind::On(other) | Kind::Off(other) => arg.action(ArgAction::SetTrue).overrides_with(other),
    }
}

fn checked(check: table::Check) -> ValueParser {
    ValueParser::from(move |text: &str| check(text).map(|()| text.to_owned()))
}

fn choice(choices: &'static [table::Choice]) -> PossibleValuesParser {
    PossibleValuesParser::new(
        choices.iter().map(|choice| {
            PossibleValue::new(choice.name).help(choice.help).aliases(choice.aliases)
        }),
    )
}

/// Puts what was typed for `flag` into the tree.
fn read(flag: &Flag, matches: &ArgMatches, root: &mut Node) -> Result<(), String> {
    let at = Origin::Flag(format!("--{}", flag.long));
    let keys: Vec<&str> = flag.path.split('.').collect();
    if matches!(flag.kind, Kind::On(_) | Kind::Off(_)) {
        if matches.get_flag(flag.long) {
            let on = matches!(flag.kind, Kind::On(_));
            *root.at_path(&keys) = Node::new(at, Content::Bool(on));
        }
        return Ok(());
    }
    let texts: Vec<&String> = matches.get_many(flag.long).unwrap_or_default().collect();
    let Some(last) = texts.last().copied() else { return Ok(()) };
    let text = |text: &str| Node::text(at.clone(), text);
    let node = root.at_path(&keys);
    match flag.kind {
        Kind::Text(_) | Kind::Or(..) => *node = text(last),
        Kind::Percent(_) => *node = text(&percent(last)),
        Kind::Choice(choices) => *node = text(table::named(choices, last)),
        Kind::Choices(choices) => {
            let items = texts.iter().map(|name| text(table::named(choices, name)));
            *node = Node::new(at.clone(), Content::List(items.collect()));
        }
        Kind::List(_) => {
            let items = texts.iter().flat_map(|all| split(all, ',')).map(text);
            *node = Node::new(at.clone(), Content::List(items.collect()));
        }
        Kind::Each(_) => {
            let items = texts.iter().map(|item| text(item));
            *node = Node::new(at.clone(), Content::List(items.collect()));
        }
        Kind::Entry(_, split) => {
            let pairs = texts.iter().map(|pair| split(pair));
            let pairs = pairs.collect::<Result<Vec<_>, String>>()?;
            let entries = pairs.into_iter().map(|(key, value)| entry(&at, &key, text(&value)));
            *node = Node::new(at.clone(), Content::Map(entries.collect()));
        }
        Kind::Fields => {
            let mut fields = serde_json::Map::new();
            for more in texts {
                fields.extend(values::fields(more)?);
            }
            *node = json(&at, &Json::Object(fields));
        }
        Kind::Simulate => *node = target::simulate(&at, last)?,
        Kind::Up => *node = target::up(&at, last)?,
        Kind::Target => {
            let targets = texts.iter().map(|target| target::read(&at, target));
            *node = Node::new(at.clone(), Content::List(targets.collect::<Result<_, _>>()?));
        }
        Kind::Pass => {
            let passes = texts.iter().map(|pass| target::read_pass(&at, pass));
            *node = Node::new(at.clone(), Content::List(passes.collect::<Result<_, _>>()?));
        }
        Kind::On(_) | Kind::Off(_) => unreachable!("they have no text, and were read above"),
    }
    Ok(())
}

/// A bare number is in percent on the command line, as AIPerf has it.
fn percent(text: &str) -> String {
    let is_bare = text.trim().parse::<f64>().is_ok();
    if is_bare { format!("{}%", text.trim()) } else { text.to_owned() }
}

fn entry(at: &Origin, key: &str, node: Node) -> Entry {
    Entry { key: key.to_owned(), at: at.clone(), node }
}

/// JSON as a part of a plan.
fn json(at: &Origin, value: &Json) -> Node {
    let content = match value {
        Json::Null => Content::Null,
        Json::Bool(value) => Content::Bool(*value),
        Json::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => Content::Int(whole),
            (None, float) => Content::Float(float.unwrap_or_default()),
        },
        Json::String(text) => Content::Text(text.clone()),
        Json::Array(items) => Content::List(items.iter().map(|item| json(at, item)).collect()),
        Json::Object(fields) => {
            Content::Map(fields.iter().map(|(k, v)| entry(at, k, json(at, v))).collect())
        }
    };
    Node::new(at.clone(), content)
}

/// What was typed, as a plan file of its own.
pub(crate) fn document(flags: &PlanFlags) -> Result<Document, Problems> {
    document_of(flags.typed.clone())
}

/// The flags that say what a plan says that is right: variables stay by their names.
pub(crate) fn of_tree(root: &Node) -> Result<Vec<String>, String> {
    let targets = root.get("targets").map(Node::items).unwrap_or_default();
    // One target without a name is what flags are about when nobody names a target.
    let plain = match targets {
        [only] if only.get("name").is_none() => Some(only),
        _ => None,
    };
    let mut words = Vec::new();
    for flag in FLAGS {
        let node = match flag.path.strip_prefix("target.") {
            Some(path) => plain.and_then(|target| target.find(path)),
            None => root.find(flag.path),
        };
        match node {
            Some(node) if flag.path != "targets" => write(flag, node, &mut words)?,
            _ => {}
        }
    }
    if plain.is_none() {
        for target in targets {
            push(&mut words, "target", &target::write(target)?);
            let name = target.get("name");
            for pass in target.get("passes").map(Node::items).unwrap_or_default() {
                push(
                    &mut words,
                    "pass",
                    &target::write_pass(pass, name.filter(|_| targets.len() > 1))?,
                );
            }
        }
    }
    Ok(words)
}

fn push(words: &mut Vec<String>, long: &str, value: &str) {
    if value.starts_with('-') {
        words.push(format!("--{long}={value}"));
    } else {
        words.extend([format!("--{long}"), value.to_owned()]);
    }
}

fn write(flag: &Flag, node: &Node, words: &mut Vec<String>) -> Result<(), String> {
    match flag.kind {
        Kind::Text(_) | Kind::List(_) | Kind::Choice(_) | Kind::Choices(_) => {
            let text = match flag.path {
                "goals.goodput" => goodput(node),
                "workload.mix" => mix(node),
                _ => node.to_string(),
            };
            push(words, flag.long, &text);
        }
        Kind::Percent(_) => {
            // In a plan a bare number is a ratio.
            let text = match &node.content {
                Content::Int(_) | Content::Float(_) => {
                    let ratio: f64 = node.to_string().parse().unwrap_or_default();
                    format!("{}%", ratio * 100.0)
                }
                _ => node.to_string(),
            };
            push(words, flag.long, &text);
        }
        Kind::Each(_) => node.items().iter().for_each(|i| push(words, flag.long, &i.to_string())),
        Kind::Entry(_, _) => {
            let between = if flag.long == "header" { ": " } else { "=" };
            for entry in node.entries() {
                push(words, flag.long, &format!("{}{between}{}", entry.key, entry.node));
            }
        }
        Kind::Fields => {
            for entry in node.entries() {
                push(words, flag.long, &target::field(entry)?);
            }
        }
        Kind::Or(..) => words.push(format!("--{}={node}", flag.long)),
        Kind::Simulate => words.push(format!("--{}={}", flag.long, target::write_simulate(node)?)),
        Kind::Up => push(words, flag.long, &target::write_up(node)?),
        Kind::On(_) | Kind::Off(_) => {
            let is_on = node.to_string() == "true";
            if is_on == matches!(flag.kind, Kind::On(_)) {
                words.push(format!("--{}", flag.long));
            }
        }
        Kind::Pass => {
            for pass in node.items() {
                push(words, flag.long, &target::write_pass(pass, None)?);
            }
        }
        Kind::Target => {}
    }
    Ok(())
}

fn goodput(node: &Node) -> String {
    match node.entries() {
        [] => node.to_string(),
        limits => {
            let limits: Vec<String> =
                limits.iter().map(|limit| format!("{}:{}", limit.key, limit.node)).collect();
            limits.join(" ")
        }
    }
}

/// `short=256|10,128:40;512,256:60`
fn mix(node: &Node) -> String {
    let kinds = node.get("pairs").unwrap_or(node).items();
    if kinds.is_empty() {
        return node.to_string();
    }
    let said = |kind: &Node, names: &[&str]| {
        names.iter().find_map(|name| kind.get(name)).map(Node::to_string)
    };
    let kind = |kind: &Node| {
        let tokens = |name: &str| {
            let deviation = said(kind, &[&format!("{name}_stddev")]);
            let deviation = deviation.map_or_else(String::new, |deviation| format!("|{deviation}"));
            format!("{}{deviation}", said(kind, &[name]).unwrap_or_default())
        };
        let name = said(kind, &["name"]).map_or_else(String::new, |name| format!("{name}="));
        let weight = said(kind, &["weight", "prob", "probability"]);
        let weight = weight.unwrap_or_else(|| "1".to_owned());
        format!("{name}{},{}:{weight}", tokens("isl"), tokens("osl"))
    };
    kinds.iter().map(kind).collect::<Vec<_>>().join(";")
}

/// Words as a shell reads them back.
pub(crate) fn quoted<S: AsRef<OsStr>>(words: &[S]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| {
            let word = word.as_ref().to_string_lossy();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
            if !word.is_empty() && word.chars().all(is_plain) {
                word.into_owned()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
