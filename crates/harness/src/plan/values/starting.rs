//! What a server is given that is started for a run.

use std::fmt;

use bench_containers::Gpus;
use schemars::{Schema, json_schema};

use super::{super::typed::shown, OR_VARIABLE, Value, number_or};

/// A number of bytes: `16g`, `512MiB`, `1.5gb`. As Docker has it, k, m, g and t are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// Units, and the power of 1024 that each is.
const UNITS: [(&str, i32); 5] = [("t", 4), ("g", 3), ("m", 2), ("k", 1), ("", 0)];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&(&str, i32)| self.0 % 1024_u64.pow(unit.1.unsigned_abs()) == 0;
        let (unit, power) = UNITS.iter().find(fits).filter(|_| self.0 > 0).unwrap_or(&("", 0));
        write!(f, "{}{unit}", self.0 / 1024_u64.pow(power.unsigned_abs()))
    }
}

impl Value for Size {
    const NAME: &'static str = "Size";

    fn parse(text: &str) -> Result<Self, String> {
        let none = || format!("`{}` is no size such as 16g or 512m", shown(text));
        let lower = text.trim().to_ascii_lowercase();
        let short = lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower);
        let is_of = |(unit, _): &&(&str, i32)| short.ends_with(unit);
        let (unit, power) = UNITS.iter().find(is_of).ok_or_else(none)?;
        let number: f64 = short[..short.len() - unit.len()].trim().parse().map_err(|_| none())?;
        let bytes = number * 1024_f64.powi(*power);
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
