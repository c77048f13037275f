//! What an engine says in place of doing what it was asked, and what that means.

use std::{fmt, io};

use bollard::errors::Error;

use super::known::{self, Known};
use crate::{Cause, Trouble};

/// What came in place of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody is there, or nobody any more.
    Lost(String),
    /// The user may not ask.
    Denied(String),
    /// The engine's own words, with the status that they came with, if any.
    Said(Option<u16>, String),
}

/// Whom it was asked of, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// `Docker` or `Podman`.
    pub(super) engine: &'a str,
    /// Its address.
    pub(super) at: &'a str,
    /// The server's name, or its container's.
    pub(super) name: &'a str,
    /// Its image.
    pub(super) image: &'a str,
    /// The image's registry.
    pub(super) registry: &'a str,
    /// Its port on this machine.
    pub(super) port: Option<u16>,
}

impl Refusal {
    /// Whether there is no such thing, or hardly any more.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Self::Said(Some(404), _) => true,
            Self::Said(_, text) => text.contains("dead or marked for removal"),
            _ => false,
        }
    }

    /// Whether asking again later may help: the other side went away in the middle.
    pub(super) fn is_broken_off(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Denied(_) => false,
            Self::Said(_, text) => known::find(&known::PULLING, text)
                .is_some_and(|known| known.cause == Cause::RegistryUnreachable),
        }
    }

    /// What stood in the way of a pull.
    pub(super) fn of_pull(self, about: &About<'_>) -> Trouble {
        let what = format!("{} could not pull {}", about.engine, about.image);
        self.told(&[&known::PULLING, &known::ANYWHERE], what, about)
    }

    /// What stood in the way of a start.
    pub(super) fn of_start(self, about: &About<'_>) -> Trouble {
        let what = format!("{} could not start {}", about.engine, about.name);
        self.told(&[&known::STARTING, &known::ANYWHERE], what, about)
    }

    /// What stood in the way of anything else.
    pub(super) fn of(self, doing: &str, about: &About<'_>) -> Trouble {
        if self.is_missing() {
            let what = format!("there is no server {} in {}", about.name, about.engine);
            return Trouble::new(Cause::Unknown, what)
                .fix("`inferbench servers` lists those that there are");
        }
        let what = format!("{} could not {doing}", about.engine);
        self.told(&[&known::ANYWHERE], what, about)
    }

    fn told(self, tables: &[&[Known]], what: String, about: &About<'_>) -> Trouble {
        match self {
            Self::Lost(said) => lost(&said, about),
            Self::Denied(said) => denied(&said, about),
            Self::Said(_, text) => {
                match tables.iter().find_map(|table| known::find(table, &text)) {
                    Some(known) => known.trouble(&text, about),
                    None => Trouble::new(Cause::Backend, what).said(text).fix(unknown_fix(about)),
                }
            }
        }
    }
}

fn unknown_fix(about: &About<'_>) -> &'static str {
    match about.engine {
        "Podman" => "the service's log may say more: journalctl --user -u podman",
        _ => "the engine's log may say more: journalctl -u docker",
    }
}

fn lost(said: &str, about: &About<'_>) -> Trouble {
    let what = format!("{} does not answer at {}", about.engine, about.at);
    let fix = match about.engine {
        _ if about.at.starts_with("tcp:") => {
            "see that it listens there; and over TLS, that ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH are those \
             that it knows"
        }
        "Podman" => {
            "start it: systemctl --user start podman.socket; or say where it is: CONTAINER_HOST=unix:///…"
        }
        _ => {
            "start it: sudo systemctl start docker (without systemd: sudo dockerd); or say where it is: \
             DOCKER_HOST=unix:///…"
        }
    };
    Trouble::new(Cause::BackendUnreachable, what).said(said).fix(fix)
}

fn denied(said: &str, about: &About<'_>) -> Trouble {
    let what = format!("you may not use {} at {}", about.engine, about.at);
    let fix = match about.engine {
        "Podman" => "use your own: systemctl --user start podman.socket",
        _ => {
            "join the group that may: sudo usermod -aG docker $USER, then log in again (who is in it rules this \
             machine); or use rootless Docker: https://docs.docker.com/engine/security/rootless/"
        }
    };
    Trouble::new(Cause::BackendDenied, what).said(said).fix(fix)
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::Said(Some(status_code), message.trim().to_owned())
            }
            Error::DockerStreamError { error } => Self::Said(None, error),
            Error::RequestTimeoutError => Self::Lost("no answer in time".to_owned()),
            Error::SocketNotFoundError(path) => Self::Lost(format!("there is no {path}")),
            error if is_connection(&error) => {
                let said = root(&error);
                match is_forbidden(&error) {
                    true => Self::Denied(said),
                    false => Self::Lost(said),
                }
            }
            // Such as what is no JSON.
            error => Self::Said(None, error.to_string()),
        }
    }
}

fn is_connection(error: &Error) -> bool {
    matches!(
        error,
        Error::IOError { .. } | Error::HyperResponseError { .. } | Error::HyperLegacyError { .. }
    )
}

/// Whether the system forbade it.
fn is_forbidden(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = match error {
        // It passes for what it holds.
        Error::IOError { err } => Some(err),
        error => Some(error),
    };
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What is at the bottom of it.
fn root(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Lost(said) | Self::Denied(said) | Self::Said(_, said)) = self;
        f.write_str(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_removed_is_not_there_any_more() {
        let said = "can not get logs from container which is dead or marked for removal";
        assert!(Refusal::Said(Some(409), said.to_owned()).is_missing());
        let said = "removal of container 1f is already in progress";
        assert!(!Refusal::Said(Some(409), said.to_owned()).is_missing());
    }

    #[test]
    fn who_may_not_ask_is_told_how_to() {
        let error = Error::from(io::Error::from(io::ErrorKind::PermissionDenied));
        let refusal = Refusal::from(error);
        let of = |engine| {
            let (at, image, registry) = ("unix:///d.sock", "i", "r");
            let about = About { engine, at, name: "", image, registry, port: None };
            refusal.clone().of("list containers", &about)
        };
        for (engine, fix) in [("Docker", "usermod -aG docker"), ("Podman", "podman.socket")] {
            let trouble = of(engine);
            assert_eq!(trouble.cause, Cause::BackendDenied);
            assert!(trouble.said.contains("permission denied") && trouble.fix.contains(fix));
        }
    }
}
