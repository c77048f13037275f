//! Flags over a file over the defaults: one tree, each value with its origin.

use serde_json::Value as Json;

use super::{
    Content, Document, Entry, Environment, Format, Node, Origin, PlanFile, Problem, Problems,
    VERSION,
    checks::check,
    defaults::defaults,
    document, names_variable,
    overlay::{merge, over},
    substitute,
    tree::tree,
    typed,
};

/// A plan with everything in it: what was typed, what the file says, and what holds otherwise.
#[derive(Clone, Debug)]
pub struct Layered {
    /// With the names of variables.
    written: Node,
    /// With their values.
    read: Node,
    plan: PlanFile,
    origins: Vec<(String, String, Origin)>,
}

/// What is recorded in place of a header's value that was typed.
pub(super) const HIDDEN: &str = "***";

/// Variables that may hold the key, first one first.
const KEY_VARIABLES: [&str; 3] = ["INFERBENCH_API_KEY", "OPENAI_API_KEY", "NGC_API_KEY"];

/// Lays `flags` over `file` over the defaults.
///
/// `flags` is a plan of its own, of what was typed alone. Its section `target`, which plan files do not
/// have, holds for every target.
///
/// # Errors
///
/// Everything that is wrong, wherever it was said.
pub fn layer(
    file: Option<Document>,
    flags: Node,
    environment: Environment<'_>,
) -> Result<Layered, Problems> {
    let mut problems = Vec::new();
    let file = file.map(|document| document.root).unwrap_or_default();
    // A file that is no section at all has no keys to lay anything over.
    if file.entries().is_empty() {
        typed::read::<PlanFile>(&file, &mut problems);
    }
    let mut written = over(flags, file, &mut problems);
    let targets = written.at_path(&["targets"]);
    if matches!(&targets.content, Content::Map(entries) if entries.is_empty()) {
        targets.content = Content::List(vec![Node::default()]);
    }
    let read = substitute::substitute(&written, environment, &mut problems);
    let plan = read_plan(&read, &mut problems);
    check(&plan, &written, &mut problems);
    Problems::none_or(problems, ())?;
    Layered::fill(written, &plan, environment)
}

/// What was typed as a plan of its own, in the order and form of plans.
///
/// # Errors
///
/// When it cannot be one: an address for several targets.
pub fn document_of(flags: Node) -> Result<Document, Problems> {
    let mut problems = Vec::new();
    let version = Node::new(Origin::Default, Content::Int(VERSION.into()));
    let mut root = Node::default();
    *root.at_path(&["version"]) = version;
    merge(&mut root, over(flags, Node::default(), &mut problems), "");
    let mut wrong = Vec::new();
    let plan = read_plan(&root, &mut wrong);
    // What is wrong, or stands for another value, has no form but its own.
    let root = if wrong.is_empty() { in_one_form(tree(&plan), &root) } else { root };
    Problems::none_or(problems, Document { root })
}

/// Reads what has no problem yet.
fn read_plan(root: &Node, problems: &mut Vec<Problem>) -> PlanFile {
    let mut more = Vec::new();
    let plan = typed::read(root, &mut more);
    more.retain(|problem| problems.iter().all(|known| known.path != problem.path));
    problems.append(&mut more);
    plan
}

impl Layered {
    fn fill(
        mut written: Node,
        plan: &PlanFile,
        environment: Environment<'_>,
    ) -> Result<Self, Problems> {
        let mut under = tree(&defaults(plan));
        under.at = Origin::Default;
        merge(&mut written, under, "");
        name_key(&mut written, environment);
        let mut problems = Vec::new();
        let read = substitute::substitute(&written, environment, &mut problems);
        let plan = typed::read(&read, &mut problems);
        let written = in_one_form(tree(&plan), &written);
        let shown = recorded(&written);
        let origins = shown
            .leaves()
            .into_iter()
            .map(|(path, node)| (path, node.to_string(), substitute::origin(node, environment)));
        let origins = origins.collect();
        Problems::none_or(problems, Self { written, read, plan, origins })
    }

    /// The plan, with the values of variables.
    pub fn plan(&self) -> &PlanFile {
        &self.plan
    }

    /// Each value's path, text and origin; secrets by their names.
    pub fn origins(&self) -> &[(String, String, Origin)] {
        &self.origins
    }

    /// The plan for the record: secrets by their names.
    pub fn to_json(&self) -> Json {
        serde_json::to_value(recorded(&self.written)).unwrap_or_default()
    }

    /// The plan for the record, as a file.
    ///
    /// # Errors
    ///
    /// When the format has no way to say it: TOML has no null.
    pub fn to_text(&self, format: Format) -> Result<String, String> {
        document::write(&recorded(&self.written), format)
    }

    /// A mistake in the value at `path`.
    pub(super) fn problem(&self, path: &str, what: impl Into<String>) -> Problem {
        let node = self.read.find(path);
        let at = node.map(|node| node.at.clone()).unwrap_or_default();
        Problem::new(at, path, what)
    }
}

impl PlanFile {
    /// The plan as a file.
    ///
    /// # Errors
    ///
    /// When the format has no way to say it: TOML has no null.
    pub fn to_text(&self, format: Format) -> Result<String, String> {
        document::write(&tree(self), format)
    }
}

impl Document {
    /// The document as a file.
    ///
    /// # Errors
    ///
    /// When the format has no way to say it: TOML has no null.
    pub fn to_text(&self, format: Format) -> Result<String, String> {
        document::write(&self.root, format)
    }

    /// What it says, without defaults: the variables in it by their values.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn plan(&self, environment: Environment<'_>) -> Result<PlanFile, Problems> {
        let mut problems = Vec::new();
        let read = substitute::substitute(&self.root, environment, &mut problems);
        let plan = read_plan(&read, &mut problems);
        check(&plan, &self.root, &mut problems);
        Problems::none_or(problems, plan)
    }
}

/// `plan`, whose values have their one form and order, with the origins of `written`, and its variables
/// by their names.
fn in_one_form(mut plan: Node, written: &Node) -> Node {
    plan.at = written.at.clone();
    match (&mut plan.content, &written.content) {
        (content, Content::Text(text)) if text.contains('$') => {
            *content = Content::Text(text.clone());
        }
        (Content::Map(entries), Content::Map(known)) => {
            for entry in entries {
                if let Some(known) = known.iter().find(|known| known.key == entry.key) {
                    entry.at = known.at.clone();
                    entry.node = in_one_form(std::mem::take(&mut entry.node), &known.node);
                }
            }
        }
        (Content::List(items), Content::List(known)) if items.len() == known.len() => {
            for (item, known) in items.iter_mut().zip(known) {
                *item = in_one_form(std::mem::take(item), known);
            }
        }
        _ => return plan.from_origin(&written.at),
    }
    plan
}

/// Names the variable that holds the key, where one does and nothing else was said.
fn name_key(root: &mut Node, environment: Environment<'_>) {
    let is_set = |name: &&str| environment(name).is_some_and(|key| !key.trim().is_empty());
    let Some(name) = KEY_VARIABLES.into_iter().find(is_set) else { return };
    let Content::List(targets) = &mut root.at_path(&["targets"]).content else { return };
    for target in targets {
        if target.get("api_key_env").is_none() && target.get("api_key_file").is_none() {
            let at = Origin::Environment(name.to_owned());
            *target.at_path(&["api_key_env"]) = Node::text(at, name);
        }
    }
}

/// The same tree, fit to be kept: values of headers that were typed are left out, for nobody knows which
/// of them are secrets.
fn recorded(root: &Node) -> Node {
    let mut root = root.clone();
    if let Content::List(targets) = &mut root.at_path(&["targets"]).content {
        for target in targets {
            let Content::Map(entries) = &mut target.content else { continue };
            let headers = entries.iter_mut().find(|entry| entry.key == "headers");
            if let Some(Entry { node: Node { content: Content::Map(headers), .. }, .. }) = headers {
                headers.iter_mut().for_each(|header| hide(&mut header.node));
            }
        }
    }
    root
}

fn hide(header: &mut Node) {
    let is_literal = !names_variable(&header.to_string());
    if matches!(header.at, Origin::Flag(_)) && is_literal {
        header.content = Content::Text(HIDDEN.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "\
targets:
  - {name: a, url: 'http://a:1', headers: {X-A: '${TOKEN}'}}
  - {name: b, simulate: true, model: m}
load:
  concurrency: [1, 8]
  requests: 40
";

    fn environment(name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "s3cret".to_owned())
    }

    fn flag(root: &mut Node, path: &[&str], value: &str) {
        *root.at_path(path) =
            Node::text(Origin::Flag(format!("--{}", path[path.len() - 1])), value);
    }

    fn layered(text: &str, typed: &[(&[&str], &str)]) -> Result<Layered, String> {
        let mut flags = Node::default();
        for (path, value) in typed {
            flag(&mut flags, path, value);
        }
        let file = Document::parse("plan.yaml", text, Format::Yaml).map_err(|e| e.to_string())?;
        layer(Some(file), flags, &environment).map_err(|problems| problems.to_string())
    }

    fn origin(layered: &Layered, path: &str) -> String {
        let found = layered.origins().iter().find(|(known, ..)| known == path);
        let (_, value, origin) = found.unwrap_or_else(|| panic!("no {path}"));
        format!("{value} ({origin})")
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_defaults() {
        let layered =
            layered(PLAN, &[(&["load", "requests"], "10k"), (&["target", "model"], "n")]).unwrap();
        for (path, expected) in [
            ("load.requests", "10000 (--requests)"),
            ("load.concurrency", "1,8 (plan.yaml:5)"),
            ("load.grace", "30s (default)"),
            ("targets[0].model", "n (--model)"),
            ("targets[1].model", "n (--model)"),
            ("targets[0].headers.X-A", "${TOKEN} (environment TOKEN)"),
            ("targets[1].endpoint_type", "chat (default)"),
        ] {
            assert_eq!(origin(&layered, path), expected);
        }
        assert_eq!(layered.plan().targets[0].headers["X-A"], "s3cret");
        assert!(!layered.to_json().to_string().contains("s3cret"));
    }

    #[test]
    fn a_flag_replaces_what_says_the_same_in_another_way() {
        let rate = layered(PLAN, &[(&["load", "request_rate"], "5")]).unwrap();
        assert!(rate.plan().load.concurrency.is_none());
        let capped =
            layered("load: {request_rate: 5}", &[(&["load", "concurrency"], "8")]).unwrap();
        assert!(capped.plan().load.request_rate.is_some());
        let error = layered(PLAN, &[(&["target", "url"], ":1")]).unwrap_err();
        assert_eq!(error, "--url: is for one target, and there are several");
        let url = layered("targets: [{simulate: true}]", &[(&["target", "url"], ":1")]).unwrap();
        assert!(url.plan().targets[0].simulate.is_none());
    }

    #[test]
    fn what_is_typed_twice_is_said() {
        let mut flags = Node::default();
        let header = |value| Entry {
            key: "X-A".to_owned(),
            at: Origin::Flag("--header".to_owned()),
            node: Node::text(Origin::Flag("--header".to_owned()), value),
        };
        let headers = flags.at_path(&["target", "headers"]);
        headers.content = Content::Map(vec![header("a"), header("b")]);
        let problems = layer(None, flags, &environment).unwrap_err();
        assert_eq!(problems.to_string(), "--header: is given twice");
    }

    #[test]
    fn a_typed_header_is_not_recorded() {
        let typed = layered("", &[(&["target", "headers", "X-A"], "s3cret")]).unwrap();
        assert_eq!(typed.plan().targets[0].headers["X-A"], "s3cret");
        assert_eq!(typed.to_json()["targets"][0]["headers"]["X-A"], "***");
    }
}
