//! What is not taken, whoever asks for it.

use std::path::{Component, Path};

use crate::{Cause, Mount, Trouble};

/// That something cannot be asked of a recipe.
pub(super) fn refused(what: impl Into<String>, fix: impl Into<String>) -> Trouble {
    Trouble::new(Cause::Recipe, what).fix(fix)
}

/// A name of a server, and of its container.
pub(super) fn name(name: &str) -> Result<(), Trouble> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_known = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if starts && (2..=128).contains(&name.len()) && name.chars().all(is_known) {
        return Ok(());
    }
    let what = format!("a server cannot be called {name:?}");
    Err(refused(
        what,
        "2 to 128 letters, digits, `_`, `.` and `-`, of which the first is a letter or a digit",
    ))
}

/// A name of a variable.
pub(super) fn variable(name: &str) -> Result<(), Trouble> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    let fix = "letters, digits and `_`; of a secret the name alone, never NAME=VALUE";
    // It may well be a key that was given in the place of its name.
    Err(refused("that is no name of a variable", fix))
}

/// A text that is given to a server in its environment: no secret is.
pub(super) fn open_text(name: &str, value: &str) -> Result<(), Trouble> {
    no_control(value)?;
    let upper = name.to_ascii_uppercase();
    let ends = ["_KEY", "_TOKEN", "_SECRET", "PASSWORD", "_CREDENTIALS"];
    let is_secret = ["KEY", "TOKEN", "SECRET"].contains(&&*upper)
        || ends.iter().any(|end| upper.ends_with(end))
        || looks_secret(value);
    if !is_secret || value.is_empty() {
        return Ok(());
    }
    let fix = format!(
        "set {name} here, and pass it on by its name, as a secret: `{name}` without a value"
    );
    Err(refused(
        format!("the variable {name} looks like a secret, and would be seen by others"),
        fix,
    ))
}

/// An argument that is given to a server: no secret is, for whoever is on this machine can read it.
pub(super) fn argument(word: &str) -> Result<(), Trouble> {
    no_control(word)?;
    match word.split(['=', ' ', '"']).any(looks_secret) {
        true => Err(shown("an argument")),
        false => Ok(()),
    }
}

/// Flags whose values are secrets, whatever the engine.
pub(super) const KEYS: [&str; 3] = ["--api-key", "--hf-token", "--token"];

/// What everybody would see, and nobody is to.
pub(super) fn shown(what: &str) -> Trouble {
    refused(
        format!("{what} looks like a secret, and would be seen by others"),
        "set a variable that the engine reads, and pass it on by its name, as a secret",
    )
}

/// Whether it begins as keys of Hugging Face, NGC and OpenAI do, and is as long.
fn looks_secret(text: &str) -> bool {
    text.len() > 20 && ["hf_", "nvapi-", "sk-"].iter().any(|begin| text.starts_with(begin))
}

/// Nothing that a terminal would act on where it is shown, and no NUL, at which the system would end it.
fn no_control(text: &str) -> Result<(), Trouble> {
    match text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        true => Err(refused("a text holds a control character", "leave it out")),
        false => Ok(()),
    }
}

/// A folder or a file that a container is to see.
pub(super) fn mount(mount: &Mount) -> Result<(), Trouble> {
    let Mount { outside, inside, .. } = mount;
    let what = |why: &str| format!("{} cannot be mounted at {inside}: {why}", outside.display());
    let plain = |path: &Path| {
        path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
    };
    if !plain(outside) || !plain(Path::new(inside)) {
        return Err(refused(what("a path is not absolute"), "paths from `/` on, without `..`"));
    }
    if inside.chars().chain(outside.to_string_lossy().chars()).any(|c| c == ':' || c.is_control()) {
        return Err(refused(what("a path holds a colon"), "another path, which a link may be"));
    }
    let is_root = |path: &Path| path.components().count() < 2;
    if is_root(outside) || is_root(Path::new(inside)) {
        return Err(refused(what("that is everything"), "name the folder that it needs"));
    }
    let is_engines = outside.extension().is_some_and(|end| end == "sock")
        || ["/run", "/var/run", "/proc", "/sys", "/dev", "/etc", "/var/lib/docker"]
            .iter()
            .any(|folder| outside == Path::new(folder));
    match is_engines {
        true => Err(refused(
            what("who has that has this machine"),
            "leave it out: no server that is measured needs it",
        )),
        false => Ok(()),
    }
}

/// A name of a model, or of an image: it is an argument, and must not be taken for a flag.
pub(super) fn reference(text: &str, of: &str) -> Result<(), Trouble> {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "_.-/:@+=~".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_plain = !text.split('/').any(|part| part.is_empty() || part == "..");
    if starts && is_plain && text.len() <= 512 && text.chars().all(is_known) {
        return Ok(());
    }
    Err(refused(
        format!("{text:?} is no name of {of}"),
        "letters, digits and `_.-/:@`, a letter or a digit first; a folder or a file of this machine by a path that is there",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_docker_takes() {
        for good in ["a1", "inferbench-vllm-x_1.2", "0a"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "-a", ".a", "a/b", "a b", "é1", "a\n", &"a".repeat(129)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_passed_by_its_name() {
        let key = "nvapi-0123456789abcdefghij";
        for (name, value) in [
            ("NGC_API_KEY", "x"),
            ("hf_token", "x"),
            ("DB_PASSWORD", "x"),
            ("A", key),
            ("KEY", "x"),
        ] {
            let trouble = open_text(name, value).unwrap_err();
            assert!(!format!("{trouble:?}").contains(key), "{name}");
        }
        for (name, value) in [
            ("NIM_LOG_LEVEL", "INFO"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("HF_TOKEN", ""),
            ("A", "sk-x"),
        ] {
            assert!(open_text(name, value).is_ok(), "{name}");
        }
        assert!(argument(&format!("--token={key}")).is_err() && argument("--max-len=1").is_ok());
        assert!(variable("HF_TOKEN").is_ok());
        assert!(!format!("{:?}", variable(&format!("HF_TOKEN={key}")).unwrap_err()).contains(key));
        assert!(argument("a\0b").is_err() && open_text("A", "\x1b[2J").is_err());
        assert!(argument("{% if a %}\n\tb").is_ok());
    }

    #[test]
    fn what_would_give_the_machine_away_is_not_mounted() {
        let check = |outside: &str, inside: &str| {
            mount(&Mount { outside: outside.into(), inside: inside.into(), read_only: false })
        };
        assert!(check("/srv/models", "/models").is_ok());
        for (outside, inside) in [
            ("/", "/host"),
            ("/srv", "/"),
            ("/var/run/docker.sock", "/var/run/docker.sock"),
            ("/run/user/1000/podman/podman.sock", "/s"),
            ("/var/run", "/x"),
            ("models", "/models"),
            ("/srv/models", "models"),
            ("/srv/../..", "/x"),
            ("/srv/models", "/models/../.."),
            ("/srv/a:b", "/x"),
            ("/srv/a", "/x:rw"),
        ] {
            assert!(check(outside, inside).is_err(), "{outside} at {inside}");
        }
    }

    #[test]
    fn references_are_no_flags_and_no_paths() {
        for good in ["Qwen/Qwen3-0.6B", "ggml-org/gemma-GGUF:Q4_K_M", "llama3.2", "a@sha256:00"] {
            assert!(reference(good, "a model").is_ok(), "{good}");
        }
        for bad in ["", "--model", "/srv/none", "a b", "../x", "a/../b", "a//b", "a\nb", "$(x)"] {
            assert!(reference(bad, "a model").is_err(), "{bad}");
        }
    }
}
