//! What goes wrong before, around or after a measurement; and the exit codes of everything.

use std::fmt;

/// The exit codes: an API, kept stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Exit {
    /// Measured; trusted or doubtful.
    Ok = 0,
    /// The command line or the plan is wrong.
    Usage = 2,
    /// Measured, but the numbers are void; of `doctor`, that something stands in the way of a run.
    Void = 3,
    /// The target could not be reached, or refused, before the start.
    Target = 5,
    /// More requests failed than the gate lets pass, or none succeeded.
    Failed = 6,
    /// A server that was to be started did not come up, or ended by itself.
    Server = 7,
    /// This machine had too little of something: files, ports, disk, memory.
    Resource = 8,
    /// Measured in part: a target was lost, or could not be reached, and the others, or the time before, were
    /// measured.
    Partial = 9,
    /// A bug of inferbench.
    Bug = 70,
    /// Worse than the baseline, beyond noise and beyond the limit.
    Regression = 98,
    /// A goal was missed.
    GoalMissed = 99,
    /// Stopped by the user; what was measured is kept.
    Interrupted = 130,
    /// Stopped by a signal; what was measured is kept.
    Terminated = 143,
}

impl Exit {
    /// The one that is told where both apply: 70, 130 or 143, 8, 7, 5, 9, 6, 3, 99, 98, in this order. With 2
    /// nothing was measured.
    pub fn or_worse(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Regression => 1,
            Self::GoalMissed => 2,
            Self::Void => 3,
            Self::Failed => 4,
            Self::Partial => 5,
            Self::Target => 6,
            Self::Server => 7,
            Self::Resource => 8,
            Self::Interrupted | Self::Terminated => 9,
            Self::Bug => 10,
            Self::Usage => 11,
        }
    }
}

/// A failure's stable name, `IB…`: what `explain` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// A setting that is no valid one.
    Setting,
    /// A plan that says what it cannot.
    Plan,
    /// The server's address is none.
    Address,
    /// No run, or not one, is what a reference names.
    Reference,
    /// The files of a run cannot be used.
    RunFiles,
    /// Nobody answers there.
    Unreachable,
    /// The server answers, but not as an inference server.
    NoServer,
    /// The server wants another key.
    Key,
    /// The server does not offer the model.
    Model,
    /// The server offers several models, and none was chosen.
    ModelChoice,
    /// The tokenizer cannot be used.
    Tokenizer,
    /// The prompts cannot be made.
    Prompts,
    /// A file of what to send cannot be used.
    Input,
    /// Files, ports or memory do not suffice.
    Resource,
    /// The results cannot be written.
    Artifacts,
    /// The simulator cannot be started.
    Simulator,
    /// Docker or Podman cannot be used.
    Backend,
    /// An image is not to be had.
    Image,
    /// A server cannot be started.
    Start,
    /// A server that was started ended by itself.
    ServerEnded,
    /// A server was not ready in time.
    NotReady,
    /// The user stopped waiting for a server.
    Stopped,
    /// There is no such server of ours.
    UnknownServer,
    /// A bug of inferbench.
    Bug,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 24] = [
        Self::Setting,
        Self::Plan,
        Self::Address,
        Self::Reference,
        Self::RunFiles,
        Self::Unreachable,
        Self::NoServer,
        Self::Key,
        Self::Model,
        Self::ModelChoice,
        Self::Tokenizer,
        Self::Prompts,
        Self::Input,
        Self::Resource,
        Self::Artifacts,
        Self::Simulator,
        Self::Backend,
        Self::Image,
        Self::Start,
        Self::ServerEnded,
        Self::NotReady,
        Self::Stopped,
        Self::UnknownServer,
        Self::Bug,
    ];

    /// Its name, exit code, and what it means, in a sentence or two.
    const fn entry(self) -> (&'static str, Exit, &'static str) {
        match self {
            Self::Setting => {
                ("IB101", Exit::Usage, "A flag or a setting has a value that it cannot have.")
            }
            Self::Plan => (
                "IB103",
                Exit::Usage,
                "The plan file has mistakes: each is named with its line. `inferbench plan schema` prints what \
                 a plan may say, `inferbench plan validate FILE` checks one without running it.",
            ),
            Self::Address => {
                ("IB102", Exit::Usage, "The server's address is no http or https URL.")
            }
            Self::Reference => (
                "IB104",
                Exit::Usage,
                "The reference names no run, or several where one is wanted. Runs are named by @last, @prev, \
                 @baseline, an id or its first letters, tag:NAME, a pattern of <id>-<name>, or a path.",
            ),
            Self::RunFiles => (
                "IB105",
                Exit::Usage,
                "The files of a run cannot be used: it is being measured, was damaged or changed by hand, was \
                 written by a newer inferbench, or is no run at all. Nothing was changed.",
            ),
            Self::Unreachable => (
                "IB201",
                Exit::Target,
                "Nothing answered at the address within the time for a connection. Nothing was measured. \
                 If the server is still starting, --wait-ready waits for it.",
            ),
            Self::NoServer => (
                "IB202",
                Exit::Target,
                "Something answered, but gave no list of models under /v1/models. The address may be that of \
                 another program, or lack a part of its path.",
            ),
            Self::Model => (
                "IB203",
                Exit::Target,
                "The server does not offer the model that was asked for. Names must be the server's own, \
                 which its list of models gives.",
            ),
            Self::ModelChoice => (
                "IB204",
                Exit::Usage,
                "The server offers several models or lists none, and none was chosen with -m.",
            ),
            Self::Key => (
                "IB205",
                Exit::Target,
                "The server wants a key, or another one. Keys are read from --api-key-file, or from \
                 INFERBENCH_API_KEY, OPENAI_API_KEY or NGC_API_KEY, and never kept.",
            ),
            Self::Tokenizer => (
                "IB301",
                Exit::Usage,
                "The tokenizer is missing or is none. Give its file, its folder, the name of a model that was \
                 downloaded, cl100k_base, o200k_base, or `server`; nothing is ever downloaded. Without --tokenizer an approximate one is used, and the report says so.",
            ),
            Self::Prompts => ("IB302", Exit::Usage, "The prompts could not be made as asked for."),
            Self::Input => (
                "IB303",
                Exit::Usage,
                "The file of what to send is missing, or is not what it should be. The message names the line and \
                 what is wrong there; `inferbench dataset check FILE` reads a file without sending anything.",
            ),
            Self::Resource => (
                "IB401",
                Exit::Resource,
                "This machine lets the process have fewer open files, ports or threads than the load needs.",
            ),
            Self::Artifacts => (
                "IB402",
                Exit::Resource,
                "The directory for results cannot be written, or the disk is full. What was written before \
                 is kept and readable.",
            ),
            Self::Simulator => {
                ("IB403", Exit::Resource, "The built-in simulator could not be started.")
            }
            Self::Backend => (
                "IB501",
                Exit::Server,
                "Servers run in containers of Docker or Podman, and whichever was asked for cannot be used: it does \
                 not run, this user may not use it, or it failed. `with: process` starts a server without either.",
            ),
            Self::Image => (
                "IB502",
                Exit::Server,
                "The image of a server is not to be had: there is none of that name or version, the registry wants a \
                 login, gives no more for now, or cannot be reached.",
            ),
            Self::Start => (
                "IB503",
                Exit::Server,
                "A server could not be started: a key or the model is missing, its port or its name is taken, GPUs cannot \
                 be given to containers, its program is not there, a disk is full, or a limit is more than this machine \
                 has. Nothing is left of it.",
            ),
            Self::ServerEnded => (
                "IB504",
                Exit::Server,
                "A server that was started ended by itself, before it was ready or while it was measured. What it said \
                 last tells why. What was measured before is kept.",
            ),
            Self::NotReady => (
                "IB505",
                Exit::Server,
                "A server that was started did not answer with a token in time, and was taken down. Large models take \
                 longer: --ready-within, or `ready_within` in a plan.",
            ),
            Self::Stopped => (
                "IB506",
                Exit::Interrupted,
                "The user stopped waiting for a server, which was taken down.",
            ),
            Self::UnknownServer => (
                "IB507",
                Exit::Usage,
                "There is no server of that name that inferbench has started. `inferbench servers` lists them; others \
                 are never touched.",
            ),
            Self::Bug => (
                "IB900",
                Exit::Bug,
                "A part of inferbench, or a plug-in, panicked. What was measured before is kept. Please \
                 report it.",
            ),
        }
    }

    /// Its name, such as `IB203`.
    pub const fn name(self) -> &'static str {
        self.entry().0
    }

    /// The exit code that goes with it.
    pub const fn exit(self) -> Exit {
        self.entry().1
    }

    /// What it means.
    pub const fn explanation(self) -> &'static str {
        self.entry().2
    }
}

/// What went wrong, in the words that a user needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which failure.
    pub code: Code,
    /// What went wrong, with the values concerned.
    pub what: String,
    /// What the server, the system or a file said.
    pub said: Option<String>,
    /// What there is instead.
    pub has: Option<String>,
    /// What to do: a flag or a command to paste.
    pub fix: Option<String>,
}

impl Failure {
    /// A failure with nothing but its words.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), said: None, has: None, fix: None }
    }

    /// The same failure, with what somebody said.
    pub fn said(mut self, said: impl Into<String>) -> Self {
        self.said = Some(said.into()).filter(|said| !said.is_empty());
        self
    }

    /// The same failure, with what there is instead.
    pub fn has(mut self, has: impl Into<String>) -> Self {
        self.has = Some(has.into());
        self
    }

    /// The same failure, with what to do.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The same failure, with the causes of `error`, from the outermost in.
    pub fn caused_by(self, error: &dyn std::error::Error) -> Self {
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            said = format!("{said}: {inner}");
            cause = inner.source();
        }
        self.said(said)
    }
}

impl std::error::Error for Failure {}

/// The first line alone: `[IB203] target … does not offer model …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code.name(), self.what)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_worst_is_told() {
        use Exit::{
            Bug, Failed, GoalMissed, Interrupted, Ok, Partial, Regression, Resource, Server,
            Target, Terminated, Void,
        };
        let in_order = [
            Bug,
            Interrupted,
            Resource,
            Server,
            Target,
            Partial,
            Failed,
            Void,
            GoalMissed,
            Regression,
            Ok,
        ];
        for pair in in_order.windows(2) {
            assert_eq!((pair[0].or_worse(pair[1]), pair[1].or_worse(pair[0])), (pair[0], pair[0]));
        }
        assert_eq!(Interrupted.or_worse(Terminated), Interrupted, "the first one");
    }

    #[test]
    fn names_are_unique_and_explained() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.explanation().len() > 40 && code.exit() != Exit::Ok);
        }
    }
}
