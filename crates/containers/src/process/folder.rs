//! Where servers are written down: a folder each, below that of the user's state.
//!
//! ```text
//! servers/<name>/server.json      what it is: before it is started
//!               /processes.json   its processes: once it is
//!               /ended.json       how it ended: once it has
//!               /log              what it says
//! ```
//!
//! A folder is made under another name and renamed: whoever sees it sees all of `server.json`, and of two who want a name
//! one gets it. Nobody but the user may read it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};

use nix::unistd::geteuid;
use serde::{Serialize, de::DeserializeOwned};

use super::record::{Ended, Processes, Record};
use crate::{Cause, Environment, Trouble, owner::Owner};

/// The folder of all servers.
#[derive(Clone, Debug)]
pub(super) struct Servers(PathBuf);

/// The folder of one.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// What a folder that is being made is called, before who makes it.
const MAKING: &str = ".making-";

impl Servers {
    /// Where the environment says.
    pub(super) fn of(environment: &Environment) -> Result<Self, Trouble> {
        let below = |name: &str, rest: &str| Some(PathBuf::from(environment.var(name)?).join(rest));
        let state = below("INFERBENCH_STATE_DIR", "")
            .or_else(|| below("XDG_STATE_HOME", "inferbench").filter(|path| path.is_absolute()))
            .or_else(|| below("HOME", ".local/state/inferbench"));
        let Some(state) = state else {
            let what = "there is no place to write down which servers were started";
            return Err(Trouble::new(Cause::Backend, what).fix("set INFERBENCH_STATE_DIR"));
        };
        let state = std::path::absolute(&state).map_err(|error| refused(&state, &error))?;
        Ok(Self(state.join("servers")))
    }

    /// The folders that there are.
    pub(super) fn all(&self) -> Result<Vec<Folder>, Trouble> {
        self.entries(|name| !name.starts_with('.'))
    }

    /// The folder of that name, if it is there.
    pub(super) fn named(&self, name: &str) -> Option<Folder> {
        let folder = Folder(self.0.join(name));
        (is_name(name) && folder.0.is_dir()).then_some(folder)
    }

    fn entries(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Folder>, Trouble> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refused(&self.0, &error)),
        };
        self.check_ours()?;
        let paths = entries.flatten().map(|entry| entry.path());
        let folders = paths.map(Folder).filter(|folder| wanted(folder.name()));
        let mut folders: Vec<Folder> = folders.filter(|folder| folder.0.is_dir()).collect();
        folders.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(folders)
    }

    /// Refuses what another user may have written: it says which processes are to be ended.
    fn check_ours(&self) -> Result<(), Trouble> {
        let metadata = fs::metadata(&self.0).map_err(|error| refused(&self.0, &error))?;
        if metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0 {
            return Ok(());
        }
        let what = format!("{} may be written by other users", self.0.display());
        Err(Trouble::new(Cause::Backend, what).fix("set INFERBENCH_STATE_DIR to a folder of yours"))
    }

    /// Makes a folder with what is known of a server before it is started.
    ///
    /// # Errors
    ///
    /// When the name is taken or cannot be one, or nothing can be written.
    pub(super) fn make(&self, record: &Record) -> Result<Folder, Trouble> {
        if !is_name(&record.name) {
            let what = format!("a server cannot be called `{}`", record.name);
            return Err(Trouble::new(Cause::Recipe, what).fix("use letters, digits, `-` and `_`"));
        }
        let failed = |error: &io::Error| refused(&self.0, error);
        let folders = |recursive: bool| {
            let mut builder = DirBuilder::new();
            builder.mode(0o700).recursive(recursive);
            builder
        };
        folders(true).create(&self.0).map_err(|error| failed(&error))?;
        self.check_ours()?;
        let owner = Owner::this().map_or_else(String::new, |owner| owner.to_string());
        let making = Folder(self.0.join(format!("{MAKING}{}={owner}", record.id)));
        folders(false).create(&making.0).map_err(|error| failed(&error))?;
        let folder = Folder(self.0.join(&record.name));
        let made =
            making.write("server.json", record).and_then(|()| fs::rename(&making.0, &folder.0));
        let Err(error) = made else { return Ok(folder) };
        making.remove();
        let taken = [io::ErrorKind::DirectoryNotEmpty, io::ErrorKind::AlreadyExists];
        if !taken.contains(&error.kind()) {
            return Err(failed(&error));
        }
        let what = format!("a server called `{}` is there already", record.name);
        let fix = format!("take it down: inferbench down {}; or choose another name", record.name);
        Err(Trouble::new(Cause::NameTaken, what).fix(fix))
    }

    /// Removes what nobody makes any more.
    pub(super) fn clear(&self) -> Result<(), Trouble> {
        for folder in self.entries(|name| name.starts_with(MAKING))? {
            let owner = folder.name().split_once('=').map(|(_, owner)| owner.parse::<Owner>());
            if !matches!(owner, Some(Ok(owner)) if !owner.is_gone()) {
                folder.remove();
            }
        }
        Ok(())
    }
}

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What its server is called.
    pub(super) fn name(&self) -> &str {
        self.0.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    pub(super) fn record(&self) -> Option<Record> {
        self.read("server.json").filter(Record::is_known)
    }

    pub(super) fn processes(&self) -> Option<Processes> {
        self.read("processes.json")
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.read("ended.json")
    }

    pub(super) fn write_processes(&self, processes: &Processes) -> io::Result<()> {
        self.write("processes.json", processes)
    }

    pub(super) fn write_ended(&self, ended: &Ended) -> io::Result<()> {
        self.write("ended.json", ended)
    }

    /// When it was made, in seconds since 1970.
    pub(super) fn created_s(&self) -> Option<u64> {
        let modified = fs::metadata(self.0.join("server.json")).ok()?.modified().ok()?;
        Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    /// Where what it says is written to.
    pub(super) fn log_to_write(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(self.0.join("log"))
    }

    pub(super) fn log_to_read(&self) -> io::Result<File> {
        File::open(self.0.join("log"))
    }

    /// Removes it, as far as that can be done.
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.is_dir()
    }

    fn read<T: DeserializeOwned>(&self, file: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.0.join(file)).ok()?).ok()
    }

    /// Writes a file, whole or not at all.
    fn write<T: Serialize>(&self, file: &str, content: &T) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let part = self.0.join(format!(".{file}-{}-{count}", process::id()));
        let bytes = serde_json::to_vec_pretty(content)?;
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
        opened.and_then(|mut file| io::Write::write_all(&mut file, &bytes))?;
        fs::rename(part, self.0.join(file))
    }
}

/// Whether a server may be called that: it is the name of a folder.
fn is_name(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=200).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_fit)
}

fn refused(path: &Path, error: &io::Error) -> Trouble {
    let what = format!("{} cannot be used, where servers are written down", path.display());
    let cause = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::DiskFull,
        _ => Cause::Backend,
    };
    Trouble::new(cause, what)
        .said(error.to_string())
        .fix("set INFERBENCH_STATE_DIR to another place")
}
