//! Models of NVIDIA's registry, through its own program `ngc`.

use std::{
    env, fs,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use super::{
    lock::Lock,
    partial,
    payload::broken,
    program::{Ended, GOES_ON, Program, Programs},
    record::{Fetched, FileRecord},
    room,
};
use crate::{Cause, Hooks, Progress, Trouble};

/// A model without weights is none: an old `ngc` ends well after a few KB.
const LEAST_BYTES: u64 = 1 << 20;
/// How far what is there may be below what `ngc` says that it transferred, which it rounds.
const ROUNDED: f64 = 0.98;
/// Of a list of sums.
const MOST_BYTES: u64 = 16 << 20;

/// A version of a model.
#[derive(Debug)]
pub(super) struct NgcModel<'a> {
    /// `ORG/[TEAM/]MODEL`.
    pub(super) path: &'a str,
    pub(super) version: &'a str,
}

/// What the registry says that a version consists of, as far as `ngc` could be asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stated {
    total_bytes: Option<u64>,
    files: Vec<FileRecord>,
}

impl NgcModel<'_> {
    /// Fetches it into `folder`, and checks that it is whole. What is returned is where it is below that.
    pub(super) async fn fetch(
        &self,
        folder: &Path,
        programs: &Programs,
        lock: &mut Lock,
        hooks: &Hooks,
    ) -> Result<Fetched, Trouble> {
        let ngc = find(programs)?;
        let by = version(ngc.again(), lock, hooks).await?;
        let stated = self.stated(ngc.again(), lock, hooks).await?;
        let here = room::bytes_in(folder);
        room::check(folder, stated.total_bytes.unwrap_or(0).saturating_sub(here))?;
        let spec = self.to_string();
        let words = ["registry", "model", "download-version", spec.as_str(), "--dest"];
        let download = ngc.args(words).args([folder]);
        let tell = || {
            hooks.tell(&Progress::Downloading {
                what: spec.clone(),
                done: room::bytes_in(folder),
                total: stated.total_bytes,
            });
        };
        let ended = download.run(lock, hooks, tell).await?;
        if !ended.is_ok {
            return Err(self.failed(&ended));
        }
        let payload = self.check(folder, &stated, &ended, &by)?;
        Ok(Fetched { version: Some(self.version.to_owned()), by: Some(by), payload })
    }

    /// The folder that `ngc` makes for it.
    fn folder_name(&self) -> String {
        let model = self.path.rsplit('/').next().unwrap_or(self.path);
        format!("{model}_v{}", self.version)
    }

    /// What the registry says of it, asked through `ngc`.
    async fn stated(
        &self,
        ngc: Program,
        lock: &mut Lock,
        hooks: &Hooks,
    ) -> Result<Stated, Trouble> {
        let spec = self.to_string();
        let words = ["registry", "model", "info", &spec, "--files", "--format_type", "json"];
        let ended = ngc.args(words).run(lock, hooks, || {}).await?;
        if ended.is_ok {
            return Ok(Stated::read(&ended.said));
        }
        let trouble = self.failed(&ended);
        match trouble.cause {
            Cause::KeyMissing | Cause::ModelMissing => Err(trouble),
            // An old one may not know how to be asked; that is no reason not to try.
            _ => Ok(Stated::default()),
        }
    }

    /// Why `ngc` did not do what it was to.
    fn failed(&self, ended: &Ended) -> Trouble {
        let said = ended.said.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let trouble = if says(&[
            "401",
            "unauthorized",
            "invalid api key",
            "not authenticated",
            "missing api key",
            "no api key",
        ]) {
            Trouble::new(Cause::KeyMissing, format!("NGC does not know who asks for {self}"))
                .fix("set NGC_CLI_API_KEY or NGC_API_KEY to a key of org.ngc.nvidia.com/setup, or run `ngc config set`")
        } else if says(&["403", "forbidden", "access denied", "not authorized", "accept the"]) {
            Trouble::new(Cause::KeyMissing, format!("NGC does not give {self} to the owner of this key"))
                .fix("accept its licence at catalog.ngc.nvidia.com, or set NGC_CLI_API_KEY to a key of an organization that may have it")
        } else if says(&["404", "not found", "does not exist", "could not find", "not be found"]) {
            Trouble::new(Cause::ModelMissing, format!("NGC has no {self}"))
                .fix(format!("`ngc registry model list \"{}:*\"` lists its versions", self.path))
        } else if says(&["no space left", "disk quota"]) {
            Trouble::new(Cause::DiskFull, "the disk filled up while the model was fetched")
                .fix("make room, then run the same command again")
        } else {
            let code = ended.code.map_or("by a signal".to_owned(), |code| format!("with {code}"));
            Trouble::new(Cause::ModelBroken, format!("fetching {self} broke off: ngc ended {code}"))
                .fix(GOES_ON)
        };
        trouble.said(ended.last_lines())
    }

    /// Whether what is there is all of it; where it is, from `folder` on.
    fn check(
        &self,
        folder: &Path,
        stated: &Stated,
        ended: &Ended,
        by: &str,
    ) -> Result<PathBuf, Trouble> {
        let payload = self.place(folder, &ended.said)?;
        let at = folder.join(&payload);
        let here = room::bytes_in(&at);
        let told = Told::read(&ended.said);
        let why = told
            .trouble()
            .or_else(|| stated.trouble(&at, here))
            .or_else(|| told.trouble_with(here))
            .or_else(|| sums_trouble(&at))
            .or_else(|| {
                (here < LEAST_BYTES)
                    .then(|| format!("it has {}, which no model has", room::size(here)))
            });
        match why {
            None => {
                // What another try left beside it.
                let others = fs::read_dir(folder).into_iter().flatten().flatten();
                for other in others.filter(|entry| entry.file_name() != payload.as_os_str()) {
                    let _ = partial::remove(&other.path());
                }
                Ok(payload)
            }
            Some(why) => Err(broken(&at, &why).said(ended.last_lines()).fix(format!(
                "old versions of ngc end well after a few KB, and this is {by}: `ngc version upgrade`, then run the same \
                 command again"
            ))),
        }
    }

    /// The folder that it was fetched to, as `ngc` says or as it always calls it.
    fn place(&self, folder: &Path, said: &str) -> Result<PathBuf, Trouble> {
        let told = said.lines().find_map(|line| after(line, "Downloaded local path model:"));
        let told =
            told.and_then(|path| Path::new(path).strip_prefix(folder).ok().map(Path::to_owned));
        let is_within = |path: &PathBuf| {
            let mut parts = path.components();
            matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
        };
        let usual = PathBuf::from(self.folder_name());
        let is_there = |path: &PathBuf| {
            fs::symlink_metadata(folder.join(path)).is_ok_and(|found| found.is_dir())
        };
        let found = told.filter(is_within).into_iter().chain([usual]).find(is_there);
        found.ok_or_else(|| {
            broken(
                folder,
                &format!("ngc ended well, and there is no folder {}", self.folder_name()),
            )
        })
    }
}

impl std::fmt::Display for NgcModel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.path, self.version)
    }
}

/// `ngc`, with the key that is set for NIM where none is for it.
fn find(programs: &Programs) -> Result<Program, Trouble> {
    let ngc = Program::find(programs.ngc.as_deref(), &["ngc"]).ok_or_else(|| {
        Trouble::new(Cause::ProgramMissing, "there is no `ngc` in PATH, which fetches models of NGC")
            .fix("install NGC CLI from org.ngc.nvidia.com/setup/installers/cli, and run `ngc config set`")
    })?;
    let is_set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    Ok(match (is_set("NGC_CLI_API_KEY"), is_set("NGC_API_KEY")) {
        (None, Some(key)) => ngc.env("NGC_CLI_API_KEY", key),
        _ => ngc,
    })
}

/// What `ngc` calls its version.
async fn version(ngc: Program, lock: &mut Lock, hooks: &Hooks) -> Result<String, Trouble> {
    let ended = ngc.args(["--version"]).run(lock, hooks, || {}).await?;
    let line = ended.said.lines().find(|line| line.chars().any(|c| c.is_ascii_digit()));
    let plain = |c: &char| !c.is_control();
    let line = line.map(|line| line.trim().chars().filter(plain).take(60).collect());
    Ok(line.unwrap_or_else(|| "ngc of unknown version".to_owned()))
}

impl Stated {
    /// Reads what `ngc registry model info --files --format_type json` prints, whatever it is nested in.
    fn read(said: &str) -> Self {
        let mut stated = Self::default();
        // Warnings may come before it.
        let begin = said.find(['{', '[']).unwrap_or(said.len());
        let values = serde_json::Deserializer::from_str(&said[begin..]).into_iter::<Value>();
        values.map_while(Result::ok).for_each(|value| stated.take(&value));
        stated
    }

    fn take(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.take(value)),
            Value::Object(fields) => {
                let size = fields.get("sizeInBytes").and_then(Value::as_u64);
                let path = fields.get("path").and_then(Value::as_str);
                if let (Some(path), Some(size_bytes)) = (path, size) {
                    self.files.push(FileRecord { path: path.into(), size_bytes });
                }
                let total = fields.get("totalSizeInBytes").and_then(Value::as_u64);
                self.total_bytes = total.filter(|total| *total > 0).or(self.total_bytes);
                fields.values().for_each(|value| self.take(value));
            }
            _ => {}
        }
    }

    /// What is missing of it.
    fn trouble(&self, at: &Path, here: u64) -> Option<String> {
        for FileRecord { path, size_bytes } in &self.files {
            // What the registry calls its files is not to lead anywhere else.
            if !path.components().all(|part| matches!(part, Component::Normal(_))) {
                continue;
            }
            let size = fs::metadata(at.join(path)).map_or(0, |found| found.len());
            if size < *size_bytes {
                let [has, all] = [size, *size_bytes].map(room::size);
                return Some(format!("{} has {has} of {all}", path.display()));
            }
        }
        let total = self.total_bytes.filter(|total| here < *total)?;
        Some(format!("it has {} of the {} that NGC has", room::size(here), room::size(total)))
    }
}

/// What `ngc` says at the end of a download.
#[derive(Debug, Default, PartialEq)]
struct Told {
    status: Option<String>,
    /// Files that it could not fetch.
    failed: u64,
    /// The least that it can mean by what was transferred, before it was rounded.
    transferred_bytes: Option<f64>,
}

impl Told {
    fn read(said: &str) -> Self {
        let mut told = Self::default();
        for line in said.lines() {
            if let Some(status) = after(line, "Download status:") {
                told.status = Some(status.to_owned());
            }
            if let Some(size) = after(line, "Total transferred:") {
                told.transferred_bytes = size_of(size);
            }
            // Of the bar of progress: `Total: 24 - Completed: 24 - Failed: 0`; the last one counts.
            if let Some((_, count)) = line.rsplit_once("Failed: ") {
                let digits: String = count.chars().take_while(char::is_ascii_digit).collect();
                told.failed = digits.parse().unwrap_or(told.failed);
            }
        }
        told
    }

    fn trouble(&self) -> Option<String> {
        let status =
            self.status.as_ref().filter(|status| !status.eq_ignore_ascii_case("completed"));
        match (status, self.failed) {
            (Some(status), _) => Some(format!("ngc says that its status is {status}")),
            (None, 0) => None,
            (None, failed) => Some(format!("ngc says that {failed} of its files failed")),
        }
    }

    fn trouble_with(&self, here: u64) -> Option<String> {
        let transferred = self.transferred_bytes.filter(|all| (here as f64) < all * ROUNDED)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "to be shown")]
        let [here, all] = [here, transferred as u64].map(room::size);
        Some(format!("it has {here}, and ngc says that it transferred {all}"))
    }
}

/// `131.43 GB`, in bytes: powers of 1000, which are the least that it can mean.
fn size_of(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ')?;
    let unit = match unit.trim().to_ascii_uppercase().as_str() {
        "B" | "BYTES" => 1.0,
        "KB" | "KIB" => 1e3,
        "MB" | "MIB" => 1e6,
        "GB" | "GIB" => 1e9,
        "TB" | "TIB" => 1e12,
        _ => return None,
    };
    number.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number * unit)
}

/// What a list of sums that comes with engines names and is not there. The sums themselves are not computed.
fn sums_trouble(at: &Path) -> Option<String> {
    let path = at.join("checksums.blake3");
    let is_small = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() < MOST_BYTES);
    let text = is_small.then(|| fs::read_to_string(path).ok())??;
    let names = text.lines().filter_map(|line| line.split_once("  ").map(|(_, name)| name.trim()));
    let names = names.filter(|name| {
        Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    });
    let is_empty = |name: &&str| fs::metadata(at.join(name)).map_or(0, |found| found.len()) == 0;
    names
        .into_iter()
        .find(is_empty)
        .map(|name| format!("{name}, of which it has a sum, is not there"))
}

/// What comes after a label in a line.
fn after<'l>(line: &'l str, label: &str) -> Option<&'l str> {
    line.trim().strip_prefix(label).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_download_is_read() {
        let said = "Getting files to download...\n\
             ━━━ • 156.8/156.8 KiB • Elapsed: 0:00:01 • Total: 24 - Completed: 20 - Failed: 2\n\
             ━━━ • 156.8/156.8 KiB • Elapsed: 0:00:02 • Total: 24 - Completed: 24 - Failed: 0\n\
             -----\n   Download status: COMPLETED\n   Downloaded local path model: /m/a_v1\n   \
             Total files downloaded: 24\n   Total transferred: 156.83 KB\n";
        let told = Told::read(said);
        assert_eq!((told.trouble(), told.trouble_with(160_593)), (None, None));
        assert!(told.trouble_with(4_096).unwrap().contains("4.1 KB"));
        let told = Told::read("Total: 3 - Completed: 2 - Failed: 1\n");
        assert!(told.trouble().unwrap().contains("1 of its files"));
        assert!(Told::read("Download status: FAILED").trouble().unwrap().contains("FAILED"));
        assert_eq!(Told::read("nonsense"), Told::default());
    }

    #[test]
    fn what_the_registry_states_is_read_wherever_it_is() {
        let said = r#"Warning: a new version is available
            {"model": {"name": "a"}, "modelVersion": {"totalFileCount": 2, "totalSizeInBytes": 30},
             "modelFiles": [{"path": "config.json", "sizeInBytes": 10}, {"path": "w/a", "sizeInBytes": 20}]}"#;
        let stated = Stated::read(said);
        assert_eq!((stated.total_bytes, stated.files.len()), (Some(30), 2));
        for nonsense in ["", "{", "null", "[1, 2]", "{\"totalSizeInBytes\": -1}", "no json"] {
            assert_eq!(Stated::read(nonsense), Stated::default(), "{nonsense}");
        }
    }

    #[test]
    fn a_folder_is_called_by_name_and_version() {
        let model = NgcModel { path: "nim/meta/llama3-70b-instruct", version: "hf" };
        assert_eq!(model.folder_name(), "llama3-70b-instruct_vhf");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("llama3-70b-instruct_vhf")).unwrap();
        for said in ["", "Downloaded local path model: /etc", "Downloaded local path model: ../.."]
        {
            let place = model.place(folder.path(), said).unwrap();
            assert_eq!(place, Path::new("llama3-70b-instruct_vhf"), "{said}");
        }
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        let said = format!("  Downloaded local path model: {}", other.display());
        assert_eq!(model.place(folder.path(), &said).unwrap(), Path::new("other"));
        let none = NgcModel { path: "a/b", version: "1" };
        assert_eq!(none.place(folder.path(), "").unwrap_err().cause, Cause::ModelBroken);
    }
}
