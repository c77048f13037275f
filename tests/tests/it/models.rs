//! `models`: fetched by programs that stand in for `ngc` and `hf`, as users call it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use insta::assert_snapshot;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::program::{Call, Place, until};

/// What must be seen nowhere.
const CANARY: &str = "nvapi-canary-0123456789";

/// A program of `sh` that is found in `PATH`; it finds the place in `$PLACE`, and notes what it was called with.
fn program(place: &Place, name: &str, script: &str) {
    let folder = place.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    let at = place.path().display();
    let text = format!("#!/bin/sh\nPLACE='{at}'\necho \"$@\" >> \"$PLACE/calls\"\n{script}\n");
    fs::write(folder.join(name), text).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

fn models(place: &Place, words: &str) -> Call {
    let path = format!("{}/bin:/usr/bin:/bin", place.path().display());
    let hub = place.path().join("hub");
    let call =
        place.inferbench("models").words(words).env("PATH", &path).env("NGC_API_KEY", CANARY);
    call.env("HF_HUB_CACHE", hub.to_str().unwrap())
}

/// Weights of 2 MB, and what says what they are.
fn model(place: &Place, name: &str) -> PathBuf {
    let folder = place.path().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("config.json"),
        "{\"model_type\": \"llama\", \"torch_dtype\": \"bfloat16\"}",
    )
    .unwrap();
    let header =
        json!({"a": {"dtype": "U8", "shape": [2_000_000], "data_offsets": [0, 2_000_000]}})
            .to_string();
    let size = (header.len() as u64).to_le_bytes();
    let weights = [&size[..], header.as_bytes(), &vec![0; 2_000_000]].concat();
    fs::write(folder.join("model.safetensors"), weights).unwrap();
    folder
}

/// As `ngc` is: with `script` for what it does when it is to fetch.
fn ngc(place: &Place, script: &str) {
    let text = format!(
        "case \"$3\" in\ninfo) echo '{{\"modelVersion\": {{\"totalSizeInBytes\": 2000000}}}}' ;;\n\
         download-version) to=\"$6/llama_v1.0\"; test \"$NGC_CLI_API_KEY\" = {CANARY} || exit 9\n{script} ;;\n\
         *) echo 'NGC CLI 3.64.3' ;;\nesac"
    );
    program(place, "ngc", &text);
}

#[test]
fn a_model_is_fetched_and_lies_ready() {
    let place = Place::new();
    model(&place, "there");
    ngc(&place, "mkdir \"$to\"; cp \"$PLACE\"/there/* \"$to\"; echo 'Download status: COMPLETED'");
    let ended = models(&place, "prepare ngc:nim/meta/llama:1.0 --name llama").exits(0);
    let page =
        ended.stdout.replace(&*place.path().canonicalize().unwrap().to_string_lossy(), "PLACE");
    assert_snapshot!(page, @r"
    PLACE/models/llama: ngc:nim/meta/llama:1.0, 2 files, 2.0 MB
      llama.cpp  not: it wants a .gguf file, and this has none: `convert_hf_to_gguf.py` of llama.cpp makes one
      ollama     PLACE/models/llama/ollama/launch
      sglang     PLACE/models/llama/sglang/launch
      vllm       PLACE/models/llama/vllm/launch
    ");
    let listed = models(&place, "list").exits(0).stdout;
    assert_snapshot!(listed, @r"
    llama  ngc:nim/meta/llama:1.0, 2 files, 2.0 MB  ollama, sglang, vllm
    ");
    let list: Value = serde_json::from_str(&models(&place, "list --json").exits(0).stdout).unwrap();
    assert_eq!(list[0]["model"]["source"], "ngc:nim/meta/llama:1.0");
    assert_eq!((&list[0]["state"], &list[0]["trouble"]), (&json!("prepared"), &Value::Null));
    assert!(place.path().join("models/llama/vllm/model.safetensors").is_file());

    let estimated =
        place.inferbench("estimate models/llama/vllm --gpu H100 --json").exits(0).stdout;
    let estimated: Value = serde_json::from_str(&estimated).unwrap();
    assert_eq!(
        (&estimated["weights_bytes"], &estimated["weights_exact"]),
        (&json!(2_000_000), &json!(true))
    );

    let calls = fs::read_to_string(place.path().join("calls")).unwrap();
    assert!(
        !calls.contains(CANARY)
            && calls.contains("registry model download-version nim/meta/llama:1.0 --dest ")
    );
    canary_is_nowhere(&place.path().join("models"));
}

fn canary_is_nowhere(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            canary_is_nowhere(&path);
        } else if let Ok(text) = fs::read_to_string(&path) {
            assert!(!text.contains(CANARY), "{}", path.display());
        }
    }
}

#[test]
fn what_went_wrong_is_said_without_the_key() {
    let place = Place::new();
    ngc(&place, "echo \"Error: Invalid API key $NGC_CLI_API_KEY. HTTP 401\" >&2; exit 1");
    let said = models(&place, "prepare ngc:nim/meta/llama:1.0 --name llama").exits(7).stderr;
    assert!(
        said.contains("[IB508] NGC does not know who asks") && !said.contains(CANARY),
        "{said}"
    );
    assert!(said.contains("Invalid API key ***"), "{said}");
    ngc(
        &place,
        "mkdir \"$to\"; echo '{}' > \"$to/config.json\"; echo 'Download status: COMPLETED'",
    );
    let said = models(&place, "prepare ngc:nim/meta/llama:1.0 --name llama").exits(7).stderr;
    assert!(said.contains("is not whole: it has 3 B of the 2.0 MB that NGC has"), "{said}");
    assert!(said.contains("this is NGC CLI 3.64.3: `ngc version upgrade`"), "{said}");
    assert_eq!(
        models(&place, "list").exits(0).stdout,
        "no models in models; inferbench models prepare SPEC --name NAME\n"
    );
    let none = models(&Place::new(), "prepare hf:a/b --name b").exits(7).stderr;
    assert!(none.contains("neither `hf` nor `huggingface-cli`"), "{none}");
}

#[test]
fn names_and_places_that_lead_elsewhere_are_refused() {
    let place = Place::new();
    let folder = model(&place, "there");
    let spec = folder.to_str().unwrap();
    for name in ["../x", "/tmp/x", "a/b", "..", ".hidden", "NUL", "a b", "$(id)"] {
        let call = models(&place, "prepare").arg(spec).arg(format!("--name={name}"));
        let said = call.exits(2).stderr;
        assert!(said.contains("a model cannot be called"), "{name}: {said}");
    }
    for spec in ["ngc:--help/x:1", "ngc:a/b", "hf:../b", "hf:a/b@-x"] {
        let said = models(&place, "prepare --name x").arg(spec).exits(2).stderr;
        assert!(said.contains("[IB101]"), "{spec}: {said}");
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.join("tokenizer.json")).unwrap();
    let said = models(&place, "prepare --name x").arg(spec).exits(2).stderr;
    assert!(said.contains("[IB304]") && said.contains("it is a link to /etc/passwd"), "{said}");
    let said = models(&place, "prepare nowhere --name x").exits(2).stderr;
    assert!(said.contains("there is no nowhere"), "{said}");
}

#[test]
fn a_model_in_the_hubs_cache_is_taken_from_there() {
    let place = Place::new();
    let blobs = model(&place, "hub/models--a--llama/blobs");
    let snapshot = place.path().join("hub/models--a--llama/snapshots/0a1b");
    fs::create_dir_all(&snapshot).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::os::unix::fs::symlink(Path::new("../../blobs").join(name), snapshot.join(name))
            .unwrap();
    }
    let ended = models(&place, "prepare a/llama --name llama --backend vllm --json").exits(0);
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&said["model"]["source"], &said["was_there"]), (&json!("a/llama"), &json!(false)));
    assert!(place.path().join("models/llama/vllm/config.json").is_file());
    assert!(!place.path().join("models/llama/sglang").exists());
    fs::remove_file(blobs.join("model.safetensors")).unwrap();
    assert!(
        models(&place, "list")
            .exits(0)
            .stdout
            .contains("not whole: model.safetensors is not there any more")
    );
}

#[test]
fn an_interrupt_leaves_what_came_and_the_next_goes_on() {
    let place = Place::new();
    model(&place, "there");
    ngc(
        &place,
        "mkdir -p \"$to\"; cp \"$PLACE\"/there/config.json \"$to\"; touch \"$PLACE/began\"\n\
        trap 'exit 1' TERM; while :; do sleep 0.02; done",
    );
    let prepare = || models(&place, "prepare ngc:nim/meta/llama:1.0 --name llama");
    let started = prepare().start();
    until("it fetches", || place.path().join("began").exists());
    started.signal(Signal::SIGINT);
    started.exits(130);
    assert!(models(&place, "list").exits(0).stdout.contains("broken off after "));
    ngc(&place, "test -f \"$to/config.json\" || exit 9; cp \"$PLACE\"/there/* \"$to\"");
    prepare().exits(0);
    assert!(models(&place, "list").exits(0).stdout.starts_with("llama  ngc:nim/meta/llama:1.0"));
}

#[test]
fn one_that_was_killed_is_gone_on_with_once_its_program_has_ended() {
    let place = Place::new();
    model(&place, "there");
    program(
        &place,
        "hf",
        "touch \"$PLACE/began\"; while ! test -e \"$PLACE/go\"; do sleep 0.02; done; cp \"$PLACE\"/there/* \"$4\"",
    );
    let prepare = || models(&place, "prepare hf:a/b --name b");
    let mut killed = prepare().start();
    until("it fetches", || place.path().join("began").exists());
    killed.kill();
    let next = prepare().start();
    next.stderr.wait_for("a program that an earlier one started");
    assert!(!place.path().join("models/b").exists());
    fs::write(place.path().join("go"), "").unwrap();
    next.exits(0);
    assert!(place.path().join("models/b/vllm/launch").is_file());
}
