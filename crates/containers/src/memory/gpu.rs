//! GPUs by their names, for those that are not in this machine.

use std::str::FromStr;

/// A GPU, as far as its memory goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// What it is.
    pub name: String,
    /// Its memory, as its driver tells it; of unified memory the machine's.
    pub memory_bytes: u64,
    /// Whether it shares the machine's memory, so that all programs take from it.
    pub has_unified_memory: bool,
}

/// A name that is no GPU's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is no GPU that is known, nor a size such as 80GB or 24GiB; there are {}",
    names()
)]
pub struct UnknownGpu {
    /// The name.
    pub name: String,
}

/// A name with its other spellings, and the memory in MiB.
type Entry = (&'static str, &'static [&'static str], u64);

/// What `nvidia-smi` prints as Total on such a GPU, which is less than its name says where its memory corrects errors.
const KNOWN: [Entry; 29] = [
    ("T4", &[], 15_360),
    ("V100 16GB", &[], 16_384),
    ("V100 32GB", &["v100"], 32_768),
    ("A10", &["a10g"], 23_028),
    ("A30", &[], 24_576),
    ("A40", &[], 46_068),
    ("A100 40GB", &[], 40_960),
    ("A100 80GB", &["a100"], 81_920),
    ("L4", &[], 23_034),
    ("L40", &[], 46_068),
    ("L40S", &[], 46_068),
    ("RTX 3090", &[], 24_576),
    ("RTX 4080", &[], 16_376),
    ("RTX 4090", &[], 24_564),
    ("RTX 5080", &[], 16_303),
    ("RTX 5090", &[], 32_607),
    ("RTX A6000", &["a6000"], 49_140),
    ("RTX 6000 Ada", &[], 49_140),
    ("RTX PRO 6000", &["rtx pro 6000 blackwell"], 97_887),
    ("H20", &[], 97_871),
    ("H100 80GB", &["h100", "h100 sxm", "h100 pcie"], 81_559),
    ("H100 NVL", &["h100 94gb"], 95_830),
    ("H200", &["h200 141gb", "h200 sxm"], 143_771),
    ("GH200 96GB", &["gh200"], 97_871),
    ("B200", &[], 183_359),
    ("B300", &[], 275_040),
    ("GB200", &[], 189_471),
    ("GB300", &[], 284_208),
    // "device total memory 119.70 GiB", as TensorRT-LLM says there.
    ("GB10", &["dgx spark", "spark"], 122_573),
];

const MIB: u64 = 1 << 20;

fn names() -> String {
    KNOWN.map(|(name, ..)| name).join(", ")
}

impl Gpu {
    /// GPUs to name where none is asked for and this machine has none: one of each size, from the smallest on.
    pub fn common() -> Vec<Self> {
        ["L4", "RTX 5090", "L40S", "A100 80GB", "H100", "GB10", "H200", "B200"]
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// Whether it is one of the A100's, which vLLM gives smaller batches than others of that size.
    pub(super) fn is_a100(&self) -> bool {
        self.name.to_ascii_lowercase().contains("a100")
    }
}

impl FromStr for Gpu {
    type Err = UnknownGpu;

    fn from_str(name: &str) -> Result<Self, UnknownGpu> {
        if let Some(memory_bytes) = size(name) {
            let name = format!("GPU of {}", name.trim());
            return Ok(Self { name, memory_bytes, has_unified_memory: false });
        }
        let wanted = plain(name);
        let is = |(known, aliases, _): &&Entry| {
            plain(known) == wanted || aliases.iter().any(|alias| plain(alias) == wanted)
        };
        let found = KNOWN.iter().find(is).ok_or_else(|| {
            let name = name.chars().take(60).collect();
            UnknownGpu { name }
        })?;
        let has_unified_memory = found.0 == "GB10";
        Ok(Self { name: found.0.to_owned(), memory_bytes: found.2 * MIB, has_unified_memory })
    }
}

/// A name without what people write differently: `NVIDIA GeForce RTX-4090`, `rtx4090`.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let name = name.trim().trim_start_matches("nvidia").replace("geforce", "");
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// `80GB`, `24GiB`, `512 MiB`.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let number: f64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim() {
        "gb" | "g" => 1e9,
        "gib" => (MIB << 10) as f64,
        "mib" => MIB as f64,
        "mb" => 1e6,
        "tb" => 1e12,
        _ => return None,
    };
    let bytes = number * unit;
    // A pebibyte is more than any GPU will have.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 1..=2^50")]
    (1.0..=(1_u64 << 50) as f64).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn gpus_go_by_the_names_that_people_write() {
        for (written, name, mib) in [
            ("H100", "H100 80GB", 81_559),
            ("h100-80gb", "H100 80GB", 81_559),
            ("NVIDIA GeForce RTX 4090", "RTX 4090", 24_564),
            ("rtx5090", "RTX 5090", 32_607),
            ("dgx-spark", "GB10", 122_573),
            ("A100 40GB", "A100 40GB", 40_960),
        ] {
            let gpu: Gpu = written.parse().unwrap();
            assert_eq!((gpu.name.as_str(), gpu.memory_bytes >> 20), (name, mib), "{written}");
        }
        assert!("GB10".parse::<Gpu>().unwrap().has_unified_memory);
        let unknown = "TPU v5".parse::<Gpu>().unwrap_err().to_string();
        assert!(unknown.contains("H200") && unknown.contains("80GB"), "{unknown}");
    }

    #[test]
    fn a_size_is_a_gpu_too() {
        let bytes = |text: &str| text.parse::<Gpu>().map(|gpu| gpu.memory_bytes).ok();
        assert_eq!(bytes("80GB"), Some(80_000_000_000));
        assert_eq!(bytes(" 24 GiB "), Some(24 << 30));
        assert_eq!(bytes("1.5GiB"), Some(3 << 29));
        for nonsense in ["", "GB", "-1GB", "0GB", "1e9GB", "99999999TB", "80", "..GB", "80 bananas"]
        {
            assert_eq!(bytes(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn no_two_gpus_share_a_name() {
        let names = KNOWN.iter().flat_map(|(name, aliases, _)| {
            [*name].into_iter().chain(aliases.iter().copied()).map(plain)
        });
        let names: Vec<String> = names.collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert_eq!(Gpu::common().len(), 8);
    }
}
