use super::*;

/// An engine's launch in full, and the commands of its variants, as a process too.
fn check(engine: EngineName, model: &str, with_model: Option<LocalModel>) {
    let recipe = Recipe::of(engine);
    let mut text = String::new();
    let mut show = |title: &str, asked: &Asked, host: &HostFacts| {
        let launch = recipe.launch(asked, host);
        let shown = launch.map_or_else(
            |trouble| format!("{trouble}\n  {}", trouble.fix),
            |launch| launch.command(asked.with),
        );
        text += &format!("# {title}\n{shown}\n\n");
    };
    let image = (engine == EngineName::Custom).then(|| "acme/server:1.2".to_owned());
    let args = match engine {
        EngineName::Custom => words("--model-id {model} --served {name} --at {host}:{port}"),
        _ => Vec::new(),
    };
    let usual = Asked { image, args, ..asked(model) };
    show("docker", &usual, &host());
    show("podman", &Asked { with: With::Podman, ..usual.clone() }, &host());
    let program = (engine == EngineName::Custom).then(|| "/opt/acme/serve".into());
    let process = Asked { with: With::Process, image: None, program, ..usual.clone() };
    show("process", &process, &host());
    for variant in recipe.variants() {
        show(variant, &Asked { variant: Some(variant.to_owned()), ..usual.clone() }, &host());
    }
    if let Some(local) = with_model {
        let model = local.path.to_string_lossy().into_owned();
        let host = HostFacts { model: Some(local), ..host() };
        show("a model of this machine", &Asked { model: model.clone(), ..usual.clone() }, &host);
        show("the same as a process", &Asked { model, ..process }, &host);
    }
    text += &format!("{:#?}\n", recipe.launch(&usual, &host()).unwrap());
    insta::assert_snapshot!(engine.name(), text);
}

#[test]
fn vllm() {
    check(EngineName::Vllm, "Qwen/Qwen3-0.6B", Some(local("/srv/models/qwen", "/srv/models/qwen")));
}

#[test]
fn sglang() {
    let snapshot = "/srv/hub/models--Qwen--Qwen3-0.6B/snapshots/c1899de";
    check(
        EngineName::Sglang,
        "Qwen/Qwen3-0.6B",
        Some(local(snapshot, "/srv/hub/models--Qwen--Qwen3-0.6B")),
    );
}

#[test]
fn trtllm() {
    check(
        EngineName::TrtLlm,
        "nvidia/Qwen3-8B-FP8",
        Some(local("/srv/models/qwen", "/srv/models/qwen")),
    );
}

#[test]
fn llamacpp() {
    let part = "/srv/gguf/qwen-00001-of-00002.gguf";
    check(
        EngineName::LlamaCpp,
        "ggml-org/gemma-3-1b-it-GGUF:Q4_K_M",
        Some(local(part, "/srv/gguf")),
    );
}

#[test]
fn ollama() {
    check(EngineName::Ollama, "llama3.2", Some(local("/srv/models/Qwen", "/srv/models/Qwen")));
}

#[test]
fn nim() {
    check(EngineName::Nim, "meta/llama-3.1-8b-instruct", None);
}

#[test]
fn custom() {
    check(EngineName::Custom, "acme/model", Some(local("/srv/models/m", "/srv/models/m")));
}

#[test]
fn every_recipe_is_well_formed_and_every_engine_has_one() {
    for engine in EngineName::ALL {
        let recipe = Recipe::of(engine);
        assert_eq!(recipe.engine(), engine);
        assert_eq!(recipe.parts.extends, None);
        for parts in [&recipe.parts].into_iter().chain(recipe.parts.variants.values()) {
            assert!(
                parts.image.as_ref().is_none_or(|image| !image.ends_with(":latest")),
                "{engine}"
            );
        }
    }
}
