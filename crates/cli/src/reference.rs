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

/// Without a history a run is named by its path, or by its directory's name below `artifacts`.
#[cfg(not(feature = "history"))]
pub(crate) fn directory(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    let below = artifacts.join(reference);
    let path = if below.is_dir() { below } else { reference.into() };
    RunDirectory::open(path).map_err(|error| {
        let what = format!("there is no run {}", crate::output::visible(reference));
        Failure::new(bench_harness::Code::Reference, what).caused_by(&error)
    })
}
