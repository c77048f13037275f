//! What a server is given in its environment.

use std::collections::BTreeMap;

use super::{
    EngineName,
    check::{self, refused},
    launching::Making,
};
use crate::{Cause, Gpus, Trouble, Variable};

impl Making<'_> {
    /// Its variables: the recipe's, over them what is asked for, and secrets by their names.
    pub(super) fn env(
        &self,
        fill: impl Fn(&str) -> String,
    ) -> Result<BTreeMap<String, Variable>, Trouble> {
        let mut env = BTreeMap::new();
        for (name, text) in &self.parts.env {
            check::variable(name)?;
            check::open_text(name, text)?;
            env.insert(name.clone(), Variable::Text(fill(text)));
        }
        for (name, text) in self.of_model().into_iter().chain(self.devices()) {
            env.insert(name, Variable::Text(text));
        }
        for (name, text) in &self.asked.env {
            check::variable(name)?;
            check::open_text(name, text)?;
            env.insert(name.clone(), Variable::Text(fill(text)));
        }
        if let Some(profile) = self.profile()? {
            env.insert("NIM_MODEL_PROFILE".to_owned(), Variable::Text(profile));
        }
        for name in self.secrets()? {
            env.insert(name.clone(), Variable::Secret(name));
        }
        Ok(env)
    }

    /// Where the model is, for an image that has none.
    fn of_model(&self) -> Option<(String, String)> {
        let variable = self.parts.model_variable.clone()?;
        let is_told = self.model.is_local || self.model.told.contains("://");
        is_told.then(|| (variable, self.model.told.clone()))
    }

    /// The GPUs of a process: a container is given none but its own.
    fn devices(&self) -> Option<(String, String)> {
        let devices = match self.asked.gpus.as_ref().filter(|_| self.is_process())? {
            Gpus::All => return None,
            Gpus::None => String::new(),
            Gpus::Count(count) => {
                (0..*count).map(|gpu| gpu.to_string()).collect::<Vec<_>>().join(",")
            }
            Gpus::Devices(devices) => devices.join(","),
        };
        Some(("CUDA_VISIBLE_DEVICES".to_owned(), devices))
    }

    fn profile(&self) -> Result<Option<String>, Trouble> {
        let Some(profile) = &self.asked.profile else { return Ok(None) };
        let is_id = profile.len() == 64 && profile.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (self.engine, is_id) {
            (EngineName::Nim, true) => Ok(Some(profile.clone())),
            (EngineName::Nim, false) => Err(refused(
                format!("{profile:?} is no profile's id"),
                "64 digits, as `profiles IMAGE` shows",
            )),
            (engine, _) => Err(refused(format!("{engine} has no profiles"), "leave it out")),
        }
    }

    /// The secrets that it is given, by their names.
    fn secrets(&self) -> Result<Vec<String>, Trouble> {
        let required = self.parts.requires.iter().flatten();
        let needed = required.chain(&self.asked.secrets).cloned().collect::<Vec<_>>();
        for name in &needed {
            check::variable(name)?;
            if !self.host.set.contains(name) {
                return Err(self.key_missing(name));
            }
        }
        self.parts.secrets.iter().try_for_each(|name| check::variable(name))?;
        Ok([needed, self.parts.secrets.clone()].concat())
    }

    fn key_missing(&self, name: &str) -> Trouble {
        let what = format!("{} needs {name}, which is not set", self.engine);
        let fix = match name {
            "NGC_API_KEY" => {
                "export NGC_API_KEY=…, from https://org.ngc.nvidia.com/setup/api-keys; an image that needs none, as some \
                 do from 2.0.10 on, is for a recipe with `requires = []`"
                    .to_owned()
            }
            _ => format!("export {name}=…, in the shell that inferbench is started from"),
        };
        Trouble::new(Cause::KeyMissing, what).fix(fix)
    }
}
