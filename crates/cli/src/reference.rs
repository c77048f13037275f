//! Runs by the names that people give them.

use std::path::Path;

use bench_harness::Failure;
use bench_store::RunDirectory;

/// The directory of the run that `reference` names: a path, or `@last`, an id, a tag and so on of a run below
/// `artifacts`.
#[cfg(feature = "history")]
pub(crate) fn directory(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    Ok(crate::runs::named(artifacts, reference)?.directory())
}

/// The same for a run that is to go on: `@last` is then the newest one even if it has no result yet, as when
/// it was broken off within its first point.
#[cfg(feature = "history")]
pub(crate) fn broken_off(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    match crate::runs::newest(artifacts)?.filter(|_| reference == "@last") {
        Some(newest) => Ok(newest.directory()),
        None => directory(reference, artifacts),
    }
}

/// Without a history a run is named by its path, or by its directory's name below `artifacts`.
#[cfg(not(feature = "history"))]
pub(crate) fn directory(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    let below = artifacts.join(reference);
    let path = if below.is_dir() { below } else { reference.into() };
    RunDirectory::open(path).map_err(|error| {
        let what = format!("there is no run {}", bench_report::text::clean(reference));
        Failure::new(bench_harness::Code::Reference, what).caused_by(&error)
    })
}

/// Without a history there is no `@last`.
#[cfg(not(feature = "history"))]
pub(crate) fn broken_off(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    directory(reference, artifacts)
}
