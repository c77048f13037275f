//! Files that describe servers of which no dialect is known.

use std::path::Path;

use bench_providers::{Template, TemplateFile};

use super::{Origin, Problem, document, typed};

/// The template in `file`, TOML, YAML or JSON; `None` adds to `problems` what is wrong with it.
pub(super) fn read(file: &str, problems: &mut Vec<Problem>) -> Option<Template> {
    let root = match document::read(Path::new(file)) {
        Ok(document) => document.root,
        Err(unread) => {
            problems.extend_from_slice(unread.all());
            return None;
        }
    };
    let mut wrong = Vec::new();
    let template: TemplateFile = typed::read(&root, &mut wrong);
    // What is missing because it was no value has been said.
    if !wrong.is_empty() {
        problems.append(&mut wrong);
        return None;
    }
    let errors = match Template::new(template) {
        Ok(template) => return Some(template),
        Err(errors) => errors,
    };
    let whole = Origin::File { file: file.into(), line: 0, column: 0 };
    problems.extend(errors.into_iter().map(|error| {
        let at = root.find(&error.at).map_or_else(|| whole.clone(), |node| node.at.clone());
        Problem::new(at, error.at, error.what)
    }));
    None
}
