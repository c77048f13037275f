use std::fs;

use bench_store::{ReadError, RunDirectory, StoreError};

#[test]
fn a_directory_is_made_once() {
    let root = tempfile::tempdir().unwrap();
    let artifacts = root.path().join("artifacts");
    let directory = RunDirectory::create(&artifacts, "7Q4K", "my chat").unwrap();
    assert_eq!(directory.path(), artifacts.join("7Q4K-my-chat"));
    for name in ["my chat", "another"] {
        let again = RunDirectory::create(&artifacts, "7Q4K", name);
        assert!(matches!(again, Err(StoreError::Taken { .. })), "{again:?}");
    }
    assert!(RunDirectory::create(&artifacts, "7Q4", "my chat").is_ok());
}

/// All begin with the same id, under names of their own.
#[test]
fn an_id_is_given_to_one_of_those_who_want_it_at_once() {
    const THREADS: usize = 16;
    let root = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let start = std::sync::Barrier::new(THREADS);
        let create = |number: usize| {
            start.wait();
            let mut seed = round;
            loop {
                let id = bench_store::new_id(root.path(), seed).unwrap();
                let name = format!("name-{number}");
                match RunDirectory::create(root.path(), &id, &name) {
                    Err(StoreError::Taken { .. }) => seed += 1 + number as u64,
                    created => return drop(created.unwrap()),
                }
            }
        };
        std::thread::scope(|scope| {
            for number in 0..THREADS {
                scope.spawn(move || create(number));
            }
        });
        let names = root.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let ids: std::collections::BTreeSet<String> = names
            .map(|name| name.to_str().unwrap().split('-').next().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), (usize::try_from(round).unwrap() + 1) * THREADS);
    }
}

#[test]
fn notes_that_are_made_at_once_are_all_kept() {
    let root = tempfile::tempdir().unwrap();
    let directory = crate::written::finished(root.path(), "7Q4K", "chat");
    let run = fs::read(directory.run_path()).unwrap();
    assert!(directory.read_notes().unwrap().is_empty());
    std::thread::scope(|scope| {
        for number in 0..8 {
            let directory = &directory;
            scope.spawn(move || {
                for tag in 0..10 {
                    let tag = format!("{number}-{tag}");
                    directory.change_notes(|notes| notes.tags.extend([tag])).unwrap();
                }
            });
        }
    });
    assert_eq!(directory.read_notes().unwrap().tags.len(), 80);
    assert_eq!(fs::read(directory.run_path()).unwrap(), run);
    fs::write(directory.notes_path(), r#"{"format_version": 1, "tags": ["b", "a", "b"]}"#).unwrap();
    let notes = directory.read_notes().unwrap();
    assert_eq!(notes.tags.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    fs::write(directory.notes_path(), "{").unwrap();
    assert!(directory.change_notes(|_| {}).is_err(), "what cannot be read is not overwritten");
    assert_eq!(fs::read(directory.notes_path()).unwrap(), b"{");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let (directory, _log) = crate::fixture::begun(root.path());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory.path()), 0o700);
    for file in fs::read_dir(directory.path()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let error = RunDirectory::create(&place, "7Q4K", "chat").unwrap_err();
        assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
        let place = place.display();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot write to {place}: make it writable, or choose another place with --artifact-dir"
            )
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn what_holds_no_run_is_not_opened() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(RunDirectory::open(root.path()), Err(ReadError::NotARun { .. })));
    let (directory, _log) = crate::fixture::begun(root.path());
    assert_eq!(RunDirectory::open(directory.path()).unwrap(), directory);
}

#[test]
fn a_newer_format_is_refused_and_new_fields_are_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _log) = crate::fixture::begun(root.path());
    let text = fs::read_to_string(directory.run_path()).unwrap();

    let extended = text.replacen('{', "{\n  \"added_later\": [1],", 1);
    fs::write(directory.run_path(), extended).unwrap();
    assert_eq!(directory.read_run().unwrap().id, "7Q4K");

    fs::write(directory.run_path(), r#"{"format_version": 2, "id": 7}"#).unwrap();
    assert!(matches!(directory.read_run(), Err(ReadError::Newer { version: 2, .. })));

    fs::write(directory.run_path(), &text[..text.len() / 2]).unwrap();
    assert!(matches!(directory.read_run(), Err(ReadError::Malformed { .. })));
}

#[test]
fn requests_that_were_given_up_have_not_failed() {
    let root = tempfile::tempdir().unwrap();
    let directory = crate::written::finished(root.path(), "7Q4K", "chat");
    let mut point = directory.read_summary().unwrap().unwrap().points.remove(0);
    assert_eq!(point.failed(), 1);
    let outcomes = [("ok", 5), ("cancelled", 3), ("http_500", 2), ("failed", 1)];
    point.outcomes = outcomes.map(|(name, count)| (name.to_owned(), count)).into();
    assert_eq!(point.failed(), 3);
}
