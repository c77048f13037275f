//! Which files of a folder are results.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ImportError,
    text::Text,
    tool::{Kind, recognise},
};
use crate::RunDirectory;

/// The files to import at a path, all of one tool.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) files: Vec<(PathBuf, Kind)>,
    /// Files that look like results and do not parse.
    pub(super) passed_over: Vec<String>,
}

/// Files of a folder that are looked into; more of them are no folder of results.
const MOST_FILES: usize = 4_096;

/// The result files at `path`: itself, or those in the folder, or else those one folder below.
pub(super) fn find(path: &Path) -> Result<Found, ImportError> {
    let foreign = || ImportError::Foreign { path: path.to_owned() };
    let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
    let is_folder = fs::metadata(path).map_err(unreadable)?.is_dir();
    let folder = if is_folder { path } else { path.parent().unwrap_or(path) };
    // What inferbench writes in genai-perf's layout lies in its runs.
    if RunDirectory::open(folder).is_ok_and(|run| run.read_run().is_ok()) {
        return Err(ImportError::Ours { path: folder.to_owned() });
    }
    if !is_folder {
        let kind = recognise(&Text::read(path)?)?.ok_or_else(foreign)?;
        return Ok(Found { files: vec![(path.to_owned(), kind)], passed_over: vec![] });
    }
    let (files, folders) = entries(path).map_err(unreadable)?;
    let mut found = look_into(&files)?;
    if found.files.is_empty() {
        let below = folders.iter().filter_map(|folder| entries(folder).ok());
        let below: Vec<PathBuf> = below.flat_map(|(files, _)| files).collect();
        found = look_into(&below)?;
    }
    let Some((_, first)) = found.files.first() else { return Err(foreign()) };
    match found.files.iter().find(|(_, kind)| kind.tool() != first.tool()) {
        None => Ok(found),
        Some((_, other)) => Err(ImportError::Mixed {
            path: path.to_owned(),
            one: first.tool(),
            other: other.tool(),
        }),
    }
}

/// Those of `files` that are results. Where none is, what is wrong with the first that may be one.
fn look_into(files: &[PathBuf]) -> Result<Found, ImportError> {
    let (mut known, mut passed_over, mut wrong) = (vec![], vec![], None);
    for file in files.iter().take(MOST_FILES) {
        match Text::read(file).and_then(|text| recognise(&text)) {
            Ok(kind) => known.extend(kind.map(|kind| (file.clone(), kind))),
            Err(error) => {
                passed_over.push(format!("passed over: {error}"));
                wrong.get_or_insert(error);
            }
        }
    }
    // A table and a list of requests say less than the results that they lie beside.
    let is_results = |kind: &Kind| matches!(kind, Kind::Results(_));
    if known.iter().any(|(_, kind)| is_results(kind)) {
        known.retain(|(_, kind)| is_results(kind));
    }
    match wrong {
        Some(error) if known.is_empty() => Err(error),
        _ => Ok(Found { files: known, passed_over }),
    }
}

/// The files of a folder that may be results, and its folders, in order of their names.
fn entries(folder: &Path) -> std::io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut files, mut folders) = (vec![], vec![]);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_dir() {
            folders.push(path);
        } else if path.is_file() && matches!(extension, "json" | "jsonl" | "csv") {
            files.push(path);
        }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}
