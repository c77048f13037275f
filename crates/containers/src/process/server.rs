//! A server, as it is written down.

use std::fs;

use super::{
    family::Family,
    folder::Folder,
    record::{Processes, Record},
};
use crate::{Environment, Held, State, environment::Mask, owner::Owner};

/// A server that is written down.
pub(super) struct Server {
    pub(super) folder: Folder,
    /// `None` if it cannot be read.
    pub(super) record: Option<Record>,
    /// `None` before it is started.
    pub(super) processes: Option<Processes>,
}

impl Server {
    /// That of a folder, unless it is another machine's.
    pub(super) fn of(folder: Folder) -> Option<Self> {
        let (record, processes) = (folder.record(), folder.processes());
        let owner = record.as_ref().and_then(Record::owner);
        let is_elsewhere = owner
            .or_else(|| processes.as_ref()?.server())
            .is_some_and(|owner| owner.seen_from_here().is_none() && !owner.is_gone());
        (!is_elsewhere).then_some(Self { folder, record, processes })
    }

    /// Of one that cannot be read, its name.
    pub(super) fn id(&self) -> String {
        let id = self.record.as_ref().map(|record| &record.id);
        id.map_or_else(|| self.folder.name().to_owned(), Clone::clone)
    }

    /// Its processes.
    pub(super) fn family(&self) -> Family {
        Family::of(self.server().as_ref(), self.holder().as_ref())
    }

    /// Who holds it, if somebody does.
    pub(super) fn holder(&self) -> Option<Owner> {
        self.processes.as_ref().and_then(Processes::holder)
    }

    /// The process that was started, if it was.
    fn server(&self) -> Option<Owner> {
        self.processes.as_ref().and_then(Processes::server)
    }

    /// What hides the secrets that it may show: those that are set here, and while it runs those that it was given.
    pub(super) fn mask(&self, environment: &Environment) -> Mask {
        let Some(record) = &self.record else { return Mask::default() };
        let of = |owner: Option<Owner>| owner.filter(|owner| !owner.is_gone());
        let running = of(self.server()).or_else(|| of(self.holder()));
        record.mask(environment, &running.as_ref().map(given).unwrap_or_default())
    }

    /// Whether who started it is gone, or nobody knows who that was.
    pub(super) fn is_left(&self) -> bool {
        self.record.as_ref().and_then(Record::owner).is_none_or(|owner| owner.is_gone())
    }

    /// What became of it, as far as that is written down.
    pub(super) fn state(&self) -> State {
        let is_running = self.server().is_some_and(|server| !server.is_gone());
        let ended = self.folder.ended();
        let said = (!is_running && ended.is_none() && self.processes.is_some())
            .then(|| "nobody saw how it ended".to_owned());
        let ended = ended.filter(|_| !is_running).unwrap_or_default();
        State {
            is_running,
            exit_code: ended.exit_code,
            oom_killed: ended.oom_killed,
            restarts: 0,
            pids: self.family().running(),
            port: self.record.as_ref().map(|record| record.port),
            said: ended.refused.or(said),
        }
    }

    pub(super) fn held(&self, state: State) -> Held {
        let id = self.id();
        let is_kept = self.record.as_ref().is_none_or(|record| record.is_kept);
        // Of one that was never started, nothing is there that could be kept.
        let is_orphan = self.is_left() && (!is_kept || self.processes.is_none());
        let record = self.record.clone();
        let (engine, model, of) = record.map_or_else(Default::default, |record| {
            (record.engine, record.model, record.program.display().to_string())
        });
        Held {
            id,
            name: self.folder.name().to_owned(),
            engine,
            model,
            of,
            port: state.port.filter(|_| state.is_running),
            state,
            created_s: self.folder.created_s(),
            is_orphan,
            is_kept,
        }
    }
}

/// The environment of a process, as it was when that began.
fn given(process: &Owner) -> Vec<(String, String)> {
    let environment = fs::read(format!("/proc/{}/environ", process.pid())).unwrap_or_default();
    let variables = environment.split(|byte| *byte == 0);
    let pair = |variable: &[u8]| {
        let (name, value) = str::from_utf8(variable).ok()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    variables.filter_map(pair).collect()
}
