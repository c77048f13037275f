//! The environment of this process, and the secrets in it.

use std::{collections::BTreeMap, env, fmt, sync::Arc};

#[cfg(feature = "docker")]
use crate::{Launch, Variable};

type Look = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The variables that a backend may look at: where an engine answers, and the secrets that servers are given.
#[derive(Clone)]
pub struct Environment(Arc<Look>);

impl Environment {
    /// That of this process.
    pub fn ours() -> Self {
        Self(Arc::new(|name| env::var(name).ok()))
    }

    /// These variables alone.
    pub fn of<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let variables: BTreeMap<String, String> = pairs.collect();
        Self(Arc::new(move |name| variables.get(name).cloned()))
    }

    /// The value of a variable; one that is empty is as one that is not set.
    pub fn var(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// The variables that a server is started with, and what hides the secrets among them.
    #[cfg(feature = "docker")]
    pub(crate) fn given_to(&self, launch: &Launch) -> (Vec<(String, String)>, Mask) {
        let mut secrets = Vec::new();
        let mut variables = Vec::new();
        for (name, variable) in &launch.env {
            let value = match variable {
                Variable::Text(text) => text.clone(),
                Variable::Secret(ours) => match self.var(ours) {
                    Some(value) => {
                        secrets.push(value.clone());
                        value
                    }
                    None => continue,
                },
            };
            variables.push((name.clone(), value));
        }
        (variables, Mask::of(secrets))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// Hides the values of secrets in what is shown.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    /// The longest first, so that one that is part of another leaves nothing of that.
    values: Vec<String>,
}

/// A value that is shorter is no secret, and would be found everywhere.
const LEAST_SECRET: usize = 4;

impl Mask {
    /// Hides these.
    pub(crate) fn of(mut values: Vec<String>) -> Self {
        values.retain(|value| value.len() >= LEAST_SECRET);
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values }
    }

    /// A text without them.
    pub(crate) fn hide(&self, mut text: String) -> String {
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), "***");
            }
        }
        text
    }

    /// Bytes of the longest one.
    pub(crate) fn longest(&self) -> usize {
        self.values.first().map_or(0, String::len)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({})", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_the_longest_first() {
        let mask = Mask::of(["hf_abc", "hf_abcdef", "x", ""].map(str::to_owned).into());
        let hidden = mask.hide("x hf_abcdef, hf_abc".to_owned());
        assert_eq!(hidden, "x ***, ***");
        assert_eq!(mask.longest(), 9);
        assert_eq!(format!("{mask:?}"), "Mask(2)");
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let environment = Environment::of([("A", "1"), ("B", "")]);
        assert_eq!(environment.var("A").as_deref(), Some("1"));
        assert_eq!((environment.var("B"), environment.var("C")), (None, None));
    }
}
