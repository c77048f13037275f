//! What `list-model-profiles` says.

use super::profile::{Fit, Profile};
use crate::{Cause, Output, Trouble};

/// The profiles of an image, as they suit a machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profiles {
    /// GPUs that nothing else uses, as the image calls them: `NVIDIA A100-SXM4-80GB (A100 80GB) [current utilization: 1%]`.
    pub free_gpus: Vec<String>,
    /// GPUs that something else uses. NIM takes 5 % of a GPU's memory for that, which a desktop may use.
    pub busy_gpus: Vec<String>,
    /// The profiles, in the image's order.
    pub profiles: Vec<Profile>,
}

/// What the lines that follow are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    FreeGpus,
    BusyGpus,
    Profiles(Fit),
}

impl Profiles {
    /// What an image said of its profiles.
    ///
    /// # Errors
    ///
    /// When it failed, or said nothing of profiles.
    pub fn of(output: &Output) -> Result<Self, Trouble> {
        let profiles = Self::read(&output.text);
        // Some versions end with an error where no profile suits the machine, and list them nevertheless.
        if !profiles.profiles.is_empty() {
            return Ok(profiles);
        }
        let what = match output.exit_code {
            0 => "the image lists no profiles".to_owned(),
            code => format!("the image failed to list its profiles, with exit code {code}"),
        };
        Err(Trouble::new(Cause::Exited, what)
            .said(last_lines(&output.text))
            .fix("an image of NVIDIA NIM, such as meta/llama-3.1-8b-instruct; the GPUs that are to be used given to it"))
    }

    /// What is in a text, which may hold lines of other kinds.
    pub(super) fn read(text: &str) -> Self {
        let mut profiles = Self::default();
        let mut section = Section::None;
        let mut has_lora = false;
        for line in text.lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            let Some(item) = line.trim_start().strip_prefix('-').map(str::trim) else { continue };
            if let Some(begun) = Section::begun_by(item) {
                (section, has_lora) = (begun, false);
            } else if item.starts_with("With LoRA support") {
                has_lora = true;
            } else {
                profiles.take(item, section, has_lora);
            }
        }
        profiles
    }

    fn take(&mut self, item: &str, section: Section, has_lora: bool) {
        match section {
            Section::None => {}
            Section::FreeGpus => self.free_gpus.push(gpu(item)),
            Section::BusyGpus => self.busy_gpus.push(gpu(item)),
            Section::Profiles(fit) => {
                if let Some(profile) = profile(item, fit) {
                    let has_lora = has_lora || profile.has_lora;
                    self.profiles.push(Profile { has_lora, ..profile });
                }
            }
        }
    }
}

impl Section {
    fn begun_by(item: &str) -> Option<Self> {
        let item = item.to_ascii_lowercase();
        let begins = |begin: &str| item.starts_with(begin);
        let section = match () {
            () if begins("free gpus") => Self::FreeGpus,
            () if begins("non-free gpus") => Self::BusyGpus,
            // "but low memory:", and before 1.1 "but not runnable due to low GPU free memory".
            () if begins("compatible with system but") => Self::Profiles(Fit::LowMemory),
            () if begins("compatible with system") => Self::Profiles(Fit::Runnable),
            () if begins("compilable to") => Self::Profiles(Fit::Buildable),
            () if begins("incompatible with system") => Self::Profiles(Fit::Incompatible),
            () => return None,
        };
        Some(section)
    }
}

/// A GPU without its PCI identity: `[20b2:10de] (0) NVIDIA A100…`.
fn gpu(item: &str) -> String {
    let after = item.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    after.map_or(item, |(_, rest)| rest).trim().to_owned()
}

/// A profile: `<id> (<name>) [<needs>]`, or of images for speech `<id> - <tags>`.
fn profile(item: &str, fit: Fit) -> Option<Profile> {
    let (id, rest) = item.split_once(' ')?;
    if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let rest = rest.trim();
    if let Some(tags) = rest.strip_prefix('-') {
        return Some(Profile::tagged(id, tags.trim(), fit));
    }
    let (name, after) = rest.strip_prefix('(')?.split_once(')')?;
    let needs = after.trim().strip_prefix('[').and_then(|needs| needs.strip_suffix(']'));
    let needs = needs.map(str::to_owned);
    Some(Profile { needs, ..Profile::named(id, name, fit) })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn output(text: &str, exit_code: i64) -> Output {
        Output { exit_code, text: text.to_owned() }
    }

    /// Every profile in a line, after the GPUs.
    fn shown(text: &str) -> String {
        let profiles = Profiles::of(&output(text, 0)).unwrap();
        let gpus = [("free", &profiles.free_gpus), ("busy", &profiles.busy_gpus)];
        let gpus = gpus
            .into_iter()
            .flat_map(|(how, gpus)| gpus.iter().map(move |gpu| format!("{how}: {gpu}\n")));
        let profiles = profiles.profiles.iter().map(|profile| {
            let Profile { id, fit, needs, has_lora, .. } = profile;
            let lora = if *has_lora { " lora" } else { "" };
            let needs = needs.as_ref().map_or(String::new(), |needs| format!(" [{needs}]"));
            let what = [&profile.backend, &profile.gpu, &profile.precision]
                .map(|text| text.as_deref().unwrap_or("-"));
            let gpus = profile.gpus().map_or("-".to_owned(), |gpus| gpus.to_string());
            format!("{fit}: {} {} x{gpus}{lora}{needs}\n", &id[..8], what.join(" "))
        });
        gpus.chain(profiles).collect()
    }

    #[test]
    fn what_every_generation_says_is_read() {
        insta::assert_snapshot!(
            "nim_1_0",
            shown(include_str!("../../tests/data/nim/1.0.3-a10.txt"))
        );
        insta::assert_snapshot!(
            "nim_1_1",
            shown(include_str!("../../tests/data/nim/1.1.2-l40s.txt"))
        );
        insta::assert_snapshot!("nim_1_3", shown(include_str!("../../tests/data/nim/1.3.3.txt")));
        insta::assert_snapshot!(
            "nim_1_10",
            shown(include_str!("../../tests/data/nim/1.x-h100-nvl.txt"))
        );
        insta::assert_snapshot!("nim_2_0", shown(include_str!("../../tests/data/nim/2.0-l40.txt")));
        insta::assert_snapshot!(
            "nim_2_low",
            shown(include_str!("../../tests/data/nim/2.0.12-rtx5090.txt"))
        );
        insta::assert_snapshot!(
            "riva",
            shown(include_str!("../../tests/data/nim/riva-1.3.0-a100.txt"))
        );
    }

    #[test]
    fn tags_are_read_as_a_dictionary_too() {
        let text = format!(
            "- Compatible with system:\n  - {} - {{'gpu': 'h100', 'mode': 'ofl'}}",
            "a".repeat(64)
        );
        let profiles = Profiles::of(&output(&text, 0)).unwrap();
        assert_eq!(profiles.profiles[0].gpu.as_deref(), Some("h100"));
        assert_eq!(profiles.profiles[0].tags["mode"], "ofl");
    }

    #[test]
    fn what_is_no_list_is_trouble() {
        let trouble =
            Profiles::of(&output("exec: \"list-model-profiles\": not found", 127)).unwrap_err();
        assert!(
            trouble.what.contains("exit code 127") && trouble.said.contains("not found"),
            "{trouble:?}"
        );
        let none = "MODEL PROFILES\n- Compatible with system and runnable: <None>\n";
        assert_eq!(Profiles::of(&output(none, 0)).unwrap_err().what, "the image lists no profiles");
        let cut = "- Compatible with system and runnable:\n  - 83bcdd (x)\n  - zz (y)\n  - -\n  -";
        assert!(Profiles::of(&output(cut, 0)).is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_is_too_strange(text in "(- |[a-f0-9]{64}|[ -~\\n\\x1b()\\[\\]|:]){0,60}") {
            Profiles::read(&text);
        }
    }
}
