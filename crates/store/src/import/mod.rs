//! Results of other tools, read as runs of ours, so that they can be compared.
//!
//! A file is known [by its content](Tool), not by its name; a folder is searched for such files, and
//! several of one tool become points of one run. A metric goes under one of our ids where the tool means
//! the same, or where [the notes](Imported::notes) say what is different; where the tool tells each
//! request, [our own formulas](bench_core::metric) are put to them instead. What a file does not tell is
//! absent.
//!
//! Every imported point is `doubtful` at best, for the [reason](crate::ReasonLine) `imported`: nobody here saw
//! when another tool took its moments. Beside it stand those of our reasons that counts alone tell.

mod aiperf;
mod error;
mod files;
mod genai_bench;
mod genai_perf;
mod guidellm;
mod point;
mod raw;
mod serving;
mod table;
mod text;
mod tool;

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::json;

pub use error::ImportError;
pub use tool::Tool;

use self::{point::Draft, text::Text, tool::Kind};
use crate::{
    AnchorLine, FORMAT_VERSION, PointSummary, RunDirectory, RunFile, State, StoreError,
    SummaryFile, new_id,
};

/// What another tool measured, as a run of ours that has no id yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Whose results they are.
    pub tool: Tool,
    /// Its version, where it says so.
    pub version: Option<String>,
    /// When the measurement began, in UTC (RFC 3339).
    pub created: String,
    /// What was to be measured. It has no points: the plan of another tool is not known.
    pub run: RunFile,
    /// What came of it.
    pub summary: SummaryFile,
    /// How the tool's definitions differ from ours, and what was left out; a sentence each.
    pub notes: Vec<String>,
}

/// Reads the results in the file, or the folder of files, at `path`.
///
/// # Errors
///
/// When nothing of a known tool is there, or when it is damaged.
pub fn read(path: &Path) -> Result<Imported, ImportError> {
    let found = files::find(path)?;
    let (_, kind) = found.files.first().expect("nothing found is an error");
    let tool = kind.tool();
    let mut whole = Report::default();
    for (file, kind) in &found.files {
        whole.append(read_file(file, *kind)?);
    }
    whole.notes.extend(found.passed_over);
    if whole.created.is_none() {
        whole.created = modified(path);
        whole.note("the file does not say when it was measured: when it was last written is taken");
    }
    Ok(whole.imported(tool, path))
}

/// Writes `imported` as a run below `root`. `seed` is anything that differs from run to run, as for
/// [`new_id`].
///
/// # Errors
///
/// When `root` cannot be written.
pub fn write(root: &Path, imported: &Imported, seed: u64) -> Result<RunDirectory, StoreError> {
    let id = new_id(root, seed)?;
    let directory = RunDirectory::create(root, &id, &imported.run.name)?;
    let run = RunFile { id: id.clone(), ..imported.run.clone() };
    let summary = SummaryFile { id, ..imported.summary.clone() };
    directory.write_json(&directory.run_path(), &run)?;
    directory.write_json(&directory.summary_path(), &summary)?;
    Ok(directory)
}

fn read_file(path: &Path, kind: Kind) -> Result<Report, ImportError> {
    let text = Text::read(path)?;
    match kind {
        Kind::Results(Tool::GenaiPerf) => genai_perf::read(&text),
        Kind::GenaiPerfTable => table::read(&text),
        Kind::Results(Tool::Aiperf) => aiperf::read(&text),
        Kind::Results(tool @ (Tool::VllmBenchServe | Tool::VllmBench | Tool::Sglang)) => {
            serving::read(&text, tool)
        }
        Kind::Results(Tool::Guidellm) => guidellm::read(&text),
        Kind::Results(Tool::GenaiBench) => genai_bench::read(&text),
        Kind::AiperfTable | Kind::AiperfRequests => Err(ImportError::Incomplete {
            path: path.to_owned(),
            tool: Tool::Aiperf,
            what: "not its results: name profile_export_aiperf.json, which lies beside it",
        }),
        Kind::GenaiBenchExperiment => Err(ImportError::Incomplete {
            path: path.to_owned(),
            tool: Tool::GenaiBench,
            what: "says what was asked for: name its folder, or a file of results in it",
        }),
    }
}

fn modified(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(fs::metadata(path).ok()?.modified().ok()?).ok()
}

/// What a file tells.
#[derive(Clone, Debug, Default)]
struct Report {
    version: Option<String>,
    created: Option<Timestamp>,
    model: Option<String>,
    url: Option<String>,
    engine: Option<String>,
    engine_version: Option<String>,
    interrupted: bool,
    points: Vec<Draft>,
    notes: Vec<String>,
}

impl Report {
    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Takes in what another file of the same tool tells.
    fn append(&mut self, other: Self) {
        if let (Some(model), Some(another)) = (&self.model, &other.model)
            && model != another
        {
            self.note(format!("the files are about several models: {model} and {another}"));
        }
        self.version = self.version.take().or(other.version);
        self.created = self.created.into_iter().chain(other.created).min();
        self.model = self.model.take().or(other.model);
        self.url = self.url.take().or(other.url);
        self.engine = self.engine.take().or(other.engine);
        self.engine_version = self.engine_version.take().or(other.engine_version);
        self.interrupted |= other.interrupted;
        self.points.extend(other.points);
        other.notes.into_iter().for_each(|note| self.note(note));
    }

    fn imported(self, tool: Tool, path: &Path) -> Imported {
        let model = self.model.as_deref().unwrap_or("unknown model");
        let target = format!("{model} ({tool})");
        let name = format!("{} {model}", tool.as_str().replace(' ', "-"));
        let created = self.created.unwrap_or(Timestamp::UNIX_EPOCH);
        let environment = json!({
            "imported": {
                "tool": tool.as_str(),
                "version": self.version,
                "file": absolute(path),
                "notes": self.notes,
            },
            "targets": [{
                "name": target,
                "url": self.url.as_deref().map(without_secrets),
                "model": self.model,
                "engine": self.engine,
                "version": self.engine_version,
            }],
        });
        let run = RunFile {
            format_version: FORMAT_VERSION,
            id: String::new(),
            name: name.clone(),
            created: format!("{created:.3}"),
            anchor: AnchorLine {
                wall_ns: u64::try_from(created.as_nanosecond()).unwrap_or(0),
                monotonic_ns: None,
            },
            inferbench: env!("CARGO_PKG_VERSION").to_owned(),
            seed: 0,
            threads: 0,
            points: vec![],
            goals: vec![],
            plan: serde_json::Value::Null,
            environment,
        };
        // Nothing is known to be a repeat of anything: each point is a cell of its own.
        let points = self.points.into_iter().zip(0_u32..).map(|(point, number)| PointSummary {
            number,
            cell: number,
            ..point.finish(tool, &target)
        });
        let summary = SummaryFile {
            format_version: FORMAT_VERSION,
            id: String::new(),
            name,
            state: State::of_ended(self.interrupted),
            points: points.collect(),
        };
        let created = run.created.clone();
        Imported { tool, version: self.version, created, run, summary, notes: self.notes }
    }
}

/// An address without what keys travel in: the user before the host, and the query. Other tools keep both.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{host}{path}")
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_without_secrets() {
        for (url, expected) in [
            ("http://h:1", "http://h:1"),
            ("http://h:1/v1/", "http://h:1/v1/"),
            ("http://bob:s3cret@h:1/v1", "http://h:1/v1"),
            ("bob:s3cret@h:1", "h:1"),
            ("https://a:b@c@h/x@y", "https://h/x@y"),
            ("https://h/v1?key=s3cret#s3cret", "https://h/v1"),
            ("https://h?key=a@b", "https://h"),
            ("h", "h"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), expected, "{url}");
        }
    }
}
