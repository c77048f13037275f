//! Models prepared with programs that stand in for `ngc` and `hf`.

mod fetched;
mod local;
mod together;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bench_core::Stop;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{Cause, Hooks, Progress, Trouble};

/// A folder with models, and with programs that fetch.
struct Place {
    folder: TempDir,
    told: Arc<Mutex<Vec<Progress>>>,
    stop: Stop,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), told: Arc::default(), stop: Stop::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap().join(name)
    }

    /// A program of `sh`, which finds this folder in `$PLACE`.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        let place = self.path("");
        let log = format!("echo \"$@\" >> '{}calls'", place.display());
        let text = format!("#!/bin/sh\nPLACE='{}'\n{log}\n{script}\n", place.display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// What the programs were called with, a line each.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn asked(&self, spec: &str, name: &str) -> Prepare {
        Prepare {
            spec: spec.parse().unwrap(),
            name: name.parse().unwrap(),
            models: self.path("models"),
            backends: ModelBackend::ALL.to_vec(),
            is_forced: false,
            now: "2026-11-23T07:00:00Z".to_owned(),
            programs: Programs { ngc: Some(self.path("ngc")), hub: Some(self.path("hf")) },
        }
    }

    fn hooks(&self) -> Hooks {
        let told = Arc::clone(&self.told);
        Hooks::new(self.stop.clone(), move |progress| told.lock().unwrap().push(progress.clone()))
    }

    fn prepare(&self, asked: &Prepare) -> Result<Prepared, Trouble> {
        runtime().block_on(prepare(asked, &self.hooks()))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("models")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort_unstable();
        names
    }

    /// A folder with a model of `transformers` in it.
    fn model(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        write_model(&folder);
        folder
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A model as `transformers` keeps it, of some 2 MB.
fn write_model(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let config = json!({"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 1, "vocab_size": 8, "quantization_config": {"quant_method": "fp8"}});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), "{}").unwrap();
    fs::write(folder.join("model.safetensors"), safetensors(2_000_000)).unwrap();
}

fn safetensors(bytes: usize) -> Vec<u8> {
    let header =
        json!({"a": {"dtype": "U8", "shape": [bytes], "data_offsets": [0, bytes]}}).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; bytes]].concat()
}

/// A GGUF file without tensors.
fn gguf() -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.extend(1_u64.to_le_bytes());
    file.extend(text("general.file_type"));
    file.extend([4_u32.to_le_bytes(), 15_u32.to_le_bytes()].concat());
    file.resize(1 << 20, 0);
    file
}

/// The text of a file of a prepared model, with the place where it is, and the user's caches, taken out.
fn shown(place: &Place, path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.replace(&*place.path("").to_string_lossy(), "PLACE/");
    let line = |line: &str| match (line.find("--volume "), line.find(":/root/.")) {
        (Some(begin), Some(end)) => format!("{}--volume CACHE{}", &line[..begin], &line[end..]),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Every link in a folder, with what it leads to.
fn links(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let links = entries.filter(|entry| entry.file_type().unwrap().is_symlink());
    let named = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_link(entry.path()).unwrap())
    };
    let mut links: Vec<_> = links.map(named).collect();
    links.sort_unstable();
    links
}
