mod asked;
mod golden;
mod own;
mod refused;

use super::*;
use crate::{Cause, Launch, Program};

/// A machine with a home and keys.
fn host() -> HostFacts {
    let set = ["HF_TOKEN", "NGC_API_KEY"].map(str::to_owned).into();
    HostFacts { home: Some("/users/ann".into()), set, ..HostFacts::default() }
}

fn asked(model: &str) -> Asked {
    Asked { model: model.to_owned(), ..Asked::default() }
}

fn launched(engine: EngineName, asked: &Asked) -> Launch {
    Recipe::of(engine).launch(asked, &host()).unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A model of this machine in each engine's form, whose links lead out of its folder if it is one.
fn local(path: &str, root: &str) -> LocalModel {
    let is_file = path.ends_with(".gguf");
    LocalModel { path: path.into(), root: root.into(), is_file }
}
