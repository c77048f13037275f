//! Text that must not be seen.

use std::fmt;

/// A key or a token: it is written to the server it is for, and nowhere else. It has no `Display`, and
/// its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being seen. White space around it, such as a key file's last newline, is no
    /// part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_hidden_and_trimmed() {
        let key = Secret::new(" sk-123\n");
        assert_eq!(key.reveal(), "sk-123");
        assert_eq!(format!("{key:?} {:#?}", Some(&key)), "*** Some(\n    ***,\n)");
        assert!(Secret::new("\n").is_empty());
    }
}
