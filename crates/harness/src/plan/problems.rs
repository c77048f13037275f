//! What is wrong with a plan: all of it at once.

use std::fmt;

use super::Origin;
use crate::{Code, Failure};

/// A mistake in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value or the key stands.
    pub at: Origin,
    /// Its path, such as `load.concurrency`; empty for the plan as a whole.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
    /// What was perhaps meant.
    pub did_you_mean: Option<String>,
}

impl Problem {
    /// A mistake at `path`.
    pub fn new(at: Origin, path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at, path: path.into(), what: what.into(), did_you_mean: None }
    }

    /// The line of the plan file, if it is there.
    pub fn line(&self) -> Option<usize> {
        match self.at {
            Origin::File { line, .. } if line > 0 => Some(line),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Origin::Default => {}
            at => write!(f, "{at}: ")?,
        }
        let path = match &self.at {
            Origin::Flag(flag) => within(flag, &self.path),
            _ => &self.path,
        };
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.did_you_mean {
            Some(meant) => write!(f, "; did you mean {meant}?"),
            None => Ok(()),
        }
    }
}

/// What of a path a flag does not say by itself: nothing, unless it has keys of its own.
fn within<'p>(flag: &str, path: &'p str) -> &'p str {
    let of_target = path.strip_prefix("targets[").and_then(|path| path.split_once("]."));
    let of_target = of_target.map_or("", |(_, key)| key);
    match flag {
        "--target" => of_target,
        "--up" => of_target.strip_prefix("up.").unwrap_or_default(),
        _ => "",
    }
}

/// Everything that is wrong with a plan: at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Problems said at most; who has made more has taken another file for a plan.
    pub const MOST: usize = 100;

    /// `value` if there is no problem; else they, in the order in which they stand.
    ///
    /// # Errors
    ///
    /// If there are any.
    pub fn none_or<T>(mut problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by_key(|problem| problem.line().unwrap_or(0));
        problems.dedup();
        problems.truncate(Self::MOST);
        Err(Self(problems))
    }

    /// They, in the order in which they stand.
    pub fn all(&self) -> &[Problem] {
        &self.0
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl std::error::Error for Problems {}

/// One a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let newline = if index > 0 { "\n" } else { "" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl From<Problems> for Failure {
    /// With all of them in its words. Mistakes on the command line alone are no mistakes of a plan.
    fn from(problems: Problems) -> Self {
        let flags_only = problems.0.iter().all(|p| !matches!(p.at, Origin::File { .. }));
        let code = if flags_only { Code::Setting } else { Code::Plan };
        match problems.0.as_slice() {
            [only] => Self::new(code, only.to_string()),
            all => {
                let lines: Vec<String> = all.iter().map(|p| format!("  {p}")).collect();
                Self::new(code, format!("{} problems\n{}", all.len(), lines.join("\n")))
            }
        }
    }
}

/// The one of `names` that `name` was perhaps meant to be.
pub(crate) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let wanted = plain(name);
    let most = (wanted.len() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|known| (distance(&wanted, &plain(known)), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn plain(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).take(64).collect()
}

/// Letters to insert, to take away, to replace or to swap with the next (Damerau and Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["concurrency", "request_rate", "url", "model"];
        for (typed, meant) in [
            ("concurency", Some("concurrency")),
            ("Concurrency", Some("concurrency")),
            ("request-rate", Some("request_rate")),
            ("requestrates", Some("request_rate")),
            ("ulr", Some("url")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }

    #[test]
    fn a_problem_is_a_line_with_its_place() {
        let at = Origin::File { file: "plan.yaml".into(), line: 12, column: 3 };
        let mut problem = Problem::new(at, "load.concurency", "unknown key");
        problem.did_you_mean = Some("concurrency".to_owned());
        let text = "plan.yaml:12: load.concurency: unknown key; did you mean concurrency?";
        assert_eq!(problem.to_string(), text);
        let flag = Origin::Flag("--isl".to_owned());
        assert_eq!(Problem::new(flag, "workload.isl", "0 is none").to_string(), "--isl: 0 is none");
        for (flag, said) in [("--target", "--target: up.prot: "), ("--up", "--up: prot: ")] {
            let at = Origin::Flag(flag.to_owned());
            let problem = Problem::new(at, "targets[0].up.prot", "unknown key");
            assert_eq!(problem.to_string(), format!("{said}unknown key"));
        }
    }
}
