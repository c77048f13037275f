//! Servers that a run starts, or `up` does: as processes here, where the program itself is the server.

use std::{fs, process::Command};

use bench_store::RunDirectory;
use nix::{
    pty::{OpenptyResult, Winsize, openpty},
    sys::signal::Signal,
};
use serde_json::Value;

use crate::{
    llama_server,
    program::{Call, Heard, Place, Started, binary, samples, until},
    tiny_model,
};

/// A place of its own, with servers of its own.
pub(crate) struct Yard {
    place: Place,
    state: String,
}

/// What a server is told that is the simulator, and quick.
const QUICK: &str = "--ttft-ms 1 --itl-ms 1";

impl Yard {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let state = place.path().join("state").to_str().unwrap().to_owned();
        Self { place, state }
    }

    fn inferbench(&self, words: &str) -> Call {
        self.place.inferbench(words).env("INFERBENCH_STATE_DIR", &self.state)
    }

    fn run(&self, words: &str) -> Call {
        self.place.run(words).env("INFERBENCH_STATE_DIR", &self.state)
    }

    /// Whether no server of ours is left, not even its files.
    fn is_empty(&self) -> bool {
        let servers = self.place.path().join("state/servers");
        let has_files = servers.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        !has_files && processes(&self.state).is_empty()
    }
}

/// A target whose server is the simulator, as a process.
fn simulated(name: &str, args: &str) -> String {
    let program = binary().display();
    format!(
        "{name}=up:custom:simulated,up.with=process,up.program={program},\
         up.args=\"sim --port {{port}} {args}\""
    )
}

/// Processes of the program whose environment names `state`, but for those that only asked.
fn processes(state: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(state) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found.retain(|command| !command.is_empty());
    found
}

/// What is recorded of the targets of a run.
pub(crate) fn targets(directory: &RunDirectory) -> Vec<Value> {
    let run = directory.read_run().unwrap();
    run.environment["targets"].as_array().unwrap().clone()
}

#[test]
fn a_run_starts_its_server_and_leaves_none() {
    let yard = Yard::new();
    let target = simulated("mine", "--ttft-ms 1 --itl-ms 1 --log /dev/stderr");
    let ended = yard.run("-n 20 -c 2 --target").arg(&target).measures();
    for step in ["started ", "ready after ", " is gone"] {
        assert!(ended.stderr.contains(step), "{step}: {}", ended.stderr);
    }
    assert!(yard.is_empty(), "{:?}", processes(&yard.state));
    let directory = yard.place.run_directory();
    assert_eq!(samples(&directory).iter().filter(|s| s.outcome.is_ok()).count(), 20 + 4);
    let target = &targets(&directory)[0];
    assert_eq!(
        (&target["name"], &target["model"]),
        (&"simulated mine".into(), &"simulated".into())
    );
    let server = &target["server"];
    assert_eq!((&server["backend"], &server["engine"]), (&"process".into(), &"custom".into()));
    assert!(server["ready_s"].as_f64().unwrap() > 0.0);
    assert!(server["command"].as_str().unwrap().contains("sim"), "{server}");
    let log = directory.path().join(server["log"].as_str().unwrap());
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("simulated server at"), "{log}");
}

#[test]
fn a_real_engine_comes_up_is_measured_and_goes() {
    let Some(program) = llama_server::program() else { return };
    let yard = Yard::new();
    fs::write(yard.place.path().join("tiny.gguf"), tiny_model::gguf()).unwrap();
    // One thread computes and leaves the other core to the client.
    let target = format!(
        "real=up:llamacpp:./tiny.gguf,up.with=process,up.program={},up.gpus=none,\
         up.args=\"--threads 1 --parallel 2 --ctx-size 8192 --offline\"",
        program.display()
    );
    let ended = yard.run("-n 20 -c 2 --target").arg(target).measures();
    for step in ["loading weights", "ready after ", " is gone"] {
        assert!(ended.stderr.contains(step), "{step}: {}", ended.stderr);
    }
    assert!(yard.is_empty(), "{:?}", processes(&yard.state));
    let directory = yard.place.run_directory();
    let samples = samples(&directory);
    assert!(samples.len() >= 20 && samples.iter().all(|sample| sample.outcome.is_ok()));
    let server = &targets(&directory)[0]["server"];
    assert!(server["program"].as_str().unwrap().ends_with("llama-server"), "{server}");
    let log = fs::read_to_string(directory.path().join(server["log"].as_str().unwrap())).unwrap();
    assert!(log.contains("listening on http://127.0.0.1:"), "{log}");
}

#[test]
fn two_servers_are_compared_one_after_the_other() {
    let yard = Yard::new();
    let run = yard.run("-n 12 -c 1,2 --repeat 2 --target");
    let run = run.arg(simulated("a", QUICK)).arg("--target").arg(simulated("b", QUICK));
    let ended = run.measures();
    assert_eq!(ended.stderr.matches("ready after ").count(), 2, "{}", ended.stderr);
    assert!(yard.is_empty());
    let summary = yard.place.summary();
    let order: Vec<&str> = summary.points.iter().map(|point| point.target.as_str()).collect();
    assert_eq!(order[..4].iter().collect::<std::collections::BTreeSet<_>>().len(), 1, "{order:?}");
    assert_eq!(summary.points.len(), 8);
    assert_eq!(targets(&yard.place.run_directory()).len(), 2);
}

#[test]
fn each_value_of_an_argument_has_a_server() {
    let yard = Yard::new();
    let target = format!("{},up.vary.itl-ms=\"1 3\"", simulated("mine", "--ttft-ms 1"));
    let ended = yard.run("-n 10 -c 1,2 --target").arg(target).measures();
    assert_eq!(ended.stderr.matches("ready after ").count(), 2, "{}", ended.stderr);
    assert!(yard.is_empty());
    let directory = yard.place.run_directory();
    let labels: Vec<Value> =
        targets(&directory).iter().map(|target| target["labels"]["itl-ms"].clone()).collect();
    assert_eq!(labels, ["1", "3"]);
    assert_eq!(yard.place.summary().points.len(), 4);
}

#[test]
fn on_a_terminal_what_servers_say_has_lines_of_its_own() {
    let yard = Yard::new();
    let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
    let target = format!("{},up.vary.itl-ms=\"1 3\"", simulated("mine", "--ttft-ms 1"));
    let run = yard.run("--duration 2s -c 1 --target").arg(target);
    let heard = Heard::listen(fs::File::from(master));
    let mut run = run.env("TERM", "xterm-256color").on_terminal(&slave);
    run.wait();
    let said = heard.wait_for("Saved");
    assert!(said.contains("in flight"), "the bar is seen: {said}");
    let of_servers: Vec<&str> = said.lines().filter(|line| line.contains(" is gone")).collect();
    assert_eq!(of_servers.len(), 2, "{said}");
    assert!(!of_servers.iter().any(|line| line.contains("in flight")), "{of_servers:?}");
    // The second one is seen coming and going as the first is.
    assert!(said.rsplit("point 1/2").next().unwrap().contains(" stopping "), "{said}");
}

#[test]
fn a_server_is_kept_until_it_is_taken_down() {
    let yard = Yard::new();
    let program = binary().display();
    let up = format!("up custom simulated --name kept --with process --program {program} -- ");
    let up = up + &format!("sim --port {{port}} {QUICK}");
    let ended = yard.inferbench(&up).exits(0);
    let url = ended.stdout.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert!(ended.stdout.contains("inferbench down kept"), "{}", ended.stdout);

    let listed = yard.inferbench("servers").exits(0).stdout;
    assert!(listed.contains("kept") && listed.contains(url), "{listed}");
    let json: Value =
        serde_json::from_str(&yard.inferbench("servers --json").exits(0).stdout).unwrap();
    assert_eq!((&json[0]["running"], &json[0]["with"]), (&true.into(), &"process".into()));
    assert!(yard.inferbench("logs kept").exits(0).stdout.contains("simulated server at"));
    yard.run(&format!("-n 5 -c 1 --url {url}")).measures();

    let again = yard.inferbench(&up).exits(7).stderr;
    assert!(again.contains("kept"), "{again}");
    assert!(yard.inferbench("logs other").exits(2).stderr.contains("no server called `other`"));
    assert!(yard.inferbench("down other").exits(2).stderr.contains("IB507"));
    yard.inferbench("down kept").exits(0);
    assert!(yard.inferbench("servers").exits(0).stdout.contains("nothing is up"));
    until("it is gone", || yard.is_empty());
}

#[test]
fn the_last_lines_are_those_of_a_log_of_whatever_length() {
    let yard = Yard::new();
    let script = format!("#!/bin/sh\nseq 25000\nexec {} \"$@\"\n", binary().display());
    // Written by another process: what another test starts at that moment would hold it open for writing.
    let [text, to] = ["script", "server"].map(|name| yard.place.path().join(name));
    fs::write(&text, script).unwrap();
    let installed = Command::new("install").args(["-m", "700"]).args([&text, &to]).status();
    assert!(installed.unwrap().success());
    let up =
        format!("up custom simulated --name kept --with process --program {} -- ", to.display());
    yard.inferbench(&(up + &format!("sim --port {{port}} {QUICK}"))).exits(0);
    let whole = yard.inferbench("logs kept").exits(0).stdout;
    let last: Vec<&str> = whole.lines().rev().take(3).collect();
    assert!(whole.lines().count() > 25_000);
    let tail = yard.inferbench("logs kept --tail 3").exits(0).stdout;
    assert_eq!(tail.lines().rev().collect::<Vec<_>>(), last);
    yard.inferbench("down kept").exits(0);
}

#[test]
fn a_log_is_followed_until_its_server_is_taken_down() {
    let yard = Yard::new();
    let program = binary().display();
    let up = format!("up custom simulated --name followed --with process --program {program} -- ");
    let up = up + &format!("sim --port {{port}} --log /dev/stderr {QUICK}");
    yard.inferbench(&up).exits(0);
    let follow = yard.inferbench("logs followed --follow").start();
    follow.stdout.wait_for("simulated server at");
    yard.inferbench("down followed").exits(0);
    follow.exits(0);
}

#[test]
fn a_name_that_another_machine_has_is_left_to_it() {
    let yard = Yard::new();
    // As on a home directory that they share.
    let theirs = yard.place.path().join("state/servers/inferbench-custom-simulated");
    fs::create_dir_all(&theirs).unwrap();
    let record = serde_json::json!({
        "format_version": 1, "id": "inferbench-custom-simulated@1.1.0", "engine": "custom",
        "name": "inferbench-custom-simulated", "model": "simulated", "program": "/bin/true",
        "args": [], "texts": {}, "secrets": {}, "port": 8000, "is_kept": true,
        "owner": "1:1:1:another-start:another-machine", "stop_within_ms": 1000,
    });
    fs::write(theirs.join("server.json"), record.to_string()).unwrap();
    yard.run("-n 5 -c 1 --target").arg(simulated("mine", QUICK)).measures();
    let target = &targets(&yard.place.run_directory())[0];
    assert_eq!(target["server"]["name"], "inferbench-custom-simulated-2");
    assert!(theirs.join("server.json").is_file());
}

#[test]
fn who_is_not_there_is_missed_only_where_somebody_says_so() {
    let yard = Yard::new();
    let servers = || yard.inferbench("servers").env("PATH", "/nowhere");
    assert_eq!(servers().exits(0).stderr, "");
    let said = servers().env("CONTAINER_HOST", "unix:///nowhere/podman.sock").exits(0).stderr;
    assert!(said.contains("/nowhere/podman.sock"), "{said}");
}

#[test]
fn what_up_does_is_printed_and_not_done() {
    let yard = Yard::new();
    let up =
        "up vllm Qwen/Qwen3-0.6B --print --port 8123 --gpus device=0,1 -- --max-model-len 8192";
    let printed = yard.inferbench(up).env("HF_TOKEN", "hf_canary").exits(0).stdout;
    for part in
        ["docker run", "127.0.0.1:8123:8000", "device=0,1", "--max-model-len", "8192", "HF_TOKEN"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!printed.contains("hf_canary"), "{printed}");
    assert!(yard.is_empty());
}

#[test]
fn a_server_that_ends_says_why_and_nothing_is_measured() {
    let yard = Yard::new();
    let target = simulated("mine", "--jitter 7");
    let said = yard.run("-n 5 --target").arg(target).exits(7).stderr;
    assert!(said.contains("[IB504]") && said.contains("jitter"), "{said}");
    assert!(yard.is_empty() && yard.place.run_directories().is_empty());
}

#[test]
fn what_is_not_there_says_what_to_do() {
    let yard = Yard::new();
    for (words, code, said) in [
        ("up vlm m", 2, "there is no recipe for `vlm`"),
        ("up vllm m --with process --program no-such-program", 7, "no-such-program"),
        ("up vllm m --env HF_TOKEN=x --print", 2, "HF_TOKEN"),
        ("up nim meta/llama-3.1-8b-instruct --print", 7, "NGC_API_KEY"),
        ("up vllm m --gpus some --print", 2, "some"),
        ("up vllm m --variant none --print", 2, "dgx-spark"),
    ] {
        let ended = yard.inferbench(words).exits(code);
        assert!(ended.stderr.contains(said), "{words}: {}", ended.stderr);
    }
    assert!(yard.is_empty());
}

/// A run whose server is up and being measured.
fn midway(yard: &Yard) -> Started {
    let run = yard.run("--duration 100s -c 1 --target").arg(simulated("mine", QUICK)).start();
    run.stderr.wait_for("measuring ");
    assert!(!yard.is_empty());
    run
}

#[test]
fn an_interrupted_run_leaves_no_server() {
    let yard = Yard::new();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGHUP, 143)] {
        let run = midway(&yard);
        run.signal(signal);
        run.exits(code);
        assert!(yard.is_empty(), "{:?}", processes(&yard.state));
    }
}

#[test]
fn whoever_stops_waiting_for_a_server_leaves_none() {
    let yard = Yard::new();
    // Its first token takes longer than anybody waits.
    let target = simulated("mine", "--ttft-ms 600000");
    let run = yard.run("-n 5 --target").arg(target).start();
    run.stderr.wait_for("started ");
    run.signal(Signal::SIGINT);
    let said = run.exits(130).stderr;
    assert!(said.contains("IB506"), "{said}");
    assert!(yard.is_empty(), "{:?}", processes(&yard.state));
}

#[test]
fn a_killed_run_leaves_no_server() {
    let yard = Yard::new();
    let mut run = midway(&yard);
    run.kill();
    until("its server is gone", || processes(&yard.state).is_empty());
    // Its files go with the next start.
    yard.run("-n 5 -c 1 --target").arg(simulated("mine", QUICK)).measures();
    assert!(yard.is_empty());
}

#[test]
fn a_server_that_dies_while_it_is_measured_ends_the_run_and_says_so() {
    let yard = Yard::new();
    let run = midway(&yard);
    let server = processes(&yard.state).len();
    assert!(server > 0);
    kill_servers(&yard.state);
    let said = run.exits(7).stderr;
    assert!(said.contains("[IB504]") && said.contains("137"), "{said}");
    assert!(yard.is_empty());
    let target = &targets(&yard.place.run_directory())[0];
    assert!(target["server"]["failure"]["what"].is_string(), "{target}");
}

#[test]
fn a_run_that_goes_on_keeps_what_was_recorded_of_servers_that_are_done() {
    let yard = Yard::new();
    // The third never answers, so that the run can be broken off once two are measured.
    let servers = [("a", QUICK), ("b", QUICK), ("c", "--ttft-ms 600000")];
    let run = servers.iter().fold(yard.run("-n 4 -c 1"), |run, (name, args)| {
        run.arg("--target").arg(simulated(name, args))
    });
    let broken_off = |run: Started| {
        // Who runs it has the same words among its own.
        let is_server = |command: &str| command.split(' ').nth(1) == Some("sim");
        let is_last = |command: &String| is_server(command) && command.contains("--ttft-ms 600000");
        until("the last server comes up", || processes(&yard.state).iter().any(is_last));
        run.signal(Signal::SIGINT);
        run.exits(130);
        assert!(yard.is_empty(), "{:?}", processes(&yard.state));
    };
    broken_off(run.start());
    let directory = yard.place.run_directory();
    let before = targets(&directory);
    assert_eq!(before.len(), 2, "{before:?}");
    let log = |number: u32| {
        fs::read_to_string(directory.path().join(format!("server-{number}.log"))).unwrap()
    };
    let said = log(2);
    broken_off(yard.inferbench("resume").start());
    let after = targets(&directory);
    assert_eq!((after.len(), &after[1]), (2, &before[1]));
    assert_eq!((log(2), log(1).matches("simulated server").count()), (said, 2));
}

/// Kills the simulators among the processes of `state`.
fn kill_servers(state: &str) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let command = read("cmdline");
        let command: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        let is_server = command.get(1) == Some(&&b"sim"[..]);
        if is_server && String::from_utf8_lossy(&read("environ")).contains(state) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
    }
}
