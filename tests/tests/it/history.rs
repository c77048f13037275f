//! What was measured before: `inferbench runs`.

use std::{fs, io::Write, path::Path};

use serde_json::Value;

use crate::{
    program::{Call, Place, Started, until},
    server::{Gate, Server, whole},
};

/// What `runs ls --json` prints, with `words` after it.
pub(crate) fn listed(place: &Place, words: &str) -> Vec<Value> {
    let ended = place.inferbench("runs ls --json").words(words).exits(0);
    match serde_json::from_str(&ended.stdout).unwrap() {
        Value::Array(runs) => runs,
        other => panic!("no array: {other}"),
    }
}

fn names(place: &Place, words: &str) -> Vec<String> {
    listed(place, words).iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect()
}

/// A place with these runs, the last one the newest.
fn with_runs(names: &[&str]) -> Place {
    let place = Place::new();
    for name in names {
        place.run("--simulate -n 5 --ui none --name").arg(name).measures();
    }
    place
}

pub(crate) fn says(place: &Place, words: &str) -> String {
    place.inferbench("runs").words(words).exits(0).stdout
}

fn refuses(place: &Place, words: &str) -> String {
    let ended = place.inferbench("runs").words(words).exits(2);
    assert_eq!(ended.stdout, "", "{words}");
    ended.stderr
}

#[test]
fn runs_are_listed_shown_and_found_again() {
    let place = with_runs(&["first", "second", "third"]);
    assert_eq!(names(&place, ""), ["third", "second", "first"]);
    let run = &listed(&place, "-n 1")[0];
    let id = run["id"].as_str().unwrap();
    assert_eq!((&run["state"], &run["simulated"]), (&"finished".into(), &true.into()));
    assert!(run["headline"]["ttft_ms_p95"].as_f64().unwrap() > 19.9, "{run}");
    assert!(run["bytes"].as_u64().unwrap() > 1_000, "{run}");

    let table = says(&place, "ls");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    for word in [id, "third", "second", "first", "simulated", "closed loop", "tok/s"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    assert!(says(&place, "ls -n 2").contains("2 of 3 runs; -n 3 shows all"));
    for reference in ["@last", id, &id.to_lowercase(), "*third", &format!("artifacts/{id}-third")] {
        let shown = says(&place, &format!("show {reference}"));
        assert!(shown.contains("third") && shown.contains("closed loop, 1 user"), "{shown}");
    }
    let shown: Value = serde_json::from_str(&says(&place, "show @prev --json")).unwrap();
    assert_eq!(shown["name"], "second");
    assert_eq!(shown["summary"]["points"][0]["outcomes"]["ok"], 5);

    let said = refuses(&place, "show tag:none");
    assert!(said.contains("error[IB104] \"tag:none\" names no run below artifacts"), "{said}");
    assert!(said.contains("it has   no tags"), "{said}");
    assert!(refuses(&place, "show *").contains("names 3 runs"));
    assert!(refuses(&place, "show ./nowhere").contains("holds no run"));
    let nothing = Place::new().inferbench("runs ls").exits(0);
    assert_eq!(
        (nothing.stdout.as_str(), nothing.stderr.as_str()),
        ("", "no runs below artifacts\n")
    );
}

#[test]
fn notes_lie_beside_the_measurement_and_can_be_filtered_by() {
    let place = with_runs(&["first", "second"]);
    let run_files = || -> Vec<Vec<u8>> {
        ["@prev", "@last"].map(|run| fs::read(path(&place, run).join("run.json")).unwrap()).into()
    };
    let before = run_files();
    says(&place, "tag @last nightly h200");
    says(&place, "tag @last h200 --remove");
    says(&place, "note @prev chunked prefill on");
    assert!(says(&place, "baseline @last").contains("-second  is the baseline"));
    let said = says(&place, "baseline @prev");
    assert!(said.contains("-first  is the baseline\n"), "{said}");
    assert!(said.contains("-second  is not the baseline any more\n"), "{said}");
    assert_eq!(run_files(), before, "run.json is never changed");

    for (filter, expected) in [
        ("tag:nightly", &["second"][..]),
        ("PREFILL", &["first"]),
        ("model:simul state:finished", &["second", "first"]),
        ("model:llama", &[]),
        ("fir", &["first"]),
    ] {
        let found = listed_with(&place, filter);
        assert_eq!(found, expected, "{filter}");
    }
    let table = says(&place, "ls");
    assert!(table.contains("      #nightly\n"), "{table}");
    assert!(table.contains("      baseline; chunked prefill on\n"), "{table}");
    assert!(says(&place, "show @baseline").contains("-first"));
    assert!(says(&place, "show tag:nightly").contains("-second"));
    says(&place, "baseline --clear");
    assert!(refuses(&place, "show @baseline").contains("none that is marked as the baseline"));
    assert!(refuses(&place, "tag @last a:b").contains("a tag is one word"));

    let evil = place.inferbench("runs note @last").arg("\u{1b}[2J\u{9b}1mred\u{202e}x").exits(0);
    for shown in
        [evil.stdout, says(&place, "ls"), says(&place, "show @last"), says(&place, "ls --json")]
    {
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    }
    assert_eq!(listed(&place, "-n 1")[0]["note"], "\u{1b}[2J\u{9b}1mred\u{202e}x");
}

fn listed_with(place: &Place, filter: &str) -> Vec<String> {
    let ended = place.inferbench("runs ls --json --filter").arg(filter).exits(0);
    let runs: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    runs.iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect()
}

fn path(place: &Place, reference: &str) -> std::path::PathBuf {
    let shown: Value =
        serde_json::from_str(&says(place, &format!("show {reference} --json"))).unwrap();
    place.path().join(shown["path"].as_str().unwrap())
}

#[test]
fn runs_are_removed_only_as_asked() {
    let place = with_runs(&["one", "two", "three", "four"]);
    let said = refuses(&place, "rm *t*");
    assert!(said.contains("nobody can be asked") && said.contains("--yes"), "{said}");
    assert_eq!(names(&place, "").len(), 4);
    let other = with_runs(&["away"]);
    let away = path(&other, "@last");
    let said = refuses(&place, &format!("rm --yes {}", away.display()));
    assert!(said.contains("lies elsewhere"), "{said}");
    assert!(away.exists());
    says(&place, "rm --yes *three");
    assert_eq!(names(&place, ""), ["four", "two", "one"]);

    says(&place, "tag *one keep");
    assert!(says(&place, "prune --keep 1 --dry-run").contains("-two  would be removed"));
    assert_eq!(says(&place, "prune --older-than 1h"), "");
    assert_eq!(names(&place, "").len(), 3);
    says(&place, "prune --keep 1");
    assert_eq!(names(&place, ""), ["four", "one"]);
    assert!(refuses(&place, "prune").contains("required"));
    let left = fs::read_dir(place.path().join("artifacts")).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
    assert_eq!(left.len(), 2, "nothing hidden is left: {left:?}");
}

#[test]
fn a_packed_run_comes_back_elsewhere() {
    let place = with_runs(&["chat"]);
    says(&place, "note @last remember");
    let file = says(&place, "pack @last");
    let id = listed(&place, "")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(file, format!("{id}-chat.tar.zst\n"));
    assert!(refuses(&place, "pack @last").contains("exists already"));
    let file = place.path().join(file.trim());
    let other = Place::new();
    let import = |place: &Place, path: &Path| place.inferbench("runs import").arg(path).exits(0);
    import(&other, &file);
    let run = &listed(&other, "")[0];
    assert_eq!((&run["id"], &run["note"]), (&id.as_str().into(), &"remember".into()));
    assert_eq!(run["imported"], "inferbench");
    import(&other, &file);
    import(&other, &path(&place, "@last"));
    let ids: std::collections::BTreeSet<_> =
        listed(&other, "").iter().map(|run| run["id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
    assert!(says(&other, "ls").contains("imported from inferbench"));
    fs::write(other.path().join("text"), "no run").unwrap();
    let said = refuses(&other, "import text");
    assert!(said.contains("error[IB105] text cannot be imported"), "{said}");
}

/// Whoever starts at the same time has an id and a directory of its own, and whoever looks sees no half
/// of anything.
#[test]
fn sixteen_at_once_share_nothing() {
    let place = Place::new();
    let run = |_| place.run("--simulate -n 5 --threads 1 --ui none --name same").start();
    let mut running: Vec<Started> = (0..16).map(run).collect();
    let mut looking: Vec<Started> = Vec::new();
    for _ in 0..3 {
        looking.extend((0..6).map(|_| place.inferbench("runs ls --json").start()));
        running.drain(..5).for_each(|run| drop(run.measures()));
    }
    running.into_iter().for_each(|run| drop(run.measures()));
    for look in looking {
        let ended = look.exits(0);
        assert_eq!(ended.stderr.replace("no runs below artifacts\n", ""), "");
    }
    let runs = listed(&place, "");
    let ids: std::collections::BTreeSet<_> = runs.iter().map(|run| run["id"].to_string()).collect();
    assert_eq!((runs.len(), ids.len()), (16, 16));
    assert!(runs.iter().all(|run| run["state"] == "finished" && run["points_ended"] == 1));
}

#[test]
fn a_run_that_goes_on_is_left_alone() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::completing(move |request, to| {
        held.wait();
        write!(to, "{}", whole(request))
    });
    let place = Place::new();
    let run = place.run(&format!("-u {} -n 5 --ui none", server.url)).start();
    until("the run has begun", || {
        listed(&place, "").first().is_some_and(|run| run["state"] == "running")
    });
    for words in ["rm --yes *", "repair *", "pack * -o file"] {
        assert!(refuses(&place, words).contains("is being measured"), "{words}");
    }
    assert_eq!(says(&place, "prune --keep 0"), "");
    gate.open();
    run.measures();
    assert_eq!(listed(&place, "")[0]["state"], "finished");
    assert!(says(&place, "repair @last").contains("is whole"));
}

#[test]
fn a_broken_index_is_no_failure() {
    let place = with_runs(&["one"]);
    let expected = listed(&place, "");
    let index = place.path().join("artifacts/.history.sqlite3");
    fs::write(&index, "this is no database").unwrap();
    let calls: Vec<Call> = (0..8).map(|_| place.inferbench("runs ls --json")).collect();
    let started: Vec<Started> = calls.into_iter().map(Call::start).collect();
    for started in started {
        let ended = started.exits(0);
        assert_eq!(ended.stderr, "");
        assert_eq!(serde_json::from_str::<Vec<Value>>(&ended.stdout).unwrap(), expected);
    }
    assert!(fs::read(&index).unwrap().starts_with(b"SQLite format 3"));
}
