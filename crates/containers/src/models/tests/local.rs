//! Models that are on this machine already.

use super::*;

#[test]
fn a_folder_stays_where_it_is() {
    let place = Place::new();
    let folder = place.model("data/llama");
    let prepared = place.prepare(&place.asked(&folder.to_string_lossy(), "llama")).unwrap();
    assert_eq!(
        fs::read_link(prepared.path.join("payload")).unwrap(),
        Path::new("../../data/llama")
    );
    let first = &links(&prepared.path.join("vllm"))[0];
    assert_eq!(first.1, Path::new("../payload/config.json"));
    assert!(fs::read_to_string(prepared.path.join("vllm/config.json")).unwrap().contains("llama"));
    insta::assert_snapshot!(
        "sglang_of_a_folder",
        shown(&place, &prepared.path.join("sglang/launch"))
    );
    let ollama = shown(&place, &prepared.path.join("ollama/launch"));
    assert!(ollama.contains("# not: its files stay at PLACE/data/llama"), "{ollama}");
    // The whole is moved: links hold as long as the payload does.
    fs::rename(place.path("models"), place.path("others")).unwrap();
    assert!(place.path("others/llama/vllm/model.safetensors").is_file());
}

#[test]
fn a_file_is_for_llama_cpp_and_ollama() {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    fs::write(place.path("data/tiny.Q4_K_M.gguf"), gguf()).unwrap();
    fs::write(place.path("data/other.gguf"), gguf()).unwrap();
    let file = place.path("data/tiny.Q4_K_M.gguf");
    let prepared = place.prepare(&place.asked(&file.to_string_lossy(), "tiny")).unwrap();
    assert_eq!(prepared.record.quantization.as_deref(), Some("q4_k_m"));
    assert_eq!(prepared.record.files.len(), 1);
    let modelfile = fs::read_to_string(prepared.path.join("ollama/Modelfile")).unwrap();
    assert_eq!(modelfile, "FROM ./tiny.Q4_K_M.gguf\n");
    assert!(prepared.path.join("ollama/tiny.Q4_K_M.gguf").is_file());
    assert!(fs::read_to_string(prepared.path.join("vllm/README")).unwrap().contains("GGUF"));
    insta::assert_snapshot!(
        "llamacpp_of_a_file",
        shown(&place, &prepared.path.join("llama.cpp/launch"))
    );
}

#[test]
fn a_model_in_hugging_faces_cache_has_links_of_its_own() {
    let place = Place::new();
    let hub = place.path("hub/models--Qwen--Qwen3-0.6B");
    let snapshot = hub.join("snapshots/0a1b2c");
    write_model(&hub.join("blobs"));
    fs::create_dir_all(&snapshot).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        symlink(Path::new("../../blobs").join(name), snapshot.join(name)).unwrap();
    }
    let mut asked = place.asked("x", "qwen");
    asked.spec =
        ModelSpec::Local { path: snapshot.clone(), name: Some("Qwen/Qwen3-0.6B".to_owned()) };
    let prepared = place.prepare(&asked).unwrap();
    assert_eq!(prepared.record.source, "Qwen/Qwen3-0.6B");
    assert!(prepared.path.join("vllm/model.safetensors").is_file());
    let launch = shown(&place, &prepared.path.join("vllm/launch"));
    let mount = "--volume PLACE/hub/models--Qwen--Qwen3-0.6B:/models/Qwen/Qwen3-0.6B:ro";
    assert!(launch.contains(mount), "{launch}");
    assert!(
        launch.contains("vllm serve PLACE/hub/models--Qwen--Qwen3-0.6B/snapshots/0a1b2c"),
        "{launch}"
    );
    // A cache that leads out of itself is none.
    symlink("/etc/hostname", snapshot.join("out")).unwrap();
    let trouble = place.prepare(&Prepare { name: "other".parse().unwrap(), ..asked }).unwrap_err();
    assert_eq!(trouble.cause, Cause::ModelUnsafe);
}

#[test]
fn what_is_not_there_or_no_model_says_so() {
    let place = Place::new();
    for (spec, cause) in [("nowhere", Cause::ModelMissing), ("/dev/null", Cause::ModelUnsafe)] {
        let trouble = place.prepare(&place.asked(spec, "x")).unwrap_err();
        assert_eq!(trouble.cause, cause, "{trouble:?}");
    }
    fs::create_dir(place.path("empty")).unwrap();
    let empty = place.asked(&place.path("empty").to_string_lossy(), "x");
    assert!(place.prepare(&empty).unwrap_err().what.contains("empty"));
    assert_eq!(place.names(), [] as [&str; 0]);
}

#[test]
fn another_model_takes_a_name_by_force_alone() {
    let place = Place::new();
    let [one, other] = ["data/one", "data/other"].map(|name| place.model(name));
    let asked = |path: &Path| place.asked(&path.to_string_lossy(), "x");
    place.prepare(&asked(&one)).unwrap();
    let trouble = place.prepare(&asked(&other)).unwrap_err();
    assert_eq!(trouble.cause, Cause::NameTaken);
    assert!(trouble.what.ends_with(&*one.to_string_lossy()), "{trouble:?}");
    let forced = Prepare { is_forced: true, ..asked(&other) };
    let prepared = place.prepare(&forced).unwrap();
    assert_eq!((prepared.was_there, place.names()), (false, vec!["x".to_owned()]));
    assert_eq!(prepared.record.source, other.to_string_lossy());
    assert!(one.join("model.safetensors").is_file(), "a payload that was linked stays");
}

#[test]
fn what_is_no_model_of_ours_is_never_touched() {
    let place = Place::new();
    let payload = place.model("data");
    let precious = place.path("precious");
    fs::create_dir_all(&precious).unwrap();
    fs::write(precious.join("thesis"), "text").unwrap();
    fs::create_dir(place.path("models")).unwrap();
    let forced = |name| {
        let asked = place.asked(&payload.to_string_lossy(), name);
        place.prepare(&Prepare { is_forced: true, ..asked }).unwrap_err()
    };
    fs::create_dir(place.path("models/folder")).unwrap();
    fs::write(place.path("models/folder/own"), "text").unwrap();
    assert_eq!(forced("folder").cause, Cause::NameTaken);
    symlink(&precious, place.path("models/link")).unwrap();
    assert_eq!(forced("link").cause, Cause::NameTaken);
    symlink(&precious, place.path("models/.partial-a")).unwrap();
    assert_eq!(forced("a").cause, Cause::FolderDenied);
    symlink(precious.join("thesis"), place.path("models/.b.lock")).unwrap();
    assert_eq!(forced("b").cause, Cause::FolderDenied);
    // A link within what an earlier try left is removed, and not what it leads to.
    fs::create_dir(place.path("models/.partial-c")).unwrap();
    symlink(&precious, place.path("models/.partial-c/payload")).unwrap();
    place.prepare(&place.asked(&payload.to_string_lossy(), "c")).unwrap();
    assert_eq!(fs::read_to_string(precious.join("thesis")).unwrap(), "text");
    assert!(place.path("models/folder/own").is_file());
}

#[test]
fn more_backends_are_made_beside_those_that_are_there() {
    let place = Place::new();
    let file = place.path("tiny.gguf");
    fs::write(&file, gguf()).unwrap();
    let asked = |backends: &[ModelBackend]| {
        let asked = place.asked(&file.to_string_lossy(), "tiny");
        place.prepare(&Prepare { backends: backends.to_vec(), ..asked }).unwrap()
    };
    let first = asked(&[ModelBackend::LlamaCpp]);
    assert!(!first.path.join("ollama").exists());
    let both = asked(&[ModelBackend::LlamaCpp, ModelBackend::Ollama]);
    assert!(both.was_there && both.path.join("ollama/tiny.gguf").is_file());
    assert_eq!(ModelRecord::read(&both.path).unwrap().backends.len(), 2);
}

#[test]
fn a_list_says_what_is_wrong_by_now() {
    let place = Place::new();
    assert_eq!(list(&place.path("models")).unwrap(), []);
    let data = place.model("data");
    place.prepare(&place.asked(&data.to_string_lossy(), "b")).unwrap();
    place.prepare(&place.asked(&data.to_string_lossy(), "a")).unwrap();
    fs::create_dir(place.path("models/other")).unwrap();
    let troubles = || {
        let listed = list(&place.path("models")).unwrap().into_iter();
        listed.map(|listed| match listed {
            Listed::Prepared { record, trouble, .. } => (record.name, trouble),
            Listed::Partial { name, .. } => panic!("{name}"),
        })
    };
    assert!(troubles().eq(["a", "b"].map(|name| (name.to_owned(), None))));
    fs::write(data.join("tokenizer.json"), "{}{}").unwrap();
    assert_eq!(troubles().next().unwrap().1.unwrap(), "tokenizer.json has 4 bytes, and had 2");
    let again = place.prepare(&place.asked(&data.to_string_lossy(), "a")).unwrap_err();
    assert_eq!((again.cause, again.fix.as_str()), (Cause::NameTaken, "--force prepares it anew"));
    fs::remove_dir_all(&data).unwrap();
    assert!(troubles().all(|(_, trouble)| trouble.unwrap().ends_with("is not there any more")));
}
