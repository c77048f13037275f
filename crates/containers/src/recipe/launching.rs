//! From a recipe, and what is asked of it, to a server to start.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Asked, EngineName, HostFacts, Recipe, With,
    check::{self, refused},
    flags, image,
    model::Model,
    parts::{Entrypoint, ModelForm, Parts},
};
use crate::{Gpus, Launch, Lifetime, Mount, Place, Program, Trouble, Ulimit};

/// Unless a recipe, or who asks, says otherwise.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// As Docker's own, and more than engines take.
const STOP_WITHIN: Duration = Duration::from_secs(30);

impl Recipe {
    /// The server that is asked for, on a machine of which `host` is known. Reads nothing and starts nothing.
    ///
    /// # Errors
    ///
    /// When what is asked cannot be, would show a secret or give the machine away, or a key or the model is missing.
    pub fn launch(&self, asked: &Asked, host: &HostFacts) -> Result<Launch, Trouble> {
        check_fit(asked)?;
        let parts = self.with_variant(asked.variant.as_deref())?;
        let model = Model::of(&parts, asked, host)?;
        let parts = match if model.is_local { &parts.local } else { &parts.remote } {
            Some(over) => parts.clone().under((**over).clone()),
            None => parts,
        };
        Making { engine: self.engine, parts: &parts, asked, host, model: &model }.launch()
    }

    fn with_variant(&self, variant: Option<&str>) -> Result<Parts, Trouble> {
        let Some(variant) = variant else { return Ok(self.parts.clone()) };
        let Some(over) = self.parts.variants.get(variant) else {
            let known = self.variants().collect::<Vec<_>>().join(", ");
            let fix = if known.is_empty() {
                "leave it out".to_owned()
            } else {
                format!("one of: {known}")
            };
            return Err(refused(format!("{} has no variant `{variant}`", self.engine), fix));
        };
        Ok(self.parts.clone().under(over.clone()))
    }
}

/// Refuses what is asked of a process that containers alone have, and the other way round.
fn check_fit(asked: &Asked) -> Result<(), Trouble> {
    let of_containers = [
        ("an image", asked.image.is_some()),
        ("mounts", !asked.mounts.is_empty()),
        ("shared memory", asked.shm_bytes.is_some()),
        ("a limit of memory", asked.memory_bytes.is_some()),
        ("a runtime", asked.runtime.is_some()),
    ];
    match asked.with {
        With::Process => match of_containers.iter().find(|(_, is_asked)| *is_asked) {
            Some((what, _)) => {
                Err(refused(format!("a process has no such thing: {what}"), "leave it out"))
            }
            None => Ok(()),
        },
        With::Docker | With::Podman if asked.program.is_some() => Err(refused(
            "a container has no program of this machine",
            "name an image, or start a process",
        )),
        With::Docker | With::Podman => Ok(()),
    }
}

/// A launch in the making.
pub(super) struct Making<'a> {
    pub(super) engine: EngineName,
    pub(super) parts: &'a Parts,
    pub(super) asked: &'a Asked,
    pub(super) host: &'a HostFacts,
    pub(super) model: &'a Model,
}

impl Making<'_> {
    fn launch(&self) -> Result<Launch, Trouble> {
        self.check_args()?;
        let model = self.model_name()?;
        let fill = |text: &str| self.filled(text, &model);
        let name = self.name(&model)?;
        let (program, before) = self.program()?;
        let args = self.args().iter().map(|word| fill(word)).collect::<Vec<_>>();
        Ok(Launch {
            name,
            engine: self.engine,
            program,
            args: [before, args].concat(),
            env: self.env(fill)?,
            place: self.place(),
            mounts: self.mounts()?,
            gpus: self.gpus()?,
            shm_bytes: self.asked.shm_bytes.or(self.parts.shm.map(|shm| shm.0)),
            memory_bytes: self.asked.memory_bytes,
            ipc_host: self.parts.ipc_host.unwrap_or(false) && self.asked.shm_bytes.is_none(),
            ulimits: self.ulimits(),
            runtime: self.asked.runtime.clone().or_else(|| self.parts.runtime.clone()),
            user: self.parts.user.clone(),
            pull: self.asked.pull,
            then: self.then(fill),
            health: self.parts.health.clone().unwrap_or_else(|| "/health".to_owned()),
            ready_within: self
                .asked
                .ready_within
                .or(self.parts.ready_within_s.map(Duration::from_secs))
                .unwrap_or(READY_WITHIN),
            stop_within: self.parts.stop_within_s.map_or(STOP_WITHIN, Duration::from_secs),
            lifetime: self.asked.lifetime.unwrap_or(Lifetime::Kept),
            model,
        })
    }

    pub(super) fn is_process(&self) -> bool {
        self.asked.with == With::Process
    }

    /// What requests call the model: as an argument or a variable that is asked for says, or as the engine does.
    fn model_name(&self) -> Result<String, Trouble> {
        let Parts { name_flags, name_variable, aliases, .. } = self.parts;
        let flag = flags::value(&self.asked.args, name_flags, aliases);
        let variable = name_variable.as_ref().and_then(|variable| self.asked.env.get(variable));
        // A list of names: any of them will do.
        let variable = variable.and_then(|names| names.split(',').next());
        match flag.or(variable) {
            Some("") => Err(refused("the model has an empty name", "name it, or leave that out")),
            Some(name) => Ok(name.to_owned()),
            None => Ok(self.model.name.clone()),
        }
    }

    /// A text with what it leaves open filled in. The port of a process may only be known once it is started.
    fn filled(&self, text: &str, name: &str) -> String {
        let host = if self.is_process() { "127.0.0.1" } else { "0.0.0.0" };
        let port = match self.is_process() {
            true => self.asked.port.map(|port| port.to_string()),
            false => Some(self.place().inside.to_string()),
        };
        let values = [("{model}", self.model.told.as_str()), ("{name}", name), ("{host}", host)];
        let port = port.as_deref().map(|port| ("{port}", port));
        // One pass, so that no value is searched for what it may happen to hold.
        let mut filled = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find('{') {
            filled.push_str(&rest[..begin]);
            rest = &rest[begin..];
            let found = values.into_iter().chain(port).find(|(hole, _)| rest.starts_with(hole));
            let (hole, value) = found.unwrap_or(("{", "{"));
            filled.push_str(value);
            rest = &rest[hole.len()..];
        }
        filled + rest
    }

    fn name(&self, model: &str) -> Result<String, Trouble> {
        if let Some(name) = &self.asked.name {
            return check::name(name).map(|()| name.clone());
        }
        let last = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let last = last.strip_suffix(":latest").unwrap_or(&last);
        let is_known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let short: String =
            last.chars().map(|c| if is_known(c) { c } else { '-' }).take(48).collect();
        let name = format!("inferbench-{}-{}", self.engine, short.trim_matches('-'));
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| !self.host.taken.contains(name));
        Ok(free.unwrap_or(name))
    }

    /// What is started, and the words that come before its arguments.
    fn program(&self) -> Result<(Program, Vec<String>), Trouble> {
        let command = self.parts.command.clone().unwrap_or_default();
        let first = command.first().cloned();
        let after = command.get(1..).unwrap_or_default().to_vec();
        if self.is_process() {
            let program = self.asked.program.clone().or(first.map(PathBuf::from));
            let program = program.ok_or_else(|| self.no_program())?;
            return Ok((Program::Process(program), after));
        }
        let image = self.image()?;
        Ok(match self.parts.entrypoint.unwrap_or_default() {
            Entrypoint::Command => (Program::Image { image, entrypoint: None }, Vec::new()),
            Entrypoint::Kept => (Program::Image { image, entrypoint: None }, command),
            Entrypoint::Replaced => {
                (Program::Image { image, entrypoint: first.map(|first| vec![first]) }, after)
            }
        })
    }

    fn no_program(&self) -> Trouble {
        match self.engine {
            EngineName::Nim => refused(
                "NIM is an image, and no program of its own",
                "start it with docker or podman",
            ),
            _ => refused("no program is named", "name the program that is to be started"),
        }
    }

    fn image(&self) -> Result<String, Trouble> {
        let Parts { registry, image_suffix, .. } = self.parts;
        if let Some(image) = &self.asked.image {
            return check::reference(image, "an image").map(|()| image.clone());
        }
        if self.parts.model == Some(ModelForm::Image) {
            return Ok(image::full(&self.model.told, registry.as_deref(), image_suffix.as_deref()));
        }
        let image = self.parts.image.as_deref();
        let image = image
            .ok_or_else(|| refused("no image is named", "name the image that is to be started"))?;
        check::reference(image, "an image")?;
        Ok(if self.asked.with == With::Podman { image::qualified(image) } else { image.to_owned() })
    }

    /// Refuses arguments that the recipe has to have as they are, and those that hold secrets.
    fn check_args(&self) -> Result<(), Trouble> {
        let Parts { args, aliases, refused: not_taken, .. } = self.parts;
        let all = self.args();
        all.iter().try_for_each(|word| check::argument(word))?;
        for (flag, fix) in not_taken {
            if let Some(flag) = flags::found(&all, [flag], aliases) {
                return Err(refused(format!("{} does not take {flag} here", self.engine), fix));
            }
        }
        if let Some(flag) = flags::found(&all, check::KEYS, aliases) {
            return Err(check::shown(&format!("what {flag} says")));
        }
        let own = [
            ("{model}", "name the model after the engine"),
            ("{port}", "ask for a port of this machine"),
            ("{host}", "leave it out: it listens for this machine alone"),
        ];
        for (hole, fix) in own {
            let flag = flags::found(&self.asked.args, flags::with_values_of(args, hole), aliases);
            if let Some(flag) = flag {
                return Err(refused(format!("{flag} is set by inferbench"), fix));
            }
        }
        Ok(())
    }

    fn args(&self) -> Vec<String> {
        flags::combined(&self.parts.args, &self.asked.args, &self.parts.aliases)
    }

    fn place(&self) -> Place {
        let inside = self.parts.port.unwrap_or(8000);
        match self.is_process() {
            true => Place { inside: self.asked.port.unwrap_or(inside), outside: self.asked.port },
            false => Place { inside, outside: self.asked.port },
        }
    }

    fn mounts(&self) -> Result<Vec<Mount>, Trouble> {
        if self.is_process() {
            return Ok(Vec::new());
        }
        let mut mounts = self.model.mount.iter().cloned().collect::<Vec<_>>();
        for volume in &self.parts.volumes {
            let said = volume.variable.as_ref().and_then(|name| self.host.folders.get(name));
            let outside = match said {
                Some(folder) => folder.clone(),
                None => self.at_home(&volume.outside)?,
            };
            mounts.push(Mount { outside, inside: volume.inside.clone(), read_only: false });
        }
        // What is asked for stands in the place of what the recipe has there.
        mounts.retain(|mount| self.asked.mounts.iter().all(|asked| asked.inside != mount.inside));
        mounts.extend(self.asked.mounts.iter().cloned());
        mounts.iter().try_for_each(check::mount)?;
        Ok(mounts)
    }

    fn at_home(&self, path: &str) -> Result<PathBuf, Trouble> {
        let Some(rest) = path.strip_prefix("{home}/") else { return Ok(path.into()) };
        let home = self.host.home.as_deref();
        let home =
            home.ok_or_else(|| refused("the user has no home, where caches are", "set HOME"))?;
        Ok(Path::new(home).join(rest))
    }

    fn gpus(&self) -> Result<Gpus, Trouble> {
        let gpus =
            self.asked.gpus.clone().or_else(|| self.parts.gpus.clone()).unwrap_or(Gpus::None);
        // With none at all, the engine says itself what is missing.
        let Some(known) = self.host.gpus.filter(|known| *known > 0) else { return Ok(gpus) };
        let is_there = |device: &String| {
            device.parse().is_ok_and(|number: u32| number < known) || device.parse::<u32>().is_err()
        };
        let are_there = match &gpus {
            Gpus::None | Gpus::All => true,
            Gpus::Count(count) => *count <= known,
            Gpus::Devices(devices) => devices.iter().all(is_there),
        };
        match are_there {
            true => Ok(gpus),
            false => Err(refused(
                format!("the GPUs `{gpus}` are not there: there are {known}"),
                "name others",
            )),
        }
    }

    fn ulimits(&self) -> Vec<Ulimit> {
        let limits = self.parts.ulimits.iter().filter(|_| !self.is_process());
        limits.map(|(name, value)| Ulimit { name: name.clone(), value: *value }).collect()
    }

    /// The programs that run within it once it answers.
    fn then(&self, fill: impl Fn(&str) -> String) -> Vec<Vec<String>> {
        let first = self.parts.command.iter().flatten().next();
        let program =
            self.asked.program.as_ref().map(|program| program.to_string_lossy().into_owned());
        // The server's own program may be another.
        let word = |word: &String| match &program {
            Some(program) if Some(word) == first => program.clone(),
            _ => fill(word),
        };
        self.parts.then.iter().flatten().map(|words| words.iter().map(word).collect()).collect()
    }
}
