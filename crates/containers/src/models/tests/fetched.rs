//! What `ngc` and `hf` fetch, and what they say when they do not.

use super::*;

/// As `ngc` says at the end.
const COMPLETED: &str = "echo '   Download status: COMPLETED'\necho \"   Downloaded local path model: $6/llama_vhf\"\n\
    echo '   Total files downloaded: 3'";

/// `ngc` with what it does when it is asked about a model, and when it is to fetch one.
fn ngc(place: &Place, info: &str, download: &str) {
    let script = format!(
        "case \"$1 $3\" in\n'--version ') echo 'NGC CLI 3.64.3' ;;\n'registry info') {info} ;;\n\
         'registry download-version') to=\"$6/llama_vhf\"; {download} ;;\nesac"
    );
    place.program("ngc", &script);
}

fn asked(place: &Place) -> Prepare {
    place.asked("ngc:nim/meta/llama:hf", "llama")
}

const KNOWS_NOTHING: &str = "echo 'unknown command' >&2; exit 2";

#[test]
fn a_model_of_ngc_lies_ready_for_each_backend() {
    let place = Place::new();
    place.model("there");
    let sizes = "echo '{\"modelVersion\": {\"totalSizeInBytes\": 2000000}, \"files\": [{\"path\": \
        \"model.safetensors\", \"sizeInBytes\": 2000000}]}'";
    ngc(&place, sizes, &format!("mkdir \"$to\"; cp \"$PLACE\"there/* \"$to\"; {COMPLETED}"));
    let prepared = place.prepare(&asked(&place)).unwrap();
    assert_eq!(prepared.path, place.path("models/llama"));
    assert_eq!(place.names(), ["llama"]);

    let record = &prepared.record;
    assert_eq!(record, &ModelRecord::read(&prepared.path).unwrap());
    assert_eq!(record.payload, Path::new("ngc/llama_vhf"));
    assert_eq!(
        (record.version.as_deref(), record.quantization.as_deref()),
        (Some("hf"), Some("fp8"))
    );
    assert_eq!(record.fetched_by.as_deref(), Some("NGC CLI 3.64.3"));
    assert_eq!((record.source.as_str(), record.files.len()), ("ngc:nim/meta/llama:hf", 3));
    assert!(record.total_bytes > 2_000_000);

    for backend in ["vllm", "sglang", "ollama"] {
        let folder = prepared.path.join(backend);
        let to = |name: &str| (name.to_owned(), Path::new("../ngc/llama_vhf").join(name));
        let expected = ["config.json", "model.safetensors", "tokenizer.json"].map(to);
        assert_eq!(links(&folder), expected, "{backend}");
        assert!(fs::read(folder.join("model.safetensors")).unwrap().len() > 2_000_000);
    }
    assert_eq!(fs::read_to_string(prepared.path.join("ollama/Modelfile")).unwrap(), "FROM ./\n");
    let readme = fs::read_to_string(prepared.path.join("llama.cpp/README")).unwrap();
    assert!(
        readme.contains("wants a .gguf file") && !prepared.path.join("llama.cpp/launch").exists()
    );
    insta::assert_snapshot!("vllm_of_ngc", shown(&place, &prepared.path.join("vllm/launch")));
    insta::assert_snapshot!("ollama_of_ngc", shown(&place, &prepared.path.join("ollama/launch")));

    let calls = place.calls();
    let dest = place.path("models/.partial-llama/ngc");
    let download =
        format!("registry model download-version nim/meta/llama:hf --dest {}", dest.display());
    assert_eq!(calls[1], "registry model info nim/meta/llama:hf --files --format_type json");
    assert_eq!((calls.len(), calls[2].as_str()), (3, download.as_str()));
    assert!(place.prepare(&asked(&place)).unwrap().was_there && place.calls().len() == 3);
}

#[test]
fn a_download_that_ends_well_after_a_few_kb_is_refused() {
    let few = format!(
        "mkdir \"$to\"; echo '{{}}' > \"$to/config.json\"; {COMPLETED}; echo 'Total transferred: 3 B'"
    );
    let missing = |size: &str| {
        format!(
            "echo '{{\"files\": [{{\"path\": \"model.safetensors\", \"sizeInBytes\": {size}}}]}}'"
        )
    };
    let with_weights = format!("mkdir \"$to\"; cp \"$PLACE\"there/* \"$to\"; {COMPLETED}");
    for (info, download, why) in [
        (KNOWS_NOTHING.to_owned(), few.clone(), "which no model has"),
        (missing("3000000"), few, "model.safetensors has 0 B of 3.0 MB"),
        (missing("3000000"), with_weights.clone(), "has 2.0 MB of 3.0 MB"),
        (
            "echo '{\"totalSizeInBytes\": 3000000}'".to_owned(),
            with_weights.clone(),
            "of the 3.0 MB that NGC has",
        ),
        (
            KNOWS_NOTHING.to_owned(),
            format!("{with_weights}; echo 'Total transferred: 131.43 GB'"),
            "transferred 131.43 GB",
        ),
        (
            KNOWS_NOTHING.to_owned(),
            format!("{with_weights}; echo 'Total: 3 - Completed: 2 - Failed: 1'"),
            "1 of its files failed",
        ),
        (
            KNOWS_NOTHING.to_owned(),
            format!("{with_weights}; echo 'abc  rank0.engine' > \"$to/checksums.blake3\""),
            "rank0.engine, of which it has a sum, is not there",
        ),
        (
            KNOWS_NOTHING.to_owned(),
            "echo 'Download status: COMPLETED'".to_owned(),
            "there is no folder llama_vhf",
        ),
        (
            KNOWS_NOTHING.to_owned(),
            format!(
                "{with_weights}; head -c 1500000 \"$PLACE\"there/model.safetensors > \"$to/model.safetensors\""
            ),
            "cut off",
        ),
    ] {
        let place = Place::new();
        place.model("there");
        ngc(&place, &info, &download);
        let trouble = place.prepare(&asked(&place)).unwrap_err();
        assert_eq!(trouble.cause, Cause::ModelBroken, "{trouble:?}");
        assert!(trouble.what.contains(why), "{why}: {trouble:?}");
        assert_eq!(place.names(), [] as [&str; 0], "nothing of it is left");
    }
    let place = Place::new();
    ngc(&place, KNOWS_NOTHING, "mkdir \"$to\"; echo '{}' > \"$to/config.json\"");
    let trouble = place.prepare(&asked(&place)).unwrap_err();
    assert!(trouble.fix.contains("this is NGC CLI 3.64.3: `ngc version upgrade`"), "{trouble:?}");
}

#[test]
fn what_broke_off_is_gone_on_with() {
    let place = Place::new();
    place.model("there");
    let first = "mkdir -p \"$to\"; cp \"$PLACE\"there/config.json \"$to\"; echo 'connection reset' >&2; exit 1";
    ngc(&place, KNOWS_NOTHING, first);
    let trouble = place.prepare(&asked(&place)).unwrap_err();
    assert_eq!(trouble.cause, Cause::ModelBroken);
    assert!(
        trouble.said.contains("connection reset") && trouble.fix.contains("goes on"),
        "{trouble:?}"
    );
    assert_eq!(place.names(), [".partial-llama"]);
    let listed = list(&place.path("models")).unwrap();
    let [Listed::Partial { name, source, fetched_bytes: 1.. }] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!((name.as_str(), source.as_deref()), ("llama", Some("ngc:nim/meta/llama:hf")));

    let rest = format!(
        "test -f \"$to/config.json\" || exit 9; cp \"$PLACE\"there/[mt]* \"$to\"; {COMPLETED}"
    );
    ngc(&place, KNOWS_NOTHING, &rest);
    let prepared = place.prepare(&asked(&place)).unwrap();
    assert_eq!((prepared.record.files.len(), place.names()), (3, vec!["llama".to_owned()]));
}

#[test]
fn what_broke_off_of_another_model_is_removed() {
    let place = Place::new();
    place.model("there");
    ngc(&place, KNOWS_NOTHING, "mkdir -p \"$to\"; echo x > \"$to/other\"; exit 1");
    place.prepare(&asked(&place)).unwrap_err();
    place.program("hf", "test -e \"$4/../ngc\" && exit 9; cp \"$PLACE\"there/* \"$4\"");
    let prepared = place.prepare(&place.asked("hf:meta-llama/Llama", "llama")).unwrap();
    assert!(!prepared.path.join("ngc").exists());
    assert_eq!(prepared.record.payload, Path::new("payload"));
}

#[test]
fn what_ngc_says_is_understood() {
    for (said, cause, fix) in [
        ("Error: Invalid API key. HTTP 401", Cause::KeyMissing, "NGC_CLI_API_KEY or NGC_API_KEY"),
        (
            "Client Error: 403 Response: Forbidden - access denied",
            Cause::KeyMissing,
            "accept its licence",
        ),
        (
            "Error: 'nim/meta/llama:hf' could not be found.",
            Cause::ModelMissing,
            "ngc registry model list",
        ),
        ("OSError: [Errno 28] No space left on device", Cause::DiskFull, "make room"),
        ("Traceback: something else", Cause::ModelBroken, "again"),
    ] {
        let place = Place::new();
        ngc(&place, KNOWS_NOTHING, &format!("echo \"{said}\"; exit 1"));
        let trouble = place.prepare(&asked(&place)).unwrap_err();
        assert_eq!((trouble.cause, trouble.said.contains(said)), (cause, true), "{trouble:?}");
        assert!(trouble.fix.contains(fix), "{trouble:?}");
    }
    // What is refused is so before anything is fetched.
    let place = Place::new();
    ngc(&place, "echo 'Error: 404 not found'; exit 1", "exit 9");
    assert_eq!(place.prepare(&asked(&place)).unwrap_err().cause, Cause::ModelMissing);
    assert_eq!(place.calls().len(), 2);
    let none = Place::new();
    assert_eq!(none.prepare(&asked(&none)).unwrap_err().cause, Cause::ProgramMissing);
}

#[test]
fn what_has_no_room_is_not_begun() {
    let place = Place::new();
    ngc(&place, "echo '{\"totalSizeInBytes\": 900000000000000000}'", "exit 9");
    let trouble = place.prepare(&asked(&place)).unwrap_err();
    assert_eq!((trouble.cause, place.calls().len()), (Cause::DiskFull, 2));
    assert!(trouble.what.starts_with("900000.00 TB more are needed at "), "{trouble:?}");
}

#[test]
fn a_model_of_the_hub_is_fetched_by_its_own_program() {
    let place = Place::new();
    place.model("there");
    place.program("hf", "mkdir -p \"$4/.cache/huggingface\"; cp \"$PLACE\"there/* \"$4\"");
    let prepared = place.prepare(&place.asked("hf:Qwen/Qwen3-0.6B@main", "qwen")).unwrap();
    let to = place.path("models/.partial-qwen/payload");
    let call = format!("download Qwen/Qwen3-0.6B --local-dir {} --revision main", to.display());
    assert_eq!(place.calls(), [call]);
    let record = prepared.record;
    assert_eq!(
        (record.version.as_deref(), record.files.len()),
        (Some("main"), 3),
        "no notes of hf's"
    );
    for (said, cause) in [
        ("GatedRepoError: 403 Client Error.", Cause::KeyMissing),
        ("RepositoryNotFoundError: 401 Client Error.", Cause::ModelMissing),
        ("RevisionNotFoundError: 404 Client Error.", Cause::ModelMissing),
        ("OSError: No space left on device", Cause::DiskFull),
        ("ConnectionError: timed out", Cause::ModelBroken),
    ] {
        let place = Place::new();
        place.program("hf", &format!("echo '{said}' >&2; exit 1"));
        let trouble = place.prepare(&place.asked("hf:a/b", "b")).unwrap_err();
        assert_eq!(trouble.cause, cause, "{trouble:?}");
    }
}

#[test]
fn an_engine_is_for_none_of_the_backends() {
    let place = Place::new();
    let engine = format!(
        "mkdir \"$to\"; head -c 2000000 /dev/zero > \"$to/rank0.engine\"; echo '{{}}' > \"$to/config.json\"; {COMPLETED}"
    );
    ngc(&place, KNOWS_NOTHING, &engine);
    let prepared = place.prepare(&asked(&place)).unwrap();
    assert_eq!(prepared.record.backends.len(), 4);
    for BackendRecord { backend, unusable } in &prepared.record.backends {
        let folder = prepared.path.join(backend.name());
        assert!(unusable.as_ref().unwrap().contains("engine of TensorRT-LLM"));
        assert!(folder.join("README").is_file() && !folder.join("launch").exists());
    }
}

#[test]
fn what_a_registry_gives_may_lead_nowhere_else() {
    for (entry, why) in [
        ("ln -s /etc/passwd \"$to/tokenizer.model\"", "it is a link to /etc/passwd"),
        ("ln -s ../../../../x \"$to/x\"", "it is a link to nothing"),
        ("ln -s x \"$to/x\"", "it is a link to nothing, or to itself"),
        ("ln -s . \"$to/x\"", "it is a link to a folder"),
        ("mkfifo \"$to/pipe\"", "neither a file nor a folder"),
        ("touch \"$to/$(printf 'a\\nFROM evil')\"", "no text that can be shown"),
    ] {
        let place = Place::new();
        place.model("there");
        ngc(
            &place,
            KNOWS_NOTHING,
            &format!("mkdir \"$to\"; cp \"$PLACE\"there/* \"$to\"; {entry}; {COMPLETED}"),
        );
        let trouble = place.prepare(&asked(&place)).unwrap_err();
        assert_eq!(trouble.cause, Cause::ModelUnsafe, "{trouble:?}");
        assert!(trouble.what.contains(why), "{trouble:?}");
        assert_eq!(place.names(), [] as [&str; 0]);
    }
}
