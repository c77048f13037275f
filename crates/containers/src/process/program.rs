//! The program that is a server: where it is, and what it is given beside its arguments.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{Cause, EngineName, Environment, Gpus, Launch, Program, Trouble};

/// No machine has more.
const MOST_GPUS: usize = 1 << 10;

/// Where a launch's program is.
///
/// # Errors
///
/// When it is not installed, cannot be run, or is no program but an image.
pub(super) fn find(environment: &Environment, launch: &Launch) -> Result<PathBuf, Trouble> {
    let program = match &launch.program {
        Program::Process(program) => program,
        Program::Image { image, .. } => {
            let what = format!("{image} is an image of a container, and no program");
            return Err(Trouble::new(Cause::Recipe, what)
                .fix("start it in a container: --with docker; or give a program with --program"));
        }
    };
    look_for(environment, program).ok_or_else(|| missing(launch.engine, program))
}

/// A program of that name in `PATH`, or at that path.
pub(super) fn look_for(environment: &Environment, program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 || program.is_absolute() {
        // Whoever starts it may be elsewhere.
        return std::path::absolute(program).ok().filter(|path| is_program(path));
    }
    let path = environment.var("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn missing(engine: EngineName, program: &Path) -> Trouble {
    let shown = program.display();
    let what = match fs::metadata(program) {
        Ok(file) if program.is_absolute() && file.is_file() => {
            format!("{shown} may not be run as a program")
        }
        _ if program.components().count() > 1 => format!("there is no program {shown}"),
        _ => format!("there is no program `{shown}` in PATH"),
    };
    Trouble::new(Cause::ProgramMissing, what).fix(install(engine))
}

/// How an engine is installed.
const fn install(engine: EngineName) -> &'static str {
    match engine {
        EngineName::Vllm => {
            "install it into an environment and activate that: pip install vllm; \
             or start it in a container: --with docker"
        }
        EngineName::Sglang => {
            "install it into an environment and activate that: pip install \"sglang[all]\"; \
             or start it in a container: --with docker"
        }
        EngineName::TrtLlm => {
            "install it into an environment and activate that: pip install tensorrt-llm; \
             or start it in a container: --with docker"
        }
        EngineName::LlamaCpp => {
            "install it: brew install llama.cpp, or build it from https://github.com/ggml-org/llama.cpp; \
             or start it in a container: --with docker"
        }
        EngineName::Ollama => {
            "install it: https://ollama.com/download; or start it in a container: --with docker"
        }
        EngineName::Nim => "NIM comes as an image alone: --with docker",
        EngineName::Custom => "give its path with --program",
    }
}

/// What tells CUDA which GPUs there are; `inherited` is what tells us.
pub(super) fn visible_gpus(gpus: &Gpus, inherited: Option<&str>) -> Option<String> {
    match gpus {
        Gpus::All => None,
        Gpus::None => Some(String::new()),
        Gpus::Devices(devices) => Some(devices.join(",")),
        Gpus::Count(count) => {
            let count = usize::try_from(*count).unwrap_or(usize::MAX).min(MOST_GPUS);
            Some(match inherited {
                Some(ours) => ours.split(',').take(count).collect::<Vec<_>>().join(","),
                None => (0..count).map(|gpu| gpu.to_string()).collect::<Vec<_>>().join(","),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_in_path_and_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let [program, text] = ["server", "text"].map(|name| folder.path().join(name));
        fs::write(&program, "").unwrap();
        fs::write(&text, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("/nowhere:{}", folder.path().display());
        let environment = Environment::of([("PATH", path)]);
        let found = |program: &Path| look_for(&environment, program);
        assert_eq!(found(Path::new("server")), Some(program.clone()));
        assert_eq!(found(&program), Some(program));
        assert_eq!(found(Path::new("text")), None);
        assert_eq!(found(folder.path()), None);
        let trouble = missing(EngineName::LlamaCpp, Path::new("llama-server"));
        assert_eq!(trouble.cause, Cause::ProgramMissing);
        assert_eq!(trouble.what, "there is no program `llama-server` in PATH");
        assert!(trouble.fix.contains("brew install llama.cpp"));
        let trouble = missing(EngineName::Custom, &text);
        assert!(trouble.what.ends_with("may not be run as a program"), "{trouble}");
    }

    #[test]
    fn gpus_are_those_that_are_asked_for_of_those_that_we_have() {
        let check = |gpus: &str, inherited, expected: Option<&str>| {
            let gpus: Gpus = gpus.parse().unwrap();
            assert_eq!(visible_gpus(&gpus, inherited).as_deref(), expected, "{gpus}");
        };
        check("all", Some("4,5"), None);
        check("none", Some("4,5"), Some(""));
        check("2", None, Some("0,1"));
        check("2", Some("4,5,6"), Some("4,5"));
        check("device=1,GPU-a", Some("4,5"), Some("1,GPU-a"));
    }
}
