//! What a server is given that is started for a run.

use std::fmt;

use bench_containers::Gpus;
use schemars::{Schema, json_schema};

use super::{super::typed::shown, OR_VARIABLE, Value, number_or};

/// A number of bytes: `16g`, `512MiB`, `1.5gb`. As Docker has it, k, m, g and t are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// Units, largest first.
const UNITS: [(&str, u64); 5] =
    [("t", 1 << 40), ("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10), ("", 1)];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, u64)| self.0.is_multiple_of(unit.1);
        let (name, unit) = UNITS.iter().find(fits).filter(|_| self.0 > 0).unwrap_or(&("", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl Value for Size {
    const NAME: &'static str = "Size";

    fn parse(text: &str) -> Result<Self, String> {
        let none = || format!("`{}` is no size such as 16g or 512m", shown(text));
        let lower = text.trim().to_ascii_lowercase();
        let short = lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower);
        let is_of = |(name, _): &&(&str, u64)| short.ends_with(name);
        let (name, unit) = UNITS.iter().find(is_of).ok_or_else(none)?;
        let number: f64 = short[..short.len() - name.len()].trim().parse().map_err(|_| none())?;
        let bytes = number * *unit as f64;
        if !(1.0..1e18).contains(&bytes) {
            return Err(none());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just before"
        )]
        let bytes = bytes as u64;
        Ok(Self(bytes))
    }

    fn schema() -> Schema {
        let pattern = format!(r"^[0-9.]+ ?([kmgtKMGT](i?[bB])?|[bB])?$|{OR_VARIABLE}");
        number_or(&pattern, "A number of bytes: 16g, 512m.")
    }
}

/// The GPUs that a server may use, as Docker's `--gpus` has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuRequest(pub Gpus);

impl fmt::Display for GpuRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Value for GpuRequest {
    const NAME: &'static str = "GpuRequest";

    fn parse(text: &str) -> Result<Self, String> {
        shown(text).trim().parse().map(Self)
    }

    fn schema() -> Schema {
        let description = "GPUs: all, none, a number of them, or device=0,1.";
        json_schema!({"description": description, "anyOf": [{"type": "integer"}, {"type": "string"}]})
    }
}
