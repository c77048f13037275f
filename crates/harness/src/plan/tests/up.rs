//! Servers that a plan has started.

use bench_containers::{EngineName, Gpus, With};

use super::{mistakes, settings};
use crate::{Server, TargetSettings, UpSettings};

fn ups(plan: &str) -> Vec<(TargetSettings, UpSettings)> {
    let targets = settings(plan).unwrap_or_else(|problems| panic!("{problems}")).targets;
    let up = |target: TargetSettings| match &target.server {
        Server::Up(up) => (target.clone(), (**up).clone()),
        _ => panic!("{target:?}"),
    };
    targets.into_iter().map(up).collect()
}

fn up(plan: &str) -> UpSettings {
    let mut all = ups(plan);
    assert_eq!(all.len(), 1);
    all.remove(0).1
}

#[test]
fn a_text_names_engine_and_model() {
    for (plan, engine, model) in [
        ("targets: [{up: 'vllm:Qwen/Qwen3-0.6B'}]", EngineName::Vllm, "Qwen/Qwen3-0.6B"),
        ("targets: [{up: 'ollama:llama3.2:1b'}]", EngineName::Ollama, "llama3.2:1b"),
        ("targets: [{name: ollama, up: 'llama3.2:1b'}]", EngineName::Ollama, "llama3.2:1b"),
        ("targets: [{engine: sglang, up: m}]", EngineName::Sglang, "m"),
        ("targets: [{name: nim, engine: vllm, up: m}]", EngineName::Vllm, "m"),
        ("targets: [{name: vllm, up: {recipe: llama.cpp, model: m}}]", EngineName::LlamaCpp, "m"),
    ] {
        let up = up(plan);
        assert_eq!((up.recipe.engine(), up.asked.model.as_str()), (engine, model), "{plan}");
    }
}

#[test]
fn a_section_says_the_rest() {
    let up = up("targets: [{up: {recipe: vllm, model: m, with: podman, args: '--a \"b c\"', env: {X: 1},
        secrets: [KEY], mounts: ['/a:/b', '/c:/d:rw'], gpus: 'device=0,1', shm_size: 16g, memory: 1.5g,
        port: 8123, ready_within: 30m, profile: 'tp=1'}}]");
    let asked = up.asked;
    assert_eq!((asked.with, asked.args), (With::Podman, vec!["--a".to_owned(), "b c".to_owned()]));
    assert_eq!((asked.env["X"].as_str(), asked.secrets), ("1", vec!["KEY".to_owned()]));
    assert_eq!(asked.gpus, Some(Gpus::Devices(vec!["0".to_owned(), "1".to_owned()])));
    let mounts: Vec<_> = asked.mounts.iter().map(|m| (m.inside.as_str(), m.read_only)).collect();
    assert_eq!(mounts, [("/b", true), ("/d", false)]);
    assert_eq!((asked.shm_bytes, asked.memory_bytes), (Some(16 << 30), Some(3 << 29)));
    assert_eq!((asked.port, asked.ready_within.unwrap().as_secs()), (Some(8123), 1800));
    assert_eq!(up.profile.as_deref(), Some("tp=1"));
}

#[test]
fn a_server_is_started_for_each_combination_of_arguments() {
    let all = ups("targets: [{name: v, up: {recipe: vllm, model: m, args: [--x],
        vary: {max-num-seqs: [64, 128], -c: '1'}}}]");
    let passes: Vec<_> = all.iter().map(|(target, _)| target.pass.as_deref().unwrap()).collect();
    assert_eq!(passes, ["c 1, max-num-seqs 64", "c 1, max-num-seqs 128"]);
    assert_eq!(all[1].1.asked.args, ["--x", "-c", "1", "--max-num-seqs", "128"]);
    assert_eq!(all[1].0.labels["max-num-seqs"], "128");
}

#[test]
fn a_pass_may_have_another_server() {
    let all = ups("targets: [{name: v, up: {recipe: vllm, model: m, image: a, args: [--x]},
        passes: [{q: none}, {q: fp8, up: {image: b, args: [--quantization, fp8]}}]}]");
    let images: Vec<_> = all.iter().map(|(_, up)| up.asked.image.as_deref().unwrap()).collect();
    assert_eq!(images, ["a", "b"]);
    assert_eq!(all[1].1.asked.args, ["--x", "--quantization", "fp8"]);
    assert_eq!(all[1].0.pass.as_deref(), Some("q fp8"));
}

#[test]
fn mistakes_say_what_is_wrong() {
    for (plan, said) in [
        ("targets: [{up: m}]", "targets[0].up: does not say of which engine"),
        ("targets: [{name: vllm, up: {}}]", "targets[0].up: names no model"),
        ("targets: [{up: {recipe: vlm, model: m}}]", "there is no recipe for `vlm`"),
        ("targets: [{up: {recipe: ./none.toml, model: m}}]", "./none.toml"),
        ("targets: [{up: 'vllm:m', url: ':1'}]", "targets[0].up: cannot be beside url"),
        ("targets: [{up: {model: m, recipe: vllm, gpus: some}}]", "`some` are no GPUs"),
        ("targets: [{up: {model: m, recipe: vllm, shm_size: big}}]", "`big` is no size"),
        ("targets: [{up: {model: m, recipe: vllm, mounts: [/a]}}]", "`/a` is no folder"),
        ("targets: [{up: {model: m, recipe: vllm, args: '\"a'}}]", "has no end"),
        ("targets: [{up: {model: m, recipe: vllm, port: 70000}}]", "70000 is too many"),
        ("targets: [{up: {model: m, recipe: vllm, vary: {a: []}}}]", "an argument has no value"),
        ("targets: [{up: {model: m, recipe: vllm, vary: {'': [1]}}}]", "an argument has no name"),
        ("targets: [{up: {model: m, recipe: vllm, vary: {a: [1, 2, 1]}}}]", "`1` is there twice"),
        ("targets: [{up: {model: m, recipe: vllm, imge: x}}]", "imge"),
    ] {
        let problems = mistakes(plan);
        assert!(problems.contains(said), "{plan}: {problems}");
    }
}
