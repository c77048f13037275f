//! The choice of a profile: by its id, by its name, or by what it is to be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{Fit, Profile, Profiles, profile::Goal};
use crate::{Cause, Trouble};

/// What a rule can be of, whatever the image.
const KEYS: [&str; 7] = ["backend", "gpu", "precision", "tp", "pp", "goal", "lora"];

impl Profiles {
    /// The profile that is wanted: an id or the beginning of one, a name, or a rule such as `precision=fp8,tp=2,goal=latency`.
    ///
    /// Of several that are meant, the ones that suit the machine best; unless a rule says `lora=yes`, those without LoRA.
    /// An id is taken as it is, whether it suits or not.
    ///
    /// # Errors
    ///
    /// When none is meant, several are that suit equally well, or a rule means only such as cannot run.
    pub fn choose(&self, wanted: &str) -> Result<&Profile, Trouble> {
        let wanted = wanted.trim();
        if is_id(wanted) {
            let begins = |profile: &&Profile| profile.id.starts_with(&wanted.to_ascii_lowercase());
            let meant: Vec<_> = self.profiles.iter().filter(begins).collect();
            if !meant.is_empty() || wanted.len() == 64 {
                return self.only(wanted, &meant);
            }
        }
        let meant = match wanted.contains('=') {
            true => self.by_rule(&Rule::of(wanted, self)?),
            false => self.profiles.iter().filter(|profile| profile.name == wanted).collect(),
        };
        let best = meant.iter().map(|profile| profile.fit).min();
        if best.is_some_and(|best| best == Fit::Incompatible) {
            let what =
                format!("{} profiles are `{wanted}`, and none suits this machine", meant.len());
            return Err(self.trouble(what, &meant));
        }
        let fits = |profile: &&Profile| Some(profile.fit) == best;
        self.only(wanted, &meant.into_iter().filter(fits).collect::<Vec<_>>())
    }

    fn only<'a>(&'a self, wanted: &str, meant: &[&'a Profile]) -> Result<&'a Profile, Trouble> {
        match meant {
            [profile] => Ok(profile),
            [] => {
                let all: Vec<_> = self.profiles.iter().collect();
                Err(self.trouble(format!("no profile is `{wanted}`"), &all))
            }
            several => {
                Err(self.trouble(format!("{} profiles are `{wanted}`", several.len()), several))
            }
        }
    }

    fn by_rule(&self, rule: &Rule<'_>) -> Vec<&Profile> {
        let meant: Vec<_> = self.profiles.iter().filter(|profile| rule.means(profile)).collect();
        let plain: Vec<_> = meant.iter().copied().filter(|profile| !profile.has_lora).collect();
        if rule.0.contains_key("lora") || plain.is_empty() { meant } else { plain }
    }

    fn trouble(&self, what: String, which: &[&Profile]) -> Trouble {
        const MOST: usize = 20;
        let mut said = String::new();
        for Profile { id, name, fit, .. } in which.iter().take(MOST) {
            let _ = writeln!(said, "{id} {name} ({fit})");
        }
        if which.len() > MOST {
            let _ = writeln!(said, "and {} more", which.len() - MOST);
        }
        let fix = format!(
            "an id, a name, or a rule of {}, such as `precision=fp8,tp=2,goal=latency`",
            self.keys().join(", ")
        );
        Trouble::new(Cause::Recipe, what).said(said.trim_end()).fix(fix)
    }

    /// What a rule can be of.
    fn keys(&self) -> Vec<String> {
        let tags = self.profiles.iter().flat_map(|profile| profile.tags.keys());
        let tags: BTreeSet<_> =
            tags.map(String::as_str).filter(|tag| !KEYS.contains(tag)).collect();
        KEYS.into_iter().chain(tags).map(str::to_owned).collect()
    }
}

/// Whether it can only be meant as an id, or its beginning.
fn is_id(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a profile is to be.
struct Rule<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Rule<'a> {
    fn of(text: &'a str, profiles: &Profiles) -> Result<Self, Trouble> {
        let keys = profiles.keys();
        let mut rule = BTreeMap::new();
        for pair in text.split(',') {
            let known = pair.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            let known = known.filter(|(key, value)| {
                keys.iter().any(|known| known == key) && is_value(key, value)
            });
            let Some((key, value)) = known else {
                let what = format!("`{pair}` is no part of a rule for profiles");
                let fix = format!(
                    "KEY=VALUE, the keys being {}; tp and pp are numbers, goal is latency or throughput, lora is yes or no",
                    keys.join(", ")
                );
                return Err(Trouble::new(Cause::Recipe, what).fix(fix));
            };
            rule.insert(key, value);
        }
        Ok(Self(rule))
    }

    fn means(&self, profile: &Profile) -> bool {
        self.0.iter().all(|(key, value)| {
            says(profile, key).is_some_and(|said| said.eq_ignore_ascii_case(value))
        })
    }
}

fn is_value(key: &str, value: &str) -> bool {
    match key {
        "tp" | "pp" => value.parse::<u32>().is_ok(),
        "goal" => Goal::of(value).is_some(),
        "lora" => ["yes", "no"].contains(&value),
        _ => !value.is_empty(),
    }
}

/// What a profile says of a key; one that says no number of stages has one.
fn says(profile: &Profile, key: &str) -> Option<String> {
    match key {
        "backend" => profile.backend.clone(),
        "gpu" => profile.gpu.clone(),
        "precision" => profile.precision.clone(),
        "tp" => profile.tensor_parallel.map(|tp| tp.to_string()),
        "pp" => Some(profile.pipeline_parallel.unwrap_or(1).to_string()),
        "goal" => profile.goal.map(|goal| goal.name().to_owned()),
        "lora" => Some(if profile.has_lora { "yes" } else { "no" }.to_owned()),
        tag => profile.tags.get(tag).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn l40s() -> Profiles {
        Profiles::read(include_str!("../../tests/data/nim/1.1.2-l40s.txt"))
    }

    fn riva() -> Profiles {
        Profiles::read(include_str!("../../tests/data/nim/riva-1.3.0-a100.txt"))
    }

    #[test]
    fn ids_and_names_mean_one() {
        let profiles = l40s();
        let tp1 = "3807be802a8ab1d999bf280c96dcd8cf77ac44c0a4d72edb9083f0abb89b6a19";
        assert_eq!(profiles.choose(tp1).unwrap().name, "tensorrt_llm-l40s-bf16-tp1-throughput");
        assert_eq!(profiles.choose("3807BE80").unwrap().id, tp1);
        assert_eq!(profiles.choose(" tensorrt_llm-l40s-bf16-tp1-throughput").unwrap().id, tp1);
        // By its id, what does not suit is taken too: NIM says itself why.
        assert_eq!(profiles.choose("0bc4cc78").unwrap().fit, Fit::Incompatible);
    }

    #[test]
    fn rules_mean_what_suits_best() {
        let profiles = l40s();
        let name = |rule: &str| profiles.choose(rule).map(|profile| profile.name.as_str());
        assert_eq!(name("tp=2,goal=latency").unwrap(), "tensorrt_llm-l40s-bf16-tp2-latency");
        assert_eq!(name("backend=vllm, tp=1").unwrap(), "vllm-fp16-tp1");
        assert_eq!(name("backend=vllm,tp=1,lora=yes").unwrap(), "vllm-fp16-tp1-lora");
        assert_eq!(
            name("goal=throughput,tp=2,pp=1").unwrap(),
            "tensorrt_llm-l40s-bf16-tp2-throughput"
        );
    }

    #[test]
    fn what_means_none_or_several_says_what_there_is() {
        let profiles = l40s();
        let trouble = |wanted: &str| profiles.choose(wanted).unwrap_err();
        let none = trouble("vllm-fp16-tp9");
        assert_eq!(none.what, "no profile is `vllm-fp16-tp9`");
        assert!(none.said.contains("vllm-fp16-tp1 (compatible)"), "{none:?}");
        let several = trouble("goal=throughput");
        assert_eq!(several.what, "2 profiles are `goal=throughput`");
        assert_eq!(several.said.lines().count(), 2);
        let unsuited = trouble("gpu=h100,precision=fp8");
        assert!(unsuited.what.ends_with("none suits this machine"), "{unsuited}");
        for wrong in ["tp=two", "colour=red", "goal=speed", "lora=1", "tp=1,", "=", "gpu="] {
            let said = trouble(wrong);
            assert!(
                said.fix.contains("KEY=VALUE") && said.fix.contains("precision"),
                "{wrong}: {said:?}"
            );
        }
    }

    #[test]
    fn tags_of_an_image_are_keys_of_its_rules() {
        let profiles = riva();
        assert_eq!(
            profiles.choose("batch_size=8,model_type=prebuilt").unwrap().gpu.as_deref(),
            Some("a100")
        );
        assert!(profiles.choose("mode=str").unwrap_err().fix.contains("batch_size"));
    }
}
