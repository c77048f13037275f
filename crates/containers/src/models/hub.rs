//! Models of Hugging Face's hub, through its own program.

use std::path::{Path, PathBuf};

use super::{
    lock::Lock,
    program::{Ended, GOES_ON, Program, Programs},
    record::Fetched,
    room,
};
use crate::{Cause, Hooks, Progress, Trouble};

/// A revision of a model.
#[derive(Debug)]
pub(super) struct HubModel<'a> {
    /// `ORG/MODEL`.
    pub(super) model: &'a str,
    pub(super) revision: Option<&'a str>,
}

impl HubModel<'_> {
    /// Fetches it into `folder`. The program goes on from what is there, and reads HF_TOKEN itself.
    pub(super) async fn fetch(
        &self,
        folder: &Path,
        programs: &Programs,
        lock: &mut Lock,
        hooks: &Hooks,
    ) -> Result<Fetched, Trouble> {
        let hub = Program::find(programs.hub.as_deref(), &["hf", "huggingface-cli"]);
        let hub = hub.ok_or_else(|| {
            let what = "there is neither `hf` nor `huggingface-cli` in PATH, which fetch models of Hugging Face's hub";
            Trouble::new(Cause::ProgramMissing, what)
                .fix("`pip install huggingface_hub`; a model that is in its cache already is taken from there")
        })?;
        let hub = hub.args(["download", self.model, "--local-dir"]).args([folder]);
        let hub = match self.revision {
            Some(revision) => hub.args(["--revision", revision]),
            None => hub,
        };
        let tell = || {
            let done = room::bytes_in(folder);
            hooks.tell(&Progress::Downloading { what: self.model.to_owned(), done, total: None });
        };
        let ended = hub.run(lock, hooks, tell).await?;
        if !ended.is_ok {
            return Err(self.failed(&ended));
        }
        let version = self.revision.map(str::to_owned);
        Ok(Fetched { version, by: None, payload: PathBuf::new() })
    }

    /// Why it was not fetched.
    fn failed(&self, ended: &Ended) -> Trouble {
        let said = ended.said.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let Self { model, revision } = self;
        // The hub says 401 of what is not there, too, to those whom it does not know.
        let trouble =
            if says(&["gatedrepo", "403", "gated repo", "awaiting a review", "access to model"]) {
                Trouble::new(
                Cause::KeyMissing,
                format!("{model} is given to those alone who accepted its licence"),
            )
            .fix(format!(
                "accept it at huggingface.co/{model}, and set HF_TOKEN to a token of that account"
            ))
            } else if says(&["revisionnotfound", "revision not found", "invalid rev id"]) {
                let revision = revision.unwrap_or("main");
                Trouble::new(Cause::ModelMissing, format!("{model} has no revision {revision}"))
                    .fix("a branch, a tag or a commit of it; without `@…` it is main")
            } else if says(&["repositorynotfound", "401", "404", "repository not found"]) {
                Trouble::new(
                    Cause::ModelMissing,
                    format!("the hub has no {model}, or not for everybody"),
                )
                .fix("see to its name; of a private one, set HF_TOKEN")
            } else if says(&["no space left", "disk quota"]) {
                Trouble::new(Cause::DiskFull, "the disk filled up while the model was fetched")
                    .fix("make room, then run the same command again")
            } else {
                let code =
                    ended.code.map_or("by a signal".to_owned(), |code| format!("with {code}"));
                let what = format!("fetching {model} broke off: the program ended {code}");
                Trouble::new(Cause::ModelBroken, what).fix(GOES_ON)
            };
        trouble.said(ended.last_lines())
    }
}
