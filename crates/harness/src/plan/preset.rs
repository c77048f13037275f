//! Workloads by their names.

use std::fmt;

use bench_workloads::{Kind, Preset};
use schemars::{Schema, json_schema};

use super::{
    problems::nearest,
    typed::shown,
    values::{OR_VARIABLE, Value},
};

/// A workload by its name, `rag`, and its weight where it is one of a mix, `rag:3`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PresetName {
    /// The workload.
    pub preset: &'static Preset,
    /// How many of the requests are of it, relative to the others.
    pub weight: Option<f64>,
}

impl PresetName {
    /// It, as one of a mix.
    pub(super) fn kind(&self) -> Kind {
        let Self { preset, weight } = *self;
        let name = Some(preset.name.into());
        Kind { name, weight: weight.unwrap_or(1.0), isl: preset.isl(), osl: preset.osl() }
    }
}

impl fmt::Display for PresetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.weight {
            Some(weight) => write!(f, "{}:{weight}", self.preset.name),
            None => f.write_str(self.preset.name),
        }
    }
}

impl Value for PresetName {
    const NAME: &'static str = "Preset";

    fn parse(text: &str) -> Result<Self, String> {
        let (name, weight) = text.split_once(':').map_or((text, None), |(n, w)| (n, Some(w)));
        let is_weight = |weight: &f64| *weight > 0.0 && weight.is_finite();
        let weight = weight.map(|weight| {
            let number = weight.trim().parse().ok().filter(is_weight);
            number.ok_or_else(|| format!("`{}` is no weight such as 3 in {name}:3", shown(weight)))
        });
        let weight = weight.transpose()?;
        Preset::named(name).map(|preset| Self { preset, weight }).ok_or_else(|| {
            let names = Preset::ALL.map(|preset| preset.name);
            let aliases = Preset::ALL.iter().flat_map(|preset| preset.aliases);
            let meant = nearest(name, names.iter().chain(aliases).copied());
            let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
            format!("`{}` is none of {}{meant}", shown(name), names.join(", "))
        })
    }

    fn schema() -> Schema {
        let description = "A workload by its name: `chat`, `rag` and others, which `inferbench explain workloads` lists; with weights, `chat:3`, they are mixed.";
        json_schema!({"description": description, "type": "string", "pattern": format!(r"^[A-Za-z0-9 ._,:-]+$|{OR_VARIABLE}")})
    }
}
