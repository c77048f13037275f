//! Files that were cut, or that hold something else than they should.

use std::fs;

use bench_store::import;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

use super::{FILES, data};

/// What goes wrong with bytes.
#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Put(prop::sample::Index, u8),
    Number(prop::sample::Index, &'static str),
}

fn damage() -> impl prop::strategy::Strategy<Value = Damage> {
    use prop::strategy::Strategy;
    const WORDS: [&str; 9] =
        ["-1", "1e308", "-1e308", "18446744073709551616", "NaN", "null", "\"x\"", "[]", "{}"];
    let at = any::<prop::sample::Index>;
    proptest::prop_oneof![
        1 => at().prop_map(Damage::Cut),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Put(at, byte)),
        6 => (at(), prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Damage::Number(at, word)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        match damage {
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Damage::Put(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Put(..) => {}
            Damage::Number(at, word) => {
                let numbers = numbers(&bytes);
                if !numbers.is_empty() {
                    let number = numbers[at.index(numbers.len())].clone();
                    bytes.splice(number, word.bytes());
                }
            }
        }
    }
    bytes
}

/// Where numbers stand.
fn numbers(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut numbers = Vec::new();
    let mut start = None;
    for (i, byte) in bytes.iter().enumerate() {
        match (start, byte.is_ascii_digit() || *byte == b'.') {
            (None, true) => start = Some(i),
            (Some(from), false) => {
                numbers.push(from..i);
                start = None;
            }
            _ => {}
        }
    }
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_makes_an_error_or_a_run_that_can_be_written(
        name in prop::sample::select(&FILES[..]),
        damages in prop::collection::vec(damage(), 1..6),
        beside in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let source = data(name);
        let file = folder.path().join(source.file_name().unwrap());
        let bytes = damaged(fs::read(&source).unwrap(), &damages);
        fs::write(&file, bytes).unwrap();
        if beside {
            let requests = fs::read(data("aiperf/profile_export.jsonl")).unwrap();
            fs::write(folder.path().join("profile_export.jsonl"), damaged(requests, &damages)).unwrap();
        }
        for path in [file.as_path(), folder.path()] {
            let Ok(run) = import::read(path) else { continue };
            for (id, line) in run.summary.points.iter().flat_map(|point| &point.metrics) {
                for (statistic, value) in line.statistics() {
                    prop_assert!(value.is_finite(), "{id} {statistic}: {value}");
                }
            }
            let directory = import::write(folder.path(), &run, 1).unwrap();
            prop_assert!(directory.read_run().is_ok());
            prop_assert!(directory.read_summary().unwrap().is_some());
        }
    }
}
