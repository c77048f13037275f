//! What an engine measured of itself while it started.

use crate::EngineName;

/// Something that a line tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Such as `kv_cache_gib`: the unit is its last word.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// The line that tells it.
    pub line: String,
}

/// The facts that a log of an engine tells, each once. Which engine it is of is found out if `None`.
pub fn facts<'l>(
    engine: Option<EngineName>,
    lines: impl IntoIterator<Item = &'l str>,
) -> Vec<Fact> {
    let _ = (engine, lines.into_iter().count());
    Vec::new()
}
