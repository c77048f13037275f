use super::*;

/// What is said of what is asked, which cannot be.
fn refusal(engine: EngineName, change: impl FnOnce(&mut Asked)) -> Trouble {
    let mut asked = asked("a/b");
    change(&mut asked);
    let trouble = Recipe::of(engine).launch(&asked, &host()).expect_err("it was taken");
    assert!(!trouble.fix.is_empty(), "{trouble:?}");
    trouble
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    use EngineName::{Custom, LlamaCpp, Nim, Ollama, Sglang, Vllm};

    let args = |engine: EngineName, text: &str| refusal(engine, |asked| asked.args = words(text));
    let cases = [
        (args(Vllm, "--port 1"), "--port is set by inferbench"),
        (args(Vllm, "--host=::"), "--host is set by inferbench"),
        (args(Vllm, "--api-key x"), "vllm does not take --api-key here"),
        (args(LlamaCpp, "--hf_token=x"), "llamacpp does not take --hf_token here"),
        (
            args(Custom, "--api_key=x"),
            "what --api_key says looks like a secret, and would be seen by others",
        ),
        (
            args(Vllm, "--hf-token x"),
            "what --hf-token says looks like a secret, and would be seen by others",
        ),
        (args(Vllm, "--model x"), "vllm does not take --model here"),
        (args(LlamaCpp, "-m x.gguf"), "-m is set by inferbench"),
        (args(Sglang, "--model y"), "--model is set by inferbench"),
        (
            refusal(Vllm, |asked| asked.model = "--help".to_owned()),
            "\"--help\" is no name of a model",
        ),
        (refusal(Vllm, |asked| asked.model.clear()), "no model is named"),
        (refusal(Vllm, |asked| asked.variant = Some("x".to_owned())), "vllm has no variant `x`"),
        (
            refusal(Vllm, |asked| asked.name = Some("-x".to_owned())),
            "a server cannot be called \"-x\"",
        ),
        (refusal(Vllm, |asked| asked.profile = Some("a".repeat(64))), "vllm has no profiles"),
        (
            refusal(Vllm, |asked| asked.program = Some("x".into())),
            "a container has no program of this machine",
        ),
        (
            refusal(Nim, |asked| asked.profile = Some("fp8".to_owned())),
            "\"fp8\" is no profile's id",
        ),
        (
            refusal(Nim, |asked| asked.with = With::Process),
            "NIM is an image, and no program of its own",
        ),
        (
            refusal(Ollama, |asked| asked.model = "a:b:c".to_owned()),
            "\"a:b:c\" is no model of Ollama's",
        ),
        (
            refusal(Ollama, |asked| asked.model = "a/b:c/d".to_owned()),
            "\"a/b:c/d\" is no model of Ollama's",
        ),
        (refusal(Custom, |_| {}), "no image is named"),
        (
            refusal(Custom, |asked| asked.image = Some("--privileged".to_owned())),
            "\"--privileged\" is no name of an image",
        ),
    ];
    for (trouble, expected) in cases {
        assert_eq!((trouble.cause, trouble.what.as_str()), (Cause::Recipe, expected));
    }
    let process = refusal(Vllm, |asked| {
        (asked.with, asked.shm_bytes) = (With::Process, Some(1));
    });
    assert_eq!(process.what, "a process has no such thing: shared memory");
    let socket = refusal(Vllm, |asked| {
        asked.mounts.push(Mount {
            outside: "/var/run/docker.sock".into(),
            inside: "/s".to_owned(),
            read_only: true,
        });
    });
    assert!(socket.what.starts_with("/var/run/docker.sock cannot be mounted"), "{socket}");
    let secret = refusal(Vllm, |asked| {
        asked.env.insert("HF_TOKEN".to_owned(), "canary".to_owned());
    });
    assert!(
        secret.fix.contains("by its name") && !format!("{secret:?}").contains("canary"),
        "{secret:?}"
    );
}

#[test]
fn what_is_missing_is_named() {
    let none = HostFacts { home: Some("/users/ann".into()), ..HostFacts::default() };
    let missing = Recipe::of(EngineName::Nim).launch(&asked("a/b"), &none).unwrap_err();
    assert_eq!(missing.cause, Cause::KeyMissing);
    assert!(missing.what.contains("NGC_API_KEY") && missing.fix.contains("export NGC_API_KEY"));
    let key = refusal(EngineName::Vllm, |asked| asked.secrets.push("MY_KEY".to_owned()));
    assert_eq!(
        (key.cause, key.what.as_str()),
        (Cause::KeyMissing, "vllm needs MY_KEY, which is not set")
    );
    for path in ["./models/none", "/srv/none", "none.gguf"] {
        let trouble = refusal(EngineName::LlamaCpp, |asked| asked.model = path.to_owned());
        assert_eq!(trouble.cause, Cause::ModelMissing, "{path}");
    }
    let homeless = Recipe::of(EngineName::Vllm).launch(&asked("a/b"), &HostFacts::default());
    assert!(homeless.unwrap_err().fix.contains("HOME"));
}

#[test]
fn gpus_that_are_not_there_are_refused_where_that_is_known() {
    let with = |gpus: &str, known: Option<u32>| {
        let asked = Asked { gpus: Some(gpus.parse().unwrap()), ..asked("a/b") };
        Recipe::of(EngineName::Vllm).launch(&asked, &HostFacts { gpus: known, ..host() }).is_ok()
    };
    assert!(with("4", None) && with("2", Some(2)) && with("device=GPU-1f,1", Some(2)));
    assert!(!with("3", Some(2)) && !with("device=0,2", Some(2)));
    // What is missing altogether, the engine says itself.
    assert!(with("all", Some(0)) && with("1", Some(0)));
    assert!("device=".parse::<Gpus>().is_err() && "0,2".parse::<Gpus>().is_err());
}

#[test]
fn models_of_this_machine_have_to_be_of_the_engines_form() {
    let with = |engine: EngineName, path: &str, root: &str| {
        let host = HostFacts { model: Some(local(path, root)), ..host() };
        Recipe::of(engine).launch(&asked(path), &host)
    };
    assert!(with(EngineName::LlamaCpp, "/srv/m", "/srv/m").unwrap_err().fix.contains(".gguf"));
    assert!(with(EngineName::Vllm, "/srv/m.gguf", "/srv").unwrap_err().fix.contains("llamacpp"));
    assert!(
        with(EngineName::Vllm, "/a/b/c/d/e", "/a").unwrap_err().what.contains("lead far outside")
    );
    assert!(with(EngineName::Vllm, "/m", "/").unwrap_err().what.contains("seen whole"));
    // A link from a model into `~/.ssh` would show all of a home.
    let home = host().home.unwrap();
    let model = home.join("m").display().to_string();
    let home = home.display().to_string();
    assert!(with(EngineName::Vllm, &model, &home).unwrap_err().what.contains("seen whole"));
    // TensorRT-LLM takes a folder's name for the model's.
    let (snapshot, cache) = ("/hub/models--a--b/snapshots/c1", "/hub/models--a--b");
    assert_eq!(with(EngineName::TrtLlm, snapshot, cache).unwrap().model, "c1");
    assert_eq!(with(EngineName::Vllm, snapshot, cache).unwrap().model, "a/b");
    let single = with(EngineName::LlamaCpp, "/srv/m.gguf", "/srv").unwrap();
    assert_eq!(single.mounts[0].outside, Path::new("/srv/m.gguf"));
    assert_eq!(single.mounts[0].inside, "/models/m.gguf");
}
