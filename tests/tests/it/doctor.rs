//! `doctor`: what stands in the way of numbers that can be trusted.

use std::{collections::BTreeMap, io::Write};

use serde_json::{Value, json};

use crate::{
    program::{Ended, Place},
    server::{Server, refusal},
    simulator::Simulator,
};

/// What each check found: its mark, and what it says.
fn list(ended: &Ended) -> BTreeMap<String, (String, String)> {
    let mut list = BTreeMap::new();
    let findings = ended.stdout.lines().take_while(|line| !line.is_empty());
    for line in findings.filter(|line| !line.trim_start().starts_with("fix  ")) {
        let (mark, rest) = line.split_once("  ").unwrap();
        assert!(["ok", "!!", "no", "--"].contains(&mark), "{line}");
        let (check, found) = rest.split_once(' ').unwrap();
        let found = (mark.to_owned(), found.trim().to_owned());
        assert!(!found.1.is_empty(), "{line}");
        assert_eq!(list.insert(check.to_owned(), found), None, "{check} is there once");
    }
    list
}

const OF_EVERY_MACHINE: [&str; 14] = [
    "gpu",
    "cores",
    "governor",
    "load",
    "files",
    "ports",
    "memory",
    "swap",
    "disk",
    "clock",
    "wall-clock",
    "timers",
    "stamps",
    "proxies",
];

#[test]
fn this_machine_is_looked_at_before_it_is_measured() {
    let ended = Place::new()
        .inferbench("doctor -c 2 --rounds 1 --osl 5 --itl-ms 1")
        .env("HTTP_PROXY", "http://localhost:1")
        .exits(0);
    let found = list(&ended);
    for check in OF_EVERY_MACHINE {
        assert!(found.contains_key(check), "{check}: {}", ended.stdout);
    }
    assert!(!found.contains_key("server"), "none was named");
    assert!(found["proxies"].1.starts_with("HTTP_PROXY not followed"), "{found:?}");
    let (checks, test) = ended.stdout.split_once("\n\n").unwrap();
    assert!(!checks.contains("self-test:") && test.starts_with("self-test: 2 streams"), "{test}");
}

#[test]
fn its_findings_are_json_if_asked_for() {
    let doctor = |words: &str| {
        let ended = Place::new().inferbench("doctor --json").words(words).exits(0);
        serde_json::from_str::<Value>(&ended.stdout).unwrap()
    };
    let json = doctor("-c 2 --rounds 1 --osl 5 --itl-ms 1");
    let checks = json["checks"].as_array().unwrap();
    for name in OF_EVERY_MACHINE {
        assert_eq!(checks.iter().filter(|check| check["check"] == name).count(), 1, "{name}");
    }
    for check in checks {
        assert!(["ok", "doubt", "unknown"].contains(&check["state"].as_str().unwrap()), "{check}");
        assert!(check["found"].is_string() && (check["fix"].is_null() || check["fix"].is_string()));
    }
    assert_eq!(json["self_test"]["ttft"]["count"], 2);
    assert_eq!(doctor("--no-self-test")["self_test"], Value::Null);
    let alone = doctor("--self-test -c 1 --rounds 1 --osl 2 --itl-ms 1");
    assert_eq!((&alone["checks"], &alone["self_test"]["failed"]), (&json!([]), &json!(0)));
}

#[test]
fn a_server_is_asked_first() {
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 1");
    let ended = Place::new().inferbench("doctor --no-self-test").arg(&simulator.url).exits(0);
    assert!(ended.stdout.starts_with("ok  server "), "{}", ended.stdout);
    let found = list(&ended);
    assert_eq!(found["server"].1, "inferbench-sim 0.1.0, 1 model, ready, answers");
    assert_eq!(found["metrics"].0, "ok");
    assert_eq!(found["chunks"].1, "1.0 tokens in a chunk, one request at a time");
    assert_eq!(found["length"].0, "--", "it has no answer that would be shorter");
}

#[test]
fn what_stands_in_the_way_of_a_run_is_exit_code_3() {
    let nobody = Place::new().inferbench("doctor --no-self-test -u http://127.0.0.1:1").exits(3);
    let found = list(&nobody);
    assert_eq!(found["server"].0, "no");
    assert!(found["server"].1.starts_with("[IB201] "), "{found:?}");
    assert!(found.len() > OF_EVERY_MACHINE.len(), "the machine is looked at all the same");

    let unusable = Place::new().inferbench("doctor nonsense://x").exits(2);
    assert_eq!(unusable.stdout, "");
}

#[cfg(target_os = "linux")]
#[test]
fn limits_are_held_against_the_load() {
    let place = Place::new();
    let doctor = |words| place.limited("ulimit -n 120").words(words);
    let few = doctor("doctor --no-self-test -c 100").exits(3);
    let (mark, found) = &list(&few)["files"];
    assert_eq!((&**mark, &**found), ("no", "120 may be open; 100 connections need 164"));
    assert!(few.stdout.contains("fix  ulimit -n 400"), "{}", few.stdout);
    assert_eq!(list(&doctor("doctor --no-self-test -c 50").exits(0))["files"].0, "!!");
    assert_eq!(list(&doctor("doctor --no-self-test -c 10").exits(0))["files"].0, "ok");
}

#[cfg(target_os = "linux")]
mod with_gpus {
    use fake_nvml::{Device, Installed, Script};

    use super::*;

    /// A GPU that nobody uses.
    fn idle(number: u32) -> Device {
        Device { processes: Vec::new(), ..Device::h200(number) }
    }

    fn doctor(devices: Vec<Device>, words: &str) -> Ended {
        let fake = Installed::new(Script { devices, ..Script::h200(0) }).unwrap();
        let place = Place::new();
        let library = fake.folder().to_str().unwrap();
        let doctor = place.inferbench("doctor --no-self-test").words(words);
        doctor.env("LD_LIBRARY_PATH", library).exits(0)
    }

    #[test]
    fn what_may_slow_them_down_is_told() {
        let fine = list(&doctor(vec![idle(0), idle(1)], ""));
        assert!(fine["gpu"].1.ends_with(", 2 x NVIDIA H200 of 141 GiB"), "{fine:?}");
        for check in ["gpu", "persistence", "clocks", "power", "sharing", "mig", "ecc"] {
            assert_eq!(fine[check].0, "ok", "{check}: {:?}", fine[check].1);
        }
        let slow = idle(1)
            .says("nvmlDeviceGetPersistenceMode", [0])
            .says("nvmlDeviceGetCurrentClocksThrottleReasons", [0x40])
            .says("nvmlDeviceGetEnforcedPowerLimit", [350_000])
            .says("nvmlDeviceGetTotalEccErrors:1", [2]);
        let slow = list(&doctor(vec![idle(0), slow], ""));
        for (check, found) in [
            ("persistence", "off on GPU 1: the first use after a pause waits for the driver"),
            ("clocks", "GPU 1 is slowed down for its heat"),
            ("power", "limited to 350 W on GPU 1, 700 W by default"),
        ] {
            assert_eq!((&*slow[check].0, &*slow[check].1), ("!!", found));
        }
        assert!(slow["ecc"].1.starts_with("2 errors of GPU 1's memory"), "{slow:?}");
    }

    #[test]
    fn who_is_on_them_is_the_server_or_another() {
        let simulator = Simulator::start("--ttft-ms 1 --itl-ms 1");
        let server = idle(0).with_process(simulator.process.pid(), Some(1 << 30));
        let shared = server.clone().with_process(std::process::id(), Some(2 << 30));
        let sharing =
            |device: &Device, words| list(&doctor(vec![device.clone()], words))["sharing"].clone();
        let found = |mark: &str, found: &str| (mark.to_owned(), found.to_owned());
        let own = found("ok", "nobody but the server is on the GPU");
        assert_eq!(sharing(&server, &simulator.url), own);
        let other = found("!!", "1 process with 2.0 GiB beside the server's");
        assert_eq!(sharing(&shared, &simulator.url), other);
        assert_eq!(sharing(&server, "").0, "--", "nobody said which server");
    }
}

#[test]
fn what_a_server_says_does_nothing_to_a_terminal() {
    let evil = "\u{1b}]0;owned\u{7}nasty\u{202e}\nok  server";
    let server = Server::completing(move |_, to| write!(to, "{}", refusal(500, evil)));
    let ended = Place::new().inferbench("doctor --no-self-test").arg(&server.url).exits(3);
    assert!(!ended.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", ended.stdout);
    let found = list(&ended);
    assert_eq!(found["server"].0, "no");
    assert!(found["server"].1.contains("nasty"), "{found:?}");
    assert_eq!(found["metrics"].0, "!!", "it has none");
}
