//! Variables of the environment in texts: `${NAME}`, `${NAME:-default}`; `$$` is a `$`.

use super::{Content, Node, Origin, Problem, typed::shown};

/// Looks up a variable of the environment.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The same tree with variables in place of their names. What cannot be replaced is added to `problems`.
pub(crate) fn substitute(
    root: &Node,
    environment: Environment<'_>,
    problems: &mut Vec<Problem>,
) -> Node {
    let mut root = root.clone();
    walk(&mut root, "", environment, problems);
    root
}

fn walk(node: &mut Node, path: &str, environment: Environment<'_>, problems: &mut Vec<Problem>) {
    match &mut node.content {
        Content::Text(text) => match replace(text, environment) {
            Ok(replaced) => {
                node.hidden = replaced.names.iter().any(|name| environment(name).is_some());
                *text = replaced.text;
            }
            Err(what) => problems.push(Problem::new(node.at.clone(), path, what)),
        },
        Content::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}[{index}]"), environment, problems);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", entry.key);
                walk(&mut entry.node, &path, environment, problems);
            }
        }
        Content::Null | Content::Bool(_) | Content::Int(_) | Content::Float(_) => {}
    }
}

/// Where a value is from that may name variables: the first of them that is set, else its place.
pub(crate) fn origin(node: &Node, environment: Environment<'_>) -> Origin {
    let Content::Text(text) = &node.content else { return node.at.clone() };
    let names = replace(text, environment).map(|replaced| replaced.names).unwrap_or_default();
    match names.into_iter().find(|name| environment(name).is_some()) {
        Some(name) => Origin::Environment(name),
        None => node.at.clone(),
    }
}

/// Whether a text names a variable.
pub fn names_variable(text: &str) -> bool {
    text.replace("$$", "").contains("${")
}

struct Replaced {
    text: String,
    names: Vec<String>,
}

fn replace(text: &str, environment: Environment<'_>) -> Result<Replaced, String> {
    let mut replaced = Replaced { text: String::with_capacity(text.len()), names: Vec::new() };
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        replaced.text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            replaced.text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (inside, after) =
                after.split_once('}').ok_or_else(|| format!("`{}` lacks a `}}`", shown(text)))?;
            replaced.text.push_str(&variable(inside, environment)?);
            let name = inside.split_once(":-").map_or(inside, |(name, _)| name);
            replaced.names.push(name.to_owned());
            rest = after;
        } else {
            replaced.text.push('$');
        }
    }
    replaced.text.push_str(rest);
    Ok(replaced)
}

fn variable(inside: &str, environment: Environment<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !is_name(name) {
        return Err(format!("`${{{}}}` names no variable; write $$ for a $", shown(inside)));
    }
    // As in a shell: `:-` holds for what is empty, too.
    match (environment(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "the variable {name} is not set; set it, or give a default: ${{{name}:-…}}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        for (text, expected) in [
            ("plain", "plain"),
            ("Bearer ${TOKEN}", "Bearer s3cret"),
            ("${URL:-http://localhost:8000}/v1", "http://localhost:8000/v1"),
            ("${EMPTY:-x}${EMPTY}", "x"),
            ("$$ $5 ${TOKEN:-}$", "$ $5 s3cret$"),
            ("$${TOKEN}", "${TOKEN}"),
        ] {
            assert_eq!(replace(text, &environment).unwrap().text, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_set_or_not_closed_is_a_problem_with_its_place() {
        let mut root = Node::default();
        for (key, text) in [("a", "${NONE}"), ("b", "${TOKEN"), ("c", "${}"), ("d", "${TOKEN}")] {
            *root.at_path(&[key]) = Node::text(Origin::Default, text);
        }
        let mut problems = Vec::new();
        let root = substitute(&root, &environment, &mut problems);
        let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "c"]);
        assert!(problems[0].what.contains("NONE is not set"));
        assert!(root.get("d").unwrap().hidden && !root.get("a").unwrap().hidden);
    }
}
