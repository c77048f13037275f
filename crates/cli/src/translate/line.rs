//! A command line of another tool, taken apart by the table of its flags.

/// A flag of another tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its names, dashes and all.
    pub(super) names: &'static [&'static str],
    /// How many values follow it.
    pub(super) takes: Takes,
    /// What it is here.
    pub(super) means: Means,
}

/// How many values a flag has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    None,
    One,
    /// All words up to the next flag.
    Many,
}

/// What a flag of another tool is here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Means {
    /// This flag, with the same values.
    As(&'static str),
    /// This flag, which has none.
    Is(&'static str),
    /// Nothing: it is so anyway, or is about what only the other tool has.
    Needless,
    /// Nothing, which is a loss: what there is instead.
    Missing(&'static str),
    /// What the tool's own function makes of it.
    Own,
}

/// `names` with one value.
pub(super) const fn one(names: &'static [&'static str], means: Means) -> Known {
    Known { names, takes: Takes::One, means }
}

/// `names` with any number of values.
pub(super) const fn many(names: &'static [&'static str], means: Means) -> Known {
    Known { names, takes: Takes::Many, means }
}

/// `names` without a value.
pub(super) const fn switch(names: &'static [&'static str], means: Means) -> Known {
    Known { names, takes: Takes::None, means }
}

/// A flag as it was typed.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    /// The name that was typed.
    pub(super) name: String,
    /// The first of its names, which code knows it by.
    known_as: &'static str,
    pub(super) values: Vec<String>,
    /// `None` of a flag that is not in the table.
    pub(super) means: Option<Means>,
}

/// A whole command line.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    typed: Vec<Typed>,
    left_over: Vec<String>,
}

impl Line {
    pub(super) fn read(words: &[String], table: &[Known]) -> Self {
        let mut line = Self::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            if !is_flag(word) {
                line.left_over.push(word.clone());
                continue;
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let known = table.iter().find(|known| known.names.contains(&name));
            let most = match known.map_or(Takes::Many, |known| known.takes) {
                _ if value.is_some() => 0,
                Takes::None => 0,
                Takes::One => 1,
                Takes::Many => usize::MAX,
            };
            let mut values: Vec<String> = value.into_iter().collect();
            let mut left = most;
            while left > 0
                && let Some(value) = words.next_if(|word| !is_flag(word))
            {
                values.push(value.clone());
                left -= 1;
            }
            line.typed.push(Typed {
                name: name.to_owned(),
                known_as: known.map_or("", |known| known.names[0]),
                values,
                means: known.map(|known| known.means),
            });
        }
        line
    }

    /// Its flags, in order.
    pub(super) fn typed(&self) -> &[Typed] {
        &self.typed
    }

    /// Words that belong to no flag.
    pub(super) fn left_over(&self) -> &[String] {
        &self.left_over
    }

    /// Whether a flag is there, by the first of its names.
    pub(super) fn has(&self, name: &str) -> bool {
        self.typed.iter().any(|typed| typed.known_as == name)
    }

    /// All values of a flag, by the first of its names.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let its = self.typed.iter().filter(move |typed| typed.known_as == name);
        its.flat_map(|typed| typed.values.iter().map(String::as_str))
    }

    /// The last value of a flag, which counts.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }
}

/// A word that begins with a dash and is no number.
fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && word.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_a_flag_begins_or_its_number_is_reached() {
        let table = [
            one(&["--one", "-o"], Means::Own),
            many(&["--many"], Means::Own),
            switch(&["--switch"], Means::Own),
        ];
        let words = "-o 1 over --many a b --switch also --one=x=y --else c -5 --many z";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let line = Line::read(&words, &table);
        assert_eq!(line.values("--one").collect::<Vec<_>>(), ["1", "x=y"]);
        assert_eq!(line.values("--many").collect::<Vec<_>>(), ["a", "b", "z"]);
        assert_eq!(line.left_over(), ["over", "also"]);
        assert!(line.has("--switch") && !line.has("--else"));
        assert_eq!(line.typed()[4].values, ["c", "-5"]);
    }
}
