//! The history of the runs below a root.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
};

use bench_store::{
    Entry, History, RemoveError, ResolveError, RunDirectory, RunFile, RunState, import,
};
use serde_json::json;

use crate::{
    fixture::begun,
    written::{Written, many, written},
};

const INDEX: &str = ".history.sqlite3";

fn ids(history: &History) -> Vec<&str> {
    history.entries().iter().map(|entry| entry.id.as_str()).collect()
}

fn open(root: &Path) -> History {
    History::open(root).unwrap()
}

/// What a history says that has nothing to remember.
fn afresh(root: &Path) -> Vec<Entry> {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(root.join(format!("{INDEX}{end}")));
    }
    open(root).entries().to_vec()
}

#[test]
fn it_knows_what_the_files_say() {
    let root = tempfile::tempdir().unwrap();
    let environment = json!({
        "target": { "model": "llama", "engine": "vllm", "version": "0.11.0", "simulated": false },
    });
    let run = Written { environment, ..Written::new("7Q4K", "chat", 5_000) };
    let directory = written(root.path(), &run);
    directory.change_notes(|notes| notes.tags.extend(["b".into(), "a".into()])).unwrap();
    for history in [open(root.path()), open(root.path())] {
        let [entry] = history.entries() else { panic!("{history:?}") };
        let bytes = entry.bytes;
        let expected: u64 = ["run.json", "summary.json", "notes.json"]
            .map(|name| fs::metadata(directory.path().join(name)).unwrap().len())
            .iter()
            .sum();
        assert_eq!(bytes, expected);
        let mut shown = serde_json::to_value(entry).unwrap();
        shown["path"] = "[path]".into();
        shown["bytes"] = "[bytes]".into();
        insta::assert_json_snapshot!("entry", shown);
    }
}

/// A search finds out which points to measure, and another tool's plan is not known.
#[test]
fn points_that_no_plan_names_are_those_that_ended() {
    let root = tempfile::tempdir().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/import/guidellm/concurrent.json");
    let imported = import::read(Path::new(file)).unwrap();
    import::write(root.path(), &imported, 1).unwrap();
    let searched = written(root.path(), &Written { ended: 2, ..Written::new("AAAA", "find", 1) });
    let run = RunFile { points: vec![], ..searched.read_run().unwrap() };
    fs::write(searched.run_path(), serde_json::to_vec(&run).unwrap()).unwrap();
    for history in [open(root.path()), open(root.path())] {
        let [imported, searched] = history.entries() else { panic!("{history:?}") };
        assert_eq!(imported.targets, ["tiny (guidellm)"]);
        assert_eq!(imported.load, "closed loop, 1 to 3 users");
        assert_eq!((imported.points, imported.points_ended), (2, 2));
        assert_eq!((searched.targets[0].as_str(), searched.points), ("local", 2));
        assert_eq!(searched.load, "closed loop, 2 users");
    }
}

#[test]
fn it_follows_what_happens_to_the_directories() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(ids(&open(root.path())), [""; 0]);
    assert!(!root.path().join(INDEX).exists(), "nothing to remember");
    let first = written(root.path(), &Written::new("AAAA", "one", 1_000));
    written(root.path(), &Written::new("BBBB", "two", 2_000));
    assert_eq!(ids(&open(root.path())), ["BBBB", "AAAA"]);

    written(root.path(), &Written::new("CCCC", "three", 1_500));
    first.change_notes(|notes| notes.note = "changed".into()).unwrap();
    let history = open(root.path());
    assert_eq!(ids(&history), ["BBBB", "CCCC", "AAAA"]);
    assert_eq!(history.entries()[2].note, "changed");

    fs::remove_file(first.notes_path()).unwrap();
    fs::remove_dir_all(root.path().join("BBBB-two")).unwrap();
    fs::rename(root.path().join("CCCC-three"), root.path().join("CCCC-other")).unwrap();
    let history = open(root.path());
    assert_eq!(ids(&history), ["CCCC", "AAAA"]);
    assert_eq!(history.entries()[0].directory_name(), "CCCC-other");
    assert_eq!(history.entries()[1].note, "");
    assert_eq!(history.entries(), afresh(root.path()), "nothing is remembered wrongly");
}

#[test]
fn a_change_of_the_same_size_at_the_same_time_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let directory = written(root.path(), &Written::new("AAAA", "one", 1_000));
    for letter in ["a", "b", "c", "d", "e"] {
        directory.change_notes(|notes| notes.note = letter.into()).unwrap();
        assert_eq!(open(root.path()).entries()[0].note, letter);
    }
}

#[test]
fn what_is_no_run_is_left_out_and_what_cannot_be_read_says_so() {
    let root = tempfile::tempdir().unwrap();
    written(root.path(), &Written::new("AAAA", "one", 1_000));
    let elsewhere = tempfile::tempdir().unwrap();
    written(elsewhere.path(), &Written::new("BBBB", "away", 1_000));
    fs::create_dir(root.path().join("CCCC-begun")).unwrap();
    fs::create_dir(root.path().join(".hidden")).unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(elsewhere.path().join("BBBB-away"), root.path().join("BBBB-link"))
        .unwrap();
    for (name, text) in
        [("DDDD-damaged", "{"), ("EEEE-newer", r#"{"format_version": 99}"#), ("FFFF-odd", "[]")]
    {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join("run.json"), text).unwrap();
    }
    let history = open(root.path());
    let names: Vec<_> = history.entries().iter().map(Entry::directory_name).collect();
    assert_eq!(names, ["AAAA-one", "DDDD-damaged", "EEEE-newer", "FFFF-odd"]);
    for entry in &history.entries()[1..] {
        assert_eq!(entry.state, RunState::Unreadable);
        assert!(entry.problem.as_ref().is_some_and(|problem| problem.contains("run.json")));
    }
    assert!(history.entries()[2].problem.as_ref().unwrap().contains("version 99"));

    fs::write(root.path().join("AAAA-one/summary.json"), "half").unwrap();
    let history = open(root.path());
    assert_eq!(history.entries()[0].state, RunState::Unfinished);
    assert!(history.entries()[0].problem.as_ref().unwrap().contains("summary.json"));
}

#[test]
fn a_run_is_running_until_its_log_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let (_, log) = begun(root.path());
    for _ in 0..2 {
        assert_eq!(open(root.path()).entries()[0].state, RunState::Running);
    }
    let mut history = open(root.path());
    let entry = history.entries()[0].clone();
    assert!(matches!(history.remove(&entry), Err(RemoveError::Running { .. })));
    drop(log);
    assert_eq!(open(root.path()).entries()[0].state, RunState::Unfinished);
    assert!(history.remove(&entry).is_ok());
    assert!(!entry.path.exists());
}

/// Whatever the file holds, the history is the same afterwards, and so is the one after that.
#[test]
fn an_index_that_is_damaged_is_made_anew() {
    type Damage = fn(&mut Vec<u8>);
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 200);
    let expected = afresh(root.path());
    let index = root.path().join(INDEX);
    let whole = fs::read(&index).unwrap();
    assert!(whole.len() > 50_000, "it was written: {}", whole.len());
    let damages: [(&str, Damage); 6] = [
        ("no database", |bytes| *bytes = b"this is no database".repeat(1_000)),
        ("empty", |bytes| bytes.clear()),
        ("cut off", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a page of zeros", |bytes| bytes[8_192..12_288].fill(0)),
        ("the root page gone", |bytes| bytes[100..4_096].fill(0xff)),
        ("of a newer version", |bytes| bytes[60..64].copy_from_slice(&7_u32.to_be_bytes())),
    ];
    for (what, damage) in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&index, bytes).unwrap();
        assert_eq!(open(root.path()).entries(), expected, "{what}");
        assert_eq!(open(root.path()).entries(), expected, "{what}, once more");
        let header = fs::read(&index).unwrap();
        assert_eq!(header[60..64], 3_u32.to_be_bytes(), "{what}: of this version again");
    }
    // A changed byte anywhere is either noticed or means nothing.
    for at in (0..whole.len()).step_by(1_237) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x15;
        fs::write(&index, bytes).unwrap();
        assert_eq!(open(root.path()).entries(), expected, "byte {at}");
    }
}

#[cfg(unix)]
#[test]
fn a_root_that_cannot_be_written_can_be_looked_at() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 3);
    let set = |mode| fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
    set(0o500);
    let history = open(root.path());
    set(0o700);
    assert_eq!(history.entries().len(), 3);
    // Also where a directory has the name: the superuser may write anywhere.
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 3);
    fs::create_dir(root.path().join(INDEX)).unwrap();
    assert_eq!(open(root.path()).entries().len(), 3);
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 3);
    fs::create_dir(root.path().join(".history.lock")).unwrap();
    assert_eq!(open(root.path()).entries().len(), 3);
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_the_index() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 1);
    open(root.path());
    let mode = fs::metadata(root.path().join(INDEX)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn many_at_once_see_all_there_is() {
    const THREADS: usize = 12;
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 40);
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (root, start) = (root.path(), &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..6 {
                    let id = format!("Z{number:X}{round}Z");
                    written(root, &Written::new(&id, "more", 9_000));
                    if number == 3 {
                        fs::write(root.join(INDEX), "damaged while others use it").unwrap();
                    }
                    let history = open(root);
                    assert!(history.resolve(&id).is_ok(), "{id}");
                    assert!(history.entries().len() > 40);
                }
            });
        }
    });
    let found = open(root.path()).entries().to_vec();
    assert_eq!(found.len(), 40 + THREADS * 6);
    assert_eq!(found, afresh(root.path()));
}

fn named(root: &Path) -> History {
    let result = |id, name, at| written(root, &Written::new(id, name, at));
    result("7Q4K", "chat", 1_000);
    result("7Q5M", "nightly", 2_000);
    result("ABCD", "nightly-2", 3_000);
    written(root, &Written { ended: 0, ..Written::new("0001", "begun", 4_000) });
    for id in ["7Q4K-chat", "7Q5M-nightly"] {
        let directory = RunDirectory::open(root.join(id)).unwrap();
        directory
            .change_notes(|notes| {
                notes.tags.insert("good".into());
                notes.baseline = true;
            })
            .unwrap();
    }
    open(root)
}

#[test]
fn a_reference_names_a_run() {
    let root = tempfile::tempdir().unwrap();
    let history = named(root.path());
    let path = root.path().join("7Q4K-chat").display().to_string();
    for (reference, id) in [
        ("@last", "ABCD"),
        ("@prev", "7Q5M"),
        ("@baseline", "7Q5M"),
        ("tag:good", "7Q5M"),
        ("7Q4K", "7Q4K"),
        ("7q4k", "7Q4K"),
        ("7Q5", "7Q5M"),
        ("a", "ABCD"),
        ("oOo", "0001"),
        ("oo0l", "0001"),
        ("7Q4K-chat", "7Q4K"),
        ("*chat", "7Q4K"),
        ("7?5M-*", "7Q5M"),
        (path.as_str(), "7Q4K"),
        (format!("{path}/../7Q5M-nightly/").as_str(), "7Q5M"),
    ] {
        assert_eq!(history.resolve(reference).unwrap().id, id, "{reference}");
    }
    let all = |references: &[&str]| -> Vec<String> {
        history.resolve_all(references).unwrap().into_iter().map(|entry| entry.id).collect()
    };
    assert_eq!(all(&["*nightly*"]), ["ABCD", "7Q5M"]);
    assert_eq!(all(&["tag:good", "@last", "7Q5M"]), ["7Q5M", "7Q4K", "ABCD"]);
    assert_eq!(all(&["*"]).len(), 4);
    for (reference, passed_over) in [("@last", 1), ("@prev", 1), ("ABCD", 0), ("tag:good", 0)] {
        assert_eq!(history.passed_over(reference).len(), passed_over, "{reference}");
    }
}

#[test]
fn a_reference_to_nothing_says_what_there_is() {
    let root = tempfile::tempdir().unwrap();
    let empty = open(root.path());
    for reference in ["@last", "7Q4K", "tag:x", "*", ""] {
        let error = empty.resolve(reference).unwrap_err();
        assert_eq!(error.has(), Some("no runs at all"), "{reference}");
    }
    let history = named(root.path());
    for (reference, has) in [
        ("@first", "@last, @prev and @baseline"),
        ("tag:bad", "tags good"),
        ("9999", "0001-begun, ABCD-nightly-2, 7Q5M-nightly, 7Q4K-chat"),
        ("*none*", "0001-begun, ABCD-nightly-2, 7Q5M-nightly, 7Q4K-chat"),
        ("", "0001-begun, ABCD-nightly-2, 7Q5M-nightly, 7Q4K-chat"),
    ] {
        let error = history.resolve(reference).unwrap_err();
        assert!(matches!(error, ResolveError::Unknown { .. }), "{reference}: {error}");
        assert_eq!(error.has(), Some(has), "{reference}");
        assert!(history.resolve_all(&[reference]).is_err(), "{reference}");
    }
    for (reference, has) in
        [("7q", "7Q5M-nightly, 7Q4K-chat"), ("*nightly*", "ABCD-nightly-2, 7Q5M-nightly")]
    {
        let error = history.resolve(reference).unwrap_err();
        assert!(matches!(error, ResolveError::Ambiguous { count: 2, .. }), "{reference}: {error}");
        assert_eq!(error.has(), Some(has), "{reference}");
    }
    let nowhere = history.resolve("./nowhere").unwrap_err();
    assert!(matches!(nowhere, ResolveError::NotARun(_)), "{nowhere}");
}

#[test]
fn only_runs_of_that_place_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let away = written(elsewhere.path(), &Written::new("BBBB", "away", 1_000));
    let here = written(root.path(), &Written::new("AAAA", "here", 1_000));
    let odd: PathBuf = root.path().join("my-notes");
    fs::rename(written(root.path(), &Written::new("CCCC", "odd", 1_000)).path(), &odd).unwrap();
    let inside = written(here.path(), &Written::new("DDDD", "inside", 1_000));
    let mut history = open(root.path());
    for path in [away.path(), &odd, inside.path(), root.path()] {
        let refused = history.remove(&Entry::read(path));
        assert!(matches!(refused, Err(RemoveError::NotOurs { .. })), "{}", path.display());
        assert!(path.exists());
    }
    #[cfg(unix)]
    {
        let link = root.path().join("BBBB-link");
        std::os::unix::fs::symlink(away.path(), &link).unwrap();
        assert!(matches!(history.remove(&Entry::read(&link)), Err(RemoveError::NotOurs { .. })));
        // A link within a run is removed, what it leads to is not.
        std::os::unix::fs::symlink(away.path(), here.path().join("link")).unwrap();
    }
    let half_imported = root.path().join(".import-1");
    fs::create_dir(&half_imported).unwrap();
    history.remove(&Entry::read(here.path())).unwrap();
    assert!(cfg!(not(unix)) || !half_imported.exists());
    assert!(!here.path().exists() && away.run_path().exists());
    let names: Vec<_> = root.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("AAAA")), "{names:?}");
}

#[test]
fn noted_runs_and_the_newest_are_not_prunable() {
    let root = tempfile::tempdir().unwrap();
    let history = named(root.path());
    let ids = |keep, before| -> Vec<String> {
        history.prunable(keep, before).into_iter().map(|entry| entry.id).collect()
    };
    assert_eq!(ids(0, u64::MAX), ["0001", "ABCD"]);
    assert_eq!(ids(1, u64::MAX), ["ABCD"]);
    assert_eq!(ids(0, 4_000), ["ABCD"]);
    assert_eq!(ids(0, 3_000), [""; 0]);
    assert_eq!(ids(9, u64::MAX), [""; 0]);
}

/// How long it takes is printed: `cargo test --release ten_thousand -- --nocapture`.
#[tokio::test]
async fn ten_thousand_runs_are_listed_from_the_index() {
    let count = if cfg!(debug_assertions) { 500 } else { 10_000 };
    let root = tempfile::tempdir().unwrap();
    many(root.path(), count);
    let mut last = Vec::new();
    for what in ["first", "second", "third"] {
        let began = tokio::time::Instant::now();
        let history = open(root.path());
        println!("{what} time: {count} runs in {:?}", began.elapsed());
        assert_eq!(history.entries().len(), count);
        last = history.entries().to_vec();
    }
    assert_eq!(last, afresh(root.path()));
}
