//! What is written down of a server, for whoever takes it down.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Environment, Launch, Lifetime, Variable, environment::Mask, owner::Owner};

/// The form of these files.
const FORMAT_VERSION: u32 = 1;

/// Secrets that a server may have of us without being given them, and may show: by the names of their variables.
const INHERITED_SECRETS: [&str; 6] = [
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "INFERBENCH_API_KEY",
    "NGC_API_KEY",
    "NVIDIA_API_KEY",
    "OPENAI_API_KEY",
];

/// What is known before it is started: `server.json`. No secrets, but their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    format_version: u32,
    /// Told from any other server that ever had its name.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) engine: String,
    pub(super) model: String,
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// What it is given of the environment, beside the secrets.
    texts: BTreeMap<String, String>,
    /// Secrets that it is given, each with the name of our variable that holds it.
    secrets: BTreeMap<String, String>,
    pub(super) port: u16,
    /// Who started it.
    owner: Option<String>,
    pub(super) is_kept: bool,
    stop_within_ms: u64,
}

impl Record {
    /// That of a launch whose port is chosen.
    pub(super) fn of(id: String, launch: &Launch, program: &Path, port: u16) -> Self {
        let (mut texts, mut secrets) = (BTreeMap::new(), BTreeMap::new());
        for (name, variable) in launch.env.clone() {
            match variable {
                Variable::Text(text) => texts.insert(name, text),
                Variable::Secret(ours) => secrets.insert(name, ours),
            };
        }
        Self {
            format_version: FORMAT_VERSION,
            id,
            name: launch.name.clone(),
            engine: launch.engine.name().to_owned(),
            model: launch.model.clone(),
            program: program.to_owned(),
            args: launch.args.clone(),
            texts,
            secrets,
            port,
            owner: Owner::this().map(|owner| owner.to_string()),
            is_kept: launch.lifetime == Lifetime::Kept,
            stop_within_ms: u64::try_from(launch.stop_within.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Whether it is one that this version understands.
    pub(super) const fn is_known(&self) -> bool {
        self.format_version == FORMAT_VERSION
    }

    /// Who started it.
    pub(super) fn owner(&self) -> Option<Owner> {
        self.owner.as_ref()?.parse().ok()
    }

    pub(super) const fn stop_within(&self) -> Duration {
        Duration::from_millis(self.stop_within_ms)
    }

    /// What it is given of the environment. A secret that is not set is left out.
    pub(super) fn variables(&self, environment: &Environment) -> Vec<(String, String)> {
        let texts = self.texts.iter().map(|(name, text)| (name.clone(), text.clone()));
        let secrets = self.secrets.iter();
        let secrets =
            secrets.filter_map(|(name, ours)| Some((name.clone(), environment.var(ours)?)));
        texts.chain(secrets).collect()
    }

    /// What hides the secrets that it may know: as they are here, and as they are in what it was `given`.
    pub(super) fn mask(&self, environment: &Environment, given: &[(String, String)]) -> Mask {
        let ours = self.secrets.values().map(String::as_str).chain(INHERITED_SECRETS);
        let ours = ours.filter_map(|name| environment.var(name));
        let is_secret =
            |name: &str| self.secrets.contains_key(name) || INHERITED_SECRETS.contains(&name);
        let theirs =
            given.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone());
        Mask::of(ours.chain(theirs).collect())
    }
}

/// Which processes it has: `processes.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Processes {
    server: String,
    holder: Option<String>,
}

impl Processes {
    pub(super) fn of(server: &Owner, holder: Option<&Owner>) -> Self {
        Self { server: server.to_string(), holder: holder.map(Owner::to_string) }
    }

    /// The one that was started.
    pub(super) fn server(&self) -> Option<Owner> {
        self.server.parse().ok()
    }

    /// The one that holds it.
    pub(super) fn holder(&self) -> Option<Owner> {
        self.holder.as_ref()?.parse().ok()
    }
}

/// How it ended: `ended.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// As a shell has it: 128 and the signal, where one ended it.
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: bool,
    /// Why it could not be started.
    pub(super) refused: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Asked, EngineName, HostFacts, Recipe, With};

    #[test]
    fn secrets_are_known_by_their_names_alone() {
        let asked = Asked {
            model: "tiny".to_owned(),
            with: With::Process,
            program: Some("/bin/true".into()),
            env: [("A".to_owned(), "b".to_owned())].into(),
            ..Asked::default()
        };
        let recipe = Recipe::of(EngineName::Custom);
        let launch = recipe.launch(&asked, &HostFacts::here(&recipe, &asked));
        let mut launch = launch.unwrap();
        launch.env.insert("MY_TOKEN".to_owned(), Variable::Secret("MY_TOKEN".to_owned()));
        let record = Record::of("x@1".to_owned(), &launch, Path::new("/bin/true"), 4000);
        let environment = Environment::of([("MY_TOKEN", "canary-1"), ("HF_TOKEN", "canary-2")]);
        let variables = record.variables(&environment);
        assert!(variables.contains(&("MY_TOKEN".to_owned(), "canary-1".to_owned())));
        assert!(variables.contains(&("A".to_owned(), "b".to_owned())));
        assert_eq!(record.variables(&Environment::of([("X", "y")])).len(), variables.len() - 1);
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("MY_TOKEN") && !json.contains("canary"), "{json}");
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
        let hidden = record.mask(&environment, &[]).hide("canary-1, canary-2".to_owned());
        assert_eq!(hidden, "***, ***");
        let given = [("MY_TOKEN", "canary-3"), ("A", "canary-4")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let elsewhere = record.mask(&Environment::of([("X", "y")]), &given);
        assert_eq!(elsewhere.hide("canary-3, canary-4".to_owned()), "***, canary-4");
    }
}
