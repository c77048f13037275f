//! `model.json`: what a prepared model is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{backends::ModelBackend, payload::Payload};

/// The name of the file.
pub(super) const FILE: &str = "model.json";
/// The form of the file that this version writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;
/// Of such a file: one with a thousand files takes 100 KB.
const MOST_BYTES: u64 = 64 << 20;

/// What a prepared model is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// The form of this file.
    pub format_version: u32,
    /// What it is called.
    pub name: String,
    /// Where it is from, as the user named it.
    pub source: String,
    /// Its version at that place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was prepared, as a time of RFC 3339.
    pub created: String,
    /// The program that fetched it, and what it calls its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_by: Option<String>,
    /// Where the payload is, from the model's folder on.
    pub payload: PathBuf,
    /// How its weights are quantized, where its files say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// Bytes of all its files.
    pub total_bytes: u64,
    /// Its files, by their paths in the payload.
    pub files: Vec<FileRecord>,
    /// The backends that folders were made for.
    pub backends: Vec<BackendRecord>,
}

/// A file of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Where it is in the payload.
    pub path: PathBuf,
    /// How large it is.
    pub size_bytes: u64,
}

/// A backend that a folder was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendRecord {
    /// Which.
    pub backend: ModelBackend,
    /// Why it cannot use the payload; it can if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// What a payload was fetched as.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched {
    pub(super) version: Option<String>,
    pub(super) by: Option<String>,
    pub(super) payload: PathBuf,
}

impl ModelRecord {
    pub(super) fn new(
        (name, source, created): (&str, String, &str),
        fetched: Fetched,
        payload: &Payload,
        backends: Vec<BackendRecord>,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            name: name.to_owned(),
            source,
            version: fetched.version,
            created: created.to_owned(),
            fetched_by: fetched.by,
            payload: fetched.payload,
            quantization: payload.quantization.clone(),
            total_bytes: payload.total_bytes(),
            files: payload.files.clone(),
            backends,
        }
    }

    /// The record of the model in a folder, or why it has none that can be used.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let metadata = fs::symlink_metadata(&path).map_err(|_| format!("it has no {FILE}"))?;
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return Err(format!("its {FILE} is none"));
        }
        let text =
            fs::read(&path).map_err(|error| format!("its {FILE} cannot be read: {error}"))?;
        let record: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("its {FILE} is none: {error}"))?;
        match record.format_version {
            1..=FORMAT_VERSION => Ok(record),
            newer => Err(format!("its {FILE} is of a newer inferbench (form {newer})")),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        let new = folder.join(".model.json.new");
        fs::write(&new, text + "\n")?;
        fs::rename(new, folder.join(FILE))
    }
}
