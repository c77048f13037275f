//! The command line that does what a launch does, for people to read and to run.

use crate::{
    EngineName, Gpus, Launch, Mount, Program, Pull, Ulimit, Variable, With, recipe::flags,
};

impl Launch {
    /// The command that starts it by hand: `docker run`, `podman run`, or the program itself, with what comes before and
    /// after it. Left out are labels, where its log is kept, and how long it may take to end. Secrets are in it by their
    /// names alone.
    ///
    /// It is for a POSIX shell.
    pub fn command(&self, with: With) -> String {
        let commands = match with {
            With::Docker => self.in_container("docker"),
            With::Podman => self.in_container("podman"),
            With::Process => self.clone().at_usual_port().as_process(),
        };
        commands.iter().map(Command::to_shell).collect::<Vec<_>>().join("\n")
    }

    /// Whoever starts it by hand chooses no free port.
    fn at_usual_port(self) -> Self {
        let port = self.place.outside.unwrap_or(self.place.inside);
        self.at_port(port)
    }

    fn as_process(&self) -> Vec<Command> {
        let program = match &self.program {
            Program::Process(program) => program.to_string_lossy().into_owned(),
            Program::Image { image, .. } => image.clone(),
        };
        let texts = self.env.iter().filter_map(|(name, variable)| match variable {
            Variable::Text(text) => Some((name.clone(), Value::Text(text.clone()))),
            Variable::Secret(_) => None,
        });
        let variables: Vec<_> = texts.chain(self.renamed_secrets()).collect();
        let after = |words: &Vec<String>| Command {
            variables: variables.clone(),
            lines: vec![words.clone()],
        };
        let lines = flags::lines(program, &self.args);
        let then = self.then.iter().map(after);
        [Command { variables: variables.clone(), lines }].into_iter().chain(then).collect()
    }

    fn in_container(&self, engine: &str) -> Vec<Command> {
        let run = Command { variables: self.renamed_secrets(), lines: self.run_lines(engine) };
        let within = |command: &Vec<String>| {
            Command::of([words([engine, "exec", &self.name]), command.clone()].concat())
        };
        let then = self.then.iter().map(within);
        self.folders().into_iter().chain([run]).chain(then).collect()
    }

    fn run_lines(&self, engine: &str) -> Vec<Vec<String>> {
        let (image, entrypoint) = match &self.program {
            Program::Image { image, entrypoint } => (image.clone(), entrypoint.clone()),
            Program::Process(program) => (program.to_string_lossy().into_owned(), None),
        };
        let mut lines = vec![words([engine, "run", "--detach"]), words(["--name", &self.name])];
        lines.extend(self.limits(engine));
        lines.extend(self.env.iter().map(|(name, variable)| match variable {
            Variable::Text(text) => words(["--env", &format!("{name}={text}")]),
            Variable::Secret(_) => words(["--env", name]),
        }));
        lines.extend(self.mounts.iter().map(|mount| words(["--volume", &volume(mount)])));
        let outside = self.place.outside.map(|port| port.to_string()).unwrap_or_default();
        lines.push(words(["--publish", &format!("127.0.0.1:{outside}:{}", self.place.inside)]));
        let pull = match self.pull {
            Pull::Missing => None,
            Pull::Always => Some("always"),
            Pull::Never => Some("never"),
        };
        lines.extend(pull.map(|when| words(["--pull", when])));
        // The command line takes one word alone of an entrypoint; the others come before the arguments.
        let mut before = entrypoint.into_iter().flatten();
        lines.extend(before.next().map(|first| words(["--entrypoint", &first])));
        let args = [before.collect(), self.args.clone()].concat();
        lines.extend(flags::lines(image, &args));
        lines
    }

    /// What has to be there before, as [`prepare_folders`](crate::prepare_folders) makes it: Docker makes other folders
    /// itself.
    fn folders(&self) -> Vec<Command> {
        let is_nims = self.engine == EngineName::Nim;
        let written = self.mounts.iter().filter(|mount| is_nims && !mount.read_only);
        let commands = written.flat_map(|mount| {
            let path = mount.outside.to_string_lossy();
            [words(["mkdir", "-p", &path]), words(["chmod", "-R", "a+w", &path])]
        });
        commands.map(Command::of).collect()
    }

    /// Secrets that are called otherwise here: as values, they would be seen among the arguments.
    fn renamed_secrets(&self) -> Vec<(String, Value)> {
        let renamed = self.env.iter().filter_map(|(name, variable)| match variable {
            Variable::Secret(ours) if ours != name => {
                Some((name.clone(), Value::Variable(ours.clone())))
            }
            Variable::Secret(_) | Variable::Text(_) => None,
        });
        renamed.collect()
    }

    fn limits(&self, engine: &str) -> Vec<Vec<String>> {
        let mut lines = gpus(&self.gpus, engine);
        let mut line = |flag: &str, value: Option<&str>| {
            lines.extend(value.map(|value| words([flag, value])));
        };
        line("--runtime", self.runtime.as_deref());
        line("--ipc", self.ipc_host.then_some("host"));
        line("--shm-size", self.shm_bytes.map(size).as_deref());
        line("--memory", self.memory_bytes.map(size).as_deref());
        line("--memory-swap", self.memory_bytes.map(size).as_deref());
        for Ulimit { name, value } in &self.ulimits {
            line("--ulimit", Some(&format!("{name}={value}")));
        }
        line("--user", self.user.as_deref());
        line("--security-opt", Some("no-new-privileges"));
        // Where SELinux is on, Podman's containers see neither folders nor GPUs of the host otherwise.
        let is_apart = engine == "podman" && (self.gpus != Gpus::None || !self.mounts.is_empty());
        line("--security-opt", is_apart.then_some("label=disable"));
        lines
    }
}

/// A command with the variables that it alone sees.
struct Command {
    variables: Vec<(String, Value)>,
    /// Its words, as they stand together.
    lines: Vec<Vec<String>>,
}

#[derive(Clone)]
enum Value {
    Text(String),
    /// Whatever a variable of the shell holds.
    Variable(String),
}

impl Command {
    fn of(words: Vec<String>) -> Self {
        Self { variables: Vec::new(), lines: vec![words] }
    }

    fn to_shell(&self) -> String {
        let variables = self.variables.iter().map(|(name, value)| match value {
            Value::Text(text) => format!("{name}={}", quoted(text)),
            Value::Variable(variable) => format!("{name}=\"${variable}\""),
        });
        let lines = self
            .lines
            .iter()
            .map(|words| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
        variables.chain(lines).collect::<Vec<_>>().join(" \\\n  ")
    }
}

/// A word as a POSIX shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn volume(Mount { outside, inside, read_only }: &Mount) -> String {
    let how = if *read_only { ":ro" } else { "" };
    format!("{}:{inside}{how}", outside.display())
}

fn gpus(gpus: &Gpus, engine: &str) -> Vec<Vec<String>> {
    // Podman knows GPUs as devices of the Container Device Interface.
    let device = |device: &str| words(["--device", &format!("nvidia.com/gpu={device}")]);
    match (gpus, engine) {
        (Gpus::None, _) => Vec::new(),
        (Gpus::All, "podman") => vec![device("all")],
        (Gpus::Count(count), "podman") => (0..*count).map(|gpu| device(&gpu.to_string())).collect(),
        (Gpus::Devices(devices), "podman") => devices.iter().map(|name| device(name)).collect(),
        // Docker reads the value as a line of CSV.
        (Gpus::Devices(devices), _) => {
            vec![words(["--gpus", &format!("\"device={}\"", devices.join(","))])]
        }
        (Gpus::All | Gpus::Count(_), _) => vec![words(["--gpus", &gpus.to_string()])],
    }
}

/// A size as Docker writes it.
fn size(bytes: u64) -> String {
    for (unit, factor) in [("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}b")
}

#[cfg(test)]
mod tests {
    use std::process;

    use proptest::prelude::*;

    use super::*;
    use crate::{Asked, HostFacts, Recipe};

    /// The words that a shell makes of a line.
    fn read_by_shell(line: &str) -> Vec<String> {
        let script = format!("printf '%s\\0' {line}");
        let output = process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(output.status.success(), "{line}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        for plain in ["a", "--port", "127.0.0.1:8000:8000", "--x=1", "/a/b-c_d", "100%"] {
            assert_eq!(quoted(plain), plain);
        }
        for (word, expected) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm -rf x)", "'$(rm -rf x)'"),
            ("~", "'~'"),
            (r#"{"a": 1}"#, r#"'{"a": 1}'"#),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn sizes_are_written_as_docker_reads_them() {
        let sizes = [16 << 30, 1536 << 20, 3 << 10, 1, 0].map(size);
        assert_eq!(sizes, ["16g", "1536m", "3k", "1b", "0b"]);
    }

    #[test]
    fn a_shell_gives_docker_the_words_that_are_meant() {
        let model = "meta/llama-3.1-8b-instruct".to_owned();
        let args = vec!["--chat-template".to_owned(), "{{ it's\n$HOME }}".to_owned()];
        let asked = Asked { model, args, ..Asked::default() };
        let set = ["NGC_API_KEY".to_owned()].into();
        let host = HostFacts { home: Some("/users/ann lee".into()), set, ..HostFacts::default() };
        let mut launch = Recipe::of(EngineName::Nim).launch(&asked, &host).unwrap();
        launch.then.push(words(["echo", "a b"]));
        launch.env.insert("INSIDE".to_owned(), Variable::Secret("OUTSIDE".to_owned()));
        let names: Vec<_> = launch
            .in_container("docker")
            .into_iter()
            .flat_map(|command| command.lines)
            .flatten()
            .collect();
        let report = "report() { printf '%s\\0' \"$@\"; };";
        let functions = ["docker", "mkdir", "chmod"]
            .map(|name| format!("{name}() {{ report {name} \"$@\"; }};"));
        let script = format!("{report} {}\n{}", functions.concat(), launch.command(With::Docker));
        let output = process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.trim_end_matches('\0').split('\0').collect::<Vec<_>>(), names);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_the_words_back(
            words in prop::collection::vec("[ -~\n\täé\u{202e}]{1,12}", 1..6),
        ) {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(read_by_shell(&line), words);
        }
    }
}
