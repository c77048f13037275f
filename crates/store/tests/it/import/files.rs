//! Which files are results, what is said of those that are not, and what becomes of those that are.

use std::{error::Error, fs};

use bench_store::import::{self, ImportError};

use super::{FILES, closed, data, imported};

#[test]
fn every_imported_point_is_doubtful_and_says_why() {
    for name in FILES {
        let run = imported(name);
        for point in &run.summary.points {
            assert_eq!(point.trust, "doubtful", "{name}");
            assert_eq!(point.reasons[0].code, "imported", "{name}");
            assert!(point.reasons[0].text.contains(run.tool.as_str()), "{name}");
        }
        assert_eq!(run.run.environment["imported"]["tool"], run.tool.as_str());
    }
}

#[test]
fn an_import_is_written_and_read_as_a_run() {
    let root = tempfile::tempdir().unwrap();
    for (seed, name) in (1..).zip(FILES) {
        let run = imported(name);
        let directory = import::write(root.path(), &run, seed).unwrap();
        let (file, summary) = (directory.read_run().unwrap(), directory.read_summary().unwrap());
        let summary = summary.unwrap();
        assert_eq!(file.id, summary.id);
        assert!(!file.id.is_empty());
        assert_eq!(summary.points, run.summary.points, "{name}");
        assert_eq!(file.environment, run.run.environment, "{name}");
    }
}

#[test]
fn a_run_of_ours_needs_no_import() {
    let root = tempfile::tempdir().unwrap();
    let (directory, _log) = crate::fixture::begun(root.path());
    let file = directory.path().join("profile_export_genai_perf.json");
    fs::copy(data("genai-perf/profile_export_genai_perf.json"), &file).unwrap();
    for path in [directory.path(), &file] {
        let error = import::read(path).unwrap_err();
        assert!(matches!(error, ImportError::Ours { .. }), "{error}");
    }
}

#[test]
fn a_folder_of_several_tools_is_refused() {
    let error = import::read(&data("")).unwrap_err();
    assert!(matches!(error, ImportError::Mixed { .. }), "{error}");
}

#[test]
fn a_folder_one_below_is_found() {
    let root = tempfile::tempdir().unwrap();
    let below = root.path().join("tiny-openai-chat-concurrency7");
    fs::create_dir(&below).unwrap();
    fs::copy(data("genai-perf/new.csv"), below.join("any.csv")).unwrap();
    fs::write(below.join("inputs.json"), "{\"data\":[]}").unwrap();
    let run = import::read(root.path()).unwrap();
    assert_eq!(run.summary.points[0].load, closed(7));
    assert_eq!(run.summary.points[0].target, "tiny (genai-perf)");
}

/// The text of a failure, and its cause.
fn failure(name: &str, contents: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, contents).unwrap();
    let error = import::read(&file).unwrap_err();
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}").replace(&folder.path().display().to_string(), "")
}

#[test]
fn damaged_and_foreign_files_say_where_and_what() {
    let known = "genai-perf, AIPerf, vllm bench serve, vllm-bench, SGLang bench_serving, guidellm, \
                 genai-bench";
    for (name, contents, expected) in [
        ("a.json", "", format!("/a.json holds no results of a known tool: {known}")),
        ("a.json", "{\"id\":1}", format!("/a.json holds no results of a known tool: {known}")),
        ("a.txt", "hello", format!("/a.txt holds no results of a known tool: {known}")),
        (
            "a.json",
            "{\"duration\": 1.0,\n \"completed\": 3, \"req",
            "line 2, column 21 of /a.json is malformed: EOF while parsing a string at line 2 column 21"
                .to_owned(),
        ),
        (
            "a.json",
            "{\"duration\":1,\"completed\":1,\"request_throughput\":1,\"model_id\":\"m\",\n\"ttfts\":[{}]}",
            "line 2, column 11 of /a.json is malformed: invalid type: map, expected a number at line 2 \
             column 11"
                .to_owned(),
        ),
        (
            "a.csv",
            "Metric,avg,min\nTime To First Token (ms),12\n",
            "line 2, column 0 of /a.csv is malformed: 2 cells below 3 names".to_owned(),
        ),
        (
            "a.csv",
            "Metric,avg\nTime To First Token (ms),fast\n",
            "line 2, column 0 of /a.csv is malformed: `fast` is no number".to_owned(),
        ),
        (
            "a.json",
            "{\"metadata\":{},\"benchmarks\":[]}",
            "/a.json is guidellm's and has no benchmark that ended".to_owned(),
        ),
    ] {
        assert_eq!(failure(name, contents.as_bytes()), expected);
    }
}

#[test]
fn what_is_not_there_or_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    assert!(matches!(import::read(&path), Err(ImportError::Unreadable { .. })));
    assert!(matches!(import::read(folder.path()), Err(ImportError::Foreign { .. })));
    // A hole takes no room on the disk.
    fs::File::create(&path).unwrap().set_len((2 << 30) + 1).unwrap();
    assert!(matches!(import::read(&path), Err(ImportError::TooLarge { .. })));
}

#[test]
fn a_damaged_file_in_a_folder_is_passed_over_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(data("vllm/plain.json"), folder.path().join("plain.json")).unwrap();
    fs::write(folder.path().join("damaged.json"), "{\"duration\": 1.").unwrap();
    let run = import::read(folder.path()).unwrap();
    assert!(run.notes.iter().any(|note| note.starts_with("passed over: ")), "{:?}", run.notes);
}
