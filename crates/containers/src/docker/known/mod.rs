//! What engines and registries say, and what each of it means.

mod pulling;
mod starting;

pub(super) use self::{pulling::PULLING, starting::STARTING};
use super::refusal::About;
use crate::{Cause, Trouble};

/// Words that are known.
#[derive(Debug)]
pub(super) struct Known {
    /// All of these are said, in whatever case.
    words: &'static [&'static str],
    pub(super) cause: Cause,
    /// With `{image}`, `{registry}`, `{name}`, `{port}`, `{engine}`, and `{program}` for that on the command line.
    what: &'static str,
    fix: &'static str,
}

impl Known {
    /// What it means here.
    pub(super) fn trouble(&self, said: &str, about: &About<'_>) -> Trouble {
        let port =
            about.port.map_or_else(|| "that it asks for".to_owned(), |port| port.to_string());
        let filled = |text: &str| {
            text.replace("{image}", about.image)
                .replace("{registry}", about.registry)
                .replace("{name}", about.name)
                .replace("{port}", &port)
                .replace("{engine}", about.engine)
                .replace("{program}", &about.engine.to_lowercase())
        };
        let is_ngc = self.cause == Cause::ImageDenied && about.registry == "nvcr.io";
        let fix = if is_ngc { NGC_LOGIN } else { self.fix };
        Trouble::new(self.cause, filled(self.what)).said(said).fix(filled(fix))
    }
}

/// The first of a table that is said.
pub(super) fn find<'t>(table: &'t [Known], said: &str) -> Option<&'t Known> {
    let said = said.to_lowercase();
    table.iter().find(|known| known.words.iter().all(|words| said.contains(words)))
}

const fn known(
    words: &'static [&'static str],
    cause: Cause,
    what: &'static str,
    fix: &'static str,
) -> Known {
    Known { words, cause, what, fix }
}

const NGC_LOGIN: &str = "set NGC_API_KEY to a key of https://org.ngc.nvidia.com/setup/api-keys whose account may use \
                         {image}, or log in: {program} login nvcr.io, as the user $oauthtoken";

/// What may be said of anything.
pub(super) const ANYWHERE: [Known; 2] = [
    known(&["no space left on device"], Cause::DiskFull, FULL, FREE),
    known(&["disk quota exceeded"], Cause::DiskFull, FULL, FREE),
];

const FULL: &str = "no space is left on the disk where {engine} keeps images";
const FREE: &str = "`{program} system df` shows what takes it, `{program} image prune` removes images that nothing uses; \
                    \"data-root\" in /etc/docker/daemon.json moves them to a larger disk";

#[cfg(test)]
mod testing {
    use super::About;

    pub(super) fn about<'a>(registry: &'a str, image: &'a str) -> About<'a> {
        About {
            engine: "Docker",
            at: "unix:///d.sock",
            name: "a",
            image,
            registry,
            port: Some(18002),
        }
    }
}
