use super::*;

/// Command lines of the tools' own documents, one a line after the file that it stands in.
const DOCUMENTED: &str = include_str!("../../tests/data/documented-commands.tsv");

fn translated(line: &str) -> Ours {
    of(&shlex::split(line).unwrap()).unwrap()
}

/// What a translation comes to: the command, then its notes.
fn shown(line: &str) -> String {
    let ours = translated(line);
    let notes: String = ours.notes().iter().map(|note| format!("\n# {note}")).collect();
    format!("{ours}{notes}\n")
}

#[test]
fn each_documented_command_becomes_one_that_runs() {
    let mut wrong = Vec::new();
    for line in DOCUMENTED.lines() {
        let (_, command) = line.split_once('\t').unwrap();
        let ours = translated(command);
        wrong.extend(ours.notes().iter().filter_map(|note| {
            let is_wrong = note.starts_with("to be mended") || note.contains("not known here");
            is_wrong.then(|| format!("{note}\n  {command}"))
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(DOCUMENTED.lines().count() > 50);
}

#[test]
fn each_documented_command_becomes_this() {
    let all: Vec<String> = DOCUMENTED
        .lines()
        .map(|line| line.split_once('\t').unwrap().1)
        .map(|command| format!("$ {command}\n{}", shown(command)))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}
