//! How people name a run: `@last`, `7Q4K`, `tag:nightly`, `*nightly*`, a path.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use super::{Entry, History};
use crate::{ReadError, RunDirectory};

/// Candidates that an error names.
const SHOWN: usize = 5;

/// A reference that names no run, or not one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is no such run: choose among those there are.
    #[error("\"{reference}\" names no run below {}", root.display())]
    Unknown {
        /// What was asked for.
        reference: String,
        /// Where was looked.
        root: PathBuf,
        /// What there is instead.
        has: String,
    },
    /// There are several such runs, and one was asked for.
    #[error("\"{reference}\" names {count} runs")]
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// How many.
        count: usize,
        /// Which.
        has: String,
    },
    /// The path that was named holds none.
    #[error(transparent)]
    NotARun(ReadError),
}

impl ResolveError {
    /// What there is instead, in a line.
    pub fn has(&self) -> Option<&str> {
        match self {
            Self::Unknown { has, .. } | Self::Ambiguous { has, .. } => Some(has),
            Self::NotARun(_) => None,
        }
    }
}

impl History {
    /// The run that `reference` names:
    ///
    /// - `@last`, `@prev`: the newest run with a result, and the one before it;
    /// - `@baseline`: the newest one that is marked so;
    /// - `tag:nightly`: the newest one with this tag;
    /// - `7Q4K`, or as many of its letters as no other id begins with, in either case;
    /// - `7Q4K-chat`, the name of its directory, or a pattern of it with `*` and `?`;
    /// - a path, which may lead anywhere.
    ///
    /// # Errors
    ///
    /// When it names none or several, with what there is instead.
    pub fn resolve(&self, reference: &str) -> Result<Entry, ResolveError> {
        let mut found = self.find(reference)?;
        if found.len() > 1 {
            return Err(ResolveError::Ambiguous {
                reference: reference.to_owned(),
                count: found.len(),
                has: names(found.iter()),
            });
        }
        found.pop().ok_or_else(|| self.unknown(reference))
    }

    /// The runs that `references` name, each once: also all those that a pattern or a tag fits.
    ///
    /// # Errors
    ///
    /// When one of them names none, or an id several.
    pub fn resolve_all<S: AsRef<str>>(&self, references: &[S]) -> Result<Vec<Entry>, ResolveError> {
        let mut all: Vec<Entry> = Vec::new();
        for reference in references {
            let reference = reference.as_ref();
            let found = match reference.strip_prefix("tag:") {
                Some(tag) => self.tagged(tag).cloned().collect(),
                None if is_pattern(reference) => self.find(reference)?,
                None => vec![self.resolve(reference)?],
            };
            if found.is_empty() {
                return Err(self.unknown(reference));
            }
            all.extend(found);
        }
        let mut seen = std::collections::HashSet::new();
        all.retain(|entry| seen.insert(entry.path.clone()));
        Ok(all)
    }

    /// The runs without a result that `@last` and `@prev` pass over: they are newer than the one that is named.
    pub fn passed_over(&self, reference: &str) -> Vec<&Entry> {
        let place = match reference {
            "@last" => 0,
            "@prev" => 1,
            _ => return Vec::new(),
        };
        let Some(named) = self.with_result().nth(place) else { return Vec::new() };
        let newer = self.entries.iter().take_while(|entry| entry.path != named.path);
        newer.filter(|entry| !entry.has_result()).collect()
    }

    fn find(&self, reference: &str) -> Result<Vec<Entry>, ResolveError> {
        let one = |entry: Option<&Entry>| Ok(entry.cloned().into_iter().collect());
        match reference {
            "@last" => return one(self.with_result().next()),
            "@prev" => return one(self.with_result().nth(1)),
            "@baseline" => return one(self.entries.iter().find(|entry| entry.baseline)),
            _ => {}
        }
        if let Some(tag) = reference.strip_prefix("tag:") {
            return one(self.tagged(tag).next());
        }
        if reference.contains(['/', std::path::MAIN_SEPARATOR]) {
            return at(Path::new(reference)).map(|entry| vec![entry]);
        }
        if is_pattern(reference) {
            let fits = |entry: &&Entry| fits(reference, entry.directory_name());
            return Ok(self.entries.iter().filter(fits).cloned().collect());
        }
        let found = self.by_id(reference);
        if found.is_empty() && Path::new(reference).is_dir() {
            return at(Path::new(reference)).map(|entry| vec![entry]);
        }
        Ok(found)
    }

    fn with_result(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.has_result())
    }

    fn tagged(&self, tag: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.tags.contains(tag))
    }

    /// Whole names and whole ids go before beginnings of ids.
    fn by_id(&self, reference: &str) -> Vec<Entry> {
        let id = spelled(reference);
        let among = |holds: &dyn Fn(&Entry) -> bool| -> Vec<Entry> {
            self.entries.iter().filter(|entry| holds(entry)).cloned().collect()
        };
        let named = among(&|entry| entry.directory_name() == reference);
        if !named.is_empty() {
            return named;
        }
        let exact = among(&|entry| entry.id.eq_ignore_ascii_case(reference) || entry.id == id);
        if !exact.is_empty() || id.is_empty() {
            return exact;
        }
        among(&|entry| entry.id.to_ascii_uppercase().starts_with(&id))
    }

    fn unknown(&self, reference: &str) -> ResolveError {
        let tags: std::collections::BTreeSet<&str> =
            self.entries.iter().flat_map(|entry| &entry.tags).map(String::as_str).collect();
        let has = match reference {
            _ if self.entries.is_empty() => "no runs at all".to_owned(),
            "@last" | "@prev" => {
                format!(
                    "{} with a result: {}",
                    self.with_result().count(),
                    names(self.with_result())
                )
            }
            "@baseline" => "none that is marked as the baseline".to_owned(),
            _ if reference.starts_with('@') => "@last, @prev and @baseline".to_owned(),
            _ if reference.starts_with("tag:") && tags.is_empty() => "no tags".to_owned(),
            _ if reference.starts_with("tag:") => {
                let tags: Vec<&str> = tags.into_iter().collect();
                format!("tags {}", tags.join(", "))
            }
            _ => names(self.entries.iter()),
        };
        let (reference, root) = (reference.to_owned(), self.root.clone());
        ResolveError::Unknown { reference, root, has }
    }
}

fn at(path: &Path) -> Result<Entry, ResolveError> {
    // Without `..` and the like, the last part is the name of the directory.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    RunDirectory::open(&path).map_err(ResolveError::NotARun)?;
    Ok(Entry::read(&path))
}

/// As ids are spelled: in capitals, and with digits for the letters that are taken for them.
fn spelled(id: &str) -> String {
    let digit = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    id.chars().map(digit).collect()
}

/// The first names of `entries`, and how many there are beside.
fn names<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let names: Vec<&str> = entries.map(Entry::directory_name).collect();
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether `pattern`, in which `*` is any text and `?` any character, fits all of `text`, in either case.
fn fits(pattern: &str, text: &str) -> bool {
    let lower = |text: &str| -> Vec<char> { text.to_lowercase().chars().collect() };
    let (pattern, text) = (lower(pattern), lower(text));
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and up to where it reaches.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, reach)) = star {
            star = Some((at, reach + 1));
            (p, t) = (at + 1, reach + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, text, expected) in [
            ("*nightly*", "7Q4K-nightly-2", true),
            ("*NIGHTLY", "7Q4K-nightly", true),
            ("7?4K-*", "7Q4K-chat", true),
            ("*", "", true),
            ("?", "", false),
            ("*a*b*c", "xxaxxbxxbc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("chat", "7Q4K-chat", false),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn ids_are_spelled_as_they_are_read() {
        assert_eq!(spelled("7qiO"), "7Q10");
    }
}
