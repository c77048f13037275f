//! Reading files that are as large as somebody made them.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::de::DeserializeOwned;

use super::ModelError;

/// The content of a file that may have so many bytes at most; `None` where there is no such file.
///
/// # Errors
///
/// When it cannot be read or is larger.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, ModelError> {
    let unreadable = |source| ModelError::Unreadable { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // A pipe or a device is endless, or waits for ever.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(ModelError::malformed(path, "it is no file"));
    }
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > most {
        return Err(ModelError::malformed(path, format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(Some(content))
}

/// The same, of JSON.
pub(super) fn read_json<T: DeserializeOwned>(
    path: &Path,
    most: u64,
) -> Result<Option<T>, ModelError> {
    let Some(content) = read(path, most)? else { return Ok(None) };
    let parsed = serde_json::from_slice(&content);
    parsed.map(Some).map_err(|error| ModelError::malformed(path, format!("it is no JSON: {error}")))
}
