use super::*;

#[test]
fn what_is_asked_stands_in_the_place_of_what_the_recipe_has() {
    let mut asked = asked("a/b");
    asked.args = words("--max-model-len 8192 --served-model-name x y --no-enable-prefix-caching");
    asked.env.insert("VLLM_LOGGING_LEVEL".to_owned(), "DEBUG".to_owned());
    asked.secrets.push("NGC_API_KEY".to_owned());
    asked.image = Some("vllm/vllm-openai:v0.9.2".to_owned());
    asked.gpus = Some(Gpus::Devices(words("0 2")));
    asked.shm_bytes = Some(1 << 30);
    asked.port = Some(9000);
    asked.lifetime = Some(Lifetime::WithUs);
    let inside = "/root/.cache/huggingface".to_owned();
    asked.mounts.push(Mount { outside: "/srv/hf".into(), inside, read_only: true });
    let launch = launched(EngineName::Vllm, &asked);
    assert_eq!(launch.model, "x");
    assert_eq!(launch.name, "inferbench-vllm-x");
    assert_eq!(
        launch.command(With::Docker),
        "\
docker run --detach \\
  --name inferbench-vllm-x \\
  --gpus '\"device=0,2\"' \\
  --shm-size 1g \\
  --security-opt no-new-privileges \\
  --env HF_TOKEN \\
  --env NGC_API_KEY \\
  --env VLLM_LOGGING_LEVEL=DEBUG \\
  --volume /srv/hf:/root/.cache/huggingface:ro \\
  --publish 127.0.0.1:9000:8000 \\
  --entrypoint vllm \\
  vllm/vllm-openai:v0.9.2 serve a/b \\
  --host 0.0.0.0 \\
  --port 8000 \\
  --max-model-len 8192 \\
  --served-model-name x y \\
  --no-enable-prefix-caching"
    );
}

#[test]
fn an_argument_replaces_the_variants_and_the_recipes() {
    let mut asked = asked("a/b");
    asked.variant = Some("dgx-spark".to_owned());
    asked.args = words("--mem-fraction-static=0.6 --no-enable-metrics");
    let args = launched(EngineName::Sglang, &asked).args.join(" ");
    assert!(
        args.ends_with(
            "--attention-backend flashinfer --mem-fraction-static=0.6 --no-enable-metrics"
        ),
        "{args}"
    );
    assert!(!args.contains("0.75") && !args.contains(" --enable-metrics"), "{args}");
}

#[test]
fn a_process_learns_its_port_when_it_is_started() {
    let asked = Asked { with: With::Process, gpus: Some(Gpus::Count(2)), ..asked("llama3.2") };
    let launch = launched(EngineName::Ollama, &asked);
    assert_eq!(launch.env["OLLAMA_HOST"], crate::Variable::Text("127.0.0.1:{port}".to_owned()));
    assert_eq!(launch.env["CUDA_VISIBLE_DEVICES"], crate::Variable::Text("0,1".to_owned()));
    let launch = launch.at_port(4321);
    assert_eq!(launch.env["OLLAMA_HOST"], crate::Variable::Text("127.0.0.1:4321".to_owned()));
    assert_eq!(launch.place.outside, Some(4321));
    let fixed = launched(EngineName::LlamaCpp, &Asked { port: Some(7000), ..asked });
    assert!(fixed.args.ends_with(&words("--port 7000 --metrics -hf llama3.2")), "{:?}", fixed.args);
}

#[test]
fn another_program_is_the_one_that_fetches_models_too() {
    let program = Some("/opt/ollama".into());
    let asked = Asked { with: With::Process, program, ..asked("llama3.2") };
    assert_eq!(
        launched(EngineName::Ollama, &asked).then,
        [words("/opt/ollama pull llama3.2:latest")]
    );
}

#[test]
fn names_that_are_taken_are_numbered() {
    let mut host = host();
    let names = ["inferbench-vllm-b", "inferbench-vllm-b-2"].map(str::to_owned);
    host.taken.extend(names);
    let launch = Recipe::of(EngineName::Vllm).launch(&asked("a/b"), &host).unwrap();
    assert_eq!(launch.name, "inferbench-vllm-b-3");
    let long = launched(EngineName::Vllm, &asked(&format!("a/{}", "x+".repeat(100))));
    assert!(long.name.len() < 80 && check::name(&long.name).is_ok(), "{}", long.name);
}

#[test]
fn nim_is_named_by_its_image_or_told_its_model() {
    let nim = |model: &str, image: Option<&str>| {
        let asked = Asked { image: image.map(str::to_owned), ..asked(model) };
        let launch = launched(EngineName::Nim, &asked);
        let Program::Image { image, .. } = launch.program else { panic!("no image") };
        let path = launch.env.get("NIM_MODEL_PATH").cloned();
        (image, launch.model, path)
    };
    let full = "127.0.0.1:5000/nim/meta/llama@sha256:00";
    assert_eq!(nim(full, None), (full.to_owned(), "meta/llama".to_owned(), None));
    let free = "nvcr.io/nim/nvidia/model-free-nim:3.0.0";
    let (image, model, path) = nim("hf://meta-llama/Llama-3.1-8B", Some(free));
    assert_eq!((image.as_str(), model.as_str()), (free, "meta-llama/Llama-3.1-8B"));
    assert_eq!(path, Some(crate::Variable::Text("hf://meta-llama/Llama-3.1-8B".to_owned())));
    let mut asked = asked("meta/llama:1.2");
    asked.profile = Some("a".repeat(64));
    asked.env.insert("NIM_SERVED_MODEL_NAME".to_owned(), "x,y".to_owned());
    let launch = launched(EngineName::Nim, &asked);
    assert_eq!(launch.model, "x");
    assert_eq!(launch.env["NIM_MODEL_PROFILE"], crate::Variable::Text("a".repeat(64)));
}
