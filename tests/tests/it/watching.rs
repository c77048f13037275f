//! `watch` and `agent`: what is seen without any load, here and on another host.

use std::{collections::BTreeSet, fs, path::PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;

use crate::{
    program::{Call, Place, Started},
    simulator::Simulator,
};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An agent, and its port.
pub(crate) fn agent(place: &Place, words: &str) -> (Started, u16) {
    agent_of(place.inferbench("agent --listen 127.0.0.1:0").words(words))
}

/// The same on a machine whose driver is in `folder`.
#[cfg(target_os = "linux")]
pub(crate) fn agent_with(place: &Place, folder: &std::path::Path) -> (Started, u16) {
    let call = place.inferbench("agent --listen 127.0.0.1:0");
    agent_of(call.env("LD_LIBRARY_PATH", folder.to_str().unwrap()))
}

fn agent_of(call: Call) -> (Started, u16) {
    let agent = call.env("INFERBENCH_AGENT_TOKEN", TOKEN).start();
    let said = agent.stdout.wait_for("\n");
    let url = said.split_whitespace().find(|word| word.starts_with("http")).unwrap();
    let port = url.rsplit_once(':').unwrap().1.parse().unwrap();
    (agent, port)
}

/// A file that only its owner can read.
fn secret(place: &Place, name: &str, text: &str) -> PathBuf {
    let path = place.path().join(name);
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    path
}

fn sources(lines: &str) -> BTreeSet<String> {
    let values = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let readings = values.filter(|line| line["value"].is_number());
    readings.map(|line| line["source"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_page_is_printed_once_where_there_is_no_terminal() {
    let simulator = Simulator::start("");
    let place = Place::new();
    for words in ["", "--once --ascii --color always"] {
        let words = format!("watch {} --gpu-telemetry off {words}", simulator.url);
        let page = place.inferbench(&words).exits(0).stdout;
        for part in ["inferbench watch", "running     0", " of a core", "prefix hits"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains('\u{1b}'), "{page}");
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert_eq!(page.is_ascii(), words.contains("--ascii"), "{page}");
    }
    let nobody = "watch 127.0.0.1:1 --once --gpu-telemetry off";
    let page = place.inferbench(nobody).exits(0).stdout;
    assert!(page.contains("server cannot be read"), "{page}");
    assert!(!page.contains("running"), "nothing is made up: {page}");
}

#[test]
fn readings_are_printed_as_json_until_interrupted() {
    let simulator = Simulator::start("");
    let words = format!("watch {} --json --gpu-telemetry off", simulator.url);
    let watch = Place::new().inferbench(&words).start();
    watch.stdout.wait_for("\"server_running\"");
    watch.stdout.wait_for("\"client_cpu_s\"");
    #[cfg(unix)]
    {
        watch.signal(nix::sys::signal::Signal::SIGINT);
        let lines = watch.exits(0).stdout;
        let seen = sources(&lines);
        assert!(seen.contains("server") && seen.contains("client"), "{seen:?}");
    }
    let ended = Place::new().inferbench(&format!("{words} --once")).exits(0);
    assert!(sources(&ended.stdout).contains("server"));
}

#[cfg(target_os = "linux")]
#[test]
fn another_host_is_watched_through_its_agent() {
    let place = Place::new();
    let (_agent, port) = agent(&place, "");
    let watch = |token: &str| {
        let token = secret(&place, "token", token);
        let words = format!("watch --json --once --gpu-telemetry off --agent 127.0.0.1:{port}");
        place.inferbench(&words).arg("--agent-token-file").arg(token).exits(0).stdout
    };
    let lines = watch(TOKEN);
    let name = format!("127.0.0.1:{port}");
    let expected = [format!("host@{name}"), format!("agent@{name}")];
    let seen = sources(&lines);
    assert!(expected.iter().all(|source| seen.contains(source)), "{seen:?}");
    assert!(lines.contains("\"agent_clock_bound_ms\""), "{lines}");
    let lines = watch("another token of twenty-two and more".replace(' ', "-").as_str());
    assert!(lines.contains("the agent wants another token"), "{lines}");
    assert!(!lines.contains(TOKEN) && !lines.contains("twenty-two"), "{lines}");
    assert!(!sources(&lines).contains(&expected[0]));
    let words = format!("watch --json --once --agent 127.0.0.1:{port} --agent-token-env MINE");
    let lines = place.inferbench(&words).env("MINE", TOKEN).exits(0).stdout;
    assert!(sources(&lines).contains(&expected[0]), "{lines}");
    let unset = place.inferbench(&words).exits(2).stderr;
    assert!(unset.contains("--agent-token-env: MINE is not set"), "{unset}");
}

#[test]
fn help_has_what_matters_where_nothing_is_sent() {
    let place = Place::new();
    let help = place.inferbench("watch --help").exits(0).stdout;
    let has =
        |flag: &str| help.contains(&format!("{flag} <")) || help.contains(&format!("{flag}["));
    for flag in ["--url", "--model", "--tls-ca", "--agent-token-file", "--agent-token-env"] {
        assert!(has(flag), "{flag}: {help}");
    }
    for flag in ["--extra-inputs", "--simulate", "--first-token-timeout", "--token-file"] {
        assert!(!has(&format!(" {flag}")), "{flag}: {help}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_agent_speaks_tls() {
    let place = Place::new();
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let CertifiedKey { cert, signing_key } = made;
    fs::write(place.path().join("cert.pem"), cert.pem()).unwrap();
    fs::write(place.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    let (_agent, port) = agent(&place, "--tls-cert cert.pem --tls-key key.pem");
    let words = format!("watch --json --once --gpu-telemetry off --agent https://localhost:{port}");
    let watch =
        |words: &str| place.inferbench(words).env("INFERBENCH_AGENT_TOKEN", TOKEN).exits(0).stdout;
    let lines = watch(&format!("{words} --tls-ca cert.pem"));
    assert!(sources(&lines).contains(&format!("host@localhost:{port}")), "{lines}");
    let lines = watch(&words);
    assert!(lines.contains("UnknownIssuer") || lines.contains("TLS"), "{lines}");
    assert!(!sources(&lines).contains(&format!("host@localhost:{port}")));
}

#[test]
fn an_agent_is_not_open_to_others_by_mistake() {
    let place = Place::new();
    let open = "agent --listen 0.0.0.0:0";
    let refused = |ended: crate::program::Ended, said: &str| {
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    };
    refused(place.inferbench(open).exits(2), "a token is needed");
    let with = |token| place.inferbench(open).env("INFERBENCH_AGENT_TOKEN", token);
    refused(with(TOKEN).exits(2), "without TLS the token can be read on the way");
    refused(with("hunter2").exits(2), "a token has at least 22 characters");
    refused(place.inferbench(open).words("--agent-token-file none").exits(2), "No such file");
    refused(place.inferbench("agent --listen here").exits(2), "an address is such as");
    #[cfg(unix)]
    {
        let path = secret(&place, "token", TOKEN);
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        // As it was called before, too.
        let words = format!("{open} --token-file token");
        refused(place.inferbench(&words).exits(2), "can be read by other users");
    }
}

#[cfg(unix)]
mod terminal {
    use std::{
        fs::File,
        io::{Read, Write},
        os::fd::OwnedFd,
    };

    use nix::{
        pty::{OpenptyResult, Winsize, openpty},
        sys::{
            signal::Signal,
            termios::{Termios, tcgetattr},
        },
    };

    use crate::program::{Heard, Place, Started};

    const ALTERNATE: &str = "\u{1b}[?1049h";
    const GIVEN_BACK: &str = "\u{1b}[?1049l";

    /// A page of nothing much.
    const WATCH: &str = "watch 127.0.0.1:1 --gpu-telemetry off";
    /// The last of it.
    const LAST: &str = "q quit";

    /// A terminal of 80 by 24, and the program on it.
    struct Terminal {
        started: Started,
        heard: Heard,
        keys: File,
        slave: OwnedFd,
        before: Termios,
        _place: Place,
    }

    /// The terminal's ends, which no program inherits: it would keep its own terminal open.
    fn open() -> (File, OwnedFd) {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
        (File::from(master.try_clone().unwrap()), slave.try_clone().unwrap())
    }

    fn start(place: &Place, words: &str, slave: &OwnedFd) -> Started {
        place.inferbench(words).env("TERM", "xterm-256color").on_terminal(slave)
    }

    impl Terminal {
        fn of(words: &str) -> Self {
            let place = Place::new();
            let (master, slave) = open();
            let before = tcgetattr(&slave).unwrap();
            let started = start(&place, words, &slave);
            let heard = Heard::listen(master.try_clone().unwrap());
            Self { started, heard, keys: master, slave, before, _place: place }
        }

        fn watch() -> Self {
            let terminal = Self::of(WATCH);
            terminal.heard.wait_for(LAST);
            let now = tcgetattr(&terminal.slave).unwrap();
            assert!(now != terminal.before, "it has the terminal");
            terminal
        }

        /// Waits for its end, after which the terminal is as it was.
        #[track_caller]
        fn gives_back(mut self, code: i32) {
            let said = self.heard.wait_for(GIVEN_BACK);
            assert_eq!(self.started.wait().code(), Some(code), "{said}");
            assert!(said.contains(ALTERNATE), "{said}");
            assert!(tcgetattr(&self.slave).unwrap() == self.before, "it is as it was");
        }
    }

    #[test]
    fn a_terminal_is_given_back_on_every_way_out() {
        for keys in ["q", "\u{1b}", "\u{3}", "? q"] {
            let mut terminal = Terminal::watch();
            terminal.keys.write_all(keys.as_bytes()).unwrap();
            terminal.gives_back(0);
        }
        for (signal, code) in [
            (Signal::SIGINT, 0),
            (Signal::SIGTERM, 143),
            (Signal::SIGHUP, 143),
            (Signal::SIGQUIT, 143),
        ] {
            let terminal = Terminal::watch();
            terminal.started.signal(signal);
            terminal.gives_back(code);
        }
    }

    #[test]
    fn a_terminal_is_given_back_before_a_panic_is_told() {
        let terminal = Terminal::of("panic --on-screen");
        let said = terminal.heard.wait_for("as asked for");
        let (back, told) = (said.find(GIVEN_BACK), said.find("as asked for"));
        assert!(back.is_some() && back < told, "{said:?}");
        terminal.gives_back(70);
    }

    #[test]
    fn it_ends_when_its_terminal_goes_away() {
        let (mut master, slave) = open();
        let place = Place::new();
        let mut watch = start(&place, WATCH, &slave);
        drop(slave);
        // Heard on this thread, which then holds the only end of it.
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains(LAST) {
            let mut buffer = [0; 4096];
            let count = master.read(&mut buffer).unwrap();
            said.extend_from_slice(&buffer[..count]);
        }
        // Nobody signals that: the program is no session's first.
        drop(master);
        assert_eq!(watch.wait().code(), Some(143));
    }

    #[test]
    fn a_page_freezes_and_tells_what_is_missing() {
        let mut terminal = Terminal::watch();
        terminal.heard.wait_for("in trouble: see ?");
        terminal.keys.write_all(b"?").unwrap();
        terminal.heard.wait_for("stands for");
        terminal.keys.write_all(b"? ").unwrap();
        terminal.heard.wait_for("FROZEN");
        terminal.keys.write_all(b"q").unwrap();
        terminal.gives_back(0);
    }
}
