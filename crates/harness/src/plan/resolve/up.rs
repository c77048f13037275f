//! A server that is started for the run: from a plan's words to what is asked of a recipe.

use std::{
    num::NonZeroU16,
    path::{Path, PathBuf},
};

use bench_containers::{Asked, EngineName as Engine, Lifetime, Mount, Pull, Recipe, With};

use super::{
    super::{BackendName, EngineName, PullName, TargetFile, UpFile},
    Resolver,
};
use crate::{TargetSettings, UpSettings};

/// Servers that a target may be varied to; beyond, nobody waits for the end.
const MOST_SERVERS: usize = 100;

impl Resolver<'_> {
    /// What `up` of a target comes to.
    pub(super) fn up(&mut self, path: &str, target: &TargetFile, up: &UpFile) -> UpSettings {
        let path = format!("{path}.up");
        let mounts = up
            .mounts
            .0
            .iter()
            .filter_map(|text| self.valid(&format!("{path}.mounts"), mount(text)));
        let mounts = mounts.collect();
        if up.model.as_ref().is_none_or(|model| model.trim().is_empty()) {
            self.wrong(&path, "names no model; write ENGINE:MODEL, or `model`");
        }
        let recipe = self.recipe(&path, target, up);
        let profile = up.profile.as_ref().map(|profile| profile.trim().to_owned());
        UpSettings {
            recipe,
            asked: Asked {
                model: up.model.clone().unwrap_or_default(),
                variant: up.variant.clone(),
                with: match up.backend {
                    Some(BackendName::Docker) | None => With::Docker,
                    Some(BackendName::Podman) => With::Podman,
                    Some(BackendName::Process) => With::Process,
                },
                image: up.image.clone(),
                program: up.program.as_ref().map(PathBuf::from),
                args: up.args.0.clone(),
                env: up.env.iter().map(|(name, text)| (name.clone(), text.0.clone())).collect(),
                secrets: up.secrets.0.clone(),
                mounts,
                gpus: up.gpus.as_ref().map(|request| request.0.clone()),
                shm_bytes: up.shm_size.map(|size| size.0),
                memory_bytes: up.memory.map(|size| size.0),
                runtime: up.runtime.clone(),
                port: self.optional(&format!("{path}.port"), up.port).map(NonZeroU16::get),
                pull: match up.pull {
                    Some(PullName::Missing) | None => Pull::Missing,
                    Some(PullName::Always) => Pull::Always,
                    Some(PullName::Never) => Pull::Never,
                },
                ready_within: up.ready_within.map(|time| time.0),
                lifetime: Some(Lifetime::WithUs),
                name: None,
                // The caller asks the image which ones there are.
                profile: None,
            },
            profile,
        }
    }

    /// The recipe that `up` names, else that of the target's engine, or of what the target is called.
    fn recipe(&mut self, path: &str, target: &TargetFile, up: &UpFile) -> Recipe {
        let of_engine = target.engine.and_then(recipe_of).map(|engine| engine.to_string());
        let named = target.name.as_ref().filter(|name| name.parse::<Engine>().is_ok());
        let recipe = up.recipe.clone().or(of_engine).or(named.cloned());
        let recipe = match recipe {
            Some(name) => {
                let read =
                    |_| Recipe::read(Path::new(&name)).map_err(|trouble| trouble.to_string());
                let known = name.parse().map(Recipe::of);
                // What looks like no file was meant to be an engine.
                let is_file = name.contains(['/', '.']) || Path::new(&name).exists();
                let recipe = if is_file { known.or_else(read) } else { known };
                self.valid(&format!("{path}.recipe"), recipe)
            }
            None => {
                let names = Engine::ALL.map(Engine::name).join(", ");
                let what =
                    format!("does not say of which engine; write ENGINE:MODEL, one of {names}");
                self.wrong(path, what);
                None
            }
        };
        recipe.unwrap_or_else(|| Recipe::of(Engine::Custom))
    }

    /// `whole`, once for each combination of the values that arguments are to have.
    pub(super) fn varied(
        &mut self,
        path: &str,
        whole: TargetSettings,
        up: &UpFile,
    ) -> Vec<TargetSettings> {
        let values = up.vary.values();
        let servers = values.fold(1_usize, |n, values| n.saturating_mul(values.0.len()));
        let path = format!("{path}.up.vary");
        if servers > MOST_SERVERS {
            let what = format!("{servers} servers are too many: at most {MOST_SERVERS}");
            self.wrong(&path, what);
            return vec![whole];
        }
        if servers == 0 {
            self.wrong(&path, "an argument has no value; leave it out");
            return vec![whole];
        }
        let mut targets = vec![whole];
        for (argument, values) in &up.vary {
            if argument.trim().is_empty() {
                self.wrong(&path, "an argument has no name");
            }
            if let Some(twice) = twice(&values.0) {
                self.wrong(&format!("{path}.{argument}"), format!("`{twice}` is there twice"));
            }
            let with = |target: &TargetSettings, value: &String| {
                super::with_argument(target.clone(), argument, value)
            };
            targets = targets
                .iter()
                .flat_map(|target| values.0.iter().map(move |value| with(target, value)))
                .collect();
        }
        targets
    }
}

/// The first text that was there before.
fn twice(texts: &[String]) -> Option<&String> {
    texts.iter().enumerate().find_map(|(index, text)| texts[..index].contains(text).then_some(text))
}

/// The recipe of a kind of server, where there is one.
const fn recipe_of(engine: EngineName) -> Option<Engine> {
    match engine {
        EngineName::Vllm => Some(Engine::Vllm),
        EngineName::Sglang => Some(Engine::Sglang),
        EngineName::Nim => Some(Engine::Nim),
        EngineName::TrtLlm => Some(Engine::TrtLlm),
        EngineName::LlamaCpp => Some(Engine::LlamaCpp),
        EngineName::Ollama => Some(Engine::Ollama),
        EngineName::OpenAi | EngineName::Triton | EngineName::Anthropic | EngineName::Custom => {
            None
        }
    }
}

/// `HERE:THERE`, `HERE:THERE:ro` or `HERE:THERE:rw`. Without a word it can only be read.
fn mount(text: &str) -> Result<Mount, String> {
    let (places, read_only) = match text.rsplit_once(':') {
        Some((places, "ro")) => (places, true),
        Some((places, "rw")) => (places, false),
        _ => (text, true),
    };
    let none = || format!("`{text}` is no folder such as HERE:THERE or HERE:THERE:rw");
    let (outside, inside) = places.split_once(':').ok_or_else(none)?;
    if outside.is_empty() || inside.is_empty() {
        return Err(none());
    }
    Ok(Mount { outside: PathBuf::from(outside), inside: inside.to_owned(), read_only })
}
