//! Models that lie ready: what is asked of them, and what is wrong in the words of a failure.

use std::path::{Path, PathBuf};

use bench_containers::{
    Cause, Hooks, Trouble,
    models::{Listed, ModelBackend, ModelSpec, Prepare, Prepared, Programs, list, prepare},
};
use bench_core::Clock;
use bench_workloads::downloaded_model;
use jiff::Timestamp;

use crate::{Code, Failure, servers};

/// What is to be prepared.
#[derive(Clone, Debug)]
pub struct ToPrepare {
    /// Where the model is from: `ngc:ORG/[TEAM/]MODEL:VERSION`, `hf:ORG/MODEL`, a path, or a model that Hugging Face's
    /// programs have downloaded.
    pub spec: String,
    /// What it is to be called.
    pub name: String,
    /// The folder of all models.
    pub models: PathBuf,
    /// The backends to make folders for; all if there are none.
    pub backends: Vec<ModelBackend>,
    /// Whether a model that has the name makes way.
    pub is_forced: bool,
}

/// Fetches a model, checks it and lays it ready.
///
/// # Errors
///
/// When it cannot be had, is not whole, or leads elsewhere; when something else has its name, or the user stops it.
pub fn prepare_model(asked: &ToPrepare, hooks: &Hooks) -> Result<Prepared, Failure> {
    let name = asked.name.parse();
    let name = name.map_err(|error: bench_containers::models::BadName| {
        Failure::new(Code::Setting, "--name: ".to_owned() + &error.to_string())
    })?;
    let backends = match asked.backends.is_empty() {
        true => ModelBackend::ALL.to_vec(),
        false => asked.backends.clone(),
    };
    let prepared = Prepare {
        spec: spec(&asked.spec)?,
        name,
        models: asked.models.clone(),
        backends,
        is_forced: asked.is_forced,
        now: now(),
        programs: Programs::default(),
    };
    servers::runtime()?.block_on(prepare(&prepared, hooks)).map_err(failure)
}

/// The models in a folder, and what is wrong with them.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn models(folder: &Path) -> Result<Vec<Listed>, Failure> {
    list(folder).map_err(|error| {
        let what = format!("{} cannot be read", folder.display());
        Failure::new(Code::ModelFiles, what).said(error.to_string())
    })
}

/// The time now, in whole seconds.
fn now() -> String {
    let wall = i128::from(Clock::start().anchor().wall_ns);
    let now = Timestamp::from_nanosecond(wall).unwrap_or_default();
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Where a model is from: what there is at a path comes before a name on the hub.
fn spec(text: &str) -> Result<ModelSpec, Failure> {
    let spec: ModelSpec = text.parse().map_err(|error: bench_containers::models::BadSpec| {
        Failure::new(Code::Setting, error.to_string())
    })?;
    match &spec {
        ModelSpec::Local { path, .. } if !path.exists() => match downloaded_model(text) {
            Some(path) => Ok(ModelSpec::Local { path, name: Some(text.to_owned()) }),
            None => Ok(spec),
        },
        _ => Ok(spec),
    }
}

fn failure(trouble: Trouble) -> Failure {
    let code = match trouble.cause {
        Cause::Stopped => Code::Stopped,
        Cause::ProgramMissing
        | Cause::KeyMissing
        | Cause::ModelBroken
        | Cause::RegistryUnreachable
        | Cause::DiskFull
        | Cause::FolderDenied => Code::ModelFetch,
        _ => Code::ModelFiles,
    };
    servers::failure_of(code, trouble)
}
