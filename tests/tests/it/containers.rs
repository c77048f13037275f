//! Servers in containers of a real Docker engine, as `.ci/docker` starts it: the simulator in an image of its own.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    program::{Call, Place, Started, binary, samples, until},
    starting::targets,
    tiny_model,
};

/// Where the engine answers, as `.ci/docker` says.
const HOST: &str = "INFERBENCH_DOCKER_HOST";
/// Whether a test may not be left out.
const REQUIRED: &str = "INFERBENCH_REQUIRE_ALL";
/// The simulator's image.
const IMAGE: &str = "inferbench-sim:test";
/// What the simulator is told in a container.
const SIM: &str = "sim --host {host} --port {port} --ttft-ms 1 --itl-ms 1";

/// A place to run servers from, with the engine's address.
struct Dock {
    place: Place,
    host: String,
    state: String,
}

impl Dock {
    /// `None` where this machine has no engine for tests, which is then said.
    fn new() -> Option<Self> {
        let Ok(host) = env::var(HOST) else {
            let missing = format!("{HOST} is not set: .ci/docker says to what");
            assert!(env::var_os(REQUIRED).is_none(), "{missing}");
            // What a test prints is kept from who runs it; what it writes is not.
            io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
            return None;
        };
        static BUILT: OnceLock<()> = OnceLock::new();
        BUILT.get_or_init(|| build(&host));
        let place = Place::new();
        let state = place.path().join("state").to_str().unwrap().to_owned();
        Some(Self { place, host, state })
    }

    fn with_docker(&self, call: Call) -> Call {
        call.env("DOCKER_HOST", &self.host).env("INFERBENCH_STATE_DIR", &self.state)
    }

    fn inferbench(&self, words: &str) -> Call {
        self.with_docker(self.place.inferbench(words))
    }

    fn run(&self, words: &str) -> Call {
        self.with_docker(self.place.run(words))
    }

    /// A target whose server is the simulator in a container that is told so. It is called by `name`.
    fn target(name: &str, args: &str) -> String {
        format!("{name}=up:custom:simulated,up.image={IMAGE},up.pull=never,up.args=\"{args}\"")
    }

    /// Containers of which `filter` holds.
    fn containers(&self, filter: &str) -> Vec<String> {
        let listed = docker(&self.host, &["ps", "-aq", "--no-trunc", "--filter", filter]);
        listed.lines().map(str::to_owned).collect()
    }

    /// The containers that runs in this place have started.
    fn left(&self) -> Vec<String> {
        // Each run here is one process at a time, whose number is in the label.
        let all = self.containers("label=inferbench.name");
        let is_ours = |id: &String| {
            let argued = docker(&self.host, &["inspect", "-f", "{{json .Args}}", id]);
            argued.contains(&self.mark())
        };
        all.into_iter().filter(is_ours).collect()
    }

    /// What tells servers of this place from those of other tests: a seed of the simulator.
    fn mark(&self) -> String {
        let name = self.place.path().file_name().unwrap().to_str().unwrap();
        let number =
            name.bytes().fold(0_u64, |n, byte| n.wrapping_mul(131).wrapping_add(byte.into()));
        (number >> 1).to_string()
    }

    /// The same target, with the mark.
    fn marked(&self, name: &str, args: &str) -> String {
        Self::target(name, &format!("{args} --seed {}", self.mark()))
    }
}

fn docker(host: &str, words: &[&str]) -> String {
    let output = Command::new("docker").arg("-H").arg(host).args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes the image of the program and what it is linked with; nothing is pulled.
fn build(host: &str) {
    let linked = Command::new("ldd").arg(binary()).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let files = linked.split_whitespace().filter(|word| word.starts_with('/'));
    let mut tar = Command::new("tar");
    tar.args(["--dereference", "--create", "--absolute-names", "--transform"]);
    tar.arg(format!("s,{},/inferbench,", binary().display())).arg(binary()).args(files);
    let mut tar = tar.stdout(Stdio::piped()).spawn().unwrap();
    let entry = "ENTRYPOINT [\"/inferbench\"]";
    let mut import = Command::new("docker");
    import.args(["-H", host, "import", "-c", entry, "-", IMAGE]).stdout(Stdio::null());
    let import = import.stdin(tar.stdout.take().unwrap()).status().unwrap();
    assert!(tar.wait().unwrap().success() && import.success(), "the image is made");
}

#[test]
fn a_container_is_started_measured_and_gone() {
    let Some(dock) = Dock::new() else { return };
    let target = dock.marked("sim", &format!("{SIM} --log /dev/stderr"));
    let ended = dock.run("-n 20 -c 2 --target").arg(&target).measures();
    for step in ["started ", "ready after ", " is gone"] {
        assert!(ended.stderr.contains(step), "{step}: {}", ended.stderr);
    }
    assert_eq!(dock.left(), [""; 0]);
    let directory = dock.place.run_directory();
    let target = &targets(&directory)[0];
    let server = &target["server"];
    assert_eq!(server["backend"], "docker");
    assert!(server["digest"].as_str().unwrap().starts_with("sha256:"), "{server}");
    assert!(server["command"].as_str().unwrap().contains("docker run"), "{server}");
    // The simulator says what vLLM would: 8 192 blocks of 16 tokens.
    assert_eq!(target["facts"]["kv_cache_tokens"], 131_072.0, "{target}");
    assert_eq!(target["facts"]["model_memory_gib"], 14.96, "{target}");
    let log = directory.path().join(server["log"].as_str().unwrap());
    assert!(fs::read_to_string(log).unwrap().contains("KV cache size"));
}

#[test]
fn two_containers_are_compared_in_one_command() {
    let Some(dock) = Dock::new() else { return };
    let run = dock.run("-n 10 -c 1 --target").arg(dock.marked("a", SIM));
    let ended = run.arg("--target").arg(dock.marked("b", SIM)).measures();
    assert_eq!(ended.stderr.matches("ready after ").count(), 2, "{}", ended.stderr);
    assert_eq!(dock.left(), [""; 0]);
    assert_eq!(dock.place.summary().points.len(), 2);
}

#[test]
fn a_container_is_kept_until_it_is_taken_down() {
    let Some(dock) = Dock::new() else { return };
    let name = format!("kept-{}", dock.mark());
    let up = format!("up custom simulated --name {name} --image {IMAGE} --pull never -- {SIM}");
    let up = format!("{up} --seed {}", dock.mark());
    dock.inferbench(&up).exits(0);
    let json = dock.inferbench("servers --json").exits(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let kept = json.as_array().unwrap().iter().find(|server| server["name"] == name.as_str());
    let kept = kept.unwrap();
    assert_eq!((&kept["running"], &kept["with"]), (&true.into(), &"docker".into()));
    let url = kept["url"].as_str().unwrap();
    assert!(dock.inferbench(&format!("logs {name}")).exits(0).stdout.contains("simulated server"));
    // What was started elsewhere is nobody's to take away.
    dock.run(&format!("-n 5 -c 1 --url {url}")).measures();
    assert_eq!(dock.left().len(), 1);
    assert!(dock.inferbench(&up).exits(7).stderr.contains("IB503"));
    dock.inferbench(&format!("down {name}")).exits(0);
    assert_eq!(dock.left(), [""; 0]);
}

#[test]
fn what_is_not_ours_is_not_touched() {
    let Some(dock) = Dock::new() else { return };
    let name = format!("alien-{}", dock.mark());
    let run = ["run", "-d", "--name", &name, IMAGE, "sim", "--host", "0.0.0.0"];
    docker(&dock.host, &run);
    let down = dock.inferbench(&format!("down {name}")).exits(2).stderr;
    assert!(down.contains("IB507"), "{down}");
    assert!(!dock.inferbench("servers").exits(0).stdout.contains(&name));
    let state = docker(&dock.host, &["inspect", "-f", "{{.State.Running}}", &name]);
    assert_eq!(state.trim(), "true");
    docker(&dock.host, &["rm", "-f", &name]);
}

#[test]
fn a_name_that_somebody_has_is_left_to_them() {
    let Some(dock) = Dock::new() else { return };
    let model = format!("alien-{}", dock.mark());
    let name = format!("inferbench-custom-{model}");
    docker(&dock.host, &["create", "--name", &name, IMAGE]);
    let target = dock.marked("sim", SIM).replacen("simulated", &model, 1);
    dock.run("-n 5 -c 1 --target").arg(target).measures();
    let target = &targets(&dock.place.run_directory())[0];
    assert_eq!(target["server"]["name"], format!("{name}-2"));
    docker(&dock.host, &["rm", &name]);
}

/// A run whose container is up and being measured.
fn midway(dock: &Dock) -> Started {
    let run = dock.run("--duration 100s -c 1 --target").arg(dock.marked("sim", SIM)).start();
    run.stderr.wait_for("measuring ");
    assert_eq!(dock.left().len(), 1);
    run
}

#[test]
fn an_interrupted_run_leaves_no_container() {
    let Some(dock) = Dock::new() else { return };
    // Also where the terminal goes away, as at the end of a connection.
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGHUP, 143)] {
        let run = midway(&dock);
        run.signal(signal);
        run.exits(code);
        assert_eq!(dock.left(), [""; 0]);
    }
}

#[test]
fn the_next_start_takes_down_what_a_killed_run_left() {
    let Some(dock) = Dock::new() else { return };
    let mut run = midway(&dock);
    run.kill();
    let left = dock.left();
    assert_eq!(left.len(), 1, "nobody was there to take it down");
    let kept = dock.inferbench("servers").exits(0).stdout;
    assert!(kept.contains("custom"), "{kept}");
    dock.run("-n 5 -c 1 --target").arg(Dock::target("other", SIM)).measures();
    until("it is taken down", || dock.left().is_empty());
}

#[test]
fn a_container_that_is_killed_for_memory_ends_the_run_and_says_so() {
    let Some(dock) = Dock::new() else { return };
    let run = midway(&dock);
    let id = dock.left().remove(0);
    docker(&dock.host, &["kill", &id]);
    let said = run.exits(7).stderr;
    assert!(said.contains("[IB504]") && said.contains("137"), "{said}");
    assert_eq!(dock.left(), [""; 0]);
}

#[test]
fn what_goes_wrong_is_said_with_a_fix() {
    let Some(dock) = Dock::new() else { return };
    let custom = format!("up custom simulated --image {IMAGE} --pull never");
    let free = "--port 39999";
    for (words, code, said) in [
        (
            "up custom m --image inferbench-none:1 --pull never -- x".to_owned(),
            "IB502",
            "inferbench-none",
        ),
        (format!("{custom} -- sim --no-such-flag"), "IB504", "no-such-flag"),
        (format!("{custom} --gpus all --runtime no-such -- {SIM}"), "IB503", "no-such"),
        (
            format!("{custom} {free} --ready-within 60s -- {SIM} --ttft-ms 900000"),
            "IB504",
            "ttft-ms",
        ),
        (
            format!("{custom} --ready-within 3s -- sim --host 127.0.0.1 --port {{port}}"),
            "IB505",
            "3 s",
        ),
    ] {
        let ended = dock.inferbench(&words).exits(7);
        assert!(
            ended.stderr.contains(code) && ended.stderr.contains(said),
            "{words}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains("fix"), "{words}: {}", ended.stderr);
    }
    let nobody = dock.place.inferbench("up custom m --image x -- y");
    let nobody = nobody.env("DOCKER_HOST", "unix:///nowhere/docker.sock").exits(7).stderr;
    assert!(nobody.contains("IB501") && nobody.contains("/nowhere/docker.sock"), "{nobody}");
}

#[test]
fn secrets_are_passed_on_and_shown_nowhere() {
    const CANARY: &str = "canary-5f2c9be1";
    let Some(dock) = Dock::new() else { return };
    let target = dock.marked("sim", &format!("{SIM} --log /dev/stderr")) + ",up.secrets=MY_TOKEN";
    let run =
        dock.run("--duration 100s -c 1 --target").arg(&target).env("MY_TOKEN", CANARY).start();
    run.stderr.wait_for("measuring ");
    let id = dock.left().remove(0);
    let given = docker(&dock.host, &["inspect", "-f", "{{json .Config.Env}}", &id]);
    assert!(given.contains(CANARY), "the server has it: {given}");
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&command).contains(CANARY), "{process:?}");
    }
    run.signal(Signal::SIGINT);
    let ended = run.exits(130);
    assert!(!ended.stderr.contains(CANARY) && !ended.stdout.contains(CANARY));
    no_file_has(dock.place.path(), CANARY);
    let print = format!("up custom m --image {IMAGE} --secret MY_TOKEN --print -- {SIM}");
    let printed = dock.inferbench(&print).env("MY_TOKEN", CANARY).exits(0).stdout;
    assert!(printed.contains("MY_TOKEN") && !printed.contains(CANARY), "{printed}");
}

fn no_file_has(folder: &Path, text: &str) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            no_file_has(&entry.path(), text);
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(text), "{entry:?}");
        }
    }
}

/// The real server's image in the registry, of which nothing is here any more.
fn publish_llama_server(host: &str, registry: &str) -> String {
    let program = env::var_os("INFERBENCH_LLAMA_SERVER").unwrap();
    // What `.ci/llama-server` unpacks: a small system of its own.
    let root = Path::new(&program).with_file_name("root");
    let image = format!("{registry}/inferbench-test/llama-server:{}", std::process::id());
    let links = Place::new();
    for folder in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{folder}"), links.path().join(folder)).unwrap();
    }
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--directory").arg(&root).args(["usr", "etc"]);
    tar.arg("--directory").arg(links.path()).args(["bin", "lib", "lib64"]);
    let mut tar = tar.stdout(Stdio::piped()).spawn().unwrap();
    let libraries = "ENV LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/llama";
    let mut import = Command::new("docker");
    // The engine's own images start it as well.
    let entry = "ENTRYPOINT [\"/usr/bin/llama-server\"]";
    import.args(["-H", host, "import", "-c", libraries, "-c", entry, "-", &image]);
    import.stdout(Stdio::null());
    let import = import.stdin(tar.stdout.take().unwrap()).status().unwrap();
    assert!(tar.wait().unwrap().success() && import.success(), "the image is made");
    docker(host, &["push", &image]);
    docker(host, &["rmi", &image]);
    image
}

#[test]
fn a_real_server_is_pulled_started_measured_and_gone() {
    let Some(dock) = Dock::new() else { return };
    let registry = env::var("INFERBENCH_REGISTRY").unwrap_or_default();
    if registry.is_empty() || env::var_os("INFERBENCH_LLAMA_SERVER").is_none() {
        let missing = "INFERBENCH_REGISTRY or INFERBENCH_LLAMA_SERVER is not set";
        assert!(env::var_os(REQUIRED).is_none(), "{missing}");
        io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
        return;
    }
    let image = publish_llama_server(&dock.host, &registry);
    let model = dock.place.path().join("tiny.gguf");
    fs::write(&model, tiny_model::gguf()).unwrap();
    let mark = format!("tiny-{}", dock.mark());
    let target = format!(
        "real=up:llamacpp:{},up.image={image},up.gpus=none,\
         up.args=\"--alias {mark} --threads 1 --parallel 2 --ctx-size {}\"",
        model.display(),
        2 * tiny_model::CONTEXT
    );
    let ended = dock.run("-n 10 -c 2 --osl 4 --target").arg(&target).measures();
    for step in ["pulling ", "started ", "ready after ", " is gone"] {
        assert!(ended.stderr.contains(step), "{step}: {}", ended.stderr);
    }
    assert_eq!(dock.left(), [""; 0]);
    let directory = dock.place.run_directory();
    let target = &targets(&directory)[0];
    assert_eq!((&target["engine"], &target["model"]), (&"llamacpp".into(), &mark.clone().into()));
    assert_eq!(target["server"]["image"], image.as_str());
    assert!(target["server"]["digest"].as_str().unwrap().starts_with("sha256:"));
    let ok = samples(&directory).iter().filter(|sample| sample.outcome.is_ok()).count();
    assert!(ok >= 10, "{ok}");
    docker(&dock.host, &["rmi", &image]);
}
