//! What an engine measured of itself while it started.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use super::{
    pattern::{Found, Table},
    table::{LEAST, ROWS, Row, Take, Tells, Within},
    text,
};
use crate::EngineName;

static TABLE: LazyLock<Table<Row>> = LazyLock::new(|| Table::new(ROWS, |row| row.pattern));

/// Something that lines tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Such as `kv_cache_gib`: of a number, the unit is its last word.
    pub name: &'static str,
    /// How much, or what.
    pub value: Value,
    /// The line that tells it, the last of them where several do. It is a server's text: without control characters, and
    /// what is around it where it is long.
    pub line: String,
}

/// How much, or what.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, which is not negative.
    Number(f64),
    /// A server's text, such as `Q4_K - Medium`: one line of at most 64 characters.
    Text(String),
}

impl Fact {
    /// The number, if it is one.
    pub const fn number(&self) -> Option<f64> {
        self.value.number()
    }
}

impl Value {
    /// The number, if it is one.
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The facts that a log of an engine tells, each once. Which engine it is of is found out if `None`.
pub fn facts<'l>(
    engine: Option<EngineName>,
    lines: impl IntoIterator<Item = &'l str>,
) -> Vec<Fact> {
    let mut facts = Facts::new(engine);
    lines.into_iter().for_each(|line| facts.read(line));
    facts.told()
}

/// The facts of a log, as it is read line by line: those of the last start in it.
#[derive(Debug)]
pub struct Facts {
    engine: EngineName,
    /// The engine that told its version, which, and the line.
    version: Option<(EngineName, String, String)>,
    /// By the row that tells it, then by the rank of the server's processes.
    found: BTreeMap<usize, BTreeMap<String, (Value, String)>>,
}

/// No more ranks are kept apart.
const MOST_RANKS: usize = 1 << 10;

impl Facts {
    /// Those of an engine; which one it is is found out if `None`.
    pub const fn new(engine: Option<EngineName>) -> Self {
        let engine = match engine {
            Some(engine) => engine,
            None => EngineName::Custom,
        };
        Self { engine, version: None, found: BTreeMap::new() }
    }

    /// Reads the next line.
    pub fn read(&mut self, line: &str) {
        let line = text::flat(line);
        for (number, row, found) in TABLE.find(&line) {
            if self.engine.speaks().contains(&row.engine) && self.means_it(row) {
                self.take(number, row, &found, &line);
            }
        }
    }

    /// Whether the engine is one that means by a row's line what it is taken for.
    fn means_it(&self, row: &Row) -> bool {
        let Some(since) = row.since else { return true };
        let version = self.version.as_ref().filter(|(engine, ..)| *engine == row.engine);
        version.and_then(|(_, version, _)| parts(version)).is_some_and(|version| version >= since)
    }

    fn take(&mut self, number: usize, row: &Row, found: &Found<'_>, line: &str) {
        let excerpt = || text::excerpt(line, found.at);
        // Python's `None` is what was asked for, not what is: NIM 1.0 says it of FP8 engines.
        let text = || found.text.map(|text| text.trim().to_owned()).filter(|text| text != "None");
        match row.tells {
            Tells::Start => {
                let again = row.engine.speaks();
                self.found.retain(|number, _| !again.contains(&ROWS[*number].engine));
            }
            // llama.cpp's build 0 is one that does not know which it is.
            Tells::Version => {
                let version = text().filter(|version| version != "0");
                self.version = version.map(|version| (row.engine, version, excerpt()));
            }
            Tells::Text(_) => {
                if let Some(text) = text() {
                    self.keep(number, line, Take::Last, Value::Text(text), excerpt());
                }
            }
            Tells::Number { fact, within, take } => {
                let value = within.of(&found.numbers);
                if value > 0.0 || !has_size(fact) {
                    self.keep(number, line, take, Value::Number(value), excerpt());
                }
            }
        }
    }

    fn keep(&mut self, number: usize, line: &str, take: Take, value: Value, excerpt: String) {
        let ranks = self.found.entry(number).or_default();
        let rank = rank(line);
        let value = match (take, ranks.get(rank), value) {
            (Take::First, Some(_), _) => return,
            (Take::Sum, Some((Value::Number(sum), _)), Value::Number(value)) => {
                Value::Number(sum + value)
            }
            (.., value) => value,
        };
        if ranks.len() < MOST_RANKS || ranks.contains_key(rank) {
            ranks.insert(rank.to_owned(), (value, excerpt));
        }
    }

    /// What was told, by name. Where several ranks tell it, what the least of them has room for, and the most that one
    /// of them took.
    pub fn told(&self) -> Vec<Fact> {
        let mut facts: BTreeMap<&'static str, Fact> = BTreeMap::new();
        for (number, ranks) in &self.found {
            let Some(name) = ROWS[*number].fact() else { continue };
            if let Some((value, line)) = worst(name, ranks.values()) {
                facts.entry(name).or_insert(Fact { name, value, line });
            }
        }
        if let Some((engine, version, line)) = &self.version {
            let value = Value::Text(format!("{} {version}", engine.name()));
            let name = "engine_version";
            facts.insert(name, Fact { name, value, line: line.clone() });
        }
        derive(&mut facts, "kv_cache_tokens", ["kv_cache_blocks", "kv_block_tokens"], |a, b| a * b);
        let drafted = ["spec_accepted_tokens", "spec_drafted_tokens"];
        derive(&mut facts, "spec_acceptance_ratio", drafted, |accepted, drafted| {
            accepted / drafted
        });
        let is_sound = |fact: &Fact| fact.number().is_none_or(f64::is_finite);
        facts.into_values().filter(is_sound).collect()
    }
}

/// Adds what follows from two facts, if no line tells it.
fn derive(
    facts: &mut BTreeMap<&'static str, Fact>,
    name: &'static str,
    from: [&str; 2],
    how: fn(f64, f64) -> f64,
) {
    let number = |name| facts.get(name).and_then(|fact: &Fact| fact.number());
    let (Some(a), Some(b)) = (number(from[0]), number(from[1])) else { return };
    let line = facts[from[0]].line.clone();
    facts.entry(name).or_insert(Fact { name, value: Value::Number(how(a, b)), line });
}

/// Of the ranks' values that which limits the server.
fn worst<'f>(
    name: &str,
    ranks: impl Iterator<Item = &'f (Value, String)>,
) -> Option<(Value, String)> {
    let order = |(value, _): &&(Value, String)| {
        let number = value.number().unwrap_or(0.0);
        if LEAST.contains(&name) { -number } else { number }
    };
    // The first of those that are equal.
    ranks.reduce(|a, b| if order(&b) > order(&a) { b } else { a }).cloned()
}

/// Whether a fact is of something that has a size: where that is said to be 0, it was not measured.
fn has_size(fact: &str) -> bool {
    fact.ends_with("_gib") || fact == "kv_cache_tokens"
}

impl Within {
    fn of(self, numbers: &[f64]) -> f64 {
        match self {
            Self::Sum => numbers.iter().sum(),
            Self::Product => numbers.iter().product(),
        }
    }
}

impl Row {
    const fn fact(&self) -> Option<&'static str> {
        match self.tells {
            Tells::Start | Tells::Version => None,
            Tells::Text(fact) | Tells::Number { fact, .. } => Some(fact),
        }
    }
}

/// The first three parts of a version: `0.6.6.post1` is 0.6.6.
fn parts(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.split('.').map(|part| {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        part[..digits].parse().ok()
    });
    Some([parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)])
}

/// The process of a server that said a flat line: vLLM's `(Worker_TP0 pid=7)`, the inner one of several; SGLang's
/// `[2026-01-31 09:00:00 TP0]`; TensorRT-LLM's `[RANK 0]`, or MPI's `[1,0]<stdout>` and `0: `. Empty where it does not
/// say.
fn rank(line: &str) -> &str {
    let head: &str = line.split_at_checked(200).map_or(line, |(head, _)| head);
    if let Some(pid) = head.rfind(" pid=") {
        let end = head[pid..].find(')').map_or(head.len(), |end| pid + end);
        return &head[head[..pid].rfind('(').map_or(0, |open| open + 1)..end];
    }
    if let Some(at) = head.find("[RANK ") {
        return head[at + 6..].split(']').next().unwrap_or_default();
    }
    let Some((stamp, _)) = head.strip_prefix('[').and_then(|head| head.split_once(']')) else {
        let digits = head.split(": ").next().filter(|rank| rank.parse::<u16>().is_ok());
        return digits.unwrap_or_default();
    };
    match stamp.splitn(3, ' ').nth(2) {
        Some(rank) => rank,
        None if head[stamp.len() + 2..].starts_with("<std") => stamp,
        None => "",
    }
}
