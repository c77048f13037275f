//! Runs by the names that people give them.

use std::path::Path;

use bench_harness::Failure;
use bench_store::RunDirectory;
#[cfg(feature = "history")]
use {crate::output, bench_harness::Code, bench_store::Entry};

/// The directory of the run that `reference` names: a path, or `@last`, an id, a tag and so on of a run below
/// `artifacts`. Says which newer ones `@last` passes over.
#[cfg(feature = "history")]
pub(crate) fn directory(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    let (entry, passed_over) = crate::runs::named_past(artifacts, reference)?;
    if !passed_over.is_empty() {
        output::say(&format!("note: {}", newer(reference, &entry, &passed_over)));
    }
    Ok(entry.directory())
}

/// The same for a run that is to be judged: where a newer one was broken off, an older one must not pass in its
/// place.
#[cfg(feature = "history")]
pub(crate) fn judged(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    let (entry, passed_over) = crate::runs::named_past(artifacts, reference)?;
    if passed_over.is_empty() {
        return Ok(entry.directory());
    }
    let what = newer(reference, &entry, &passed_over);
    let fix = format!("inferbench gate {}, where the older one is meant", entry.directory_name());
    Err(Failure::new(Code::Reference, what).fix(fix))
}

/// `"@last" is 7Q4K-chat: the newer 8ABC-chat (unfinished) has no result`
#[cfg(feature = "history")]
fn newer(reference: &str, entry: &Entry, passed_over: &[Entry]) -> String {
    let name = |entry: &Entry| format!("{} ({})", entry.directory_name(), entry.state.as_str());
    let names: Vec<String> = passed_over.iter().map(name).collect();
    let has = if names.len() == 1 { "has" } else { "have" };
    let name = entry.directory_name();
    format!("\"{reference}\" is {name}: the newer {} {has} no result", names.join(", "))
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
        let what = format!("there is no run {reference}");
        Failure::new(bench_harness::Code::Reference, what).caused_by(&error)
    })
}

/// Without a history there is no `@last` that could be another than is meant.
#[cfg(not(feature = "history"))]
pub(crate) fn judged(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    directory(reference, artifacts)
}

/// Without a history there is no `@last`.
#[cfg(not(feature = "history"))]
pub(crate) fn broken_off(reference: &str, artifacts: &Path) -> Result<RunDirectory, Failure> {
    directory(reference, artifacts)
}
