//! Models of Hugging Face's hub, through its own program.

use std::path::{Path, PathBuf};

use super::{
    lock::Lock,
    program::{Ended, Program, Programs},
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
        let Self { model, revision } = self;
        let gated = ["gatedrepo", "gated repo", "awaiting a review", "access to model"];
        let no_revision = ["revisionnotfound", "revision not found", "invalid rev id"];
        let missing = ["repositorynotfound", "repository not found"];
        // The hub says 401 of what is not there, too, to those whom it does not know.
        let is_missing = ["401", "404"].iter().any(|status| ended.says_status(status));
        let trouble = if ended.says(&gated) || ended.says_status("403") {
            let what = format!("{model} is given to those alone who accepted its licence");
            let fix = format!(
                "accept it at huggingface.co/{model}, and set HF_TOKEN to a token of that account"
            );
            Trouble::new(Cause::KeyMissing, what).fix(fix)
        } else if ended.says(&no_revision) {
            let revision = revision.unwrap_or("main");
            Trouble::new(Cause::ModelMissing, format!("{model} has no revision {revision}"))
                .fix("a branch, a tag or a commit of it; without `@…` it is main")
        } else if ended.says(&missing) || is_missing {
            let what = format!("the hub has no {model}, or not for everybody");
            Trouble::new(Cause::ModelMissing, what)
                .fix("see to its name; of a private one, set HF_TOKEN")
        } else {
            ended.broke_off(model)
        };
        trouble.said(ended.last_lines())
    }
}
