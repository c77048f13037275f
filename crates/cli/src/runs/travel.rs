//! Runs that come and go: packing and importing.

use std::path::{Path, PathBuf};

use bench_core::Clock;
use bench_harness::{Code, Failure};
use bench_report::text::clean;
use bench_store::{
    Entry, Importable, PackError, RunDirectory, adopt, import, pack as pack_into, packed_name,
    recognize, unpack,
};

use crate::output;

pub(super) fn pack(entry: &Entry, to: Option<&Path>) -> Result<(), Failure> {
    let directory = entry.directory();
    let to = to.map_or_else(|| PathBuf::from(packed_name(&directory)), Path::to_owned);
    pack_into(&directory, &to).map_err(|error| {
        failure(&error, format!("{} cannot be packed", clean(entry.directory_name())))
    })?;
    output::result(&to.display().to_string())
}

pub(super) fn take_in(paths: &[PathBuf], root: &Path) -> Result<(), Failure> {
    for path in paths {
        let directory = take(path, root)?;
        output::result(&directory.path().display().to_string())?;
    }
    Ok(())
}

/// Takes in what is at `path`, whatever it is: a run of our own, or the results of another tool.
fn take(path: &Path, root: &Path) -> Result<RunDirectory, Failure> {
    let what = || format!("{} cannot be imported", clean(&path.display().to_string()));
    let found = recognize(path).map_err(|error| failure(&error, what()))?;
    let taken = match found {
        Some(Importable::Packed) => unpack(path, root),
        Some(Importable::Directory) => adopt(path, root),
        _ => return foreign(path, root).map_err(|failure| Failure { what: what(), ..failure }),
    };
    taken.map_err(|error| failure(&error, what()))
}

/// Takes in the results of another tool, and says where its definitions differ from ours.
fn foreign(path: &Path, root: &Path) -> Result<RunDirectory, Failure> {
    let imported = import::read(path).map_err(|error| {
        Failure::new(Code::RunFiles, String::new())
            .caused_by(&error)
            .fix("a run that inferbench runs pack has written, or a result file of another tool")
    })?;
    let seed = Clock::start().anchor().wall_ns;
    let directory = import::write(root, &imported, seed)
        .map_err(|error| Failure::new(Code::Artifacts, String::new()).caused_by(&error))?;
    output::say(&format!("{} measured this, and says:", imported.tool));
    for note in &imported.notes {
        output::say(&format!("  {}", clean(note)));
    }
    Ok(directory)
}

fn failure(error: &PackError, what: String) -> Failure {
    let code = match error {
        PackError::NotWritten(_) => Code::Artifacts,
        PackError::Exists { .. } => Code::Setting,
        _ => Code::RunFiles,
    };
    let failure = Failure::new(code, what).caused_by(error);
    match error {
        PackError::Exists { .. } => failure.fix("-o FILE, one that does not exist"),
        _ => failure,
    }
}
