use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use bench_containers::Cause;
use nix::sys::signal::Signal;

use super::*;

/// Another process, which has started a server and waits to be killed; and the server's processes.
async fn starter(rig: &Rig, how: &str, words: &str) -> (Child, Running, Vec<u32>) {
    let mut command = Command::new(stand_in());
    command.arg(how).arg(rig.place.path().join("state")).args(words.split_whitespace());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (id, port) = line.trim().split_once(' ').unwrap();
    let running = Running { id: id.to_owned(), port: port.parse().unwrap() };
    rig.said_all(&running).await;
    let pids = rig.state(&running).await.pids;
    (child, running, pids)
}

#[tokio::test]
async fn nothing_is_left_of_a_server_whose_starter_is_killed() {
    let rig = Rig::alone();
    let (mut starter, _, pids) = starter(&rig, "start", "child child-elsewhere orphan").await;
    assert_eq!(pids.len(), 4);
    starter.kill().unwrap();
    starter.wait().unwrap();
    until("nothing is left", || !pids.iter().any(|pid| runs(*pid)) && rig.is_empty()).await;
}

#[tokio::test]
async fn a_server_that_nobody_held_is_taken_down_by_the_next() {
    let rig = Rig::alone();
    let (mut starter, running, pids) = starter(&rig, "start-alone", "child").await;
    assert!(rig.process.reap().await.unwrap().is_empty(), "its owner is there");
    starter.kill().unwrap();
    starter.wait().unwrap();
    assert!(rig.state(&running).await.is_running);
    let reaped = rig.process.reap().await.unwrap();
    assert_eq!((reaped.len(), &reaped[0].name[..]), (1, "held"));
    assert!(pids.iter().all(|pid| !runs(*pid)) && rig.is_empty());
}

#[tokio::test]
async fn a_server_whose_holder_is_killed_is_still_known() {
    let rig = Rig::held();
    let running = rig.start("child").await;
    rig.said_all(&running).await;
    let pids = rig.state(&running).await.pids;
    signal(pid_of(&rig, "mine", "holder"), Signal::SIGKILL);
    let state = rig.state(&running).await;
    assert!(state.is_running && state.pids == pids);
    rig.process.stop(&running.id, Duration::from_millis(100)).await.unwrap();
    assert!(pids.iter().all(|pid| !runs(*pid)) && rig.is_empty());
}

#[tokio::test]
async fn one_whose_end_nobody_saw_says_so() {
    let rig = Rig::held();
    let running = rig.process.start(&kept("")).await.unwrap();
    let server = pid_of(&rig, "mine", "server");
    signal(pid_of(&rig, "mine", "holder"), Signal::SIGKILL);
    signal(server, Signal::SIGKILL);
    until("it has ended", || !runs(server)).await;
    let state = rig.state(&running).await;
    assert_eq!((state.is_running, state.exit_code), (false, None));
    assert_eq!(state.said.as_deref(), Some("nobody saw how it ended"));
    rig.process.stop(&running.id, Duration::ZERO).await.unwrap();
    assert!(rig.is_empty());
}

#[tokio::test]
async fn a_file_that_is_torn_hides_no_server() {
    let rig = Rig::held();
    let running = rig.start("").await;
    let file = rig.servers().join("mine/server.json");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let held = rig.another().list().await.unwrap();
    assert_eq!((&held[0].name[..], held[0].is_orphan), ("mine", false));
    assert_eq!(held[0].state.pids.len(), 1);
    assert!(rig.another().reap().await.unwrap().is_empty());
    assert_eq!(rig.process.state(&running.id).await.unwrap_err().cause, Cause::Unknown);
    rig.another().stop(&held[0].id, Duration::ZERO).await.unwrap();
    assert!(!runs(held[0].state.pids[0]) && rig.is_empty());
}

/// A folder as a killed process may have left it, with these files.
fn leave(rig: &Rig, name: &str, files: &[(&str, &str)]) {
    let folder = rig.servers().join(name);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap();
    }
}

/// The server's record as a process that is gone would have written it.
fn record(owner: &str) -> String {
    format!(
        r#"{{"format_version": 1, "id": "left@1", "name": "left", "engine": "vllm", "model": "m",
            "program": "/bin/x", "args": [], "texts": {{}}, "secrets": {{}}, "port": 1,
            "owner": "{owner}", "is_kept": false, "stop_within_ms": 1}}"#
    )
}

/// A process as files tell it: its number, its start, and where it counts.
fn told(pid: u32) -> [String; 3] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    let read = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap().display().to_string();
    let namespace = namespace.replace(|c: char| !c.is_ascii_digit(), "");
    let boot = read("/proc/sys/kernel/random/boot_id");
    [pid.to_string(), start, format!("{namespace}:{boot}:{}", read("/etc/machine-id"))]
}

#[tokio::test]
async fn a_stranger_with_the_number_of_a_server_is_not_touched() {
    let rig = Rig::alone();
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let [pid, start, rest] = told(stranger.id());
    let start: u64 = start.parse().unwrap();
    let before = format!("{pid}:{}:{rest}", start - 1);
    let processes = format!(r#"{{"server": "{before}", "holder": "{before}"}}"#);
    leave(&rig, "left", &[("server.json", &record(&before)), ("processes.json", &processes)]);
    let reaped = rig.process.reap().await.unwrap();
    assert_eq!((reaped.len(), reaped[0].state.is_running), (1, false));
    assert!(runs(stranger.id()) && rig.is_empty());

    // The same with its own start is a server of ours, as far as can be known: that is what tells them apart.
    let itself = format!("{pid}:{start}:{rest}");
    let processes = format!(r#"{{"server": "{itself}", "holder": null}}"#);
    leave(&rig, "left", &[("server.json", &record(&before)), ("processes.json", &processes)]);
    assert_eq!(rig.process.reap().await.unwrap().len(), 1);
    assert!(!runs(stranger.id()) && rig.is_empty());
    stranger.wait().unwrap();
}

#[tokio::test]
async fn another_machines_servers_are_left_alone() {
    let rig = Rig::alone();
    let owner = "1:1:1:another-boot:another-machine";
    let processes = format!(r#"{{"server": "{owner}", "holder": null}}"#);
    leave(&rig, "left", &[("server.json", &record(owner)), ("processes.json", &processes)]);
    assert!(rig.process.list().await.unwrap().is_empty());
    assert!(rig.process.reap().await.unwrap().is_empty());
    rig.process.stop("left@1", Duration::ZERO).await.unwrap();
    assert!(!rig.is_empty());
}

#[tokio::test]
async fn what_was_broken_off_is_cleared_away() {
    let rig = Rig::alone();
    let [pid, start, rest] = told(std::process::id());
    let start: u64 = start.parse().unwrap();
    let gone = format!("{pid}:{}:{rest}", start - 1);
    leave(&rig, "torn", &[("server.json", "{"), ("log", "x")]);
    leave(&rig, "empty", &[]);
    leave(&rig, "left", &[("server.json", &record(&gone))]);
    leave(&rig, &format!(".making-x@1={gone}"), &[]);
    leave(&rig, ".making-x@1=what", &[]);
    let making = format!(".making-x@2={pid}:{start}:{rest}");
    leave(&rig, &making, &[]);
    assert_eq!(rig.process.reap().await.unwrap().len(), 1);
    let left = fs::read_dir(rig.servers()).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(left, [making]);
}
