//! The command line that comes of a translation.

use std::fmt;

use crate::flags::{FLAGS, quoted};

/// `inferbench run …`, and what is to be said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ours {
    flags: Vec<(String, Option<String>)>,
    notes: Vec<String>,
}

impl Ours {
    /// `flag value`.
    pub(super) fn set(&mut self, flag: &str, value: &str) {
        self.flags.push((flag.to_owned(), Some(value.to_owned())));
    }

    /// `flag` alone.
    pub(super) fn switch(&mut self, flag: &str) {
        if !self.has(flag) {
            self.flags.push((flag.to_owned(), None));
        }
    }

    /// Something that whoever runs it should know.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A header to send; one that holds a secret is not repeated.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        let (name, value) = (name.trim(), value.trim());
        let lower = name.to_ascii_lowercase();
        let is_secret = ["authorization", "key", "token", "secret", "cookie"];
        if is_secret.iter().any(|part| lower.contains(part)) {
            self.note(format!(
                "the header {name} holds a secret, which is not repeated: put it in a variable, and give \
                 --api-key-env VARIABLE for a bearer token, or -H '{name}: ${{VARIABLE}}'"
            ));
        } else {
            self.set("--header", &format!("{name}: {value}"));
        }
    }

    /// An API key that was typed; it is not repeated.
    pub(super) fn api_key(&mut self) {
        self.note(
            "the API key is not repeated: put it in INFERBENCH_API_KEY or OPENAI_API_KEY, or give --api-key-file FILE",
        );
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| name == flag)
    }

    /// The value that a flag has been given last.
    pub(super) fn value(&self, flag: &str) -> Option<&str> {
        let mut its = self.flags.iter().rev().filter(|(name, _)| name == flag);
        its.find_map(|(_, value)| value.as_deref())
    }

    /// Takes flags back.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.flags.retain(|(flag, _)| keep(flag));
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// As a program gets them.
    pub(super) fn words(&self) -> Vec<String> {
        let start = ["inferbench".to_owned(), "run".to_owned()];
        start.into_iter().chain(self.flags().into_iter().flat_map(words)).collect()
    }

    /// In the order of help.
    fn flags(&self) -> Vec<&(String, Option<String>)> {
        let place =
            |flag: &str| FLAGS.iter().position(|ours| flag.strip_prefix("--") == Some(ours.long));
        let mut flags: Vec<_> = self.flags.iter().collect();
        flags.sort_by_key(|(flag, _)| place(flag));
        flags
    }
}

/// A flag and its value as words; in one where the value looks like a flag itself.
fn words((flag, value): &(String, Option<String>)) -> Vec<String> {
    match value {
        Some(value) if value.starts_with('-') => vec![format!("{flag}={value}")],
        Some(value) => vec![flag.clone(), value.clone()],
        None => vec![flag.clone()],
    }
}

/// The most columns of a line, unless a value is longer.
const WIDTH: usize = 96;

/// As a shell reads it: no flag is apart from its value.
impl fmt::Display for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut column = "inferbench run".len();
        f.write_str("inferbench run")?;
        for flag in self.flags() {
            let text = quoted(&words(flag));
            if column + 1 + text.chars().count() > WIDTH {
                f.write_str(" \\\n   ")?;
                column = 3;
            }
            write!(f, " {text}")?;
            column += 1 + text.chars().count();
        }
        Ok(())
    }
}
