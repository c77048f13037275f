//! `launch`: how a backend is started with a prepared model, by hand.

use std::{fs, path::Path};

use super::backends::{Linking, ModelBackend};
use crate::{Asked, HostFacts, LocalModel, Recipe, Trouble, With};

/// The commands that start `backend` with the files `names`, of which the first is the model's.
pub(super) fn text(
    linking: &Linking<'_>,
    backend: ModelBackend,
    names: &[&str],
) -> Result<String, Trouble> {
    let is_seen = linking.is_within() || backend != ModelBackend::Ollama;
    let container = match is_seen {
        true => command(linking, backend, names, With::Docker)?,
        // It would see the links, and not what they lead to.
        false => format!("# not: its files stay at {}", linking.payload.root.display()),
    };
    let process = command(linking, backend, names, With::Process)?;
    let name = linking.name;
    Ok(format!(
        "# How {backend} is started with {name}, as a container or as a process of this machine. inferbench does the same, at\n\
         # a port that is free. Secrets are passed on from variables that are set.\n\
         \n\
         # As a container:\n{container}\n\
         \n\
         # As a process:\n{process}\n"
    ))
}

fn command(
    linking: &Linking<'_>,
    backend: ModelBackend,
    names: &[&str],
    with: With,
) -> Result<String, Trouble> {
    let recipe = Recipe::of(backend.engine());
    let (model, local) = place(linking, backend, names);
    let server = format!("inferbench-{}-{}", backend.engine(), linking.name);
    let args = match backend {
        // It would be called as its file is.
        ModelBackend::LlamaCpp => vec!["--alias".to_owned(), linking.name.to_owned()],
        _ => Vec::new(),
    };
    let asked = Asked { model, with, name: Some(server), args, ..Asked::default() };
    let host = HostFacts { model: Some(local), ..HostFacts::here(&recipe, &asked) };
    Ok(recipe.launch(&asked, &host)?.command(with))
}

/// What a recipe is told of the model: what the user would call it, and where it is.
fn place(linking: &Linking<'_>, backend: ModelBackend, names: &[&str]) -> (String, LocalModel) {
    let Linking { name, payload, target, .. } = linking;
    if backend == ModelBackend::LlamaCpp {
        let called = linking.file(names.first().copied().unwrap_or_default());
        // In Hugging Face's cache it is a link to a file without an ending. One in the making is not there yet.
        let path = fs::canonicalize(&called).unwrap_or_else(|_| called.clone());
        let root = path.parent().unwrap_or(Path::new("/")).to_owned();
        let model = called.to_string_lossy().into_owned();
        return (model, LocalModel { path, root, is_file: true });
    }
    let folder = target.join(backend.name());
    // A container sees what is mounted alone: the model's folder, with the payload in it. A payload that is elsewhere is
    // mounted itself; only Ollama wants the folder with the Modelfile.
    let (path, root) = match linking.is_within() || backend == ModelBackend::Ollama {
        true => (folder, target.to_path_buf()),
        false => {
            let model = fs::canonicalize(&payload.model).unwrap_or_else(|_| payload.model.clone());
            (model, payload.root.clone())
        }
    };
    ((*name).to_owned(), LocalModel { path, root, is_file: false })
}
