//! What a prepared model may be called: a folder on every system, and nothing that leads out of it.

use std::{fmt, str::FromStr};

/// A name of a prepared model: a letter or a digit, then up to 127 of these, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelName(String);

/// A text that is no such name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a model cannot be called {name:?}: a letter or a digit comes first, then up to 127 of these, `.`, `_` and `-`, with \
     no `..` and no `.` at the end; names of devices, such as NUL, are none"
)]
pub struct BadName {
    /// The text, or its beginning.
    pub name: String,
}

impl ModelName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_safe = !name.contains("..") && !name.ends_with('.') && !is_device(name);
        match starts && is_safe && name.len() <= 128 && name.chars().all(is_known) {
            true => Ok(Self(name.to_owned())),
            false => Err(BadName { name: name.chars().take(160).collect() }),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether Windows takes a name for a device, whatever ending it has.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = ["com", "lpt"].iter().find_map(|device| stem.strip_prefix(device));
    ["con", "prn", "aux", "nul"].contains(&&*stem)
        || numbered.is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_folders_everywhere() {
        for name in ["a", "llama-3.1-8b", "Qwen2.5_7B", "8", "console", "com10", &"x".repeat(128)] {
            assert_eq!(name.parse::<ModelName>().unwrap().as_str(), name);
        }
        for name in [
            "",
            ".",
            "..",
            "a..b",
            "../a",
            "a/b",
            "/a",
            "a\\b",
            "C:",
            "a:b",
            "-rf",
            "--force",
            ".hidden",
            "a.",
            "a b",
            "a\n",
            "a\0",
            "é",
            "nul",
            "NUL.txt",
            "con",
            "Com1.gguf",
            "lpt9",
            "~",
            "$HOME",
            "$(id)",
            "a;b",
            "%2e%2e",
            "．．",
            &"x".repeat(129),
        ] {
            assert!(name.parse::<ModelName>().is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_plain_part_of_a_path(text in "\\PC{0,12}|[a-zA-Z0-9./\\\\:_~-]{0,12}") {
            if let Ok(name) = text.parse::<ModelName>() {
                let parts: Vec<_> = Path::new(name.as_str()).components().collect();
                prop_assert!(matches!(parts[..], [Component::Normal(_)]));
            }
        }
    }
}
