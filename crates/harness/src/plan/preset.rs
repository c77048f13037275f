//! Workloads by their names.

use std::fmt;

use bench_workloads::Preset;
use schemars::{Schema, json_schema};

use super::{
    problems::nearest,
    typed::shown,
    values::{OR_VARIABLE, Value},
};

/// A workload by its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PresetName(pub &'static Preset);

impl fmt::Display for PresetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Value for PresetName {
    const NAME: &'static str = "Preset";

    fn parse(text: &str) -> Result<Self, String> {
        Preset::named(text).map(Self).ok_or_else(|| {
            let names = Preset::ALL.map(|preset| preset.name);
            let aliases = Preset::ALL.iter().flat_map(|preset| preset.aliases);
            let meant = nearest(text, names.iter().chain(aliases).copied());
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            format!("`{}` is none of {}{meant}", shown(text), names.join(", "))
        })
    }

    fn schema() -> Schema {
        let description = "A workload by its name: `chat`, `rag` and others, which `inferbench explain workloads` lists.";
        json_schema!({"description": description, "type": "string", "pattern": format!(r"^[A-Za-z _,-]+$|{OR_VARIABLE}")})
    }
}
