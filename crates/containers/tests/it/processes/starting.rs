use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Command,
};

use bench_containers::{Cause, Gpus, Hooks, Output, Place, Program, Variable};
use bench_core::Level;

use super::*;

#[tokio::test]
async fn a_server_runs_is_listed_and_goes_without_a_trace() {
    for rig in Rig::both() {
        let running = rig.start("say=hello say-error=there").await;
        let said = rig.said_all(&running).await;
        let address = format!("listening on 127.0.0.1:{}", running.port);
        assert_eq!(said, ["hello", "there", &address]);
        assert!(ask(running.port, "GET /health").unwrap().ends_with("ok"));

        let state = rig.state(&running).await;
        assert!(state.is_running && state.exit_code.is_none());
        assert_eq!((state.port, state.pids.len()), (Some(running.port), 1));
        let held = rig.another().list().await.unwrap();
        assert_eq!(held.len(), 1);
        let [name, engine, model] = [&held[0].name, &held[0].engine, &held[0].model];
        assert_eq!([name, engine, model], ["mine", "custom", "tiny"]);
        assert_eq!((&held[0].id, held[0].port), (&running.id, Some(running.port)));
        assert_eq!(held[0].of, stand_in().display().to_string());
        assert!(!held[0].is_orphan && !held[0].is_kept && held[0].created_s.unwrap() > 0);

        rig.process.stop(&running.id, PATIENCE).await.unwrap();
        assert!(!runs(state.pids[0]) && rig.is_empty());
        assert_eq!(rig.process.state(&running.id).await.unwrap_err().cause, Cause::Unknown);
        assert_eq!(rig.process.log(&running.id, 0).await.unwrap_err().cause, Cause::Unknown);
        rig.process.stop(&running.id, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_else_reads_what_is_written_down() {
    let rig = Rig::held();
    let running = rig.start("").await;
    rig.said_all(&running).await;
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(rig.servers()), 0o700);
    assert_eq!(mode(rig.servers().join("mine")), 0o700);
    for entry in fs::read_dir(rig.servers().join("mine")).unwrap().flatten() {
        assert_eq!(mode(entry.path()), 0o600, "{}", entry.path().display());
    }
    rig.process.stop(&running.id, PATIENCE).await.unwrap();

    fs::set_permissions(rig.servers(), fs::Permissions::from_mode(0o777)).unwrap();
    let trouble = rig.process.start(&launch("")).await.unwrap_err();
    assert!(trouble.what.contains("may be written by other users"), "{trouble}");
    assert!(rig.process.reap().await.is_err());
}

#[tokio::test]
async fn of_two_that_want_a_name_one_gets_it() {
    for rig in Rig::both() {
        let another = rig.another();
        let launch = launch("");
        let (a, b) = tokio::join!(rig.process.start(&launch), another.start(&launch));
        let (running, trouble) = match (a, b) {
            (Ok(running), Err(trouble)) | (Err(trouble), Ok(running)) => (running, trouble),
            both => panic!("{both:?}"),
        };
        assert_eq!(trouble.cause, Cause::NameTaken);
        assert!(trouble.fix.contains("inferbench down mine"), "{}", trouble.fix);
        another.stop(&running.id, Duration::ZERO).await.unwrap();
        let again = rig.start("").await;
        assert_ne!(again.id, running.id);
        // What knew the first one by its id does not take the second one down.
        rig.process.stop(&running.id, Duration::ZERO).await.unwrap();
        assert!(rig.state(&again).await.is_running);
        rig.process.stop(&again.id, Duration::ZERO).await.unwrap();
        assert!(rig.is_empty());
    }
}

#[tokio::test]
async fn a_name_that_is_no_folder_is_refused() {
    let rig = Rig::alone();
    for name in ["", "..", ".x", "a/b", "/tmp/x", "a b", &"x".repeat(300)] {
        let launch = Launch { name: name.to_owned(), ..launch("") };
        assert_eq!(rig.process.start(&launch).await.unwrap_err().cause, Cause::Recipe, "{name}");
    }
    assert_eq!(rig.process.state("../../etc@1").await.unwrap_err().cause, Cause::Unknown);
}

#[tokio::test]
async fn a_port_that_is_asked_for_is_the_one_or_refused() {
    let rig = Rig::held();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let launch = Launch { place: Place { inside: port, outside: Some(port) }, ..launch("") };
    let trouble = rig.process.start(&launch).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::PortTaken);
    assert!(trouble.what.contains(&port.to_string()), "{trouble}");
    drop(taken);
    let running = rig.process.start(&launch).await.unwrap();
    assert_eq!(running.port, port);
    rig.said_all(&running).await;
    rig.process.stop(&running.id, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_missing_or_none_is_told_and_nothing_left() {
    for rig in Rig::both() {
        for (engine, program, fix) in [
            (EngineName::Vllm, "vllm-that-is-not-here", "pip install vllm"),
            (EngineName::Ollama, "/nowhere/ollama", "https://ollama.com/download"),
        ] {
            let launch = Launch { engine, program: Program::Process(program.into()), ..launch("") };
            for trouble in [
                rig.process.fetch(&launch, &Hooks::default()).await.unwrap_err(),
                rig.process.start(&launch).await.unwrap_err(),
            ] {
                assert_eq!(trouble.cause, Cause::ProgramMissing);
                assert!(trouble.what.contains(program) && trouble.fix.contains(fix), "{trouble:?}");
            }
        }
        let [text, program] = ["text", "program"].map(|name| rig.place.path().join(name));
        fs::write(&text, "\u{1}no program").unwrap();
        // Written by another process: what another test starts at that moment would hold it open for writing.
        let installed =
            Command::new("install").args(["-m", "700"]).args([&text, &program]).status();
        assert!(installed.unwrap().success());
        let trouble = rig.process.start(&launch_of(program, ["x"])).await.unwrap_err();
        assert_eq!(trouble.cause, Cause::BadEntrypoint);
        assert!(trouble.said.contains("Exec format error"), "{trouble:?}");
        let image = Program::Image { image: "vllm/vllm-openai".to_owned(), entrypoint: None };
        let launch = Launch { program: image, ..launch("") };
        assert_eq!(rig.process.start(&launch).await.unwrap_err().cause, Cause::Recipe);
        assert!(rig.process.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn one_that_does_not_hold_is_told() {
    let rig = Rig::alone();
    let process = rig.another().held_by("false", [""; 0]);
    let trouble = process.start(&launch("")).await.unwrap_err();
    assert_eq!(trouble.what, "false does not hold servers");
    let process = rig.another().held_by("/nowhere", [""; 0]);
    assert!(process.start(&launch("")).await.unwrap_err().what.contains("/nowhere"));
    assert!(rig.is_empty());
}

/// A launch with a text, a secret, one that is not set, and two GPUs.
fn with_variables(words: &str) -> Launch {
    let variables = [
        ("PLAIN", Variable::Text("at {port}".to_owned())),
        ("GIVEN_KEY", Variable::Secret("OUR_SECRET".to_owned())),
        ("UNSET_KEY", Variable::Secret("NOT_SET".to_owned())),
    ];
    let env = variables.map(|(name, variable)| (name.to_owned(), variable)).into();
    Launch { env, gpus: Gpus::Count(2), ..launch(words) }
}

#[tokio::test]
async fn a_server_is_given_variables_and_its_secrets_are_hidden() {
    let secret = [("OUR_SECRET", "canary-1234")];
    for is_held in [false, true] {
        let Rig { place, process } = Rig::with(&secret);
        let process = if is_held { process.held_by(stand_in(), ["hold"]) } else { process };
        let rig = Rig { place, process };
        let launch = with_variables(
            "say-variable=PLAIN say-variable=GIVEN_KEY say-variable=UNSET_KEY \
             say-variable=CUDA_VISIBLE_DEVICES",
        );
        let running = rig.process.start(&launch).await.unwrap();
        let said = rig.said_all(&running).await;
        let plain = format!("PLAIN=at {}", running.port);
        assert_eq!(said[..4], [&plain, "GIVEN_KEY=***", "UNSET_KEY=", "CUDA_VISIBLE_DEVICES=0,1"]);
        for entry in fs::read_dir(rig.servers().join("mine")).unwrap().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap();
            let is_log = entry.file_name() == "log";
            assert!(is_log || !text.contains("canary"), "{text}");
        }
        let table = Command::new("ps").args(["axww", "-o", "args"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&table.stdout).contains("canary"));

        let words = ["sh", "-c", "echo $PLAIN $GIVEN_KEY {port}; exit 5"].map(str::to_owned);
        let output = rig.process.run_within(&running.id, &words).await.unwrap();
        let text = format!("at {0} *** {0}\n", running.port);
        assert_eq!(output, Output { exit_code: 5, text });
        let missing = rig.process.run_within(&running.id, &["not-here".to_owned()]).await;
        assert_eq!(missing.unwrap_err().cause, Cause::ProgramMissing);
        // The server's own program needs not be in PATH.
        let own = ["stand_in", "serve", "0", "say=own", "exit=0"].map(str::to_owned);
        assert_eq!(rig.process.run_within(&running.id, &own).await.unwrap().text, "own\n");
        rig.process.stop(&running.id, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_program_is_run_to_its_end() {
    let rig = Rig::with(&[("OUR_SECRET", "canary-1234")]);
    let launch = with_variables("say-variable=GIVEN_KEY say-part=part exit=6");
    let output = rig.process.run_to_end(&launch, &Hooks::default()).await.unwrap();
    assert_eq!(output, Output { exit_code: 6, text: "GIVEN_KEY=***\npart\n".to_owned() });
    let slow = Launch { ready_within: Duration::from_millis(200), ..super::launch("child") };
    let trouble = rig.process.run_to_end(&slow, &Hooks::default()).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::NotReady);
    let hooks = Hooks::default();
    hooks.stop.at_least(Level::Drain);
    let trouble = rig.process.run_to_end(&super::launch("serve"), &hooks).await.unwrap_err();
    assert_eq!(trouble.cause, Cause::Stopped);
    assert!(!rig.servers().exists());
}
