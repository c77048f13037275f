//! What can be wrong with a dataset.

use std::{borrow::Cow, fmt, io, path::PathBuf};

/// Why a dataset cannot be read: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetError {
    /// Which file.
    pub path: PathBuf,
    /// Which line, from 1; of Parquet, which row.
    pub line: Option<u64>,
    /// Which column, in bytes from 1.
    pub column: Option<u64>,
    /// What is wrong there.
    pub what: String,
    /// What the user can do about it.
    pub remedy: Cow<'static, str>,
}

impl fmt::Display for DatasetError {
    /// `line 3, column 7 of a.jsonl: …`; the remedy is told apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, what, .. } = self;
        match (self.line, self.column) {
            (Some(line), Some(column)) => {
                write!(f, "line {line}, column {column} of {}: {what}", path.display())
            }
            (Some(line), None) => write!(f, "line {line} of {}: {what}", path.display()),
            (None, _) => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for DatasetError {}

/// What is wrong, before it is known in which file.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) remedy: Cow<'static, str>,
    /// Line and column, each from 1, within what was read.
    pub(crate) place: Option<(u64, u64)>,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), place: None }
    }

    /// Names the part that it is about.
    pub(crate) fn of(self, part: impl fmt::Display) -> Self {
        Self { what: format!("{part}: {}", self.what), ..self }
    }

    /// With what `path` is about; `line` is where what was read begins, where that is known.
    pub(crate) fn within(self, path: impl Into<PathBuf>, line: Option<u64>) -> DatasetError {
        let (line, column) = match (line, self.place) {
            (Some(line), Some((below, column))) => (Some(line + below - 1), Some(column)),
            (line, _) => (line, None),
        };
        DatasetError { path: path.into(), line, column, what: self.what, remedy: self.remedy }
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "allow the file to be read",
            io::ErrorKind::IsADirectory => "name a file in that folder",
            _ => "check that the file can be read as a whole",
        };
        Self::new(format!("cannot be read: {error}"), remedy)
    }
}

/// The words that JSON's reader ends its messages with, and which are told apart here.
const PLACE: &str = " at line ";

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Self {
        let said = error.to_string();
        let what = said.rsplit_once(PLACE).map_or(&*said, |(what, _)| what).to_owned();
        let remedy = match error.classify() {
            serde_json::error::Category::Data => {
                "correct it, or name the format if it is another one"
            }
            _ if what.contains("unicode") => ENCODING,
            _ => "correct the JSON there",
        };
        let place = (error.line() as u64, error.column().max(1) as u64);
        Self { place: (place.0 > 0).then_some(place), ..Self::new(what, remedy) }
    }
}

/// What to do about text that is not UTF-8.
pub(crate) const ENCODING: &str =
    "write the file in UTF-8, such as with `iconv -f <its encoding> -t UTF-8`";

/// `a`, `b` and `c`, each as it stands.
pub(crate) fn list<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
