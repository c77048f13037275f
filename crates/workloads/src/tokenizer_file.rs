//! Tokenizers that come as a file.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::Tokenizer;

/// Why there is no tokenizer, by what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// Nothing lies at the path: pass another one.
    #[error(
        "no tokenizer at {}: pass the path of a tokenizer.json, or of a folder that holds one \
         (a model's name is not looked up, and nothing is downloaded)",
        path.display()
    )]
    NotFound {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// What lies at the path cannot be used: get the file anew, or pass another one.
    #[error("{} is no usable tokenizer", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// This build reads no tokenizer files: use another one, or the approximate tokenizer.
    #[error("{} cannot be read: built without the feature `tokenizers`", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
    },
}

/// The tokenizer at `path`: a `tokenizer.json`, or a folder that holds one.
///
/// # Errors
///
/// If there is none, if it cannot be used, or if this build reads no such files.
pub fn load_tokenizer(path: impl AsRef<Path>) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    read(locate(path.as_ref())?)
}

#[cfg(feature = "tokenizers")]
fn read(path: PathBuf) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    Ok(Arc::new(crate::HfTokenizer::read(path)?))
}

#[cfg(not(feature = "tokenizers"))]
fn read(path: PathBuf) -> Result<Arc<dyn Tokenizer>, TokenizerError> {
    Err(TokenizerError::Unsupported { path })
}

/// The tokenizer file that `path` means.
pub(crate) fn locate(path: &Path) -> Result<PathBuf, TokenizerError> {
    let file = if path.is_dir() { path.join("tokenizer.json") } else { path.to_owned() };
    if !file.exists() {
        return Err(TokenizerError::NotFound { path: file });
    }
    Ok(file)
}
