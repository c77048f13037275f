//! Arguments of a command line as flags with their values, so that one can stand in another's place.

/// A flag and its values, or an argument that stands for itself.
struct Group<'a> {
    /// What the flag is about, however it is written; `None` of an argument that is none.
    key: Option<String>,
    words: &'a [String],
}

/// The arguments `below` but for those whose flags `over` has too, and then `over`.
pub(crate) fn combined(below: &[String], over: &[String], aliases: &[Vec<String>]) -> Vec<String> {
    let replaced: Vec<_> =
        groups(over, aliases).into_iter().filter_map(|group| group.key).collect();
    let stays = |group: &Group<'_>| group.key.as_ref().is_none_or(|key| !replaced.contains(key));
    let stay = groups(below, aliases).into_iter().filter(stays);
    stay.flat_map(|group| group.words).chain(over).cloned().collect()
}

/// The first of the flags in `args` that is one of `flags`, as it is written there, without its value: that may be a secret.
pub(crate) fn found<'a>(
    args: &'a [String],
    flags: impl IntoIterator<Item = impl AsRef<str>>,
    aliases: &[Vec<String>],
) -> Option<&'a str> {
    group(args, flags, aliases)?.words[0].split('=').next()
}

/// The first value of the last of the flags in `args` that is one of `flags`.
pub(crate) fn value<'a>(
    args: &'a [String],
    flags: impl IntoIterator<Item = impl AsRef<str>>,
    aliases: &[Vec<String>],
) -> Option<&'a str> {
    let words = group(args, flags, aliases)?.words;
    match words[0].split_once('=') {
        Some((_, value)) => Some(value),
        None => words.get(1).map(String::as_str),
    }
}

/// The flags in `args`, as they are written there, any of whose values holds `text`.
pub(crate) fn with_values_of<'a>(args: &'a [String], text: &str) -> Vec<&'a str> {
    let holds = |group: &Group<'_>| {
        group.key.is_some() && group.words.iter().any(|word| word.contains(text))
    };
    groups(args, &[]).into_iter().filter(holds).map(|group| group.words[0].as_str()).collect()
}

/// A command as its words belong together: the program with what stands for itself, then each flag with its values.
pub(crate) fn lines(program: String, args: &[String]) -> Vec<Vec<String>> {
    let is_word = |word: &&String| !is_flag(word);
    let (before, after) = args.split_at(args.iter().take_while(is_word).count());
    let first = [vec![program], before.to_vec()].concat();
    let others = groups(after, &[]).into_iter().map(|group| group.words.to_vec());
    [first].into_iter().chain(others).collect()
}

fn group<'a>(
    args: &'a [String],
    flags: impl IntoIterator<Item = impl AsRef<str>>,
    aliases: &[Vec<String>],
) -> Option<Group<'a>> {
    let keys: Vec<_> = flags.into_iter().map(|flag| key(flag.as_ref(), aliases)).collect();
    let is_one = |group: &Group<'_>| group.key.as_ref().is_some_and(|key| keys.contains(key));
    groups(args, aliases).into_iter().rfind(is_one)
}

fn groups<'a>(args: &'a [String], aliases: &[Vec<String>]) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    let mut rest = args;
    while let Some(first) = rest.first() {
        let values = match is_flag(first) {
            true if first.contains('=') => 0,
            true => rest[1..].iter().take_while(|word| !is_flag(word)).count(),
            false => 0,
        };
        let (words, after) = rest.split_at(1 + values);
        groups.push(Group { key: is_flag(first).then(|| key(first, aliases)), words });
        rest = after;
    }
    groups
}

/// Whether it begins as flags do; a negative number does not.
fn is_flag(word: &str) -> bool {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
    name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// What a flag is about: `--max-model-len`, `--max_model_len=8192` and `--no-max-model-len` are about one thing, and so
/// are those that `aliases` has in one list.
fn key(flag: &str, aliases: &[Vec<String>]) -> String {
    let plain = plain(flag);
    let list = aliases.iter().find(|list| list.iter().any(|alias| self::plain(alias) == plain));
    list.and_then(|list| list.first()).map_or(plain, |first| self::plain(first))
}

fn plain(flag: &str) -> String {
    let name = flag.split_once('=').map_or(flag, |(name, _)| name).replace('_', "-");
    match name.strip_prefix("--no-") {
        Some(rest) => format!("--{rest}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn check(below: &str, over: &str, expected: &str) {
        let aliases = [words("--ctx-size -c"), words("--tensor-parallel-size -tp")];
        let combined = combined(&words(below), &words(over), &aliases);
        assert_eq!(combined, words(expected), "{below} under {over}");
    }

    #[test]
    fn a_flag_replaces_the_same_flag_however_it_is_written() {
        check("m --a 1 --b", "", "m --a 1 --b");
        check("m --max-len 1 --b", "--max-len 2", "m --b --max-len 2");
        check("m --max-len 1 --b", "--max-len=2", "m --b --max-len=2");
        check("m --max_len=1", "--max-len 2", "m --max-len 2");
        check("--metrics --b", "--no-metrics", "--b --no-metrics");
        check("--no-cache", "--cache", "--cache");
        check("-c 1 --b", "--ctx-size 2", "--b --ctx-size 2");
        check("-tp 2", "-tp=4", "-tp=4");
        check("--names a b --c", "--names d", "--c --names d");
        check("--t -1 --b", "--t -2", "--b --t -2");
        check("--lora a", "--lora b --lora c", "--lora b --lora c");
    }

    #[test]
    fn others_are_appended_and_words_stay() {
        check("m --a 1", "x --b=2", "m --a 1 x --b=2");
        check("", "--b", "--b");
        check("m", "-1", "m -1");
    }

    #[test]
    fn values_are_found() {
        let args = words("m --name a b --port=1 --name c --flag");
        assert_eq!(value(&args, ["--name"], &[]), Some("c"));
        assert_eq!(value(&args, ["--port"], &[]), Some("1"));
        assert_eq!(value(&args, ["--flag"], &[]), None);
        assert_eq!(value(&args, ["--none"], &[]), None);
        assert_eq!(found(&words("-a x"), ["--alias"], &[words("--alias -a")]), Some("-a"));
        assert_eq!(found(&words("--api_key=x"), ["--api-key"], &[]), Some("--api_key"));
        let args = words("{port} --port {port} --at={host}:1");
        assert_eq!(with_values_of(&args, "{port}"), ["--port"]);
        assert_eq!(with_values_of(&args, "{host}"), ["--at={host}:1"]);
    }

    proptest! {
        #[test]
        fn what_is_asked_ends_the_line_as_it_was_asked(
            below in prop::collection::vec("-{0,2}[a-c=]{0,3}", 0..6),
            over in prop::collection::vec("-{0,2}[a-c=]{0,3}", 0..6),
        ) {
            let combined = combined(&below, &over, &[]);
            prop_assert!(combined.ends_with(&over));
            prop_assert!(combined.len() <= below.len() + over.len());
        }
    }
}
