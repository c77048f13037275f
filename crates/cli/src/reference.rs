//! Runs by the names that people give them.

use std::path::Path;

use bench_harness::Failure;
use bench_store::RunDirectory;

/// The directory of the run that `reference` names: a path, and with the history also `@last`, an id, a tag
/// and so on, of a run below `artifacts`.
#[cfg(feature = "history")]
pub(crate) fn directory(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    Ok(crate::runs::named(artifacts, reference)?.directory())
}

/// The directory of the run at the path `reference`.
#[cfg(not(feature = "history"))]
pub(crate) fn directory(reference: &str, _artifacts: &Path) -> Result<RunDirectory, Failure> {
    RunDirectory::open(reference)
        .map_err(|error| Failure::new(bench_harness::Code::Reference, error.to_string()))
}
