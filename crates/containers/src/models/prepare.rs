//! From where a model is to a folder that is ready.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    ModelBackend, ModelName, ModelRecord, ModelSpec, Programs,
    backends::{Linking, relative, symlink},
    hub::HubModel,
    lock::Lock,
    ngc::NgcModel,
    partial::{self, Partial, unwritable},
    payload::Payload,
    record::{self, Fetched},
};
use crate::{Cause, Hooks, Trouble};

/// What is to be prepared.
#[derive(Clone, Debug)]
pub struct Prepare {
    /// Where the model is from.
    pub spec: ModelSpec,
    /// What it is to be called.
    pub name: ModelName,
    /// The folder of all models; made where there is none.
    pub models: PathBuf,
    /// The backends to make folders for.
    pub backends: Vec<ModelBackend>,
    /// Whether a model of that name that was prepared before makes way.
    pub is_forced: bool,
    /// The time now, as RFC 3339 has it.
    pub now: String,
    /// The programs that fetch.
    pub programs: Programs,
}

/// A model that is ready.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Its folder.
    pub path: PathBuf,
    /// What it is.
    pub record: ModelRecord,
    /// Whether it was there already, and nothing was done.
    pub was_there: bool,
}

/// Where a fetched payload lies in a model's folder: of NGC, and of any other place.
const NGC: &str = "ngc";
const PAYLOAD: &str = "payload";

/// Fetches a model, checks it, and makes a folder for each backend. Needs a runtime of tokio's with time and processes.
///
/// # Errors
///
/// When it cannot be had, is not whole, or leads elsewhere; when something else has its name, or the user stops it. What
/// was fetched stays for the next try, unless it is of no use.
pub async fn prepare(asked: &Prepare, hooks: &Hooks) -> Result<Prepared, Trouble> {
    fs::create_dir_all(&asked.models).map_err(|error| unwritable(&asked.models, &error))?;
    // The way of links is from where the folder really is.
    let models =
        fs::canonicalize(&asked.models).map_err(|error| unwritable(&asked.models, &error))?;
    let mut lock = Lock::take(&models, &asked.name, hooks).await?;
    if let Some(there) = there(asked, &models)? {
        return Ok(there);
    }
    let partial = Partial::open(&models, &asked.name, &asked.spec)?;
    match fetch(asked, &partial, &mut lock, hooks).await {
        Ok((fetched, payload)) => complete(asked, partial, fetched, &payload),
        Err(trouble) => {
            let is_of_use = matches!(trouble.cause, Cause::Stopped | Cause::DiskFull)
                || trouble.cause == Cause::ModelBroken && trouble.fix == super::program::GOES_ON;
            if !is_of_use {
                partial.discard();
            }
            Err(trouble)
        }
    }
}

/// The model of that name, if it is what is asked for.
fn there(asked: &Prepare, models: &Path) -> Result<Option<Prepared>, Trouble> {
    let path = models.join(asked.name.as_str());
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let taken = |what: String, fix: &str| Err(Trouble::new(Cause::NameTaken, what).fix(fix));
    if !partial::is_ours(&path) {
        let what = format!("{} is there, and is no model that was prepared", path.display());
        return taken(what, "another name");
    }
    if asked.is_forced {
        return Ok(None);
    }
    match ModelRecord::read(&path) {
        Ok(record) if record.source == asked.spec.to_string() => {
            match super::listing::trouble(&path, &record) {
                None => extend(asked, path, record).map(Some),
                Some(why) => taken(
                    format!("{} is not whole: {why}", path.display()),
                    "--force prepares it anew",
                ),
            }
        }
        Ok(record) => {
            let what = format!("{} is {}", path.display(), record.source);
            taken(what, "another name, or --force to put this one in its place")
        }
        Err(why) => taken(format!("{}: {why}", path.display()), "another name, or --force"),
    }
}

/// Fetches the payload into the partial folder, or links it there.
async fn fetch(
    asked: &Prepare,
    partial: &Partial,
    lock: &mut Lock,
    hooks: &Hooks,
) -> Result<(Fetched, Payload), Trouble> {
    let Prepare { programs, .. } = asked;
    let (mut fetched, within) = match &asked.spec {
        ModelSpec::Local { path, .. } => return link(path, partial),
        ModelSpec::Ngc { path, version } => {
            let folder = partial.folder(NGC)?;
            (NgcModel { path, version }.fetch(&folder, programs, lock, hooks).await?, NGC)
        }
        ModelSpec::Hub { model, revision } => {
            let folder = partial.folder(PAYLOAD)?;
            let model = HubModel { model, revision: revision.as_deref() };
            (model.fetch(&folder, programs, lock, hooks).await?, PAYLOAD)
        }
    };
    fetched.payload = Path::new(within).join(&fetched.payload);
    let payload = Payload::read(&partial.path().join(&fetched.payload))?;
    Ok((fetched, payload))
}

/// A folder or a file of the user's: it stays where it is.
fn link(path: &Path, partial: &Partial) -> Result<(Fetched, Payload), Trouble> {
    let missing = |error: io::Error| {
        Trouble::new(Cause::ModelMissing, format!("there is no {}", path.display()))
            .said(error.to_string())
            .fix("a folder or a file that is there, ngc:… or hf:…")
    };
    let to = named(path).map_err(missing)?;
    let place = partial.path().join(PAYLOAD);
    let failed = |error: io::Error| unwritable(&place, &error);
    partial::remove(&place).map_err(failed)?;
    // A file's name tells backends what it is.
    let at = match to.is_file() {
        true => partial.folder(PAYLOAD)?.join(to.file_name().unwrap_or_default()),
        false => place.clone(),
    };
    symlink(&relative(at.parent().unwrap_or(&at), &to), &at).map_err(failed)?;
    let payload = Payload::read(&at)?;
    Ok((Fetched { payload: PAYLOAD.into(), ..Fetched::default() }, payload))
}

/// Where a path leads, but for its last part, which keeps the name that it has there.
fn named(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let target = fs::canonicalize(&path)?;
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
        _ => Ok(target),
    }
}

/// Makes the folders of the backends, and puts all in its place.
fn complete(
    asked: &Prepare,
    partial: Partial,
    fetched: Fetched,
    payload: &Payload,
) -> Result<Prepared, Trouble> {
    let place = fetched.payload.join(&payload.below);
    let linking = Linking {
        name: asked.name.as_str(),
        payload,
        made_at: partial.path(),
        target: partial.target(),
        place: &place,
    };
    let backends = asked.backends.iter().map(|backend| linking.make(*backend));
    let backends = backends.collect::<Result<Vec<_>, _>>()?;
    let heading = (asked.name.as_str(), asked.spec.to_string(), asked.now.as_str());
    let record = ModelRecord::new(heading, fetched, payload, backends);
    let file = partial.path().join(record::FILE);
    record.write(partial.path()).map_err(|error| unwritable(&file, &error))?;
    let path = partial.complete(asked.is_forced)?;
    Ok(Prepared { path, record, was_there: false })
}

/// Makes folders for more backends of a model that is there.
fn extend(asked: &Prepare, path: PathBuf, mut record: ModelRecord) -> Result<Prepared, Trouble> {
    let has = |record: &ModelRecord, backend| record.backends.iter().any(|b| b.backend == backend);
    let more: Vec<_> =
        asked.backends.iter().filter(|backend| !has(&record, **backend)).copied().collect();
    if more.is_empty() {
        return Ok(Prepared { path, record, was_there: true });
    }
    let at = path.join(&record.payload);
    let only = record.files.first().map(|file| at.join(&file.path));
    // A file of the user's, rather than a folder with one.
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let at =
        only.filter(|only| record.files.len() == 1 && !is_link(&at) && is_link(only)).unwrap_or(at);
    let payload = Payload::read(&at)?;
    let place = record.payload.join(&payload.below);
    let name = asked.name.as_str();
    let linking = Linking { name, payload: &payload, made_at: &path, target: &path, place: &place };
    for backend in more {
        record.backends.push(linking.make(backend)?);
    }
    record.write(&path).map_err(|error| unwritable(&path.join(record::FILE), &error))?;
    Ok(Prepared { path, record, was_there: true })
}
