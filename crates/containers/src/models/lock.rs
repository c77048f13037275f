//! Who prepares a model: one at a time, and the others are told who it is.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use bench_core::Level;
use tokio::time::sleep;

use super::ModelName;
use crate::{Cause, Hooks, Progress, Trouble, owner::Owner};

/// How often it is looked whether another is done.
const LOOK: Duration = Duration::from_millis(200);
/// Of a lock file: two processes.
const MOST_BYTES: u64 = 4_096;

/// The right to prepare a model, until this is dropped or the process ends, however it ends.
///
/// The system's own lock on the file is what counts; in it stands whose it is, a process each line: ours, and the program
/// that fetches for us, which may outlive us.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits until nobody else prepares the model.
    pub(super) async fn take(
        models: &Path,
        name: &ModelName,
        hooks: &Hooks,
    ) -> Result<Self, Trouble> {
        let path = models.join(format!(".{name}.lock"));
        let unusable = |error: io::Error| {
            Trouble::new(Cause::FolderDenied, format!("{} cannot be written", path.display()))
                .said(error.to_string())
        };
        let mut told = None;
        loop {
            let mut lock = Self::open(&path).map_err(unusable)?;
            let holder = match lock.file.try_lock() {
                Ok(()) => match lock.left_behind() {
                    None => {
                        lock.write(&[Owner::this()]).map_err(unusable)?;
                        return Ok(lock);
                    }
                    Some(child) => {
                        format!("a program that an earlier one started ({})", child.pid())
                    }
                },
                Err(TryLockError::WouldBlock) => match lock.owners().first() {
                    Some(owner) => format!("process {}", owner.pid()),
                    None => "another process".to_owned(),
                },
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            };
            let waiting = format!("{name} is being prepared by {holder}");
            if told.as_ref() != Some(&waiting) {
                hooks.tell(&Progress::Waiting(waiting.clone()));
            }
            if hooks.stop.level() >= Level::Drain {
                return Err(Trouble::new(Cause::Stopped, waiting).fix("wait until it is done"));
            }
            told = Some(waiting);
            sleep(LOOK).await;
        }
    }

    fn open(path: &Path) -> io::Result<Self> {
        // Not through a link that somebody put there.
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is no file"));
        }
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    fn owners(&mut self) -> Vec<Owner> {
        let mut text = String::new();
        let read = self
            .file
            .rewind()
            .and_then(|()| Read::by_ref(&mut self.file).take(MOST_BYTES).read_to_string(&mut text));
        // Whoever has just taken it may not have written yet.
        if read.is_err() {
            return Vec::new();
        }
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// A program that whoever had the lock before had started, and that still runs.
    fn left_behind(&mut self) -> Option<Owner> {
        self.owners().into_iter().skip(1).find(|owner| !owner.is_gone())
    }

    fn write(&mut self, owners: &[Option<Owner>]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        let lines = owners.iter().flatten().map(|owner| format!("{owner}\n"));
        self.file.write_all(lines.collect::<String>().as_bytes())
    }

    /// Notes that a program was started that fetches.
    pub(super) fn add(&mut self, pid: u32) -> Result<(), Trouble> {
        self.write(&[Owner::this(), Owner::of(pid)]).map_err(|error| {
            Trouble::new(Cause::FolderDenied, format!("{} cannot be written", self.path.display()))
                .said(error.to_string())
        })
    }

    /// Notes that it has ended.
    pub(super) fn alone(&mut self) {
        // It is gone, which is found out all the same.
        let _ = self.write(&[Owner::this()]);
    }
}
