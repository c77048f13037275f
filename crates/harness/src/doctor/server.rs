//! The server: whether it answers, and how.

use bench_core::Readiness;
use bench_providers::Endpoint;
use bench_telemetry::processes::{Pid, ProcessesError};

use super::{Finding, counted};
use crate::{Failure, KeepsLength, Probed, Server, Settings, probe, telemetry::server_pids};

/// A server that was asked, and who that is on this machine.
#[derive(Debug)]
pub(super) struct Served {
    asked: Result<Answered, Failure>,
    /// Where it is; absent of the built-in simulator.
    endpoint: Option<Endpoint>,
}

/// What of its answers is looked at.
#[derive(Clone, Debug)]
struct Answered {
    engine: String,
    version: Option<String>,
    models: usize,
    readiness: Readiness,
    /// What came of a question, where that is no answer.
    failed: Option<String>,
    /// Tokens of its answer and the events that they came in.
    tokens_in_events: Option<(u32, usize)>,
    keeps_length: KeepsLength,
    has_metrics: bool,
}

impl Served {
    pub(super) fn ask(settings: &Settings) -> Self {
        let endpoint = match &settings.targets[0].server {
            Server::At(endpoint) => Some(endpoint.clone()),
            _ => None,
        };
        Self { asked: probe(settings).map(|probed| Answered::of(&probed)), endpoint }
    }

    /// Those that it consists of, if it is on this machine.
    pub(super) fn processes(&self) -> Result<Option<Vec<Pid>>, ProcessesError> {
        self.endpoint.as_ref().map_or(Ok(None), server_pids)
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let answered = match &self.asked {
            Ok(answered) => answered,
            Err(failure) => return vec![unreachable(failure)],
        };
        vec![
            answered.check_server(),
            answered.check_length(),
            answered.check_chunks(),
            answered.check_metrics(),
        ]
    }
}

impl Answered {
    fn of(probed: &Probed) -> Self {
        let Probed { target, .. } = probed;
        let sample = &probed.answer().sample;
        let said = sample.error.as_deref().unwrap_or_default();
        let events = sample.generated().count();
        Self {
            engine: target.info.engine.clone().unwrap_or_else(|| target.engine.to_string()),
            version: target.info.version.clone(),
            models: target.info.models.len(),
            readiness: probed.readiness.clone(),
            failed: (!sample.outcome.is_ok()).then(|| format!("{}: {said}", sample.outcome)),
            tokens_in_events: sample.output_tokens().map(|(tokens, _)| (tokens, events)),
            keeps_length: probed.keeps_length(),
            has_metrics: probed.has_metrics,
        }
    }

    fn check_server(&self) -> Finding {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        let found = format!("{} {version}, {}", self.engine, counted(self.models, "model"));
        match (&self.readiness, &self.failed) {
            (Readiness::Loading(said), _) => {
                Finding::no("server", format!("{found}, is loading: {said}"))
                    .fix("--wait-ready 10m waits for it")
            }
            (Readiness::Down(said), _) => {
                Finding::no("server", format!("{found}, is not ready: {said}"))
            }
            (Readiness::Up, Some(failed)) => {
                Finding::no("server", format!("{found}; a question failed: {failed}"))
            }
            (Readiness::Up, None) => Finding::ok("server", format!("{found}, ready, answers")),
        }
    }

    fn check_length(&self) -> Finding {
        match self.keeps_length {
            KeepsLength::Yes => Finding::ok("length", "answers are as long as asked for"),
            KeepsLength::No => Finding::doubt(
                "length",
                "answers end where the model does, however long they were to be",
            ),
            KeepsLength::Refuses => {
                Finding::doubt("length", "it refuses to be asked for answers of a length")
                    .fix("--force-osl=false")
            }
            KeepsLength::Unknown => {
                Finding::unknown("length", "no answer tells whether lengths are kept")
            }
        }
    }

    fn check_chunks(&self) -> Finding {
        match self.tokens_in_events {
            Some((tokens, events)) if events > 0 => {
                let each = f64::from(tokens) / events as f64;
                let found = format!("{each:.1} tokens in a chunk, one request at a time");
                match each > 1.2 {
                    true => Finding::doubt(
                        "chunks",
                        format!("{found}: times between chunks are not between tokens"),
                    )
                    .fix("inferbench explain itl_ms"),
                    false => Finding::ok("chunks", found),
                }
            }
            _ => Finding::unknown("chunks", "no answer tells how many tokens are in a chunk"),
        }
    }

    fn check_metrics(&self) -> Finding {
        match self.has_metrics {
            true => Finding::ok("metrics", "it tells what it counts"),
            false => Finding::doubt(
                "metrics",
                "it does not tell what it counts, such as its queue and its cache",
            ),
        }
    }
}

/// A server that could not be found or asked, in one line.
fn unreachable(failure: &Failure) -> Finding {
    let Failure { code, what, said, has, fix } = failure;
    let mut found = format!("[{}] {what}", code.name());
    for text in [said, has].into_iter().flatten() {
        found = format!("{found}; {text}");
    }
    let finding = Finding::no("server", found);
    match fix {
        Some(fix) => finding.fix(fix),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};
    use crate::Code;

    fn answered() -> Answered {
        Answered {
            engine: "vllm".to_owned(),
            version: Some("0.11.0".to_owned()),
            models: 1,
            readiness: Readiness::Up,
            failed: None,
            tokens_in_events: Some((32, 32)),
            keeps_length: KeepsLength::Yes,
            has_metrics: true,
        }
    }

    fn check(answered: Answered) -> Vec<(&'static str, State)> {
        let findings = Served { asked: Ok(answered), endpoint: None }.findings().into_iter();
        findings.filter(|f| f.state != State::Ok).map(|f| (f.check, f.state)).collect()
    }

    #[test]
    fn a_server_is_judged_by_its_answers() {
        assert_eq!(check(answered()), []);
        let up = || answered();
        let loading = Readiness::Loading("weights".to_owned());
        for (worse, name, state) in [
            (Answered { readiness: loading, ..up() }, "server", State::No),
            (Answered { readiness: Readiness::Down(String::new()), ..up() }, "server", State::No),
            (Answered { failed: Some("http 500: oops".to_owned()), ..up() }, "server", State::No),
            (Answered { keeps_length: KeepsLength::No, ..up() }, "length", State::Doubt),
            (Answered { keeps_length: KeepsLength::Refuses, ..up() }, "length", State::Doubt),
            (Answered { keeps_length: KeepsLength::Unknown, ..up() }, "length", State::Unknown),
            (Answered { tokens_in_events: Some((32, 8)), ..up() }, "chunks", State::Doubt),
            (Answered { tokens_in_events: Some((32, 0)), ..up() }, "chunks", State::Unknown),
            (Answered { tokens_in_events: None, ..up() }, "chunks", State::Unknown),
            (Answered { has_metrics: false, ..up() }, "metrics", State::Doubt),
        ] {
            assert_eq!(check(worse.clone()), [(name, state)], "{worse:?}");
        }
    }

    #[test]
    fn one_that_cannot_be_asked_stands_in_the_way() {
        let failure =
            Failure::new(Code::Unreachable, "nobody answers").said("refused").fix("start it");
        let found = Served { asked: Err(failure), endpoint: None }.findings();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state, State::No);
        assert!(found[0].found.ends_with("nobody answers; refused"), "{found:?}");
        assert_eq!(found[0].fix.as_deref(), Some("start it"));
    }
}
