//! Runs that travel as one file, and files that only pretend to be such.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    thread,
};

use bench_store::{
    Importable, PackError, RunDirectory, adopt, pack, packed_name, recognize, unpack,
};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::{
    fixture::begun,
    written::{Written, finished, written},
};

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in directory.join(&folder).read_dir().unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if directory.join(&path).is_dir() {
                folders.push(path);
            } else {
                contents.insert(path.clone(), fs::read(directory.join(path)).unwrap());
            }
        }
    }
    contents
}

/// A run with files of all kinds, packed.
struct Packed {
    place: tempfile::TempDir,
    directory: RunDirectory,
    file: PathBuf,
}

impl Packed {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let directory = finished(&place.path().join("a"), "7Q4K", "chat");
        fs::create_dir(directory.path().join("plots")).unwrap();
        fs::write(directory.path().join("plots/ttft.svg"), "<svg/>").unwrap();
        fs::write(directory.path().join("summary.json.tmp"), "half").unwrap();
        fs::write(directory.path().join(".hidden"), "hidden").unwrap();
        directory
            .change_notes(|notes| {
                notes.note = "kept".into();
                notes.baseline = true;
            })
            .unwrap();
        let file = place.path().join(packed_name(&directory));
        pack(&directory, &file).unwrap();
        Self { place, directory, file }
    }
}

#[test]
fn what_is_packed_comes_out_again() {
    let packed = Packed::new();
    assert!(packed.file.ends_with("7Q4K-chat.tar.zst"));
    assert_eq!(recognize(&packed.file).unwrap(), Some(Importable::Packed));
    let root = packed.place.path().join("b");
    let taken = unpack(&packed.file, &root).unwrap();
    assert_eq!(taken.path(), root.join("7Q4K-chat"));
    assert_eq!(root.read_dir().unwrap().count(), 1, "nothing is left behind");

    let (mut was, mut is) = (contents(packed.directory.path()), contents(taken.path()));
    for hidden in ["summary.json.tmp", ".hidden"] {
        was.remove(Path::new(hidden)).unwrap();
    }
    for changed in ["run.json", "notes.json"] {
        was.remove(Path::new(changed)).unwrap();
        is.remove(Path::new(changed)).unwrap();
    }
    assert_eq!(was, is);
    let (was, is) = (packed.directory.read_run().unwrap(), taken.read_run().unwrap());
    let imported = json!({ "format": "inferbench", "id": "7Q4K" });
    assert_eq!(is.environment["imported"], imported);
    assert_eq!(is.environment["host"], was.environment["host"]);
    assert_eq!((is.points, is.anchor, is.id), (was.points, was.anchor, was.id));
    let notes = taken.read_notes().unwrap();
    assert_eq!((notes.note.as_str(), notes.baseline), ("kept", false));
}

#[test]
fn whatever_is_taken_in_is_known_as_imported() {
    let place = tempfile::tempdir().unwrap();
    let aiperf = json!({ "imported": { "tool": "AIPerf" } });
    for (number, environment, expected) in [
        (0, json!({}), "inferbench"),
        (1, Value::Null, "inferbench"),
        (2, json!(["none"]), "inferbench"),
        (3, json!({ "imported": null }), "inferbench"),
        (4, json!({ "imported": false }), "inferbench"),
        (5, json!({ "imported": {} }), "unknown"),
        (6, aiperf, "AIPerf"),
    ] {
        let id = format!("AAA{number}");
        let run = Written { environment, ..Written::new(&id, "chat", 1) };
        let directory = written(&place.path().join("source"), &run);
        assert_eq!(directory.read_run().unwrap().imported().is_some(), number > 4, "{id}");
        let taken = adopt(directory.path(), &place.path().join("root")).unwrap();
        assert_eq!(taken.read_run().unwrap().imported(), Some(expected), "{id}");
    }
}

#[test]
fn the_same_run_packs_to_the_same_bytes() {
    let packed = Packed::new();
    let again = packed.place.path().join("again");
    pack(&packed.directory, &again).unwrap();
    assert_eq!(fs::read(&again).unwrap(), fs::read(&packed.file).unwrap());
    assert!(matches!(pack(&packed.directory, &again), Err(PackError::Exists { .. })));
    // A copy, made at another time in another order, is the same run.
    let copy = packed.place.path().join("copy/7Q4K-chat");
    for (path, bytes) in contents(packed.directory.path()).into_iter().rev() {
        fs::create_dir_all(copy.join(&path).parent().unwrap()).unwrap();
        fs::write(copy.join(path), bytes).unwrap();
    }
    let again = packed.place.path().join("once-more");
    pack(&RunDirectory::open(copy).unwrap(), &again).unwrap();
    assert_eq!(fs::read(&again).unwrap(), fs::read(&packed.file).unwrap());
}

#[test]
fn an_id_that_is_taken_is_changed() {
    let packed = Packed::new();
    let root = packed.place.path().join("a");
    let second = unpack(&packed.file, &root).unwrap();
    let id = second.read_run().unwrap().id;
    assert_ne!(id, "7Q4K");
    assert_eq!(second.path(), root.join(format!("{id}-chat")));
    assert_eq!(second.read_summary().unwrap().unwrap().id, id);
    assert_eq!(second.read_run().unwrap().environment["imported"]["id"], "7Q4K");
    let third = adopt(packed.directory.path(), &root).unwrap();
    assert_eq!(root.read_dir().unwrap().count(), 3);
    assert_eq!(recognize(third.path()).unwrap(), Some(Importable::Directory));
    assert_eq!(third.read_notes().unwrap().note, "kept");
    assert!(third.path().join("plots/ttft.svg").exists());
}

#[test]
fn a_run_that_is_being_measured_does_not_travel() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _log) = begun(root.path());
    let to = root.path().join("file");
    assert!(matches!(pack(&directory, &to), Err(PackError::Running { .. })));
    assert!(!to.exists());
    assert!(matches!(adopt(directory.path(), root.path()), Err(PackError::Running { .. })));
}

/// An archive with a run, and something else in it.
fn archive(place: &Path, add: impl FnOnce(&mut Builder<Vec<u8>>)) -> PathBuf {
    let directory = written(&place.join("source"), &Written::new("7Q4K", "chat", 1));
    let mut archive = Builder::new(Vec::new());
    archive.append_path_with_name(directory.run_path(), "7Q4K-chat/run.json").unwrap();
    add(&mut archive);
    let file = place.join("evil.tar.zst");
    let bytes = archive.into_inner().unwrap();
    fs::write(&file, zstd::bulk::compress(&bytes, 1).unwrap()).unwrap();
    file
}

/// A header with any name, which the library would refuse to write.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

#[track_caller]
fn is_refused(place: &Path, file: &Path, what: &str) -> PackError {
    let root = place.join("root");
    let refused = unpack(file, &root).expect_err(what);
    let left: Vec<_> = root.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{what}: {left:?}");
    assert!(!place.join("escaped").exists(), "{what}");
    refused
}

#[test]
fn archives_with_something_else_in_them_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let absolute = place.path().join("escaped").display().to_string();
    let many = "x/".repeat(8) + "y";
    for name in [
        "../escaped",
        "7Q4K-chat/../../escaped",
        "7Q4K-chat/./../escaped",
        absolute.as_str(),
        "/",
        "..",
        "7Q4K-chat",
        "7Q4K-chat/.ssh",
        "7Q4K-chat/a\\b",
        "7Q4K-chat/C:x",
        "7Q4K-chat/\u{1b}[2J",
        "7Q4K-chat/run.json",
        "other/run.json",
        many.as_str(),
    ] {
        let file = archive(place.path(), |archive| {
            archive.append(&header(name, EntryType::Regular, 4), &b"evil"[..]).unwrap();
        });
        let error = is_refused(place.path(), &file, name);
        assert!(matches!(error, PackError::Refused { .. }), "{name}: {error}");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::Block,
        EntryType::GNULongName,
        EntryType::GNUSparse,
        EntryType::XHeader,
    ] {
        let file = archive(place.path(), |archive| {
            let mut header = header("7Q4K-chat/link", kind, 0);
            header.set_link_name("/etc/passwd").unwrap();
            header.set_cksum();
            archive.append(&header, &b""[..]).unwrap();
        });
        let error = is_refused(place.path(), &file, &format!("{kind:?}"));
        assert!(matches!(error, PackError::Refused { .. }), "{kind:?}: {error}");
    }
}

#[test]
fn what_would_fill_the_disk_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let zeros = archive(place.path(), |archive| {
        let header = header("7Q4K-chat/zeros", EntryType::Regular, 100 << 20);
        archive.append(&header, std::io::repeat(0).take(100 << 20)).unwrap();
    });
    assert!(fs::metadata(&zeros).unwrap().len() < 100_000);
    is_refused(place.path(), &zeros, "zeros");

    let promise = archive(place.path(), |archive| {
        archive.append(&header("7Q4K-chat/x", EntryType::Regular, 1 << 50), &b"short"[..]).unwrap();
    });
    is_refused(place.path(), &promise, "a promise");

    let files = archive(place.path(), |archive| {
        for number in 0..5_000 {
            let header = header(&format!("7Q4K-chat/{number}"), EntryType::Regular, 0);
            archive.append(&header, &b""[..]).unwrap();
        }
    });
    is_refused(place.path(), &files, "many files");
}

#[test]
fn what_is_read_as_a_whole_is_not_larger_than_memory() {
    for name in ["events.jsonl", "summary.json"] {
        let place = tempfile::tempdir().unwrap();
        let directory = finished(&place.path().join("source"), "7Q4K", "chat");
        // A hole takes no room on the disk.
        let file = File::create(directory.path().join(name)).unwrap();
        file.set_len((64 << 20) + 1).unwrap();
        let refused = adopt(directory.path(), &place.path().join("root"));
        assert!(matches!(refused, Err(PackError::Refused { .. })), "{name}: {refused:?}");
    }
}

/// What a killed import left goes with the next one; what a living one has is locked.
#[cfg(unix)]
#[test]
fn the_leftovers_of_killed_imports_are_swept_away() {
    let packed = Packed::new();
    let root = packed.place.path().join("b");
    let [left, living] = [".import-1", ".import-2"].map(|name| root.join(name));
    for directory in [&left, &living] {
        fs::create_dir_all(directory.join("plots")).unwrap();
        fs::write(directory.join("plots/half.svg"), "half").unwrap();
    }
    let lock = File::open(&living).unwrap();
    lock.lock().unwrap();
    unpack(&packed.file, &root).unwrap();
    assert!(!left.exists() && living.join("plots/half.svg").exists());
    drop(lock);
    adopt(packed.directory.path(), &root).unwrap();
    assert_eq!(root.read_dir().unwrap().count(), 2, "two runs, and nothing else");
}

#[test]
fn imports_at_once_leave_each_other_alone() {
    let packed = Packed::new();
    let root = packed.place.path().join("b");
    thread::scope(|scope| {
        let import = || (0..10).for_each(|_| drop(unpack(&packed.file, &root).unwrap()));
        (0..8).for_each(|_| drop(scope.spawn(import)));
    });
    assert_eq!(root.read_dir().unwrap().count(), 80);
}

#[test]
fn what_is_cut_off_damaged_or_no_run_is_refused() {
    let packed = Packed::new();
    let bytes = fs::read(&packed.file).unwrap();
    let place = packed.place.path();
    let file = place.join("damaged");
    for cut in (0..bytes.len()).step_by(bytes.len() / 23) {
        fs::write(&file, &bytes[..cut]).unwrap();
        is_refused(place, &file, &format!("cut at {cut}"));
    }
    let whole = zstd::decode_all(&bytes[..]).unwrap();
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 23) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, &damaged).unwrap();
        // Some bits of the compressed form mean nothing.
        if zstd::decode_all(&damaged[..]).is_ok_and(|text| text == whole) {
            continue;
        }
        is_refused(place, &file, &format!("damaged at {at}"));
        refused += 1;
    }
    assert!(refused > 15, "{refused}");
    let no_run = |text: &str| {
        let mut archive = Builder::new(Vec::new());
        let header = header("x/run.json", EntryType::Regular, text.len() as u64);
        archive.append(&header, text.as_bytes()).unwrap();
        let bytes = zstd::bulk::compress(&archive.into_inner().unwrap(), 1).unwrap();
        fs::write(&file, bytes).unwrap();
        is_refused(place, &file, text)
    };
    assert!(matches!(no_run(r#"{"format_version": 99}"#), PackError::NotARun(_)));
    assert!(matches!(no_run("[]"), PackError::NotARun(_)));
}

#[test]
fn what_is_at_a_path_is_told_by_its_contents() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    for text in [&b""[..], b"{}", &zstd::bulk::compress(b"text", 1).unwrap(), &[0x28, 0xb5, 0x2f]] {
        File::create(&file).unwrap().write_all(text).unwrap();
        assert_eq!(recognize(&file).unwrap(), None, "{text:?}");
    }
    assert_eq!(recognize(place.path()).unwrap(), None);
    assert!(recognize(&place.path().join("nothing")).is_err());
}
