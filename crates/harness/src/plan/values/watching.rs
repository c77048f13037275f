//! Who says how the GPUs and the server of a target are.

use std::fmt;

use bench_telemetry::gpu::{GpuId, Gpus};
use schemars::{Schema, json_schema};

use super::{super::typed::shown, Address, Value};

/// What reads a target's GPUs.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum GpuTelemetry {
    /// NVML or nvidia-smi, where the server is on this machine and one of them is there.
    #[default]
    Auto,
    /// Nothing.
    Off,
    /// The driver's library.
    Nvml,
    /// The driver's program.
    NvidiaSmi,
    /// A DCGM exporter.
    Dcgm(Address),
    /// `inferbench agent` on the server's host.
    Agent(Address),
}

/// Where a target's own metrics are.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ServerMetrics {
    /// Where servers of its kind have them.
    #[default]
    Auto,
    /// Not asked for.
    Off,
    /// Here.
    At(Address),
}

/// GPUs by their numbers or UUIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuDevices(Vec<GpuId>);

impl fmt::Display for GpuTelemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Nvml => f.write_str("nvml"),
            Self::NvidiaSmi => f.write_str("nvidia-smi"),
            Self::Dcgm(url) => write!(f, "dcgm={url}"),
            Self::Agent(url) => write!(f, "agent={url}"),
        }
    }
}

impl Value for GpuTelemetry {
    const NAME: &'static str = "GpuTelemetry";

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "off" | "none" => Ok(Self::Off),
            "nvml" | "pynvml" => Ok(Self::Nvml),
            "nvidia-smi" => Ok(Self::NvidiaSmi),
            other => match other.split_once('=') {
                Some(("dcgm", url)) => Address::parse(url).map(Self::Dcgm),
                Some(("agent", url)) => Address::parse(url).map(Self::Agent),
                _ => Err(format!(
                    "`{other}` reads no GPUs; write auto, nvml, nvidia-smi, dcgm=URL, agent=URL or off"
                )),
            },
        }
    }

    fn schema() -> Schema {
        json_schema!({
            "description": "auto, off, nvml, nvidia-smi, dcgm=URL or agent=URL.",
            "type": "string",
            "pattern": "^(auto|off|none|nvml|pynvml|nvidia-smi|(dcgm|agent)=.+|.*[$][{].*)$",
        })
    }
}

impl fmt::Display for ServerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::At(url) => write!(f, "{url}"),
        }
    }
}

impl Value for ServerMetrics {
    const NAME: &'static str = "ServerMetrics";

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "off" | "none" => Ok(Self::Off),
            // A word would be the name of a host, which nobody means.
            word if !word.contains([':', '/']) => Err(format!(
                "`{}` is no URL; write auto, off, or one such as http://localhost:8000/metrics",
                shown(word)
            )),
            url => Address::parse(url).map(Self::At),
        }
    }

    fn schema() -> Schema {
        json_schema!({
            "description": "auto, off, or the URL of the metrics.",
            "type": "string",
            "pattern": "^(auto|off|none|.*[:/].*|.*[$][{].*)$",
        })
    }
}

impl GpuDevices {
    /// They.
    pub fn gpus(&self) -> Gpus {
        Gpus::These(self.0.clone())
    }
}

impl fmt::Display for GpuDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&names.join(","))
    }
}

impl Value for GpuDevices {
    const NAME: &'static str = "GpuDevices";

    fn parse(text: &str) -> Result<Self, String> {
        let gpus = text.split(',').map(|name| {
            name.trim().parse().map_err(|_| {
                format!("`{name}` is no GPU; write its number or UUID, as nvidia-smi -L has it")
            })
        });
        gpus.collect::<Result<_, String>>().map(Self)
    }

    fn schema() -> Schema {
        json_schema!({
            "description": "GPUs by number or UUID, with commas between: 0,1.",
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_one_text_and_what_is_none_is_refused() {
        let texts = [
            "auto",
            "off",
            "nvml",
            "nvidia-smi",
            "dcgm=http://gpu2:9400",
            "agent=https://gpu2:7100",
        ];
        for text in texts {
            assert_eq!(GpuTelemetry::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(GpuTelemetry::parse("pynvml"), Ok(GpuTelemetry::Nvml));
        for text in ["", "gpu", "dcgm", "dcgm=", "agent=ftp://h", "nvml=1"] {
            assert!(GpuTelemetry::parse(text).is_err(), "{text}");
        }
        assert_eq!(ServerMetrics::parse("http://h:1/m").unwrap().to_string(), "http://h:1/m");
        for text in ["", "foo", "on", "true", "gpu2.example"] {
            let said = ServerMetrics::parse(text).unwrap_err();
            assert!(said.contains("is no URL; write auto, off, or one such as"), "{said}");
        }
        assert_eq!(GpuDevices::parse("0, 1").unwrap().to_string(), "0,1");
        assert!(GpuDevices::parse("0,,1").is_err() && GpuDevices::parse("a b").is_err());
    }
}
