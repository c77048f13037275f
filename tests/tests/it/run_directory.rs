//! What a run leaves on the disk: all of it, none of it twice, no secret among it.

use std::{collections::BTreeSet, fs, io::Write, num::NonZeroUsize};

use bench_core::{Load, Phase, Plan, Point, PointOutcome, Trust, Until, Verdict};
use bench_store::{FORMAT_VERSION, State, SummaryFile, summarize};

use crate::{
    program::{Place, name, samples},
    server::{Server, refusal, whole},
};

#[test]
fn it_holds_the_plan_every_sample_and_the_summary() {
    let place = Place::new();
    place.run("--simulate -n 30 -c 3 --seed 7 --name first").measures();
    let directory = place.run_directory();
    let run = directory.read_run().unwrap();
    assert_eq!(name(&directory), format!("{}-first", run.id));
    assert_eq!((run.format_version, run.seed, run.name.as_str()), (FORMAT_VERSION, 7, "first"));
    assert_eq!(run.points.len(), 1);
    let environment = &run.environment;
    assert_eq!(environment["targets"][0]["simulated"], true);
    let command: Vec<_> = environment["command"].as_array().unwrap().iter().skip(1).collect();
    assert_eq!(command[0], "run");
    assert!(command.iter().any(|word| *word == "--simulate"), "{command:?}");

    let samples = samples(&directory);
    let numbers = |phase: Phase| -> BTreeSet<u64> {
        samples.iter().filter(|s| s.phase == phase).map(|s| s.number).collect()
    };
    assert_eq!(samples.len(), 4 + 30);
    assert_eq!(numbers(Phase::WarmUp), (0..4).collect());
    assert_eq!(numbers(Phase::Measure), (0..30).collect());
    let ids: BTreeSet<_> = samples.iter().map(|sample| &sample.request_id).collect();
    assert_eq!(ids.len(), samples.len());

    let summary = place.summary();
    assert_eq!((summary.id, summary.state), (run.id, State::Finished));
    let events = fs::read_to_string(directory.events_path()).unwrap();
    assert!(events.lines().last().unwrap().contains(r#""event":"run_ended","state":"finished""#));
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.run("--simulate -n 5").measures();
    let directory = place.run_directory();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory.path().to_owned()), 0o700);
    for entry in directory.path().read_dir().unwrap() {
        assert_eq!(mode(entry.unwrap().path()), 0o600);
    }
}

#[test]
fn the_summary_can_be_computed_again_from_the_samples() {
    let server = Server::completing(|request, to| match request.number % 10 {
        9 => write!(to, "{}", refusal(500, "now and then")),
        _ => write!(to, "{}", whole(request)),
    });
    let place = Place::new();
    place.run(&format!("-u {} -n 200 -c 4", server.url)).exits(6);
    let recomputed = summarize(&place.run_directory()).unwrap();
    assert_eq!(recomputed.torn, None);
    let written = place.point();
    let computed = in_a_file(recomputed.points[&0].clone());
    assert_eq!(computed.points[0].metrics, written.metrics);
    assert_eq!(computed.points[0].outcomes, written.outcomes);
    assert_eq!(computed.points[0].errors, written.errors);
}

/// `summary` as it would stand in a file.
fn in_a_file(summary: bench_core::Summary) -> SummaryFile {
    let point = Point::new(Load::closed(NonZeroUsize::MIN), Until::requests(1));
    let verdict = Verdict { trust: Trust::Trusted, reasons: Vec::new() };
    let plan = Plan::of(point.clone());
    let ended = PointOutcome { number: 0, point, failure: None, summary, verdict };
    SummaryFile::new(&plan, &[ended], State::Finished)
}

#[test]
fn no_secret_is_in_it_or_on_the_screen() {
    let server = Server::completing(|request, to| match request.number % 4 {
        3 => write!(to, "{}", refusal(400, "no such thing")),
        _ => write!(to, "{}", whole(request)),
    });
    let place = Place::new();
    fs::write(place.path().join("key"), "sk-s3cret-key\n").unwrap();
    let run = place.run(&format!("-u {} -n 20 --api-key-file key", server.url));
    let run = run.words("--header=X-Other:s3cret-other -H").arg("X-Secret: s3cret-value");
    let ended = run.env("OPENAI_API_KEY", "sk-s3cret-variable").exits(6);

    let asked = server.completions().pop().unwrap();
    assert_eq!(asked.header("authorization"), Some("Bearer sk-s3cret-key"));
    assert_eq!(asked.header("x-secret"), Some("s3cret-value"));
    assert_eq!(asked.header("x-other"), Some("s3cret-other"));

    let directory = place.run_directory();
    let mut written = format!("{:?}", samples(&directory));
    for entry in directory.path().read_dir().unwrap() {
        written += &String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(written.contains("X-Secret: ***"), "the command is written down");
    for text in [written, ended.stdout, ended.stderr] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    let environment = directory.read_run().unwrap().environment;
    assert_eq!(environment["targets"][0]["request"]["api_key_from"], "key");
}

#[test]
fn runs_at_the_same_time_in_the_same_place_have_one_each() {
    let place = Place::new();
    let runs: Vec<_> = (0..4).map(|_| place.run("--simulate -n 5").start()).collect();
    for run in runs {
        run.measures();
    }
    place.run("--simulate -n 5").measures();
    let directories = place.run_directories();
    let ids: BTreeSet<_> = directories.iter().map(|d| d.read_run().unwrap().id).collect();
    assert_eq!((directories.len(), ids.len()), (5, 5));
    for directory in directories {
        assert_eq!(samples(&directory).len(), 4 + 5);
        assert_eq!(directory.read_summary().unwrap().unwrap().state, State::Finished);
    }
}

#[test]
fn its_name_cannot_lead_elsewhere() {
    let place = Place::new();
    let run = place.run("--simulate -n 5 --artifact-dir here/and/there --name");
    run.arg("../../etc/a b").measures();
    let mut found = place.path().join("here/and/there").read_dir().unwrap();
    let name = found.next().unwrap().unwrap().file_name().into_string().unwrap();
    assert!(name.ends_with("-etc-a-b"), "{name}");
    assert!(found.next().is_none());
}

#[test]
fn exports_have_the_names_and_headers_of_those_they_are_for() {
    let place = Place::new();
    let ended = place.run("--simulate -n 20 --export genai-perf,csv").measures();
    let saved = ended.stdout.lines().skip_while(|line| !line.starts_with("Saved")).take(2);
    let saved: String = saved.collect();
    let directory = place.run_directory();
    for (file, header) in [
        ("profile_export_genai_perf.csv", "Metric,avg,min,max,p99,p95,p90,p75,p50,p25,p10,p5,p1"),
        ("metrics.csv", "target,workload,load,trust,metric,unit,stat,value"),
        ("profile_export_genai_perf.json", "{"),
    ] {
        let text = fs::read_to_string(directory.path().join(file)).unwrap();
        assert_eq!(text.lines().next(), Some(header), "{file}");
        assert!(saved.contains(file), "{file}: {saved}");
    }
    let text = fs::read(directory.path().join("profile_export_genai_perf.json")).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(document["request_count"]["avg"], 20.0);
    assert_eq!(document["output_sequence_length"]["avg"], 8.0);
    assert!(document["time_to_first_token"]["p99"].as_f64().unwrap() > 19.9);
}
