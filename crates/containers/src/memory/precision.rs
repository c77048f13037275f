//! How the numbers of a model are stored, and how many bits each of them takes.

use std::{fmt, str::FromStr};

/// How numbers are stored. Compared by its name.
#[derive(Clone, Copy, Debug)]
pub struct Precision(&'static Entry);

#[derive(Debug)]
struct Entry {
    name: &'static str,
    /// What else it is called.
    aliases: &'static [&'static str],
    /// Bits of a number, with its part of what is stored beside: scales and zeros.
    bits: f64,
    /// What these bits are.
    made_of: &'static str,
    reach: Reach,
}

/// Which weights of a model are stored so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// All.
    All,
    /// Those of linear layers, while embeddings, the output's layer and routers keep 16 bits.
    Linear,
}

use Reach::{All, Linear};

const fn entry(
    name: &'static str,
    aliases: &'static [&'static str],
    (bits, made_of): (f64, &'static str),
    reach: Reach,
) -> Entry {
    Entry { name, aliases, bits, made_of, reach }
}

/// What llama.cpp's mixtures come to, in Llama 3.1 8B: tools/quantize/README.md of ggml-org/llama.cpp.
const MIXED: &str = "a mixture, as it comes out in Llama 3.1 8B";
const BLOCK: &str = "blocks with their scales";

/// Every precision. A block's bits are those of its struct in ggml/src/ggml-common.h of ggml-org/llama.cpp.
static ENTRIES: [Entry; 41] = [
    entry("fp32", &["f32", "float32"], (32.0, "4 B"), All),
    entry("tf32", &[], (32.0, "4 B: computed with 19 bits, and stored as fp32"), All),
    entry("bf16", &["bfloat16"], (16.0, "2 B"), All),
    entry("fp16", &["f16", "float16", "half"], (16.0, "2 B"), All),
    entry("fp8", &["f8", "fp8_e4m3", "fp8_e5m2", "e4m3", "e5m2"], (8.0, "1 B"), Linear),
    entry("int8", &["i8", "w8a8", "w8a16"], (8.0, "1 B"), Linear),
    entry("mxfp8", &[], (8.25, "8 bits, and a scale of 8 for each 32"), Linear),
    entry(
        "int4",
        &["awq", "gptq", "w4a16", "w4a8"],
        (4.15625, "4 bits, and a scale of 16 and a zero of 4 for each 128"),
        Linear,
    ),
    entry("nf4", &["bnb4"], (4.5, "4 bits, and a scale of 32 for each 64"), Linear),
    entry("nvfp4", &["fp4"], (4.5, "4 bits, and a scale of 8 for each 16"), Linear),
    entry("mxfp4", &[], (4.25, "4 bits, and a scale of 8 for each 32"), Linear),
    entry("q8_0", &[], (8.5, BLOCK), All),
    entry("q6_k", &[], (6.5633, MIXED), All),
    entry("q5_k_m", &["q5_k"], (5.7036, MIXED), All),
    entry("q5_k_s", &[], (5.5704, MIXED), All),
    entry("q5_1", &[], (6.0, BLOCK), All),
    entry("q5_0", &[], (5.5, BLOCK), All),
    entry("q4_k_m", &["q4_k"], (4.8944, MIXED), All),
    entry("q4_k_s", &[], (4.6672, MIXED), All),
    entry("q4_1", &[], (5.0, BLOCK), All),
    entry("q4_0", &[], (4.5, BLOCK), All),
    entry("q3_k_l", &[], (4.2979, MIXED), All),
    entry("q3_k_m", &["q3_k"], (4.0, "a mixture, of some 4 bits"), All),
    entry("q3_k_s", &[], (3.6429, MIXED), All),
    entry("q2_k", &[], (3.1593, MIXED), All),
    entry("q2_k_s", &[], (2.9697, MIXED), All),
    entry("iq4_nl", &[], (4.6818, MIXED), All),
    entry("iq4_xs", &[], (4.4597, MIXED), All),
    entry("iq3_m", &[], (3.7628, MIXED), All),
    entry("iq3_s", &[], (3.6606, MIXED), All),
    entry("iq3_xs", &[], (3.4977, MIXED), All),
    entry("iq3_xxs", &[], (3.2548, MIXED), All),
    entry("iq2_m", &[], (2.9294, MIXED), All),
    entry("iq2_s", &[], (2.7403, MIXED), All),
    entry("iq2_xs", &[], (2.5882, MIXED), All),
    entry("iq2_xxs", &[], (2.3824, MIXED), All),
    entry("iq1_m", &[], (2.146, MIXED), All),
    entry("iq1_s", &[], (2.0042, MIXED), All),
    entry("tq2_0", &[], (2.0625, BLOCK), All),
    entry("tq1_0", &[], (1.6875, BLOCK), All),
    entry("mxfp4_moe", &[], (4.25, BLOCK), All),
];

/// A name that is no precision's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no precision that is known; there are {}", names())]
pub struct UnknownPrecision {
    /// The name.
    pub name: String,
}

fn names() -> String {
    ENTRIES.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

impl Precision {
    /// As users write it.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// Bits of a number, with its part of the scales that are stored beside.
    pub const fn bits(self) -> f64 {
        self.0.bits
    }

    /// What these bits are, in words.
    pub const fn made_of(self) -> &'static str {
        self.0.made_of
    }

    /// Whether it is one of linear layers alone, while embeddings, the output's layer and routers keep 16 bits.
    pub fn is_of_linear_layers(self) -> bool {
        self.0.reach == Linear
    }

    /// What so many numbers take.
    pub(super) fn bytes(self, numbers: u64) -> u64 {
        bytes(numbers, self.0.bits)
    }

    /// Unless something else is said.
    pub(super) fn bf16() -> Self {
        Self(&ENTRIES[2])
    }
}

/// What so many numbers of so many bits take.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(super) fn bytes(numbers: u64, bits: f64) -> u64 {
    (numbers as f64 * bits / 8.0).round() as u64
}

impl PartialEq for Precision {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Precision {}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        let known = name.to_ascii_lowercase().replace('-', "_");
        let is = |entry: &&Entry| entry.name == known || entry.aliases.contains(&known.as_str());
        let found = ENTRIES.iter().find(is).map(Self);
        found.ok_or_else(|| UnknownPrecision { name: name.chars().take(40).collect() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_mean_one_thing_each() {
        let names: Vec<&str> = ENTRIES
            .iter()
            .flat_map(|entry| [entry.name].into_iter().chain(entry.aliases.iter().copied()))
            .collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert!(name.parse::<Precision>().is_ok(), "{name}");
        }
        assert_eq!("Q4-K-M".parse::<Precision>().unwrap().name(), "q4_k_m");
        assert_eq!(Precision::bf16().name(), "bf16");
        assert!("fp17".parse::<Precision>().unwrap_err().to_string().contains("nvfp4"));
    }

    #[test]
    fn a_number_takes_its_bits_and_its_part_of_the_scales() {
        for (name, bytes_of_a_number) in [
            ("fp32", 4.0),
            ("tf32", 4.0),
            ("bf16", 2.0),
            ("fp8", 1.0),
            ("mxfp8", 1.03125),
            ("nvfp4", 0.5625),
            ("mxfp4", 0.53125),
            ("awq", 0.51953125),
        ] {
            let precision: Precision = name.parse().unwrap();
            assert!((precision.bits() / 8.0 - bytes_of_a_number).abs() < 1e-12, "{name}");
        }
        assert_eq!("nvfp4".parse::<Precision>().unwrap().bytes(7_000_000_000), 3_937_500_000);
        assert_eq!(bytes(u64::MAX, 64.0), u64::MAX, "saturates");
    }
}
