//! The weights in a folder, by the headers of their files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::{ModelError, model::Weights, stored};

/// The format's own limit.
const MOST_OF_HEADER: u64 = 100_000_000;
/// Of an index: those of the largest models have some 10 MB.
const MOST_OF_INDEX: u64 = 64 << 20;
/// Files of one model.
const MOST_FILES: usize = 10_000;

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    metadata: Metadata,
    weight_map: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    total_size: Option<u64>,
}

#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// A header's entry: a tensor, or `__metadata__`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Tensor(Tensor),
    Other(serde::de::IgnoredAny),
}

/// What weights a folder holds; `None` where there are none.
pub(super) fn weights(folder: &Path) -> Result<Option<Weights>, ModelError> {
    let index_path = folder.join("model.safetensors.index.json");
    let index: Option<Index> = stored::read_json(&index_path, MOST_OF_INDEX)?;
    if let Some(index) = &index {
        let names: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
        let files = names.iter().map(|name| named(folder, name, &index_path));
        let files: Vec<PathBuf> = files.collect::<Result<_, _>>()?;
        let missing = files.iter().filter(|file| !file.is_file()).count();
        if missing > 0 {
            return Ok(Some(Weights {
                bytes: index.metadata.total_size,
                parameters: None,
                files: files.len(),
                missing,
                from: "model.safetensors.index.json",
            }));
        }
        return of_files(&files).map(Some);
    }
    let files = in_folder(folder)?;
    match files.is_empty() {
        true => Ok(of_pickles(folder)?),
        false => of_files(&files).map(Some),
    }
}

/// A file that an index names: within the folder.
fn named(folder: &Path, name: &str, index: &Path) -> Result<PathBuf, ModelError> {
    let path = Path::new(name);
    let is_within = path.components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !is_within {
        let shown: String = name.chars().take(80).collect();
        return Err(ModelError::malformed(index, format!("it names a file elsewhere, {shown:?}")));
    }
    Ok(folder.join(path))
}

/// The files of weights right in a folder: not those of another layout (`consolidated*`) beside the usual ones.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let all = with_suffix(folder, ".safetensors")?;
    let is_other = |path: &PathBuf| file_name(path).starts_with("consolidated");
    let usual: Vec<PathBuf> = all.iter().filter(|path| !is_other(path)).cloned().collect();
    Ok(if usual.is_empty() { all } else { usual })
}

fn with_suffix(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>, ModelError> {
    let unreadable = |source| ModelError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)?.take(MOST_FILES) {
        let path = entry.map_err(unreadable)?.path();
        if file_name(&path).ends_with(suffix) && path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn of_files(files: &[PathBuf]) -> Result<Weights, ModelError> {
    let mut bytes = 0_u64;
    let mut parameters = Some(0_u64);
    for file in files {
        let (of_file, numbers) = header(file)?;
        bytes = bytes.saturating_add(of_file);
        parameters = parameters.zip(numbers).map(|(sum, numbers)| sum.saturating_add(numbers));
    }
    Ok(Weights {
        bytes: Some(bytes),
        parameters,
        files: files.len(),
        missing: 0,
        from: "safetensors",
    })
}

/// The bytes of the tensors in a file; and their numbers, unless some are packed.
fn header(path: &Path) -> Result<(u64, Option<u64>), ModelError> {
    let unreadable = |source| ModelError::Unreadable { path: path.to_owned(), source };
    let malformed = |what: String| ModelError::malformed(path, what);
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => malformed("it is cut off".to_owned()),
        _ => unreadable(error),
    })?;
    let size = u64::from_le_bytes(size);
    if size > MOST_OF_HEADER || size > length.saturating_sub(8) {
        return Err(malformed(format!(
            "its header is to have {size} bytes: it is cut off, or none"
        )));
    }
    let mut header = Vec::new();
    file.take(size).read_to_end(&mut header).map_err(unreadable)?;
    let entries: BTreeMap<String, Entry> = serde_json::from_slice(&header)
        .map_err(|error| malformed(format!("its header is no JSON: {error}")))?;
    let tensors = || {
        entries.values().filter_map(|entry| match entry {
            Entry::Tensor(tensor) => Some(tensor),
            Entry::Other(_) => None,
        })
    };
    let end = tensors().map(|tensor| tensor.data_offsets.1).max().unwrap_or(0);
    let has = length - 8 - size;
    if end > has {
        return Err(malformed(format!("it is cut off: it has {has} of {end} bytes of weights")));
    }
    let bytes = tensors().map(|tensor| tensor.data_offsets.1.saturating_sub(tensor.data_offsets.0));
    let numbers = tensors().map(Tensor::numbers).try_fold(0_u64, |sum, n| sum.checked_add(n?));
    Ok((bytes.fold(0, u64::saturating_add), numbers))
}

impl Tensor {
    /// `None` where several numbers share an element, as may be of integers.
    fn numbers(&self) -> Option<u64> {
        let is_float = self.dtype.starts_with('F') || self.dtype.starts_with("BF");
        let numbers = self.shape.iter().try_fold(1_u64, |product, n| product.checked_mul(*n));
        numbers.filter(|_| is_float && !self.dtype.starts_with("F4"))
    }
}

/// Files of PyTorch's, by their sizes: what is in them is a program, which nobody runs here.
fn of_pickles(folder: &Path) -> Result<Option<Weights>, ModelError> {
    let files = with_suffix(folder, ".bin")?;
    let files: Vec<_> =
        files.iter().filter(|path| file_name(path).starts_with("pytorch_model")).collect();
    let sizes = files.iter().filter_map(|path| Some(fs::metadata(path).ok()?.len()));
    let bytes = sizes.fold(0, u64::saturating_add);
    Ok((!files.is_empty()).then_some(Weights {
        bytes: Some(bytes),
        parameters: None,
        files: files.len(),
        missing: 0,
        from: "sizes of pytorch_model*.bin",
    }))
}
