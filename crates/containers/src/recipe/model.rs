//! What a model is to an engine, and where it is.

use std::path::{Path, PathBuf};

use super::{
    Asked, HostFacts, LocalModel, With,
    check::{reference, refused},
    image,
    parts::{ModelForm, Parts},
};
use crate::{Cause, Mount, Trouble, memory::part_of};

/// A model as an engine is to be told of it.
#[derive(Debug)]
pub(super) struct Model {
    /// What the engine is told: a name, a path within a container, of a process a path of this machine.
    pub(super) told: String,
    /// What requests call it, unless an argument or a variable says otherwise.
    pub(super) name: String,
    /// What a container has to see for that.
    pub(super) mount: Option<Mount>,
    /// Whether it is of this machine.
    pub(super) is_local: bool,
}

/// How far above a model's folder what its links lead to may be: `snapshots/<revision>` is two.
const MOST_ABOVE: usize = 3;

impl Model {
    pub(super) fn of(parts: &Parts, asked: &Asked, host: &HostFacts) -> Result<Self, Trouble> {
        let form = parts.model.unwrap_or_default();
        if asked.model.is_empty() {
            return Err(refused("no model is named", "name one after the engine"));
        }
        match &host.model {
            // A folder that happens to be called like an image is none.
            Some(local) if form != ModelForm::Image || asked.image.is_some() => {
                Self::local(parts, local, asked, host)
            }
            _ if is_path(&asked.model) => {
                let what = format!("there is no {}", asked.model);
                let fix = "a folder or a file that is there, or a model's name";
                Err(Trouble::new(Cause::ModelMissing, what).fix(fix))
            }
            _ => Self::remote(form, parts, asked),
        }
    }

    fn remote(form: ModelForm, parts: &Parts, asked: &Asked) -> Result<Self, Trouble> {
        let model = asked.model.as_str();
        let (text, of) = match form {
            ModelForm::Image if asked.image.is_some() => (without_scheme(model), "a model"),
            ModelForm::Image => (model, "an image"),
            _ => (model, "a model"),
        };
        reference(text, of)?;
        let name = match form {
            ModelForm::Hub | ModelForm::Gguf | ModelForm::Any => model.to_owned(),
            ModelForm::Ollama => with_tag(model)?,
            ModelForm::Image if asked.image.is_some() => without_scheme(model).to_owned(),
            ModelForm::Image => image::model_name(model, parts.image_suffix.as_deref()),
        };
        Ok(Self { told: model.to_owned(), name, mount: None, is_local: false })
    }

    fn local(
        parts: &Parts,
        local: &LocalModel,
        asked: &Asked,
        host: &HostFacts,
    ) -> Result<Self, Trouble> {
        let form = parts.model.unwrap_or_default();
        fits(form, local)?;
        let name = local_name(Path::new(&asked.model), local)?;
        let name = if form == ModelForm::Ollama { with_tag(&name.to_lowercase())? } else { name };
        let (told, mount) = match asked.with {
            With::Process => (utf8(&local.path)?, None),
            With::Docker | With::Podman => {
                let (outside, inside, told) = places(local, &asked.model)?;
                // Keys and all else that a home holds are none of an engine's business.
                if host.home.as_ref().is_some_and(|home| home.starts_with(&outside)) {
                    let what =
                        format!("{} would be seen whole in the container", outside.display());
                    let fix = "put the files, or what links in the folder lead to, into one folder";
                    return Err(refused(what, fix));
                }
                (told, Some(Mount { outside, inside, read_only: true }))
            }
        };
        // An engine that is not told a name takes the folder's.
        let folder =
            Path::new(&told).file_name().filter(|_| form == ModelForm::Hub && !parts.tells_name());
        let name = folder.map_or(name, |folder| folder.to_string_lossy().into_owned());
        Ok(Self { told, name, mount, is_local: true })
    }
}

/// Whether an engine can read a folder, or a file.
fn fits(form: ModelForm, local: &LocalModel) -> Result<(), Trouble> {
    let path = local.path.display();
    let is_gguf = local.path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
    match (form, local.is_file) {
        (ModelForm::Gguf, false) => {
            Err(refused(format!("{path} is a folder"), "name the .gguf file in it"))
        }
        (ModelForm::Gguf, true) if !is_gguf => {
            // A file of Hugging Face's or Ollama's cache is what a link leads to, and has no ending.
            let is_blob = local.path.parent().is_some_and(|folder| folder.ends_with("blobs"));
            match is_blob {
                true => Ok(()),
                false => Err(refused(format!("{path} is no .gguf file"), "name one")),
            }
        }
        (ModelForm::Hub | ModelForm::Ollama | ModelForm::Image, true) => Err(refused(
            format!("{path} is a file"),
            "name the folder that holds the model; a .gguf file is for llamacpp",
        )),
        _ => Ok(()),
    }
}

/// What is mounted, where, and where the model is within that.
fn places(local: &LocalModel, asked: &str) -> Result<(PathBuf, String, String), Trouble> {
    let last = last_of(Path::new(asked), local)?;
    // A model that was prepared is called otherwise than its files; a file of a cache has a name that says nothing.
    let names = [last.clone(), path_name(&local.path)?];
    let is_part = |name: &&String| without_part(name.trim_end_matches(".gguf")).is_some();
    if let Some(part) = names.iter().find(is_part).filter(|_| local.is_file) {
        // Its other parts are found beside it.
        let folder = Path::new("/models").join(path_name(&local.root)?);
        let told = folder.join(part);
        return Ok((local.root.clone(), utf8(&folder)?, utf8(&told)?));
    }
    let inside = Path::new("/models").join(hub_name(&local.root).as_ref().unwrap_or(&last));
    if local.is_file {
        return Ok((local.path.clone(), utf8(&inside)?, utf8(&inside)?));
    }
    let within = local.path.strip_prefix(&local.root).unwrap_or(Path::new(""));
    if within.components().count() > MOST_ABOVE {
        let what = format!("links in {} lead far outside it", local.path.display());
        return Err(refused(what, "put the files, or what they lead to, into one folder"));
    }
    let told = match within.as_os_str().is_empty() {
        true => inside.clone(),
        false => inside.join(within),
    };
    Ok((local.root.clone(), utf8(&inside)?, utf8(&told)?))
}

/// What a local model is called: its folder, or its file without the ending; in Hugging Face's cache, what it is called on
/// the hub.
fn local_name(asked: &Path, local: &LocalModel) -> Result<String, Trouble> {
    if let Some(name) = hub_name(&local.root) {
        return Ok(name);
    }
    let last = last_of(asked, local)?;
    let stem = last.strip_suffix(".gguf").unwrap_or(&last);
    Ok(without_part(stem).unwrap_or(stem).to_owned())
}

/// The last part of a path as the user wrote it, for a link may lead to a name that says nothing.
fn last_of(asked: &Path, local: &LocalModel) -> Result<String, Trouble> {
    let last = match asked.file_name() {
        Some(last) => last.to_string_lossy().into_owned(),
        None => path_name(&local.path)?,
    };
    // It becomes a part of a path in the container, and of an argument.
    reference(&last, "a model").map(|()| last)
}

/// What a folder of Hugging Face's cache holds: of `models--Qwen--Qwen3-0.6B`, `Qwen/Qwen3-0.6B`.
fn hub_name(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?.strip_prefix("models--")?.replace("--", "/");
    reference(&name, "a model").is_ok().then_some(name)
}

fn path_name(path: &Path) -> Result<String, Trouble> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| refused(format!("{} is everything", path.display()), "name a model in it"))
}

fn utf8(path: &Path) -> Result<String, Trouble> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| refused(format!("{} is no text", path.display()), "another name"))
}

/// The name of a model that is in several files, of one of which this is the name without its ending.
fn without_part(stem: &str) -> Option<&str> {
    part_of(stem).map(|(name, ..)| name)
}

/// Whether a text can only be meant as a path.
fn is_path(text: &str) -> bool {
    ["/", "./", "../", "~"].iter().any(|begin| text.starts_with(begin))
        || [".", ".."].contains(&text)
        || text.to_ascii_lowercase().ends_with(".gguf")
}

/// A name in Ollama's library as Ollama lists it.
fn with_tag(model: &str) -> Result<String, Trouble> {
    let (name, tag) = match model.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (model, "latest"),
    };
    let parts = name.split('/').count();
    let is_known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let is_tag = !tag.is_empty() && tag.len() <= 80 && tag.chars().all(is_known);
    // host:port/namespace/model
    let path = if parts == 3 { name.split_once('/').map_or(name, |(_, path)| path) } else { name };
    if is_tag && parts <= 3 && !path.contains(':') && !model.contains(['@', '+', '=', '~']) {
        return Ok(format!("{name}:{tag}"));
    }
    Err(refused(format!("{model:?} is no model of Ollama's"), "such as `llama3.2` or `qwen3:0.6b`"))
}

fn without_scheme(model: &str) -> &str {
    model.split_once("://").map_or(model, |(_, rest)| rest)
}
