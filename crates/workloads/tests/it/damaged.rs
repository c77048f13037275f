//! Files that are damaged, or no files of conversations at all.

use std::path::Path;

use bench_workloads::{Approximate, DatasetFile, Format};
use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};

use crate::data;

/// All small files, by name.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = data("datasets");
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e != "md" && e != "parquet"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    samples.sort();
    samples
}

/// A change to bytes.
#[derive(Clone, Debug)]
enum Change {
    Put(usize, u8),
    Cut(usize, usize),
    Repeat(usize, usize),
    Insert(usize, &'static str),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let words = [
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "-1",
        "1e999",
        "\n",
        "\\u0000",
        "\u{7FF}",
        "\"\"",
        "99999999999999999999",
        "{}",
        "[]",
        "true",
    ];
    let at = || any::<usize>();
    let change = prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (at(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (at(), 1..200_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (at(), prop::sample::select(words.to_vec())).prop_map(|(at, w)| Change::Insert(at, w)),
    ];
    prop::collection::vec(change, 1..6)
}

fn change(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let range = |at: usize, length: usize| {
        let at = at % bytes.len();
        at..bytes.len().min(at + length)
    };
    match *change {
        Change::Put(at, byte) => {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        Change::Cut(at, length) => drop(bytes.drain(range(at, length))),
        Change::Repeat(at, length) => {
            let range = range(at, length);
            let again = bytes[range.clone()].to_vec();
            bytes.splice(range.start..range.start, again);
        }
        Change::Insert(at, word) => {
            let at = at % bytes.len();
            bytes.splice(at..at, word.bytes());
        }
    }
}

/// Whether a number is so great that texts of that length are made up, which takes long, and not so great that it
/// is refused.
fn takes_long(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut runs = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let is_long = |run: &str| {
        let whole = run.split('.').next().unwrap_or_default();
        whole.parse::<u64>().is_ok_and(|number| (7_000..20_000_000).contains(&number))
    };
    runs.any(is_long)
}

/// Reads `bytes` by what they look like, and as each format: nothing of it may panic.
fn read_all_ways(name: &str, bytes: &[u8]) {
    let formats = Format::ALL.into_iter().map(Some).chain([None]);
    for format in formats {
        let file = DatasetFile { format, ..DatasetFile::new(Path::new(name)) };
        match file.read_from(bytes, &Approximate) {
            Ok(read) => {
                assert!(!read.conversations.is_empty());
                assert!(read.conversations.iter().all(|c| !c.turns.is_empty()));
            }
            Err(error) => assert!(!error.what.is_empty() && !error.remedy.is_empty()),
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
        for name in ["a.jsonl", "a.json", "a.csv", "a"] {
            read_all_ways(name, &bytes);
            read_all_ways(name, text.as_bytes());
        }
    }

    #[test]
    fn nothing_panics_on_damaged_files(sample in any::<prop::sample::Index>(), changes in changes()) {
        let samples = samples();
        let (name, bytes) = &samples[sample.index(samples.len())];
        let mut bytes = bytes.clone();
        for one in &changes {
            change(&mut bytes, one);
        }
        if !takes_long(&bytes) {
            read_all_ways(name, &bytes);
        }
    }
}
